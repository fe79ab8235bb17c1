/**
 * `live-response`: the root of the commands, and how a run of it ends.
 */
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as TerminalText from "@live-response/core/TerminalText"
import * as NodeCredential from "@live-response/node/NodeCredential"
import * as NodeHasher from "@live-response/node/NodeHasher"
import * as NodeUser from "@live-response/node/NodeUser"
import * as Cause from "effect/Cause"
import * as Command from "effect/cli/Command"
import * as CliOutput from "effect/cli/CliOutput"
import * as Flag from "effect/cli/Flag"
import * as GlobalFlag from "effect/cli/GlobalFlag"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as References from "effect/References"
import type * as Runtime from "effect/Runtime"
import packageJson from "../package.json" with { type: "json" }
import { actions } from "./commands/actions/command.ts"
import { auth } from "./commands/auth/command.ts"
import { demo } from "./commands/demo/command.ts"
import { download } from "./commands/download/command.ts"
import { link } from "./commands/link/command.ts"
import { quota } from "./commands/quota/command.ts"
import { results } from "./commands/results/command.ts"
import { run as runSessions } from "./commands/run/command.ts"
import { show } from "./commands/show/command.ts"
import { simulate } from "./commands/simulate/command.ts"
import { verify } from "./commands/verify/command.ts"
import * as DebugSwitches from "./DebugSwitches.ts"
import { exitCode, Failure, usage } from "./Failure.ts"
import * as Messages from "./output/Messages.ts"
import * as StandardOutput from "./output/StandardOutput.ts"
import { printable } from "./output/Printable.ts"

/** The short form of `--log-level debug`. */
const Verbose = GlobalFlag.Setting("verbose")({
  flag: Flag.Boolean("verbose").pipe(
    Flag.withDefault(false),
    Flag.withDescription("Also print calls, waits, retries, renewed links and sizes (the same as --log-level debug)"),
  ),
})

export const command = Command.make("live-response").pipe(
  Command.withDescription(
    "Brings Microsoft Defender for Endpoint live response results home: within the API's quota, through links that expire, and on from where it stopped.",
  ),
  Command.withSubcommands([runSessions, download, show, results, verify, link, actions, auth, quota, simulate, demo]),
  Command.provide(
    Layer.unwrap(
      Effect.map(Verbose, (isVerbose) =>
        isVerbose ? Layer.succeed(References.MinimumLogLevel, "Debug") : Layer.empty,
      ),
    ),
  ),
  Command.withGlobalFlags([Verbose]),
)

/** Help as it is; a mistake in one line, with the way to the help, where the default would print the help first. */
const presenter: CliOutput.Presenter = {
  present: (event) =>
    event._tag === "InvalidInvocation"
      ? Effect.forEach(event.errors, (error) =>
          Console.error(
            `live-response: ${TerminalText.withoutSecrets(printable(error.message))} (see ${event.commandPath.join(" ")} --help)`,
          ),
        )
      : CliOutput.defaultPresenter.present(event),
}

/** What stands behind these is a text, also where it begins with a dash, as a script's arguments do. */
const texts = new Set(["--args", "--comment", "--get-file", "--put-file", "--script"])

const withTexts = (args: ReadonlyArray<string>): ReadonlyArray<string> => {
  const joined: Array<string> = []
  for (let i = 0; i < args.length; i++) {
    const [flag = "", text] = args.slice(i, i + 2)
    const isText = texts.has(flag) && text !== undefined
    joined.push(isText ? `${flag}=${text}` : flag)
    if (isText) i++
  }
  return joined
}

/** Runs a command line, without the program's name. */
export const run = (args: ReadonlyArray<string>) =>
  Effect.suspend(() => {
    const problem = DebugSwitches.problemOf(process.env)
    return problem === undefined
      ? Command.runWith(command, { version: packageJson.version })(withTexts(args))
      : Effect.fail(usage(problem))
  }).pipe(
    Effect.provideService(CliOutput.Presenter, presenter),
    Effect.provideService(NodeCredential.Prompt, (message) => Messages.write(printable(message))),
    StandardOutput.whileOpen,
    // What failed for that reason says no more than that reason.
    Effect.mapError((error) => StandardOutput.problem() ?? error),
    Effect.tapError((error) =>
      error instanceof Failure && error.message !== ""
        ? Console.error(`live-response: ${printable(error.message)}`)
        : Effect.void,
    ),
    // Nothing ends without a word.
    Effect.tapDefect((defect) =>
      Console.error(`live-response: this is a bug, please report it: ${printable(String(defect))}`),
    ),
    Effect.provide([
      NodeServices.layer,
      NodeHasher.layer,
      NodeUser.layer,
      Logger.layer([Messages.logger]),
      Layer.succeed(References.MinimumLogLevel, "Warn"),
    ]),
  )

/**
 * 130 for an interruption, the failure's own code, 2 for a command line that was not understood, 1 for a bug; and what did
 * not arrive is no success.
 */
export const teardown: Runtime.Teardown = (exit, onExit) => {
  if (Exit.isSuccess(exit)) return onExit(StandardOutput.problem()?.code ?? 0)
  if (Cause.hasInterruptsOnly(exit.cause)) return onExit(130)
  if (Cause.hasDies(exit.cause)) return onExit(exitCode.someFailed)
  const error = Cause.squash(exit.cause)
  onExit(error instanceof Failure ? error.code : exitCode.usage)
}
