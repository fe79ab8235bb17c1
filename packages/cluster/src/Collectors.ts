/**
 * Works on every tenant of the registry that is enabled, together with the other runners of the cluster.
 *
 * @since 0.1.0
 */
import * as Outage from "@live-response/core/Outage"
import * as NodeTransport from "@live-response/node/NodeTransport"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import { Cluster } from "./Cluster.ts"
import * as Collector from "./Collector.ts"
import type { DatabaseError } from "./DatabaseError.ts"
import * as Background from "./internal/background.ts"
import * as ClockWatch from "./internal/clockWatch.ts"
import * as LostTenants from "./internal/lostTenants.ts"
import { type Tenant, type TenantId, Tenants } from "./Tenants.ts"
import { TenantStatus } from "./TenantStatus.ts"

/**
 * @since 0.1.0
 * @category options
 */
export interface Options extends Collector.Options {
  /** How often the registry is read. By default every three seconds. */
  readonly pollEvery?: Duration.Input | undefined

  /**
   * How long this runner waits before it claims a tenant again that another runner has taken over: the cluster may have given it
   * to this one since. By default 30 seconds, because a runner that lost its tenants learns that within 17.
   */
  readonly reclaimAfter?: Duration.Input | undefined
}

/**
 * @since 0.1.0
 * @category services
 */
export interface Service {
  /** The tenants that the runners work on, as of the last reading of the registry. */
  readonly tenants: Effect.Effect<ReadonlyArray<Tenant>>

  /** The tenants that this runner works on now. */
  readonly running: Effect.Effect<ReadonlyArray<TenantId>>
}

/**
 * The work on all tenants.
 *
 * @since 0.1.0
 * @category services
 */
export class Collectors extends Context.Service<Collectors, Service>()("@live-response/cluster/Collectors") {}

/** A tenant that is registered with the cluster, until its scope closes. */
interface Registered {
  readonly tenant: Tenant
  readonly scope: Scope.Closeable
}

const make = Effect.fnUntraced(function* (options: Options) {
  const { each } = yield* Cluster
  const { list } = yield* Tenants
  // All tenants stop side by side.
  const scope = yield* Scope.fork(yield* Effect.scope, "parallel")
  const registered = new Map<TenantId, Registered>()
  const running = new Set<TenantId>()
  const { pollEvery = "3 seconds", reclaimAfter = "30 seconds" } = options
  const collector: Collector.Options = { transports: yield* NodeTransport.shared, ...options }

  const { runners } = yield* TenantStatus
  const { lost } = yield* LostTenants.make({
    runner: options.runner,
    runners,
    isElsewhere: (tenant) => registered.has(tenant) && !running.has(tenant),
  })

  const collect = (tenant: Tenant) =>
    Effect.acquireUseRelease(
      Effect.sync(() => running.add(tenant.tenant)),
      // It ends where another owner has claimed the tenant.
      () =>
        Effect.repeat(Effect.andThen(Collector.run(tenant, collector), lost(tenant)), Schedule.spaced(reclaimAfter)),
      (_, exit) =>
        Effect.suspend(() => {
          running.delete(tenant.tenant)
          // The registry has removed or changed one that is not registered any more.
          const isLost = Exit.hasInterrupts(exit) && registered.get(tenant.tenant)?.tenant === tenant
          return isLost ? lost(tenant) : Effect.void
        }),
    )

  const register = Effect.fnUntraced(function* (tenant: Tenant) {
    const own = yield* Scope.fork(scope)
    registered.set(tenant.tenant, { tenant, scope: own })
    const annotations = { tenant: tenant.name }
    yield* each(`collector ${tenant.tenant}`, collect(tenant), { annotations }).pipe(Scope.provide(own))
  }, Effect.uninterruptible)

  const unregister = Effect.fnUntraced(function* ({ scope, tenant }: Registered) {
    registered.delete(tenant.tenant)
    yield* Scope.close(scope, Exit.void)
  }, Effect.uninterruptible)

  const look = Effect.gen(function* () {
    const wanted = new Map((yield* list).filter(({ enabled }) => enabled).map((tenant) => [tenant.tenant, tenant]))
    const gone = Array.from(registered.values()).filter(
      ({ tenant }) => wanted.get(tenant.tenant)?.revision !== tenant.revision,
    )
    // One that takes long to stop holds up no other.
    yield* Effect.forEach(gone, unregister, { concurrency: "unbounded", discard: true })
    const isNew = ({ tenant }: Tenant) => !registered.has(tenant)
    yield* Effect.forEach(Array.from(wanted.values()).filter(isNew), register, { discard: true })
  })

  const reporting = Outage.reporting<DatabaseError>(
    "the registry of tenants is read again",
    ({ message }) => `the registry of tenants is not read: ${message}`,
  )
  yield* Background.repeat("the reading of the registry", reporting(look), pollEvery)
  yield* ClockWatch.watch()
  const service: Service = {
    tenants: Effect.sync(() => Array.from(registered.values(), ({ tenant }) => tenant)),
    running: Effect.sync(() => Array.from(running)),
  }
  return service
})

/**
 * Works on the tenants of the registry, until its scope closes.
 *
 * **Details**
 *
 * The registry is read again and again: tenants come and go without a restart, and the work on one whose settings have changed
 * restarts with the new ones. Each tenant is worked on by one runner of the cluster. Work that fails is logged and restarted, and
 * disturbs no other tenant.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: Options): Layer.Layer<Collectors, never, Cluster | Collector.Requirements> =>
  Layer.effect(Collectors, make(options))
