/**
 * `--config FILE`: where the flags' variables come from if the environment does not set them.
 */
import * as Flag from "effect/cli/Flag"
import * as GlobalFlag from "effect/cli/GlobalFlag"
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { fromError } from "./Failure.ts"
import * as FlagTypes from "./flags/FlagTypes.ts"
import * as LogFormat from "./output/LogFormat.ts"

const name = "--config"

/** The flag, as help and the parser know it. Its value is needed earlier: flags read their variables while they are parsed. */
export const ConfigFlag = GlobalFlag.Setting("config")({
  flag: Flag.String("config").pipe(
    FlagTypes.notBlank("a file"),
    Flag.optional,
    Flag.withMetavar("FILE"),
    FlagTypes.describe("A TOML file with values of environment variables, which the environment and flags override", {
      env: "LIVE_RESPONSE_CONFIG",
    }),
  ),
})

/** The file that a command line names. */
const fileOf = (args: ReadonlyArray<string>): string | undefined => {
  const end = args.indexOf("--")
  const flags = end === -1 ? args : args.slice(0, end)
  const at = flags.findLastIndex((arg) => arg === name || arg.startsWith(`${name}=`))
  const [flag, next] = flags.slice(at)
  if (at === -1 || flag === undefined) return undefined
  return flag === name ? next : flag.slice(name.length + 1)
}

/** What needs no configuration. */
const isAction = (arg: string): boolean =>
  ["--help", "-h", "--version", "-v"].includes(arg) || arg.startsWith("--completions")

/** Only a program that has a file loads what reads it. */
const loadConfigFile = Effect.promise(() => import("./input/ConfigFile.ts"))

/** Runs a command line under the environment, with the file's variables where the environment has none. */
export const withFile =
  (args: ReadonlyArray<string>) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.gen(function* () {
      if (args.some(isAction)) return yield* effect
      const variable = Config.option(Config.NonEmptyString("LIVE_RESPONSE_CONFIG"))
      const file = fileOf(args) ?? Option.getOrUndefined(yield* Effect.mapError(variable, fromError))
      if (file === undefined) return yield* effect
      const environment = yield* ConfigProvider.ConfigProvider
      const { read } = yield* loadConfigFile
      const provider = ConfigProvider.orElse(environment, yield* read(file))
      return yield* Effect.provideService(
        Effect.andThen(LogFormat.use, effect),
        ConfigProvider.ConfigProvider,
        provider,
      )
    })
