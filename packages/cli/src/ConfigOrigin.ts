/**
 * Where an error comes from: the configuration file that sets the variable or names the file, and the value of the variable.
 */
import * as NodeEnvironment from "@live-response/node/NodeEnvironment"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { Failure } from "./Failure.ts"
import * as KnownWords from "./input/KnownWords.ts"

/** A configuration file, and the variables that it sets: those that the environment has not. */
interface Configured {
  readonly file: string
  readonly variables: Readonly<Record<string, string>>
}

/** The configuration file of this command, if it has one. */
export const ConfiguredBy = Context.Reference<Configured | undefined>("@live-response/cli/ConfiguredBy", {
  defaultValue: () => undefined,
})

/** The start of a message about a variable: the file that sets it, if one does. */
export const originOf = (variable: string, configured: Configured | undefined): string =>
  configured !== undefined && variable in configured.variables ? `${configured.file}: ` : ""

const namesFile = (variable: string): boolean => /_(?:FILE|PATH|OUT|SPOOL|CREDENTIALS)$/.test(variable)

/** Whether a message is about a file or directory. A path such as `results` may be a word of any sentence. */
const isAbout = (message: string, path: string): boolean => {
  if (path === "") return false
  const words = message.split(/[\s:;,()]+/)
  return (
    message.startsWith(`${path}:`) ||
    (/[/.]/.test(path) && words.includes(path)) ||
    words.some((word) => word.startsWith(`${path}/`))
  )
}

/** The end of a message about a file or directory that a variable of the file names. */
const sourceOf = (message: string, { file, variables }: Configured): string => {
  const found = Object.entries(variables).find(([variable, path]) => namesFile(variable) && isAbout(message, path))
  return found === undefined ? "" : `; ${file} sets ${found[0]}`
}

const secrets: ReadonlySet<string> = new Set(NodeEnvironment.secretVariables)

const word = /^(?:[a-z]{1,12}|[A-Z]{1,12}|[A-Z][a-z]{1,11})(?:[-_/][a-z]{1,12})?$/

const number = /^[-+]?\d{1,9}(?:[.,/]\d{1,9}){0,2}(?:[A-Za-z]{0,3}| [A-Za-z]{1,12})$/

/**
 * What people mistype: a word, or a number with a unit. Any other text may be a secret that was meant for another variable: a password,
 * or a token.
 */
const isHarmless = (value: string): boolean => word.test(value) || number.test(value)

/** The end of a message about a variable that is wrong: its value, unless that could be a secret, and the word that it may mean. */
const valueOf = (variable: string, problem: string): Effect.Effect<string> =>
  Config.option(Config.NonEmptyString(variable)).pipe(
    Effect.map(Option.filter((value) => !secrets.has(variable) && isHarmless(value))),
    Effect.map(
      Option.match({
        onNone: () => "",
        onSome: (value) => `; got "${value}"${KnownWords.suggestionIn(problem, value)}`,
      }),
    ),
    Effect.orElseSucceed(() => ""),
  )

/** A message about a variable that is wrong, with the file that sets it and its value. */
export const describeVariable = Effect.fnUntraced(function* (variable: string, problem: string) {
  return `${originOf(variable, yield* ConfiguredBy)}${problem}${yield* valueOf(variable, problem)}`
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
