/** The limits of the simulated service. */

/** Rolling windows that count every call, refused ones too, as the service is said to do. */
export const makeLimiter = (
  windows: ReadonlyArray<{ readonly limit: number; readonly millis: number; readonly text: string }>,
) => {
  let calls: Array<number> = []
  const longest = Math.max(...windows.map(({ millis }) => millis))
  return {
    /** The refusing window and the seconds to wait, or nothing where the call is within the limits. */
    check: (now: number) => {
      calls = calls.filter((at) => at > now - longest)
      calls.push(now)
      for (const { limit, millis, text } of windows) {
        const recent = calls.filter((at) => at > now - millis)
        const leaves = recent[recent.length - limit - 1]
        if (leaves !== undefined) return { limit, text, seconds: Math.ceil((leaves + millis - now) / 1000) }
      }
      return undefined
    },
  }
}

/** The vendor's two, or others in their place. */
export const vendorWindows = (perMinute: number, perHour: number) => [
  { limit: perMinute, millis: 60_000, text: "00:01:00" },
  { limit: perHour, millis: 3_600_000, text: "01:00:00" },
]
