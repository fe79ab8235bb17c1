/** A run that is given to the cluster, with runners as a deployment has them. They own every tenant of their database. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Cli from "./support/Cli.ts"
import * as ClusterDatabase from "./support/ClusterDatabase.ts"
import { env, ids, machines, machinesOf, quick, script } from "./support/Machines.ts"
import * as SimulatedTenant from "./support/SimulatedTenant.ts"

const cluster = ClusterDatabase.shared()

describe("run --cluster", () => {
  it.live("is executed by runners of serve, of which one is killed, beside what follows the tenant", () =>
    Effect.gen(function* () {
      const count = 5
      const bearer = "a-token-of-the-submitter"
      const {
        endpoint,
        env: trusted,
        simulator,
      } = yield* SimulatedTenant.serve([], {
        ...quick,
        commandTime: "8 seconds",
        machines: machines(count),
        tokens: [bearer],
      })
      const box = yield* Cli.sandbox
      const { runner: database } = cluster()
      const shared = { ...env, ...trusted, ...database }
      const serve = (name: string) =>
        box.start({
          args: ["serve", "--runner", name],
          env: {
            ...shared,
            LIVE_RESPONSE_OBJECT_STORE: `file://${box.path("store")}`,
            LIVE_RESPONSE_CREDENTIALS: box.path("credentials"),
            LIVE_RESPONSE_SPOOL: box.path(`spool-${name}`),
            LIVE_RESPONSE_FOLLOW_EVERY: "500 millis",
          },
        })
      const says = (running: Cli.Running, text: string) =>
        Cli.until(() => running.stderr().includes(text), running.stderr)
      const added = yield* box.run({ args: [...SimulatedTenant.adding(box, endpoint)], env: shared })
      assert.strictEqual(added.exitCode, 0, added.stderr)
      const run = yield* box.start({
        args: ["run", "--cluster", "Contoso", ...ids(count), ...script, "--json"],
        env: { ...shared, LIVE_RESPONSE_ENDPOINT: endpoint, LIVE_RESPONSE_TOKEN: bearer },
      })
      yield* says(run, "waiting: no runner is connected to the database; start one with live-response serve\n")
      const runners = yield* Effect.all({ one: serve("one"), other: serve("other") })
      for (const runner of Object.values(runners)) yield* says(runner, "has joined the cluster")
      yield* Cli.until(
        () => Cli.ndjson(run.stdout()).filter(({ event }) => event === "started").length === count,
        run.stderr,
      )
      yield* says(run, " executes the run\n")
      const [executing = ""] = /(?<=^runner )\S+(?= executes the run$)/m.exec(run.stderr()) ?? []
      assert.match(executing, /^(one|other)-/)
      const status = yield* box.run({ args: ["tenants", "status", "--json"], env: shared })
      const [owner = ""] = Cli.ndjson(status.stdout).map(({ runner }) => String(runner))
      yield* (owner.startsWith("one") ? runners.one : runners.other).signal("SIGKILL")
      const { exitCode, stderr, stdout } = yield* run.ended
      assert.strictEqual(exitCode, 0, stderr)
      const [sessions, summary] = Cli.ndjson(stdout).slice(-2)
      assert.deepInclude(sessions, { started: count, succeeded: count, failed: 0, notStarted: 0 })
      assert.deepInclude(summary, { completed: count, skipped: 0, failed: 0 })
      assert.deepStrictEqual(yield* machinesOf(simulator), [...ids(count)].sort())
      const links = (yield* simulator.calls).filter(({ kind }) => kind === "link")
      assert.strictEqual(links.length, count)
      assert.strictEqual(
        box.files(box.path("store/customers/contoso")).filter((path) => path.endsWith(".json")).length,
        count,
      )
    }).pipe(Effect.scoped),
  )
})
