/**
 * What a cluster of 300 tenants costs, and how long tenants are without a runner when something happens to one. It prints a table,
 * and with `--write` puts it into docs/cluster.md.
 *
 *     npm run bench:cluster -- [--write]
 *
 * Everything runs on this machine: PostgreSQL with its usual durability, the runners, and 300 simulated tenants in this process,
 * whose CPU is a row of the table.
 */
import { readFileSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { figure, table } from "../../core/bench/table.ts"
import * as ClusterStage from "../soak/ClusterStage.ts"
import * as ProcessCosts from "../soak/ProcessCosts.ts"

const tenantCount = 300
const page = fileURLToPath(new URL("../../../docs/cluster.md", import.meta.url))

type Row = readonly [what: string, measured: string, goal: string]

const postgres = {
  settings: { fsync: "on", synchronous_commit: "on", shared_buffers: "256MB", max_connections: "100" },
}

const seconds = Effect.map(Clock.currentTimeMillis, (now) => now / 1000)

const say = (text: string) => Effect.flatMap(DateTime.now, (now) => Console.error(`${DateTime.formatIso(now)} ${text}`))

const at = (sorted: ReadonlyArray<number>, share: number) =>
  sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0

/** How long each tenant of a runner was without one after this, in seconds. It ends when all have another runner. */
const gapsOf = Effect.fnUntraced(function* (
  stage: ClusterStage.Stage,
  victim: ClusterStage.Runner,
  happen: Effect.Effect<void>,
) {
  const lost = new Set(yield* stage.tenantsOf(victim.name))
  const before = yield* seconds
  yield* happen
  const gaps: Array<number> = []
  yield* stage.until(
    Effect.gen(function* () {
      const left = new Set(yield* stage.tenantsOf(victim.name))
      const now = yield* seconds
      for (const tenant of lost) {
        if (left.has(tenant)) continue
        lost.delete(tenant)
        gaps.push(now - before)
      }
      return lost.size === 0
    }),
  )
  return gaps.toSorted((a, b) => a - b)
})

/** Waits until the runners have shared the tenants out, and the shares rest. */
const settled = Effect.fnUntraced(function* (stage: ClusterStage.Stage, runners: ReadonlyArray<ClusterStage.Runner>) {
  let last = ""
  yield* Effect.forEach(runners, ({ name }) => Effect.map(stage.tenantsOf(name), ({ length }) => length)).pipe(
    Effect.map((shares) => {
      const now = shares.join(" ")
      const rests = now === last && shares.every((share) => share > 0) && shares.reduce((a, b) => a + b) === tenantCount
      last = now
      return rests
    }),
    Effect.repeat({ until: (rests) => rests, schedule: Schedule.spaced("4 seconds") }),
  )
  yield* say(`tenants by runner: ${last}`)
})

const number = (rows: ReadonlyArray<unknown>, field: string) => Number(Object(rows[0])[field])

const transactions = (stage: ClusterStage.Stage) =>
  Effect.map(
    stage.query(
      (sql) => sql`select sum(xact_commit + xact_rollback)::float8 as n from pg_stat_database where datname = 'live'`,
    ),
    (rows) => number(rows, "n"),
  )

const idle = Effect.fnUntraced(function* (stage: ClusterStage.Stage, runner: ClusterStage.Runner) {
  yield* stage.until(Effect.map(stage.tenantsOf(runner.name), ({ length }) => length === tenantCount))
  yield* say("one runner has all tenants")
  yield* Effect.sleep("60 seconds")
  // A whole period of searches: after a start, the tenants are searched at about the same time.
  const [before, span] = [yield* transactions(stage), 60]
  const cpu = ProcessCosts.cpuSeconds([runner.pid])
  yield* Effect.sleep(Duration.seconds(span))
  const perSecond = ((yield* transactions(stage)) - before) / span
  const cores = (ProcessCosts.cpuSeconds([runner.pid]) - cpu) / span
  const connections = number(
    yield* stage.query(
      (sql) =>
        sql`select count(*)::float8 as n from pg_stat_activity where datname = 'live' and application_name <> 'stage'`,
    ),
    "n",
  )
  const rows: ReadonlyArray<Row> = [
    ["300 tenants idle, one runner: memory", `${figure(ProcessCosts.residentMegabytes(runner.pid))} MB`, "400 MB"],
    ["… transactions a second", figure(perSecond, 1), "10"],
    ["… connections", figure(connections), "15"],
    ["… CPU", `${figure(cores * 100, 1)} % of a core`, ""],
  ]
  return rows
})

/** Runs an effect while all tenants get results at their full quota, 1,500 an hour each. */
const underLoad = <A, E, R>(stage: ClusterStage.Stage, effect: Effect.Effect<A, E, R>) => {
  const perSecond = (tenantCount * 1500) / 3600
  let next = 0
  const add = Effect.suspend(() => {
    const tenant = stage.tenants[next++ % tenantCount]
    return tenant === undefined ? Effect.void : stage.addResults(tenant, 1, 4096)
  })
  const load = Effect.forEach(Array.from({ length: perSecond / 5 }), () => add, { discard: true }).pipe(
    Effect.repeat(Schedule.fixed("200 millis")),
  )
  // Each tenant is searched once a minute: by then once under this load.
  return Effect.raceFirst(Effect.delay(effect, "70 seconds"), Effect.andThen(load, Effect.never))
}

const fullQuota = Effect.fnUntraced(function* (stage: ClusterStage.Stage, runners: ReadonlyArray<ClusterStage.Runner>) {
  const backend = number(yield* stage.query((sql) => sql`select pg_backend_pid() as pid`), "pid")
  const server = ProcessCosts.parentOf(backend)
  const probe = yield* stage.box.start({
    program: process.execPath,
    args: [fileURLToPath(new URL("permitProbe.ts", import.meta.url))],
    env: stage.environment,
    patience: "1 hour",
  })
  const cpuNow = () => ProcessCosts.cpuSeconds([...runners.map(({ pid }) => pid), ...ProcessCosts.withChildren(server)])
  const measure = Effect.gen(function* () {
    // Each tenant is searched twice.
    const span = 120
    const [cpu, own, stored] = [cpuNow(), ProcessCosts.cpuSeconds([process.pid]), yield* stage.storedCount]
    const printed = probe.stdout().length
    yield* Effect.sleep(Duration.seconds(span))
    const latencies = probe.stdout().slice(printed).split("\n").filter(Boolean).map(Number)
    if (latencies.length < span) return yield* Effect.die(new Error(`no permits were timed: ${probe.stderr()}`))
    return {
      cores: (cpuNow() - cpu) / span,
      simulators: (ProcessCosts.cpuSeconds([process.pid]) - own) / span,
      rate: ((yield* stage.storedCount) - stored) / span,
      memory: runners.map(({ pid }) => `${figure(ProcessCosts.residentMegabytes(pid))} MB`),
      latencies,
    }
  })
  const { cores, latencies, memory, rate, simulators } = yield* underLoad(stage, measure)
  yield* Effect.andThen(probe.signal("SIGTERM"), probe.ended)
  const sorted = latencies.toSorted((a, b) => a - b)
  const rows: ReadonlyArray<Row> = [
    ["300 tenants at full quota: results of 4 KiB a second", figure(rate), "125"],
    ["… CPU of three runners and PostgreSQL", `${figure(cores, 2)} cores`, "2 cores"],
    ["… memory of each runner", memory.join(", "), ""],
    ["… CPU of the simulated tenants beside that", `${figure(simulators, 2)} cores`, ""],
    ["… a permit: median, p99", `${figure(at(sorted, 0.5), 1)} ms, ${figure(at(sorted, 0.99), 1)} ms`, "p99 20 ms"],
  ]
  return rows
})

const gapText = (gaps: ReadonlyArray<number>) =>
  `median ${figure(at(gaps, 0.5), 1)} s, longest ${figure(at(gaps, 1), 1)} s`

const bench = Effect.gen(function* () {
  const stage = yield* ClusterStage.make({
    tenants: tenantCount,
    postgres,
  })
  yield* say(`${tenantCount} simulated tenants are there`)
  let started = 0
  const start = Effect.suspend(() => stage.start(`runner-${++started}`))
  const first = yield* start
  const rows: Array<Row> = []
  const add = (...measured: ReadonlyArray<Row>) => {
    rows.push(...measured)
    return Effect.forEach(measured, (row) => say(row.join(" | ")), { discard: true })
  }
  yield* add(...(yield* idle(stage, first)))
  let runners = [first, yield* start, yield* start]
  yield* settled(stage, runners)

  yield* add(...(yield* fullQuota(stage, runners)))
  yield* say("full quota measured")
  yield* stage.untilStored()

  /** Some results of each tenant, so that transfers are in progress. */
  const load = Effect.forEach(stage.tenants, (tenant) => stage.addResults(tenant, 3, 50_000), { discard: true })

  const kills: Array<number> = []
  const longest: Array<number> = []
  for (let n = 0; n < 3; n++) {
    yield* load
    const [victim, ...others] = runners
    if (victim === undefined) break
    const gaps = yield* gapsOf(stage, victim, victim.signal("SIGKILL"))
    kills.push(...gaps)
    longest.push(at(gaps, 1))
    yield* say(`kill -9: ${gapText(gaps)}`)
    runners = [...others, yield* start]
    yield* settled(stage, runners)
  }
  const sortedKills = kills.toSorted((a, b) => a - b)
  yield* add([
    `kill -9 of a runner, three times (${figure(kills.length)} tenants): without a runner`,
    `${gapText(sortedKills)}; the longest of each: ${longest.map((gap) => figure(gap, 1)).join(", ")} s`,
    "17 s, typically 6 s",
  ])

  const terms: Array<number> = []
  const stops: Array<string> = []
  const stopEach = Effect.gen(function* () {
    for (const victim of runners) {
      const before = yield* seconds
      const gaps = yield* gapsOf(stage, victim, victim.signal("SIGTERM"))
      terms.push(...gaps)
      const { exitCode } = yield* victim.ended
      stops.push(`exit ${exitCode}`)
      yield* say(
        `SIGTERM: ${gapText(gaps)}, exit code ${exitCode}, gone after at most ${figure((yield* seconds) - before, 1)} s`,
      )
      runners = [...runners.filter((runner) => runner !== victim), yield* start]
      yield* settled(stage, runners)
    }
  })
  yield* underLoad(stage, stopEach)
  yield* stage.untilStored()
  yield* add([
    `SIGTERM of each runner in turn, at full quota (${figure(terms.length)} tenants): without a runner`,
    `${gapText(terms.toSorted((a, b) => a - b))}; ${stops.join(", ")}`,
    "3 s, exit 0",
  ])

  yield* load
  const [frozen] = runners
  if (frozen !== undefined) {
    const frozenAt = yield* seconds
    const gaps = yield* gapsOf(stage, frozen, frozen.signal("SIGSTOP"))
    yield* Effect.sleep(Duration.seconds(Math.max(0, 60 - ((yield* seconds) - frozenAt))))
    yield* frozen.signal("SIGCONT")
    yield* settled(stage, runners)
    yield* add([`SIGSTOP for 60 s, then SIGCONT (${figure(gaps.length)} tenants): without a runner`, gapText(gaps), ""])
    yield* say("SIGSTOP measured")
  }

  const before = new Map((yield* stage.owners).map(({ runner, tenant }) => [tenant, runner]))
  yield* load
  yield* stage.server.stop
  yield* Effect.sleep("30 seconds")
  yield* stage.server.start
  const away = yield* ClusterStage.timed(stage.untilStored())
  const moved = (yield* stage.owners).filter(({ runner, tenant }) => runner !== before.get(tenant)).length
  yield* add([
    "PostgreSQL away for 30 s under load",
    `all results stored ${figure(away.seconds, 1)} s after it is back; ${figure(moved)} tenants moved`,
    "resume in place",
  ])

  yield* Effect.forEach(runners, (runner) => Effect.andThen(runner.signal("SIGTERM"), runner.ended))
  const { found, perResult } = yield* stage.problems
  yield* add([
    "results that are missing, double or wrong, and throttled calls, after all of this",
    figure(found.length),
    "0",
  ])
  yield* add([`links a result, of ${figure(stage.expected())} results`, figure(perResult, 3), "1.1"])
  if (found.length > 0) yield* Console.error(found.slice(0, 10).join("\n"))
  const text = table(["What", "Measured", "Goal"], rows)
  yield* Console.log(text)
  if (!process.argv.includes("--write")) return
  const marks = /(<!-- bench:cluster -->\n)[\s\S]*?(\n<!-- end -->)/
  writeFileSync(
    page,
    readFileSync(page, "utf8").replace(marks, (_, from: string, to: string) => `${from}\n${text}\n${to}`),
  )
}).pipe(Effect.scoped)

ClusterStage.runMain(bench)
