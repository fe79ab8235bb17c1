/**
 * The main job: all targets into the directory, all events to the output.
 */
import * as Cloud from "@live-response/core/Cloud"
import * as Extraction from "@live-response/core/Extraction"
import { LiveResponse } from "@live-response/core/LiveResponse"
import { Manifest } from "@live-response/core/Manifest"
import type { Window } from "@live-response/core/QuotaRule"
import type { ResultRef } from "@live-response/core/ResultRef"
import * as NodeCredential from "@live-response/node/NodeCredential"
import * as NodeLiveResponse from "@live-response/node/NodeLiveResponse"
import * as NodeQuotaStore from "@live-response/node/NodeQuotaStore"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as Failure from "./Failure.ts"
import * as Output from "./output/Output.ts"
import * as Targets from "./Targets.ts"

export interface Options extends Output.Options {
  readonly lists: ReadonlyArray<string>
  readonly windows: ReadonlyArray<Window>
  readonly concurrency: number
  readonly retryFailed: boolean
  /** A broken line of a list ends it all. */
  readonly strict: boolean
  readonly extract: boolean
  /** How many bytes may come out of one file. */
  readonly maxExtract: number
}

/** Downloads what is named and what the lists hold. Fails with what ended it, or because some targets failed. */
export const run = Effect.fnUntraced(function* (named: ReadonlyArray<ResultRef>, options: Options) {
  yield* Effect.forEach(options.lists, Targets.checkReadable, { discard: true })
  const live = NodeLiveResponse.layer({
    directory: options.directory,
    endpoint: (yield* Cloud.config).base,
    windows: options.windows,
    owner: yield* NodeCredential.owner,
    stallTimeout: yield* NodeLiveResponse.stallTimeout,
  })
  yield* saveAll(named, options).pipe(
    Effect.scoped,
    Effect.provide(live.pipe(Layer.provide([NodeCredential.layerConfig, NodeQuotaStore.layerConfig]))),
  )
}, Effect.mapError(Failure.fromError))

const saveAll = Effect.fnUntraced(function* (named: ReadonlyArray<ResultRef>, options: Options) {
  const output = yield* Output.make(options)
  const live = yield* LiveResponse
  const manifest = yield* Manifest

  const again = options.retryFailed ? yield* manifest.failed : []
  const targets = Stream.fromIterable<ResultRef | Targets.BadLine>([...named, ...again]).pipe(
    Stream.concat(Stream.flatMap(Stream.fromIterable(options.lists), Targets.fromList)),
  )

  // Lists are read as they are needed. Those that can be read twice are, so that the end is in sight from the start.
  if (!options.lists.includes("-")) {
    yield* Stream.runCount(targets).pipe(Effect.map(output.expect), Effect.ignore, Effect.forkScoped)
  }

  const refs = targets.pipe(
    Stream.flatMap((target) => {
      if (!Targets.isBadLine(target)) return Stream.succeed(target)
      return options.strict
        ? Stream.fail(Failure.usage(target.message))
        : Stream.drain(Stream.fromEffect(output.badLine(target)))
    }),
  )
  const { concurrency } = options
  const extract = options.extract ? { ...Extraction.defaultLimits, maxBytes: options.maxExtract } : undefined
  yield* live.saveAll(refs, { concurrency, extract }).pipe(
    Stream.runForEach(output.event),
    Effect.onInterrupt(() => Effect.sync(output.interrupted)),
    Effect.ensuring(output.finish),
  )
  if (output.failed()) return yield* Failure.someFailed
})
