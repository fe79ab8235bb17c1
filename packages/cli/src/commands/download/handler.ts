/**
 * What `live-response download` does: downloads the results of targets, lists and a selection, and reports the events.
 * With `--follow`, `follow.ts` does it.
 */
import { LiveResponse } from "@live-response/core/LiveResponse"
import { Manifest } from "@live-response/core/Manifest"
import type { Window } from "@live-response/core/QuotaRule"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as ActionSearch from "../../api/ActionSearch.ts"
import * as ApiLayer from "../../api/ApiLayer.ts"
import * as Failure from "../../Failure.ts"
import * as BatchOptions from "../../flags/BatchOptions.ts"
import * as Selection from "../../flags/Selection.ts"
import * as Lists from "../../input/Lists.ts"
import * as Targets from "../../input/Targets.ts"
import * as OrderlyStop from "../../OrderlyStop.ts"
import * as EventOutput from "../../output/EventOutput.ts"
import * as Format from "../../output/Format.ts"
import * as StandardError from "../../output/StandardError.ts"
import * as Notification from "../../output/WebhookNotification.ts"
import * as ActionsFile from "./actionsFileWriter.ts"
import * as Environment from "./services.ts"
import * as Preview from "./preview.ts"
import * as Refs from "./selectedResults.ts"

export interface Options extends EventOutput.Options, BatchOptions.Options {
  readonly directory: string
  readonly lists: ReadonlyArray<string>
  /** Also the results of the selected machine actions, if any flag selects some. */
  readonly selection: Selection.Selection
  readonly windows: ReadonlyArray<Window>
  readonly retryFailed: boolean
  /** Whether a broken line of a list ends the command. */
  readonly strict: boolean
  readonly dryRun: boolean
}

/** Downloads everything that the options name. Fails with what ended the batch, or if a target failed. */
export const run = Effect.fnUntraced(function* (named: ReadonlyArray<Targets.Target>, options: Options) {
  yield* Lists.checkAll(Targets.fromList)(options.lists)
  if (options.dryRun) return yield* Effect.provide(Preview.show(named, options), ApiLayer.layerOf(options))
  yield* downloadAll(named, options).pipe(Effect.scoped, Effect.provide(Environment.layer(options)))
}, Effect.mapError(Failure.fromError))

const downloadAll = Effect.fnUntraced(function* (given: ReadonlyArray<Targets.Target>, options: Options) {
  const output = yield* EventOutput.make({
    ...options,
    onOutcome: yield* Notification.notifier(options.notify, { command: "download", directory: options.directory }),
  })
  const actionsFile = yield* ActionsFile.make(options)
  const live = yield* LiveResponse
  const manifest = yield* Manifest

  const failed = options.retryFailed ? yield* manifest.failed : []
  const targets = Refs.given([...given, ...failed], options.lists)
  const isSelecting = Selection.isSelecting(options.selection)
  if (!isSelecting) yield* countTargets(targets, options.lists, output)

  // A page of actions is requested when the results of the previous page are in progress.
  const selected = isSelecting
    ? actionsFile.resultsOf(ActionSearch.search(Selection.ofSessions(options.selection), output.reportBadTarget))
    : Stream.empty
  const named = { store: actionsFile.store, reportBad: output.reportBadTarget, strict: options.strict }
  const refs = Stream.concat(Refs.ofTargets(targets, named), selected)
  const events = (stop: Effect.Effect<void>) =>
    Stream.map(live.saveAll(refs, { ...BatchOptions.batchOptions(options), stop }), actionsFile.classify)
  yield* OrderlyStop.runForEach(events, output.reportEvent).pipe(
    Effect.tap(() => reportUnfinished(actionsFile.unfinished())),
    output.during,
  )
  if (output.hasFailed()) return yield* Failure.someFailed
})

/**
 * Reads the targets once in the background to count them, so that the progress shows a total from the start. Lists that
 * can be read only once are not counted, and neither are whole actions, whose results are not known yet.
 */
const countTargets = Effect.fnUntraced(function* <E, R>(
  targets: Stream.Stream<Targets.Target | Targets.BadTarget, E, R>,
  lists: ReadonlyArray<string>,
  output: EventOutput.EventOutput,
) {
  const isRepeatable = (yield* Effect.forEach(lists, Lists.isRepeatable)).every(Boolean)
  if (!isRepeatable) return
  yield* Stream.runFold(
    targets,
    (): number | undefined => 0,
    (count, target) => (count === undefined || Targets.isWholeAction(target) ? undefined : count + 1),
  ).pipe(
    Effect.map((count) => (count === undefined ? undefined : output.setTotal(count))),
    Effect.ignore,
    Effect.forkScoped,
  )
})

const reportUnfinished = (count: number) =>
  count === 0
    ? Effect.void
    : StandardError.write(
        `${Format.counted(count, "session")} not finished yet: run the same command again later for the rest of the results`,
      )
