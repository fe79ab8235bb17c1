/**
 * Machine actions as they end, for as long as somebody listens.
 *
 * @since 0.1.0
 */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { type ApiError, isTransient } from "./ApiError.ts"
import * as ActionFilter from "./ActionFilter.ts"
import { ActionWatch } from "./ActionWatch.ts"
import { gaveUp } from "./internal/circuitBreaker.ts"
import { Patience } from "./internal/patience.ts"
import { DefenderApi } from "./DefenderApi.ts"
import { type MachineAction, MachineActionId } from "./MachineAction.ts"
import { Timing } from "./Timing.ts"

/**
 * How far a feed has come: actions created before `since` were told and handled, but for those that are `open`. It encodes
 * to JSON, to go on from there another day.
 *
 * @since 0.1.0
 * @category models
 */
export class Position extends Schema.Class<Position>("@live-response/core/ActionFeed/Position")({
  since: Schema.DateTimeUtcFromString,
  open: Schema.Array(MachineActionId),
}) {}

/**
 * A machine action that is over.
 *
 * @since 0.1.0
 * @category models
 */
export interface Over {
  readonly action: MachineAction

  /** Says that all is done that there was to do: the positions from now on do not hold it open. */
  readonly handled: Effect.Effect<void>
}

/**
 * @since 0.1.0
 * @category options
 */
export interface FollowOptions<E, R> {
  /** Which actions are meant. Neither by status nor by time: an action that is not over yet is to be known as well. */
  readonly filter?: ActionFilter.ActionFilter | undefined

  /** Where to begin. */
  readonly from: Position

  /** Hears after each round how far it has come. */
  readonly remember?: ((position: Position) => Effect.Effect<void, E, R>) | undefined
}

/** For so long an action may appear in the list behind others that were created later. */
const lateness = Duration.minutes(10)

const sinceFilter = (since: DateTime.Utc, filter: ActionFilter.ActionFilter | undefined) =>
  filter === undefined ? ActionFilter.since(since) : ActionFilter.all(ActionFilter.since(since), filter)

/**
 * Each machine action that is meant, once it is over: those that there are, and then for ever those that come. New ones
 * are looked for in rounds, with one list call a page of what is new; those that are not over are watched. Trouble on the
 * way to the API, once it was reached, is warned of and outlived.
 *
 * Nothing is lost and little told twice: what was not `handled` when a program ended is told again to the next one that
 * begins at the last position that was remembered.
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
 * export const tellAll = Effect.gen(function* () {
 *   const since = DateTime.subtract(yield* DateTime.now, { hours: 24 })
 *   const feed = ActionFeed.follow({
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
export const follow = <E = never, R = never>(
  options: FollowOptions<E, R>,
): Stream.Stream<Over, ApiError | E, DefenderApi | ActionWatch | R> =>
  Stream.callback<Over, ApiError | E, DefenderApi | ActionWatch | R>(
    Effect.fnUntraced(function* (queue) {
      const api = yield* DefenderApi
      const { watch } = yield* ActionWatch
      const policy = yield* Timing
      const patience = yield* Patience
      const watching = yield* FiberSet.make<void, ApiError>()
      const open = new Set(options.from.open)
      let { since } = options.from
      // When each was created, as far as a list may still show it.
      const known = new Map(options.from.open.map((id) => [id, DateTime.toEpochMillis(since)]))
      let isReached = false
      let isTroubled = false

      const tell = (action: MachineAction) =>
        Effect.asVoid(Queue.offer(queue, { action, handled: Effect.sync(() => open.delete(action.id)) }))

      const giveUp = (id: MachineActionId, why: string) => {
        open.delete(id)
        return Effect.logWarning(`machine action ${id} is not watched any more: ${why}`)
      }

      const untilOver = (id: MachineActionId): Effect.Effect<void, ApiError> =>
        watch(id).pipe(
          Stream.runLast,
          Effect.map(Option.getOrUndefined),
          Effect.flatMap((last) =>
            last?.isFinal === true
              ? Effect.delay(tell(last), policy.settling)
              : giveUp(id, "it has not been over for days"),
          ),
          Effect.catchReason("DefenderError", "NotFound", ({ message }) => giveUp(id, message)),
        )

      const watchIt = (id: MachineActionId) => Effect.asVoid(FiberSet.run(watching, untilOver(id)))

      /** Its results may not be there yet where it was over just now. */
      const tellFinal = Effect.fnUntraced(function* (action: MachineAction) {
        const settled = DateTime.subtractDuration(yield* DateTime.now, policy.settling)
        const { updated } = action
        const isFresh = isReached || (updated !== undefined && DateTime.isGreaterThan(updated, settled))
        yield* isFresh
          ? Effect.asVoid(FiberSet.run(watching, Effect.delay(tell(action), policy.settling)))
          : tell(action)
      })

      const look = Effect.gen(function* () {
        let newest = since
        yield* Stream.runForEach(api.list({ filter: sinceFilter(since, options.filter) }), (action) => {
          const created = action.created ?? since
          newest = DateTime.max(newest, created)
          const isKnown = known.has(action.id)
          known.set(action.id, DateTime.toEpochMillis(created))
          if (isKnown) return Effect.void
          open.add(action.id)
          return action.isFinal ? tellFinal(action) : watchIt(action.id)
        })
        isReached = true
        isTroubled = false
        // What claims to come from the future moves nothing on.
        newest = DateTime.min(newest, yield* DateTime.now)
        since = DateTime.max(since, DateTime.subtractDuration(newest, lateness))
        for (const [id, created] of known) if (created < DateTime.toEpochMillis(since)) known.delete(id)
      }).pipe(
        Effect.catch((error) => {
          // Everything that it shows was emitted.
          if (error._tag === "DefenderError" && error.reason._tag === "EndlessList") isReached = true
          if (!isReached || !isTransient(error) || (patience !== undefined && gaveUp(error) !== undefined)) {
            return Effect.fail(error)
          }
          if (isTroubled) return Effect.void
          isTroubled = true
          return Effect.logWarning(`${error.message}; it is tried again`)
        }),
      )

      const remember = Effect.suspend(
        () => options.remember?.(Position.make({ since, open: [...open] })) ?? Effect.void,
      )

      yield* Effect.forEach(options.from.open, watchIt, { discard: true })
      yield* Effect.andThen(look, remember).pipe(
        Effect.repeat(policy.follow),
        Effect.raceFirst(FiberSet.join(watching)),
      )
      yield* Queue.end(queue)
    }),
  )
