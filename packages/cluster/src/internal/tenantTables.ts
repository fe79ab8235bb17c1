/** Reads and writes the tables of a tenant as its owner. */
import { StoreError } from "@live-response/core/StoreError"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { Fragment } from "effect/sql/Statement"
import { Database } from "../Database.ts"
import type { DatabaseError } from "../DatabaseError.ts"
import { TenantOwner } from "../TenantOwner.ts"

/** A statement on the rows of a tenant. `tenant` is its id, as an expression. */
type Read = (sql: SqlClient, tenant: Fragment) => Effect.Effect<ReadonlyArray<unknown>, SqlError>

/**
 * A statement that writes. It starts with `owner`, a clause that gives it the table `owner`: one row with `tenant` and `epoch`, or
 * none if this program is not the owner any more. It takes what it writes from that table, and returns the rows that it has written.
 */
type Write = (sql: SqlClient, owner: Fragment) => Effect.Effect<ReadonlyArray<unknown>, SqlError>

export interface TenantTables {
  /** The rows, decoded by `row`. */
  readonly read: <A, I>(row: Schema.Codec<A, I>, statement: Read) => Effect.Effect<ReadonlyArray<A>, StoreError>

  /**
   * Returns the rows that were written, and fails with `Superseded` if there are none. The statement may run twice, so it must be
   * one that changes nothing the second time.
   */
  readonly write: <A, I>(row: Schema.Codec<A, I>, statement: Write) => Effect.Effect<ReadonlyArray<A>, StoreError>
}

/** What `returning 1 as written` gives. */
export const Written = Schema.Struct({ written: Schema.Literal(1) })

export const make: Effect.Effect<TenantTables, never, Database | TenantOwner> = Effect.gen(function* () {
  const { name, patiently } = yield* Database
  const { epoch, tenant } = yield* TenantOwner
  const path = `tenant ${tenant} in PostgreSQL at ${name}`
  const failed = (detail: string) => new StoreError({ path, problem: "Failed", detail })
  const superseded = new StoreError({ path, problem: "Superseded", detail: "a later owner of this tenant" })

  const decoded = <A, I>(row: Schema.Codec<A, I>, rows: Effect.Effect<ReadonlyArray<unknown>, DatabaseError>) =>
    rows.pipe(
      Effect.mapError(({ description }) => failed(description)),
      Effect.flatMap((rows) =>
        Effect.mapError(Schema.decodeUnknownEffect(Schema.Array(row))(rows), () =>
          failed("a row of it can't be read; use the release that wrote it"),
        ),
      ),
    )

  // The lock makes a later owner wait for a write that was faster, and a write wait for a later owner that was.
  const owner = (sql: SqlClient): Fragment => sql`with owner as (
    select tenant, epoch from live_response.tenants
      where tenant = ${tenant}::uuid and epoch = ${String(epoch)}::int and enabled for share)`

  return {
    read: (row, statement) =>
      decoded(
        row,
        patiently((sql) => statement(sql, sql`${tenant}::uuid`)),
      ),
    write: (row, statement) =>
      decoded(
        row,
        patiently((sql) => statement(sql, owner(sql))),
      ).pipe(Effect.flatMap((rows) => (rows.length === 0 ? Effect.fail(superseded) : Effect.succeed(rows)))),
  }
})
