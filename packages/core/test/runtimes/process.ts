/** Programs of this directory as processes of Deno and Bun. */
import { spawn } from "node:child_process"
import { once } from "node:events"
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

/** Starts a program, and gives the first line that it prints. At the end of the scope its standard input closes. */
export const firstLine = Effect.fnUntraced(function* (runtime: Runtime, program: string, args: ReadonlyArray<string>) {
  const [command, ...flags] = commands[runtime]
  const child = yield* Effect.acquireRelease(
    Effect.sync(() =>
      spawn(pathOf(`../../node_modules/.bin/${command}`), [...flags, pathOf(program), ...args], {
        env: { ...process.env, DENO_NO_UPDATE_CHECK: "1", NO_COLOR: "1" },
      }),
    ),
    (child) =>
      Effect.promise(() => {
        child.stdin.end()
        return child.exitCode === null ? once(child, "exit") : Promise.resolve([])
      }),
  )
  const complaints: Array<string> = []
  child.stderr.setEncoding("utf8").on("data", (text: string) => complaints.push(text))
  const line = yield* Stream.fromAsyncIterable<Uint8Array, unknown>(child.stdout, (cause) => cause).pipe(
    Stream.decodeText(),
    Stream.splitLines,
    Stream.runHead,
    Effect.flatMap(Effect.fromOption),
    Effect.mapError(() => new ProgramError({ message: `${runtime} ${program}: ${complaints.join("")}` })),
  )
  return line
})
