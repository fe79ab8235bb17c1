/**
 * `--config FILE`: where the flags' variables come from if the environment does not set them.
 */
import * as Flag from "effect/cli/Flag"
import * as GlobalFlag from "effect/cli/GlobalFlag"
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { ConfiguredBy, naming, originOf } from "../ConfigOrigin.ts"
import { Failure, fromError } from "../Failure.ts"
import * as FlagTypes from "./FlagTypes.ts"
import * as LogFormat from "../output/LogFormat.ts"

const name = "--config"

const variable = "LIVE_RESPONSE_CONFIG"

/** The flag, as help and the parser know it. Its value is needed earlier: flags read their variables while they are parsed. */
export const ConfigFlag = GlobalFlag.Setting("config")({
  flag: Flag.String("config").pipe(
    FlagTypes.notBlank("a file"),
    Flag.optional,
    Flag.withMetavar("FILE"),
    FlagTypes.describe("A TOML file with values of environment variables, which the environment and flags override", {
      env: variable,
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
const loadConfigFile = Effect.promise(() => import("../input/ConfigFile.ts"))

const readNamed = Effect.fnUntraced(function* (args: ReadonlyArray<string>) {
  const { read } = yield* loadConfigFile
  const typed = fileOf(args)
  if (typed !== undefined) return { file: typed, variables: yield* read(typed) }
  const file = yield* Config.NonEmptyString(variable)
  const variables = yield* Effect.mapError(
    read(file),
    (failure) => new Failure({ code: failure.code, text: `${variable}: ${failure.message}` }),
  )
  return { file, variables }
}, Effect.mapError(fromError))

/** Whether a command line or the environment names a file. An empty name is an error of the flag. */
const isNamed = Effect.fnUntraced(function* (args: ReadonlyArray<string>) {
  const typed = fileOf(args)
  if (typed !== undefined) return typed.trim() !== ""
  return Option.isSome(yield* Effect.mapError(Config.option(Config.NonEmptyString(variable)), fromError))
})

/** The variables that the environment does not set as well. */
const withoutThoseOf = (
  environment: ConfigProvider.ConfigProvider,
  variables: Readonly<Record<string, string>>,
): Effect.Effect<Readonly<Record<string, string>>> =>
  Effect.filter(Object.entries(variables), ([variable]) =>
    Config.option(Config.NonEmptyString(variable)).pipe(
      Effect.map(Option.isNone),
      Effect.orElseSucceed(() => true),
    ),
  ).pipe(Effect.map(Object.fromEntries), Effect.provideService(ConfigProvider.ConfigProvider, environment))

/** Runs a command line under the environment, with the file's variables where the environment has none. */
export const withFile =
  (args: ReadonlyArray<string>) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.gen(function* () {
      const named = effect.pipe(Effect.catch(naming))
      if (args.some(isAction) || !(yield* isNamed(args))) return yield* named
      const environment = yield* ConfigProvider.ConfigProvider
      const { file, variables } = yield* readNamed(args)
      const provider = ConfigProvider.orElse(environment, ConfigProvider.fromEnvRecord(variables))
      const configured = { file, variables: yield* withoutThoseOf(environment, variables) }
      const fileOfFormat = originOf(LogFormat.variable, configured)
      return yield* (fileOfFormat === "" ? named : Effect.andThen(LogFormat.use(fileOfFormat), named)).pipe(
        Effect.provideService(ConfiguredBy, configured),
        Effect.provideService(ConfigProvider.ConfigProvider, provider),
      )
    })
