/** The stores of a tenant, and what an owner that was replaced may do with them: nothing. */
import { assert, describe, it } from "@effect/vitest"
import * as Database from "@live-response/cluster/Database"
import * as PgFleetJournal from "@live-response/cluster/PgFleetJournal"
import * as PgManifest from "@live-response/cluster/PgManifest"
import * as PgPositions from "@live-response/cluster/PgPositions"
import * as TenantOwner from "@live-response/cluster/TenantOwner"
import * as Tenants from "@live-response/cluster/Tenants"
import * as FleetJournal from "@live-response/core/FleetJournal"
import * as FollowPosition from "@live-response/core/FollowPosition"
import { MachineAction } from "@live-response/core/MachineAction"
import * as Manifest from "@live-response/core/Manifest"
import { PutFile, Session } from "@live-response/core/Session"
import type { StoreError } from "@live-response/core/StoreError"
import * as Arr from "effect/Array"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import { action, entriesOf, journalSuite, long, other } from "../../core/test/support/JournalSuite.ts"
import { completed, failed, manifestSuite } from "../../core/test/support/ManifestSuite.ts"
import { positionAt, positionSuite, sessions } from "../../core/test/support/PositionSuite.ts"
import { refAt } from "../../core/test/support/refs.ts"
import { named, newTenant, ownerOf, ownerOfNew, registry } from "./support/owners.ts"
import { startServer } from "./support/server.ts"

startServer()

manifestSuite("PgManifest.layer", () => PgManifest.layer.pipe(Layer.provide(ownerOfNew)), "real")
journalSuite("PgFleetJournal.layer", () => PgFleetJournal.layer.pipe(Layer.provide(ownerOfNew)), "real")
positionSuite("PgPositions.layer", () => PgPositions.layer.pipe(Layer.provide(ownerOfNew)), "real")

const stores = Layer.mergeAll(PgManifest.layer, PgFleetJournal.layer, PgPositions.layer)

/** The stores of an owner that claims the tenant now. */
const open = (tenant: Tenants.TenantId) => Layer.build(Layer.fresh(stores.pipe(Layer.provideMerge(ownerOf(tenant)))))

/** Everything that an owner writes. */
const writesOf = (owner: Effect.Success<ReturnType<typeof open>>, n: number) =>
  Effect.gen(function* () {
    const run = yield* (yield* FleetJournal.FleetJournal).open(other)
    return { manifest: yield* Manifest.Manifest, positions: yield* FollowPosition.FollowPosition, run }
  }).pipe(
    Effect.provide(owner),
    Effect.map(({ manifest, positions, run }): Record<string, Effect.Effect<void, StoreError>> => ({
      result: manifest.append(completed(refAt(n), n)),
      failure: manifest.append(failed(refAt(n + 1))),
      starting: run.append(FleetJournal.Starting.make({ run: run.id, machineId: "a1", mark: `mark ${n}` })),
      position: positions.save(sessions, positionAt(n)),
    })),
  )

const addTenant = Effect.gen(function* () {
  const tenant = newTenant()
  yield* Tenants.Tenants.use(({ add }) => add(tenant, named("contoso")))
  return tenant
})

const isSuperseded = (error: StoreError) => {
  assert.strictEqual(error.problem, "Superseded")
  assert.match(
    error.message,
    /^tenant \S+ in PostgreSQL at 127\.0\.0\.1:\d+\/live: a later owner of this tenant has taken over; this program stops, and that one continues$/,
  )
}

const tables = ["manifest", "runs", "sessions", "positions"]

/** All rows of a tenant, as text. */
const rowsOf = (tenant: Tenants.TenantId) =>
  Database.Database.use(({ query }) =>
    Effect.forEach(tables, (table) =>
      query(
        (sql) =>
          sql`select t::text as row from live_response.${sql(table)} t where tenant = ${tenant}::uuid order by 1`,
      ),
    ),
  )

describe("TenantOwner", () => {
  it.live("refuses every write of an owner after another one has claimed the tenant, and changes no row", () =>
    Effect.gen(function* () {
      const tenant = yield* addTenant
      const writes = yield* writesOf(yield* open(tenant), 1)
      for (const write of Object.values(writes)) yield* write
      const later = yield* writesOf(yield* open(tenant), 5)
      const before = yield* rowsOf(tenant)
      for (const write of Object.values(writes)) isSuperseded(yield* Effect.flip(write))
      assert.deepStrictEqual(yield* rowsOf(tenant), before)
      for (const write of Object.values(later)) yield* write
      assert.notDeepEqual(yield* rowsOf(tenant), before)
    }).pipe(Effect.scoped, Effect.provide(registry)),
  )

  it.live("opens no session for an owner that was replaced", () =>
    Effect.gen(function* () {
      const tenant = yield* addTenant
      const first = yield* open(tenant)
      yield* open(tenant)
      isSuperseded(yield* Effect.flip(Context.get(first, FleetJournal.FleetJournal).open(other)))
    }).pipe(Effect.scoped, Effect.provide(registry)),
  )

  it.live("refuses a write that waited for a new owner, because it came between the claim and its commit", () =>
    Effect.gen(function* () {
      const tenant = yield* addTenant
      const first = yield* open(tenant)
      const { claim } = yield* Tenants.Tenants
      const { query } = yield* Database.Database
      const { epoch } = Context.get(first, TenantOwner.TenantOwner)
      const manifest = Context.get(first, Manifest.Manifest)
      const isClaiming = yield* Deferred.make<void>()
      const write = Effect.andThen(Deferred.await(isClaiming), Effect.flip(manifest.append(completed(refAt(0)))))
      const fiber = yield* Effect.forkChild(write)
      // A claim that is not committed yet: the write waits for it, and must not go by the epoch before it.
      yield* query((sql) =>
        sql.withTransaction(
          Effect.gen(function* () {
            yield* sql`update live_response.tenants set epoch = epoch + 1 where tenant = ${tenant}::uuid`
            yield* Deferred.succeed(isClaiming, undefined)
            yield* sql`select 1 as waiting from pg_locks where not granted`.pipe(
              Effect.repeat({ until: (rows) => rows.length > 0, schedule: Schedule.spaced("20 millis") }),
            )
          }),
        ),
      )
      isSuperseded(yield* Fiber.join(fiber))
      assert.strictEqual(yield* claim(tenant), epoch + 2)
    }).pipe(Effect.scoped, Effect.provide(registry)),
  )

  it.live("has what the owner before has written, the character U+0000 included", () =>
    Effect.gen(function* () {
      const tenant = yield* addTenant
      const first = yield* open(tenant)
      const hostile = "nul \u0000, half a pair \ud800, a right-to-left override \u202e, quotes '\"\\"
      const run = yield* Context.get(first, FleetJournal.FleetJournal).open(other)
      const entries = entriesOf(run.id)
      for (const entry of entries) yield* run.append(entry)
      const ended = FleetJournal.Ended.make({
        run: run.id,
        machineId: "b2",
        action: MachineAction.make({ ...action, requestorComment: hostile }),
      })
      yield* run.append(ended)
      yield* Context.get(first, Manifest.Manifest).append({ ...completed(refAt(3)), fileName: hostile })
      yield* Context.get(first, FollowPosition.FollowPosition).save(sessions, positionAt(7))
      const next = yield* open(tenant)
      const same = yield* Context.get(next, FleetJournal.FleetJournal).open(other)
      assert.strictEqual(same.id, run.id)
      for (const entry of [...entries, ended]) {
        assert.deepStrictEqual(yield* same.find(entry.machineId), Option.some(entry))
      }
      assert.isTrue(Option.isSome(yield* Context.get(next, Manifest.Manifest).find(refAt(3))))
      assert.deepStrictEqual(
        yield* Context.get(next, FollowPosition.FollowPosition).find(sessions),
        Option.some(positionAt(7)),
      )
    }).pipe(Effect.scoped, Effect.provide(registry)),
  )

  it.live("knows in any spelling the sessions that an earlier release has stored", () =>
    Effect.gen(function* () {
      const tenant = yield* addTenant
      const { open: openSession } = Context.get(yield* open(tenant), FleetJournal.FleetJournal)
      const { id } = yield* openSession(long)
      yield* Database.Database.use(({ query }) =>
        query((sql) => sql`update live_response.runs set comment_sha256 = null where tenant = ${tenant}::uuid`),
      )
      const respelled = {
        ...long,
        commands: Arr.map(long.commands, (command) =>
          command._tag === "PutFile" ? PutFile.make({ fileName: "COLLECT.exe" }) : command,
        ),
      }
      assert.strictEqual((yield* openSession(Session.make(respelled))).id, id)
    }).pipe(Effect.scoped, Effect.provide(registry)),
  )

  it.live("sees nothing of another tenant", () =>
    Effect.gen(function* () {
      const [one, another] = [yield* open(yield* addTenant), yield* open(yield* addTenant)]
      for (const write of Object.values(yield* writesOf(one, 1))) yield* write
      assert.deepStrictEqual(yield* Context.get(another, Manifest.Manifest).find(refAt(1)), Option.none())
      assert.deepStrictEqual(yield* Context.get(another, Manifest.Manifest).failed, [])
      assert.deepStrictEqual(yield* Context.get(another, FollowPosition.FollowPosition).find(sessions), Option.none())
      const run = yield* Context.get(another, FleetJournal.FleetJournal).open(other)
      assert.deepStrictEqual(yield* run.find("a1"), Option.none())
    }).pipe(Effect.scoped, Effect.provide(registry)),
  )
})

describe("Tenants", () => {
  it.live("refuses the writes of the owner of a tenant that is disabled or removed, and claims of it", () =>
    Effect.gen(function* () {
      const { add, claim, enable, remove } = yield* Tenants.Tenants
      const tenant = yield* addTenant
      for (const [stop, problem] of [
        [enable(tenant, false), "Disabled"],
        [remove(tenant), "Unknown"],
      ] as const) {
        const writes = yield* writesOf(yield* open(tenant), 1)
        yield* stop
        for (const write of Object.values(writes)) isSuperseded(yield* Effect.flip(write))
        const error = yield* Effect.flip(claim(tenant))
        assert.strictEqual(error._tag === "TenantError" ? error.problem : error._tag, problem)
        yield* problem === "Disabled" ? enable(tenant, true) : add(tenant, named("contoso again"))
      }
      // What was known counts again, and no epoch is used twice.
      const again = yield* open(tenant)
      assert.isTrue(Context.get(again, TenantOwner.TenantOwner).epoch > 6)
    }).pipe(Effect.scoped, Effect.provide(registry)),
  )
})
