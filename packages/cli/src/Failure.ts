/**
 * How a command ends: its message, and the exit code that scripts see.
 */
import type { BatchError } from "@live-response/core/BatchError"
import type * as Config from "effect/Config"
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"

/** What the exit codes mean. 0 is success, 130 is an interruption; 141 is what a shell says of a closed pipe (SIGPIPE). */
export const exitCode = { someFailed: 1, usage: 2, signIn: 3, machine: 4, closedPipe: 141 } as const

/** Ends the program with a code. The message, if there is one, is one line on stderr. */
export class Failure extends Schema.TaggedError<Failure>("@live-response/cli/Failure")("Failure", {
  code: Schema.Literals(Object.values(exitCode)),
  text: Schema.optionalKey(Schema.String),
}) {
  override readonly [Runtime.errorExitCode] = this.code
  override readonly [Runtime.errorReported] = false

  override get message(): string {
    return this.text ?? ""
  }
}

/** The command line is wrong. */
export const usage = (text: string): Failure => new Failure({ code: exitCode.usage, text })

/** Who is signed in may not do it, or nobody is. */
export const signIn = (text: string): Failure => new Failure({ code: exitCode.signIn, text })

/** This machine does not allow it. */
export const machine = (text: string): Failure => new Failure({ code: exitCode.machine, text })

/** The reader of standard output has ended. Most of them, such as `head`, had all they wanted, so that nothing is said. */
export const closedPipe = new Failure({ code: exitCode.closedPipe })

/** Some targets failed; each was told about when it did. */
export const someFailed = new Failure({ code: exitCode.someFailed })

/** What ended a whole command. */
export const fromError = (error: BatchError | Config.ConfigError | Failure): Failure => {
  switch (error._tag) {
    case "Failure":
      return error
    case "ConfigError":
      return usage(configMessage(error))
    case "StoreError":
    case "QuotaStoreError":
      return machine(error.message)
    case "DefenderError":
    case "TransferError":
      if (error.isLocal) return machine(error.message)
      return error._tag === "DefenderError" && error.isDenied
        ? signIn(error.message)
        : new Failure({ code: exitCode.someFailed, text: error.message })
    case "Outage":
    case "StorageRefused":
      return new Failure({ code: exitCode.someFailed, text: error.message })
    case "CredentialError":
      return error.isLocal ? machine(error.message) : signIn(error.message)
  }
}

const issuesOf = SchemaIssue.makeFormatterStandardSchemaV1()

/** The variable that is wrong, and what it should be. What it is may be a secret. */
const configMessage = ({ cause, message }: Config.ConfigError): string => {
  if (cause._tag !== "SchemaError") return message
  const [issue] = issuesOf(cause.issue).issues
  return issue === undefined ? message : `${String(issue.path?.[0])}: ${issue.message}`
}
