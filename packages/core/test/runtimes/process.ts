/** Runs the programs of this directory in Deno and Bun. */
import { type ChildProcess, spawn } from "node:child_process"
import { existsSync, realpathSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"

const pathOf = (relative: string) => fileURLToPath(new URL(relative, import.meta.url))

/**
 * The paths of the binaries. The packages `deno` and `bun` have none: their install scripts, which do not run here, would
 * link or download it. The lockfile pins a package with the binary for each platform.
 */
const binaries = {
  deno: [
    "@deno/darwin-arm64/deno",
    "@deno/darwin-x64/deno",
    "@deno/linux-arm64-glibc/deno",
    "@deno/linux-x64-glibc/deno",
    "@deno/win32-arm64/deno.exe",
    "@deno/win32-x64/deno.exe",
  ],
  bun: [
    "@oven/bun-darwin-aarch64/bin/bun",
    "@oven/bun-darwin-x64/bin/bun",
    "@oven/bun-linux-aarch64/bin/bun",
    "@oven/bun-linux-x64/bin/bun",
    "@oven/bun-windows-aarch64/bin/bun.exe",
    "@oven/bun-windows-x64/bin/bun.exe",
  ],
} as const

const binaryOf = (runtime: Runtime) => {
  const directory = join(realpathSync(pathOf(`../../node_modules/${runtime}`)), "..")
  const found = binaries[runtime].map((path) => join(directory, path)).find((path) => existsSync(path))
  assert.isDefined(found, `no binary of ${runtime} for this platform is installed`)
  return found
}

/** Allow only loopback, and no access to a registry. */
const flags = {
  deno: [
    "run",
    "--no-prompt",
    "--no-remote",
    "--cached-only",
    "--no-lock",
    "--node-modules-dir=manual",
    "--allow-net=127.0.0.1",
  ],
  bun: ["run", "--no-install"],
} as const

export type Runtime = keyof typeof flags

export const runtimes = ["deno", "bun"] as const

/** A program that did not print a line. */
export class ProgramError extends Schema.TaggedError<ProgramError>()("ProgramError", { message: Schema.String }) {}

/** Closes the standard input of a program, and waits until it exits. */
const end = (child: ChildProcess, name: string) =>
  Effect.callback<number | null>((resume) => {
    child.stdin?.end()
    if (child.exitCode !== null) return resume(Effect.succeed(child.exitCode))
    child.once("exit", (code) => resume(Effect.succeed(code)))
  }).pipe(
    Effect.interruptible,
    Effect.timeoutOrElse({
      duration: "1 minute",
      orElse: () => Effect.sync(() => child.kill("SIGKILL")).pipe(Effect.as("a kill")),
    }),
    Effect.flatMap((code) => (code === 0 ? Effect.void : Effect.die(`${name} exited with ${code}`))),
  )

/** Starts a program for the lifetime of the scope, and returns the first line that it prints. */
export const firstLine = Effect.fnUntraced(function* (runtime: Runtime, program: string, args: ReadonlyArray<string>) {
  const name = `${program} in ${runtime}`
  const child = yield* Effect.acquireRelease(
    Effect.sync(() =>
      spawn(binaryOf(runtime), [...flags[runtime], pathOf(program), ...args], {
        env: { ...process.env, DENO_NO_UPDATE_CHECK: "1", NO_COLOR: "1" },
      }),
    ),
    (child) => end(child, name),
  )
  const errorOutput: Array<string> = []
  child.stderr.setEncoding("utf8").on("data", (text: string) => errorOutput.push(text))
  return yield* Stream.fromAsyncIterable<Uint8Array, unknown>(child.stdout, (cause) => cause).pipe(
    Stream.decodeText(),
    Stream.splitLines,
    Stream.runHead,
    Effect.flatMap(Effect.fromOption),
    Effect.mapError(() => new ProgramError({ message: `${name}: ${errorOutput.join("")}` })),
  )
})
