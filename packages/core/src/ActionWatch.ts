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
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Pull from "effect/Pull"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as ActionFilter from "./ActionFilter.ts"
import { isPassing } from "./BatchError.ts"
import { type ApiError, DefenderApi, type Service as DefenderApiService } from "./DefenderApi.ts"
import * as DefenderError from "./DefenderError.ts"
import * as ApiCall from "./internal/apiCall.ts"
import { gaveUp } from "./internal/circuitBreaker.ts"
import { Patience } from "./internal/patience.ts"
import * as WatchList from "./internal/watchList.ts"
import type { MachineAction, MachineActionId } from "./MachineAction.ts"
import { type Report, Reporter } from "./Reporter.ts"
import { Timing } from "./Timing.ts"

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
   * Trouble on the way to the API is warned of and does not end it: it is looked at again when that is over. A network that
   * is gone is waited for without an end, in a batch or a run as long as that waits.
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

interface Watched extends WatchList.Watched<ApiError> {
  readonly again: Step<MachineAction>
  readonly unknown: Step<DefenderError.DefenderError>
  /** How long a network that is gone is waited for. */
  readonly patience: Duration.Duration
  /** Hears of each attempt meanwhile. */
  readonly listener: Report
}

/** Where the list does not have an action and the API can't be asked for it either, it has time. */
const askAgainAfter = Duration.minutes(1)

type List = WatchList.WatchList<Watched, ApiError>

/** What one look at an action means for whoever watches it. */
const makeReports = (api: DefenderApiService, list: List) => {
  /** Reports a look, and says when the next one is. */
  const report = (one: Watched, action: MachineAction, now: number) =>
    Effect.suspend(() => {
      list.report(one, action)
      if (action.isFinal) return Effect.void
      return Pull.matchEffect(one.again(now, action), {
        onSuccess: ([, delay]) => Effect.sync(() => list.postpone(one, now, delay)),
        onFailure: Effect.failCause,
        onDone: () => Effect.sync(() => list.end(one, Exit.void)),
      })
    })

  /** The list does not have it: not yet, or the API's own word says why. */
  const reportMissing = (one: Watched, now: number) =>
    Pull.matchEffect(
      one.unknown(
        now,
        new DefenderError.DefenderError({
          operation: `machine action ${one.id}`,
          reason: new DefenderError.NotFound({ status: 404 }),
        }),
      ),
      {
        onSuccess: ([, delay]) => Effect.sync(() => list.postpone(one, now, delay)),
        onFailure: Effect.failCause,
        onDone: () =>
          Effect.matchEffect(api.get(one.id), {
            onSuccess: (action) => report(one, action, now),
            onFailure: (error) =>
              Effect.sync(() =>
                isPassing(error) ? list.postpone(one, now, askAgainAfter) : list.end(one, Exit.fail(error)),
              ),
          }),
      },
    )

  return { report, reportMissing }
}

/** One call for those that are due. */
const makeRound = (api: DefenderApiService, list: List) => {
  const { report, reportMissing } = makeReports(api, list)

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
      : api
          .list({ filter: ActionFilter.is("id", ...ids) })
          // What was listed until then is what there is: the ids are named, so no page can bring others. A list that is not
          // found is about the list: each action is asked for before it counts as unknown.
          .pipe(
            Stream.catchIf(ApiCall.hasReason("EndlessList"), () => Stream.empty),
            Stream.catchIf(ApiCall.hasReason("NotFound"), () => Stream.empty),
            Stream.runCollect,
          )

  let isTroubled = false

  const endAll = (ended: ReadonlyArray<Watched>, exit: Exit.Exit<never, ApiError>) => {
    for (const one of ended) list.end(one, exit)
  }

  /** Those who watch wait together: for the network as long as the most patient of them. */
  const patience = () =>
    Array.from(list.all).reduce((longest, one) => Duration.max(longest, one.patience), Duration.zero)

  const reportOffline: Report = (event) =>
    Effect.suspend(() => {
      const listeners = new Set(Array.from(list.all, ({ listener }) => listener))
      return Effect.forEach(listeners, (listener) => listener(event), { discard: true })
    })

  const trouble = (looked: ReadonlyArray<Watched>, error: ApiError) => {
    if (!isOneByOne && error._tag === "DefenderError" && error.reason._tag === "Refused") {
      isOneByOne = true
      return Effect.logWarning(`${error.message}; machine actions are looked at one by one`)
    }
    if (gaveUp(error) !== undefined) return Effect.sync(() => endAll(Array.from(list.all), Exit.fail(error)))
    if (!isPassing(error)) return Effect.sync(() => endAll(looked, Exit.fail(error)))
    if (isTroubled) return Effect.void
    isTroubled = true
    return Effect.logWarning(`machine actions can't be looked at: ${error.message}; it is tried again`)
  }

  const look = (looked: ReadonlyArray<Watched>, ids: Parameters<typeof lookAt>[0], now: number) =>
    Effect.matchEffect(lookAt(ids), {
      onSuccess: (actions) => {
        isTroubled = false
        const found = new Map(actions.map((action) => [action.id, action]))
        return Effect.forEach(
          looked,
          (one) => {
            const action = found.get(one.id)
            return action === undefined ? reportMissing(one, now) : report(one, action, now)
          },
          { discard: true },
        )
      },
      onFailure: (error) => trouble(looked, error),
    })

  /** A defect ends the watching of what was looked at, and of nothing else. */
  const broken = (looked: ReadonlyArray<Watched>, cause: Cause.Cause<never>) =>
    Effect.suspend(() => {
      endAll(looked, Exit.failCause(cause))
      return Effect.logError("machine actions could not be looked at, and are no longer watched", cause)
    })

  return Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    const looked = WatchList.pickDue(list.all, now, isOneByOne ? 1 : WatchList.idsInOneCall)
    const [first, ...rest] = new Set(looked.map(({ id }) => id))
    if (first === undefined) return
    yield* look(looked, [first, ...rest], now).pipe(
      Effect.catchCause((cause) => broken(looked, cause)),
      Effect.provideService(Patience, patience()),
      Effect.provideService(Reporter, reportOffline),
    )
  })
}

/**
 * Makes the service. It calls only while something is watched.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: Effect.Effect<Service, never, DefenderApi | Scope.Scope> = Effect.gen(function* () {
  const api = yield* DefenderApi
  const policy = yield* Timing
  const list: List = new WatchList.WatchList()
  const round = makeRound(api, list)

  // Nobody is called once nobody watches.
  const loop = yield* list.wanted.await.pipe(
    // What is watched from the same instant on is looked at together.
    Effect.andThen(Effect.yieldNow),
    Effect.andThen(Effect.raceFirst(round, list.idle.await)),
    Effect.repeat(policy.rounds),
    Effect.forkScoped,
  )
  // Whatever ends it, nobody watches for ever what is no longer looked at.
  loop.addObserver((exit) => list.close(exit))

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
              patience: (yield* Patience) ?? Duration.infinity,
              listener: yield* Reporter,
              due: 0,
              isUrgent: true,
            }
            yield* Effect.acquireRelease(
              Effect.sync(() => list.add(one)),
              () => Effect.sync(() => list.remove(one)),
            )
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
