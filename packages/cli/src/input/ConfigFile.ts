/**
 * The configuration file: environment variables in TOML. A variable of the environment wins over the same one in the file.
 */
import * as SecretFile from "@live-response/core/SecretFile"
import * as NodeEnvironment from "@live-response/node/NodeEnvironment"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { parse, TomlError } from "smol-toml"
import { machine, usage } from "../Failure.ts"
import * as Format from "../output/Format.ts"
import { printable } from "../output/Printable.ts"
import * as KnownWords from "./KnownWords.ts"
import * as LocalFile from "./LocalFile.ts"

/**
 * The variables that a file may set: those that this program reads alone. Proxies, and what libraries read from the environment
 * themselves, would apply to a part of the program.
 */
export const names: ReadonlyArray<string> = [
  "AZURE_AUTHORITY_HOST",
  "AZURE_CLIENT_CERTIFICATE_PASSWORD",
  "AZURE_CLIENT_CERTIFICATE_PATH",
  "AZURE_CLIENT_ID",
  "AZURE_CLIENT_SECRET",
  "AZURE_CLIENT_SECRET_FILE",
  "AZURE_CLIENT_SEND_CERTIFICATE_CHAIN",
  "AZURE_FEDERATED_TOKEN_FILE",
  "AZURE_TENANT_ID",
  "LIVE_RESPONSE_AUDIENCE",
  "LIVE_RESPONSE_AUTH",
  "LIVE_RESPONSE_CLOUD",
  "LIVE_RESPONSE_CREDENTIALS",
  "LIVE_RESPONSE_DATABASE_URL",
  "LIVE_RESPONSE_ENDPOINT",
  "LIVE_RESPONSE_FOLLOW_EVERY",
  "LIVE_RESPONSE_LIMIT_RATE",
  "LIVE_RESPONSE_LISTEN",
  "LIVE_RESPONSE_LISTEN_TOKEN",
  "LIVE_RESPONSE_LOG_FORMAT",
  "LIVE_RESPONSE_MAX_BYTES",
  "LIVE_RESPONSE_MAX_EXTRACT_TOTAL",
  "LIVE_RESPONSE_MAX_SPOOL",
  "LIVE_RESPONSE_MAX_SPOOL_PER_TENANT",
  "LIVE_RESPONSE_MAX_TOTAL",
  "LIVE_RESPONSE_MIN_FREE",
  "LIVE_RESPONSE_MIN_RATE",
  "LIVE_RESPONSE_NOTIFY",
  "LIVE_RESPONSE_OBJECT_STORE",
  "LIVE_RESPONSE_OBJECT_STORE_SECRET",
  "LIVE_RESPONSE_OBJECT_STORE_SECRET_FILE",
  "LIVE_RESPONSE_OFFLINE_FOR",
  "LIVE_RESPONSE_OUT",
  "LIVE_RESPONSE_PER_HOUR",
  "LIVE_RESPONSE_PER_MINUTE",
  "LIVE_RESPONSE_POLITE",
  "LIVE_RESPONSE_REDIS_URL",
  "LIVE_RESPONSE_RETRIES",
  "LIVE_RESPONSE_RUNNER",
  "LIVE_RESPONSE_RUN_WINDOWS",
  "LIVE_RESPONSE_SESSIONS",
  "LIVE_RESPONSE_SPOOL",
  "LIVE_RESPONSE_STALL_TIMEOUT",
  "LIVE_RESPONSE_STORAGE_HOSTS",
  "LIVE_RESPONSE_TIMEOUT",
  "LIVE_RESPONSE_TOKEN",
  "LIVE_RESPONSE_TOKEN_FILE",
  "LIVE_RESPONSE_TRANSFERS",
  "LIVE_RESPONSE_TRANSFERS_PER_TENANT",
  "LIVE_RESPONSE_VISIBLE_WITHIN",
  "LIVE_RESPONSE_WINDOWS",
]

/** In bytes. A larger file is not a configuration. */
const largest = 1024 * 1024

const Scalar = Schema.Union([Schema.String, Schema.Finite, Schema.Boolean])

/** A list is what a variable separates by commas. */
const Value = Schema.Union([Scalar, Schema.Array(Scalar)])

const decodeValue = Schema.decodeUnknownOption(Value)

/** The text of a value in the environment. */
const textOf = (value: typeof Value.Type): string => (typeof value === "object" ? value.join(",") : String(value))

/** The parser's own message may quote a secret. */
const invalid = (path: string, error: unknown) => {
  const at = error instanceof TomlError ? `:${error.line}:${error.column}` : ""
  return usage(
    `${printable(path)}${at} is not valid TOML; write a line for each variable, such as LIVE_RESPONSE_OUT = "results"`,
  )
}

/** What is wrong with a name that no variable has. */
const unknown = (path: string, name: string) => {
  const close = KnownWords.close(names, name).slice(0, 3)
  const hint =
    close.length > 0
      ? `did you mean ${close.join(" or ")}?`
      : "it may set variables of this program, such as LIVE_RESPONSE_OUT"
  return usage(`${printable(path)} sets ${printable(name.slice(0, 80))}, which is unknown; ${hint}`)
}

/** The variables that a file sets. */
export const read = Effect.fnUntraced(function* (path: string) {
  const fs = yield* FileSystem.FileSystem
  const { size, type } = yield* Effect.mapError(fs.stat(path), LocalFile.unreadable(path))
  if (type !== "File") return yield* usage(`can't read ${printable(path)}: it is not a file`)
  if (Number(size) > largest) {
    return yield* usage(`${printable(path)} has ${Format.bytes(Number(size))}, too many for a configuration`)
  }
  // Whatever it holds: it decides where the token is sent.
  const changeable = yield* SecretFile.changeable(path)
  if (changeable !== undefined) {
    return yield* machine(
      `${printable(path)} is not obeyed, because ${changeable}; use a file of your own, with mode 600 or 644`,
    )
  }
  const toml = yield* Effect.mapError(SecretFile.read(path), LocalFile.unreadable(path))
  const table = yield* Effect.try({ try: () => parse(toml), catch: (error) => invalid(path, error) })
  const variables: Record<string, string> = {}
  for (const [name, value] of Object.entries(table)) {
    if (!names.includes(name)) return yield* unknown(path, name)
    const decoded = decodeValue(value)
    if (Option.isNone(decoded)) {
      return yield* usage(`${printable(path)}: ${name} must be a text, a number, true, false, or a list of those`)
    }
    variables[name] = textOf(decoded.value)
  }
  const secret = NodeEnvironment.secretVariables.find((name) => name in variables)
  if (secret !== undefined && (yield* SecretFile.isShared(path))) {
    return yield* machine(
      `${printable(path)} holds ${secret}, and others on this machine may open it; chmod 600 ${printable(path)}`,
    )
  }
  return variables
})
