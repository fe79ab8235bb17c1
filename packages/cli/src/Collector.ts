/**
 * What is left running: every result of what is meant, as it comes. The next run goes on where this one was.
 */
import * as ActionFeed from "@live-response/core/ActionFeed"
import { type BatchError, isPassing } from "@live-response/core/BatchError"
import type { BatchEvent } from "@live-response/core/BatchEvent"
import type { ResultError } from "@live-response/core/ResultError"
import * as FileName from "@live-response/core/FileName"
import { LiveResponse } from "@live-response/core/LiveResponse"
import * as PrivateDirectory from "@live-response/core/PrivateDirectory"
import type { Window } from "@live-response/core/QuotaRule"
import { Timing } from "@live-response/core/Timing"
import * as ResultRef from "@live-response/core/ResultRef"
import * as AtomicFile from "@live-response/core/AtomicFile"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Pull from "effect/Pull"
import * as Queue from "effect/Queue"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Download from "./Download.ts"
import * as Discovery from "./Discovery.ts"
import * as Failure from "./Failure.ts"
import type { Selection } from "./Flags.ts"
import * as ActionsFile from "./ActionsFile.ts"
import * as Format from "./output/Format.ts"
import * as Messages from "./output/Messages.ts"
import * as Output from "./output/Output.ts"
import { printable, printableJson } from "./Printable.ts"
import * as TimeArgument from "./TimeArgument.ts"

/** What `follow.json` has in bytes: of each selection the actions that are open, of which a tenant has thousands at most. */
export const longestState = 16 * 1024 * 1024

/** How far it has come with each of the selections that were followed into the directory. */
const Remembered = Schema.fromJsonString(
  Schema.Struct({
    positions: Schema.Array(Schema.Struct({ what: Schema.Array(Schema.String), position: ActionFeed.Position })),
  }),
)
const decode = Schema.decodeOption(Remembered)
const encode = Schema.encodeEffect(Remembered)

/** Where nobody says since when. */
const aDay = Duration.hours(24)

const whatOf = ({ filter, machine, requestor, status, type }: Selection): ReadonlyArray<string> =>
  [
    ...status.map((text) => `status ${text}`),
    ...type.map((text) => `type ${text}`),
    ...machine.map((text) => `machine ${text}`),
    ...requestor.map((text) => `requestor ${text}`),
    ...Option.toArray(Option.map(filter, (text) => `filter ${text}`)),
  ].toSorted()

/** What `follow.json` says. */
const makeMemory = Effect.fnUntraced(function* (selection: Selection, directory: string) {
  const files = yield* PrivateDirectory.open(directory)
  const { follow } = FileName.single
  const what = whatOf(selection)
  const isThis = (other: { readonly what: ReadonlyArray<string> }) => other.what.join("\n") === what.join("\n")

  const text = Option.getOrElse(yield* files.readString(follow, longestState), () => `{"positions":[]}`)
  const read = Option.getOrUndefined(decode(text))
  if (read === undefined) {
    const path = files.pathOf(follow)
    yield* files.rename(follow, FileName.brokenOf(follow))
    yield* Messages.write(
      `live-response: ${printable(path)} is broken, and is now ${printable(path)}.broken; it begins as if for the first time`,
    )
  }
  const positions = read?.positions ?? []
  const others = positions.filter((other) => !isThis(other))
  let written = ""
  return {
    position: Option.fromNullishOr(positions.find(isThis)?.position),
    remember: Effect.fnUntraced(function* (position: ActionFeed.Position) {
      const json = printableJson(yield* Effect.orDie(encode({ positions: [...others, { what, position }] })))
      if (json === written) return
      yield* AtomicFile.write(files, follow, Stream.encodeText(Stream.succeed(json)))
      written = json
    }),
  }
})

/** The results of an action that are under way, and what is to be said when all of them are here. */
interface UnderWay {
  left: number
  readonly handled: Effect.Effect<void>
  readonly again: Map<string, Again>
}

type Again = Effect.Success<ReturnType<typeof Schedule.toStep<unknown, unknown, never, never>>>

/** Follows the actions, and knows which of them have all their results here. */
const make = Effect.fnUntraced(function* (selection: Selection, options: Options, looked: Output.Output["looked"]) {
  const { filter, isMeant } = Discovery.follow(selection)
  const policy = yield* Timing
  const nextLook = yield* Schedule.toStep(policy.follow)
  const memory = yield* makeMemory(selection, options.directory)
  const now = yield* DateTime.now
  const begins = TimeArgument.ago(
    Option.getOrElse(selection.since, () => aDay),
    now,
  )
  const from = Option.getOrElse(memory.position, () => ActionFeed.Position.make({ since: begins, open: [] }))
  if (Option.isSome(memory.position) && !options.quiet) {
    yield* Messages.write(`goes on where it was, with what was created since ${Format.dateAndTime(from.since)}`)
  }

  let hasBegun = false
  const again = yield* Queue.unbounded<ResultRef.ResultRef>()
  const underWay = new Map<string, UnderWay>()

  const over = (key: string) => {
    const of = underWay.get(key)
    if (of === undefined) return Effect.void
    underWay.delete(key)
    of.left--
    return of.left === 0 ? of.handled : Effect.void
  }

  /** For a day; after that the next run tries again. */
  const later = Effect.fnUntraced(function* (ref: ResultRef.ResultRef, of: UnderWay) {
    const key = String(ref)
    const step = of.again.get(key) ?? (yield* Schedule.toStep(policy.again))
    of.again.set(key, step)
    yield* Pull.matchEffect(step(yield* Clock.currentTimeMillis, undefined), {
      onSuccess: ([, delay]) => Effect.asVoid(Effect.forkScoped(Effect.delay(Queue.offer(again, ref), delay))),
      onFailure: Effect.die,
      onDone: () => Messages.write(`gave up ${key} after a day; it is tried again when this is started again`),
    })
  })

  const tellLook = Effect.flatMap(Clock.currentTimeMillis, (now) =>
    Pull.matchEffect(nextLook(now, undefined), {
      onSuccess: ([, delay]) => looked(delay),
      onFailure: Effect.die,
      onDone: () => Effect.void,
    }),
  )

  return {
    /** Whether the API was reached. */
    hasBegun: () => hasBegun,

    /** The actions that are over and have results. */
    actions: ActionFeed.follow({
      filter,
      from,
      remember: (position) =>
        Effect.suspend(() => {
          hasBegun = true
          return Effect.andThen(tellLook, memory.remember(position))
        }),
    }).pipe(
      Stream.filterEffect(({ action, handled }) => {
        const refs = isMeant(action) ? ResultRef.ofAction(action) : []
        const of = { left: refs.length, handled, again: new Map() }
        for (const ref of refs) underWay.set(String(ref), of)
        return refs.length === 0 ? Effect.as(handled, false) : Effect.succeed(true)
      }),
      Stream.map(({ action }) => action),
    ),

    /** The results that failed, when their time has come. */
    again: Stream.fromQueue(again),

    /** Hears what becomes of them. What is unpacked as well is over after that. */
    event: Effect.fnUntraced(function* (event: BatchEvent) {
      switch (event.event) {
        case "completed":
          if (!options.extract || !event.path.endsWith(".gz")) yield* over(String(refOf(event)))
          return
        case "extracted":
        case "notExtracted":
        case "skipped":
          yield* over(String(refOf(event)))
          return
        case "failed": {
          const of = underWay.get(String(refOf(event)))
          if (of !== undefined && !isRefused(event.error)) yield* later(ResultRef.ActionResult.make({ ...event }), of)
        }
      }
    }),
  }
})

/** Nobody will hear anything else today. */
const isRefused = (error: ResultError): boolean => error._tag === "DefenderError" && error.reason._tag === "Refused"

const refOf = ({ index, machineActionId }: ResultRef.ResultRef): ResultRef.ResultRef =>
  ResultRef.ResultRef.make({ index, machineActionId })

export interface Options extends Output.Options, Download.Saving {
  readonly directory: string
  readonly selection: Selection
  readonly windows: ReadonlyArray<Window>
}

/** Goes on until it is interrupted, or something ends it that does not pass. */
export const run = (options: Options) =>
  collect(options).pipe(Effect.scoped, Effect.provide(Download.layer(options)), Effect.mapError(Failure.fromError))

const collect = Effect.fnUntraced(function* (options: Options) {
  const output = yield* Output.make({ ...options, isFollowing: true })
  const known = yield* ActionsFile.make(options)
  const live = yield* LiveResponse
  const policy = yield* Timing
  let hasBegun = false

  const once = Effect.gen(function* () {
    const collector = yield* make(Discovery.ofSessions(options.selection), options, output.looked)
    const refs = Stream.merge(known.resultsOf(collector.actions), collector.again)
    const giveUpAfter = Option.getOrElse(options.giveUpAfter, () => Duration.infinity)
    yield* live.saveAll(refs, { ...Download.savingOf(options), giveUpAfter, again: true }).pipe(
      Stream.map(known.settled),
      Stream.runForEach((event) => Effect.andThen(output.event(event), collector.event(event))),
      Effect.ensuring(Effect.sync(() => (hasBegun = hasBegun || collector.hasBegun()))),
    )
  }).pipe(Effect.scoped)

  // Who has waited for the network as long as was asked for has waited enough.
  const isOutlived = (error: BatchError) =>
    hasBegun && isPassing(error) && !(error._tag === "Outage" && error.waited !== undefined)
  yield* once.pipe(
    Effect.tapError((error) => {
      const cause = error._tag === "Outage" ? error.last : error
      return isOutlived(error) ? Messages.write(`waiting: ${printable(cause.message)}`) : Effect.void
    }),
    Effect.retry({ while: isOutlived, schedule: policy.follow }),
    output.during,
  )
})
