/**
 * What can go wrong with the database of a cluster.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * The database does not answer now: it is down, restarting, or cut off.
 *
 * @since 0.1.0
 * @category reasons
 */
export class Unreachable extends Schema.TaggedError<Unreachable>("@live-response/cluster/DatabaseError/Unreachable")(
  "Unreachable",
  { description: Schema.String },
) {}

/**
 * The database answers, and accepts no write now: it is a standby, or a service has made it read-only because its disk is nearly full.
 *
 * @since 0.1.0
 * @category reasons
 */
export class ReadOnly extends Schema.TaggedError<ReadOnly>("@live-response/cluster/DatabaseError/ReadOnly")(
  "ReadOnly",
  {
    description: Schema.String,
  },
) {}

/**
 * The database answers, and has not enough for what is asked: its disk or its memory is full, or there are as many connections as it
 * allows.
 *
 * @since 0.1.0
 * @category reasons
 */
export class Exhausted extends Schema.TaggedError<Exhausted>("@live-response/cluster/DatabaseError/Exhausted")(
  "Exhausted",
  {
    description: Schema.String,
  },
) {}

/**
 * The URL of the database is not one, or a part of it is wrong: `problem` says which, without a password.
 *
 * @since 0.1.0
 * @category reasons
 */
export class InvalidAddress extends Schema.TaggedError<InvalidAddress>(
  "@live-response/cluster/DatabaseError/InvalidAddress",
)("InvalidAddress", { problem: Schema.String }) {}

/**
 * There is no encrypted connection, and a wait does not change that.
 *
 * - `authority`: this machine does not know who signed the server's certificate
 * - `name`: the certificate is one of another host
 * - `validity`: the certificate has expired, or is not valid yet
 * - `protocol`: the server and this program have no version or cipher of TLS in common, or the server refuses the certificate of
 *   this program, or that it has none
 * - `unsupported`: the URL asks for an encrypted connection, and the server has none
 *
 * @since 0.1.0
 * @category reasons
 */
export class TlsFailed extends Schema.TaggedError<TlsFailed>("@live-response/cluster/DatabaseError/TlsFailed")(
  "TlsFailed",
  {
    problem: Schema.Literals(["authority", "name", "validity", "protocol", "unsupported"]),
    description: Schema.String,
  },
) {}

/**
 * The database refused a statement or the sign-in. A retry does not help.
 *
 * @since 0.1.0
 * @category reasons
 */
export class Refused extends Schema.TaggedError<Refused>("@live-response/cluster/DatabaseError/Refused")("Refused", {
  description: Schema.String,
}) {}

/**
 * A pooler in front of the database gives the sessions of this program to others between transactions, as PgBouncer does with
 * `pool_mode = transaction` or `statement`: a runner would lose its locks, and statements that are prepared are not found.
 *
 * @since 0.1.0
 * @category reasons
 */
export class SharedSessions extends Schema.TaggedError<SharedSessions>(
  "@live-response/cluster/DatabaseError/SharedSessions",
)("SharedSessions", { description: Schema.String }) {}

/**
 * The role of this program lacks rights that a runner needs, such as one that may only read: it would count as a runner and get no work.
 * `rights` names what it lacks.
 *
 * @since 0.1.0
 * @category reasons
 */
export class MissingRights extends Schema.TaggedError<MissingRights>(
  "@live-response/cluster/DatabaseError/MissingRights",
)("MissingRights", { role: Schema.String, rights: Schema.String }) {}

/**
 * The schema is older than this release needs: version 0 is a database without one.
 *
 * @since 0.1.0
 * @category reasons
 */
export class OlderSchema extends Schema.TaggedError<OlderSchema>("@live-response/cluster/DatabaseError/OlderSchema")(
  "OlderSchema",
  { version: Schema.Int, needed: Schema.Int },
) {}

/**
 * The schema was migrated by a newer release than this one.
 *
 * @since 0.1.0
 * @category reasons
 */
export class NewerSchema extends Schema.TaggedError<NewerSchema>("@live-response/cluster/DatabaseError/NewerSchema")(
  "NewerSchema",
  { version: Schema.Int, needed: Schema.Int },
) {}

/**
 * Any reason why a database can't be used.
 *
 * @since 0.1.0
 * @category reasons
 */
export const Reason = Schema.Union([
  Unreachable,
  ReadOnly,
  Exhausted,
  InvalidAddress,
  TlsFailed,
  Refused,
  SharedSessions,
  MissingRights,
  OlderSchema,
  NewerSchema,
])

/**
 * @since 0.1.0
 * @category reasons
 */
export type Reason = typeof Reason.Type

const tlsText = ({ description, problem }: TlsFailed): string => {
  switch (problem) {
    case "authority":
      return `its certificate is not trusted (${description}); add sslrootcert=/path/to/ca.pem to its URL, or set NODE_EXTRA_CA_CERTS to that file`
    case "name":
      return `its certificate is not one of this host (${description}); use a name that the certificate has`
    case "validity":
      return `its certificate is not valid now (${description}); renew it, or correct the clock of this machine`
    case "protocol":
      return `TLS failed (${description}); check the address and port in its URL, and ssl_min_protocol_version and ssl_ciphers of the server`
    case "unsupported":
      return `its URL asks for an encrypted connection (${description}); turn on ssl at the server, or change sslmode in the URL`
  }
}

/**
 * Whether what is wrong may pass, so that a statement is repeated.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isPassing = (reason: Reason): reason is Unreachable | ReadOnly | Exhausted =>
  reason._tag === "Unreachable" || reason._tag === "ReadOnly" || reason._tag === "Exhausted"

/**
 * The database can't be used. `database` is its host and name, without a user or a password.
 *
 * @since 0.1.0
 * @category errors
 */
export class DatabaseError extends Schema.TaggedError<DatabaseError>("@live-response/cluster/DatabaseError")(
  "DatabaseError",
  { database: Schema.String, reason: Reason },
) {
  override get message(): string {
    return `PostgreSQL at ${this.database}: ${this.description}`
  }

  /** The problem and the next step, without the database. */
  get description(): string {
    const { reason } = this
    switch (reason._tag) {
      case "Unreachable":
        return `it does not answer (${reason.description}); is it up, and is the address right?`
      case "ReadOnly":
        return `it accepts no writes (${reason.description}); is it a standby, or is its disk nearly full?`
      case "Exhausted":
        return `it has not enough for this (${reason.description}); free space on its disk, or raise its limit of connections or that of the role`
      case "InvalidAddress":
        return `its URL ${reason.problem}; correct it (LIVE_RESPONSE_DATABASE_URL)`
      case "TlsFailed":
        return tlsText(reason)
      case "Refused":
        return `it refused (${reason.description}); check its address, the role and the rights of that role`
      case "SharedSessions":
        return `a pooler shares its sessions (${reason.description}); set pool_mode = session in PgBouncer, or connect to PostgreSQL itself`
      case "MissingRights":
        return `the role ${reason.role} lacks rights that runners need (${reason.rights}); run migrate --runtime-role ${reason.role} with the role that owns the schema`
      case "OlderSchema":
        return `its schema is version ${reason.version} and this release needs ${reason.needed}; migrate it with the role that owns it`
      case "NewerSchema":
        return `a newer release has migrated its schema to version ${reason.version}, and this one needs ${reason.needed}; use the newer release`
    }
  }

  /** Whether a retry may succeed. */
  get isRetryable(): boolean {
    return isPassing(this.reason)
  }
}
