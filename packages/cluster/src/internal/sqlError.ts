/** Which errors of PostgreSQL a retry may help, by their SQLSTATE, and which are about TLS. */
import * as CertificateProblem from "@live-response/core/CertificateProblem"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { SqlError } from "effect/sql/SqlError"
import type { TlsFailed } from "../DatabaseError.ts"

const decodeState = Schema.decodeUnknownOption(
  Schema.Struct({ code: Schema.String, message: Schema.optionalKey(Schema.String) }),
)

/**
 * The classes of states that pass: connections (08), a server that an operator stops or that starts (57P),
 * statements that were cancelled because they took too long (57014), locks and conflicts (55P03, 40).
 *
 * @see https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
const passes = /^(08|57P|57014|55P03|40)/

const hasState =
  (state: RegExp) =>
  ({ reason }: SqlError): boolean =>
    Option.exists(decodeState(reason.cause), ({ code }) => state.test(code))

/** A statement that writes, at a server that accepts none: it waits for the next primary, or for space. */
export const isReadOnly = hasState(/^25006$/)

/** What a server has not enough of: disk, memory or connections. */
export const isExhausted = hasState(/^53/)

/** A prepared statement that is not there, or that another program has prepared: the connection has another session than before. */
export const isOfSharedSession = hasState(/^(26000|42P05)$/)

/** PgBouncer says this of every connection until its settings are changed. Its state is that of all its errors, 08P01. */
const neverPasses = /^unsupported startup parameter/

/** A server that is starting or stopping refuses even the sign-in with such a state, so the state counts before the kind. */
export const isTransient = ({ reason }: SqlError): boolean =>
  Option.match(decodeState(reason.cause), {
    onNone: () => reason.isRetryable,
    onSome: ({ code, message = "" }) => !neverPasses.test(message) && (passes.test(code) || reason.isRetryable),
  })

/** Node's advice on its own flags, which the binary does not have. */
const adviceOfNode = /; if the root CA is installed locally.*$/

/** What the server itself said, or else what the client says of it. */
export const describe = ({ message, reason }: SqlError): string => {
  if (!(reason.cause instanceof Error) || reason.cause.message === "") return message
  const said = reason.cause.message.replace(adviceOfNode, "")
  return neverPasses.test(said) ? `${said}; for PgBouncer, add it to ignore_startup_parameters` : said
}

/**
 * What OpenSSL says where the two have no version or cipher in common, or where the server refuses what this program has. Others,
 * such as `bad record mac`, are what a damaged connection gives, and pass.
 */
const refusals =
  /ALERT_(HANDSHAKE_FAILURE|PROTOCOL_VERSION|INSUFFICIENT_SECURITY|UNKNOWN_CA|ACCESS_DENIED|NO_APPLICATION_PROTOCOL|UNRECOGNIZED_NAME|(?:BAD_|NO_|UNSUPPORTED_)?CERTIFICATE)|UNSUPPORTED_PROTOCOL|WRONG_VERSION_NUMBER|NO_PROTOCOLS_AVAILABLE|KEY_TOO_SMALL|MD_TOO_WEAK/

/** A write has the code `EPROTO`, and what OpenSSL says in its message alone. */
const isRefusal = (code: string, message: string): boolean =>
  code.startsWith("ERR_SSL_")
    ? refusals.test(code)
    : code === "EPROTO" && refusals.test(message.toUpperCase().replaceAll(" ", "_"))

const ofCode = (code: string, message: string): TlsFailed["problem"] | undefined => {
  if (isRefusal(code, message)) return "protocol"
  if (code === "CERT_HAS_EXPIRED" || code === "CERT_NOT_YET_VALID") return "validity"
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID") return "name"
  return CertificateProblem.isUntrusted(code) ? "authority" : undefined
}

/** Why there is no encrypted connection, where a person must change something. The driver takes it for a server that is away. */
export const tlsProblem = ({ reason }: SqlError): TlsFailed["problem"] | undefined => {
  if (reason.message === "PgConnection: Server refused TLS") return "unsupported"
  return Option.getOrUndefined(Option.map(decodeState(reason.cause), ({ code, message = "" }) => ofCode(code, message)))
}
