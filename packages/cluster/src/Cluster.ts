/**
 * Divides work among runners: each piece runs on one of them at a time, and on another one when that one is gone.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Option from "effect/Option"
import * as Reactivity from "effect/reactivity/Reactivity"
import type * as Scope from "effect/Scope"
import type * as Database from "./Database.ts"
import { type DatabaseError, SharedSessions, Unreachable } from "./DatabaseError.ts"
import * as Connection from "./internal/connection.ts"
import * as Engine from "./internal/engine.ts"
import * as Restarts from "./internal/restarts.ts"
import { applicationName } from "./internal/runnerNames.ts"
import * as Sessions from "./internal/sessions.ts"
import * as Together from "./internal/together.ts"

/**
 * @since 0.1.0
 * @category options
 */
export interface Options extends Omit<Database.Options, "applicationName"> {
  /** The name of this process, of at most 40 bytes. No other process may have it, not even this one when it is started again. */
  readonly runner: string
}

/**
 * @since 0.1.0
 * @category options
 */
export interface EachOptions {
  /** Annotations of what is logged about the effect, beside what it logs itself. */
  readonly annotations?: Readonly<Record<string, unknown>> | undefined
}

/**
 * @since 0.1.0
 * @category services
 */
export interface Service {
  /**
   * Runs the effect on one runner of those that have registered this name, until the scope closes.
   *
   * **Details**
   *
   * An effect that fails is logged and started again, after a second, doubled up to a minute. It disturbs no other. The same failure
   * again is logged for debugging only, until the effect has run for a minute. One that ends is not started again by this runner.
   *
   * **Gotchas**
   *
   * A runner that is frozen and continues does not know at once that another one has its work: what the effect writes must carry
   * an epoch, as `TenantOwner` has it.
   */
  readonly each: <E, R>(
    name: string,
    effect: Effect.Effect<void, E, R>,
    options?: EachOptions,
  ) => Effect.Effect<void, never, R | Scope.Scope>

  /**
   * How long ago PostgreSQL last confirmed a lock of this runner. None before the first one.
   *
   * **Details**
   *
   * Every piece of work needs a lock. A runner asks every five seconds, so that one without an answer for 15 takes no part: what it
   * had runs elsewhere. The locks have a connection of their own, which can hang while others work.
   */
  readonly sinceLocks: Effect.Effect<Option.Option<Duration.Duration>>

  /**
   * Leaves the cluster: interrupts all work of this runner side by side, and frees each piece once it has stopped.
   *
   * **When to use**
   *
   * Use it first when a program stops. Otherwise the other runners get nothing before every scope of `each` is closed. What is
   * registered afterwards does not run.
   */
  readonly leave: Effect.Effect<void>
}

/**
 * Divides work among runners.
 *
 * @since 0.1.0
 * @category services
 */
export class Cluster extends Context.Service<Cluster, Service>()("@live-response/cluster/Cluster") {}

class Connections extends Context.Service<Connections, Effect.Success<ReturnType<typeof Connection.connect>>>()(
  "@live-response/cluster/Cluster/Connections",
) {}

/** Fails where the locks of a runner would be those of every program that uses the pooler. */
const requireOwnSessions = ({ client, failed, fromSqlError, timeout }: Connections["Service"]) =>
  Effect.mapError(Sessions.areShared(client), fromSqlError).pipe(
    Effect.timeoutOrElse({
      duration: timeout,
      orElse: () => Effect.fail(failed(new Unreachable({ description: "no answer in time" }))),
    }),
    Effect.filterOrFail(
      (areShared) => !areShared,
      () => failed(new SharedSessions({ description: "a runner would lose its locks" })),
    ),
  )

/**
 * Joins the cluster of the database, with connections of its own.
 *
 * **Details**
 *
 * Runners listen on no port. When this one leaves, the others take its work within seconds; when it is killed, typically within
 * some three seconds, and 17 at most. Which runner does what is decided by PostgreSQL's advisory locks, so behind PgBouncer the
 * pooling must be by session: where it is not, the layer fails with `SharedSessions`.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = ({ runner, ...options }: Options): Layer.Layer<Cluster, DatabaseError> => {
  // In a layer of their own, and so in a scope of their own: a runner that leaves needs them, and a scope that is closing opens none.
  const connections = Layer.effect(
    Connections,
    Connection.connect({ ...options, applicationName: applicationName(runner) }),
  )
  return Layer.effect(
    Cluster,
    Effect.gen(function* () {
      const connections = yield* Connections
      yield* requireOwnSessions(connections)
      const together = yield* Together.make
      const { leave, register, sinceLocks } = yield* Engine.join(connections, runner, connections.fromSqlError)
      return {
        each: (name, effect, { annotations = {} } = {}) => {
          const { tenant = name } = annotations
          const repeated = Restarts.untilItEnds(name, effect, String(tenant)).pipe(
            Effect.provideService(Together.Together, together),
            Effect.annotateLogs(annotations),
          )
          return register(name, repeated)
        },
        sinceLocks,
        leave,
      }
    }),
  ).pipe(Layer.provide(connections), Layer.provide(Reactivity.layer))
}
