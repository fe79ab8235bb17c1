/**
 * What is left running: every result of what is meant, as it comes. The next run goes on where this one was.
 */
import * as ActionFeed from "@live-response/core/ActionFeed"
import { Outage } from "@live-response/core/BatchError"
import type { BatchEvent } from "@live-response/core/BatchEvent"
import { DefenderError } from "@live-response/core/DefenderError"
import { LiveResponse } from "@live-response/core/LiveResponse"
import type { Window } from "@live-response/core/QuotaRule"
import { RetryPolicy } from "@live-response/core/RetryPolicy"
import * as ResultRef from "@live-response/core/ResultRef"
import { fromPlatformError } from "@live-response/core/StoreError"
import * as WholeFile from "@live-response/core/WholeFile"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Batch from "./Batch.ts"
import * as Discovery from "./Discovery.ts"
import * as Failure from "./Failure.ts"
import type { Selection } from "./Flags.ts"
import * as KnownActions from "./KnownActions.ts"
import * as Messages from "./output/Messages.ts"
import * as Output from "./output/Output.ts"
import { printable } from "./Printable.ts"
import * as When from "./When.ts"

/** How far it has come, and of what: another selection begins anew. */
const Remembered = Schema.fromJsonString(
  Schema.Struct({ what: Schema.Array(Schema.String), position: ActionFeed.Position }),
)
const decode = Schema.decodeEffect(Remembered)
const encode = Schema.encodeEffect(Remembered)

/** Where nobody says since when. */
const aDay = Duration.hours(24)

const whatOf = ({ filter, machine, requestor, status, type }: Selection): ReadonlyArray<string> => [
  ...status.map((text) => `status ${text}`),
  ...type.map((text) => `type ${text}`),
  ...machine.map((text) => `machine ${text}`),
  ...requestor.map((text) => `requestor ${text}`),
  ...Option.toArray(Option.map(filter, (text) => `filter ${text}`)),
]

/** Follows the actions, and knows which of them have all their results here. */
const make = Effect.fnUntraced(function* (selection: Selection, { directory }: { readonly directory: string }) {
  const fs = yield* FileSystem.FileSystem
  const paths = yield* Path.Path
  const path = paths.join(directory, "follow.json")
  const what = whatOf(selection)
  const { filter, isMeant } = Discovery.follow(selection)

  const now = yield* DateTime.now
  const beginning = ActionFeed.Position.make({
    since: When.ago(
      Option.getOrElse(selection.since, () => aDay),
      now,
    ),
    open: [],
  })
  const found = (yield* fs.exists(path).pipe(Effect.mapError(fromPlatformError(path))))
    ? yield* fs
        .readFileString(path)
        .pipe(Effect.mapError(fromPlatformError(path)), Effect.flatMap(decode), Effect.option)
    : Option.none()
  const from = Option.match(found, {
    onNone: () => beginning,
    onSome: (remembered) => (remembered.what.join("\n") === what.join("\n") ? remembered.position : beginning),
  })

  let hasBegun = false
  const remember = Effect.fnUntraced(function* (position: ActionFeed.Position) {
    hasBegun = true
    const json = yield* Effect.orDie(encode({ what, position }))
    yield* WholeFile.write(fs, paths, path, Stream.encodeText(Stream.succeed(json)))
  })

  /** The results that are under way, and what is to be said when all of their action are here. */
  const underWay = new Map<string, { left: number; readonly handled: Effect.Effect<void> }>()

  return {
    /** Whether the API was reached. */
    hasBegun: () => hasBegun,

    /** The actions that are over and have results. */
    actions: ActionFeed.follow({ filter, from, remember }).pipe(
      Stream.filterEffect(({ action, handled }) => {
        const refs = isMeant(action) ? ResultRef.ofAction(action) : []
        const of = { left: refs.length, handled }
        for (const ref of refs) underWay.set(String(ref), of)
        return refs.length === 0 ? Effect.as(handled, false) : Effect.succeed(true)
      }),
      Stream.map(({ action }) => action),
    ),

    /** Hears what becomes of them. One that failed keeps its action open, for the next run to try again. */
    event: (event: BatchEvent): Effect.Effect<void> => {
      if (event.event !== "completed" && event.event !== "skipped") return Effect.void
      const key = `${event.machineActionId}:${event.index}`
      const of = underWay.get(key)
      if (of === undefined) return Effect.void
      underWay.delete(key)
      of.left--
      return of.left === 0 ? of.handled : Effect.void
    },
  }
})

/** Whether the network was lost, or the API is in trouble: whoever is left running waits for both. */
const isPassing = (error: { readonly _tag: string }): boolean =>
  error instanceof Outage || (error instanceof DefenderError && error.isPassing)

export interface Options extends Output.Options {
  readonly directory: string
  readonly selection: Selection
  readonly windows: ReadonlyArray<Window>
  readonly concurrency: number
  readonly extract: boolean
  readonly maxExtract: number
}

/** Goes on until it is interrupted, or something ends it that does not pass. */
export const run = (options: Options) =>
  collect(options).pipe(Effect.scoped, Effect.provide(Batch.layer(options)), Effect.mapError(Failure.fromError))

const collect = Effect.fnUntraced(function* (options: Options) {
  const output = yield* Output.make(options)
  const known = yield* KnownActions.make(options)
  const live = yield* LiveResponse
  const policy = yield* RetryPolicy
  let hasBegun = false

  const once = Effect.gen(function* () {
    const collector = yield* make(Discovery.ofSessions(options.selection), options)
    const refs = collector.actions.pipe(
      Stream.tap(known.keep),
      Stream.flatMap((action) => Stream.fromIterable(ResultRef.ofAction(action))),
    )
    yield* live.saveAll(refs, Batch.savingOf(options)).pipe(
      Stream.runForEach((event) => Effect.andThen(output.event(event), collector.event(event))),
      Effect.ensuring(Effect.sync(() => (hasBegun = hasBegun || collector.hasBegun()))),
    )
  })
  yield* once.pipe(
    Effect.tapError((error) =>
      isPassing(error) && hasBegun ? Messages.write(`waiting: ${printable(error.message)}`) : Effect.void,
    ),
    Effect.retry({ while: (error) => isPassing(error) && hasBegun, schedule: policy.follow }),
    output.during,
  )
})
