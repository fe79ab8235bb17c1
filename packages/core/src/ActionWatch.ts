/**
 * Many machine actions, watched with few calls.
 *
 * @since 0.1.0
 */
import type * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Pull from "effect/Pull"
import * as Queue from "effect/Queue"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as ActionFilter from "./ActionFilter.ts"
import { isPassing } from "./BatchError.ts"
import { type ApiError, DefenderApi } from "./DefenderApi.ts"
import * as DefenderError from "./DefenderError.ts"
import type { MachineAction, MachineActionId } from "./MachineAction.ts"
import { RetryPolicy } from "./RetryPolicy.ts"

/**
 * @since 0.1.0
 * @category services
 */
export interface Service {
  /**
   * A machine action as it is at each look, until it is over, or until the policy for that ends. Whoever is slow to take
   * it sees the last look alone. One that was just made may be unknown for two minutes; what stays unknown fails as
   * `DefenderApi.get` does.
   *
   * Trouble on the way to the API is warned of and does not end it: it is looked at again when that is over.
   */
  readonly watch: (id: MachineActionId) => Stream.Stream<MachineAction, ApiError>
}

/**
 * Watches machine actions, however many: one call looks at 25 of them, and there is a call every few seconds at most.
 * `DefenderApi.wait` is for one.
 *
 * @example
 * ```ts
 * import { ActionWatch } from "@live-response/core/ActionWatch"
 * import type { MachineActionId } from "@live-response/core/MachineAction"
 * import * as Effect from "effect/Effect"
 * import * as Stream from "effect/Stream"
 *
 * // How each of them ended: a thousand cost as many calls as forty.
 * export const ends = (ids: ReadonlyArray<MachineActionId>) =>
 *   Effect.gen(function* () {
 *     const { watch } = yield* ActionWatch
 *     return yield* Effect.forEach(ids, (id) => Stream.runLast(watch(id)), { concurrency: "unbounded" })
 *   })
 * ```
 *
 * @since 0.1.0
 * @category services
 */
export class ActionWatch extends Context.Service<ActionWatch, Service>()("@live-response/core/ActionWatch") {}

type Step<Input> = (now: number, input: Input) => Pull.Pull<readonly [unknown, Duration.Duration], never, unknown>

interface Watched {
  readonly id: MachineActionId
  readonly queue: Queue.Queue<MachineAction, ApiError | Cause.Done>
  readonly again: Step<MachineAction>
  readonly unknown: Step<DefenderError.DefenderError>
  due: number
  /** At the last look there was something to wait for that may come at any moment. */
  isUrgent: boolean
}

/** An expression of so many comparisons has 99 nodes, and 100 is what a service of OData takes unless it says otherwise. */
const idsInOneCall = 25

/** However many are urgent, the others get their turn as well. */
const urgentInOneCall = 20

/** Where the list does not have an action and the API can't be asked for it either, it has time. */
const askAgainAfter = Duration.minutes(1)

/**
 * Makes the service. It calls only while something is watched.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: Effect.Effect<Service, never, DefenderApi | Scope.Scope> = Effect.gen(function* () {
  const api = yield* DefenderApi
  const policy = yield* RetryPolicy
  const watched = new Set<Watched>()
  const wanted = yield* Latch.make(false)
  const idle = yield* Latch.make(true)

  const end = (one: Watched, ending: Effect.Effect<unknown>) => {
    watched.delete(one)
    return ending
  }

  const postpone = (one: Watched, now: number, delay: Duration.Duration) =>
    Effect.sync(() => {
      one.due = now + Duration.toMillis(delay)
      one.isUrgent = Duration.isZero(delay)
    })

  const tell = (one: Watched, action: MachineAction, now: number) => {
    const told = Queue.offer(one.queue, action)
    if (action.isFinal) return end(one, Effect.andThen(told, Queue.end(one.queue)))
    return Effect.andThen(
      told,
      Pull.matchEffect(one.again(now, action), {
        onSuccess: ([, delay]) => postpone(one, now, delay),
        onFailure: Effect.die,
        onDone: () => end(one, Queue.end(one.queue)),
      }),
    )
  }

  /** The list does not have it: not yet, or the API's own word says why. */
  const miss = (one: Watched, now: number) =>
    Pull.matchEffect(
      one.unknown(
        now,
        new DefenderError.DefenderError({
          operation: `machine action ${one.id}`,
          reason: new DefenderError.NotFound({ status: 404 }),
        }),
      ),
      {
        onSuccess: ([, delay]) => postpone(one, now, delay),
        onFailure: Effect.die,
        onDone: () =>
          Effect.matchEffect(api.get(one.id), {
            onSuccess: (action) => tell(one, action, now),
            onFailure: (error) =>
              isPassing(error) ? postpone(one, now, askAgainAfter) : end(one, Queue.fail(one.queue, error)),
          }),
      },
    )

  /** A call has room for those that are due soon: so they gather, and cost no calls of their own. */
  const chosen = (now: number): ReadonlyArray<Watched> => {
    const byDue = [...watched].toSorted((a, b) => a.due - b.due)
    const urgent = byDue.filter((one) => one.isUrgent && one.due <= now)
    const others = byDue.filter((one) => !one.isUrgent || one.due > now)
    const first = urgent.slice(0, urgentInOneCall)
    return [...first, ...others.slice(0, idsInOneCall - first.length), ...urgent.slice(urgentInOneCall)].slice(
      0,
      idsInOneCall,
    )
  }

  /** Of the vendor's pages one has the id among what a list can be filtered by, and another has not. */
  let isOneByOne = false

  const lookAt = (
    ids: readonly [MachineActionId, ...ReadonlyArray<MachineActionId>],
  ): Effect.Effect<ReadonlyArray<MachineAction>, ApiError> =>
    isOneByOne
      ? api.get(ids[0]).pipe(
          Effect.map((action) => [action]),
          Effect.catchReason("DefenderError", "NotFound", () => Effect.succeed([])),
        )
      : Stream.runCollect(api.list({ filter: ActionFilter.is("id", ...ids) }))

  let isTroubled = false

  const trouble = (looked: ReadonlyArray<Watched>, error: ApiError) => {
    if (!isOneByOne && error._tag === "DefenderError" && error.reason._tag === "Refused") {
      isOneByOne = true
      return Effect.logWarning(`${error.message}; machine actions are looked at one by one`)
    }
    if (!isPassing(error)) {
      return Effect.forEach(looked, (one) => end(one, Queue.fail(one.queue, error)), { discard: true })
    }
    if (isTroubled) return Effect.void
    isTroubled = true
    return Effect.logWarning(`machine actions can't be looked at: ${error.message}; it is tried again`)
  }

  const round = Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    const looked = chosen(now).slice(0, isOneByOne ? 1 : idsInOneCall)
    const [first, ...rest] = new Set(looked.map(({ id }) => id))
    if (first === undefined || looked.every(({ due }) => due > now)) return
    yield* lookAt([first, ...rest]).pipe(
      Effect.matchEffect({
        onSuccess: (actions) => {
          isTroubled = false
          const found = new Map(actions.map((action) => [action.id, action]))
          return Effect.forEach(
            looked,
            (one) => {
              const action = found.get(one.id)
              return action === undefined ? miss(one, now) : tell(one, action, now)
            },
            { discard: true },
          )
        },
        onFailure: (error) => trouble(looked, error),
      }),
    )
  })

  // Nobody is called once nobody watches.
  yield* wanted.await.pipe(
    Effect.andThen(Effect.raceFirst(round, idle.await)),
    Effect.repeat(policy.rounds),
    Effect.forkScoped,
  )

  const add = (one: Watched) =>
    Effect.gen(function* () {
      watched.add(one)
      yield* idle.close
      yield* wanted.open
    })

  const remove = (one: Watched) =>
    Effect.suspend(() => {
      watched.delete(one)
      return watched.size === 0 ? Effect.andThen(wanted.close, idle.open) : Effect.void
    })

  return {
    watch: (id) =>
      Stream.callback<MachineAction, ApiError>(
        (queue) =>
          Effect.gen(function* () {
            const one: Watched = {
              id,
              queue,
              again: yield* Schedule.toStep(policy.watch),
              unknown: yield* Schedule.toStep(policy.creation),
              due: 0,
              isUrgent: true,
            }
            yield* Effect.acquireRelease(add(one), () => remove(one))
          }),
        { bufferSize: 1, strategy: "sliding" },
      ),
  }
})

/**
 * The service over the API in context.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<ActionWatch, never, DefenderApi> = Layer.effect(ActionWatch, make)
