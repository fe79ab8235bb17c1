/**
 * Runners notify each other when one of them comes or goes, by `NOTIFY` of PostgreSQL, so that work moves at once. It is a hint: what is
 * missed is seen by looking, a second later.
 */
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import type * as Scope from "effect/Scope"
import * as Background from "./background.ts"
import type { Pool } from "./pool.ts"

/** Of the whole database, whatever its schemas. */
const channel = "live_response_runners"

export interface RunnerChanges {
  /** Notifies all runners, this one included. */
  readonly notify: Effect.Effect<void>

  /**
   * Waits for a change since the last call, a tenth of a second at least and a second at most: a role that may connect may
   * notify as often as it likes.
   */
  readonly next: Effect.Effect<void>
}

/** Listens on a connection of its own. */
export const make = Effect.fnUntraced(function* ({
  client: sql,
  listen,
}: Pool): Effect.fn.Return<RunnerChanges, never, Scope.Scope> {
  const changed = Latch.makeUnsafe(true)
  yield* Background.repeat("listening to other runners", Effect.ignore(listen(channel, changed.open)), "5 seconds")
  return {
    // Open here too, should nobody be listening.
    notify: Effect.andThen(changed.open, Effect.ignore(sql`select pg_notify(${channel}, '')`)),
    next: changed.await.pipe(
      Effect.timeoutOption("900 millis"),
      Effect.delay("100 millis"),
      Effect.andThen(changed.close),
      Effect.asVoid,
    ),
  }
})
