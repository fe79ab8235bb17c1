/**
 * The directory of results, as `--out` or as an argument. `input/ResultsDirectory.ts` checks that it has results.
 */
import * as Argument from "effect/cli/Argument"
import * as Flag from "effect/cli/Flag"
import * as Config from "effect/Config"
import * as Option from "effect/Option"
import * as FlagTypes from "./FlagTypes.ts"

const defaultDirectory = "live-response-results"

export const out = Flag.String("out").pipe(
  Flag.withAlias("o"),
  FlagTypes.notBlank("a directory"),
  Flag.withFallbackConfig(Config.NonEmptyString("LIVE_RESPONSE_OUT")),
  Flag.withDefault(defaultDirectory),
  Flag.withMetavar("DIR"),
  FlagTypes.describe("Directory of the results and their manifest", {
    default: defaultDirectory,
    env: "LIVE_RESPONSE_OUT",
  }),
)

/** For commands that read a directory: it is an argument, and may be given as `--out` too. */
export const parameters = {
  directory: out,
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

/** The directory that was given: the argument wins. */
export const given = (options: { readonly directory: string; readonly argument: Option.Option<string> }): string =>
  Option.getOrElse(options.argument, () => options.directory)
