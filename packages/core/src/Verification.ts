/**
 * Verifies that results on the disk are what was downloaded, by the size and SHA-256 in the manifest.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { type Algorithm, type Hash, Hasher } from "./Hasher.ts"
import * as FileName from "./FileName.ts"
import * as Manifest from "./Manifest.ts"
import type * as ManifestEntry from "./ManifestEntry.ts"
import type { PrivateDirectory } from "./PrivateDirectory.ts"
import { ResultRef } from "./ResultRef.ts"
import { isOfOneFile, type StoreError } from "./StoreError.ts"
import * as TrustedInstance from "./internal/trustedInstance.ts"

/** What the manifest records about a file. `path` is relative to the directory. */
const recorded = { ...ResultRef.fields, path: Schema.String, bytes: Schema.Int, sha256: Schema.String }

/**
 * The file is what was downloaded.
 *
 * **Gotchas**
 *
 * With `unchecked` it may still be incomplete, because the storage announced neither the length of the result nor an MD5.
 *
 * @since 0.1.0
 * @category events
 */
export class Verified extends Schema.Class<Verified>("@live-response/core/Verification/Verified")({
  event: Schema.tag("verified"),
  ...recorded,
  unchecked: Schema.optionalKey(Schema.Literal(true)),
}) {}

/**
 * The file is not what was downloaded, or may not be read, such as a symbolic link: `message` says which.
 *
 * @since 0.1.0
 * @category events
 */
export class Differs extends Schema.Class<Differs>("@live-response/core/Verification/Differs")({
  event: Schema.tag("differs"),
  ...recorded,
  message: Schema.String,
}) {}

/**
 * The file no longer exists.
 *
 * @since 0.1.0
 * @category events
 */
export class Missing extends Schema.Class<Missing>("@live-response/core/Verification/Missing")({
  event: Schema.tag("missing"),
  ...recorded,
}) {}

/**
 * A file has the name of a result, and the manifest does not record it: nothing says whether it is what was downloaded.
 *
 * @since 0.1.0
 * @category events
 */
export class Unrecorded extends Schema.Class<Unrecorded>("@live-response/core/Verification/Unrecorded")({
  event: Schema.tag("unrecorded"),
  path: Schema.String,
}) {}

/**
 * A line of the manifest can't be read, so the result that it recorded is not verified.
 *
 * @since 0.1.0
 * @category events
 */
export class Damaged extends Schema.Class<Damaged>("@live-response/core/Verification/Damaged")({
  event: Schema.tag("damaged"),
  line: Schema.Int,
}) {}

/**
 * How many files are verified, differ, are missing and are not recorded, and how many lines of the manifest are damaged.
 * `bytes` counts the files that are verified. `unchecked` says how many of them are marked as `unchecked`; it is absent if
 * none is.
 *
 * @since 0.1.0
 * @category events
 */
export class Summary extends Schema.Class<Summary>("@live-response/core/Verification/Summary")({
  event: Schema.tag("summary"),
  verified: Schema.Int,
  differs: Schema.Int,
  missing: Schema.Int,
  unrecorded: Schema.Int,
  damaged: Schema.Int,
  bytes: Schema.Int,
  unchecked: Schema.optionalKey(Schema.Int),
}) {}

/**
 * @since 0.1.0
 * @category events
 */
export const Event = Schema.Union([Verified, Differs, Missing, Unrecorded, Damaged])

/**
 * @since 0.1.0
 * @category events
 */
export type Event = typeof Event.Type

/**
 * The summary before the first file.
 *
 * @since 0.1.0
 * @category summary
 */
export const emptySummary: Summary = Summary.make({
  verified: 0,
  differs: 0,
  missing: 0,
  unrecorded: 0,
  damaged: 0,
  bytes: 0,
})

/**
 * Whether all that was found is as it was recorded.
 *
 * @since 0.1.0
 * @category summary
 */
export const isUnchanged = ({ damaged, differs, missing, unrecorded }: Summary): boolean =>
  damaged + differs + missing + unrecorded === 0

/**
 * Adds an event to a summary.
 *
 * @since 0.1.0
 * @category summary
 */
export const tally = (summary: Summary, event: Event): Summary =>
  TrustedInstance.make(Summary, {
    ...summary,
    [event.event]: summary[event.event] + 1,
    bytes: summary.bytes + (event.event === "verified" ? event.bytes : 0),
    ...(event.event === "verified" && event.unchecked === true ? { unchecked: (summary.unchecked ?? 0) + 1 } : {}),
  })

/**
 * Passes the bytes of a file, and compares their size and SHA-256 with the record at their end. `onDifference` runs with a
 * description of the first difference.
 *
 * **Gotchas**
 *
 * Nothing is compared if the stream is not read to its end.
 *
 * @since 0.1.0
 * @category verifying
 */
export const whileRead = <E, R, E2, R2>(
  bytes: Stream.Stream<Uint8Array, E, R>,
  record: Pick<ManifestEntry.Completed, "bytes" | "sha256">,
  onDifference: (message: string) => Effect.Effect<void, E2, R2>,
): Stream.Stream<Uint8Array, E | E2, R | R2> =>
  Stream.unwrap(
    Effect.map(Hasher, (hasher) => {
      const hash = hasher("SHA-256")
      let size = 0
      const compare = Effect.suspend(() => {
        const difference = describeDifference(size, Hex.encode(hash.digest()), record)
        return difference === undefined ? Effect.void : onDifference(difference)
      })
      return bytes.pipe(
        Stream.tap((chunk) =>
          Effect.sync(() => {
            size += chunk.length
            hash.update(chunk)
          }),
        ),
        Stream.concat(Stream.drain(Stream.fromEffect(compare))),
      )
    }),
  )

/**
 * The first difference between the bytes of a file and its record, or `undefined` if there is none.
 *
 * **When to use**
 *
 * Use it for a small file that is in memory. For any other, use {@link whileRead}.
 *
 * @since 0.1.0
 * @category verifying
 */
export const differenceOf = (
  bytes: Uint8Array,
  record: Pick<ManifestEntry.Completed, "bytes" | "sha256">,
): Effect.Effect<string | undefined> => Effect.map(Hasher, (hasher) => differenceWith(hasher, bytes, record))

/**
 * `differenceOf` with a hasher that is known already.
 *
 * @since 0.1.0
 * @category verifying
 */
export const differenceWith = (
  hasher: (algorithm: Algorithm) => Hash,
  bytes: Uint8Array,
  record: Pick<ManifestEntry.Completed, "bytes" | "sha256">,
): string | undefined => {
  if (bytes.length !== record.bytes) return sizeDiffers(bytes.length, record.bytes)
  const hash = hasher("SHA-256")
  hash.update(bytes)
  return describeDifference(bytes.length, Hex.encode(hash.digest()), record)
}

const describeDifference = (
  size: number,
  sha256: string,
  record: Pick<ManifestEntry.Completed, "bytes" | "sha256">,
): string | undefined => {
  if (size !== record.bytes) return sizeDiffers(size, record.bytes)
  return sha256 === record.sha256
    ? undefined
    : `its SHA-256 is ${sha256}, and it was ${record.sha256} when it was downloaded`
}

const sizeDiffers = (actual: number, expected: number): string =>
  `it has ${actual} bytes, and had ${expected} when it was downloaded`

/**
 * Compares a file with its record in the manifest.
 *
 * **Example** (Verifying all results of a directory)
 *
 * @example
 * ```ts
 * import * as Manifest from "@live-response/core/Manifest"
 * import * as PrivateDirectory from "@live-response/core/PrivateDirectory"
 * import * as Verification from "@live-response/core/Verification"
 * import * as Effect from "effect/Effect"
 *
 * export const program = Effect.gen(function* () {
 *   const directory = yield* PrivateDirectory.open("case-4711")
 *   const records = yield* Manifest.completed(directory, ({ line }) => Effect.logError(`line ${line} is damaged`))
 *   return yield* Effect.forEach(records, (record) => Verification.verify(directory, record), { concurrency: 4 })
 * })
 * ```
 *
 * @since 0.1.0
 * @category verifying
 */
export const verify = (
  directory: PrivateDirectory,
  { bytes, index, machineActionId, path, sha256, unchecked }: ManifestEntry.Completed,
): Effect.Effect<Event, StoreError> =>
  Effect.gen(function* () {
    const record = { machineActionId, index, path, bytes, sha256 }
    const info = yield* directory.info(path)
    if (Option.isNone(info)) return Missing.make(record)
    const actual = Number(info.value.size)
    // To read something else than a file fails, and says what it is.
    if (info.value.type === "File" && actual !== bytes)
      return Differs.make({ ...record, message: sizeDiffers(actual, bytes) })
    let difference: string | undefined
    yield* Stream.runDrain(
      whileRead(directory.read(path), record, (message) => Effect.sync(() => (difference = message))),
    )
    if (difference !== undefined) return Differs.make({ ...record, message: difference })
    return Verified.make({ ...record, ...(unchecked === undefined ? {} : { unchecked }) })
  }).pipe(
    // Whatever stands there in place of the file is a finding: the others are verified as well.
    Effect.catchIf(isOfOneFile, (error) =>
      Effect.succeed<Event>(Differs.make({ machineActionId, index, path, bytes, sha256, message: error.description })),
    ),
  )

/**
 * The paths of all files that have the names of results, whether the manifest records them or not.
 *
 * @since 0.1.0
 * @category verifying
 */
export const resultsIn = Effect.fnUntraced(function* (
  directory: PrivateDirectory,
): Effect.fn.Return<ReadonlyArray<string>, StoreError> {
  const ids = (yield* directory.list()).filter(isId)
  const paths = yield* Effect.forEach(ids, (id) =>
    directory.list(id).pipe(
      Effect.map((names) => names.filter(FileName.isResult).map((name) => `${id}/${name}`)),
      // What is not a directory of ours has no results, and each record that names it is reported.
      Effect.catchIf(isOfOneFile, () => Effect.succeed([])),
    ),
  )
  return paths.flat()
})

const without = (
  paths: ReadonlyArray<string>,
  records: ReadonlyArray<ManifestEntry.Completed>,
): ReadonlyArray<string> => {
  const recorded = new Set(records.map(({ path }) => path))
  return paths.filter((path) => !recorded.has(path))
}

const isId = Schema.is(ResultRef.fields.machineActionId)

/**
 * Those of the files that the manifest does not record.
 *
 * **Details**
 *
 * `paths` are from before the manifest was read for `records`, and it is read again a second later: a batch may be writing
 * there, and records a result right after it is there.
 *
 * @since 0.1.0
 * @category verifying
 */
export const unrecorded = Effect.fnUntraced(function* (
  directory: PrivateDirectory,
  paths: ReadonlyArray<string>,
  records: ReadonlyArray<ManifestEntry.Completed>,
): Effect.fn.Return<ReadonlyArray<Unrecorded>, StoreError> {
  const left = without(paths, records)
  if (left.length === 0) return []
  const now = yield* Effect.delay(
    Manifest.completed(directory, () => Effect.void),
    "1 second",
  )
  return without(left, now).map((path) => Unrecorded.make({ path }))
})
