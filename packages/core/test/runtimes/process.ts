/** Runs the programs of this directory in Deno and Bun. */
import { type ChildProcess, spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { binaryOf, type Runtime } from "./binaries.ts"

const pathOf = (relative: string) => fileURLToPath(new URL(relative, import.meta.url))

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
  const binary = binaryOf(runtime)
  assert.isDefined(binary, `no binary of ${runtime} for this platform is installed`)
  const child = yield* Effect.acquireRelease(
    Effect.sync(() =>
      spawn(binary, [...flags[runtime], pathOf(program), ...args], {
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
