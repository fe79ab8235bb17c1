/** Programs of this directory as processes of Deno and Bun. */
import { type ChildProcess, spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"

const pathOf = (relative: string) => fileURLToPath(new URL(relative, import.meta.url))

/** Nothing but loopback is allowed, and nothing is looked for in a registry. */
const commands = {
  deno: [
    "deno",
    "run",
    "--no-prompt",
    "--no-remote",
    "--cached-only",
    "--no-lock",
    "--node-modules-dir=manual",
    "--allow-net=127.0.0.1",
  ],
  bun: ["bun", "run", "--no-install"],
} as const

export type Runtime = keyof typeof commands

export const runtimes = ["deno", "bun"] as const

/** A program that did not say what it should have said. */
export class ProgramError extends Schema.TaggedError<ProgramError>()("ProgramError", { message: Schema.String }) {}

/** Waits until a program has ended by itself, which it does once its standard input is closed. */
const end = (child: ChildProcess, name: string) =>
  Effect.callback<number | null>((resume) => {
    child.stdin?.end()
    if (child.exitCode !== null) return resume(Effect.succeed(child.exitCode))
    child.once("exit", (code) => resume(Effect.succeed(code)))
  }).pipe(
    Effect.interruptible,
    Effect.timeoutOrElse({
      duration: "1 minute",
      orElse: () => Effect.sync(() => process.kill(-(child.pid ?? 0), "SIGKILL")).pipe(Effect.as("a kill")),
    }),
    Effect.flatMap((code) => (code === 0 ? Effect.void : Effect.die(`${name} ended with ${code}`))),
  )

/** Starts a program, which ends with the scope, and gives the first line that it prints. */
export const firstLine = Effect.fnUntraced(function* (runtime: Runtime, program: string, args: ReadonlyArray<string>) {
  const name = `${program} in ${runtime}`
  const [command, ...flags] = commands[runtime]
  const child = yield* Effect.acquireRelease(
    Effect.sync(() =>
      // A group of its own, because the command is a script that starts the runtime.
      spawn(pathOf(`../../node_modules/.bin/${command}`), [...flags, pathOf(program), ...args], {
        detached: true,
        env: { ...process.env, DENO_NO_UPDATE_CHECK: "1", NO_COLOR: "1" },
      }),
    ),
    (child) => end(child, name),
  )
  const complaints: Array<string> = []
  child.stderr.setEncoding("utf8").on("data", (text: string) => complaints.push(text))
  return yield* Stream.fromAsyncIterable<Uint8Array, unknown>(child.stdout, (cause) => cause).pipe(
    Stream.decodeText(),
    Stream.splitLines,
    Stream.runHead,
    Effect.flatMap(Effect.fromOption),
    Effect.mapError(() => new ProgramError({ message: `${name}: ${complaints.join("")}` })),
  )
})
