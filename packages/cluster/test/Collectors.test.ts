/** Tenants are collected from, by one runner and in one process. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { PostgresServer } from "@live-response/cluster/testing/PostgresServer"
import * as TenantStatus from "@live-response/cluster/TenantStatus"
import * as Tenants from "@live-response/cluster/Tenants"
import type { ResultRef } from "@live-response/core/ResultRef"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { refAt, refsUpTo } from "../../core/test/support/refs.ts"
import { registry } from "./support/owners.ts"
import { sharedServer } from "./support/server.ts"
import * as Collectors from "./support/collectors.ts"
import { contentOf, simulated } from "./support/simulatedTenants.ts"

const temporary = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "live-response-collectors-"))),
  (directory) => Effect.sync(() => rmSync(directory, { recursive: true, force: true })),
)

let runners = 0

/** A runner, until the scope closes. */
const startRunner = Effect.fnUntraced(function* (options?: Partial<Collectors.Options>) {
  const { runner: url } = yield* PostgresServer
  const directory = yield* temporary
  const objects = join(directory, "objects")
  const runner = `runner-${process.pid}-${++runners}`
  const built = yield* Layer.build(
    Layer.fresh(Collectors.layer({ url, runner, spool: join(directory, "spool"), objects, ...options })),
  )
  return { built, objects, runner, spool: join(directory, "spool") }
})

const statusOf = (tenant: Tenants.TenantId) =>
  Effect.map(
    TenantStatus.TenantStatus.use(({ get }) => get(tenant)),
    Option.getOrUndefined,
  )

const until = (tenant: Tenants.TenantId, isReached: (status: TenantStatus.Status) => boolean) =>
  statusOf(tenant).pipe(
    Effect.delay("20 millis"),
    Effect.repeat({ until: (status) => status !== undefined && isReached(status) }),
  )

/** Fails unless the result is stored under the prefix of its tenant. */
const isStored = (objects: string, tenant: string, ref: ResultRef) => {
  const path = join(objects, "tenants", tenant, ref.machineActionId, `${ref.index}.bin`)
  assert.isTrue(existsSync(path), path)
  assert.deepStrictEqual(new Uint8Array(readFileSync(path)), contentOf(tenant, ref))
}

const environment = Layer.mergeAll(TenantStatus.layer).pipe(Layer.provideMerge(registry), Layer.merge(sharedServer))

describe("Collectors.layer", () => {
  it.live("stores the results of every tenant under its prefix, and counts them", () =>
    Effect.gen(function* () {
      const refs = refsUpTo(25)
      const [contoso, fabrikam] = [yield* simulated("contoso", refs), yield* simulated("fabrikam", refs.slice(0, 3))]
      const { objects, runner } = yield* startRunner()
      for (const [{ tenant }, count] of [
        [contoso, 25],
        [fabrikam, 3],
      ] as const) {
        const status = yield* until(tenant, ({ completed, lookedAt }) => completed === count && lookedAt !== undefined)
        assert.deepInclude(status, { completed: count, failed: 0, runner, open: 0 })
        const expected = refs.slice(0, count)
        for (const ref of expected) isStored(objects, tenant, ref)
        assert.strictEqual(
          status?.bytes,
          expected.map((ref) => contentOf(tenant, ref).length).reduce((sum, length) => sum + length, 0),
        )
      }
      // New results, and a new tenant.
      const later = refAt(100)
      yield* contoso.addResult(later)
      yield* until(contoso.tenant, ({ completed }) => completed === 26)
      isStored(objects, contoso.tenant, later)
      const tailspin = yield* simulated("tailspin", [later])
      yield* until(tailspin.tenant, ({ completed }) => completed === 1)
      isStored(objects, tailspin.tenant, later)
    }).pipe(Effect.scoped, Effect.provide(environment)),
  )
})
