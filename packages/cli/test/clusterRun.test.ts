/** `run --cluster` and `runs`: a run is given to a cluster, whose runner is in this process. */
import { assert, describe, it } from "@effect/vitest"
import * as Tenants from "@live-response/cluster/Tenants"
import type * as Simulator from "@live-response/core/testing/Simulator"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import { database, executeFor } from "../../cluster/test/support/runs.ts"
import * as Cli from "./support/CliInProcess.ts"
import * as ClusterDatabase from "./support/ClusterDatabase.ts"
import { env, ids, machineAt, machines, machinesOf, quick, script } from "./support/Machines.ts"
import * as ServedSimulator from "./support/ServedSimulator.ts"

const cluster = ClusterDatabase.shared()

const decodeTenant = Schema.decodeSync(Tenants.TenantId)

let tenants = 0

/** A tenant of the registry with a simulated service, and what runs commands for it. */
const tenantWith = Effect.fnUntraced(function* (simulated: Simulator.Options) {
  const number = tenants++
  const name = `contoso ${number}`
  const tenant = decodeTenant(`00000000-7e4a-4000-8000-${number.toString(16).padStart(12, "0")}`)
  const service = yield* ServedSimulator.serve({ ...quick, ...simulated })
  const { runner, server } = cluster()
  const registry = database(Redacted.value(server.runner))
  yield* Effect.provide(
    Tenants.Tenants.use(({ add }) => add(tenant, { name, credential: { kind: "managed" } })),
    registry,
    { local: true },
  )
  const box = yield* Cli.sandbox
  const command = (...args: ReadonlyArray<string>): Cli.Command => ({
    args,
    // A variable that stands for a flag is for every command, and no mistake of this one.
    env: { ...service.env, ...env, ...runner, LIVE_RESPONSE_MAX_BYTES: "1 GB" },
  })
  const { LIVE_RESPONSE_ENDPOINT: endpoint, LIVE_RESPONSE_TOKEN: token } = service.env
  return {
    box,
    command,
    name,
    service,
    tenant,
    run: (...args: ReadonlyArray<string>) => box.run(command(...args)),
    runner: Effect.provide(executeFor(tenant, endpoint, token), registry, { local: true }),
  }
})

const idOf = (stderr: string): string => /^run ([0-9a-f-]{36}): given to the cluster/m.exec(stderr)?.[1] ?? ""

/** The last two events, without their times. */
const summaryOf = (stdout: string) => Cli.ndjson(stdout).slice(-2)

describe("run --cluster", { concurrent: true }, () => {
  it.live("runs on the cluster and shows what a run of this machine shows, and so does runs watch, from anywhere", () =>
    Effect.gen(function* () {
      const { box, name, run, runner, service, tenant } = yield* tenantWith({ machines: machines(3) })
      yield* Effect.forkScoped(runner)
      box.write("machines.txt", `${ids(3).join("\n")}\n`)
      const args = ["run", "--cluster", name, "--machines", "machines.txt", ...script, "--comment", "case 4711"]
      const ended = yield* run(...args)
      assert.strictEqual(ended.exitCode, 0, ended.stderr)
      assert.match(
        ended.stdout,
        /^3 sessions succeeded in \d+ s\.\n3 downloaded .*\nThe results are in the store of contoso \d+\.\n$/,
      )
      assert.deepStrictEqual(yield* machinesOf(service.simulator), [...ids(3)].sort())
      const id = idOf(ended.stderr)

      const again = yield* run(...args, "--json")
      assert.strictEqual(again.exitCode, 0, again.stderr)
      const [submitted, ...events] = Cli.ndjson(again.stdout)
      assert.deepInclude(submitted, { event: "submitted", tenant, machines: 3 })
      assert.deepInclude(events.at(-2), { event: "sessions", started: 3, succeeded: 3 })
      assert.deepInclude(events.at(-1), { event: "summary", completed: 0, skipped: 3 })
      assert.deepStrictEqual(yield* machinesOf(service.simulator), [...ids(3)].sort())

      const watched = yield* run("runs", "watch", id, "--json")
      assert.strictEqual(watched.exitCode, 0, watched.stderr)
      assert.deepInclude(summaryOf(watched.stdout)[0], { event: "sessions", started: 3, succeeded: 3 })
      assert.deepInclude(summaryOf(watched.stdout)[1], { event: "summary", completed: 3, links: 3 })

      const listed = Cli.ndjson((yield* run("runs", "list", "--tenant", name, "--json")).stdout)
      assert.deepStrictEqual(
        listed.map(({ machines, run, state, tenantName }) => ({ machines, run, state, tenantName })),
        [submitted?.run, id].map((run) => ({ machines: 3, run, state: "finished", tenantName: name })),
      )
      const late = yield* run("runs", "cancel", id)
      assert.deepStrictEqual([late.exitCode, late.stdout], [1, ""])
      assert.match(late.stderr, /has finished and can't be cancelled/)
    }).pipe(Effect.scoped),
  )

  it.live("stops watching at Ctrl-C, and says how to watch again; runs cancel ends the run", () =>
    Effect.gen(function* () {
      const { box, command, name, run } = yield* tenantWith({ machines: machines(2) })
      const running = yield* box.start(command("run", "--cluster", name, ...ids(2), ...script))
      yield* Effect.repeat(
        Effect.sync(() => idOf(running.stderr())),
        { until: (id) => id !== "", schedule: Schedule.spaced("20 millis") },
      )
      const id = idOf(running.stderr())
      yield* running.signal("SIGINT")
      const { exitCode, stdout } = yield* running.ended
      assert.strictEqual(exitCode, 130)
      assert.include(stdout, `The run continues in the cluster. Watch it again: live-response runs watch ${id};`)
      const [open] = Cli.ndjson((yield* run("runs", "list", "--tenant", name, "--json")).stdout)
      assert.deepInclude(open, { run: id, state: "queued" })
      const cancelled = yield* run("runs", "cancel", id)
      assert.deepStrictEqual([cancelled.exitCode, cancelled.stdout], [0, ""], cancelled.stderr)
      const watched = yield* run("runs", "watch", id)
      assert.strictEqual(watched.exitCode, 1)
      assert.include(watched.stderr, `run ${id} was cancelled; give the cluster the same run again to resume it`)
    }).pipe(Effect.scoped),
  )

  it.live("shows what a run did whose tenant was removed meanwhile, and that this cancelled it", () =>
    Effect.gen(function* () {
      const { name, run } = yield* tenantWith({ machines: machines(1) })
      const id = idOf((yield* run("run", "--cluster", name, machineAt(0), ...script, "--detach")).stderr)
      const removed = yield* run("tenants", "remove", name, "--yes")
      assert.strictEqual(removed.exitCode, 0, removed.stderr)
      const watched = yield* run("runs", "watch", id)
      assert.strictEqual(watched.exitCode, 1)
      assert.include(watched.stderr, "was removed from the registry, which cancelled its open runs")
    }).pipe(Effect.scoped),
  )

  it.live("ends with the exit code of what failed: a session, a machine that is not there, and the whole run", () =>
    Effect.gen(function* () {
      const failing = (n: number) => (n === 0 ? { scriptError: "access denied" } : {})
      const { name, run, runner } = yield* tenantWith({ machines: machines(2, failing) })
      yield* Effect.forkScoped(runner)
      const failed = yield* run("run", "--cluster", name, ...ids(2), ...script)
      assert.strictEqual(failed.exitCode, 1, failed.stderr)
      assert.match(failed.stdout, /^1 session succeeded, 1 failed in /)
      assert.include(failed.stdout, "Failed sessions are started again only with --retry-failed.")
      const unknown = yield* run("run", "--cluster", name, machineAt(1), "nobody.contoso.com", ...script)
      assert.strictEqual(unknown.exitCode, 1, unknown.stderr)
      assert.match(unknown.stderr, /nobody\.contoso\.com/)
      assert.match(unknown.stdout, /; 1 machine without a session in /)
      const detached = yield* run("run", "--cluster", name, machineAt(1), ...script, "--detach", "--json")
      assert.deepStrictEqual(
        [detached.exitCode, Cli.ndjson(detached.stdout).map(({ event }) => event)],
        [0, ["submitted"]],
        detached.stderr,
      )
    }).pipe(Effect.scoped),
  )

  it.live("refuses what it can't do in one line, before it asks anything of the service", () =>
    Effect.gen(function* () {
      const { name, run, service } = yield* tenantWith({ machines: machines(1) })
      const nobody = "7d7f6a30-1f0e-4a57-9f5a-1f0f7b0c2d11"
      const on = [machineAt(0), ...script]
      for (const [says, ...args] of [
        [/--detach needs --cluster TENANT/, "run", ...on, "--detach"],
        [
          /leave out --max-extract, --per-hour/,
          "run",
          ...on,
          "--cluster",
          name,
          "--max-extract=1 GB",
          "--per-hour",
          "9",
        ],
        [/choose either --detach or --wait/, "run", ...on, "--cluster", name, "--detach", "--wait"],
        [/leave out --download, -j/, "run", ...on, "--cluster", name, "--download", "x", "-j", "3"],
        [
          /--dry-run shows what this machine would do: leave out --cluster/,
          "run",
          ...on,
          "--cluster",
          name,
          "--dry-run",
        ],
        [/no tenant has the id or name fabrikam/, "run", ...on, "--cluster", "fabrikam"],
        [/run 7d7f6a30-\S+ is not known/, "runs", "watch", nobody],
        [/run nothing is not known/, "runs", "cancel", "nothing"],
        [/no tenant has the id or name fabrikam/, "runs", "list", "--tenant", "fabrikam"],
      ] as const) {
        const { exitCode, stderr, stdout } = yield* run(...args)
        assert.deepStrictEqual([exitCode, stdout], [2, ""], stderr)
        assert.match(stderr, /^live-response: [^\n]+\n$/)
        assert.match(stderr, says)
      }
      assert.deepStrictEqual(yield* service.simulator.calls, [])
    }).pipe(Effect.scoped),
  )
})
