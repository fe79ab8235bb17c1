/**
 * `status`: the counts of a directory.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Cli from "./support/CliInProcess.ts"
import * as Directory from "./support/Directory.ts"
import * as InterceptedSimulator from "./support/InterceptedSimulator.ts"
import * as Machines from "./support/Machines.ts"
import * as Samples from "./support/Samples.ts"

const fill = (box: Cli.Sandbox) => {
  const bytes = Directory.script()
  Directory.fill(box, {
    results: [0, 1].map((machine) => ({ machine, bytes })),
    failed: [2, 3].map((machine) => Directory.failed(machine, `the storage refused ${Samples.action(machine)}:0`)),
    actions: [0, 1, 2, 3].map((machine) => Directory.action(machine)),
    sessions: [Directory.entry("started", 4, { machineActionId: Samples.action(4) }), Directory.entry("notStarted", 5)],
  })
}

describe("status", () => {
  it.live("counts machines and results, and names the most frequent failures", () =>
    Effect.gen(function* () {
      const box = yield* Cli.sandbox
      fill(box)
      const { exitCode, stderr, stdout } = yield* box.run({ args: ["status", "results"] })
      assert.strictEqual(exitCode, 0, stderr)
      const [machines, results, ...rest] = stdout.trimEnd().split("\n")
      assert.strictEqual(
        machines,
        "6 machines, 2 with results, 4 without (The download failed: 2; Offline or in progress: 1; The session was not started: 1).",
      )
      assert.match(results ?? "", /^2 results \(\d+ B\), 2 failed; the last at 2026-11-25 \d\d:03:00 UTC\S*\.$/)
      assert.deepStrictEqual(rest, [
        "2 × the storage refused <id>",
        "1 × The service refused the session",
        "Each of them: live-response report results --open.",
      ])
    }).pipe(Effect.scoped),
  )

  it.live("names the error of a session that failed although it left results, as the summary of run does", () =>
    Effect.gen(function* () {
      const box = yield* Cli.sandbox
      const command = {
        index: 0,
        type: "RunScript",
        status: "Failed",
        params: { ScriptName: "a.ps1" },
        errors: ["denied"],
      }
      Directory.fill(box, {
        results: [{ machine: 0, bytes: Directory.script() }],
        actions: [Directory.action(0, { status: "Failed", commands: [command] })],
      })
      const { stdout } = yield* box.run({ args: ["status", "results"] })
      const [machines, , failure] = stdout.split("\n")
      assert.strictEqual(machines, "1 machine, 1 with results, 0 without.")
      assert.strictEqual(failure, "1 × RunScript a.ps1: denied")
    }).pipe(Effect.scoped),
  )

  it.live("says why the service refused sessions, as the run did", () =>
    Effect.gen(function* () {
      const machines = Machines.machines(2, () => ({ unsupported: true }))
      const service = yield* InterceptedSimulator.serve({ ...Machines.quick, machines })
      const box = yield* Cli.sandbox
      const args = ["run", ...Machines.ids(2), ...Machines.script, "--download", "results"]
      const ran = yield* box.run({ args, env: { ...service.env, ...Machines.env } })
      const why = "the API refused the request (HTTP 400 InvalidInput: Live response is not supported"
      assert.include(ran.stderr, `failed: live response on ${Machines.machineAt(1)}: ${why}`)
      const { stderr, stdout } = yield* box.run({ args: ["status", "results"] })
      assert.include(stdout, `\n2 × live response on <id>: ${why}`, stderr)
    }).pipe(Effect.scoped),
  )

  it.live("counts the sessions of a run that downloads nothing, and so does the report", () =>
    Effect.gen(function* () {
      const box = yield* Cli.sandbox
      const message = `live response on ${Machines.machineAt(0)}: the API refused the request`
      box.write("journal/sessions.jsonl", Directory.lines([Directory.entry("notStarted", 0, { message })]))
      const status = yield* box.run({ args: ["status", "journal"] })
      assert.deepStrictEqual(status.stdout.trimEnd().split("\n"), [
        "1 machine, 0 with results, 1 without (The session was not started: 1).",
        "0 results (0 B), 0 failed.",
        "1 × live response on <id>: the API refused the request",
        "Each of them: live-response report journal --open.",
      ])
      const report = yield* box.run({ args: ["report", "journal"] })
      assert.match(report.stdout, /^1 machine and 0 results in journal\/report\.html/, report.stderr)
      const verify = yield* box.run({ args: ["verify", "journal"] })
      assert.deepStrictEqual([verify.exitCode, verify.stdout], [2, ""])
      assert.include(
        verify.stderr,
        "can't read journal/manifest.jsonl: there is no such file; name a directory into which live-response download or run --download has written",
      )
    }).pipe(Effect.scoped),
  )

  it.live("names the lines that it could not count, and the next step", () =>
    Effect.gen(function* () {
      const box = yield* Cli.sandbox
      fill(box)
      box.write("results/actions.jsonl", Directory.lines([Directory.action(0), "x", Directory.action(2), "y"]))
      box.write("results/sessions.jsonl", Directory.lines([Directory.entry("notStarted", 5), "z"]))
      const warned = [
        "live-response: results/actions.jsonl: 2 lines are damaged and were skipped (2, 4); their machines may be missing; download again, or restore the file from a copy",
        "live-response: results/sessions.jsonl: line 2 is damaged and was skipped; its machine may be missing; restore the file from a copy",
      ]
      const noted = [
        "2 damaged lines of actions.jsonl were skipped, so some machines may be missing: restore the file from a copy, or download again.",
        "1 damaged line of sessions.jsonl was skipped, so some machines may be missing: restore the file from a copy.",
      ]
      const table = yield* box.run({ args: ["status", "results"] })
      assert.deepStrictEqual(table.stderr.trimEnd().split("\n"), warned)
      assert.deepStrictEqual(table.stdout.split("\n").slice(2, 4), noted)
      for (const command of ["status", "report"]) {
        const json = yield* box.run({ args: [command, "results", "--json"] })
        assert.deepInclude(Cli.ndjson(json.stdout)[0], { damaged: { manifest: 0, actions: 2, sessions: 1 } })
      }
      const report = yield* box.run({ args: ["report", "results"] })
      assert.deepStrictEqual(report.stderr.trimEnd().split("\n"), warned)
      const stack = yield* box.run({ args: ["stack", "results"] })
      assert.deepStrictEqual(stack.stderr.trimEnd().split("\n"), warned.slice(0, 1))
    }).pipe(Effect.scoped),
  )

  it.live("names the machines that a run did not find, and so does the report", () =>
    Effect.gen(function* () {
      const box = yield* Cli.sandbox
      fill(box)
      const names = Array.from({ length: 12 }, (_, i) => `typo-${i}.contoso.com`)
      const recorded = (unknown: ReadonlyArray<string>, ambiguous: ReadonlyArray<string>) =>
        box.write("results/unknown-machines.json", JSON.stringify({ version: 1, unknown, ambiguous }))
      recorded(names.slice(0, 3), [])
      const few = `3 named machines are unknown: ${names.slice(0, 3).join(", ")}. Correct the names, and run again.`
      const status = yield* box.run({ args: ["status", "results"] })
      assert.strictEqual(status.stdout.split("\n")[1], few)
      const report = yield* box.run({ args: ["report", "results"] })
      assert.strictEqual(report.stdout.trimEnd().split("\n")[1], few)
      recorded(names, ["twice.contoso.com"])
      const many = yield* box.run({ args: ["status", "results"] })
      assert.deepStrictEqual(many.stdout.split("\n").slice(1, 3), [
        `12 named machines are unknown: ${names.slice(0, 10).join(", ")} and 2 more. Correct the names, and run again.`,
        "1 name is that of several machines: twice.contoso.com. Use the ids of the right ones, and run again.",
      ])
      for (const command of ["status", "report"]) {
        const json = yield* box.run({ args: [command, "results", "--json"] })
        assert.deepInclude(Cli.ndjson(json.stdout)[0], {
          unknownMachines: { unknown: names, ambiguous: ["twice.contoso.com"] },
        })
      }
      box.write("results/unknown-machines.json", '{"version":2,"unknown":["x"]}')
      const newer = yield* box.run({ args: ["status", "results"] })
      assert.deepStrictEqual([newer.exitCode, newer.stderr], [0, ""])
      assert.notInclude(newer.stdout, "unknown")
    }).pipe(Effect.scoped),
  )

  it.live("prints the same as JSON, and a usage error where there are no results", () =>
    Effect.gen(function* () {
      const box = yield* Cli.sandbox
      fill(box)
      const { stdout } = yield* box.run({ args: ["status", "results", "--json"] })
      const [status] = Cli.ndjson(stdout)
      assert.deepInclude(status, { machines: 6, results: 2, failed: 2, lastResult: "2026-11-25T08:03:00.000Z" })
      assert.deepStrictEqual(status?.["failures"], [
        { message: "the storage refused <id>", count: 2 },
        { message: "The service refused the session", count: 1 },
      ])
      const missing = yield* box.run({ args: ["status", "elsewhere"] })
      assert.strictEqual(missing.exitCode, 2)
    }).pipe(Effect.scoped),
  )
})
