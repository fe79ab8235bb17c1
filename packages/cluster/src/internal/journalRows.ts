/** The sessions that the journal of a tenant has opened, for the rule which of them a session continues. */
import { Session } from "@live-response/core/Session"
import type * as SessionIdentity from "@live-response/core/SessionIdentity"
import * as Schema from "effect/Schema"
import type { SqlClient } from "effect/sql/SqlClient"
import type { Fragment } from "effect/sql/Statement"

export const KnownRow = Schema.Struct({ run: Schema.String, session: Schema.fromJsonString(Session) })

/** Those with a comment, the oldest first. Another comment makes another session. */
export const selectKnown = (sql: SqlClient, tenant: Fragment, comment: string) =>
  sql`select run, session::text as session from live_response.runs
    where tenant = ${tenant} and (comment_sha256 is null
      or comment_sha256 = sha256(convert_to(${JSON.stringify(comment)}, 'UTF8'))) order by opened`

export const toKnown = (rows: ReadonlyArray<typeof KnownRow.Type>): ReadonlyArray<SessionIdentity.Known> =>
  rows.map(({ run, session: { commands, comment } }) => ({ run, commands, comment }))
