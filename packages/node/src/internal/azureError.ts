/** Maps the rejections of `@azure/identity` to the errors of this library. */
import { CredentialError, fromEntra, Missing, Unreachable } from "@live-response/core/CredentialError"
import * as TerminalText from "@live-response/core/TerminalText"
import * as Duration from "effect/Duration"
import * as Predicate from "effect/Predicate"
import { proxyCode } from "./signInConnection.ts"
import type * as Redacted from "effect/Redacted"

/** An error and its causes, the outermost first. */
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

/** Entra's refusal, in any of the three shapes that an error has it in. */
const refusal = (error: unknown, secrets: Secrets): CredentialError | undefined => {
  const answer = Predicate.hasProperty(error, "errorResponse") ? error.errorResponse : error
  const name = text(answer, "error") ?? text(answer, "errorCode")
  const description = text(answer, "errorDescription") ?? text(answer, "errorMessage") ?? messageOf(error)
  const status = /Http status code: (\d+)/.exec(description)?.[1]
  if (status !== undefined) return unreachable(`HTTP ${status}`, status === "407" ? "proxy" : undefined)
  const [, ended, why] = /^post_request_failed: (\w+)(?:: (.*))?/s.exec(description) ?? []
  if (ended !== undefined) return fromEntra({ error: ended, description: why, secrets })
  // MSAL decides this by its own clock.
  if (name === "device_code_expired") return fromEntra({ error: "expired_token", description: "the code has expired" })
  // For a minute after trouble of the server MSAL answers itself, with the old description and numbers for an error.
  const isEcho = /^[\d ]*$/.test(name ?? "-")
  if (isEcho && description.includes("AADSTS"))
    return fromEntra({ error: "temporarily_unavailable", description, secrets })
  if (!description.includes("AADSTS") && !/^(server|temporarily)_/.test(name ?? "")) return undefined
  const correlationId = text(answer, "correlationId")
  return fromEntra({ error: name ?? "unknown_error", description, correlationId, secrets })
}

/** MSAL's codes for a server that can't be reached, or whose answer makes no sense. */
const isNoAnswer = (error: unknown): boolean =>
  /^(network_error|endpoints_resolution_error|openid_config_error)\b/.test(messageOf(error))

const isCertificateCode = (code: string): boolean => code.includes("CERT") || code.startsWith("UNABLE_TO_")

/** Whether a code of Node is about a connection: an error of the system, or of a certificate. */
const isNetworkCode = (code: string): boolean => /^(?!EISDIR)E[A-Z]+$/.test(code) || isCertificateCode(code)

const isNetwork = (error: unknown): boolean =>
  text(error, "name") === "RestError" || isNetworkCode(text(error, "code") ?? "") || isNoAnswer(error)

const unreachable = (description: string, kind?: Unreachable["kind"]) =>
  new CredentialError({ reason: new Unreachable({ description, ...(kind === undefined ? {} : { kind }) }) })

/** The error of a sign-in that took too long, in the form of a network error. */
export const noAnswer = (timeout: Duration.Duration): Error =>
  Object.assign(new Error(`no answer within ${Duration.format(timeout)}`), { code: "ETIMEDOUT" })

/** What a way to sign in needs. */
export interface Needs {
  /** The next step where it is missing. By default it names the usual ways to sign in. */
  readonly hint?: string
  /** The credential is on this machine, so that errors of its network say nothing. */
  readonly isLocal?: boolean
  /** How long a token may take. By default there is no limit, because a user may be signing in. */
  readonly timeout?: Duration.Duration
  /** The secrets that an answer may repeat: those that are sent, and those that a program that signs in inherits. */
  readonly secrets?: Secrets
}

/** `@azure/identity` takes no sign-in server in plain http, not even one on this machine, such as the simulator. */
const isPlainAuthority = (error: unknown): boolean => /\bauthorityHost\b.*'https'/.test(messageOf(error))

/**
 * Maps a rejection: to a refusal in Entra's own words, to a network that can't be reached, else to what this way to sign in
 * needs. `noConnection` returns why the last request got no connection.
 */
export const toCredentialError =
  ({ hint, isLocal, secrets = [] }: Needs, noConnection: () => unknown) =>
  (error: unknown): CredentialError => {
    const all = causes(error)
    const said = all.flatMap((cause) => refusal(cause, secrets) ?? [])
    // Only the innermost error says that a server is in trouble. A local credential is one of several that were tried.
    const one = said.find(({ reason }) => reason._tag === (isLocal === true ? "Refused" : "Unreachable"))
    const refused = one ?? (isLocal === true ? undefined : said[0])
    if (refused !== undefined) return refused
    // The error of a missing file has a code as well, but also a path.
    const network = all.findLast((cause) => isNetwork(cause) && text(cause, "path") === undefined)
    if (network !== undefined && isLocal !== true) return noAnswerOf(network, noConnection(), secrets)
    const nextStep = isPlainAuthority(error) ? "check --authority and AZURE_AUTHORITY_HOST" : hint
    return new CredentialError({
      reason: new Missing(
        nextStep === undefined ? {} : { description: `${nextStep} (${firstSentence(error, secrets)})` },
      ),
    })
  }

/** The error of the connection, because MSAL's own words say nothing about it. */
const noAnswerOf = (error: unknown, noConnection: unknown, secrets: Secrets): CredentialError => {
  const innermost = causes(isNoAnswer(error) ? noConnection : error).at(-1)
  if (innermost === undefined) return unreachable("it does not answer, or does not know the tenant")
  return unreachable(firstSentence(innermost, secrets), kindOf(text(innermost, "code") ?? ""))
}

const kindOf = (code: string): Unreachable["kind"] => {
  if (code === proxyCode) return "proxy"
  return isCertificateCode(code) ? "certificate" : undefined
}
