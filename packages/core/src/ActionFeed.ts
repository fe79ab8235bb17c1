/**
 * A stream of machine actions, each emitted once it is final.
 *
 * @since 0.1.0
 */
import type * as Cause from "effect/Cause"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as ActionFilter from "./ActionFilter.ts"
import { ActionWatch } from "./ActionWatch.ts"
import { isTransient } from "./BatchError.ts"
import { gaveUp } from "./internal/circuitBreaker.ts"
import { Patience } from "./internal/outagePatience.ts"
import type { ApiError } from "./ApiError.ts"
import { DefenderApi } from "./DefenderApi.ts"
import { type MachineAction, MachineActionId } from "./MachineAction.ts"
import * as Outage from "./Outage.ts"
import { Timing } from "./Timing.ts"

/**
 * How far a feed has come: every action created before `since` is handled, except those in `open`, and of later ones those in
 * `handled`. It encodes to JSON, so that a later feed can resume from it.
 *
 * @see {@link FollowPosition} stores positions
 * @since 0.1.0
 * @category models
 */
export class Position extends Schema.Class<Position>("@live-response/core/ActionFeed/Position")({
  since: Schema.DateTimeUtcFromString,
  open: Schema.Array(MachineActionId),
  handled: Schema.optionalKey(Schema.Array(MachineActionId)),
}) {}

/**
 * A machine action that is final.
 *
 * @since 0.1.0
 * @category models
 */
export interface FinishedAction {
  readonly action: MachineAction

  /** Marks the action as handled: positions reported from now on no longer hold it open. */
  readonly handled: Effect.Effect<void>
}

/**
 * @since 0.1.0
 * @category options
 */
export interface Options<E, R> {
  /**
   * Selects actions. It must compare neither the status nor the creation time: the feed also has to see actions that are
   * still in progress.
   */
  readonly filter?: ActionFilter.ActionFilter | undefined

  /** The position to resume from. */
  readonly from: Position

  /** Called after each round with the position reached, and once more if `mayBeLost`. The next round starts when it returns. */
  readonly onPosition?: ((position: Position) => Effect.Effect<void, E, R>) | undefined

  /**
   * Asked after each position: whether what was handled lately may have been lost, such as by a database that failed over. If so, those
   * actions are emitted once more. By default never.
   */
  readonly mayBeLost?: Effect.Effect<boolean> | undefined

  /**
   * Called after each search: with the error of one that failed and is repeated, without one after a success. By default the first of
   * several errors is logged, and the success after them.
   */
  readonly onSearch?: ((error: ApiError | undefined) => Effect.Effect<void>) | undefined

  /** The number of final actions held in memory until they are taken. By default 5,000. */
  readonly bufferSize?: number | undefined
}

/** The list may show an action this long after others that were created later. */
const maxListDelay = Duration.minutes(10)

const defaultBufferSize = 5000

/** What one feed knows. */
interface State {
  readonly bufferSize: number

  /** The actions that were seen and are not handled. */
  readonly open: Set<MachineActionId>

  /**
   * What was handled since a position was last reported. The next one leaves it out of `handled`: a store that fails over may forget
   * what it had just accepted, and what resumes from that position checks it once more.
   */
  readonly recent: Set<MachineActionId>

  /** What was recent when the last position was reported. */
  lessRecent: ReadonlyArray<MachineActionId>

  /** Of those that were open when the feed started, or are open again, the ones whose state is not known yet. */
  readonly resumed: Set<MachineActionId>

  /** When each action was created that the list may show again, in epoch milliseconds. */
  readonly listed: Map<MachineActionId, number>

  since: DateTime.Utc

  /** When the list was last read, by the clock of this machine. */
  readAt: DateTime.Utc | undefined

  /** How many final actions wait for their results to settle. */
  settling: number

  /** A page was not read because the buffer was full. */
  isBehind: boolean

  /** A list has been read. */
  isReached: boolean
}

const makeState = ({
  from,
  bufferSize = defaultBufferSize,
}: Pick<Options<never, never>, "bufferSize" | "from">): State => ({
  bufferSize,
  open: new Set(from.open),
  recent: new Set(),
  lessRecent: [],
  resumed: new Set(from.open),
  listed: new Map([...from.open, ...(from.handled ?? [])].map((id) => [id, DateTime.toEpochMillis(from.since)])),
  since: from.since,
  readAt: undefined,
  settling: 0,
  isBehind: false,
  isReached: false,
})

/** What the list may show again and is handled. */
const handledOf = ({ listed, open }: State) => Array.from(listed.keys()).filter((id) => !open.has(id))

/** What was handled lately counts as open again, as if the feed had just started. */
const reopen = (state: State): void => {
  // The list does not show the older ones of those that were handled last.
  for (const id of [...handledOf(state), ...state.lessRecent, ...state.recent]) {
    state.open.add(id)
    state.resumed.add(id)
  }
  state.lessRecent = []
  state.recent.clear()
}

/** Whether the rest of a list that did not fit may have an action. It shows each of the others, and takes no more than fit. */
const isListedLater = ({ isBehind, listed, since }: State, id: MachineActionId): boolean =>
  isBehind && (listed.get(id) ?? -Infinity) > DateTime.toEpochMillis(since)

const positionOf = (state: State) => {
  const { open, recent, since } = state
  const handled = handledOf(state).filter((id) => !recent.has(id))
  return Position.make({ since, open: Array.from(open), ...(handled.length === 0 ? {} : { handled }) })
}

/** A clock that was ahead gave a time that is still to come once it is set back: no action of the hours until then would be seen. */
const followClock = (state: State, now: DateTime.Utc): void => {
  const setBack = DateTime.distance(now, state.readAt ?? now)
  state.readAt = now
  if (Duration.isLessThanOrEqualTo(setBack, Duration.zero) || DateTime.isLessThanOrEqualTo(state.since, now)) return
  state.since = DateTime.subtractDuration(state.since, setBack)
}

/** The whole list was read: what was created well before the newest action is not listed again. */
const advance = (state: State, newest: DateTime.Utc, now: DateTime.Utc): void => {
  // An action that claims to be created in the future advances nothing.
  const latest = DateTime.subtractDuration(DateTime.min(newest, now), maxListDelay)
  state.since = DateTime.max(state.since, latest)
  const since = DateTime.toEpochMillis(state.since)
  for (const [id, created] of state.listed) if (created < since) state.listed.delete(id)
}

/** Logs when searches start to fail, and when they work again. */
const logSearches = () => {
  const { failed, works } = Outage.makeLogged("the API is searched again")
  return (error: ApiError | undefined) => (error === undefined ? works : failed(`${error.message}; it is tried again`))
}

const sinceFilter = (since: DateTime.Utc, filter: ActionFilter.ActionFilter | undefined) =>
  filter === undefined ? ActionFilter.since(since) : ActionFilter.all(ActionFilter.since(since), filter)

/** How final actions reach the reader of the feed. */
const makeOutput = Effect.fnUntraced(function* <E>(state: State) {
  const { settling } = yield* Timing
  const queue = yield* Queue.unbounded<FinishedAction, ApiError | E | Cause.Done>()

  const emit = (action: MachineAction) =>
    Effect.asVoid(
      Queue.offer(queue, {
        action,
        handled: Effect.sync(() => {
          if (state.open.delete(action.id)) state.recent.add(action.id)
        }),
      }),
    )

  return {
    queue,
    emit,

    /**
     * Emits an action that has just become final: its results may not be there yet. The action counts as buffered from
     * the call on, before the effect runs.
     */
    emitSettled: (action: MachineAction) => {
      state.settling++
      return Effect.delay(emit(action), settling).pipe(Effect.ensuring(Effect.sync(() => state.settling--)))
    },

    /** How many final actions are in memory. */
    buffered: () => Queue.sizeUnsafe(queue) + state.settling,
  }
})

/** The fibers that wait for actions, each for one. */
const makeWatching = Effect.fnUntraced(function* <E>(
  state: State,
  output: Effect.Success<ReturnType<typeof makeOutput<E>>>,
) {
  const { watch } = yield* ActionWatch
  const { settling } = yield* Timing
  const fibers = yield* FiberSet.make<void, ApiError>()

  const abandon = (id: MachineActionId, why: string) => {
    state.open.delete(id)
    return Effect.logWarning(`machine action ${id} is no longer watched: ${why}`)
  }

  const untilFinal = (id: MachineActionId): Effect.Effect<void, ApiError> =>
    watch(id).pipe(
      Stream.runLast,
      Effect.map(Option.getOrUndefined),
      Effect.flatMap((last) =>
        last?.isFinal === true ? output.emitSettled(last) : abandon(id, "it has not finished for days"),
      ),
      Effect.catchReason("DefenderError", "NotFound", ({ message }) => abandon(id, message)),
    )

  const run = (effect: Effect.Effect<void, ApiError>) => Effect.asVoid(FiberSet.run(fibers, effect))

  return {
    watch: (id: MachineActionId) => run(untilFinal(id)),

    /** Emits a final action of the list, at once if its results have had the time to appear. */
    emitListed: Effect.fnUntraced(function* (action: MachineAction) {
      const settled = DateTime.subtractDuration(yield* DateTime.now, settling)
      const { updated } = action
      const isFresh = state.isReached || (updated !== undefined && DateTime.isGreaterThan(updated, settled))
      yield* isFresh ? run(output.emitSettled(action)) : output.emit(action)
    }),

    /** Fails with the first failure of a watched action. */
    failure: FiberSet.join(fibers),
  }
})

/** Reports the position that was reached. */
const report = Effect.fnUntraced(function* <E, R>(
  state: State,
  { mayBeLost = Effect.succeed(false), onPosition }: Pick<Options<E, R>, "mayBeLost" | "onPosition">,
) {
  const recent = Array.from(state.recent)
  const save = Effect.suspend(() => onPosition?.(positionOf(state)) ?? Effect.void)
  yield* save
  if (yield* mayBeLost) {
    reopen(state)
    // What resumes from the position above would take them for handled.
    return yield* save
  }
  state.lessRecent = recent
  for (const id of recent) state.recent.delete(id)
})

const make = Effect.fnUntraced(function* <E, R>(options: Options<E, R>) {
  const api = yield* DefenderApi
  const patience = yield* Patience
  const timing = yield* Timing
  const state = makeState(options)
  const output = yield* makeOutput<E>(state)
  const watching = yield* makeWatching(state, output)

  const receive = (action: MachineAction, created: DateTime.Utc) => {
    const isKnown = state.listed.has(action.id)
    state.listed.set(action.id, DateTime.toEpochMillis(created))
    if (!state.resumed.delete(action.id) && isKnown) return Effect.void
    state.open.add(action.id)
    return action.isFinal ? watching.emitListed(action) : watching.watch(action.id)
  }

  const { onSearch = logSearches() } = options

  /** Reads the list from its start, up to the action for which the buffer has no space. */
  const readList = Effect.gen(function* () {
    followClock(state, yield* DateTime.now)
    const { since } = state
    let newest = since
    state.isBehind = false
    yield* Stream.runForEachWhile(api.list({ filter: sinceFilter(since, options.filter) }), (action) => {
      if (output.buffered() >= state.bufferSize) {
        state.isBehind = true
        return Effect.succeed(false)
      }
      const created = action.created ?? since
      // A server that ignores the filter lists all that there ever was.
      if (DateTime.isLessThan(created, since)) return Effect.succeed(true)
      newest = DateTime.max(newest, created)
      return Effect.as(receive(action, created), true)
    })
    state.isReached = true
    if (!state.isBehind) advance(state, newest, yield* DateTime.now)
    yield* onSearch(undefined)
  })

  const onListError = (error: ApiError) => {
    // All that an endless list shows has been received.
    if (error._tag === "DefenderError" && error.reason._tag === "EndlessList") state.isReached = true
    if (!state.isReached || !isTransient(error) || (patience !== undefined && gaveUp(error) !== undefined)) {
      return Effect.fail(error)
    }
    return onSearch(error)
  }

  /** What was open before, and is older than the list: the list needs no call for each of the others. */
  const watchResumed = Effect.suspend(() => {
    const ids = Array.from(state.resumed).filter((id) => !isListedLater(state, id))
    for (const id of ids) state.resumed.delete(id)
    return Effect.forEach(ids, watching.watch, { discard: true })
  })

  // A list that did not fit is read again from its start, so only once half of the buffer has been taken.
  const hasSpace = () => !state.isBehind || output.buffered() <= state.bufferSize / 2

  const round = Effect.suspend(() => (hasSpace() ? readList.pipe(Effect.catch(onListError)) : Effect.void)).pipe(
    Effect.andThen(watchResumed),
    Effect.andThen(report(state, options)),
  )

  const run = Effect.raceFirst(Effect.repeat(round, timing.follow), watching.failure)
  return { queue: output.queue, run }
})

/**
 * Emits each selected machine action once it is final: first those that exist, then new ones for as long as the stream
 * runs.
 *
 * **When to use**
 *
 * For a program that reacts to finished actions. {@link Follow} does so to download their results, and stores the
 * position.
 *
 * **Details**
 *
 * New actions are searched in rounds (`Timing.follow`, by default once a minute), with one list call for each page.
 * `ActionWatch` watches those that are still in progress. An action that has just become final is emitted after
 * `Timing.settling`, because its results may not be there yet. Once a list has been read, transient errors of the API are
 * logged, and the next round tries again.
 *
 * Delivery is at least once: an action that was not `handled` when a position was reported is emitted again by a feed that resumes
 * from that position, and so are those handled since the position before. It reads the list first, which has most of them, and
 * watches the others.
 *
 * Memory is bounded: when `bufferSize` final actions have not been taken, the list is read no further until half of them
 * are. Positions are still reported. Of actions that are in progress or not handled only the id is held.
 *
 * **Example** (Reporting every finished session of the last day, and new ones)
 *
 * @example
 * ```ts
 * import * as ActionFeed from "@live-response/core/ActionFeed"
 * import * as ActionFilter from "@live-response/core/ActionFilter"
 * import * as Console from "effect/Console"
 * import * as DateTime from "effect/DateTime"
 * import * as Effect from "effect/Effect"
 * import * as Stream from "effect/Stream"
 *
 * export const reportAll = Effect.gen(function* () {
 *   const since = DateTime.subtract(yield* DateTime.now, { hours: 24 })
 *   const feed = ActionFeed.stream({
 *     filter: ActionFilter.is("type", "LiveResponse"),
 *     from: ActionFeed.Position.make({ since, open: [] }),
 *   })
 *   yield* Stream.runForEach(feed, ({ action, handled }) =>
 *     Effect.andThen(Console.log(`${action.id} is ${action.status}`), handled),
 *   )
 * })
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const stream = <E = never, R = never>(
  options: Options<E, R>,
): Stream.Stream<FinishedAction, ApiError | E, DefenderApi | ActionWatch | R> =>
  Stream.unwrap(
    Effect.gen(function* () {
      const { queue, run } = yield* make(options)
      yield* Effect.forkScoped(Queue.into(run, queue))
      // One by one: what the reader has not asked for stays in the queue, where it is counted.
      return Stream.fromEffectRepeat(Queue.take(queue))
    }),
  )
