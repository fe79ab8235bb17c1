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

/** Returns nothing for a call within the limits. Every call counts. */
export type Limiter = (now: number) => Throttled | undefined

/** Rolling windows that count throttled calls too, as the service does. */
const makeLimiter = (windows: ReadonlyArray<Window>): Limiter => {
  let calls: Array<number> = []
  const longest = Math.max(...windows.map(({ millis }) => millis))
  return (now) => {
    calls = calls.filter((at) => at > now - longest)
    calls.push(now)
    for (const { limit, millis, text } of windows) {
      const recent = calls.filter((at) => at > now - millis)
      const oldest = recent[recent.length - limit - 1]
      if (oldest !== undefined) return { limit, text, seconds: Math.ceil((oldest + millis - now) / 1000) }
    }
    return undefined
  }
}

const minute = (limit: number): Window => ({ limit, millis: 60_000, text: "00:01:00" })

export const perMinute = (limit: number): Limiter => makeLimiter([minute(limit)])

export const perMinuteAndHour = (limits: { readonly perMinute: number; readonly perHour: number }): Limiter =>
  makeLimiter([minute(limits.perMinute), { limit: limits.perHour, millis: 3_600_000, text: "01:00:00" }])
