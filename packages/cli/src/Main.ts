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
import * as NodePlatform from "@live-response/node/NodePlatform"
import * as Cause from "effect/Cause"
import * as CliConfig from "effect/cli/CliConfig"
import type * as CliError from "effect/cli/CliError"
import * as Command from "effect/cli/Command"
import * as CliOutput from "effect/cli/CliOutput"
import * as Flag from "effect/cli/Flag"
import * as GlobalFlag from "effect/cli/GlobalFlag"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
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
import { migrate } from "./commands/migrate/command.ts"
import { quota } from "./commands/quota/command.ts"
import { report } from "./commands/report/command.ts"
import { results } from "./commands/results/command.ts"
import { run as runSessions } from "./commands/run/command.ts"
import { runs } from "./commands/runs/command.ts"
import { serve } from "./commands/serve/command.ts"
import { show } from "./commands/show/command.ts"
import { simulate } from "./commands/simulate/command.ts"
import { stack } from "./commands/stack/command.ts"
import { status } from "./commands/status/command.ts"
import { tenants } from "./commands/tenants/command.ts"
import { verify } from "./commands/verify/command.ts"
import * as ConfigOrigin from "./ConfigOrigin.ts"
import { ConfigFlag, withFile } from "./flags/ConfigFlag.ts"
import * as DebugSwitches from "./DebugSwitches.ts"
import { exitCode } from "./ExitCode.ts"
import { Failure, inWords, usage } from "./Failure.ts"
import * as FlagTypes from "./flags/FlagTypes.ts"
import { CommandLine } from "./flags/CommandLine.ts"
import * as HelpPages from "./HelpPages.ts"
import * as BlockedProcess from "./BlockedProcess.ts"
import * as KnownWords from "./input/KnownWords.ts"
import * as HelpLayout from "./output/HelpLayout.ts"
import * as LogFormat from "./output/LogFormat.ts"
import * as StandardError from "./output/StandardError.ts"
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
    migrate,
    tenants,
    runs,
    serve,
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
  Command.withGlobalFlags([ConfigFlag, Verbose]),
)

/** Reports why the program ends. */
const reportFailure = (line: string) => StandardError.write(line, "error")

/** The commands that a misspelt one may mean: in any case, where Effect's suggestions are in the same case. */
const suggestionsOf = (error: CliError.UnrecognizedOption | CliError.UnknownSubcommand): ReadonlyArray<string> => {
  if (error._tag === "UnrecognizedOption" || error.suggestions.length > 0) return error.suggestions
  const names = [...(error.parent ?? []).slice(1), error.subcommand]
  return KnownWords.close(HelpPages.unknownName(command, names)?.known ?? [], error.subcommand).slice(0, 1)
}

/** A flag that was typed too often: Effect calls the number of times its value. */
const repeated = (error: CliError.InvalidValue): string | undefined => {
  if (error.expected !== "at most 1 value") return undefined
  return `--${error.option} is given ${error.value.replace(" occurrences", "")} times; give it once`
}

const withSuggestion = (problem: string, value: string): string =>
  `${problem}${KnownWords.suggestionIn(problem, value)}`

/** An error of the command line, in one line. */
const usageText = (error: CliError.NonShowHelpErrors): string => {
  if (error._tag === "InvalidValue") return repeated(error) ?? withSuggestion(inWords(error.message), error.value)
  if (error._tag !== "UnrecognizedOption" && error._tag !== "UnknownSubcommand") return error.message
  const [problem = ""] = error.message.split("\n")
  const suggestions = suggestionsOf(error)
  return suggestions.length === 0 ? problem : `${problem}; did you mean ${suggestions.join(" or ")}?`
}

/** Loaded only where a script is printed. */
const loadCompletions = Effect.promise(() => import("./ShellCompletions.ts"))

/** Effect's flag, with a script that completes files and known words too. */
const completions = GlobalFlag.Action({
  flag: GlobalFlag.Completions.flag,
  run: (shell) =>
    Option.match(shell, {
      onNone: () => Effect.void,
      onSome: (shell) =>
        Effect.gen(function* () {
          const { script } = yield* loadCompletions
          yield* Console.log((yield* script(command, shell)).trimEnd())
        }),
    }),
})

const cliConfig = CliConfig.layer({
  builtIns: GlobalFlag.BuiltIns.map((flag) => (flag === GlobalFlag.Completions ? completions : flag)),
})

/** The variable that may stand for a flag that is missing. */
const otherWay = (error: CliError.NonShowHelpErrors, commandPath: ReadonlyArray<string>): Effect.Effect<string> =>
  error._tag !== "MissingOption"
    ? Effect.succeed("")
    : HelpPages.variableOf(command, commandPath, error.option).pipe(
        Effect.map((variable) => (variable === undefined ? "" : `, or set ${variable}`)),
        Effect.provide(cliConfig),
      )

/** Reports the first error: the others are often consequences of it, as a flag of a misspelt command is unknown. */
const reportInvocation = Effect.fnUntraced(function* (
  [error]: ReadonlyArray<CliError.NonShowHelpErrors>,
  commandPath: ReadonlyArray<string>,
) {
  if (error === undefined) return
  const problem = `${inWords(usageText(error))}${yield* otherWay(error, commandPath)}`
  const isVariable = error instanceof FlagTypes.InvalidVariable
  const text = isVariable ? yield* ConfigOrigin.describeVariable(error.option, problem) : problem
  const shown = TerminalText.withoutSecrets(printable(text))
  yield* reportFailure(`live-response: ${shown} (see ${commandPath.join(" ")} --help)`)
})

/** Prints help as wide as the terminal, and a usage error in one line, where Effect's default prints the whole help first. */
const presenter: CliOutput.Presenter = {
  present: (event) => {
    switch (event._tag) {
      case "InvalidInvocation":
        return reportInvocation(event.errors, event.commandPath)
      case "Help":
        return Console.log(HelpLayout.text(HelpPages.refine(event.helpDoc), process.stdout.columns))
      case "Version":
        return CliOutput.defaultPresenter.present(event)
    }
  },
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

/** Flags of every command that may come before a command, with how many arguments they are. */
const lengthOfFlag = (arg: string): number => {
  if (arg === "--config" || arg === "--log-level") return 2
  return arg === "--verbose" || arg.startsWith("--config=") || arg.startsWith("--log-level=") ? 1 : 0
}

const helpFlags = new Set(["--help", "-h"])

/** The arguments after the flags of every command that come before a command. */
const afterFlags = (args: ReadonlyArray<string>): ReadonlyArray<string> => {
  const length = lengthOfFlag(args[0] ?? "")
  return length === 0 ? args : afterFlags(args.slice(length))
}

/** What other programs answer too: `help download`, `version` and `-V`. */
const withoutSynonyms = (args: ReadonlyArray<string>): ReadonlyArray<string> => {
  const given = afterFlags(args)
  const [first, ...rest] = given
  // The flags come after the command, where they are known as well.
  const flags = args.slice(0, args.length - given.length)
  if (first === "help") return [...rest.filter((arg) => arg !== "help" && !helpFlags.has(arg)), "--help", ...flags]
  return first === "version" || first === "-V" ? ["--version", ...rest, ...flags] : args
}

/** Help of a command that does not exist is an error, where Effect prints the help of the command above it. */
const checkHelp = (args: ReadonlyArray<string>): Effect.Effect<void, Failure> => {
  const given = afterFlags(args)
  const end = given.findIndex((arg) => arg.startsWith("-"))
  const unknown = given.some((arg) => helpFlags.has(arg))
    ? HelpPages.unknownName(command, end === -1 ? given : given.slice(0, end))
    : undefined
  if (unknown === undefined) return Effect.void
  const hint = KnownWords.suggestion(unknown.known, unknown.name)
  const path = unknown.path.join(" ")
  return Effect.fail(
    usage(`${path} has no command ${printable(unknown.name.slice(0, 80))}${hint} (see ${path} --help)`),
  )
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
    if (problem !== undefined) return Effect.fail(usage(problem))
    const given = withoutSynonyms(joinTextFlags(args))
    const running = Command.runWith(command, { version: packageJson.version })(given).pipe(
      // A group without one of its commands has printed its help, and succeeds as `gh auth` does.
      Effect.catchTag("ShowHelp", (error) => (error.errors.length === 0 ? Effect.void : Effect.fail(error))),
    )
    return Effect.andThen(checkHelp(given), withFile(given)(running)).pipe(Effect.provideService(CommandLine, given))
  }).pipe(
    Effect.provideService(CliOutput.Presenter, presenter),
    Effect.provide(Telemetry.layer),
    // Of telemetry; what a command fails with is named by `withFile`.
    Effect.catch(ConfigOrigin.naming),
    Effect.provideService(NodeCredential.Prompt, (message) => StandardError.write(printable(message))),
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
    (program) => Effect.andThen(LogFormat.use(), program),
    Effect.scoped,
    Effect.provide([
      NodeFileSystem.layer,
      NodePath.layer,
      NodeStdio.layer,
      NodeTerminal.layer,
      noOtherProgram,
      cliConfig,
      NodeHasher.layer,
      NodePlatform.layer,
      Logger.layer([StandardError.logger]),
      Layer.succeed(References.MinimumLogLevel, "Warn"),
      // Telemetry enables it where something reads the spans, and spans that nobody reads cost as much as the calls they describe.
      Layer.succeed(References.TracerEnabled, false),
    ]),
  )

/** The commands that run until they are stopped, which is not a failure, however early. */
const services: ReadonlySet<string | undefined> = new Set([serve.name])

/**
 * Exits with the code of the failure; 130 after Ctrl-C unless the command is a service, 2 for a command line that can't be parsed,
 * 1 for a bug. Success without complete standard output is a failure too.
 */
export const teardown =
  (args: ReadonlyArray<string>): Runtime.Teardown =>
  (exit, onExit) => {
    if (Exit.isSuccess(exit)) return onExit(StandardOutput.problem()?.code ?? exitCode.success)
    if (Cause.hasInterruptsOnly(exit.cause)) {
      const code = services.has(afterFlags(args)[0]) ? exitCode.success : exitCode.interrupted
      return BlockedProcess.exit(process, () => onExit(code))
    }
    if (Cause.hasDies(exit.cause)) return onExit(exitCode.someFailed)
    const error = Cause.squash(exit.cause)
    onExit(error instanceof Failure ? error.code : exitCode.usage)
  }
