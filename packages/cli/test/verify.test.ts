/**
 * `verify`: whether results are still what was downloaded; and what `results` and `show` say of one that is not.
 */
import { execFileSync } from "node:child_process"
import { createHash } from "node:crypto"
import { linkSync, mkdirSync, renameSync, rmSync, statSync, symlinkSync } from "node:fs"
import { dirname, join } from "node:path"
import { gzipSync } from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Cli from "./support/CliInProcess.ts"
import * as Directory from "./support/Directory.ts"
import * as ReferenceServer from "./support/ReferenceServer.ts"
import * as Samples from "./support/Samples.ts"

const id = Samples.action(0)
const target = (index: number) => `${id}:${index}`
const sha256Of = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex")

const script = (output: string) =>
  Buffer.from(JSON.stringify({ script_name: "a.ps1", exit_code: 0, script_output: output, script_errors: "" }))

const contents = [script("first"), gzipSync("collected"), Buffer.from("plain"), script("fourth")]
const paths = ["0.json", "1.gz", "2.bin", "3.json"].map((name) => `${id}/${name}`)

/** A directory into which four results were downloaded. */
const downloaded = Effect.gen(function* () {
  const results = Object.fromEntries(contents.map((bytes, index) => [target(index), { bytes }]))
  const server = yield* ReferenceServer.make({ results })
  const box = yield* Cli.sandbox
  const ended = yield* box.run(Cli.download(server, ...contents.map((_, index) => target(index))))
  assert.strictEqual(ended.exitCode, 0, ended.stderr)
  return { box, server }
})

const recordOf = (index: number) => ({
  machineActionId: id,
  index,
  path: paths[index],
  bytes: contents[index]?.length,
  sha256: sha256Of(contents[index] ?? new Uint8Array()),
})

const verify = (...args: ReadonlyArray<string>): Cli.Command => ({ args: ["verify", "results", ...args] })

const inOrder = (stdout: string) =>
  [...Cli.ndjson(stdout)].sort((a, b) => Number(a["index"] ?? 1000) - Number(b["index"] ?? 1000))

describe("verify", () => {
  it.live("finds downloaded results unchanged, and writes nothing", () =>
    Effect.gen(function* () {
      const { box } = yield* downloaded
      const before = box.files(box.root)
      const changed = () => before.map((path) => statSync(box.path(path)).mtimeMs)
      const times = changed()
      const { exitCode, stderr, stdout } = yield* box.run(verify())
      const bytes = contents.reduce((sum, { length }) => sum + length, 0)
      assert.deepStrictEqual([exitCode, stdout, stderr], [0, `4 verified (${bytes} B), 0 differ, 0 missing.\n`, ""])
      const json = yield* box.run(verify("--json"))
      assert.deepStrictEqual(inOrder(json.stdout), [
        ...paths.map((_, index) => ({ event: "verified", ...recordOf(index) })),
        { event: "summary", verified: 4, differs: 0, missing: 0, unrecorded: 0, damaged: 0, bytes },
      ])
      assert.strictEqual(Cli.ndjson(json.stdout).at(-1)?.["event"], "summary")
      const quiet = yield* box.run(verify("--quiet"))
      assert.deepStrictEqual([quiet.exitCode, quiet.stdout, quiet.stderr], [0, "", ""])
      assert.deepStrictEqual(box.files(box.root), before)
      assert.deepStrictEqual(changed(), times)
    }),
  )

  it.live("reports each file that differs, is missing or is a link, checks the rest, and exits with 1", () =>
    Effect.gen(function* () {
      const { box } = yield* downloaded
      const changed = script("FIRST")
      box.write(`results/${paths[0]}`, changed)
      box.write(`results/${paths[1]}`, "short")
      rmSync(box.path(`results/${paths[2]}`))
      renameSync(box.path(`results/${paths[3]}`), box.path("elsewhere"))
      symlinkSync(box.path("elsewhere"), box.path(`results/${paths[3]}`))
      const { exitCode, stderr, stdout } = yield* box.run(verify("--json"))
      const differs = (index: number, message: string) => ({ event: "differs", ...recordOf(index), message })
      const was = (index: number) => `and it was ${recordOf(index).sha256} when it was downloaded`
      assert.deepStrictEqual(inOrder(stdout), [
        differs(0, `its SHA-256 is ${sha256Of(changed)}, ${was(0)}`),
        differs(1, `it has 5 bytes, and had ${recordOf(1).bytes} when it was downloaded`),
        { event: "missing", ...recordOf(2) },
        differs(3, "it is a symbolic link, and no link is followed here; remove it, or choose another directory"),
        { event: "summary", verified: 0, differs: 3, missing: 1, unrecorded: 0, damaged: 0, bytes: 0 },
      ])
      const lines = stderr.trimEnd().split("\n").sort()
      assert.strictEqual(lines.length, 4, stderr)
      assert.include(
        stderr,
        `live-response: ${paths[2]} is missing; download it again: live-response download ${target(2)} --out results\n`,
      )
      for (const index of [0, 1, 3]) {
        assert.include(
          stderr,
          `live-response: ${paths[index]} differs from its record in the manifest: it `.slice(0, -4),
        )
      }
      assert.strictEqual(exitCode, 1)
      const text = yield* box.run(verify())
      assert.deepStrictEqual([text.exitCode, text.stdout], [1, "0 verified (0 B), 3 differ, 1 missing.\n"])
    }),
  )

  it.live("reports a damaged line of the manifest, and the file that no line records any more", () =>
    Effect.gen(function* () {
      const { box } = yield* downloaded
      // One flipped bit: the quote becomes another character.
      const manifest = box.read("results/manifest.jsonl")
      const lines = manifest.toString().split("\n")
      const line = lines.findIndex((text) => text.includes(paths[1] ?? ""))
      const at = lines.slice(0, line).join("\n").length + 3
      manifest[at] = (manifest[at] ?? 0) ^ 1
      box.write("results/manifest.jsonl", manifest)
      box.write(`results/${id}/9.bin`, "whose?")

      const { exitCode, stderr, stdout } = yield* box.run(verify("--json"))
      const events = Cli.ndjson(stdout)
      assert.deepStrictEqual(
        events.filter(({ event }) => event !== "verified"),
        [
          { event: "damaged", line: line + 1 },
          ...[paths[1], `${id}/9.bin`].map((path) => ({ event: "unrecorded", path })),
          { ...events.at(-1), event: "summary", verified: 3, differs: 0, missing: 0, unrecorded: 2, damaged: 1 },
        ],
      )
      assert.include(stderr, `live-response: manifest.jsonl: line ${line + 1} is damaged, so the result`)
      assert.include(stderr, `live-response: ${paths[1]} is not recorded in the manifest, so`)
      assert.strictEqual(exitCode, 1)
      const text = yield* box.run(verify())
      assert.match(text.stdout, /, 0 missing, 2 not recorded, 1 damaged line in the manifest\.\n$/)

      const table = yield* box.run({ args: ["results", "results", "--json"] })
      const warned = `results/manifest.jsonl: line ${line + 1} is damaged and was skipped; it`
      assert.include(table.stderr, `${warned}s result has no row`)
      const shown = yield* box.run({ args: ["show", target(0), "--out", "results"] })
      assert.include(shown.stderr, `${warned} may be the record of this result`)
    }),
  )

  it.live.each([
    { what: "a directory", put: (path: string) => mkdirSync(path), says: "there is a directory; remove it" },
    {
      what: "a named pipe",
      put: (path: string) => execFileSync("mkfifo", ["-m", "600", path]),
      says: "there is a named pipe; remove it",
    },
    {
      what: "a hard link",
      put: (path: string) => linkSync(join(dirname(path), "3.json"), path),
      says: "the file has another name elsewhere (a hard link)",
    },
  ])("verifies the other results where $what stands in place of one", ({ put, says, what }) =>
    Effect.gen(function* () {
      const { box } = yield* downloaded
      const path = box.path(`results/${paths[0]}`)
      rmSync(path)
      put(path)
      const { exitCode, stderr, stdout } = yield* box.run(verify("--json"))
      // A hard link to another result is trouble for both.
      const differs = what === "a hard link" ? 2 : 1
      assert.deepInclude(Cli.ndjson(stdout).at(-1), { verified: 4 - differs, differs, missing: 0 })
      assert.include(stderr, says)
      assert.strictEqual(exitCode, 1)

      const table = yield* box.run({ args: ["results", "results", "--json"] })
      assert.strictEqual(table.exitCode, 0, table.stderr)
      assert.deepInclude(Cli.ndjson(table.stdout)[0], { rows: 2 - differs })
      assert.match(table.stderr, new RegExp(`^live-response: no row for (?:2 files, .*)?${paths[0]}.*: `, "m"))
    }),
  )

  it.live("reports each result of a machine action in place of whose directory there is a file", () =>
    Effect.gen(function* () {
      const { box } = yield* downloaded
      rmSync(box.path(`results/${id}`), { recursive: true })
      box.write(`results/${id}`, "")
      const { exitCode, stderr, stdout } = yield* box.run(verify("--json"))
      assert.deepInclude(Cli.ndjson(stdout).at(-1), { verified: 0, differs: 4, missing: 0, unrecorded: 0 })
      assert.include(stderr, "there is a file where a directory is needed")
      assert.strictEqual(exitCode, 1)
      const table = yield* box.run({ args: ["results", "results", "--json"] })
      assert.deepStrictEqual([table.exitCode, Cli.ndjson(table.stdout)[0]?.["rows"]], [0, 0], table.stderr)
    }),
  )

  it.live("reports results as unchecked whose storage announced neither a length nor an MD5", () =>
    Effect.gen(function* () {
      const [bytes = Buffer.from("")] = contents
      const server = yield* ReferenceServer.make({
        results: { [target(0)]: { bytes, md5: null }, [target(2)]: { bytes: Buffer.from("plain") } },
        onBlob: ({ result }) => (result === target(0) ? { withoutLength: true } : undefined),
      })
      const box = yield* Cli.sandbox
      const download = yield* box.run(Cli.download(server, "--json", target(0), target(2)))
      assert.strictEqual(download.exitCode, 0, download.stderr)
      const [warning, ...others] = download.stderr.split("\n").filter((line) => line.includes("unchecked"))
      assert.deepStrictEqual(others, [])
      assert.match(
        warning ?? "",
        new RegExp(`^${target(0)} is unchecked: .*; download it again into another directory`),
      )
      const marks = Cli.ndjson(download.stdout).flatMap(({ event, index, unchecked }) =>
        event === "completed" || event === "summary" ? [{ event, index, unchecked }] : [],
      )
      assert.sameDeepMembers(marks, [
        { event: "completed", index: 0, unchecked: true },
        { event: "completed", index: 2, unchecked: undefined },
        { event: "summary", index: undefined, unchecked: 1 },
      ])
      const records = Cli.ndjson(box.read("results/manifest.jsonl").toString())
      assert.strictEqual(records.find(({ index }) => index === 0)?.["unchecked"], true)

      const text = yield* box.run(verify())
      assert.deepStrictEqual(
        [text.exitCode, text.stdout, text.stderr],
        [
          0,
          `2 verified (${bytes.length + 5} B), 1 of them unchecked, 0 differ, 0 missing.\n`,
          `live-response: ${paths[0]} is unchanged since its download, but may be incomplete: the storage announced neither its length nor an MD5\n`,
        ],
      )
      const json = inOrder((yield* box.run(verify("--json"))).stdout)
      assert.deepStrictEqual(json[0], { event: "verified", ...recordOf(0), unchecked: true })
      assert.deepInclude(json.at(-1), { verified: 2, unchecked: 1 })
    }),
  )

  it.live("works while a download is in progress, and checks what the manifest records", () =>
    Effect.gen(function* () {
      const held = target(1)
      const server = yield* ReferenceServer.make({
        results: { [target(0)]: { bytes: contents[0] ?? Buffer.from("") }, [held]: { bytes: Buffer.alloc(1000) } },
        onBlob: ({ result }) => (result === held ? { holdAfter: 500 } : undefined),
      })
      const box = yield* Cli.sandbox
      yield* box.start(Cli.download(server, target(0), held))
      yield* Cli.until(
        () => box.files(box.root).includes("results/manifest.jsonl") && box.read("results/manifest.jsonl").length > 0,
        () => "the first result",
      )
      const { exitCode, stderr, stdout } = yield* box.run(verify("--json"))
      assert.strictEqual(exitCode, 0, stderr)
      assert.deepInclude(Cli.ndjson(stdout).at(-1), { verified: 1, differs: 0, missing: 0 })
    }),
  )

  it.live("uses the last record of a target, and ignores failed ones", () =>
    Effect.gen(function* () {
      const { box } = yield* downloaded
      const lines = box.read("results/manifest.jsonl").toString()
      const [first = ""] = lines.split("\n")
      box.write("results/manifest.jsonl", `${first.replace(/"sha256":"[0-9a-f]+"/, `"sha256":"00"`)}\n${lines}`)
      assert.strictEqual((yield* box.run(verify())).exitCode, 0)
    }),
  )

  it.live("reports a directory with nothing to verify, and what can't be read", () =>
    Effect.gen(function* () {
      const box = yield* Cli.sandbox
      mkdirSync(box.path("empty"))
      for (const directory of ["nowhere", "empty"]) {
        const { exitCode, stderr, stdout } = yield* box.run({ args: ["verify", directory] })
        assert.match(stderr, /^live-response: can't read [^\n]*; name a directory [^\n]*\n$/)
        assert.deepStrictEqual([exitCode, stdout], [2, ""])
      }
    }),
  )
})

describe("a result that has changed", () => {
  it.live("has no row in results, which reports it", () =>
    Effect.gen(function* () {
      const { box } = yield* downloaded
      box.write(`results/${paths[0]}`, script("FIRST"))
      const { exitCode, stderr, stdout } = yield* box.run({ args: ["results", "results", "--json"] })
      assert.match(stderr, new RegExp(`^live-response: no row for ${paths[0]}: its SHA-256 is [0-9a-f]{64}, [^\n]*\n$`))
      assert.deepInclude(Cli.ndjson(stdout)[0], { rows: 1 })
      assert.strictEqual(exitCode, 0)
    }),
  )

  it.live.each([{ flags: [] }, { flags: ["--raw"] }, { flags: ["--json"] }])(
    "is shown with a warning: $flags",
    ({ flags }) =>
      Effect.gen(function* () {
        const { box } = yield* downloaded
        const show = { args: ["show", target(0), "--out", "results", ...flags] }
        assert.strictEqual((yield* box.run(show)).stderr, "")
        box.write(`results/${paths[0]}`, script("FIRST"))
        const { exitCode, stderr, stdout } = yield* box.run(show)
        assert.match(
          stderr,
          new RegExp(`^live-response: results/${paths[0]} differs from what was downloaded: its SHA-256 is [^\n]*\n$`),
        )
        assert.include(stdout, "FIRST")
        assert.strictEqual(exitCode, 0)
      }),
  )
})

describe("what show reports", () => {
  it.live("starts a line of its own, after output that does not end one", () =>
    Effect.gen(function* () {
      const { box } = yield* downloaded
      const show = { args: ["show", target(0), "--out", "results"] }
      box.write(`results/${paths[0]}`, script("FIRST"))
      const warned = yield* box.run(Cli.inShell(show, `"$@" 2>&1`))
      assert.match(warned.stdout, /^FIRST\nlive-response: results\/\S+ differs from what was downloaded: [^\n]*\n$/)
      // It ends in the middle, which is an error.
      const bytes = Buffer.from(`{"script_name":"a.ps1","exit_code":0,"script_output":"${"long".repeat(100_000)}`)
      Directory.fill(box, { results: [{ machine: 0, bytes }] })
      const failed = yield* box.run(Cli.inShell(show, `"$@" 2>&1`))
      assert.match(failed.stdout, /^(?:long)+[long]*\nlive-response: /)
      assert.strictEqual(failed.exitCode, 1)
    }),
  )
})

describe("a directory that is named twice", () => {
  it.live.each(["results", "stack", "status", "verify"])("is one, or the command line is wrong: %s", (command) =>
    Effect.gen(function* () {
      const { box } = yield* downloaded
      const env = { LIVE_RESPONSE_OUT: "elsewhere" }
      const two = yield* box.run({ args: [command, "results", "--out", "other"], env })
      assert.deepStrictEqual(
        [two.exitCode, two.stdout, two.stderr],
        [2, "", "live-response: DIR is results, and --out is other: leave one out, they mean the same\n"],
      )
      for (const args of [["results"], ["--out", "results"], ["results", "--out", "results"]]) {
        const one = yield* box.run({ args: [command, ...args], env })
        assert.strictEqual(one.exitCode, 0, one.stderr)
      }
    }),
  )
})
