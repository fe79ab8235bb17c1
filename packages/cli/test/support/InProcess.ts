/**
 * The program in this process: for what needs neither a terminal nor a pipe, and so no process of its own.
 */
import * as ConfigProvider from "effect/ConfigProvider"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Main from "../../src/Main.ts"
import * as StandardError from "../../src/output/StandardError.ts"

export interface Outcome {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs a command line under an environment in which there is nothing else: one at a time, for there is one stderr. */
export const run = Effect.fnUntraced(function* (
  args: ReadonlyArray<string>,
  env: Readonly<Record<string, string>> = {},
) {
  const lines = { stdout: "", stderr: "" }
  const into = (stream: "stdout" | "stderr") => (text: unknown) => void (lines[stream] += `${String(text)}\n`)
  const console: Console.Console = { ...globalThis.console, log: into("stdout"), error: into("stderr") }
  const exit = yield* StandardError.through(into("stderr")).pipe(
    Effect.andThen(Main.run(args)),
    Effect.scoped,
    Effect.provideService(Console.Console, console),
    Effect.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env }))),
    Effect.exit,
  )
  let exitCode = -1
  Main.teardown(args)(exit, (code) => (exitCode = code))
  return { exitCode, ...lines } satisfies Outcome
})
