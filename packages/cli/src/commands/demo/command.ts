/**
 * `live-response demo`
 */
import * as Command from "effect/cli/Command"
import * as Console from "effect/Console"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import { exitCode, Failure, machine } from "../../Failure.ts"
import * as Flags from "../../flags/Flags.ts"
import { printable } from "../../output/Printable.ts"
import { download } from "../download/command.ts"
import { run as runSessions } from "../run/command.ts"

/** Slow enough to be watched. */
const latency = Effect.sleep("250 millis")

/** The server is loaded when it is wanted: no other command pays for it. */
const loadSampleService = Effect.promise(() => import("./sampleService.ts"))

/** Runs a command of the demonstration, in which something fails, as it must. */
const show = <E, R>(command: Effect.Effect<void, E, R>) =>
  Effect.catchIf(
    command,
    (error) => error instanceof Failure && error.code === exitCode.someFailed,
    () => Effect.void,
  )

const say = (...lines: ReadonlyArray<string>) => Console.log(lines.join("\n"))

const asTyped = (args: ReadonlyArray<string>) =>
  args.map((arg) => printable(/\s|\\/.test(arg) ? `'${arg}'` : arg)).join(" ")

const demoDownload = Effect.fnUntraced(function* (directory: string) {
  const SampleService = yield* loadSampleService
  const results = SampleService.results(60)
  const endpoint = yield* SampleService.serve(results, { port: 0, latency })
  const list = yield* writeTemporary(
    "targets.txt",
    `# The targets of the demonstration\n${[...results.map(({ ref }) => ref), SampleService.missing].join("\n")}\n`,
  )
  const token = yield* writeTemporary("token", SampleService.token)
  const args = ["--from", list, "--out", directory, "--endpoint", endpoint, "--token-file", token, "-j", "4"]
  yield* say(
    `A simulated Defender API serves ${results.length} results at ${endpoint}.`,
    "One link is dead on arrival, one body breaks twice, one call is answered with 429, one with 503,",
    "and one of the targets does not exist. This is what runs now:",
    "",
    `  live-response download ${asTyped(args)}`,
    "",
  )
  yield* show(Command.runWith(download, { version: "" })(args))
  yield* say(
    "",
    "The one that failed is the target that does not exist. Try next:",
    "",
    "  npm start                               nothing is fetched twice",
    "  npx live-response demo --run            a script on ten machines, and its results",
    `  cat ${printable(directory)}/manifest.jsonl    what came, with its SHA-256`,
    "  npx live-response download --help       the same with your tenant",
    "  npx live-response simulate              the simulator alone, for your own programs",
  )
})

const demoRun = Effect.fnUntraced(function* (directory: string) {
  const SampleService = yield* loadSampleService
  const machines = SampleService.machines(10)
  const endpoint = yield* SampleService.serve([], { port: 0, latency, machines, commandTime: "5 seconds" })
  const list = yield* writeTemporary("machines.txt", `${machines.map(({ id }) => id).join("\n")}\n`)
  const token = yield* writeTemporary("token", SampleService.token)
  // The simulated service forgets with its process, so each demonstration is a case of its own.
  const now = yield* DateTime.now
  const out = (yield* Path.Path).join(directory, `run-${DateTime.formatIso(now).replaceAll(/\D/g, "").slice(0, 14)}`)
  const what = ["--script", "collect.ps1", "--get-file", "C:\\Temp\\collect.zip"]
  const args = ["--machines", list, ...what, "--download", out, "--endpoint", endpoint, "--token-file", token]
  yield* say(
    `A simulated Defender API has ${machines.length} machines at ${endpoint}. One of them is offline for 20 seconds, on one`,
    "the script fails, on one another session is under way, and one has a Windows that is too old. This is what runs now:",
    "",
    `  live-response run ${asTyped(args)}`,
    "",
  )
  yield* show(Command.runWith(runSessions, { version: "" })(args))
  yield* say(
    "",
    "Two machines have no session: one is too old, and one was busy. Try next:",
    "",
    `  npx live-response results ${printable(out)}`,
    "      a table of what the script said",
    `  cat ${printable(out)}/sessions.jsonl`,
    "      what was begun: it is why no machine has a session twice",
    "  npx live-response run --help",
    "      the same with your tenant",
  )
})

export const demo = Command.make(
  "demo",
  {
    directory: Flags.directory,
    run: Flags.toggle("run", "Run a script on machines, and download what it left"),
  },
  ({ directory, run }) => Effect.scoped(run ? demoRun(directory) : demoDownload(directory)),
).pipe(
  Command.withShortDescription("Download a batch from the simulated service, or run a script on its machines"),
  Command.withDescription(
    "Download a batch from the simulated service: everything that can go wrong does. With --run, run a script on its machines first.",
  ),
)

/** A file that is gone when the demonstration is. */
const writeTemporary = Effect.fnUntraced(
  function* (name: string, content: string) {
    const fs = yield* FileSystem.FileSystem
    const path = (yield* Path.Path).join(yield* fs.makeTempDirectoryScoped({ prefix: "live-response-" }), name)
    yield* fs.writeFileString(path, content, { mode: 0o600 })
    return path
  },
  Effect.mapError((error) => machine(`can't write a temporary file: ${printable(error.message)}`)),
)
