import * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"

/** A time to wait, in milliseconds where it is encoded: a number that JSON has, and none that is negative. */
export const Wait = Schema.DurationFromMillis.check(
  Schema.makeFilter((duration) => Duration.toMillis(duration) >= 0 && Number.isFinite(Duration.toMillis(duration))),
)
