/**
 * Watches many machine actions with few calls.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { ApiError } from "./ApiError.ts"
import { DefenderApi } from "./DefenderApi.ts"
import { Patience } from "./internal/outagePatience.ts"
import * as WatchList from "./internal/watchList.ts"
import * as WatchRound from "./internal/watchRound.ts"
import type { MachineAction, MachineActionId } from "./MachineAction.ts"
import { Reporter } from "./Reporter.ts"
import { Timing } from "./Timing.ts"

/**
 * @since 0.1.0
 * @category services
 */
export interface Service {
  /**
   * Emits the state of a machine action at each poll, until it is final or until `Timing.watch` has finished.
   *
   * **Details**
   *
   * An action that was just created may be unknown to the API for two minutes (`Timing.creation`). One that stays unknown
   * fails as `DefenderApi.get` does.
   *
   * An error that may pass is logged as a warning, and the action is polled again. Without a network it waits as long as the
   * batch or the run around it does, otherwise without end.
   *
   * **Gotchas**
   *
   * A slow reader gets the last state only.
   */
  readonly watch: (id: MachineActionId) => Stream.Stream<MachineAction, ApiError>
}

/**
 * Watches any number of machine actions: one call reads 25 of them, and there is one call every few seconds at most.
 *
 * **When to use**
 *
 * For many actions at once. `DefenderApi.wait` is for one.
 *
 * @example
 * ```ts
 * import { ActionWatch } from "@live-response/core/ActionWatch"
 * import type { MachineActionId } from "@live-response/core/MachineAction"
 * import * as Effect from "effect/Effect"
 * import * as Stream from "effect/Stream"
 *
 * // The final state of each action: a thousand cost as many calls as forty.
 * export const finalStates = (ids: ReadonlyArray<MachineActionId>) =>
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

/** What one caller watches. */
const makeWatched = Effect.fnUntraced(function* (id: MachineActionId, queue: WatchRound.Watched["queue"]) {
  const timing = yield* Timing
  const watched: WatchRound.Watched = {
    id,
    queue,
    again: yield* Schedule.toStep(timing.watch),
    unknown: yield* Schedule.toStep(timing.creation),
    patience: (yield* Patience) ?? Duration.infinity,
    reporter: yield* Reporter,
    due: 0,
    isUrgent: true,
  }
  return watched
})

/**
 * Makes the service. It makes no calls while nothing is watched.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: Effect.Effect<Service, never, DefenderApi | Scope.Scope> = Effect.gen(function* () {
  const api = yield* DefenderApi
  const timing = yield* Timing
  const list: WatchRound.List = new WatchList.WatchList()
  const round = WatchRound.make(api, list)

  const loop = yield* list.wanted.await.pipe(
    // Lets all that start watching at the same instant share the first call.
    Effect.andThen(Effect.yieldNow),
    // Interrupts a call that nobody waits for any more.
    Effect.andThen(Effect.raceFirst(round, list.idle.await)),
    Effect.repeat(timing.rounds),
    Effect.forkScoped,
  )
  // Without the loop a caller would wait forever.
  loop.addObserver((exit) => list.close(exit))

  return {
    watch: (id) =>
      Stream.callback<MachineAction, ApiError>(
        (queue) =>
          makeWatched(id, queue).pipe(
            Effect.provideService(Timing, timing),
            Effect.flatMap((watched) =>
              Effect.acquireRelease(
                Effect.sync(() => list.add(watched)),
                () => Effect.sync(() => list.remove(watched)),
              ),
            ),
          ),
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
