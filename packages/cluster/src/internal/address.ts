/** The address of a database: what its URL says, checked before anything connects. */
import { X509Certificate } from "node:crypto"
import { readFileSync } from "node:fs"
import * as UrlPassword from "@live-response/core/UrlPassword"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"

type Url = Redacted.Redacted<string>

export interface Address {
  /** The host and the name of the database, for messages. */
  readonly name: string

  /** What messages must not have. */
  readonly secrets: ReadonlyArray<Url>

  /** The URL for the driver, which always says whether to encrypt. */
  readonly url: Url

  /** The certificates of the authorities that are trusted, where the URL names their file. */
  readonly ca?: string
}

/** What the URL says wrongly. `name` is known where it is a URL of PostgreSQL. */
export interface Problem {
  readonly name?: string
  readonly problem: string
}

const encrypting = ["require", "verify-ca", "verify-full"]
const modes = ["disable", "allow", "prefer", ...encrypting]

const isCount = (value: string): boolean => /^\d{1,9}$/.test(value)
const isPort = (value: string): boolean => isCount(value) && Number(value) >= 1 && Number(value) <= 65_535

/** What each parameter may be. The driver ignores any other one, so a mistyped `sslmode` would be one that is not there. */
const parameters: Readonly<
  Record<string, { readonly accepts: (value: string) => boolean; readonly expected: string }>
> = {
  sslmode: { accepts: (value) => modes.includes(value), expected: modes.join(", ") },
  sslrootcert: { accepts: (value) => value !== "", expected: "the path of a PEM file" },
  connect_timeout: { accepts: isCount, expected: "whole seconds" },
  port: { accepts: isPort, expected: "a number from 1 to 65535" },
  host: { accepts: () => true, expected: "" },
  user: { accepts: () => true, expected: "" },
  password: { accepts: () => true, expected: "" },
  dbname: { accepts: () => true, expected: "" },
  application_name: { accepts: () => true, expected: "" },
  options: { accepts: () => true, expected: "" },
}

const problemOfParameter = ([name, value]: readonly [string, string]): string | undefined => {
  const parameter = Object.hasOwn(parameters, name) ? parameters[name] : undefined
  if (parameter === undefined) {
    return `has the parameter ${name}, which is not one of ${Object.keys(parameters).join(", ")}`
  }
  return parameter.accepts(value) ? undefined : `has ${name}=${value}, which must be: ${parameter.expected}`
}

const isEncoded = (text: string): boolean => Option.isSome(Option.liftThrowable(decodeURIComponent)(text))

const problemOf = ({ hostname, password, pathname, searchParams, username }: URL): string | undefined => {
  if (username === "" && !searchParams.get("user")) return "names no role: write it as postgres://<role>:<password>@…"
  if (![hostname, password, pathname, username].every(isEncoded)) return "has a % that is not followed by two digits"
  const wrong = [...searchParams].map(problemOfParameter).find((problem) => problem !== undefined)
  if (wrong !== undefined) return wrong
  const mode = searchParams.get("sslmode")
  return searchParams.has("sslrootcert") && mode !== null && !encrypting.includes(mode)
    ? `has sslrootcert with sslmode=${mode}, which does not always encrypt: use sslmode=require`
    : undefined
}

/** The certificates in a file. One that has none would be found out only by a connection that is refused. */
const readCertificates = (path: string) =>
  Effect.try({
    try: () => {
      const text = readFileSync(path, "utf8")
      new X509Certificate(text).toString()
      return text
    },
    catch: (error) =>
      `names sslrootcert=${path}, which can't be read as certificates in PEM (${error instanceof Error ? error.message : "unknown"})`,
  })

/** Without `sslmode` the connection is encrypted where the server offers that, as it is with `psql`. */
const withMode = (url: URL): Url => {
  const copy = new URL(url)
  if (!copy.searchParams.has("sslmode")) {
    copy.searchParams.set("sslmode", copy.searchParams.has("sslrootcert") ? "require" : "prefer")
  }
  return Redacted.make(copy.href)
}

/** Reads the URL of a database. */
export const read = Effect.fnUntraced(function* (text: Url): Effect.fn.Return<Address, Problem> {
  const url = URL.parse(Redacted.value(text))
  if (url === null || !/^postgres(ql)?:$/.test(url.protocol)) {
    return yield* Effect.fail({ problem: "is not postgres://<role>:<password>@<host>:<port>/<database>" })
  }
  const { host, password, pathname, searchParams } = url
  if (UrlPassword.mayBeHost(url)) {
    return yield* Effect.fail({
      problem: "has an @ after its host; in a password write / as %2F, ? as %3F, # as %23 and @ as %40",
    })
  }
  const name = `${host}${pathname}`
  const problem = problemOf(url)
  if (problem !== undefined) return yield* Effect.fail({ name, problem })
  const passwords = [password, searchParams.get("password") ?? ""].filter((text) => text !== "")
  const secrets = [text, ...passwords.map((text) => Redacted.make(text))]
  const address = { name, secrets, url: withMode(url) }
  const path = searchParams.get("sslrootcert")
  if (path === null) return address
  const ca = yield* Effect.mapError(readCertificates(path), (problem) => ({ name, problem }))
  return { ...address, ca }
})
