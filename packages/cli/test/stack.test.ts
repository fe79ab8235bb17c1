/**
 * `stack`: script results that are alike, the rarest first.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Cli from "./support/CliInProcess.ts"
import * as Directory from "./support/Directory.ts"
import * as Samples from "./support/Samples.ts"

const output = (machine: number, path: string) =>
  `Host ${Directory.nameOf(machine).toUpperCase()}  at 2026-11-2${machine}T08:00:00Z\r\n\r\nName : agent\r\nPath : ${path}\r\n`

const sandbox = Effect.map(Cli.sandbox, (box) => {
  const paths = ["C:\\agent.exe", "C:\\agent.exe", "C:\\Users\\Public\\svch0st.exe", "C:\\agent.exe"]
  Directory.fill(box, {
    results: [
      ...paths.map((path, machine) => ({
        machine,
        bytes: Directory.script({ script_output: output(machine, path), exit_code: machine === 3 ? 5 : 0 }),
      })),
      { machine: 4, bytes: Directory.script({ script_name: "b.ps1", script_output: "nothing\r\n" }) },
      { machine: 0, index: 1, ending: "gz", bytes: Buffer.from([0x1f, 0x8b, 8]) },
    ],
    actions: [0, 1, 2, 3, 4].map((machine) => Directory.action(machine)),
    failed: [Directory.failed(5, "gone")],
  })
  return box
})

const stack = (...args: ReadonlyArray<string>): Cli.Command => ({ args: ["stack", "results", ...args] })

const groups = (box: Cli.Sandbox, ...args: ReadonlyArray<string>) =>
  Effect.map(box.run(stack("--json", ...args)), ({ exitCode, stdout }) => {
    assert.strictEqual(exitCode, 0)
    return Cli.ndjson(stdout).map(({ count, machines, value }) => [value, count, machines])
  })

const [odd, agent] = ["C:\\Users\\Public\\svch0st.exe", "C:\\agent.exe"]
const ws = (...machines: ReadonlyArray<number>) => machines.map(Directory.nameOf)

describe("stack", () => {
  it.live("groups outputs of machines that are alike, the one on the fewest machines first", () =>
    Effect.gen(function* () {
      const normalised = (path: string) => `Host <machine> at <time>\nName : agent\nPath : ${path}`
      assert.deepStrictEqual(yield* groups(yield* sandbox), [
        [normalised(odd), 1, ws(2)],
        ["nothing", 1, ws(4)],
        [normalised(agent), 3, ws(0, 1, 3)],
      ])
    }),
  )

  it.live("prints all groups with all of their machines as CSV", () =>
    Effect.gen(function* () {
      const { stdout } = yield* (yield* sandbox).run(stack("--by", "exit_code", "--limit", "1", "--format", "csv"))
      assert.strictEqual(
        stdout,
        `MACHINES,COUNT,ON,VALUE\n1,1,${ws(3).join(", ")},5\n4,4,"${ws(0, 1, 2, 4).join(", ")}",0\n`,
      )
    }),
  )

  it.live("counts two machines of the same name, and prints plain numbers and empty cells as CSV", () =>
    Effect.gen(function* () {
      const box = yield* Cli.sandbox
      const machines = Array.from({ length: 1_001 }, (_, machine) => machine)
      const name = { machineName: "ws.contoso.com" }
      Directory.fill(box, {
        results: machines.map((machine) => ({
          machine,
          bytes: Directory.script(),
          recorded: { ...name, machineId: machine.toString(16).padStart(40, "0") },
        })),
      })
      const { stdout } = yield* box.run(stack("--format", "csv"))
      assert.strictEqual(
        stdout,
        `MACHINES,COUNT,ON,VALUE\n1001,1001,"${machines.map(() => name.machineName).join(", ")}",\n`,
      )
    }),
  )

  it.live("groups by a column, or by a field of the output in any case", () =>
    Effect.gen(function* () {
      const box = yield* sandbox
      assert.deepStrictEqual(yield* groups(box, "--by", "exit_code"), [
        ["5", 1, ws(3)],
        ["0", 4, ws(0, 1, 2, 4)],
      ])
      assert.deepStrictEqual(yield* groups(box, "--by", ".path"), [
        [odd, 1, ws(2)],
        [agent, 3, ws(0, 1, 3)],
      ])
      assert.deepStrictEqual(yield* groups(box, "--by", "script", "--script", "B.PS1"), [["b.ps1", 1, ws(4)]])
      assert.lengthOf(yield* groups(box, "--by", "first-line"), 5)
      assert.lengthOf(yield* groups(box, "--by", "sha256"), 5)
      assert.deepStrictEqual(yield* groups(box, "--by", "errors"), [["", 5, ws(0, 1, 2, 3, 4)]])
    }),
  )

  it.live("says how much of it is shown, and how many results lack the field", () =>
    Effect.gen(function* () {
      const { stdout } = yield* (yield* sandbox).run(stack("--by", ".Path", "--limit", "1"))
      assert.deepStrictEqual(stdout.trimEnd().split("\n").slice(1), [
        `1         ws-2.contoso.com  ${odd}`,
        "2 groups of 4 script results, the rarest first.",
        "Shown: 1 of 2 groups; --limit 2 shows all.",
        "1 of 5 script results have no field .Path.",
      ])
    }),
  )

  it.live(
    "counts values apart from machines where a machine has one twice, and shows a machine without a name by its id",
    () =>
      Effect.gen(function* () {
        const box = yield* Cli.sandbox
        const bytes = Directory.script({ script_output: "x" })
        const nameless = { machineId: "", machineName: "" }
        Directory.fill(box, {
          results: [
            { machine: 0, bytes },
            { machine: 0, index: 1, bytes },
            { machine: 1, bytes: Directory.script({ script_output: "y" }), recorded: nameless },
          ],
        })
        const { stdout } = yield* box.run({ args: ["stack", "results"] })
        const id = Samples.action(1)
        assert.deepStrictEqual(stdout.trimEnd().split("\n"), [
          `MACHINES  COUNT  ON${" ".repeat(36)}VALUE`,
          `1         1      action ${id.slice(0, 4)}…${id.slice(-6)}${" ".repeat(20)}y`,
          `1         2      ws-0.contoso.com${" ".repeat(22)}x`,
          "2 groups of 3 script results, the rarest first.",
          "The machine is unknown for 1 of 3 script results; live-response download <machine action id> --out results looks it up.",
        ])
      }).pipe(Effect.scoped),
  )

  it.live("says what is in no group also to who reads lines, and that there is no such script", () =>
    Effect.gen(function* () {
      const box = yield* sandbox
      const lines = yield* box.run(stack("--by", ".Path", "--json"))
      assert.lengthOf(Cli.ndjson(lines.stdout), 2)
      assert.strictEqual(lines.stderr, "live-response: 1 of 5 script results have no field .Path.\n")
      const misspelt = "No script result is of c.ps1; --by script shows the names of the scripts."
      const csv = yield* box.run(stack("--script", "c.ps1", "--format", "csv"))
      assert.deepStrictEqual([csv.stderr, csv.exitCode], [`live-response: ${misspelt}\n`, 0])
      const { stdout } = yield* box.run(stack("--script", "c.ps1"))
      assert.strictEqual(stdout, `0 groups of 0 script results, the rarest first.\n${misspelt}\n`)
    }),
  )

  it.live("counts no file that was changed, and says so", () =>
    Effect.gen(function* () {
      const box = yield* sandbox
      box.write(`results/${Directory.pathOf({ machine: 2 })}`, Directory.script({ script_output: "forged" }))
      const ended = yield* box.run(stack("--by", ".Path"))
      assert.notInclude(ended.stdout, odd)
      assert.match(
        ended.stderr,
        /^live-response: \S+000000000002\/0\.json is not counted: the file is missing or has another size/,
      )
    }),
  )

  it.live("counts many files that can't be used in a line for each reason", () =>
    Effect.gen(function* () {
      const box = yield* sandbox
      for (const machine of [0, 1, 2, 3]) {
        box.write(`results/${Directory.pathOf({ machine })}`, Directory.script({ script_output: "forged" }))
      }
      box.write(
        `results/${Directory.pathOf({ machine: 4 })}`,
        Directory.script({ script_name: "c.ps1", script_output: "nothing\r\n" }),
      )
      const paths = [0, 1, 2].map((machine) => Directory.pathOf({ machine }))
      const table = yield* box.run(stack())
      const [size = "", hash = "", where, end] = table.stderr.split("\n")
      assert.strictEqual(
        size,
        `live-response: 4 files are not counted, such as ${paths[0]}, ${paths[1]} and ${paths[2]}: the file is missing or has another size; download it again: live-response download <id> --out results`,
      )
      assert.match(hash, /^live-response: \S+000000000004\/0\.json is not counted: its SHA-256 is [0-9a-f]{64}, /)
      assert.strictEqual(where, "live-response: each file that can't be used: live-response report results --open")
      assert.strictEqual(end, "")
      const rows = yield* box.run({ args: ["results", "results"] })
      assert.include(rows.stderr, `live-response: no row for 4 files, such as ${paths[0]}, `)
      assert.lengthOf(rows.stderr.trimEnd().split("\n"), 3)
    }),
  )

  it.live("names the choices if a key is not one of them", () =>
    Effect.gen(function* () {
      const ended = yield* (yield* sandbox).run(stack("--by", "colour"))
      assert.strictEqual(ended.exitCode, 2)
      assert.strictEqual(
        ended.stderr,
        "live-response: --by colour: choose one of exit_code, first-line, output, errors, script, sha256, .FIELD\n",
      )
    }),
  )
})
