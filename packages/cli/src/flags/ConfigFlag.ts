/**
 * `--config FILE`: where the flags' variables come from if the environment does not set them.
 */
import * as Flag from "effect/cli/Flag"
import * as GlobalFlag from "effect/cli/GlobalFlag"
import * as NodeEnvironment from "@live-response/node/NodeEnvironment"
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
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

/** A configuration file, and the variables that it sets: those that the environment has not. */
interface Configured {
  readonly file: string
  readonly variables: Readonly<Record<string, string>>
}

const ConfiguredBy = Context.Reference<Configured | undefined>("@live-response/cli/ConfiguredBy", {
  defaultValue: () => undefined,
})

/** The start of a message about a variable: the file that sets it, if one does. */
const originOf = (variable: string, configured: Configured | undefined): string =>
  configured !== undefined && variable in configured.variables ? `${configured.file}: ` : ""

const namesFile = (variable: string): boolean => /_(?:FILE|PATH|OUT|SPOOL|CREDENTIALS)$/.test(variable)

/** The end of a message about a file or directory that a variable of the file names. */
const sourceOf = (message: string, { file, variables }: Configured): string => {
  const words = message.split(/[\s:;,()]+/)
  const isNamed = (path: string) => words.some((word) => word === path || word.startsWith(`${path}/`))
  const found = Object.entries(variables).find(([variable, path]) => namesFile(variable) && isNamed(path))
  return found === undefined ? "" : `; ${file} sets ${found[0]}`
}

const secrets: ReadonlySet<string> = new Set(NodeEnvironment.secretVariables)

/** A value that is no secret: secrets that machines make are longer, and an address may have a password. */
const isHarmless = (value: string): boolean => value.length <= 30 && !/[:@=]/.test(value)

/** The end of a message about a variable that is wrong: its value, unless that could be a secret. */
const valueOf = (variable: string): Effect.Effect<string> =>
  Config.option(Config.NonEmptyString(variable)).pipe(
    Effect.map(Option.filter((value) => !secrets.has(variable) && isHarmless(value))),
    Effect.map(Option.match({ onNone: () => "", onSome: (value) => `; got "${value}"` })),
    Effect.orElseSucceed(() => ""),
  )

/** A message about a variable that is wrong, with the file that sets it and its value. */
export const describeVariable = Effect.fnUntraced(function* (variable: string, problem: string) {
  return `${originOf(variable, yield* ConfiguredBy)}${problem}${yield* valueOf(variable)}`
})

/** Fails with the configuration file that sets what is wrong, and with the value of a variable. */
export const naming = Effect.fnUntraced(function* <E>(error: E): Effect.fn.Return<never, E | Failure> {
  if (!(error instanceof Failure)) return yield* Effect.fail(error)
  const { code, message, variable } = error
  if (variable !== undefined) return yield* new Failure({ code, text: yield* describeVariable(variable, message) })
  const configured = yield* ConfiguredBy
  const source = configured === undefined ? "" : sourceOf(message, configured)
  return yield* source === "" ? error : new Failure({ code, text: `${message}${source}` })
})

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
      const named = Effect.catch(effect, naming)
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
