/** How the simulated API throttles calls. */

export interface Window {
  readonly limit: number
  readonly millis: number
  /** The length of the window as the API writes it. */
  readonly text: string
}

/** Why a call is throttled, and for how many seconds. */
export interface Throttled {
  readonly limit: number
  readonly text: string
  readonly seconds: number
}

export interface Limiter {
  readonly perMinute: number

  /** Returns nothing for a call within the limits. Every call counts. */
  readonly throttle: (now: number) => Throttled | undefined
}

/** Rolling windows that count throttled calls too, as the service does. */
const makeLimiter = (perMinute: number, longer: ReadonlyArray<Window>): Limiter => {
  const windows: ReadonlyArray<Window> = [{ limit: perMinute, millis: 60_000, text: "00:01:00" }, ...longer]
  let calls: Array<number> = []
  const longest = Math.max(...windows.map(({ millis }) => millis))
  const throttle = (now: number) => {
    calls = calls.filter((at) => at > now - longest)
    calls.push(now)
    for (const { limit, millis, text } of windows) {
      const recent = calls.filter((at) => at > now - millis)
      const oldest = recent[recent.length - limit - 1]
      if (oldest !== undefined) return { limit, text, seconds: Math.ceil((oldest + millis - now) / 1000) }
    }
    return undefined
  }
  return { perMinute, throttle }
}

export const perMinute = (limit: number): Limiter => makeLimiter(limit, [])

export const perMinuteAndHour = (limits: { readonly perMinute: number; readonly perHour: number }): Limiter =>
  makeLimiter(limits.perMinute, [{ limit: limits.perHour, millis: 3_600_000, text: "01:00:00" }])
