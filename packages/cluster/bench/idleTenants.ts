/**
 * What a runner with many idle tenants costs: memory, transactions and connections.
 *
 *     node packages/cluster/bench/idleTenants.ts [tenants] [seconds]
 */
import { spawn } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as Database from "@live-response/cluster/Database"
import * as PostgresServer from "@live-response/cluster/testing/PostgresServer"
import * as Tenants from "@live-response/cluster/Tenants"
import * as TenantStatus from "@live-response/cluster/TenantStatus"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { simulated } from "../test/support/simulatedTenants.ts"

const [count = 300, seconds = 120] = process.argv.slice(2).map(Number)

const temporary = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "live-response-idle-"))),
  (directory) => Effect.sync(() => rmSync(directory, { recursive: true, force: true })),
)

const decode = Schema.decodeUnknownSync(
  Schema.Tuple([Schema.Struct({ transactions: Schema.Int, connections: Schema.Int })]),
)

/** Statistics of the server, of all connections but those of this program. */
const statistics = Database.Database.use(({ query }) =>
  query(
    (sql) => sql`select xact_commit::int as transactions,
      (select count(*)::int from pg_stat_activity where datname = 'live' and application_name <> 'bench') as connections
      from pg_stat_database where datname = 'live'`,
  ),
).pipe(Effect.map((rows) => decode(rows)[0]))

const residentMegabytes = (pid: number | undefined): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) / 1024

const cpuSeconds = (pid: number | undefined): number => {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(" ")
  return (Number(fields[13]) + Number(fields[14])) / 100
}

const program = Effect.gen(function* () {
  const server = yield* PostgresServer.PostgresServer
  const directory = yield* temporary
  yield* Effect.forEach(Array.from({ length: count }), (_, n) => simulated(`tenant ${n}`, []), { discard: true })
  const runner = fileURLToPath(new URL("../test/support/collectorProcess.ts", import.meta.url))
  const options = {
    runner: "idle",
    url: Redacted.value(server.runner),
    spool: join(directory, "spool"),
    objects: join(directory, "objects"),
    followSeconds: 60,
    pollSeconds: 3,
  }
  const child = yield* Effect.acquireRelease(
    Effect.sync(() =>
      spawn(process.execPath, [runner, JSON.stringify(options)], { stdio: ["ignore", "inherit", "inherit"] }),
    ),
    (child) => Effect.sync(() => child.kill("SIGKILL")),
  )
  const started = performance.now()
  yield* TenantStatus.TenantStatus.use(({ list }) => list).pipe(
    Effect.delay("1 second"),
    Effect.repeat({ until: (statuses) => statuses.every(({ lookedAt }) => lookedAt !== undefined) }),
  )
  yield* Console.log(`all ${count} tenants were searched after ${((performance.now() - started) / 1000).toFixed(1)} s`)
  yield* Effect.sleep("10 seconds")
  const before = yield* statistics
  const cpuBefore = cpuSeconds(child.pid)
  yield* Effect.sleep(seconds * 1000)
  const after = yield* statistics
  yield* Console.log(
    [
      `memory of the runner: ${residentMegabytes(child.pid).toFixed(0)} MB`,
      `transactions: ${((after.transactions - before.transactions) / seconds).toFixed(1)} a second`,
      `connections: ${after.connections}`,
      `CPU of the runner: ${(((cpuSeconds(child.pid) - cpuBefore) / seconds) * 100).toFixed(1)} % of a core`,
    ].join("\n"),
  )
}).pipe(
  Effect.scoped,
  Effect.provide(
    Layer.mergeAll(Tenants.layer, TenantStatus.layer).pipe(
      Layer.provideMerge(
        Layer.unwrap(
          PostgresServer.PostgresServer.useSync(({ owner }) =>
            Database.layer({ url: owner, applicationName: "bench" }),
          ),
        ),
      ),
      Layer.provideMerge(PostgresServer.layer),
    ),
  ),
)

await Effect.runPromise(program)
process.exit()
