/**
 * The README's tasks, run as they stand there.
 */
import { spawn } from "node:child_process"
import { readdirSync, readFileSync } from "node:fs"
import { delimiter, dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as ReferenceServer from "./support/ReferenceServer.ts"

const here = fileURLToPath(new URL(".", import.meta.url))
const readme = readFileSync(join(here, "../../../README.md"), "utf8")
const bins = join(here, "../../../node_modules/.bin")

/** The code of a task, by its heading. */
const blockOf = (heading: string): string => {
  const section = readme.slice(readme.indexOf(`## ${heading}`))
  return /```(?:ts|sh)\n(.*?)```/s.exec(section)?.[1] ?? ""
}

const run = (command: string, args: ReadonlyArray<string>, cwd: string, env: Record<string, string> = {}) =>
  Effect.callback<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }>((resume) => {
    const child = spawn(command, args, {
      cwd,
      env: { PATH: [bins, process.env.PATH].join(delimiter), HOME: cwd, XDG_STATE_HOME: join(cwd, ".state"), ...env },
    })
    let stdout = ""
    let stderr = ""
    child.stdout.on("data", (data: Buffer) => (stdout += data.toString()))
    child.stderr.on("data", (data: Buffer) => (stderr += data.toString()))
    child.on("close", (code) => resume(Effect.succeed({ code, stdout, stderr })))
    return Effect.sync(() => child.kill("SIGKILL"))
  })

const id = "988cc94e-7a8f-4b28-ab65-54970c5d5018"
const results = Object.fromEntries(
  Array.from({ length: 6 }, (_, i) => [`${id}:${i}`, { bytes: new TextEncoder().encode(`result ${i}`) }]),
)

/** A directory below this package, so that a program in it finds the packages. */
const workspaceDirectory = Effect.flatMap(FileSystem.FileSystem, (fs) =>
  fs.makeTempDirectoryScoped({ directory: dirname(here), prefix: ".readme-" }),
)

describe("README", () => {
  it.live("task 1: downloads a batch", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const server = yield* ReferenceServer.make({ results })
      const cwd = yield* fs.makeTempDirectoryScoped()
      yield* fs.writeFileString(join(cwd, "targets.txt"), `${id}:1-3\n`)
      yield* fs.writeFileString(join(cwd, "hunt.tsv"), `${id}:4\tWS-0004\n${id}:5\tWS-0005\n`)
      const script = blockOf("Task 1")
        .replace(/^export .*$/m, "set -e")
        .replaceAll("npx live-response", "live-response")
        .replace("jq .event", "cat")
      const ended = yield* run("sh", ["-c", script], cwd, {
        LIVE_RESPONSE_TOKEN: server.bearer,
        LIVE_RESPONSE_ENDPOINT: server.endpoint,
      })
      assert.strictEqual(ended.code, 0, ended.stderr)
      assert.deepStrictEqual(readdirSync(join(cwd, "live-response-results", id)).toSorted(), [
        "0.bin",
        "4.bin",
        "5.bin",
      ])
      assert.deepStrictEqual(readdirSync(join(cwd, "case-4711", id)).toSorted(), ["1.bin", "2.bin", "3.bin"])
      assert.match(ended.stdout, /"event":"summary","completed":2/)
    }).pipe(Effect.scoped, Effect.provide(NodeFileSystem.layer)),
  )

  it.live("task 2: is embedded in a program", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const server = yield* ReferenceServer.make({ results })
      const cwd = yield* workspaceDirectory
      yield* fs.writeFileString(join(cwd, "task.ts"), `${blockOf("Task 2")}\nawait Effect.runPromise(program)\n`)
      const ended = yield* run("node", ["task.ts"], cwd, {
        LIVE_RESPONSE_TOKEN: server.bearer,
        LIVE_RESPONSE_ENDPOINT: server.endpoint,
      })
      assert.strictEqual(ended.code, 0, ended.stderr)
      assert.strictEqual(ended.stdout.match(/: 8 bytes, SHA-256 [0-9a-f]{64}/g)?.length, 6, ended.stdout)
    }).pipe(Effect.scoped, Effect.provide(NodeFileSystem.layer)),
  )

  it.live("task 3: tests a program with the simulator", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const cwd = yield* workspaceDirectory
      const code = blockOf("Task 3")
      yield* fs.writeFileString(join(cwd, "task.ts"), code)
      const ended = yield* run("node", ["task.ts"], cwd)
      assert.strictEqual(ended.code, 0, ended.stderr)
      assert.strictEqual(ended.stdout.trim(), /console\.log\(.*\) \/\/ (.*)/.exec(code)?.[1])
    }).pipe(Effect.scoped, Effect.provide(NodeFileSystem.layer)),
  )
})
