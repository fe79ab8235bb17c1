/** Which errors of PostgreSQL a retry may help, by their SQLSTATE. */
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { SqlError } from "effect/sql/SqlError"

const decodeState = Schema.decodeUnknownOption(Schema.Struct({ code: Schema.String }))

/**
 * The classes of states that pass: connections (08), resources (53), a server that an operator stops or that starts (57P),
 * statements that were cancelled because they took too long (57014), locks and conflicts (55P03, 40).
 *
 * @see https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
const passes = /^(08|53|57P|57014|55P03|40)/

/** A server that is starting or stopping refuses even the sign-in with such a state, so the state counts before the kind. */
export const isTransient = ({ reason }: SqlError): boolean =>
  Option.match(decodeState(reason.cause), {
    onNone: () => reason.isRetryable,
    onSome: ({ code }) => passes.test(code) || reason.isRetryable,
  })

/** What the server itself said, or else what the client says of it. */
export const describe = ({ message, reason }: SqlError): string =>
  reason.cause instanceof Error && reason.cause.message !== "" ? reason.cause.message : message
