/** Tenants are collected from, by one runner and in one process. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Cluster } from "@live-response/cluster/Cluster"
import { Collectors as Service } from "@live-response/cluster/Collectors"
import { PostgresServer } from "@live-response/cluster/testing/PostgresServer"
import * as TenantStatus from "@live-response/cluster/TenantStatus"
import * as Tenants from "@live-response/cluster/Tenants"
import type { ResultRef } from "@live-response/core/ResultRef"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Metric from "effect/Metric"
import * as PrometheusMetrics from "effect/observability/PrometheusMetrics"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Scope from "effect/Scope"
import { refAt, refsUpTo } from "../../core/test/support/refs.ts"
import { registry } from "./support/owners.ts"
import { sharedServer, startServer } from "./support/server.ts"
import * as Collectors from "./support/collectors.ts"
import { contentOf, simulated } from "./support/simulatedTenants.ts"

startServer()

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

type Runner = Effect.Success<ReturnType<typeof startRunner>>

const untilRunning = ({ built }: Runner, tenant: Tenants.TenantId, isRunning: boolean) =>
  Context.get(built, Service).running.pipe(
    Effect.delay("20 millis"),
    Effect.repeat({ until: (running) => running.includes(tenant) === isRunning }),
  )

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
  it.live("stops all tenants side by side", () =>
    Effect.gen(function* () {
      const tenants = [(yield* simulated("one", [])).tenant, (yield* simulated("two", [])).tenant]
      const [registered, stopping] = [new Set<string>(), new Set<string>()]
      const allStop = yield* Deferred.make<void>()
      // Each stops only when the other one stops too.
      const stop = (name: string) =>
        Effect.suspend(() => {
          stopping.add(name)
          return stopping.size === registered.size ? Deferred.succeed(allStop, undefined) : Deferred.await(allStop)
        })
      const each = (name: string) =>
        Effect.andThen(
          Effect.sync(() => registered.add(name)),
          Effect.addFinalizer(() => stop(name)),
        )
      const cluster = Layer.succeed(Cluster, { each, sinceLocks: Effect.succeedNone, leave: Effect.void })
      const scope = yield* Scope.fork(yield* Effect.scope)
      yield* startRunner({ cluster }).pipe(Scope.provide(scope))
      const isRegistered = Effect.sync(() => tenants.every((tenant) => registered.has(`collector ${tenant}`)))
      yield* isRegistered.pipe(Effect.delay("20 millis"), Effect.repeat({ until: (all) => all }))
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(stopping, registered)
    }).pipe(Effect.scoped, Effect.provide(environment)),
  )

  it.live("stores the results of every tenant under its prefix, and counts them", () =>
    Effect.gen(function* () {
      const refs = refsUpTo(25)
      const [contoso, fabrikam] = [yield* simulated("contoso", refs), yield* simulated("fabrikam", refs.slice(0, 3))]
      const { objects, runner } = yield* startRunner()
      for (const [{ tenant }, count] of [
        [contoso, 25],
        [fabrikam, 3],
      ] as const) {
        // The search after the last result stores that nothing is open.
        const isDone = ({ completed, lookedAt, open }: TenantStatus.Status) =>
          completed === count && open === 0 && lookedAt !== undefined
        const status = yield* until(tenant, isDone)
        assert.deepInclude(status, { completed: count, failed: 0, runner })
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

  it.live("stops at once with a tenant that is disabled, and restarts when it is enabled or changed", () => {
    const lines: Array<string> = []
    const logger = Logger.make(({ message }) => lines.push(String(message)))
    return Effect.gen(function* () {
      const { enable, remove, set } = yield* Tenants.Tenants
      const { addResult, simulator, tenant } = yield* simulated("contoso", refsUpTo(2))
      const runner = yield* startRunner()
      yield* until(tenant, ({ completed }) => completed === 2)
      yield* enable(tenant, false)
      yield* untilRunning(runner, tenant, false)
      const before = yield* simulator.calls
      yield* addResult(refAt(50))
      yield* enable(tenant, true)
      yield* until(tenant, ({ completed }) => completed === 3)
      isStored(runner.objects, tenant, refAt(50))
      // The new work continues where the earlier one was: it asks for no result again.
      const links = (yield* simulator.calls).slice(before.length).filter(({ kind }) => kind === "link")
      assert.lengthOf(links, 1)
      yield* set(tenant, (settings) => Effect.succeed({ ...settings, endpoint: "http://127.0.0.1:9" }))
      yield* until(tenant, ({ error }) => error !== undefined)
      yield* Effect.sync(() => lines.filter((line) => line.includes("can't be reached"))).pipe(
        Effect.delay("20 millis"),
        Effect.repeat({ until: ({ length }) => length > 0 }),
        Effect.tap((said) => Effect.sync(() => assert.lengthOf(said, 1, lines.join("\n")))),
      )
      yield* remove(tenant)
      yield* untilRunning(runner, tenant, false)
      assert.isUndefined(yield* statusOf(tenant))
    }).pipe(Effect.scoped, Effect.provide([environment, Logger.layer([logger])]))
  })

  it.live("has so few series of each tenant that Prometheus reads 300, and none of one that it has no more", () => {
    const lines: Array<string> = []
    const logger = Logger.make(({ message }) => lines.push(String(message)))
    return Effect.gen(function* () {
      const { enable } = yield* Tenants.Tenants
      const { tenant } = yield* simulated("contoso", refsUpTo(2))
      const stays = (yield* simulated("fabrikam", refsUpTo(2))).tenant
      const runner = yield* startRunner()
      const seriesOf = (tenant: string) =>
        Effect.map(PrometheusMetrics.format(), (text) => text.split("\n").filter((line) => line.includes(tenant)))
      for (const each of [tenant, stays]) {
        yield* until(each, ({ completed, lookedAt }) => completed === 2 && lookedAt !== undefined)
        const series = yield* seriesOf(each)
        assert.isNotEmpty(series)
        assert.isAtMost(series.length, 5000 / 300, series.join("\n"))
      }
      yield* enable(tenant, false)
      yield* untilRunning(runner, tenant, false)
      assert.deepStrictEqual(yield* seriesOf(tenant), [])
      assert.isNotEmpty(yield* seriesOf(stays))
      // Those that it took together are two lines.
      yield* Effect.sync(() => lines.filter((line) => line.startsWith("this runner "))).pipe(
        Effect.delay("20 millis"),
        Effect.repeat({ until: ({ length }) => length === 2 }),
        Effect.tap(([one, others]) =>
          Effect.sync(() => {
            assert.match(one ?? "", /^this runner collects it, as owner \d+$/)
            assert.match(others ?? "", /^this runner also collects 1 more \((contoso|fabrikam)\)$/)
          }),
        ),
      )
    }).pipe(
      Effect.scoped,
      Effect.provide([environment, Logger.layer([logger])]),
      Effect.provideService(Metric.MetricRegistry, new Map()),
    )
  })

  it.live("collects from the others while a tenant refuses the sign-in, and says why in its status", () =>
    Effect.gen(function* () {
      const refused = yield* simulated("refused", refsUpTo(2), { tokens: ["another token"] })
      const works = yield* simulated("works", refsUpTo(5))
      const { objects } = yield* startRunner()
      yield* until(works.tenant, ({ completed }) => completed === 5)
      const status = yield* until(refused.tenant, ({ error }) => error !== undefined)
      assert.match(status?.error ?? "", /401|token|signed in|sign/i)
      yield* works.addResult(refAt(60))
      yield* until(works.tenant, ({ completed }) => completed === 6)
      isStored(objects, works.tenant, refAt(60))
    }).pipe(Effect.scoped, Effect.provide(environment)),
  )

  it.live("ends where another owner has taken the tenant, and claims it again if the cluster leaves it here", () => {
    const lines: Array<string> = []
    const logger = Logger.make(({ message }) => lines.push(String(message)))
    return Effect.gen(function* () {
      const { claim } = yield* Tenants.Tenants
      const { addResult, tenant } = yield* simulated("contoso", refsUpTo(1))
      // Later than the report of what is lost.
      yield* startRunner({ reclaimAfter: "4 seconds" })
      yield* until(tenant, ({ completed }) => completed === 1)
      const epoch = yield* claim(tenant, "runner-2")
      yield* addResult(refAt(70))
      yield* until(tenant, ({ completed }) => completed === 2)
      assert.isAbove(yield* claim(tenant), epoch + 1)
      assert.lengthOf(
        lines.filter((line) => line === "1 tenant moved to runner-2: contoso"),
        1,
        lines.join("\n"),
      )
    }).pipe(Effect.scoped, Effect.provide([environment, Logger.layer([logger])]))
  })

  it.live("searches the second time after a random part of the interval", () =>
    Effect.gen(function* () {
      const { simulator } = yield* simulated("contoso", [])
      // A second search within the hour.
      const random = { nextIntUnsafe: () => 1, nextDoubleUnsafe: () => 0.0001 }
      yield* Effect.provideService(startRunner({ followEvery: "1 hour" }), Random.Random, random)
      yield* simulator.calls.pipe(
        Effect.delay("20 millis"),
        Effect.repeat({ until: (calls) => calls.filter(({ kind }) => kind === "list").length >= 2 }),
      )
    }).pipe(Effect.scoped, Effect.provide(environment)),
  )

  it.live("downloads a result again that failed, and counts it once", () =>
    Effect.gen(function* () {
      const { simulator, tenant } = yield* simulated("contoso", [])
      yield* simulator.add(refAt(0), {
        content: contentOf(tenant, refAt(0)),
        linkFaults: Array.from({ length: 3 }, () => ({ fault: "status", status: 500 }) as const),
      })
      yield* startRunner({ retries: 0 })
      yield* until(tenant, ({ failed }) => failed === 1)
      yield* until(tenant, ({ completed, failed }) => completed === 1 && failed === 0)
    }).pipe(Effect.scoped, Effect.provide(environment)),
  )

  it.live("says that a tenant can't be searched, in its status and once in the log, until a search succeeds", () => {
    const lines: Array<string> = []
    const logger = Logger.make(({ message }) => lines.push(String(message)))
    return Effect.gen(function* () {
      const { simulator, tenant } = yield* simulated("contoso", [])
      yield* startRunner({ retries: 0 })
      yield* until(tenant, ({ lookedAt }) => lookedAt !== undefined)
      const outage = Array.from({ length: 4 }, () => ({ fault: "status", status: 503 }) as const)
      yield* simulator.addFaults("list", outage)
      const failing = yield* until(tenant, ({ error }) => error !== undefined)
      assert.match(failing?.error ?? "", /503/)
      yield* Effect.sync(() => lines.includes("the API is searched again")).pipe(
        Effect.delay("20 millis"),
        Effect.repeat({ until: (isSaid) => isSaid }),
      )
      yield* until(tenant, ({ error }) => error === undefined)
      const failed = (yield* simulator.calls).filter(({ kind, status }) => kind === "list" && status === 503)
      assert.lengthOf(failed, outage.length)
      assert.lengthOf(
        lines.filter((line) => line.endsWith("; it is tried again")),
        1,
        lines.join("\n"),
      )
    }).pipe(Effect.scoped, Effect.provide([environment, Logger.layer([logger])]))
  })
})
