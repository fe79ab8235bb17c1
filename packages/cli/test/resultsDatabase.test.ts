/**
 * `results --sqlite`, and the queries of docs/report.md.
 */
import { statSync } from "node:fs"
import { DatabaseSync } from "node:sqlite"
import { DuckDBInstance } from "@duckdb/node-api"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Cli from "./support/CliInProcess.ts"
import * as Directory from "./support/Directory.ts"
import * as Docs from "./support/Docs.ts"
import * as Machines from "./support/Machines.ts"
import * as Samples from "./support/Samples.ts"

const sandboxWith = Effect.fnUntraced(function* (more: ReadonlyArray<Directory.Result>) {
  const box = yield* Cli.sandbox
  const output = (machine: number, path: string) =>
    `on ${Directory.nameOf(machine)}\r\n\r\nName : agent\r\nPath : ${path}\r\n`
  Directory.fill(box, {
    results: [
      { machine: 0, bytes: Directory.script({ script_output: output(0, "C:\\a.exe") }) },
      { machine: 1, bytes: Directory.script({ script_output: output(1, "C:\\a.exe") }) },
      {
        machine: 2,
        bytes: Directory.script({ script_output: output(2, "C:\\odd.exe"), exit_code: 5, script_errors: "denied" }),
      },
      { machine: 0, index: 1, ending: "gz", bytes: Buffer.from([0x1f, 0x8b, 8]) },
      ...more,
    ],
    actions: [0, 1, 2, 3, ...more.map(({ machine }) => machine)].map((machine) => Directory.action(machine)),
    failed: [Directory.failed(3, "not found")],
  })
  return box
})

const sandbox = sandboxWith([])

const written = Effect.fnUntraced(function* (box: Cli.Sandbox) {
  const ended = yield* box.run({ args: ["results", "results", "--sqlite", "case.sqlite"] })
  assert.strictEqual(ended.exitCode, 0, ended.stderr)
  assert.strictEqual(ended.stdout, "5 results in case.sqlite.\n")
  return yield* Effect.acquireRelease(
    Effect.sync(() => new DatabaseSync(box.path("case.sqlite"), { readOnly: true })),
    (database) => Effect.sync(() => database.close()),
  )
})

const page = Docs.read("docs/report.md")

/** The blocks of a section, in a language. */
const blocksOf = (heading: string, language: string): ReadonlyArray<string> => {
  const section = page.split(/^## /m).find((part) => part.startsWith(heading)) ?? ""
  return Array.from(section.matchAll(/```(\w+)\n(.*?)```/gs), ([, found, text = ""]) => [found, text])
    .filter(([found]) => found === language)
    .map(([, text = ""]) => text.trim())
}

/** DuckDB, for which file names are relative to a directory. */
const duckDb = (directory: string) =>
  Effect.acquireRelease(
    Effect.promise(() => DuckDBInstance.create(":memory:")),
    (instance) => Effect.sync(() => instance.closeSync()),
  ).pipe(
    Effect.flatMap((instance) => Effect.promise(() => instance.connect())),
    Effect.tap((connection) => Effect.promise(() => connection.run(`SET file_search_path = '${directory}'`))),
  )

const plain = (rows: ReadonlyArray<unknown>): unknown => JSON.parse(JSON.stringify(rows))

describe("results --sqlite", () => {
  it.live("counts two machines of the same name in its view", () =>
    Effect.gen(function* () {
      const box = yield* Cli.sandbox
      const recorded = { machineName: "ws.contoso.com" }
      const bytes = Directory.script({ script_output: "same" })
      Directory.fill(box, { results: [0, 1].map((machine) => ({ machine, bytes, recorded })) })
      yield* box.run({ args: ["results", "results", "--sqlite", "case.sqlite"] })
      using database = new DatabaseSync(box.path("case.sqlite"), { readOnly: true })
      assert.deepStrictEqual(plain(database.prepare("SELECT count, machines, example FROM stack").all()), [
        { count: 2, machines: 2, example: "ws.contoso.com" },
      ])
    }),
  )

  it.live("has a row for each result, failed ones included, and for each field", () =>
    Effect.gen(function* () {
      const box = yield* sandbox
      const database = yield* written(box)
      assert.deepStrictEqual(
        plain(database.prepare("SELECT kind, machine, exit_code, errors, problem FROM results ORDER BY 1, 2").all()),
        [
          { kind: "failed", machine: "ws-3.contoso.com", exit_code: null, errors: null, problem: "not found" },
          { kind: "file", machine: "ws-0.contoso.com", exit_code: null, errors: null, problem: null },
          { kind: "script", machine: "ws-0.contoso.com", exit_code: 0, errors: "", problem: null },
          { kind: "script", machine: "ws-1.contoso.com", exit_code: 0, errors: "", problem: null },
          { kind: "script", machine: "ws-2.contoso.com", exit_code: 5, errors: "denied", problem: null },
        ],
      )
      assert.deepStrictEqual(plain(database.prepare("SELECT count, machines, example FROM stack").all()), [
        { count: 1, machines: 1, example: "ws-2.contoso.com" },
        { count: 2, machines: 2, example: "ws-0.contoso.com" },
      ])
      assert.deepStrictEqual(
        plain(database.prepare("SELECT DISTINCT name, value FROM fields WHERE record = 0 AND name = 'Path'").all()),
        [
          { name: "Path", value: "C:\\a.exe" },
          { name: "Path", value: "C:\\odd.exe" },
        ],
      )
      assert.strictEqual(statSync(box.path("case.sqlite")).mode & 0o777, 0o600)
      assert.isFalse(box.entries().some((name) => name.includes(".part")))
    }).pipe(Effect.scoped),
  )

  it.live("has a row for each machine, and for each session of which the journal alone knows", () =>
    Effect.gen(function* () {
      const box = yield* Cli.sandbox
      const { version: _, ...ended } = Directory.action(3, { status: "Failed", commands: [] })
      Directory.fill(box, {
        results: [{ machine: 0, bytes: Directory.script() }],
        actions: [0, 1].map((machine) => Directory.action(machine)),
        failed: [Directory.failed(1, "not found")],
        sessions: [
          // It is offline, and its name is nowhere else.
          Directory.entry("started", 2, { machineActionId: Samples.action(2), machineName: "ws-2.contoso.com" }),
          Directory.entry("ended", 3, { action: ended }),
          // A run that was repeated records the end again.
          Directory.entry("ended", 3, { action: ended }),
          Directory.entry("notStarted", 4),
        ],
      })
      const { exitCode, stderr } = yield* box.run({ args: ["results", "results", "--sqlite", "case.sqlite"] })
      assert.strictEqual(exitCode, 0, stderr)
      using database = new DatabaseSync(box.path("case.sqlite"), { readOnly: true })
      const rows = (query: string) => plain(database.prepare(query).all())
      const id = (machine: number) => Machines.machineAt(machine)
      assert.deepStrictEqual(rows("SELECT * FROM machines ORDER BY machine_id"), [
        { machine_id: id(0), machine: "ws-0.contoso.com", state: "results", reason: "" },
        { machine_id: id(1), machine: "ws-1.contoso.com", state: "download failed", reason: "not found" },
        { machine_id: id(2), machine: "ws-2.contoso.com", state: "not finished", reason: "Offline or in progress" },
        { machine_id: id(3), machine: "ws-3.contoso.com", state: "session failed", reason: "Failed" },
        { machine_id: id(4), machine: id(4), state: "not started", reason: "The service refused the session" },
      ])
      assert.deepStrictEqual(rows("SELECT machine, status FROM actions ORDER BY machine"), [
        { machine: "ws-0.contoso.com", status: "Succeeded" },
        { machine: "ws-1.contoso.com", status: "Succeeded" },
        { machine: "ws-3.contoso.com", status: "Failed" },
      ])
    }),
  )

  it.live("answers the queries of docs/report.md", () =>
    Effect.gen(function* () {
      const database = yield* written(yield* sandbox)
      const queries = blocksOf("SQL", "sql").filter((query) => !query.includes("read_json"))
      assert.lengthOf(queries, 5)
      for (const query of queries) assert.isNotEmpty(database.prepare(query).all(), query)
    }).pipe(Effect.scoped),
  )

  it.live("answers the queries for DuckDB", () =>
    Effect.gen(function* () {
      const same = [4, 5].map((machine) => ({ machine, bytes: Directory.script({ script_output: "same" }) }))
      const box = yield* sandboxWith(same)
      yield* box.run({ args: ["results", "results"] })
      const queries = blocksOf("SQL", "sql").filter((query) => query.includes("read_json"))
      assert.lengthOf(queries, 3)
      const duck = yield* duckDb(box.path("results"))
      const answers = yield* Effect.forEach(queries, (query) =>
        Effect.promise(() => duck.runAndReadAll(query).then((rows) => rows.getRowObjectsJson())),
      )
      const [firstLines = [], exitCodes = [], hashes = []] = answers
      assert.lengthOf(firstLines, 4)
      assert.deepStrictEqual(firstLines.at(-1), { outputStart: "same", machines: "2", example: Directory.nameOf(4) })
      assert.deepStrictEqual(exitCodes, [
        { script: "a.ps1", exitCode: "5", results: "1" },
        { script: "a.ps1", exitCode: "0", results: "4" },
      ])
      assert.deepStrictEqual(
        hashes.map(({ machines }) => machines),
        ["2"],
      )
    }).pipe(Effect.scoped),
  )

  it.live("replaces its own file, and no other", () =>
    Effect.gen(function* () {
      const box = yield* sandbox
      yield* Effect.scoped(written(box))
      yield* Effect.scoped(written(box))
      const refused = Effect.fnUntraced(function* (file: string, why: string) {
        const ended = yield* box.run({ args: ["results", "results", "--sqlite", file] })
        assert.strictEqual(ended.exitCode, 2)
        assert.strictEqual(ended.stderr, `live-response: ${why}\n`)
      })
      box.write("notes.txt", "mine")
      yield* refused("notes.txt", "notes.txt exists and is not an SQLite file; choose another name, or remove it")
      yield* refused(
        "results/manifest.jsonl",
        "results/manifest.jsonl: live-response itself has a file of this name; choose another name",
      )
      assert.strictEqual(box.read("notes.txt").toString(), "mine")
    }),
  )
})
