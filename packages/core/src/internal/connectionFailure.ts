/** Why there is no connection, by the error codes of the runtimes. */
import type { HttpClientError } from "effect/http/HttpClientError"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as CertificateProblem from "../CertificateProblem.ts"
import * as PrivateHost from "../PrivateHost.ts"
import { foreignText } from "./foreignText.ts"

/**
 * Why a connection could not be opened, so that no byte of the request was sent:
 *
 * - `certificate`: this machine does not trust the server's certificate
 * - `proxy`: the proxy refuses to connect
 * - `name`: the name does not resolve
 * - `connection`: anything else, such as a port that is not open
 */
export const Cause = Schema.Literals(["certificate", "proxy", "name", "connection"])

export type Cause = typeof Cause.Type

/** A transport error in a few words, with its cause where nothing was sent. */
export interface Trouble {
  readonly description: string
  readonly cause?: Cause
  /** The head of an answer came, and its body did not come whole. */
  readonly hasAnswered?: true
  /** The name resolves to an address that a link of the API must not lead to. */
  readonly isPrivate?: true
}

/** The fields of a reason `Unreachable`. */
export const fieldsOf = ({ cause, description, hasAnswered }: Trouble) => ({
  description,
  ...(cause === undefined ? {} : { kind: cause }),
  ...(hasAnswered === undefined ? {} : { hasAnswered }),
})

/** A person must correct a certificate or a proxy: no wait cures it. */
export const isLasting = (cause: Cause | undefined): boolean => cause === "certificate" || cause === "proxy"

/** The innermost cause of a transport error. Its words have nothing of the request, whose URL may be a secret. */
export const troubleOf = (error: HttpClientError): Trouble => {
  const inner = innermost(error.reason.cause)
  if (inner === undefined) return { description: error.reason._tag }
  const message = inner.message.split("\n", 1).join() || inner.name
  const description = withoutOpenSslSource(withoutUrls(message))
  if (codeOf(inner) === PrivateHost.errorCode) return { description, isPrivate: true }
  const cause = causeOf(codeOf(inner), message)
  return cause === undefined ? { description } : { description, cause }
}

/** The next step, as it can be typed. */
export const nextStep = (cause: Cause): string => {
  switch (cause) {
    case "certificate":
      return "this machine does not trust the server's certificate; where a proxy signs for it, set NODE_EXTRA_CA_CERTS=/path/to/ca.pem; where it has expired or is not valid yet, check the clock of this machine"
    case "proxy":
      return "check the proxy in HTTPS_PROXY and its credentials, as in HTTPS_PROXY=http://user:password@host:port"
    case "name":
      return "check --endpoint, --cloud, the proxy and the name servers of this machine"
    case "connection":
      return "check the network, the proxy and the endpoint"
  }
}

const innermost = (cause: unknown): Error | undefined => {
  if (!(cause instanceof Error)) return undefined
  return innermost(cause instanceof AggregateError ? cause.errors[0] : cause.cause) ?? cause
}

const codeOf = (error: Error): string =>
  Predicate.hasProperty(error, "code") && Predicate.isString(error.code) ? error.code : ""

const withoutUrls = (text: string): string => foreignText(text.replaceAll(/\bhttps?:\/\/\S+/g, "<url>"))

/**
 * The reason in an error of OpenSSL. The number of a thread is before it, so that no two processes would report the same, and a
 * line of OpenSSL's source after it.
 */
const withoutOpenSslSource = (text: string): string =>
  text.replace(/\b[0-9A-F]{1,16}:error:[0-9A-F]{1,16}:[^:]*:[^:]*:([^:]*):.*/, "TLS: $1")

/**
 * TLS errors are not among them: anybody on the network path can write an alert or another record into a connection, also
 * after a request was sent through it.
 */
const whileConnecting =
  /^(ECONNREFUSED|EAI_\w+|ENETUNREACH|EHOSTUNREACH|ENETDOWN|EHOSTDOWN|EADDRNOTAVAIL|ETIMEDOUT|UND_ERR_CONNECT_TIMEOUT)$/

/** An open connection breaks with the same codes, when a request may have been sent already. */
const whileOpen = /^(read|write) /

const causeOf = (code: string, message: string): Cause | undefined => {
  const [, tunnel] = /^Proxy response \((\d+)\)/.exec(message) ?? []
  // A gateway in trouble is not a proxy that refuses.
  if (tunnel !== undefined) return Number(tunnel) >= 500 ? "connection" : "proxy"
  if (message.startsWith("Proxy Authentication Required")) return "proxy"
  if (CertificateProblem.isUntrusted(code)) return "certificate"
  if (code === "ENOTFOUND") return "name"
  if (whileOpen.test(message)) return undefined
  return whileConnecting.test(code) || /before secure TLS connection/.test(message) ? "connection" : undefined
}
