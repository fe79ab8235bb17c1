/**
 * The rule for the versions of files and of their lines: an older one is read, and a newer one is refused by name, because
 * this release would misread it.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { DamagedLine } from "../JsonLines.ts"
import { StoreError } from "../StoreError.ts"

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

/** The error for a file, or what of it `subject` names, that a newer version wrote. */
export const refusal = (path: string, subject: string, found: number, known: number): StoreError =>
  new StoreError({
    path,
    problem: "Failed",
    detail: `${subject} ${describeNewer(found, known)}, or choose another directory`,
  })

/** Fails where a line that can't be read is of a newer version: it is not damaged, and what it records must not be repeated. */
export const refuseNewerLine =
  (path: string, known: number) =>
  ({ line, value }: DamagedLine): Effect.Effect<void, StoreError> =>
    Option.match(
      Option.flatMap(value, (value) => newer(value, known)),
      {
        onNone: () => Effect.void,
        onSome: (found) => Effect.fail(refusal(path, `line ${line}`, found, known)),
      },
    )
