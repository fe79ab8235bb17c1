/**
 * Shows a cluster: PostgreSQL, Azurite, twenty simulated tenants and three runners. One runner is killed, and every result arrives.
 *
 *     npm run demo:cluster
 */
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { figure } from "../../core/bench/table.ts"
import * as ClusterStage from "./ClusterStage.ts"

const tenantCount = 20
const perTenant = 30
const names = ["runner-1", "runner-2", "runner-3"]

const demo = Effect.gen(function* () {
  const startedAt = yield* Clock.currentTimeMillis
  const say = (text: string) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) =>
      Console.log(`${figure((now - startedAt) / 1000, 1).padStart(6)} s  ${text}`),
    )
  yield* Console.log(
    `A cluster on this machine: ${tenantCount} tenants, ${names.length} runners. It takes about a minute.\n`,
  )

  const stage = yield* ClusterStage.make({ followEvery: "5 seconds", tenants: tenantCount, store: "azurite" })
  const { host } = new URL(Redacted.value(stage.server.runner))
  yield* say(`PostgreSQL listens at ${host}; its files are removed at the end`)
  yield* say("Azurite, the emulator of Azure's storage, is the object store")
  const total = tenantCount * perTenant
  const addWave = (count: number) =>
    Effect.forEach(stage.tenants, (tenant) => stage.addResults(tenant, count, 20_000), { discard: true })
  yield* addWave(perTenant / 2)
  yield* say(`${tenantCount} simulated tenants are in the registry`)

  const runners = yield* Effect.forEach(names, (name) => stage.start(name), { concurrency: "unbounded" })
  yield* say(`${names.join(", ")} start: processes of live-response serve`)
  const hasWork = (name: string) => Effect.map(stage.tenantsOf(name), ({ length }) => length > 0)
  yield* stage.until(Effect.map(stage.owners, (owners) => owners.every(({ runner }) => runner !== null)))
  yield* Effect.forEach(names, (name) => stage.until(hasWork(name)), { discard: true })
  const share = Effect.forEach(names, (name) =>
    Effect.map(stage.tenantsOf(name), ({ length }) => `${name} has ${length}`),
  )
  yield* say(`each tenant has a runner: ${(yield* share).join(", ")}`)

  yield* stage.untilStored(total / 4)
  yield* say(`${yield* stage.storedCount} results are stored, and more appear in the tenants`)
  yield* addWave(perTenant / 2)
  const [, victim] = runners
  if (victim === undefined) return
  const lost = new Set(yield* stage.tenantsOf(victim.name))
  yield* victim.signal("SIGKILL")
  yield* say(`${victim.name} is killed (kill -9) while it downloads; it had ${lost.size} tenants`)
  const { seconds } = yield* ClusterStage.timed(
    stage.until(Effect.map(stage.tenantsOf(victim.name), (left) => left.every((tenant) => !lost.has(tenant)))),
  )
  yield* say(`the others have its tenants after ${figure(seconds, 1)} s: ${(yield* share).join(", ")}`)

  yield* stage.untilStored(total)
  yield* say(`${total} of ${total} results are stored`)
  for (const runner of runners.filter((runner) => runner !== victim)) yield* runner.signal("SIGTERM")
  const ended = yield* Effect.forEach(
    runners.filter((runner) => runner !== victim),
    ({ ended, name }) => Effect.map(ended, ({ exitCode }) => `${name} with exit code ${exitCode}`),
  )
  yield* say(`the runners stop: ${ended.join(", ")}`)

  const { found, perResult } = yield* stage.problems
  if (found.length > 0) {
    yield* Console.error(`\nThis is wrong: ${found.slice(0, 5).join("; ")}`)
    process.exitCode = 1
    return
  }
  yield* Console.log(
    `\nEvery result is stored once, with the SHA-256 that its tenant has. ${figure(perResult, 2)} links a result were requested, and no call was throttled.\nNext: docs/cluster.md`,
  )
}).pipe(Effect.scoped)

ClusterStage.runMain(demo)
