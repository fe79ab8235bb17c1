/**
 * `live-response`: all commands, their common flags, and how the program exits.
 */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodePath from "@effect/platform-node/NodePath"
import * as NodeStdio from "@effect/platform-node/NodeStdio"
import * as NodeTerminal from "@effect/platform-node/NodeTerminal"
import * as TerminalText from "@live-response/core/TerminalText"
import * as NodeCredential from "@live-response/node/NodeCredential"
import * as NodeHasher from "@live-response/node/NodeHasher"
import * as NodeUser from "@live-response/node/NodeUser"
import * as Cause from "effect/Cause"
import * as Command from "effect/cli/Command"
import * as CliOutput from "effect/cli/CliOutput"
import * as Flag from "effect/cli/Flag"
import * as GlobalFlag from "effect/cli/GlobalFlag"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import * as References from "effect/References"
import type * as Runtime from "effect/Runtime"
import packageJson from "../package.json" with { type: "json" }
import { actions } from "./commands/actions/command.ts"
import { auth } from "./commands/auth/command.ts"
import { collectPackage } from "./commands/collect-package/command.ts"
import { demo } from "./commands/demo/command.ts"
import { download } from "./commands/download/command.ts"
import { library } from "./commands/library/command.ts"
import { link } from "./commands/link/command.ts"
import { machines } from "./commands/machines/command.ts"
import { quota } from "./commands/quota/command.ts"
import { report } from "./commands/report/command.ts"
import { results } from "./commands/results/command.ts"
import { run as runSessions } from "./commands/run/command.ts"
import { show } from "./commands/show/command.ts"
import { simulate } from "./commands/simulate/command.ts"
import { stack } from "./commands/stack/command.ts"
import { status } from "./commands/status/command.ts"
import { verify } from "./commands/verify/command.ts"
import * as DebugSwitches from "./DebugSwitches.ts"
import { exitCode } from "./ExitCode.ts"
import { Failure, usage } from "./Failure.ts"
import * as LogFormat from "./output/LogFormat.ts"
import * as Messages from "./output/Messages.ts"
import { printable } from "./output/Printable.ts"
import * as StandardOutput from "./output/StandardOutput.ts"
import * as Telemetry from "./Telemetry.ts"

/** The short form of `--log-level debug`. */
const Verbose = GlobalFlag.Setting("verbose")({
  flag: Flag.Boolean("verbose").pipe(
    Flag.withDefault(false),
    Flag.withDescription("Print API calls, waits, retries, renewed links and sizes; the same as --log-level debug"),
  ),
})

export const command = Command.make("live-response").pipe(
  Command.withDescription(
    "Download results of Microsoft Defender for Endpoint live response: stay within the API's quota, renew expired links, and resume where a download stopped.",
  ),
  Command.withSubcommands([
    runSessions,
    collectPackage,
    download,
    show,
    results,
    report,
    stack,
    status,
    verify,
    link,
    actions,
    machines,
    library,
    auth,
    quota,
    simulate,
    demo,
  ]),
  Command.provide(
    Layer.unwrap(
      Effect.map(Verbose, (isVerbose) =>
        isVerbose ? Layer.succeed(References.MinimumLogLevel, "Debug") : Layer.empty,
      ),
    ),
  ),
  Command.withGlobalFlags([Verbose]),
)

/** Reports why the program ends. */
const reportFailure = (line: string) => Messages.write(line, "error")

/** Prints a usage error in one line with a hint at the help, where Effect's default prints the whole help first. */
const presenter: CliOutput.Presenter = {
  present: (event) =>
    event._tag === "InvalidInvocation"
      ? Effect.forEach(event.errors, (error) =>
          reportFailure(
            `live-response: ${TerminalText.withoutSecrets(printable(error.message))} (see ${event.commandPath.join(" ")} --help)`,
          ),
        )
      : CliOutput.defaultPresenter.present(event),
}

/** Flags whose value may begin with a dash, as a script's arguments do. */
const textFlags = new Set([
  "--args",
  "--comment",
  "--description",
  "--get-file",
  "--parameters",
  "--put-file",
  "--script",
])

/** Joins such flags with their values, so that the values are not parsed as flags. */
const joinTextFlags = (args: ReadonlyArray<string>): ReadonlyArray<string> => {
  const joined: Array<string> = []
  for (let i = 0; i < args.length; i++) {
    const [flag = "", text] = args.slice(i, i + 2)
    const isText = textFlags.has(flag) && text !== undefined
    joined.push(isText ? `${flag}=${text}` : flag)
    if (isText) i++
  }
  return joined
}

/** What other programs answer too: `help download`, `version` and `-V`. */
const withoutSynonyms = (args: ReadonlyArray<string>): ReadonlyArray<string> => {
  const [first, ...rest] = args
  if (first === "help") return [...rest, "--help"]
  return first === "version" || first === "-V" ? ["--version", ...rest] : args
}

/** Effect's command lines can start other programs. This one does not, so that it need not load what would. */
const noOtherProgram = Layer.succeed(
  ChildProcessSpawner.ChildProcessSpawner,
  ChildProcessSpawner.make(() => Effect.die("this program starts no other program")),
)

/** Runs a command line, without the program's name. */
export const run = (args: ReadonlyArray<string>) =>
  Effect.suspend(() => {
    const problem = DebugSwitches.problemOf(process.env)
    return problem === undefined
      ? Command.runWith(command, { version: packageJson.version })(withoutSynonyms(joinTextFlags(args)))
      : Effect.fail(usage(problem))
  }).pipe(
    Effect.provideService(CliOutput.Presenter, presenter),
    Effect.provide(Telemetry.layer),
    Effect.provideService(NodeCredential.Prompt, (message) => Messages.write(printable(message))),
    StandardOutput.whileOpen,
    // If standard output failed, other errors are consequences of it.
    Effect.mapError((error) => StandardOutput.problem() ?? error),
    Effect.tapError((error) =>
      error instanceof Failure && error.message !== ""
        ? reportFailure(`live-response: ${printable(error.message)}`)
        : Effect.void,
    ),
    // A bug is reported too: no failure is silent.
    Effect.tapDefect((defect) =>
      reportFailure(`live-response: this is a bug, please report it: ${printable(String(defect))}`),
    ),
    (program) => Effect.andThen(LogFormat.use, program),
    Effect.scoped,
    Effect.provide([
      NodeFileSystem.layer,
      NodePath.layer,
      NodeStdio.layer,
      NodeTerminal.layer,
      noOtherProgram,
      NodeHasher.layer,
      NodeUser.layer,
      Logger.layer([Messages.logger]),
      Layer.succeed(References.MinimumLogLevel, "Warn"),
      // Telemetry enables it where something reads the spans, and spans that nobody reads cost as much as the calls they describe.
      Layer.succeed(References.TracerEnabled, false),
    ]),
  )

/**
 * Exits with the code of the failure; 130 after Ctrl-C, 2 for a command line that can't be parsed, 1 for a bug. Success
 * without complete standard output is a failure too.
 */
export const teardown: Runtime.Teardown = (exit, onExit) => {
  if (Exit.isSuccess(exit)) return onExit(StandardOutput.problem()?.code ?? exitCode.success)
  if (Cause.hasInterruptsOnly(exit.cause)) return onExit(exitCode.interrupted)
  if (Cause.hasDies(exit.cause)) return onExit(exitCode.someFailed)
  const error = Cause.squash(exit.cause)
  onExit(error instanceof Failure ? error.code : exitCode.usage)
}
