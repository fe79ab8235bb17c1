import { assert, describe, it } from "@effect/vitest"
import * as Database from "@live-response/cluster/Database"
import { PostgresServer } from "@live-response/cluster/testing/PostgresServer"
import * as Tenants from "@live-response/cluster/Tenants"
import * as TenantStatus from "@live-response/cluster/TenantStatus"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import { named, newTenant, registry } from "./support/owners.ts"
import { sharedServer, startServer } from "./support/server.ts"

startServer()

const services = Layer.merge(registry, sharedServer)

const added = Effect.fnUntraced(function* (count: number) {
  const { add } = yield* Tenants.Tenants
  const tenants = Array.from({ length: count }, () => newTenant())
  for (const tenant of tenants) yield* add(tenant, named(`tenant ${tenant}`))
  return tenants
})

const together = { concurrency: "unbounded" } as const

describe("claims of several tenants at once", () => {
  it.live("make each the next owner and record its runner, and refuse those that are disabled or unknown", () =>
    Effect.gen(function* () {
      const { claim, enable } = yield* Tenants.Tenants
      const tenants = yield* added(5)
      const [first, disabled] = tenants
      if (first === undefined || disabled === undefined) return assert.fail("no tenants")
      yield* enable(disabled, false)
      const epochs = yield* Effect.forEach(tenants.slice(2), (tenant) => claim(tenant))
      const claims = [...tenants, newTenant(), first].map((tenant) => Effect.result(claim(tenant, "runner-1")))
      const results = yield* Effect.all(claims, together)
      const said = results.map((result) => (result._tag === "Success" ? result.success : result.failure.message))
      assert.include(said[1], "disabled")
      assert.include(said[5], "not in the registry")
      assert.deepStrictEqual(
        said.slice(2, 5),
        epochs.map((epoch) => epoch + 1),
      )
      // Two that claim the same tenant are two owners of it.
      assert.notStrictEqual(said[0], said[6])
      const { get } = yield* TenantStatus.TenantStatus
      const runners = yield* Effect.forEach(tenants, (tenant) =>
        Effect.map(get(tenant), (status) => Option.getOrUndefined(status)?.runner),
      )
      assert.deepStrictEqual(runners, ["runner-1", undefined, "runner-1", "runner-1", "runner-1"])
    }).pipe(Effect.provide(TenantStatus.layer.pipe(Layer.provideMerge(services)))),
  )

  it.live("are held up by no tenant whose row another owner holds", () =>
    Effect.gen(function* () {
      const { claim } = yield* Tenants.Tenants
      const { runner } = yield* PostgresServer
      const [held, ...others] = yield* added(4)
      if (held === undefined) return assert.fail("no tenants")
      const frozen = Context.get(yield* Layer.build(Database.layerUnchecked({ url: runner })), Database.Database)
      const [isHeld, mayEnd] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
      const write = frozen.query((sql) =>
        sql`select 1 from live_response.tenants where tenant = ${held}::uuid for share`.pipe(
          Effect.andThen(Deferred.succeed(isHeld, undefined)),
          Effect.andThen(Deferred.await(mayEnd)),
          sql.withTransaction,
        ),
      )
      const writing = yield* Effect.forkScoped(write)
      yield* Deferred.await(isHeld)
      const claimed = yield* Queue.unbounded<Tenants.TenantId>()
      const claims = [held, ...others].map((tenant) => Effect.tap(claim(tenant), Queue.offer(claimed, tenant)))
      const claiming = yield* Effect.forkScoped(Effect.all(claims, together))
      assert.sameMembers(yield* Queue.takeN(claimed, 3), others)
      assert.isUndefined(claiming.pollUnsafe())
      yield* Deferred.succeed(mayEnd, undefined)
      yield* Fiber.join(writing)
      yield* Fiber.join(claiming)
    }).pipe(Effect.scoped, Effect.provide(services)),
  )
})
