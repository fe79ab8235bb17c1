/**
 * Observes what happens to a result while it is downloaded.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import type { Offline } from "./BatchEvent.ts"
import * as ResultMetrics from "./internal/resultMetrics.ts"
import type { ResultEvent } from "./ResultEvent.ts"

/**
 * Called with each event of a result, in order.
 *
 * **Gotchas**
 *
 * It runs on the fiber that downloads the result, so the download waits for it. `Offline` events run on the fiber that
 * tries to reach the host.
 *
 * @since 0.1.0
 * @category models
 */
export type Report = (event: ResultEvent | Offline) => Effect.Effect<void>

/**
 * The current reporter. By default events are discarded; `LiveResponse.saveAll` emits them in its stream.
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
 * Reports an event to the current reporter, and counts it in `LiveResponse.metrics`.
 *
 * @since 0.1.0
 * @category reporting
 */
export const report = (event: ResultEvent | Offline): Effect.Effect<void> => {
  const reported = Effect.flatMap(Reporter, (report) => report(event))
  return event.event === "offline" ? reported : Effect.andThen(ResultMetrics.countEvent(event), reported)
}

/**
 * Reports an event that happens now.
 *
 * @since 0.1.0
 * @category reporting
 */
export const reportNow = (event: (at: DateTime.Utc) => ResultEvent): Effect.Effect<void> =>
  Effect.flatMap(DateTime.now, (at) => report(event(at)))
