import { createHash } from "node:crypto"
import { stripVTControlCharacters } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TenantServer from "../../node/test/support/tenantServer.ts"
import * as Cli from "./support/CliInProcess.ts"
import * as ServedSimulator from "./support/ServedSimulator.ts"

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex")

/** The same commands against the simulator, and against a server that shares no code with the project. */
const services = [
  {
    service: "the simulator",
    serve: Effect.map(ServedSimulator.serve({ library: [] }), ({ env }) => env),
  },
  {
    service: "an independent server",
    serve: Effect.map(TenantServer.serve(), TenantServer.envOf),
  },
]

describe("library", () => {
  it.live.each(services)("uploads, lists, replaces and deletes files of $service", ({ serve }) =>
    Effect.gen(function* () {
      const env = yield* serve
      const box = yield* Cli.sandbox
      box.write("scripts/collect.ps1", "Get-Process")
      box.write("tool.exe", new Uint8Array([1, 2, 3]))
      const run = (...args: ReadonlyArray<string>) => box.run({ args: ["library", ...args], env })

      const empty = yield* run("list")
      assert.deepStrictEqual([empty.exitCode, empty.stdout, empty.stderr], [0, "", ""])
      const uploaded = yield* run(
        "upload",
        "scripts/collect.ps1",
        "tool.exe",
        "--description",
        "Triage\u001b[31m",
        "--parameters",
        "-Quick",
        "--json",
      )
      assert.strictEqual(uploaded.exitCode, 0, uploaded.stderr)
      assert.deepInclude(Cli.ndjson(uploaded.stdout)[0], {
        fileName: "collect.ps1",
        sha256: sha256("Get-Process"),
        description: "Triage\u001b[31m",
        hasParameters: true,
        parametersDescription: "-Quick",
      })
      assert.notInclude(uploaded.stdout, "\u001b")
      const listed = yield* run("list")
      assert.deepStrictEqual(
        listed.stdout
          .trimEnd()
          .split("\n")
          .map((line) => line.split("\t"))
          .map(([name, , , hash, description]) => [name, hash, description]),
        [
          ["collect.ps1", sha256("Get-Process"), "Triage\uFFFD[31m (-Quick)"],
          ["tool.exe", sha256("\u0001\u0002\u0003"), "Triage\uFFFD[31m (-Quick)"],
        ],
      )

      const again = yield* run("upload", "scripts/collect.ps1")
      assert.strictEqual(again.exitCode, 0, again.stderr)
      assert.include(again.stderr, "collect.ps1: the library has it already")

      box.write("scripts/collect.ps1", "Get-Service")
      const refused = yield* run("upload", "scripts/collect.ps1")
      assert.strictEqual(refused.exitCode, 2)
      assert.strictEqual(
        refused.stderr,
        "live-response: this would replace collect.ps1 in the library, which has other content; confirm it with --yes, because there is no terminal to ask on\n",
      )
      const replaced = yield* run("upload", "scripts/collect.ps1", "--yes", "--json")
      assert.strictEqual(replaced.exitCode, 0, replaced.stderr)
      // What describes the file stays.
      assert.deepInclude(Cli.ndjson(replaced.stdout)[0], {
        sha256: sha256("Get-Service"),
        parametersDescription: "-Quick",
      })

      const unknown = yield* run("delete", "colect.ps1", "--yes")
      assert.strictEqual(unknown.exitCode, 2)
      assert.strictEqual(
        unknown.stderr,
        "live-response: the library has no file colect.ps1; did you mean collect.ps1?\n",
      )
      const unconfirmed = yield* run("delete", "collect.ps1")
      assert.strictEqual(unconfirmed.exitCode, 2)
      assert.include(unconfirmed.stderr, "this would delete collect.ps1 from the library; confirm it with --yes")
      const deleted = yield* run("delete", "COLLECT.ps1", "tool.exe", "--yes")
      assert.deepStrictEqual([deleted.exitCode, deleted.stderr], [0, "collect.ps1: deleted\ntool.exe: deleted\n"])
      assert.strictEqual((yield* run("list")).stdout, "")
    }),
  )

  it.live("sends nothing of a file that is missing, not a file, or too large", () =>
    Effect.gen(function* () {
      const server = yield* TenantServer.serve()
      const env = TenantServer.envOf(server)
      const box = yield* Cli.sandbox
      box.write("large.bin", new Uint8Array(20 * 1024 * 1024 + 1))
      box.write("collect.ps1", "Get-Process")
      const upload = (...files: ReadonlyArray<string>) => box.run({ args: ["library", "upload", ...files], env })
      const missing = yield* upload("collect.ps1", "nowhere.ps1")
      assert.deepStrictEqual(
        [missing.exitCode, missing.stderr],
        [2, "live-response: can't read nowhere.ps1: there is no such file\n"],
      )
      const directory = yield* upload(".")
      assert.deepStrictEqual(
        [directory.exitCode, directory.stderr],
        [2, "live-response: can't read .: it is not a file\n"],
      )
      const large = yield* upload("large.bin")
      assert.strictEqual(large.exitCode, 2)
      assert.include(large.stderr, "large.bin is too large: the library accepts 20 MB at most through the API")
      assert.deepStrictEqual(server.requests(), [])
    }),
  )

  it.live("uploads a file of exactly 20 MB to the simulator", () =>
    Effect.gen(function* () {
      const { env } = yield* ServedSimulator.serve({ library: [] })
      const box = yield* Cli.sandbox
      box.write("large.bin", new Uint8Array(20 * 1024 * 1024))
      const { exitCode, stderr } = yield* box.run({ args: ["library", "upload", "large.bin"], env })
      assert.strictEqual(exitCode, 0, stderr)
    }),
  )

  it.live("asks before it replaces a file whose name differs in case, and keeps the library's spelling", () =>
    Effect.gen(function* () {
      const server = yield* TenantServer.serve()
      const env = TenantServer.envOf(server)
      const box = yield* Cli.sandbox
      box.write("Collect.ps1", "Get-Process")
      box.write("other/collect.PS1", "Get-Service")
      const upload = (...args: ReadonlyArray<string>) => box.run({ args: ["library", "upload", ...args], env })
      yield* upload("Collect.ps1")
      const refused = yield* upload("other/collect.PS1")
      assert.strictEqual(refused.exitCode, 2)
      assert.include(refused.stderr, "this would replace Collect.ps1 in the library, which has other content")
      const replaced = yield* upload("other/collect.PS1", "--yes")
      assert.strictEqual(replaced.exitCode, 0, replaced.stderr)
      assert.deepStrictEqual(
        [...server.files.values()].map(({ content, fileName }) => [fileName, content.toString()]),
        [["Collect.ps1", "Get-Service"]],
      )
    }),
  )

  it.live("does not replace a file that somebody uploads after it has looked", () =>
    Effect.gen(function* () {
      const theirs = { description: null, hasParameters: false, parametersDescription: null, writes: 1 }
      const server: Effect.Success<ReturnType<typeof TenantServer.serve>> = yield* TenantServer.serve({
        fault: (method, _path, nth) => {
          if (method === "POST" && nth === 1) {
            server.files.set("a.ps1", { ...theirs, fileName: "a.ps1", content: Buffer.from("theirs") })
          }
          return undefined
        },
      })
      const env = TenantServer.envOf(server)
      const box = yield* Cli.sandbox
      box.write("a.ps1", "ours")
      const { exitCode, stderr } = yield* box.run({ args: ["library", "upload", "a.ps1", "--yes"], env })
      assert.notStrictEqual(exitCode, 0)
      assert.include(stderr, "File a.ps1 already exists.")
      assert.strictEqual(server.files.get("a.ps1")?.content.toString(), "theirs")
    }),
  )

  it.live("refuses two files with one name, in whatever case, before it sends anything", () =>
    Effect.gen(function* () {
      const server = yield* TenantServer.serve()
      const env = TenantServer.envOf(server)
      const box = yield* Cli.sandbox
      box.write("a/x.ps1", "1")
      box.write("b/X.ps1", "2")
      const same = "would have the same name in the library; rename one, or leave one out\n"
      for (const [args, names] of [
        [["library", "upload", "a/x.ps1", "b/X.ps1", "--yes"], "a/x.ps1 and b/X.ps1"],
        [
          ["run", "0".repeat(40), "--script", "./a/x.ps1", "--put-file", "./b/X.ps1", "--yes"],
          "./b/X.ps1 and ./a/x.ps1",
        ],
        [["run", "0".repeat(40), "--script", "x.ps1", "--put-file", "./b/X.ps1", "--yes"], "./b/X.ps1 and x.ps1"],
      ] as const) {
        const { exitCode, stderr } = yield* box.run({ args, env })
        assert.deepStrictEqual([exitCode, stderr], [2, `live-response: ${names} ${same}`])
      }
      assert.deepStrictEqual(server.requests(), [])
      const once = yield* box.run({ args: ["library", "upload", "a/x.ps1", "a/x.ps1"], env })
      assert.strictEqual(once.exitCode, 0, once.stderr)
      assert.strictEqual(server.requests("POST").length, 1)
    }),
  )

  it.live("refuses two local files whose names differ in case alone, and deletes a file once that is named twice", () =>
    Effect.gen(function* () {
      const server = yield* TenantServer.serve()
      const env = TenantServer.envOf(server)
      const box = yield* Cli.sandbox
      box.write("dup.ps1", "1")
      box.write("DUP.PS1", "2")
      box.write("other.ps1", "3")
      const run = (...args: ReadonlyArray<string>) => box.run({ args: ["library", ...args, "--yes"], env })
      const refused = yield* run("upload", "dup.ps1", "DUP.PS1")
      assert.deepStrictEqual(
        [refused.exitCode, refused.stderr],
        [
          2,
          "live-response: dup.ps1 and DUP.PS1 would have the same name in the library; rename one, or leave one out\n",
        ],
      )
      assert.deepStrictEqual(server.requests(), [])
      yield* run("upload", "dup.ps1", "other.ps1")
      const deleted = yield* run("delete", "dup.ps1", "DUP.PS1", "other.ps1")
      assert.deepStrictEqual([deleted.exitCode, deleted.stderr], [0, "dup.ps1: deleted\nother.ps1: deleted\n"])
    }),
  )

  it.live.each([
    { args: ["library", "upload", "a.ps1"] },
    { args: ["run", "0".repeat(40), "--script", "./a.ps1"] },
    { args: ["library", "upload", "same.ps1", "--description", "new"] },
  ])("$args does not replace a file that somebody has uploaded since it was compared", ({ args }) =>
    Effect.gen(function* () {
      const theirs = { description: null, hasParameters: false, parametersDescription: null, writes: 1 }
      const name = args.includes("same.ps1") ? "same.ps1" : "a.ps1"
      const store = (content: string) =>
        server.files.set(name, { ...theirs, fileName: name, content: Buffer.from(content) })
      const server: Effect.Success<ReturnType<typeof TenantServer.serve>> = yield* TenantServer.serve({
        fault: (method, path, nth) => {
          // As if a colleague had uploaded it while a person thinks about the question.
          if (method === "GET" && path === "/api/libraryfiles" && nth === 2) store("theirs")
          return undefined
        },
      })
      store(name === "same.ps1" ? "ours" : "before")
      const box = yield* Cli.sandbox
      box.write("a.ps1", "ours")
      box.write("same.ps1", "ours")
      const { exitCode, stderr } = yield* box.run({ args: [...args, "--yes"], env: TenantServer.envOf(server) })
      assert.deepStrictEqual(
        [exitCode, stderr],
        [
          1,
          `live-response: somebody has uploaded another ${name} to the library meanwhile, so nothing was uploaded; run the command again\n`,
        ],
      )
      assert.deepStrictEqual(server.requests("POST"), [])
    }),
  )

  it.live.each([
    { args: ["library", "list"] },
    { args: ["run", "0".repeat(40), "--script", "a.ps1"] },
    { args: ["run", "0".repeat(40), "--script", "a.ps1", "--dry-run"] },
  ])("says that it waits for the quota: $args", ({ args }) =>
    Effect.gen(function* () {
      const server = yield* TenantServer.serve({
        fault: (_, path, nth) =>
          path === "/api/libraryfiles" && nth === 1 ? { status: 429, headers: { "retry-after": "2" } } : undefined,
      })
      const box = yield* Cli.sandbox
      const { stderr } = yield* box.run({ args: [...args], env: TenantServer.envOf(server) })
      assert.match(stderr, /^waiting for the quota of ListLibraryFiles until \S+ UTC\S* \(in \d+ s\)$/m)
    }),
  )

  it.live("names the permission that is missing", () =>
    Effect.gen(function* () {
      const server = yield* TenantServer.serve({
        fault: () => ({ status: 403, body: { error: { code: "Forbidden", message: "Missing role." } } }),
      })
      const env = TenantServer.envOf(server)
      const box = yield* Cli.sandbox
      const { exitCode, stderr } = yield* box.run({ args: ["library", "list"], env })
      assert.strictEqual(exitCode, 3)
      assert.include(
        stderr,
        "list of library files: permission is missing (HTTP 403 Forbidden: Missing role.); the call needs Library.Manage",
      )
    }),
  )

  it.live.each([
    { before: "y\r", then: "n\r" },
    { before: "y\ry\r", then: "\r" },
    { before: "y", then: "\r" },
  ])("does not take $before, typed before the question, as its answer", ({ before, then }) =>
    Effect.gen(function* () {
      const server = yield* TenantServer.serve()
      const env = TenantServer.envOf(server)
      const box = yield* Cli.sandbox
      box.write("collect.ps1", "Get-Process")
      yield* box.run({ args: ["library", "upload", "collect.ps1"], env })
      const terminal = yield* box.onTerminal({ args: ["library", "delete", "collect.ps1"], env }, { columns: 100 })
      yield* terminal.type(before)
      yield* Cli.until(
        () => terminal.output().includes("Continue? [y/N]"),
        () => `the question\n${terminal.output()}`,
      )
      yield* terminal.type(then)
      const ended = yield* terminal.ended
      assert.strictEqual(ended.exitCode, 1, ended.output)
      assert.include(ended.output, "not confirmed, so nothing was changed")
      assert.strictEqual(server.files.size, 1)
    }),
  )

  it.live.each([
    { typed: "y\r", exitCode: 0, left: 0 },
    { typed: "n\r", exitCode: 1, left: 1 },
    { typed: "\r", exitCode: 1, left: 1 },
  ])("asks on a terminal, and takes $typed as exit code $exitCode", ({ exitCode, left, typed }) =>
    Effect.gen(function* () {
      const server = yield* TenantServer.serve()
      const env = TenantServer.envOf(server)
      const box = yield* Cli.sandbox
      box.write("collect.ps1", "Get-Process")
      yield* box.run({ args: ["library", "upload", "collect.ps1"], env })
      const terminal = yield* box.onTerminal({ args: ["library", "delete", "collect.ps1"], env }, { columns: 100 })
      yield* Cli.until(
        () =>
          stripVTControlCharacters(terminal.output()).includes(
            "This will delete collect.ps1 from the library. Continue? [y/N]",
          ),
        () => `the question\n${terminal.output()}`,
      )
      yield* terminal.type(typed)
      const ended = yield* terminal.ended
      assert.strictEqual(ended.exitCode, exitCode, ended.output)
      if (exitCode === 1) assert.include(ended.output, "not confirmed, so nothing was changed")
      assert.strictEqual(server.files.size, left)
    }),
  )
})
