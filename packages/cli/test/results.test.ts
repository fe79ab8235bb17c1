/**
 * `results`: the script results of a directory as a table.
 */
import { createHash } from "node:crypto"
import { readFileSync, rmSync } from "node:fs"
import { gzipSync } from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Effect from "effect/Effect"
import * as Csv from "effect/encoding/Csv"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Cli from "./support/CliInProcess.ts"
import * as ReferenceServer from "./support/ReferenceServer.ts"
import * as Samples from "./support/Samples.ts"

const columns = [
  "machineId",
  "machineName",
  "machineActionId",
  "index",
  "script",
  "exitCode",
  "outputCharacters",
  "errorsCharacters",
  "outputStart",
  "errorsStart",
  "path",
  "bytes",
  "sha256",
]

const scriptBytes = (fields: Readonly<Record<string, unknown>> = {}) =>
  Buffer.from(JSON.stringify({ script_name: "a.ps1", exit_code: 0, script_output: "", script_errors: "", ...fields }))

const pathOf = (n: number, extension = "json") => `${Samples.action(n)}/0.${extension}`

const sha256Of = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex")

const completed = (n: number, bytes: Uint8Array, extension = "json") => ({
  status: "completed",
  machineActionId: Samples.action(n),
  index: 0,
  path: pathOf(n, extension),
  bytes: bytes.length,
  sha256: sha256Of(bytes),
  links: 1,
  attempts: 1,
})

const failed = (n: number) => ({
  status: "failed",
  machineActionId: Samples.action(n),
  index: 0,
  message: "not found",
  error: {
    _tag: "DefenderError",
    operation: "link",
    reason: { _tag: "NotFound", status: 404 },
  },
  links: 0,
  attempts: 1,
})

const lines = (values: ReadonlyArray<unknown>) =>
  values.map((value) => (typeof value === "string" ? value : JSON.stringify(value))).join("\n")

/** A directory of results as downloads leave it: the files, and a manifest of them in this order. */
const fill = (
  box: Cli.Sandbox,
  results: ReadonlyArray<readonly [n: number, bytes: Uint8Array, extension?: string]>,
) => {
  for (const [n, bytes, extension] of results) box.write(`results/${pathOf(n, extension)}`, bytes)
  box.write("results/manifest.jsonl", `${lines(results.map(([...of]) => completed(...of)))}\n`)
}

const action = (n: number, fields: Readonly<Record<string, unknown>> = {}) => ({
  id: Samples.action(n),
  type: "LiveResponse",
  status: "Succeeded",
  machineId: `machine-${n}`,
  computerDnsName: `ws-${n}`,
  commands: [],
  ...fields,
})

const results: Cli.Command = { args: ["results"], env: { LIVE_RESPONSE_OUT: "results" } }

/** The table as a spreadsheet reads it. */
const table = (box: Cli.Sandbox) =>
  Stream.make(box.read("results/results.csv").toString()).pipe(
    Stream.pipeThroughChannel(Csv.decodeString({ headers: true })),
    Stream.runCollect,
    Effect.map((rows) => Array.from(rows)),
  )

const jsonLines = (box: Cli.Sandbox) => Cli.ndjson(box.read("results/results.jsonl").toString())

/** Cells as they come, and as an attacker would have them. */
const anyCell = Arbitrary.array(
  Arbitrary.schema(
    Schema.Union([
      Schema.String,
      Schema.Literals([..."=+-@\t\r ;,\"'＝＋－＠\u00A0\u3000\u200B\uFEFF\u202E\u001b", "1", "-5", "3.5"]),
    ]),
  ),
  { maxLength: 6 },
).pipe(Arbitrary.map((pieces) => pieces.join("").replaceAll("\u0000", "")))

describe("results", () => {
  it.live("names the lines of actions.jsonl that it could not read, wherever they are damaged", () =>
    Effect.gen(function* () {
      const box = yield* Cli.sandbox
      fill(box, [
        [1, scriptBytes()],
        [2, scriptBytes()],
      ])
      const broken = JSON.stringify({ ...action(1), version: 1 }).replace('"Succeeded"', "Succeeded")
      box.write("results/actions.jsonl", `${lines([broken, "half", action(2)])}\n`)
      const warned = (named: string) =>
        `live-response: results/actions.jsonl: 2 lines are damaged and were skipped (${named}); their machines may be missing; download again, or restore the file from a copy`
      // The line that is damaged in its middle is read when a row needs it.
      const table = yield* box.run(results)
      assert.include(["1, 2", "2, 1"].map(warned), table.stderr.trimEnd())
      const sqlite = yield* box.run({ args: ["results", "results", "--sqlite", "case.sqlite"] })
      assert.strictEqual(sqlite.stderr.trimEnd(), warned("1, 2"))
    }).pipe(Effect.scoped),
  )

  it.live("has the machine that the manifest names, where actions.jsonl does not", () =>
    Effect.gen(function* () {
      const box = yield* Cli.sandbox
      const named = (n: number) => ({ ...completed(n, scriptBytes()), machineId: `id-${n}`, machineName: `host-${n}` })
      for (const n of [1, 2]) box.write(`results/${pathOf(n)}`, scriptBytes())
      box.write("results/manifest.jsonl", `${lines([1, 2].map(named))}\n`)
      box.write("results/actions.jsonl", `${lines([action(2)])}\n`)
      const { exitCode, stderr, stdout } = yield* box.run(results)
      assert.strictEqual(exitCode, 0, stderr)
      assert.notInclude(stdout, "unknown")
      assert.deepStrictEqual(
        (yield* table(box)).map(({ machineId, machineName }) => [machineId, machineName]),
        [
          ["id-1", "host-1"],
          ["machine-2", "ws-2"],
        ],
      )
      assert.deepInclude(jsonLines(box)[0], { machineId: "id-1", machineName: "host-1" })
    }).pipe(Effect.scoped),
  )

  it.live("has a row for each script result, whatever its exit code, compression or encoding", () =>
    Effect.gen(function* () {
      const box = yield* Cli.sandbox
      const utf16 = Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(scriptBytes().toString(), "utf16le")])
      fill(box, [
        [0, scriptBytes({ exit_code: null })],
        [1, scriptBytes({ exit_code: "7" })],
        [2, scriptBytes({ exit_code: 1.5 })],
        [3, Buffer.from('{"script_name":"b.ps1","script_output":"out"}')],
        [4, gzipSync(scriptBytes({ exit_code: 4 })), "gz"],
        [5, utf16, "bin"],
        // No scripts: a file that was collected, one whose command is not known, and what was to be a script's.
        [6, gzipSync(scriptBytes()), "gz"],
        [7, gzipSync("a log"), "gz"],
        [8, gzipSync("a log"), "gz"],
      ])
      const command = (type: string) => ({ index: 0, type, status: "Completed", params: {}, errors: [] })
      box.write(
        "results/actions.jsonl",
        lines([action(6, { commands: [command("GetFile")] }), action(8, { commands: [command("RunScript")] }), ""]),
      )
      const ended = yield* box.run(results)
      assert.strictEqual(ended.exitCode, 0)
      assert.deepStrictEqual(
        jsonLines(box).map(({ exitCode, machineActionId }) => [machineActionId, exitCode]),
        [null, 7, null, null, 4, 0].map((exitCode, n) => [Samples.action(n), exitCode]),
      )
      assert.deepStrictEqual(
        (yield* table(box)).map((row) => Object.entries(row).find(([key]) => key.endsWith("exitCode"))?.[1]),
        ["", "7", "", "", "4", "0"],
      )
      assert.match(ended.stderr, /^live-response: no row for [^\n]*000000000008\/0\.gz: not a script result[^\n]*\n$/)
    }),
  )

  it.live("has rows in the manifest's order, with the machine if it is known", () =>
    Effect.gen(function* () {
      const box = yield* Cli.sandbox
      const first = scriptBytes({
        script_name: "collect.ps1",
        exit_code: -3,
        script_output: `\r\n one\r\n\r\ntwo\nthree\r\nfour\n`,
        script_errors: `${"ä😀".repeat(150)}\nmore`,
      })
      const other = Buffer.from('{"a":1}')
      fill(box, [
        [1, scriptBytes()],
        [2, gzipSync("a"), "gz"],
        [3, first],
        [4, other],
        [5, scriptBytes()],
        [6, scriptBytes()],
        [7, scriptBytes()],
      ])
      const more = [failed(5), "broken", failed(3), completed(3, first), completed(8, scriptBytes()), `{"status":"comp`]
      box.write("results/manifest.jsonl", `${box.read("results/manifest.jsonl").toString()}${lines(more)}`)
      box.write(
        "results/actions.jsonl",
        lines(["no JSON", action(1), action(1, { computerDnsName: "ws-new" }), action(3), action(4), "{"]),
      )

      const { exitCode, stderr, stdout } = yield* box.run(results)
      assert.strictEqual(exitCode, 0, stderr)
      assert.strictEqual(
        stdout,
        [
          "4 script results, one row each, in results/results.csv and results/results.jsonl.",
          "The machine is unknown for 2 of them; live-response download <machine action id> --out results looks it up.",
          "",
        ].join("\n"),
      )
      // Several files are read at once, so the order of the messages varies.
      assert.deepStrictEqual(stderr.trimEnd().split("\n").sort(), [
        `live-response: no row for ${pathOf(4)}: not a script result: exit_code is missing; its bytes are unchanged`,
        `live-response: no row for ${pathOf(8)}: the file is missing or has another size; download it again: live-response download ${Samples.action(8)}:0 --out results`,
        "live-response: results/actions.jsonl: line 1 is damaged and was skipped; its machine may be missing; download again, or restore the file from a copy",
        "live-response: results/manifest.jsonl: line 9 is damaged and was skipped; its result has no row",
      ])

      const rows = jsonLines(box)
      assert.deepStrictEqual(
        rows.map(({ path }) => path),
        [1, 6, 7, 3].map((n) => pathOf(n)),
      )
      assert.deepStrictEqual(rows[3], {
        machineId: "machine-3",
        machineName: "ws-3",
        machineActionId: Samples.action(3),
        index: 0,
        script: "collect.ps1",
        exitCode: -3,
        outputCharacters: 26,
        errorsCharacters: 455,
        outputStart: " one | two | three",
        errorsStart: "ä😀".repeat(100),
        path: pathOf(3),
        bytes: first.length,
        sha256: sha256Of(first),
      })
      assert.deepInclude(rows[0], { machineId: "machine-1", machineName: "ws-new" })
      assert.deepInclude(rows[1], { machineId: "", machineName: "" })

      assert.strictEqual(box.read("results/results.csv").toString().split("\r\n")[0], `\uFEFF${columns.join(",")}`)
      const cells = yield* table(box)
      assert.deepStrictEqual(
        cells,
        rows.map((row) => Object.fromEntries(columns.map((column) => [column, String(row[column])]))),
      )
      assert.deepStrictEqual(
        ["csv", "jsonl"].map((name) => box.mode(`results/results.${name}`)),
        [0o600, 0o600],
      )

      // The second run has the same, and takes its directory as an argument.
      const again = yield* box.run({ args: ["results", "results", "--json"] })
      assert.deepStrictEqual(Cli.ndjson(again.stdout), [
        { rows: 4, unnamed: 2, csv: "results/results.csv", jsonl: "results/results.jsonl" },
      ])
      assert.deepStrictEqual(jsonLines(box), rows)
      assert.deepStrictEqual(
        box.files().filter((file) => !file.includes("/")),
        ["actions.jsonl", "manifest.jsonl", "results.csv", "results.jsonl"],
      )
    }),
  )

  it.live("does not advise to look up a machine whose action is known without its name", () =>
    Effect.gen(function* () {
      const box = yield* Cli.sandbox
      fill(box, [
        [1, scriptBytes()],
        [2, scriptBytes()],
      ])
      box.write("results/actions.jsonl", lines([action(1, { computerDnsName: undefined }), action(2)]))
      const { stdout } = yield* box.run(results)
      assert.include(stdout, "The API has no name for the machine of 1 of them: its id is in the column machineId.")
      assert.notInclude(stdout, "looks it up")
    }),
  )

  it.live("needs neither sign-in nor lock: a download may be in progress", () =>
    Effect.gen(function* () {
      const script = `${Samples.action(0)}:0`
      const held = `${Samples.action(1)}:0`
      const server = yield* ReferenceServer.make({
        results: { [script]: { bytes: Samples.script(0) }, [held]: { bytes: Samples.noise(100_000) } },
        onBlob: ({ result }) => (result === held ? { holdAfter: 1000 } : undefined),
      })
      const box = yield* Cli.sandbox
      yield* box.run(Cli.download(server, script))
      const download = yield* box.start(Cli.download(server, held))
      yield* Cli.until(
        () => server.held() === 1,
        () => "the download to start",
      )

      assert.strictEqual((yield* box.run(results)).exitCode, 0)
      const [row] = jsonLines(box)
      assert.deepInclude(row, { script: "collect-0.ps1", outputStart: "Höst WS-0 | C:\\x.zip" })
      server.release()
      assert.strictEqual((yield* download.ended).exitCode, 0)
    }),
  )

  it.live("has no formula and no control characters", () =>
    Effect.gen(function* () {
      const box = yield* Cli.sandbox
      fill(box, [
        [
          0,
          scriptBytes({
            script_name: "=cmd|'/C calc'!A0",
            exit_code: -1,
            script_output: '\t@SUM(1)\u001b[2J\nb,"c"',
            script_errors: "no;=1+1",
          }),
        ],
      ])
      box.write(
        "results/actions.jsonl",
        lines([action(0, { computerDnsName: "＝HYPERLINK()\u202E", machineId: "-2" })]),
      )
      yield* box.run(results)
      assert.deepInclude((yield* table(box))[0], {
        machineId: "-2",
        machineName: "'＝HYPERLINK()\uFFFD",
        script: "'=cmd|'/C calc'!A0",
        exitCode: "-1",
        outputStart: `' '@SUM(1)\uFFFD[2J | b,"c"`,
        errorsStart: "no;'=1+1",
      })
      assert.notMatch(box.read("results/results.jsonl").toString(), /[\u001b\u202E]/)
      assert.deepInclude(jsonLines(box)[0], { outputStart: '\t@SUM(1)\u001b[2J | b,"c"' })
    }),
  )

  it.live("refuses actions.jsonl of a newer version by name, and writes no table", () =>
    Effect.gen(function* () {
      const box = yield* Cli.sandbox
      fill(box, [[0, scriptBytes()]])
      const actions = lines([action(0), { ...action(0), version: 2 }, ""])
      box.write("results/actions.jsonl", actions)
      const ended = yield* box.run(results)
      assert.strictEqual(ended.exitCode, 4)
      assert.match(
        ended.stderr,
        /^live-response: results\/actions\.jsonl: line 2 was written by a newer version of live-response \([^\n]*\n$/,
      )
      assert.strictEqual(box.read("results/actions.jsonl").toString(), actions)
      assert.isFalse(box.files().some((path) => path.includes("results.")))
    }),
  )

  it.live("no cell is a formula for a reader with another delimiter, after any quotes and blanks", () =>
    Effect.gen(function* () {
      const box = yield* Cli.sandbox
      const delimiters = [",", ";", "|", ":", "^", "~", " "]
      const before = ["", '"', '""', '" "', "\u00A0", "\t", "\r", "\n"]
      const signs = ["=1+1", "+1", "-1", "@SUM(1)", "\t=1", "\r=1", "＝1"]
      const attacks = delimiters.flatMap((delimiter) =>
        before.flatMap((blank) => signs.map((sign) => `a${delimiter}${blank}${sign}`)),
      )
      fill(
        box,
        attacks.map((script_name, n) => [n, scriptBytes({ script_name })]),
      )
      yield* box.run(results)
      const records = box.read("results/results.csv").toString().trimEnd().split("\r\n").slice(1)
      assert.strictEqual(records.length, attacks.length)
      for (const [n, record] of records.entries()) {
        for (const delimiter of delimiters) {
          for (const part of record.split(delimiter)) {
            assert.notMatch(part, /^["\s]*[=+\-@＝＋－＠](?!\d+$)/u, JSON.stringify([attacks[n], delimiter]))
          }
        }
      }
    }),
  )

  it.live("no cell is a formula, whatever a machine writes, and harmless cells stay unchanged", () =>
    Effect.gen(function* () {
      const box = yield* Cli.sandbox
      const harmless = ["", "a", "a=b", "a-b", "2026-11-24", "-5", "3.25", "'a", "Größe 中文 😀", "x; y"]
      const names = [...harmless, ...(yield* Arbitrary.sampleEffect(anyCell, { count: 1000 }))]
      fill(
        box,
        names.map((script_name, n) => [n, scriptBytes({ script_name })]),
      )
      yield* box.run(results)
      const cells = (yield* table(box)).map((row) => row["script"] ?? "")
      assert.deepStrictEqual(cells.slice(0, harmless.length), harmless)
      assert.strictEqual(cells.length, names.length)
      for (const [n, cell] of cells.entries()) {
        const name = names[n] ?? ""
        assert.notMatch(cell, /[\p{Cc}\p{Cf}\u2028\u2029]/u)
        if (/^-?\d+(\.\d+)?$/.test(cell)) continue
        for (const part of cell.split(/[^\p{L}\p{N}\p{M}'=+\-@＝＋－＠]/u)) {
          assert.notMatch(part, /^[=+\-@＝＋－＠]/u, JSON.stringify(name))
        }
        if (/^[\t\r\n]/.test(name)) assert.strictEqual(cell[0], "'", JSON.stringify(name))
      }
    }),
  )

  it.live("reports a directory without a manifest, and creates nothing", () =>
    Effect.gen(function* () {
      const box = yield* Cli.sandbox
      box.write("file", "")
      for (const [args, says] of [
        [[], "live-response-results/manifest.jsonl: there is no such file"],
        [["case"], "case/manifest.jsonl: there is no such file"],
        [["file"], "file/manifest.jsonl: "],
      ] as const) {
        const { exitCode, stderr, stdout } = yield* box.run({ args: ["results", ...args] })
        assert.match(stderr, /^live-response: can't read [^\n]*; name a directory [^\n]*\n$/)
        assert.include(stderr, says)
        assert.deepStrictEqual([exitCode, stdout], [2, ""])
      }
      assert.deepStrictEqual(box.entries(), ["file"])
    }),
  )

  it.live("writes each file completely, or leaves it unchanged", () =>
    Effect.gen(function* () {
      const box = yield* Cli.sandbox
      fill(box, [[0, scriptBytes()]])
      yield* box.run(results)
      const before = box.read("results/results.csv")
      // A name that can't be taken.
      rmSync(box.path("results/results.jsonl"))
      box.write("results/results.jsonl/file", "")
      const taken = yield* box.run(results)
      assert.match(taken.stderr, /^live-response: results\/results\.jsonl: [^\n]+\n$/)
      assert.deepStrictEqual([taken.exitCode, taken.stdout], [4, ""])
      assert.isTrue(box.read("results/results.csv").equals(before))
      assert.isFalse(box.files().some((file) => file.includes(".part")))
    }),
  )

  it.live("two runs at once write complete files, from results larger than their memory", () =>
    Effect.gen(function* () {
      const box = yield* Cli.sandbox
      const large = scriptBytes({ script_output: "x".repeat(110_000_000) })
      fill(box, [[0, large], ...Array.from({ length: 500 }, (_, n): [number, Uint8Array] => [n + 1, scriptBytes()])])
      const small = { ...results, env: { ...results.env, NODE_OPTIONS: "--max-old-space-size=96" } }
      const ended = yield* Effect.all(
        Array.from({ length: 2 }, () => box.run(small)),
        { concurrency: 2 },
      )
      for (const { exitCode, stderr } of ended) assert.strictEqual(exitCode, 0, stderr)
      assert.strictEqual(jsonLines(box).length, 501)
      assert.strictEqual(readFileSync(box.path("results/results.csv"), "utf8").split("\r\n").length, 503)
      assert.deepInclude(jsonLines(box)[0], { outputCharacters: 110_000_000, outputStart: "x".repeat(200) })
    }),
  )
})
