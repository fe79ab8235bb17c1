/**
 * How a command fails: its message, in one line, with the exit code of `ExitCode.ts`.
 */
import type * as Config from "effect/Config"
import * as Predicate from "effect/Predicate"
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import { type CommandError, exitCode, ofError } from "./ExitCode.ts"

/** Ends the program with a code. The message, if there is one, is printed on standard error. */
export class Failure extends Schema.TaggedError<Failure>("@live-response/cli/Failure")("Failure", {
  code: Schema.Literals(Object.values(exitCode)),
  text: Schema.optionalKey(Schema.String),
  /** The variable whose value is wrong, if it is one: a configuration file may have set it. */
  variable: Schema.optionalKey(Schema.String),
}) {
  override readonly [Runtime.errorExitCode] = this.code
  override readonly [Runtime.errorReported] = false

  override get message(): string {
    return this.text ?? ""
  }
}

/** The command line is wrong. */
export const usage = (text: string): Failure => new Failure({ code: exitCode.usage, text })

/** Nobody is signed in, or a permission is missing. */
export const signIn = (text: string): Failure => new Failure({ code: exitCode.signIn, text })

/** This machine does not allow it. */
export const machine = (text: string): Failure => new Failure({ code: exitCode.machine, text })

/** An address, such as 127.0.0.1:8080, on which this machine does not allow to listen. */
export const portProblem = (address: string, cause: unknown): Failure => {
  const code = Predicate.hasProperty(cause, "code") ? String(cause.code) : String(cause)
  const why = code === "EADDRINUSE" ? "the port is in use" : code === "EACCES" ? "it is not allowed" : code
  return machine(`can't listen on ${address}: ${why}; choose another port, or 0 for any free one`)
}

/** The work failed, for another reason than the ones above. */
export const failed = (text: string): Failure => new Failure({ code: exitCode.someFailed, text })

/** The reader of standard output has closed it. Most readers, such as `head`, have read all they want: no message. */
export const closedPipe = new Failure({ code: exitCode.closedPipe })

/** Some targets failed. Each failure was reported when it happened, so there is no message. */
export const someFailed = new Failure({ code: exitCode.someFailed })

/** The failure for an error that ended a whole command. */
export const fromError = (error: CommandError | Failure): Failure => {
  if (error._tag === "Failure") return error
  return error._tag === "ConfigError" ? ofConfig(error) : new Failure({ code: ofError(error), text: error.message })
}

const issuesOf = SchemaIssue.makeFormatterStandardSchemaV1()

/** A variable is wrong. `ConfigOrigin.ts` adds the file that sets it, and its value unless that may be a secret. */
export const ofVariable = (variable: string, problem: string): Failure =>
  new Failure({ code: exitCode.usage, text: `${variable}: ${problem}`, variable })

/** The name of the wrong variable, and what is expected. */
const ofConfig = ({ cause, message }: Config.ConfigError): Failure => {
  const [issue] = cause._tag === "SchemaError" ? issuesOf(cause.issue).issues : []
  if (issue === undefined) return usage(message)
  return ofVariable(String(issue.path?.[0]), inWords(issue.message.replace(/^Expected /, "expected ")))
}

const switches = '"true" | "yes" | "on" | "1" | "y" | "false" | "no" | "off" | "0" | "n"'

/** What Effect expects of a value: a choice is a list of words, where Effect writes a type of TypeScript. */
export const inWords = (text: string): string =>
  text
    .replace(switches, "true or false")
    .replace(
      /(?<=expected:? )\S+(?: \| \S+)+/i,
      (choices) => `one of ${choices.replaceAll('"', "").replaceAll(" | ", ", ")}`,
    )
