/** A process ends although a call of the operating system does not return. */
import { execFileSync, spawn } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"

const module = new URL("../src/BlockedProcess.ts", import.meta.url).href

/** A program that makes a call, and exits with 3 at once: its exit code, its signal, and what it wrote. */
const exitWhile = (call: string) =>
  Effect.callback<{ readonly code: number | null; readonly signal: string | null; readonly stderr: string }>(
    (resume) => {
      const program = `import { readFile, stat } from "node:fs"
      import { exit } from ${JSON.stringify(module)}
      ${call}
      exit(process, () => process.exit(3))`
      const child = spawn(process.execPath, ["--input-type=module", "--eval", program], {
        stdio: ["ignore", "ignore", "pipe"],
        cwd: import.meta.dirname,
      })
      const lines: Array<string> = []
      child.stderr.on("data", (chunk) => lines.push(String(chunk)))
      child.once("close", (code, signal) => resume(Effect.succeed({ code, signal, stderr: lines.join("") })))
      return Effect.sync(() => void child.kill("SIGKILL"))
    },
  )

describe.skipIf(process.platform === "win32")("BlockedProcess.exit", () => {
  it.live("waits for a call that returns", () =>
    Effect.gen(function* () {
      const { code, signal, stderr } = yield* exitWhile(`stat(process.execPath, () => {})`)
      assert.deepStrictEqual([code, signal, stderr], [3, null, ""])
    }),
  )

  it.live("kills the process where a call does not return: process.exit would wait for it", () =>
    Effect.gen(function* () {
      const directory = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "blocked-"))),
        (path) => Effect.sync(() => rmSync(path, { recursive: true })),
      )
      const fifo = join(directory, "fifo")
      execFileSync("mkfifo", [fifo])
      const { signal, stderr } = yield* exitWhile(`readFile(${JSON.stringify(fifo)}, () => {})`)
      assert.strictEqual(signal, "SIGKILL")
      assert.match(stderr, /^live-response: a file or a directory does not answer, .*\n$/)
    }),
  )
})
