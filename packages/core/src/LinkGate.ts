/**
 * Decides when the link of a result may be requested, once the quota has a permit for it.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { ResultRef } from "./ResultRef.ts"

/**
 * The link is not requested now: its permit is given back, and the call waits for another one.
 *
 * @since 0.1.0
 * @category errors
 */
export class NotNow extends Schema.TaggedError<NotNow>("@live-response/core/LinkGate/NotNow")("NotNow", {}) {}

/**
 * Runs before the link of a result is requested, also before it is renewed. The call waits while it runs, and holds its permit.
 *
 * **When to use**
 *
 * For a program that bounds what it does at once, as `TransferBounds` does: a call that waits for the quota, which may take an
 * hour, should not count. By default every link is requested at once.
 *
 * **Gotchas**
 *
 * A permit that is held for more than two minutes counts as answered. Fail with `NotNow` before that.
 *
 * @since 0.1.0
 * @category references
 */
export const LinkGate = Context.Reference<(ref: ResultRef) => Effect.Effect<void, NotNow>>(
  "@live-response/core/LinkGate",
  { defaultValue: () => () => Effect.void },
)
