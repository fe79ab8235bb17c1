import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import * as Cli from "./support/CliInProcess.ts"
import * as InterceptedSimulator from "./support/InterceptedSimulator.ts"
import { env, ids, machineAt, machines, machinesOf, quick, script, sessions } from "./support/Machines.ts"
import * as ServedSimulator from "./support/ServedSimulator.ts"

describe("run", { concurrent: true }, () => {
  it.live("runs, waits and downloads in one command, and the same command again has nothing to do", () =>
    Effect.gen(function* () {
      const library = ["collect.ps1", "tool.exe"].map((name) => ({ name, content: "" }))
      const service = yield* ServedSimulator.serve({ ...quick, machines: machines(4), library })
      const box = yield* Cli.sandbox
      box.write("machines.txt", `# hosts\n${ids(3).join("\n")}\n\n${machineAt(0).toUpperCase()}\n`)
      box.write("more.csv", `name,machineId\nws-3,${machineAt(3)}\n`)
      const command = {
        args: [
          "run",
          machineAt(1),
          ...["machines.txt", "more.csv"].flatMap((list) => ["--machines", list]),
          ...script,
          "--put-file",
          "tool.exe",
          "--args",
          "-Quick 'a b'",
          "--get-file",
          "C:\\a.zip",
          "--comment",
          "case 4711",
          "--download",
          "results",
        ],
        env: { ...service.env, ...env },
      }
      const first = yield* box.run(command)
      assert.strictEqual(first.exitCode, 0, first.stderr)
      assert.match(first.stdout, /^4 sessions succeeded in \d+ s\.\n8 downloaded /)
      assert.deepStrictEqual(yield* machinesOf(service.simulator), [...ids(4)].sort())
      const files = box.files()
      assert.strictEqual(files.filter((file) => /^[0-9a-f-]{36}\/[12]\./.test(file)).length, 8)
      assert.deepStrictEqual(
        files.filter((file) => !file.includes("/")),
        ["actions.jsonl", "manifest.jsonl", "sessions.jsonl"],
      )
      for (const file of files) assert.strictEqual(box.mode(`results/${file}`), 0o600, file)
      const [session] = yield* sessions(service.simulator)
      assert.deepStrictEqual(
        session?.commands.map(({ params, type }) => [type, ...Object.values(params)]),
        [
          ["PutFile", "tool.exe"],
          ["RunScript", "collect.ps1", "-Quick 'a b'"],
          ["GetFile", "C:\\a.zip"],
        ],
      )
      assert.match(session?.requestorComment ?? "", /^case 4711 \[live-response [0-9a-f]{16}\]$/)

      const again = yield* box.run({ ...command, args: [...command.args, "--json"] })
      assert.strictEqual(again.exitCode, 0, again.stderr)
      const events = Cli.ndjson(again.stdout)
      assert.deepInclude(events.at(-1), { event: "summary", completed: 0, skipped: 8, failed: 0 })
      assert.deepInclude(events.at(-2), { event: "sessions", started: 4, succeeded: 4, failed: 0 })
      assert.deepStrictEqual(yield* machinesOf(service.simulator), [...ids(4)].sort())
    }),
  )

  it.live("killed again and again runs the script on no machine twice, and has every result in the end", () =>
    Effect.gen(function* () {
      const count = 40
      const delay = Effect.flatMap(Random.nextIntBetween(0, 80), (millis) => Effect.sleep(millis))
      // It does not get to the end before it is killed: the service keeps it waiting.
      const answering = yield* Latch.make(true)
      const latency = Effect.andThen(delay, answering.await)
      const service = yield* ServedSimulator.serve({ ...quick, machines: machines(count), latency })
      const box = yield* Cli.sandbox
      box.write("machines.txt", ids(count).join("\n"))
      const command = {
        args: ["run", "--machines", "machines.txt", ...script, "--download", "results", "-j", "16"],
        env: { ...service.env, ...env },
      }
      let startedCount = 0
      const asked = Effect.map(
        ServedSimulator.answered(service.simulator, "run"),
        ({ length }) => (startedCount = length),
      )
      for (let kills = 0; kills < 7; kills++) {
        const target = (yield* asked) + (yield* Random.nextIntBetween(1, 5))
        yield* answering.open
        const running = yield* box.start(command)
        yield* Effect.repeat(Effect.andThen(asked, Effect.sleep("1 millis")), {
          until: () => startedCount >= target || running.stdout() !== "",
        })
        yield* Effect.sleep(yield* Random.nextIntBetween(0, 60))
        yield* answering.close
        yield* running.signal("SIGKILL")
        const { exitCode } = yield* running.ended
        assert.isNull(exitCode, `it ended before it was killed, with ${startedCount} sessions`)
      }
      yield* answering.open
      const ended = yield* box.run(command)
      assert.strictEqual(ended.exitCode, 0, ended.stderr)
      assert.deepStrictEqual(yield* machinesOf(service.simulator), [...ids(count)].sort())
      const manifest = Cli.ndjson(box.read("results/manifest.jsonl").toString())
      const completed = new Set(manifest.flatMap(({ path, status }) => (status === "completed" ? [path] : [])))
      assert.strictEqual(completed.size, count)
    }).pipe(Random.withSeed("run")),
  )

  it.live(
    "without --wait ends when all sessions have started, with one line each; with --wait when all have finished",
    () =>
      Effect.gen(function* () {
        const service = yield* InterceptedSimulator.serve({ ...quick, machines: machines(2), commandTime: "1 hour" })
        const box = yield* Cli.sandbox
        const command = (...args: ReadonlyArray<string>) => ({
          args: ["run", ...ids(2), ...script, ...args],
          env: { ...service.env, ...env },
        })
        const run = (...args: ReadonlyArray<string>) => box.run(command(...args))
        const started = yield* run()
        assert.strictEqual(started.exitCode, 0, started.stderr)
        const lines = started.stdout.trimEnd().split("\n")
        assert.deepStrictEqual(
          lines.map((line) => line.split("\t").slice(1)).sort(),
          ids(2).map((id) => ["Started", id]),
        )
        assert.include(started.stderr, "2 sessions started")

        const busy = yield* run("--wait")
        assert.strictEqual(busy.exitCode, 1)
        const actionId = lines.find((line) => line.endsWith(machineAt(0)))?.slice(0, 36)
        assert.include(
          busy.stderr,
          `(machine action ${actionId}); wait until it has finished, or cancel it (--adopt waits for that session instead, --cancel-blocking cancels it)`,
        )

        const lists = ServedSimulator.answered(service.simulator, "list")
        const before = (yield* lists).length
        const waiting = yield* box.start(command("--wait", "--adopt"))
        // It has seen that the sessions are in progress.
        yield* Effect.repeat(lists, { until: ({ length }) => length > before, schedule: Schedule.spaced("10 millis") })
        yield* service.pass("1 hour")
        const adopted = yield* waiting.ended
        assert.strictEqual(adopted.exitCode, 0, adopted.stderr)
        assert.deepStrictEqual(
          adopted.stdout
            .trimEnd()
            .split("\n")
            .map((line) => line.split("\t").slice(0, 2))
            .sort(),
          lines.map((line) => [line.slice(0, 36), "Succeeded"]).sort(),
        )
        assert.deepStrictEqual(yield* machinesOf(service.simulator), [...ids(2)].sort())
      }),
  )
})
