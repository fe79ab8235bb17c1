/**
 * What `live-response demo` does: serves the sample data, and runs `download` or `run` against it, as a user types them.
 */
import * as StoreError from "@live-response/core/StoreError"
import type * as CliError from "effect/cli/CliError"
import * as Console from "effect/Console"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import { exitCode } from "../../ExitCode.ts"
import { Failure, machine } from "../../Failure.ts"
import * as CommandText from "../../output/CommandText.ts"
import { printable } from "../../output/Printable.ts"
import { programName } from "../../output/ProgramName.ts"
import * as SampleService from "../simulate/sampleService.ts"
import * as SampleData from "./sampleData.ts"

/** Runs a command with these arguments. */
type RunCommand<E, R> = (args: ReadonlyArray<string>) => Effect.Effect<void, E | CliError.CliError, R>

/** Slow enough for a person to watch. */
const latency = Effect.sleep("250 millis")

/** The demo has targets that fail on purpose. Their failure is not a failure of the demo. */
const allowFailedTargets = <E, R>(command: Effect.Effect<void, E, R>) =>
  Effect.catchIf(
    command,
    (error) => error instanceof Failure && error.code === exitCode.someFailed,
    () => Effect.void,
  )

const say = (...lines: ReadonlyArray<string>) => Console.log(lines.join("\n"))

const asTyped = (args: ReadonlyArray<string>) => args.map(CommandText.argument).join(" ")

export const demoDownload = Effect.fnUntraced(function* <E, R>(directory: string, download: RunCommand<E, R>) {
  const results = SampleData.results(60)
  const endpoint = yield* SampleService.serve(results, { port: 0, latency })
  const list = yield* writeTemporary(
    "targets.txt",
    `# The targets of the demo\n${[...results.map(({ ref }) => ref), SampleData.missing].join("\n")}\n`,
  )
  const token = yield* writeTemporary("token", SampleService.token)
  const args = ["--from", list, "--out", directory, "--endpoint", endpoint, "--token-file", token, "-j", "4"]
  yield* say(
    `A simulated Defender API serves ${results.length} results at ${endpoint}.`,
    "One link has expired when it arrives, one download breaks twice, one call is answered with 429, one with 503,",
    "and one target does not exist. This command runs now:",
    "",
    `  live-response download ${asTyped(args)}`,
    "",
  )
  yield* allowFailedTargets(download(args))
  const next = [
    [`${programName} demo`, "nothing is downloaded twice"],
    [`${programName} demo --run`, "a script on ten machines, and its results"],
    [`cat ${CommandText.argument(directory)}/manifest.jsonl`, "the downloaded results, with their SHA-256"],
    [`${programName} download --help`, "the same with your tenant"],
    [`${programName} simulate`, "the simulator alone, for your own programs"],
  ] as const
  yield* say(
    "",
    "The failed target is the one that does not exist. Try next:",
    "",
    ...next.flatMap(([typed, what]) => [`  ${typed}`, `      ${what}`]),
  )
})

export const demoRun = Effect.fnUntraced(function* <E, R>(directory: string, run: RunCommand<E, R>) {
  const machines = SampleData.machines(10)
  const endpoint = yield* SampleService.serve([], { port: 0, latency, machines, commandTime: "5 seconds" })
  const list = yield* writeTemporary("machines.txt", `${machines.map(({ id }) => id).join("\n")}\n`)
  const token = yield* writeTemporary("token", SampleService.token)
  // The simulator forgets its sessions when it stops, so each demo has a directory of its own.
  const now = yield* DateTime.now
  const out = (yield* Path.Path).join(directory, `run-${DateTime.formatIso(now).replaceAll(/\D/g, "").slice(0, 14)}`)
  const commands = ["--script", "collect.ps1", "--get-file", "C:\\Temp\\collect.zip"]
  const args = ["--machines", list, ...commands, "--download", out, "--endpoint", endpoint, "--token-file", token]
  yield* say(
    `A simulated Defender API has ${machines.length} machines at ${endpoint}. One machine is offline for 20 seconds, on one`,
    "the script fails, on one another session is in progress, and one runs a Windows version that is too old.",
    "This command runs now:",
    "",
    `  live-response run ${asTyped(args)}`,
    "",
  )
  yield* allowFailedTargets(run(args))
  yield* say(
    "",
    "Two machines have no session: one is too old, and one was busy. Try next:",
    "",
    `  ${programName} results ${CommandText.argument(out)}`,
    "      a table of the script's output on each machine",
    `  cat ${CommandText.argument(out)}/sessions.jsonl`,
    "      the journal of started sessions: because of it no machine gets a session twice",
    `  ${programName} run --help`,
    "      the same with your tenant",
  )
})

/** A file that is removed when the scope closes. */
const writeTemporary = Effect.fnUntraced(
  function* (name: string, content: string) {
    const fs = yield* FileSystem.FileSystem
    const path = (yield* Path.Path).join(yield* fs.makeTempDirectoryScoped({ prefix: "live-response-" }), name)
    yield* fs.writeFileString(path, content, { mode: 0o600 })
    return path
  },
  Effect.mapError((error) =>
    machine(
      `can't write a temporary file (${printable(StoreError.describe(error))}); set TMPDIR (on Windows TEMP) to a directory of your own`,
    ),
  ),
)
