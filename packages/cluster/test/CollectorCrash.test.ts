/** Runners are processes here: they are killed and frozen while they collect. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Database from "@live-response/cluster/Database"
import { PostgresServer } from "@live-response/cluster/testing/PostgresServer"
import * as TenantStatus from "@live-response/cluster/TenantStatus"
import type * as Tenants from "@live-response/cluster/Tenants"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { refsUpTo } from "../../core/test/support/refs.ts"
import { registry } from "./support/owners.ts"
import { start } from "./support/programs.ts"
import { sharedServer, startServer } from "./support/server.ts"
import { contentOf, simulated } from "./support/simulatedTenants.ts"

startServer()

const temporary = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "live-response-collectors-"))),
  (directory) => Effect.sync(() => rmSync(directory, { recursive: true, force: true })),
)

/** A runner as a process of its own, which shares the store with the others. */
const startProcess = Effect.fnUntraced(function* (directory: string, name: string) {
  const server = yield* PostgresServer
  const runner = `${name}-${process.pid}-${directory.slice(-6)}`
  const url = Redacted.value(server.runner)
  const options = { runner, url, spool: join(directory, name), objects: join(directory, "objects") }
  const { child } = yield* start("collectorProcess", JSON.stringify(options))
  return { child, runner }
})

const statuses = TenantStatus.TenantStatus.use(({ list }) => list)

const until = (isReached: (statuses: ReadonlyArray<TenantStatus.Status>) => boolean) =>
  statuses.pipe(Effect.delay("50 millis"), Effect.repeat({ until: isReached }))

/** Each of the runners has tenants. */
const areAtWork = (statuses: ReadonlyArray<TenantStatus.Status>, ...names: ReadonlyArray<string>) =>
  names.every((name) => statuses.some(({ runner }) => runner === name))

const total = (statuses: ReadonlyArray<TenantStatus.Status>) =>
  statuses.map(({ completed }) => completed).reduce((sum, completed) => sum + completed, 0)

/** Every result of each tenant is stored once, whole, and has one row. */
const assertWhole = Effect.fnUntraced(function* (
  objects: string,
  tenants: ReadonlyArray<Tenants.TenantId>,
  count: number,
) {
  const refs = refsUpTo(count)
  for (const tenant of tenants) {
    const directory = join(objects, "tenants", tenant)
    const files = readdirSync(directory, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".bin"))
    assert.deepStrictEqual(files.toSorted(), refs.map((ref) => `${ref.machineActionId}/${ref.index}.bin`).toSorted())
    for (const ref of refs) {
      const bytes = readFileSync(join(directory, ref.machineActionId, `${ref.index}.bin`))
      assert.deepStrictEqual(new Uint8Array(bytes), contentOf(tenant, ref))
    }
  }
  const rows = yield* Database.Database.use(({ query }) =>
    query(
      (sql) => sql`select tenant::text as tenant, count(*)::int as results from live_response.manifest
        where status = 'completed' and tenant = any (${`{${tenants.join(",")}}`}::uuid[]) group by 1 order by 1`,
    ),
  )
  assert.deepStrictEqual(
    rows,
    tenants.toSorted().map((tenant) => ({ tenant, results: count })),
  )
})

const environment = TenantStatus.layer.pipe(Layer.provideMerge(registry), Layer.merge(sharedServer))

/**
 * Tenants of which results come slowly, so that a runner is disturbed in the middle of some. They are so many that each of two
 * runners has some: which one has a tenant follows from its id, which is a random one.
 */
const slow = (count: number) =>
  Effect.forEach(Array.from({ length: 12 }), (_, n) =>
    simulated(`tenant ${n}`, refsUpTo(count), { latency: Effect.sleep("60 millis") }),
  )

describe("Collectors.layer as processes", () => {
  it.live("loses no result and stores none twice where a runner is killed while it collects", () =>
    Effect.gen(function* () {
      const count = 20
      const directory = yield* temporary
      const tenants = (yield* slow(count)).map(({ tenant }) => tenant)
      const victim = yield* startProcess(directory, "victim")
      const survivor = yield* startProcess(directory, "survivor")
      yield* until(
        (statuses) => areAtWork(statuses, victim.runner, survivor.runner) && total(statuses) > tenants.length,
      )
      victim.child.kill("SIGKILL")
      // A tenant whose results were all stored before is taken over as well, and may be the last one.
      yield* until(
        (statuses) =>
          total(statuses) === tenants.length * count && statuses.every(({ runner }) => runner === survivor.runner),
      )
      yield* assertWhole(join(directory, "objects"), tenants, count)
    }).pipe(Effect.scoped, Effect.provide(environment)),
  )

  it.live(
    "refuses what a frozen runner writes after it continues, and counts every result once",
    () =>
      Effect.gen(function* () {
        const count = 20
        const directory = yield* temporary
        const tenants = (yield* slow(count)).map(({ tenant }) => tenant)
        const frozen = yield* startProcess(directory, "frozen")
        const other = yield* startProcess(directory, "other")
        yield* until((statuses) => areAtWork(statuses, frozen.runner, other.runner) && total(statuses) > tenants.length)
        frozen.child.kill("SIGSTOP")
        // PostgreSQL frees the locks of a runner that is silent, and the other one takes over.
        yield* until((statuses) => statuses.every(({ runner }) => runner === other.runner))
        frozen.child.kill("SIGCONT")
        yield* until((statuses) => total(statuses) === tenants.length * count)
        yield* assertWhole(join(directory, "objects"), tenants, count)
      }).pipe(Effect.scoped, Effect.provide(environment)),
    // Locks of a silent runner take a quarter of a minute, and this machine may have a dozen other processes.
    400_000,
  )
})
