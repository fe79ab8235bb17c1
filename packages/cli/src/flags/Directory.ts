/**
 * The directory of results, as `--out` or as an argument. `input/ResultsDirectory.ts` checks that it has results.
 */
import * as Argument from "effect/cli/Argument"
import * as Flag from "effect/cli/Flag"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { type Failure, usage } from "../Failure.ts"
import { printable } from "../output/Printable.ts"
import * as FlagTypes from "./FlagTypes.ts"

const defaultDirectory = "live-response-results"

/** `--out` of a command that reads a directory. */
export interface Out {
  readonly path: string
  /** Whether the command line has it, and not the variable or the default. */
  readonly isTyped: boolean
}

const ofFlag = (path: string): Out => ({ path, isTyped: true })

const otherwise = (path: string): Out => ({ path, isTyped: false })

const flag = Flag.String("out").pipe(
  Flag.withAlias("o"),
  FlagTypes.notBlank("a directory"),
  Flag.map(ofFlag),
  Flag.withFallbackConfig(Config.map(Config.NonEmptyString("LIVE_RESPONSE_OUT"), otherwise)),
  Flag.withDefault(otherwise(defaultDirectory)),
  Flag.withMetavar("DIR"),
  FlagTypes.describe("Directory of the results and their manifest", {
    default: defaultDirectory,
    env: "LIVE_RESPONSE_OUT",
  }),
)

export const out = Flag.map(flag, ({ path }) => path)

/** For commands that read a directory: it is an argument, and may be given as `--out` too. */
export const parameters = {
  directory: flag,
  argument: Argument.String("directory").pipe(
    Argument.optional,
    Argument.withMetavar("DIR"),
    Argument.withDescription("Directory of the results; the same as --out"),
  ),
}

/** For commands whose `--out` is a file. */
export const argument = Argument.String("directory").pipe(
  Argument.withFallbackConfig(Config.NonEmptyString("LIVE_RESPONSE_OUT")),
  Argument.withDefault(defaultDirectory),
  Argument.withMetavar("DIR"),
  Argument.withDescription(`Directory of the results (default: ${defaultDirectory}; env: LIVE_RESPONSE_OUT)`),
)

/** The directory that was given. Two are refused: the command would read one, and its reader may think of the other. */
export const given = ({
  argument,
  directory: { isTyped, path },
}: {
  readonly argument: Option.Option<string>
  readonly directory: Out
}): Effect.Effect<string, Failure> => {
  const named = Option.getOrElse(argument, () => path)
  return isTyped && named !== path
    ? Effect.fail(
        usage(`DIR is ${printable(named)}, and --out is ${printable(path)}: leave one out, they mean the same`),
      )
    : Effect.succeed(named)
}
