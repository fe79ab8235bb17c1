/**
 * What `live-response verify` does: checks that the results of a directory are unchanged.
 */
import * as FileName from "@live-response/core/FileName"
import * as Manifest from "@live-response/core/Manifest"
import * as Verification from "@live-response/core/Verification"
import { keyOf } from "@live-response/core/ResultRef"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Failure from "../../Failure.ts"
import * as ResultsDirectory from "../../input/ResultsDirectory.ts"
import * as CommandText from "../../output/CommandText.ts"
import * as Format from "../../output/Format.ts"
import * as StandardError from "../../output/StandardError.ts"
import { printable, printableJson } from "../../output/Printable.ts"
import * as ProgressDisplay from "../../output/ProgressDisplay.ts"

/** How many files are read at once: enough to keep a disk busy. */
const concurrency = 4

const encode = Schema.encodeEffect(
  Schema.fromJsonString(Schema.Union([...Verification.Event.members, Verification.Summary])),
)

const toJson = (event: Verification.Event | Verification.Summary) =>
  Effect.map(Effect.orDie(encode(event)), printableJson)

/**
 * Compares every result in the manifest with its file. Fails if one differs or is missing, if a file has no record, or if a
 * record can't be read.
 */
export const verify = Effect.fnUntraced(
  function* (directory: string, { json, quiet }: { readonly json: boolean; readonly quiet: boolean }) {
    const files = yield* ResultsDirectory.open(directory)
    let summary = Verification.emptySummary
    let print = Console.log
    const report = Effect.fnUntraced(function* (event: Verification.Event) {
      summary = Verification.tally(summary, event)
      const message = messageOf(event, directory)
      if (message !== undefined) yield* StandardError.write(`live-response: ${printable(message)}`)
      if (json) yield* print(yield* toJson(event))
    })

    const paths = yield* Verification.resultsIn(files)
    const records = yield* Manifest.completed(files, ({ line }) => report(Verification.Damaged.make({ line })))

    // The display has a scope of its own, which closes before the summary: what is drawn is erased.
    const display = yield* Scope.fork(yield* Effect.scope)
    const line = Effect.sync(() => progressLine(summary, records.length))
    if (!quiet) {
      print = yield* Scope.provide(
        ProgressDisplay.show({ line, lines: () => Effect.map(line, (line) => [line]) }),
        display,
      )
    }

    yield* Stream.fromIterable(records).pipe(
      Stream.mapEffect((record) => Verification.verify(files, record), { concurrency, unordered: true }),
      Stream.concat(Stream.fromIterableEffect(Verification.unrecorded(files, paths, records))),
      Stream.runForEach(report),
      Effect.ensuring(Scope.close(display, Exit.void)),
    )

    if (json) yield* Console.log(yield* toJson(summary))
    else if (!quiet) yield* Console.log(summaryText(summary))
    if (!Verification.isUnchanged(summary)) return yield* Failure.someFailed
  },
  Effect.scoped,
  Effect.mapError(Failure.fromError),
)

/** The message on standard error. */
const messageOf = (event: Verification.Event, directory: string): string | undefined => {
  switch (event.event) {
    case "verified":
      return event.unchecked === true
        ? `${event.path} is unchanged since its download, but may be incomplete: the storage announced neither its length nor an MD5`
        : undefined
    case "differs":
      return `${event.path} differs from its record in the manifest: ${event.message}`
    case "missing":
      return `${event.path} is missing; download it again: ${CommandText.download(keyOf(event), directory)}`
    case "unrecorded":
      return `${event.path} is not recorded in the manifest, so nothing says what was downloaded; move it away and download the result again`
    case "damaged":
      return `${FileName.single.manifest}: line ${event.line} is damaged, so the result that it recorded is not verified; restore the file from a copy, or download that result again`
  }
}

const counts = ({ bytes, differs, missing, unchecked, verified }: Verification.Summary): string =>
  [
    `${Format.count(verified)} verified (${Format.bytes(bytes)})`,
    ...(unchecked === undefined ? [] : [`${Format.count(unchecked)} of them unchecked`]),
    `${Format.count(differs)} ${differs === 1 ? "differs" : "differ"}`,
    `${Format.count(missing)} missing`,
  ].join(", ")

const progressLine = (summary: Verification.Summary, total: number): string =>
  `${Format.count(summary.verified + summary.differs + summary.missing)} of ${Format.count(total)} results: ${counts(summary)}`

const summaryText = (summary: Verification.Summary): string => {
  const { damaged, unrecorded } = summary
  const more = [
    ...(unrecorded === 0 ? [] : [`, ${Format.count(unrecorded)} not recorded`]),
    ...(damaged === 0
      ? []
      : [`, ${Format.count(damaged)} damaged ${damaged === 1 ? "line" : "lines"} in the manifest`]),
  ]
  return `${counts(summary)}${more.join("")}.`
}
