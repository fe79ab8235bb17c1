/** What `@azure/identity` rejects with, in this library's terms. */
import { CredentialError, fromEntra, Missing, Unreachable } from "@live-response/core/CredentialError"
import * as TerminalText from "@live-response/core/TerminalText"
import * as Duration from "effect/Duration"
import * as Predicate from "effect/Predicate"
import { proxyCode } from "./lastConnection.ts"
import type * as Redacted from "effect/Redacted"

/** An error, then what caused it, outermost first. */
const causes = (error: unknown): ReadonlyArray<unknown> => {
  if (!Predicate.isObject(error)) return [error]
  const inner = Predicate.hasProperty(error, "errors") && Array.isArray(error.errors) ? error.errors : []
  const cause = Predicate.hasProperty(error, "cause") && error.cause !== undefined ? [error.cause] : []
  return [error, ...[...inner, ...cause].flatMap(causes)]
}

const text = (value: unknown, key: string): string | undefined =>
  Predicate.hasProperty(value, key) && Predicate.isString(value[key]) ? value[key] : undefined

const messageOf = (error: unknown): string => text(error, "message") ?? String(error)

const firstSentence = (error: unknown, secrets: Secrets): string =>
  TerminalText.withoutSecrets(
    messageOf(error)
      .split(/(?<=\.)\s|\r?\n/, 1)
      .join(),
    secrets,
  )

type Secrets = ReadonlyArray<Redacted.Redacted<string>>

/** What Entra said, by whichever of its three shapes the error has. */
const refusal = (error: unknown, secrets: Secrets): CredentialError | undefined => {
  const answer = Predicate.hasProperty(error, "errorResponse") ? error.errorResponse : error
  const name = text(answer, "error") ?? text(answer, "errorCode")
  const description = text(answer, "errorDescription") ?? text(answer, "errorMessage") ?? messageOf(error)
  const status = /Http status code: (\d+)/.exec(description)?.[1]
  if (status !== undefined) return unreachable(`HTTP ${status}`, status === "407" ? "proxy" : undefined)
  const [, ended, why] = /^post_request_failed: (\w+)(?:: (.*))?/s.exec(description) ?? []
  if (ended !== undefined) return fromEntra({ error: ended, description: why, secrets })
  // By MSAL's own clock.
  if (name === "device_code_expired") return fromEntra({ error: "expired_token", description: "the code has expired" })
  // For a minute MSAL answers itself, in the words of a server that was in trouble, and with its numbers for a name.
  const isEcho = /^[\d ]*$/.test(name ?? "-")
  if (isEcho && description.includes("AADSTS"))
    return fromEntra({ error: "temporarily_unavailable", description, secrets })
  if (!description.includes("AADSTS") && !/^(server|temporarily)_/.test(name ?? "")) return undefined
  const correlationId = text(answer, "correlationId")
  return fromEntra({ error: name ?? "unknown_error", description, correlationId, secrets })
}

/** MSAL's codes for a server that is not there, or answers nothing that makes sense. */
const isNoAnswer = (error: unknown): boolean =>
  /^(network_error|endpoints_resolution_error|openid_config_error)\b/.test(messageOf(error))

const isCertificateCode = (code: string): boolean => code.includes("CERT") || code.startsWith("UNABLE_TO_")

/** A code of Node's for a connection: an error of the system, or of a certificate. */
const isNetworkCode = (code: string): boolean => /^(?!EISDIR)E[A-Z]+$/.test(code) || isCertificateCode(code)

const isNetwork = (error: unknown): boolean =>
  text(error, "name") === "RestError" || isNetworkCode(text(error, "code") ?? "") || isNoAnswer(error)

const unreachable = (description: string, kind?: Unreachable["kind"]) =>
  new CredentialError({ reason: new Unreachable({ description, ...(kind === undefined ? {} : { kind }) }) })

/** A wait that was given up, in the form of an error of the network. */
export const noAnswer = (patience: Duration.Duration): Error =>
  Object.assign(new Error(`no answer within ${Duration.format(patience)}`), { code: "ETIMEDOUT" })

/** What one way to sign in takes. */
export interface Needs {
  /** What to do for whoever does not have it. By default the ways that there are. */
  readonly hint?: string
  /** It is on this machine, or it is not: no network of it is worth a word. */
  readonly isLocal?: boolean
  /** How long a token may take. By default as long as it does: it is a user's. */
  readonly patience?: Duration.Duration
  /** What an answer may repeat: what is sent to sign in, and what a program that signs in inherits. */
  readonly secrets?: Secrets
}

/**
 * A refusal in Entra's own words; a network that is not there; else what this way to sign in takes. `noConnection` is why
 * the last request found no connection.
 */
export const toCredentialError =
  ({ hint, isLocal, secrets = [] }: Needs, noConnection: () => unknown) =>
  (error: unknown): CredentialError => {
    const all = causes(error)
    const said = all.flatMap((cause) => refusal(cause, secrets) ?? [])
    // Of a server in trouble only the innermost error says so. On this machine it is one of several that were tried.
    const one = said.find(({ reason }) => reason._tag === (isLocal === true ? "Refused" : "Unreachable"))
    const refused = one ?? (isLocal === true ? undefined : said[0])
    if (refused !== undefined) return refused
    // A file that is not there has a code as well, and a path.
    const network = all.findLast((cause) => isNetwork(cause) && text(cause, "path") === undefined)
    if (network !== undefined && isLocal !== true) return noAnswerOf(network, noConnection(), secrets)
    return new CredentialError({
      reason: new Missing(hint === undefined ? {} : { description: `${hint} (${firstSentence(error, secrets)})` }),
    })
  }

/** MSAL's own words say less than none. */
const noAnswerOf = (error: unknown, noConnection: unknown, secrets: Secrets): CredentialError => {
  const innermost = causes(isNoAnswer(error) ? noConnection : error).at(-1)
  if (innermost === undefined) return unreachable("it does not answer, or does not know the tenant")
  return unreachable(firstSentence(innermost, secrets), kindOf(text(innermost, "code") ?? ""))
}

const kindOf = (code: string): Unreachable["kind"] => {
  if (code === proxyCode) return "proxy"
  return isCertificateCode(code) ? "certificate" : undefined
}
