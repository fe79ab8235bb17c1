/** The status of tenants: exact counts, whatever is written twice, and nothing of an owner that was replaced. */
import { assert, describe, it } from "@effect/vitest"
import * as Database from "@live-response/cluster/Database"
import * as PgManifest from "@live-response/cluster/PgManifest"
import * as PgPositions from "@live-response/cluster/PgPositions"
import * as TenantOwner from "@live-response/cluster/TenantOwner"
import * as TenantStatus from "@live-response/cluster/TenantStatus"
import * as Tenants from "@live-response/cluster/Tenants"
import * as FollowPosition from "@live-response/core/FollowPosition"
import * as Manifest from "@live-response/core/Manifest"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { completed, failed } from "../../core/test/support/ManifestSuite.ts"
import { positionAt, sessions } from "../../core/test/support/PositionSuite.ts"
import { refAt } from "../../core/test/support/refs.ts"
import { named, newTenant, ownerOf, registry } from "./support/owners.ts"
import { startServer } from "./support/server.ts"

startServer()

const stores = Layer.merge(PgManifest.layer, PgPositions.layer)

/** A new tenant, and an owner that claims it now. */
const addTenant = Effect.gen(function* () {
  const tenant = newTenant()
  yield* Tenants.Tenants.use(({ add }) => add(tenant, named("contoso")))
  return tenant
})

const open = (tenant: Tenants.TenantId, runner?: string) =>
  Layer.build(Layer.fresh(stores.pipe(Layer.provideMerge(ownerOf(tenant, runner)))))

const statusOf = (tenant: Tenants.TenantId) =>
  Effect.map(
    TenantStatus.TenantStatus.use(({ get }) => get(tenant)),
    Option.getOrThrow,
  )

const countsOf = (tenant: Tenants.TenantId) =>
  Effect.map(statusOf(tenant), ({ bytes, completed, failed }) => ({ bytes, completed, failed }))

const environment = TenantStatus.layer.pipe(Layer.provideMerge(registry))

// Searches are written every five seconds, which several tests wait for.
describe("TenantStatus.layer", { concurrent: true }, () => {
  it.live("counts each result once, by its last outcome, however often it is written", () =>
    Effect.gen(function* () {
      const tenant = yield* addTenant
      const { append } = Context.get(yield* open(tenant), Manifest.Manifest)
      assert.deepStrictEqual(yield* countsOf(tenant), { bytes: 0, completed: 0, failed: 0 })
      yield* append(failed(refAt(1)))
      yield* append(failed(refAt(1)))
      assert.deepStrictEqual(yield* countsOf(tenant), { bytes: 0, completed: 0, failed: 1 })
      const [first, second] = [
        { ...completed(refAt(1), 1), bytes: 1000 },
        { ...completed(refAt(2), 2), bytes: 500 },
      ]
      // A statement that was executed and not answered runs again.
      yield* append(first)
      yield* append(first)
      yield* append(second)
      assert.deepStrictEqual(yield* countsOf(tenant), { bytes: 1500, completed: 2, failed: 0 })
      yield* append({ ...second, bytes: 700 })
      yield* append(failed(refAt(1)))
      assert.deepStrictEqual(yield* countsOf(tenant), { bytes: 700, completed: 1, failed: 1 })
      assert.isDefined((yield* statusOf(tenant)).completedAt)
      // Many at once are counted as well.
      const many = Array.from({ length: 50 }, (_, n) => append({ ...completed(refAt(n + 10), n), bytes: 10 }))
      yield* Effect.all(many, { concurrency: "unbounded", discard: true })
      assert.deepStrictEqual(yield* countsOf(tenant), { bytes: 1200, completed: 51, failed: 1 })
    }).pipe(Effect.scoped, Effect.provide(environment)),
  )

  it.live(
    "keeps the error of work while searches succeed, until a result is stored or nothing failed for minutes",
    () =>
      Effect.gen(function* () {
        const { failed, looked } = yield* TenantStatus.TenantStatus
        const tenant = yield* addTenant
        const context = yield* open(tenant)
        const owner = Context.get(context, TenantOwner.TenantOwner)
        /** The error after one more search. */
        const afterSearch = Effect.gen(function* () {
          const before = (yield* statusOf(tenant)).lookedAt
          yield* looked(owner)
          const { error } = yield* statusOf(tenant).pipe(
            Effect.delay("50 millis"),
            Effect.repeat({ until: ({ lookedAt }) => lookedAt !== undefined && String(lookedAt) !== String(before) }),
          )
          return error
        })
        yield* failed(owner, "search", "no answer")
        // The search was before the failure, although it is written after it.
        yield* looked(owner)
        yield* failed(owner, "work", "the disk is full")
        assert.strictEqual(yield* afterSearch, "the disk is full")
        assert.strictEqual(yield* afterSearch, "the disk is full")
        yield* Context.get(context, Manifest.Manifest).append(completed(refAt(1), 1))
        assert.isUndefined(yield* afterSearch)
        yield* failed(owner, "work", "the disk is full")
        yield* Database.Database.use(({ query }) =>
          query(
            (sql) => sql`update live_response.tenant_status set error_at = error_at - interval '6 minutes',
            completed_at = completed_at - interval '1 hour' where tenant = ${tenant}::uuid`,
          ),
        )
        assert.isUndefined(yield* afterSearch)
      }).pipe(Effect.scoped, Effect.provide(environment)),
  )

  it.live("has the last search, the runner and the error, and nothing that an owner writes that was replaced", () =>
    Effect.gen(function* () {
      const { failed, looked } = yield* TenantStatus.TenantStatus
      const tenant = yield* addTenant
      const earlier = Context.get(yield* open(tenant, "one"), TenantOwner.TenantOwner)
      assert.strictEqual((yield* statusOf(tenant)).runner, "one")
      const unclaimed = yield* addTenant
      const runners = yield* TenantStatus.TenantStatus.use(({ runners }) => runners)
      assert.deepStrictEqual(
        [tenant, unclaimed].map((id) => runners.find((row) => row.tenant === id)),
        [{ tenant, runner: "one" }, { tenant: unclaimed }],
      )
      const context = yield* open(tenant, "other")
      const owner = Context.get(context, TenantOwner.TenantOwner)
      yield* failed(owner, "search", "the sign-in was refused")
      yield* failed(earlier, "search", "frozen")
      yield* Context.get(context, FollowPosition.FollowPosition).save(sessions, positionAt(3))
      const before = yield* statusOf(tenant)
      assert.deepInclude(before, { error: "the sign-in was refused", runner: "other", open: positionAt(3).open.length })
      assert.deepStrictEqual(before.handledUntil, positionAt(3).since)
      assert.isUndefined(before.lookedAt)
      yield* looked(owner)
      const after = yield* statusOf(tenant).pipe(
        Effect.delay("50 millis"),
        Effect.repeat({ until: ({ lookedAt }) => lookedAt !== undefined }),
      )
      assert.isUndefined(after.error)
      yield* Tenants.Tenants.use(({ remove }) => remove(tenant))
      assert.isTrue(Option.isNone(yield* TenantStatus.TenantStatus.use(({ get }) => get(tenant))))
    }).pipe(Effect.scoped, Effect.provide(environment)),
  )

  it.live("is behind by the clock of the database, whatever that of this machine says", () =>
    Effect.gen(function* () {
      const tenant = yield* addTenant
      yield* open(tenant, "one")
      yield* Database.Database.use(({ query }) =>
        query(
          (sql) => sql`update live_response.tenant_status set looked_at = now() - interval '1 day'
            where tenant = ${tenant}::uuid`,
        ),
      )
      const lag = Option.map(TenantStatus.lagOf(yield* statusOf(tenant)), Duration.toHours)
      const hours = Option.getOrThrow(lag)
      assert.isTrue(hours >= 24 && hours < 25, `${hours} hours`)
    }).pipe(Effect.scoped, Effect.provide(environment)),
  )

  it("is behind since the last search, also while sessions are in progress", () => {
    const readAt = DateTime.makeUnsafe("2026-11-26T12:00:00Z")
    const status = {
      readAt,
      lookedAt: DateTime.makeUnsafe("2026-11-26T11:59:00Z"),
      // The ten minutes in which the list may show an action late.
      handledUntil: DateTime.makeUnsafe("2026-11-26T11:49:00Z"),
      open: 2,
    }
    assert.deepStrictEqual(Option.map(TenantStatus.lagOf(status), Duration.toMinutes), Option.some(1))
    assert.deepStrictEqual(TenantStatus.lagOf({ readAt }), Option.none())
  })
})
