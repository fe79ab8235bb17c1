/**
 * Divides work among runners: each piece runs on one of them at a time, and on another one when that one is gone.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import type * as Option from "effect/Option"
import * as Reactivity from "effect/reactivity/Reactivity"
import * as Scope from "effect/Scope"
import type * as Database from "./Database.ts"
import { type DatabaseError, MissingRights, SharedSessions } from "./DatabaseError.ts"
import * as Connection from "./internal/connection.ts"
import * as Engine from "./internal/engine.ts"
import * as Grants from "./internal/grants.ts"
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

/** Fails where the locks of a runner would be those of every program that uses the pooler. */
const requireOwnSessions = ({ client, failed, fromSqlError, inTime, timeout }: Connection.Connections) =>
  Effect.mapError(Sessions.areShared(client), fromSqlError).pipe(
    inTime(timeout),
    Effect.filterOrFail(
      (areShared) => !areShared,
      () => failed(new SharedSessions({ description: "a runner would lose its locks" })),
    ),
  )

/** How many tables a message names. */
const shown = 3

/** Fails where the role of this runner may not write: it would count as a runner that gets no work. */
const requireRights = Effect.fnUntraced(function* ({ client, failed, fromSqlError }: Connection.Connections) {
  const { privileges, relations, role } = yield* Effect.mapError(Grants.lackOf(client), fromSqlError)
  if (relations.length === 0) return
  const more = relations.length - shown
  const names = `${relations.slice(0, shown).join(", ")}${more > 0 ? ` and ${more} more` : ""}`
  return yield* failed(new MissingRights({ role, rights: `${privileges.join(", ")} on ${names}` }))
})

const join = Effect.fnUntraced(function* (connections: Connection.Connections, runner: string) {
  yield* requireOwnSessions(connections)
  yield* requireRights(connections)
  const together = yield* Together.make
  const { leave, register, sinceLocks } = yield* Engine.join(connections, runner)
  const service: Service = {
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
  return service
})

/** Does not wait for the end of an effect that fails or is interrupted: a statement that a network swallows may end after minutes. */
const inBackground = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(Effect.forkDetach(Effect.interruptible(effect)), (fiber) =>
      Effect.onInterrupt(restore(Fiber.join(fiber)), () => Effect.sync(() => fiber.interruptUnsafe())),
    ),
  )

const make = Effect.fnUntraced(function* ({ runner, ...options }: Options) {
  // Two of its own: a runner that leaves needs its connections, and a scope that is closing opens none.
  const [connected, joined] = yield* Effect.all([Scope.make(), Scope.make()])
  const close = (exit: Exit.Exit<unknown, unknown>) =>
    Effect.andThen(Scope.close(joined, exit), Scope.close(connected, exit))
  const connections = yield* Connection.connect({ ...options, applicationName: applicationName(runner) }).pipe(
    Scope.provide(connected),
  )
  const scope = yield* Effect.scope
  return yield* inBackground(Scope.provide(join(connections, runner), joined)).pipe(
    // The sessions are compared, and then the engine starts.
    connections.inTime(Duration.times(connections.timeout, 2)),
    Effect.onExit((exit) =>
      Exit.isSuccess(exit) ? Scope.addFinalizerExit(scope, close) : Effect.forkDetach(close(exit)),
    ),
  )
})

/**
 * Joins the cluster of the database, with connections of its own.
 *
 * **Details**
 *
 * Runners listen on no port. When this one leaves, the others take its work within seconds; when it is killed, typically within
 * some three seconds, and 17 at most. Which runner does what is decided by PostgreSQL's advisory locks, so behind PgBouncer the
 * pooling must be by session: where it is not, the layer fails with `SharedSessions`. Where its role may not write, it fails with
 * `MissingRights`. Where PostgreSQL does not answer, it fails with `Unreachable`, within twice the `timeout`.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: Options): Layer.Layer<Cluster, DatabaseError> =>
  Layer.effect(Cluster, make(options)).pipe(Layer.provide(Reactivity.layer))
