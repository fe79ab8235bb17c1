/**
 * The rule for the versions of files and of their lines: an older one is read, and a newer one is refused by name, because
 * this release would misread it.
 */
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"

const decode = Schema.decodeUnknownOption(Schema.Struct({ version: Schema.Int }))

/** The version of a line or file, if it is newer than the version `known` to this release. */
export const newer = (value: unknown, known: number): Option.Option<number> =>
  decode(value).pipe(
    Option.map(({ version }) => version),
    Option.filter((found) => found > known),
  )

/** Says that a newer version wrote a line or file, and the next step. */
export const describeNewer = (found: number, known: number): string =>
  `was written by a newer version of live-response (format ${found}, this one reads up to ${known}); run the newer version`
