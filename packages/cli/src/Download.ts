/**
 * The main job: all targets into the directory, all events to the output.
 */
import type { ApiError } from "@live-response/core/ApiError"
import type { DefenderApi } from "@live-response/core/DefenderApi"
import * as Extraction from "@live-response/core/Extraction"
import { LiveResponse } from "@live-response/core/LiveResponse"
import { Manifest } from "@live-response/core/Manifest"
import type { Window } from "@live-response/core/QuotaRule"
import type { ResultRef } from "@live-response/core/ResultRef"
import type { StoreError } from "@live-response/core/StoreError"
import * as NodeCredential from "@live-response/node/NodeCredential"
import * as NodeLiveResponse from "@live-response/node/NodeLiveResponse"
import * as NodeQuotaStore from "@live-response/node/NodeQuotaStore"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Discovery from "./Discovery.ts"
import * as Failure from "./Failure.ts"
import { isSelecting, type Selection } from "./Flags.ts"
import * as ActionsFile from "./ActionsFile.ts"
import * as Lists from "./Lists.ts"
import * as Format from "./output/Format.ts"
import * as Messages from "./output/Messages.ts"
import * as Output from "./output/Output.ts"
import * as Targets from "./Targets.ts"

/** How each result is downloaded. */
export interface Saving {
  readonly concurrency: number
  readonly extract: boolean
  /** How many bytes may come out of one file. */
  readonly maxExtract: number
  readonly maxExtractTotal: Option.Option<number>
  readonly maxBytes: Option.Option<number>
  readonly maxTotal: Option.Option<number>
  readonly minFree: Option.Option<number>
  /** How long the network is waited for. */
  readonly giveUpAfter: Option.Option<Duration.Duration>
}

export interface Options extends Output.Options, Saving {
  readonly directory: string
  readonly lists: ReadonlyArray<string>
  /** The machine actions whose results are wanted as well. */
  readonly selection: Selection
  readonly windows: ReadonlyArray<Window>
  readonly retryFailed: boolean
  /** A broken line of a list ends it all. */
  readonly strict: boolean
}

/** Everything that it takes to download into the directory. */
export const layer = ({
  directory,
  journal,
  windows,
}: {
  readonly directory: string
  readonly journal?: string | undefined
  readonly windows: ReadonlyArray<Window>
}) =>
  Layer.unwrap(
    Effect.map(NodeLiveResponse.environment, (environment) =>
      NodeLiveResponse.layer({ ...environment, directory, journal, windows }),
    ),
  ).pipe(Layer.provide([NodeCredential.layerConfig, NodeQuotaStore.layerConfig]))

/** Downloads what is named and what the lists hold. Fails with what ended it, or because some targets failed. */
export const run = Effect.fnUntraced(function* (named: ReadonlyArray<Targets.Target>, options: Options) {
  yield* Lists.checkAll(Targets.fromList)(options.lists)
  yield* saveAll(named, options).pipe(Effect.scoped, Effect.provide(layer(options)))
}, Effect.mapError(Failure.fromError))

const saveAll = Effect.fnUntraced(function* (named: ReadonlyArray<Targets.Target>, options: Options) {
  const output = yield* Output.make(options)
  const known = yield* ActionsFile.make(options)
  const live = yield* LiveResponse
  const manifest = yield* Manifest

  const again = options.retryFailed ? yield* manifest.failed : []
  const targets = Stream.fromIterable<Targets.Target | Targets.BadTarget>([...named, ...again]).pipe(
    Stream.concat(Stream.flatMap(Stream.fromIterable(options.lists), Targets.fromList)),
  )
  const isDiscovering = isSelecting(options.selection)

  // Lists are read as they are needed. Those that can be read twice are, so that the end is in sight from the start.
  const isRepeatable = (yield* Effect.forEach(options.lists, Lists.isRepeatable)).every(Boolean)
  if (isRepeatable && !isDiscovering) {
    yield* Stream.runFold(
      targets,
      (): number | undefined => 0,
      (count, target) => (count === undefined || Targets.isWholeAction(target) ? undefined : count + 1),
    ).pipe(
      Effect.map((count) => (count === undefined ? undefined : output.expect(count))),
      Effect.ignore,
      Effect.forkScoped,
    )
  }

  // Discovery and download flow into each other: a page is asked for when the results of the one before are under way.
  const discovered = isDiscovering
    ? known.resultsOf(Discovery.select(Discovery.ofSessions(options.selection), output.badTarget))
    : Stream.empty
  const refs = targets.pipe(
    Stream.flatMap((target): Stream.Stream<ResultRef | Targets.BadTarget, ApiError | StoreError, DefenderApi> =>
      Targets.isWholeAction(target) ? Discovery.lookUp(target.id, known.keep) : Stream.succeed(target),
    ),
    Stream.flatMap((target) => {
      if (!Targets.isBadTarget(target)) return Stream.succeed(target)
      return options.strict
        ? Stream.fail(Failure.usage(target.message))
        : Stream.drain(Stream.fromEffect(output.badTarget(target)))
    }),
    Stream.concat(discovered),
  )
  yield* live.saveAll(refs, savingOf(options)).pipe(
    Stream.map(known.settled),
    Stream.runForEach(output.event),
    Effect.tap(() => reportUnfinished(known.unfinished())),
    output.during,
  )
  if (output.failed()) return yield* Failure.someFailed
})

const reportUnfinished = (count: number) =>
  count === 0
    ? Effect.void
    : Messages.write(
        `${Format.counted(count, "session")} not finished yet: run the same command again later for the rest of the results`,
      )

/** The same as the library has it. */
export const savingOf = (saving: Saving) => ({
  concurrency: saving.concurrency,
  giveUpAfter: Option.getOrUndefined(saving.giveUpAfter),
  extract: saving.extract ? { ...Extraction.defaultLimits, maxBytes: saving.maxExtract } : undefined,
  limits: {
    maxBytes: Option.getOrUndefined(saving.maxBytes),
    maxTotal: Option.getOrUndefined(saving.maxTotal),
    minFree: Option.getOrUndefined(saving.minFree),
    maxExtractTotal: Option.getOrUndefined(saving.maxExtractTotal),
  },
})
