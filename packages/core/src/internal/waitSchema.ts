import * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"

/** A time to wait, encoded in milliseconds: finite, so that JSON has it, and not negative. */
export const Wait = Schema.DurationFromMillis.check(
  Schema.makeFilter((duration) => Duration.toMillis(duration) >= 0 && Number.isFinite(Duration.toMillis(duration))),
)
