/** The steps of the schema, and the version that a database has. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { quota } from "./quotaSchema.ts"
import { runs } from "./runSchema.ts"
import { retention } from "./retentionSchema.ts"
import { tenants } from "./tenantSchema.ts"
import { tenantSettings } from "./tenantSettingsSchema.ts"

export interface Migration {
  readonly version: number
  readonly name: string
  readonly statements: ReadonlyArray<string>
}

export const migrations: ReadonlyArray<Migration> = [
  { version: 1, name: "the log of the quota", statements: quota },
  { version: 2, name: "tenants, their results, sessions and positions", statements: tenants },
  { version: 3, name: "what each tenant follows, and its status", statements: tenantSettings },
  { version: 4, name: "runs that are given to the cluster", statements: runs },
  { version: 5, name: "retention", statements: retention },
]

export const current: number = migrations.length

const decodeThere = Schema.decodeUnknownEffect(Schema.Tuple([Schema.Struct({ there: Schema.Boolean })]))
const decodeVersion = Schema.decodeUnknownEffect(Schema.Tuple([Schema.Struct({ version: Schema.Int })]))

/** The version of the schema: 0 in a database without one. */
export const versionOf = Effect.fnUntraced(function* (sql: SqlClient): Effect.fn.Return<number, SqlError> {
  const table = yield* sql`select to_regclass('live_response.migrations') is not null as there`
  const [{ there }] = yield* Effect.orDie(decodeThere(table))
  if (!there) return 0
  const rows = yield* sql`select coalesce(max(version), 0)::int4 as version from live_response.migrations`
  const [{ version }] = yield* Effect.orDie(decodeVersion(rows))
  return version
})
