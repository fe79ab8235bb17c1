/**
 * Checks that a cluster loses nothing: three runners collect twenty tenants while, one after the other and at random, a runner is
 * killed, stopped, frozen and continued, or cut off from PostgreSQL, and PostgreSQL is away. In the end every result is stored once, and
 * no call was throttled.
 *
 *     npm run build && node packages/cli/soak/clusterChaos.ts [results of each tenant]
 */
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Redacted from "effect/Redacted"
import * as Ref from "effect/Ref"
import * as Scope from "effect/Scope"
import * as NetworkHole from "../../cluster/test/support/networkHole.ts"
import { figure, table } from "../../core/bench/table.ts"
import * as ClusterStage from "./ClusterStage.ts"

const perTenant = Number(process.argv[2] ?? 100)
const tenantCount = 20
const runnerCount = 3
/** Results arrive in so many waves. */
const waves = 5
const allowedLinks = 1.1
const patience = "220 seconds"

/** Each of them happens twice, in an order that differs from run to run. */
const disturbances = ["kill -9", "SIGTERM", "SIGSTOP, SIGCONT", "cut off from PostgreSQL", "PostgreSQL away"] as const

type Disturbance = (typeof disturbances)[number]

const chaos = Effect.gen(function* () {
  const stage = yield* ClusterStage.make({ followEvery: "5 seconds", tenants: tenantCount })
  const scope = yield* Effect.scope
  const problems: Array<string> = []
  const counts = new Map<Disturbance, number>()
  let started = 0
  /** Each runner has a network of its own to PostgreSQL. */
  const startRunner = Effect.gen(function* () {
    const address = new URL(Redacted.value(stage.server.runner))
    const network = yield* NetworkHole.make(Number(address.port))
    address.port = String(network.port)
    const runner = yield* stage.start(`runner-${++started}`, Redacted.make(address.href))
    return { ...runner, network }
  }).pipe(Scope.provide(scope))
  const runners = yield* Ref.make(yield* Effect.all(Array.from({ length: runnerCount }, () => startRunner)))

  /** Takes a runner away, and starts another one instead. */
  const replaced = (take: (runner: ClusterStage.Runner) => Effect.Effect<void>) =>
    Effect.gen(function* () {
      const [victim, ...others] = yield* Random.shuffle(yield* Ref.get(runners))
      if (victim === undefined) return
      yield* take(victim)
      yield* Ref.set(runners, [...others, yield* startRunner])
    })

  const disturb = {
    "kill -9": replaced((victim) => Effect.andThen(victim.signal("SIGKILL"), victim.ended)),
    SIGTERM: replaced((victim) =>
      Effect.gen(function* () {
        yield* victim.signal("SIGTERM")
        const { seconds, value } = yield* ClusterStage.timed(victim.ended)
        if (value.exitCode !== 0)
          problems.push(`${victim.name} exited with ${value.exitCode} after SIGTERM: ${value.stderr}`)
        if (seconds > 5) problems.push(`${victim.name} needed ${figure(seconds, 1)} s to stop after SIGTERM`)
      }),
    ),
    "SIGSTOP, SIGCONT": Effect.gen(function* () {
      const [frozen] = yield* Random.shuffle(yield* Ref.get(runners))
      if (frozen === undefined) return
      yield* frozen.signal("SIGSTOP")
      yield* Effect.sleep("20 seconds")
      yield* frozen.signal("SIGCONT")
    }),
    "cut off from PostgreSQL": Effect.gen(function* () {
      const shuffled = yield* Random.shuffle(yield* Ref.get(runners))
      const hasTenants = ({ name }: ClusterStage.Runner) =>
        Effect.map(stage.tenantsOf(name), ({ length }) => length > 0)
      const [cutOff] = yield* Effect.filter(shuffled, hasTenants)
      if (cutOff === undefined) return
      yield* cutOff.network.open
      const moved = stage.until(Effect.map(hasTenants(cutOff), (has) => !has))
      const isMoved = Option.isSome(yield* Effect.timeoutOption(moved, "1 minute"))
      if (!isMoved) problems.push(`${cutOff.name} was cut off for a minute, and its tenants were not taken over`)
      yield* cutOff.network.mend
    }),
    "PostgreSQL away": Effect.gen(function* () {
      yield* stage.server.stop
      yield* Effect.sleep("8 seconds")
      yield* stage.server.start
    }),
  } satisfies Record<Disturbance, Effect.Effect<void, unknown>>

  const startedAt = yield* Clock.currentTimeMillis
  const addWaves = Effect.gen(function* () {
    for (let wave = 0; wave < waves; wave++) {
      yield* Effect.forEach(
        stage.tenants,
        (tenant) => stage.addResults(tenant, perTenant / waves, 4096 + wave * 20_000),
        {
          discard: true,
        },
      )
      yield* Effect.sleep("12 seconds")
    }
  })
  const addChaos = Effect.gen(function* () {
    for (let round = 0; round < 2; round++) {
      for (const what of yield* Random.shuffle(disturbances)) {
        yield* Effect.sleep("2 seconds")
        yield* Console.error(`${figure(((yield* Clock.currentTimeMillis) - startedAt) / 1000)} s: ${what}`)
        yield* disturb[what]
        counts.set(what, (counts.get(what) ?? 0) + 1)
      }
    }
  })
  yield* Effect.all([addWaves, addChaos], { concurrency: 2 })
  const isDone = yield* Effect.timeoutOption(stage.untilStored(tenantCount * perTenant), patience)
  const seconds = ((yield* Clock.currentTimeMillis) - startedAt) / 1000
  if (Option.isNone(isDone)) {
    problems.push(`${yield* stage.storedCount} of ${stage.expected()} results were stored within ${figure(seconds)} s`)
    for (const runner of yield* Ref.get(runners)) yield* Console.error(runner.stderr().slice(-2000))
  }
  for (const runner of yield* Ref.get(runners)) yield* Effect.andThen(runner.signal("SIGTERM"), runner.ended)
  const checked = yield* stage.problems
  problems.push(...checked.found)
  if (checked.perResult > allowedLinks) problems.push(`${figure(checked.perResult, 3)} links a result were requested`)
  const rows: ReadonlyArray<readonly [string, string]> = [
    ["tenants", figure(tenantCount)],
    ["results", figure(stage.expected())],
    ...Array.from(counts, ([what, count]) => [what, figure(count)] as const),
    ["links a result", figure(checked.perResult, 3)],
    ["seconds", figure(seconds)],
    ["problems", figure(problems.length)],
  ]
  yield* Console.log(table(["", "count"], rows))
  if (problems.length === 0) return
  yield* Console.error(`failed: ${problems.slice(0, 5).join("; ")}`)
  process.exitCode = 1
}).pipe(Effect.scoped)

ClusterStage.runMain(chaos)
