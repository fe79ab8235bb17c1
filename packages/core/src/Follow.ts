/**
 * Downloads every result of the selected machine actions, for as long as the program runs.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Latch from "effect/Latch"
import * as Option from "effect/Option"
import * as Pull from "effect/Pull"
import * as Queue from "effect/Queue"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as AbsentResult from "./AbsentResult.ts"
import * as ActionFeed from "./ActionFeed.ts"
import type { ActionFilter } from "./ActionFilter.ts"
import type { ActionWatch } from "./ActionWatch.ts"
import type { ApiError } from "./ApiError.ts"
import { type BatchError, isTransient, NetworkDown, type StorageRefused } from "./BatchError.ts"
import type * as BatchEvent from "./BatchEvent.ts"
import { CredentialError } from "./CredentialError.ts"
import type { DefenderApi } from "./DefenderApi.ts"
import { DefenderError } from "./DefenderError.ts"
import * as FileName from "./FileName.ts"
import * as FollowEvent from "./FollowEvent.ts"
import { FollowPosition, type Key } from "./FollowPosition.ts"
import { type BatchOptions, LiveResponse } from "./LiveResponse.ts"
import type { MachineAction } from "./MachineAction.ts"
import * as Outage from "./Outage.ts"
import { QuotaStoreError } from "./QuotaStoreError.ts"
import type { Failed } from "./ResultEvent.ts"
import { ActionResult, ofAction, ResultRef } from "./ResultRef.ts"
import { StoreError } from "./StoreError.ts"
import * as Timing from "./Timing.ts"
import { TransferError } from "./TransferError.ts"

/**
 * The machine actions to follow.
 *
 * @since 0.1.0
 * @category models
 */
export interface Selection {
  /** Identifies the selection: its position is stored under this key. See `FollowPosition.makeKey`. */
  readonly key: Key

  /** What the API filters by. It must compare neither the status nor the creation time. */
  readonly filter?: ActionFilter | undefined

  /** Decides about a final action, for what the API cannot filter by. By default each is selected. */
  readonly isSelected?: ((action: MachineAction) => boolean) | undefined
}

/**
 * @since 0.1.0
 * @category options
 */
export interface Options<E, R> extends Omit<BatchOptions, "again" | "giveUpAfter"> {
  readonly selection: Selection

  /** Where to start when no position is stored for the selection. */
  readonly since: DateTime.Utc

  /**
   * Called with each selected action, before its results are downloaded. Those are downloaded when it returns. The stream fails
   * with its error, unless that is one of the API's that waiting may help.
   */
  readonly onAction?: ((action: MachineAction) => Effect.Effect<void, E, R>) | undefined

  /** How long to wait for a network that is down, as in `BatchOptions`. By default without a limit. */
  readonly giveUpAfter?: Duration.Input | undefined
}

/**
 * An event of a result, of the batch that downloads it, or of following.
 *
 * @since 0.1.0
 * @category models
 */
export type Event = Exclude<BatchEvent.BatchEvent, BatchEvent.Summary> | FollowEvent.FollowEvent

type RetryStep = Effect.Success<ReturnType<typeof Schedule.toStep<unknown, unknown, never, never>>>

/** An action of which some results are not finished. */
interface OpenAction {
  readonly handled: Effect.Effect<void>
  /** How many results are not finished. */
  unfinished: number
}

/** A result that is not finished: queued, in progress, or waiting to be downloaded again. */
interface OpenResult {
  readonly action: OpenAction
  readonly mayBeAbsent: boolean
  retry: RetryStep | undefined
}

/** No later attempt can succeed. */
const isPermanent = ({ error }: Failed): boolean => error._tag === "DefenderError" && error.reason._tag === "Refused"

/** An event that happens now. */
const now = <A>(event: (at: DateTime.Utc) => A) => Effect.map(DateTime.now, event)

const refOf = ({ index, machineActionId }: ResultRef): ResultRef => ResultRef.make({ index, machineActionId })

/** Keeps track of results from the moment their action is final until they are finished. */
const makeTracker = Effect.gen(function* () {
  const timing = yield* Timing.Timing
  const results = new Map<string, OpenResult>()
  const due = yield* Queue.unbounded<ResultRef>()
  const delays = yield* FiberSet.make()

  return {
    /** The results that failed before and are to be downloaded again now. */
    due: Stream.fromQueue(due),

    mayBeAbsent: (ref: ResultRef): boolean => results.get(String(ref))?.mayBeAbsent === true,

    /** The results of an action, from now on open. */
    open: ({ action, handled }: ActionFeed.FinishedAction): ReadonlyArray<ResultRef> => {
      // A record may list an index twice.
      const refs = new Map(ofAction(action).map((ref) => [String(ref), ref]))
      const possible = AbsentResult.possible(action)
      const open: OpenAction = { handled, unfinished: refs.size }
      for (const [key, { index }] of refs) {
        results.set(key, { action: open, mayBeAbsent: possible.has(index), retry: undefined })
      }
      return Array.from(refs.values())
    },

    finish: (ref: ResultRef) =>
      Effect.suspend(() => {
        const result = results.get(String(ref))
        if (result === undefined) return Effect.void
        results.delete(String(ref))
        result.action.unfinished--
        return result.action.unfinished === 0 ? result.action.handled : Effect.void
      }),

    /** Schedules the next download of a result; false at the end of its schedule. */
    retryLater: Effect.fnUntraced(function* (ref: ResultRef): Effect.fn.Return<boolean> {
      const result = results.get(String(ref))
      if (result === undefined) return true
      const step = (result.retry ??= yield* Schedule.toStep(timing.retryFailed))
      return yield* Pull.matchEffect(step(yield* Clock.currentTimeMillis, undefined), {
        onSuccess: ([, delay]) => Effect.as(FiberSet.run(delays, Effect.delay(Queue.offer(due, ref), delay)), true),
        onFailure: Effect.failCause,
        onDone: () => Effect.succeed(false),
      })
    }),
  }
})

type Tracker = Effect.Success<typeof makeTracker>

/** Updates the result that an event is of, once the reader is done with the event. */
const onEvent = Effect.fnUntraced(function* (
  tracker: Tracker,
  event: Event,
  isExtracting: boolean,
): Effect.fn.Return<ReadonlyArray<FollowEvent.GaveUp>> {
  switch (event.event) {
    case "completed":
      // A file that is unpacked has one more event.
      if (!isExtracting || FileName.kindOf(event, event.path) !== "gz") yield* tracker.finish(refOf(event))
      return []
    case "extracted":
    case "notExtracted":
      yield* tracker.finish(refOf(event))
      return []
    case "skipped":
      // A duplicate says nothing about the result.
      if (event.reason !== "duplicate") yield* tracker.finish(refOf(event))
      else yield* tracker.retryLater(refOf(event))
      return []
    case "failed": {
      const isRetried = isPermanent(event) || (yield* tracker.retryLater(ActionResult.make({ ...event })))
      return isRetried ? [] : [yield* now((at) => FollowEvent.GaveUp.make({ at, ...refOf(event) }))]
    }
    default:
      return []
  }
})

/**
 * Reports each search for new actions with the time of the next one: the very wait that the feed starts, which may be a random one. Of
 * searches that fail, the first one is reported.
 */
const makeSearches = Effect.gen(function* () {
  const latest = yield* Queue.sliding<FollowEvent.Searched | FollowEvent.Unavailable>(1)
  const outage = Outage.make({
    onStart: (error: ApiError) =>
      Effect.asVoid(Effect.flatMap(unavailable(error), (event) => Queue.offer(latest, event))),
    // The next search is an event of its own.
    onEnd: Effect.void,
  })
  const report = (delay: Duration.Duration) =>
    outage.isFailing()
      ? Effect.void
      : Effect.flatMap(DateTime.now, (at) =>
          Queue.offer(latest, FollowEvent.Searched.make({ at, next: DateTime.addDuration(at, delay) })),
        )
  return {
    events: Stream.fromQueue(latest),
    onSearch: (error: ApiError | undefined) => (error === undefined ? outage.works : outage.failed(error)),
    reported: (timing: Timing.Settings): Timing.Settings => ({
      ...timing,
      follow: Schedule.modifyDelay(timing.follow, ({ duration }) => Effect.as(report(duration), duration)),
    }),
  }
})

/**
 * The stored position. One after now was stored while the clock was ahead: no action is created for hours that it does not leave
 * out. So the search starts where it does without a position, and only the open actions are known.
 */
const resumedFrom = Effect.fnUntraced(function* (stored: ActionFeed.Position, since: DateTime.Utc) {
  if (DateTime.isLessThanOrEqualTo(stored.since, yield* DateTime.now)) return stored
  const from = ActionFeed.Position.make({ ...stored, since: DateTime.min(stored.since, since) })
  yield* Effect.logWarning(
    `actions were followed up to ${DateTime.formatIso(stored.since)}, which is in the future, so the clock of this machine was or is wrong; following starts at ${DateTime.formatIso(from.since)} again`,
  )
  return from
})

/** Follows from the stored position until an error. */
const attempt = Effect.fnUntraced(function* <E, R>(options: Options<E, R>, onReached: Effect.Effect<void>) {
  const { key, filter, isSelected = () => true } = options.selection
  const live = yield* LiveResponse
  const positions = yield* FollowPosition
  const found = Option.getOrUndefined(yield* positions.find(key))
  const stored = found === undefined ? undefined : yield* resumedFrom(found, options.since)
  const tracker = yield* makeTracker
  const searches = yield* makeSearches

  const actions = ActionFeed.stream({
    filter,
    from: stored ?? ActionFeed.Position.make({ since: options.since, open: [] }),
    onPosition: (position) => Effect.andThen(onReached, positions.save(key, position)),
    mayBeLost: positions.mayHaveLost,
    onSearch: searches.onSearch,
  }).pipe(Stream.updateService(Timing.Timing, searches.reported))
  const openResults = Effect.fnUntraced(function* (finished: ActionFeed.FinishedAction) {
    const refs = isSelected(finished.action) ? tracker.open(finished) : []
    yield* refs.length === 0 ? finished.handled : (options.onAction?.(finished.action) ?? Effect.void)
    return refs
  })
  const opened = Stream.flatMap(actions, (finished) => Stream.fromIterableEffect(openResults(finished)))

  const giveUpAfter = options.giveUpAfter ?? Duration.infinity
  const results = live.saveAll(Stream.merge(opened, tracker.due), { ...options, giveUpAfter, again: true }).pipe(
    Stream.map((event) => AbsentResult.settle(event, tracker.mayBeAbsent)),
    Stream.filter((event) => event.event !== "summary"),
  )
  const resumed =
    stored === undefined ? [] : [yield* now((at) => FollowEvent.Resumed.make({ at, since: stored.since }))]
  return Stream.fromIterable<Event>(resumed).pipe(
    Stream.concat(Stream.merge(results, searches.events, { haltStrategy: "left" })),
    // The second part is pulled when the reader is done with the event: only then can an action be handled.
    Stream.flatMap((event) =>
      Stream.concat(
        Stream.succeed(event),
        Stream.fromIterableEffect(onEvent(tracker, event, options.extract !== undefined)),
      ),
    ),
  )
})

/** The errors that may pass. */
type Passing = Exclude<BatchError, StorageRefused>

const passing = [CredentialError, DefenderError, NetworkDown, QuotaStoreError, StoreError, TransferError]

/** An error of `onAction` may be anything. */
const isPassing = (error: unknown): error is Passing => passing.some((type) => error instanceof type)

/** Whether waiting may help. It does not if the network was down for `giveUpAfter`. */
const isWorthWaiting = (error: Passing): boolean =>
  isTransient(error) && !(error._tag === "NetworkDown" && error.waited !== undefined)

const unavailable = (error: Passing) => {
  const cause = error._tag === "NetworkDown" ? error.last : error
  return now((at) => FollowEvent.Unavailable.make({ at, message: cause.message, error: cause }))
}

/**
 * Downloads every result of the selected machine actions: of those that exist, then of new ones as they finish. It runs
 * until it is interrupted or an error ends it.
 *
 * **When to use**
 *
 * For a program that is left running and collects all results. Use `LiveResponse.saveAll` for a given list of results,
 * and {@link ActionFeed} to react to finished actions without downloading anything.
 *
 * **Details**
 *
 * Each result is downloaded once: what the manifest has is skipped. A result that failed is downloaded again as
 * `Timing.retryFailed` says, by default after a minute, doubled up to an hour, 30 times; a result that the API refuses is left
 * to the next run.
 *
 * The position is saved under the key of the selection after each search for new actions. An action is handled when the
 * reader of the stream is done with the last event of each of its results, so a crash at any point loses nothing: the
 * next run takes up every action that was not handled.
 *
 * Once the API was reached, a transient error does not end the stream: it emits `Unavailable`, waits as `Timing.follow`
 * says, and starts again from the saved position. It fails with what waiting does not help: a refused sign-in, a missing
 * permission, a full disk, or a network that was down for `giveUpAfter`.
 *
 * **Gotchas**
 *
 * There is no `Summary`, and each event is of one run: an action that the next run takes up again is reported again, its
 * results as `Skipped` if they are stored.
 *
 * **Example** (Following all sessions)
 *
 * @example
 * ```ts
 * import * as ActionFilter from "@live-response/core/ActionFilter"
 * import * as Follow from "@live-response/core/Follow"
 * import * as FollowPosition from "@live-response/core/FollowPosition"
 * import * as LiveResponseTest from "@live-response/core/testing/LiveResponseTest"
 * import { Simulator } from "@live-response/core/testing/Simulator"
 * import { FromString } from "@live-response/core/ResultRef"
 * import * as DateTime from "effect/DateTime"
 * import * as Effect from "effect/Effect"
 * import * as Schema from "effect/Schema"
 * import * as Stream from "effect/Stream"
 *
 * const sessions = Follow.run({
 *   selection: {
 *     key: FollowPosition.makeKey({ type: ["LiveResponse"] }),
 *     filter: ActionFilter.is("type", "LiveResponse"),
 *   },
 *   since: DateTime.makeUnsafe("2026-11-01T00:00:00Z"),
 * })
 *
 * const id = "988cc94e-7a8f-4b28-ab65-54970c5d5018"
 * const test = Effect.gen(function* () {
 *   const simulator = yield* Simulator
 *   yield* simulator.addAction({
 *     id,
 *     type: "LiveResponse",
 *     status: "Succeeded",
 *     creationDateTimeUtc: "2026-11-02T10:00:00Z",
 *     lastUpdateDateTimeUtc: "2026-11-02T10:05:00Z",
 *     commands: [{ index: 0, commandStatus: "Completed", command: { type: "RunScript", params: [] } }],
 *   })
 *   yield* simulator.add(Schema.decodeSync(FromString)(`${id}:0`), { content: new TextEncoder().encode("hello") })
 *   const completed = Stream.filter(sessions, (event) => event.event === "completed")
 *   return yield* Stream.runCollect(Stream.take(completed, 1))
 * })
 *
 * const [first] = await Effect.runPromise(Effect.provide(test, LiveResponseTest.layer()))
 * console.log(first?.path) // 988cc94e-7a8f-4b28-ab65-54970c5d5018/0.bin
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const run = <E = never, R = never>(
  options: Options<E, R>,
): Stream.Stream<Event, BatchError | E, LiveResponse | DefenderApi | ActionWatch | FollowPosition | R> =>
  Stream.unwrap(
    Effect.gen(function* () {
      const timing = yield* Timing.Timing
      const api = { isReached: false }
      const onReached = Effect.sync(() => {
        api.isReached = true
      })
      const isRetried = (error: BatchError | E): error is Passing =>
        api.isReached && isPassing(error) && isWorthWaiting(error)
      // A batch stops in order by itself. It is closed from the start of a batch until its events are read.
      const noBatch = yield* Latch.make(true)
      return Stream.unwrap(Effect.tap(attempt(options, onReached), noBatch.close)).pipe(
        Stream.catch((error) =>
          Stream.fromEffectDrain(noBatch.open).pipe(
            Stream.concat(isRetried(error) ? Stream.fromEffect(unavailable(error)) : Stream.empty),
            Stream.concat(Stream.fail(error)),
          ),
        ),
        Stream.retry(
          timing.follow.pipe(
            Schedule.setInputType<BatchError | E>(),
            Schedule.while(({ input }) => isRetried(input)),
          ),
        ),
        options.stop === undefined
          ? (events) => events
          : Stream.interruptWhen(Effect.andThen(options.stop, noBatch.await)),
      )
    }),
  )
