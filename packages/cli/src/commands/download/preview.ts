/**
 * What a download would do: the results that are still to be downloaded, and what they cost. It requests no link, and
 * writes nothing but the quota's log: its look-ups are calls too.
 */
import * as Manifest from "@live-response/core/Manifest"
import * as PrivateDirectory from "@live-response/core/PrivateDirectory"
import { Quota } from "@live-response/core/Quota"
import * as StoreError from "@live-response/core/StoreError"
import * as ResultRef from "@live-response/core/ResultRef"
import * as Console from "effect/Console"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as Stream from "effect/Stream"
import * as ActionSearch from "../../api/ActionSearch.ts"
import * as Failure from "../../Failure.ts"
import * as Selection from "../../flags/Selection.ts"
import type * as Targets from "../../input/Targets.ts"
import * as EventOutput from "../../output/EventOutput.ts"
import * as StandardError from "../../output/StandardError.ts"
import * as PlanText from "../../output/PlanText.ts"
import { printableJson } from "../../output/Printable.ts"
import * as Refs from "./selectedResults.ts"

interface Options {
  readonly directory: string
  readonly lists: ReadonlyArray<string>
  readonly selection: Selection.Selection
  readonly retryFailed: boolean
  readonly strict: boolean
  readonly json: boolean
  readonly quiet: boolean
}

/** What the manifest of a directory says, if there is one. */
const readManifest = Effect.fnUntraced(function* (directory: string) {
  const present = new Set<string>()
  const failed: Array<ResultRef.ResultRef> = []
  const found = Option.getOrUndefined(yield* PrivateDirectory.find(directory))
  if (found === undefined) return { present, failed }
  const consequence = { one: "its result would be downloaded again", many: "their results would be downloaded again" }
  const finished = yield* Manifest.warnOfDamage(found, consequence, (onDamaged) =>
    Manifest.streamFinished(found, onDamaged),
  )
  yield* Stream.runForEach(finished, (entry) =>
    Effect.gen(function* () {
      if (entry.status === "failed") return void failed.push(ResultRef.ResultRef.make(entry))
      const file = yield* found.info(entry.path)
      if (Option.exists(file, ({ size }) => Number(size) === entry.bytes)) present.add(ResultRef.keyOf(entry))
    }),
  )
  return { present, failed }
})

/** Fails where the results could not be written: to the directory, or to the nearest one above it that exists. */
const checkWritable = Effect.fnUntraced(function* (directory: string) {
  const fs = yield* FileSystem.FileSystem
  const { dirname, resolve } = yield* Path.Path
  let nearest = resolve(directory)
  while (dirname(nearest) !== nearest && !(yield* Effect.orElseSucceed(fs.exists(nearest), () => false))) {
    nearest = dirname(nearest)
  }
  const { type } = yield* fs
    .stat(nearest)
    .pipe(Effect.tap(fs.access(nearest, { writable: true })), Effect.mapError(StoreError.fromPlatformError(nearest)))
  if (type === "Directory") return
  return yield* new StoreError.StoreError({ path: nearest, problem: "NotADirectory", detail: type })
})

/** Shows what a download would do, and fails if something names no result. */
export const show = Effect.fnUntraced(function* (named: ReadonlyArray<Targets.Target>, options: Options) {
  yield* checkWritable(options.directory)
  const { failed, present } = yield* readManifest(options.directory)
  let bad = 0
  const reportBad = (target: EventOutput.BadInput) => {
    bad++
    return EventOutput.reportBad({ json: options.json, print: Console.log }, "failed", target)
  }
  const targets = Refs.given([...named, ...(options.retryFailed ? failed : [])], options.lists)
  const selected = Selection.isSelecting(options.selection)
    ? Stream.flatMap(ActionSearch.search(Selection.ofSessions(options.selection), reportBad), (action) =>
        Stream.fromIterable(ResultRef.ofAction(action)),
      )
    : Stream.empty
  const refs = Refs.ofTargets(targets, { store: () => Effect.void, reportBad, strict: options.strict })
  const all = yield* Stream.runFold(
    Stream.concat(refs, selected),
    () => new Set<string>(),
    (keys, ref) => keys.add(ResultRef.keyOf(ref)),
  )
  const missing = Array.from(all).filter((key) => !present.has(key))
  const linking = yield* (yield* Quota).forecast(missing.length)
  yield* print({ missing, present: all.size - missing.length, linking }, options)
  if (bad > 0) return yield* Failure.someFailed
})

const print = Effect.fnUntraced(function* (plan: PlanText.DownloadPlan, { json, quiet }: Options) {
  const { linking, missing, present } = plan
  if (json) {
    const at = DateTime.formatIso(yield* DateTime.now)
    const linkingSeconds = Math.ceil(Duration.toSeconds(linking))
    const event = { event: "preview", at, results: missing, present, links: missing.length, linkingSeconds }
    return yield* Console.log(printableJson(JSON.stringify(event)))
  }
  if (quiet) return
  // Standard output has only targets, so that another program or another download can read them.
  yield* Effect.forEach(missing, (key) => Console.log(key), { discard: true })
  yield* Effect.forEach(PlanText.ofDownload(plan), (line) => StandardError.write(line), { discard: true })
})
