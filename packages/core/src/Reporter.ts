/**
 * Hears what happens to a result on its way home.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import type { Offline } from "./BatchEvent.ts"
import type { ResultEvent } from "./ResultEvent.ts"

/**
 * Called with each event of a result, in order, on the fiber that works on it: what it does takes the work's time. Also
 * with what keeps all results waiting, on the fiber that tries the network.
 *
 * @since 0.1.0
 * @category models
 */
export type Report = (event: ResultEvent | Offline) => Effect.Effect<void>

/**
 * The listener in force. By default nobody listens; `LiveResponse.saveAll` listens on behalf of its stream.
 *
 * @example
 * ```ts
 * import { Reporter } from "@live-response/core/Reporter"
 * import * as Effect from "effect/Effect"
 *
 * export const logged = Effect.provideService(Reporter, (event) => Effect.logDebug(event.event))
 * ```
 *
 * @since 0.1.0
 * @category references
 */
export const Reporter = Context.Reference<Report>("@live-response/core/Reporter", {
  defaultValue: () => () => Effect.void,
})

/**
 * Reports an event to the listener in force.
 *
 * @since 0.1.0
 * @category reporting
 */
export const report = (event: ResultEvent | Offline): Effect.Effect<void> =>
  Effect.flatMap(Reporter, (report) => report(event))

/**
 * Reports an event that happens now.
 *
 * @since 0.1.0
 * @category reporting
 */
export const reportNow = (event: (at: DateTime.Utc) => ResultEvent): Effect.Effect<void> =>
  Effect.flatMap(DateTime.now, (at) => report(event(at)))
