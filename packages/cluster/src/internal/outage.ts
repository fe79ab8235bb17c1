/** What is tried again and again is reported when it starts to fail, and when it works again, and not each time. */
import * as Effect from "effect/Effect"

export interface Outage {
  /** Logs the first failure as a warning. */
  readonly failed: (message: string) => Effect.Effect<void>

  /** Logs that it works again, if it has failed. */
  readonly works: Effect.Effect<void>
}

/** `again` is the line that says that it works again. */
export const make = (again: string): Outage => {
  let isFailing = false
  return {
    failed: (message) =>
      Effect.suspend(() => {
        if (isFailing) return Effect.void
        isFailing = true
        return Effect.logWarning(message)
      }),
    works: Effect.suspend(() => {
      if (!isFailing) return Effect.void
      isFailing = false
      return Effect.logInfo(again)
    }),
  }
}
