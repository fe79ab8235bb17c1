/**
 * The tenants of a cluster, and which of its owners is the current one.
 *
 * @since 0.1.0
 */
import { ActionSelection, everything } from "@live-response/core/ActionSelection"
import * as Cloud from "@live-response/core/Cloud"
import * as TerminalText from "@live-response/core/TerminalText"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import * as SchemaTransformation from "effect/SchemaTransformation"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { Fragment } from "effect/sql/Statement"
import { CredentialReference } from "./CredentialReference.ts"
import { Database } from "./Database.ts"
import type { DatabaseError } from "./DatabaseError.ts"
import { makeOncePerKey } from "./internal/oncePerKey.ts"
import { rowsOf } from "./internal/rows.ts"
import * as TenantClaims from "./internal/tenantClaims.ts"

/**
 * The id of a tenant in Entra.
 *
 * @since 0.1.0
 * @category models
 */
export const TenantId = Schema.String.pipe(
  Schema.decode(SchemaTransformation.toLowerCase()),
  Schema.check(Schema.isGUID(), Schema.isLowercased()),
  Schema.brand("@live-response/cluster/Tenants/TenantId"),
)

/**
 * @since 0.1.0
 * @category models
 */
export type TenantId = typeof TenantId.Type

/**
 * The directory of a tenant's results in the store that all tenants share, such as `customers/contoso`.
 *
 * @since 0.1.0
 * @category schemas
 */
export const StoragePrefix = Schema.String.check(
  Schema.isMaxLength(200),
  Schema.isPattern(/^[a-z0-9][a-z0-9._-]*(\/[a-z0-9][a-z0-9._-]*)*$/, {
    expected: "names of lower-case letters, digits, '.', '_' and '-', separated by '/'",
  }),
)

/**
 * What an administrator decides about a tenant.
 *
 * **Details**
 *
 * - `name` is the one of messages.
 * - `cloud` is the cloud that the tenant is in. `endpoint` and `authority` replace its API and its sign-in server, for a gateway.
 * - `selection` are the machine actions whose results are collected: live response sessions, unless it names other types.
 * - `storagePrefix` is the directory of its results. No other tenant has it, or a directory above or below it.
 * - `credential` is where the credential is, and never a secret.
 *
 * @since 0.1.0
 * @category models
 */
export const Settings = Schema.Struct({
  name: Schema.NonEmptyString.check(Schema.isMaxLength(200)),
  cloud: Cloud.Name,
  endpoint: Schema.optionalKey(Cloud.Endpoint),
  authority: Schema.optionalKey(Cloud.Endpoint),
  selection: ActionSelection,
  storagePrefix: StoragePrefix,
  credential: CredentialReference,
})

/**
 * @since 0.1.0
 * @category models
 */
export type Settings = typeof Settings.Type

/**
 * A tenant of the registry. Its results are collected if it is `enabled`. Each change of it raises its `revision`.
 *
 * @since 0.1.0
 * @category models
 */
export const Tenant = Schema.Struct({
  tenant: TenantId,
  enabled: Schema.Boolean,
  revision: Schema.Int,
  ...Settings.fields,
})

/**
 * @since 0.1.0
 * @category models
 */
export type Tenant = typeof Tenant.Type

/**
 * The cloud of a tenant, with the addresses that replace those of the cloud.
 *
 * @since 0.1.0
 * @category conversions
 */
export const cloudOf = ({
  authority,
  cloud,
  endpoint,
}: Pick<Settings, "authority" | "cloud" | "endpoint">): Cloud.Cloud => ({
  ...Cloud.clouds[cloud],
  ...(endpoint === undefined ? {} : { base: Cloud.apiBase(endpoint) }),
  ...(authority === undefined ? {} : { authority: Cloud.withoutTrailingSlash(authority) }),
})

/**
 * The registry refuses a change or a claim. `detail` says which setting is not valid, or which name the tenant has.
 *
 * @since 0.1.0
 * @category errors
 */
export class TenantError extends Schema.TaggedError<TenantError>("@live-response/cluster/Tenants/TenantError")(
  "TenantError",
  {
    tenant: Schema.String,
    problem: Schema.Literals(["Unknown", "Disabled", "Removed", "NameTaken", "PrefixTaken", "Invalid", "Unreadable"]),
    detail: Schema.optionalKey(Schema.String),
  },
) {
  override get message(): string {
    switch (this.problem) {
      case "Unknown":
        return `tenant ${this.tenant} is not in the registry; add it first`
      case "Disabled":
        return `tenant ${this.tenant} is disabled; enable it first`
      case "Removed":
        return `tenant ${this.tenant} was removed from the registry, which cancelled its open runs; add it again, and give the cluster the run again`
      case "NameTaken":
        return `tenant ${this.tenant} has the name ${this.detail ?? "that was given"}; choose another name`
      case "PrefixTaken":
        return `tenant ${this.tenant}: another tenant stores its results under this prefix, or under one above it, or did before it was removed; choose another prefix`
      case "Invalid":
        return `tenant ${this.tenant}: these settings are not valid: ${this.detail ?? "another form is needed"}`
      case "Unreadable":
        return `tenant ${this.tenant}: its settings in the registry can't be read; add it again with new ones`
    }
  }
}

/**
 * What a new tenant needs. The defaults: the commercial cloud, all live response sessions of the last day and later, and the
 * tenant's id as the prefix.
 *
 * @since 0.1.0
 * @category models
 */
export type NewTenant = Pick<Settings, "name" | "credential"> & Partial<Settings>

/**
 * How a change is checked.
 *
 * @since 0.1.0
 * @category options
 */
export interface ChangeOptions {
  /**
   * Whether a name that another tenant has, in whatever case, is refused: then a name finds one tenant. Of two programs that give
   * one name at the same time, one is refused. By default any name is allowed.
   */
  readonly distinctName?: boolean | undefined
}

/**
 * @since 0.1.0
 * @category services
 */
export interface Service {
  /** The tenants, by their names. Those that can't be read are left out, with a warning. */
  readonly list: Effect.Effect<ReadonlyArray<Tenant>, DatabaseError>

  /** One tenant. */
  readonly get: (tenant: TenantId) => Effect.Effect<Tenant, DatabaseError | TenantError>

  /**
   * Adds a tenant and enables it, or replaces the settings of the one that is there. One that was removed keeps its prefix unless
   * another one is given.
   */
  readonly add: (
    tenant: TenantId,
    settings: NewTenant,
    options?: ChangeOptions,
  ) => Effect.Effect<void, DatabaseError | TenantError>

  /**
   * Changes the settings of a tenant. Its work restarts with the new ones. `change` is asked again where somebody else has changed
   * them meanwhile.
   */
  readonly set: <E = never>(
    tenant: TenantId,
    change: (settings: Settings) => Effect.Effect<Settings, E>,
    options?: ChangeOptions,
  ) => Effect.Effect<void, DatabaseError | TenantError | E>

  /** Enables or disables a tenant. What the current owner of a disabled tenant writes is refused at once. */
  readonly enable: (tenant: TenantId, enabled: boolean) => Effect.Effect<void, DatabaseError | TenantError>

  /**
   * Removes a tenant from the registry, and cancels its open runs: they would start when it is added again, however much later. What
   * is known of its results stays: it counts if the tenant is added again.
   */
  readonly remove: (tenant: TenantId) => Effect.Effect<void, DatabaseError | TenantError>

  /**
   * Makes the caller the owner of a tenant, and returns its epoch: what an owner with an earlier epoch writes is refused from
   * now on. `TenantStatus` shows the runner that is given.
   */
  readonly claim: (tenant: TenantId, runner?: string) => Effect.Effect<number, DatabaseError | TenantError>
}

/**
 * The registry of tenants.
 *
 * @since 0.1.0
 * @category services
 */
export class Tenants extends Context.Service<Tenants, Service>()("@live-response/cluster/Tenants") {}

const { name, storagePrefix, ...others } = Settings.fields

/** The settings that are in one column. */
const OtherSettings = Schema.fromJsonString(Schema.Struct(others))

const Columns = Schema.Struct({ name, storagePrefix, settings: OtherSettings })

const Row = Schema.Struct({
  tenant: TenantId,
  enabled: Schema.Boolean,
  revision: Schema.Int,
  ...Columns.fields,
})

const decodeRow = Schema.decodeUnknownEffect(Row)
const decodePrefixes = rowsOf(Schema.Struct({ prefix: StoragePrefix }))
const decodeChanged = Schema.decodeUnknownEffect(
  Schema.Tuple([Schema.Struct({ changed: Schema.Boolean, free: Schema.Boolean })]),
)
const decodeIds = rowsOf(Schema.Struct({ tenant: TenantId }))

const issuesOf = SchemaIssue.makeFormatterStandardSchemaV1()

/** Which setting is not valid, and what it must be. */
const problemOf = ({ issue, message }: Schema.SchemaError): string => {
  const [first] = issuesOf(issue).issues
  const setting = (first?.path ?? []).map(String).filter((part) => part !== "settings")
  return first === undefined || setting.length === 0 ? message : `${setting.join(".")}: ${first.message}`
}

/** The settings as text for their columns, if they are valid. */
const encode = (tenant: TenantId, { name, storagePrefix, ...others }: Settings) =>
  Schema.encodeEffect(Columns)({ name, storagePrefix, settings: others }).pipe(
    Effect.mapError((error) => {
      const detail = TerminalText.shorten(problemOf(error).replaceAll(/\s+/g, " "))
      return new TenantError({ tenant, problem: "Invalid", detail })
    }),
  )

/** What a `Row` is read from. */
const selected = (
  sql: SqlClient,
) => sql`tenant::text as tenant, name, enabled, revision, storage_prefix as "storagePrefix",
  settings::text as settings`

const refused = (tenant: TenantId, problem: TenantError["problem"]) => new TenantError({ tenant, problem })

/** Fails if the statement changed no row. */
const required = (tenant: TenantId, problem: TenantError["problem"]) => (rows: ReadonlyArray<unknown>) =>
  rows.length === 0 ? Effect.fail(refused(tenant, problem)) : Effect.void

/** The tenants of rows, without those that can't be read. */
const makeReadable = () => {
  const oncePerTenant = makeOncePerKey<TenantId>()
  const warn = (tenant: TenantId) =>
    oncePerTenant(
      tenant,
      Effect.logWarning(
        `tenant ${tenant} is left out: its settings in the registry can't be read; add it again with new ones`,
      ),
    )
  return (rows: ReadonlyArray<unknown>) =>
    Effect.forEach(rows, (row) =>
      Effect.matchEffect(decodeRow(row), {
        onFailure: () =>
          decodeIds([row]).pipe(
            Effect.flatMap((ids) => Effect.forEach(ids, ({ tenant }) => warn(tenant), { discard: true })),
            Effect.as([]),
          ),
        onSuccess: ({ settings, ...row }) => Effect.succeed<ReadonlyArray<Tenant>>([{ ...row, ...settings }]),
      }),
    ).pipe(Effect.map((tenants) => tenants.flat()))
}

const defaults = { cloud: "commercial", selection: everything } satisfies Partial<Settings>

/**
 * Whether no other tenant has the prefix, or a directory above or below it: who may read or remove one tenant's results by their prefix
 * reaches no other's. A removed tenant has its prefix too, because its results are there. Each tenant may keep the one that it has.
 */
const isFree = (sql: SqlClient, tenant: TenantId, prefix: string) =>
  sql`not exists (select 1 from live_response.tenants other, (select ${prefix} as prefix) new
    where other.tenant <> ${tenant}::uuid and (starts_with(new.prefix || '/', other.storage_prefix || '/')
      or starts_with(other.storage_prefix || '/', new.prefix || '/')))
    or exists (select 1 from live_response.tenants where tenant = ${tenant}::uuid and storage_prefix = ${prefix})`

const decodeNames = rowsOf(Schema.Struct({ tenant: TenantId, name: Schema.String }))

/** Until the transaction ends, nobody else gives a tenant its name or its prefix. */
const lock = (sql: SqlClient) =>
  sql`select pg_advisory_xact_lock(hashtextextended('live_response names of tenants', 0))`

/** The tenant that has the name, other than this one. */
const namesake = Effect.fnUntraced(function* (sql: SqlClient, tenant: TenantId, name: string) {
  const rows = yield* sql`select tenant::text as tenant, name from live_response.tenants where not removed`
  const key = name.toLowerCase()
  return (yield* decodeNames(rows)).find((each) => each.tenant !== tenant && each.name.toLowerCase() === key)
})

/** Runs a statement that gives a tenant its name and its prefix. */
const naming = Effect.fnUntraced(function* (
  { patiently }: Database["Service"],
  tenant: TenantId,
  columns: Columns,
  { distinctName = false }: ChangeOptions,
  statement: (sql: SqlClient) => Effect.Effect<ReadonlyArray<unknown>, SqlError>,
) {
  const { other, rows } = yield* patiently((sql) =>
    sql.withTransaction(
      Effect.gen(function* () {
        yield* lock(sql)
        const other = distinctName ? yield* namesake(sql, tenant, columns.name) : undefined
        return { other, rows: other === undefined ? yield* statement(sql) : [] }
      }),
    ),
  )
  if (other !== undefined) {
    return yield* new TenantError({
      tenant: other.tenant,
      problem: "NameTaken",
      detail: TerminalText.shorten(other.name),
    })
  }
  return rows
})

type Columns = typeof Columns.Encoded

const put = (sql: SqlClient, tenant: TenantId, { name, settings, storagePrefix }: Columns) =>
  sql`insert into live_response.tenants as t (tenant, name, storage_prefix, settings)
    select ${tenant}::uuid, ${name}, ${storagePrefix}, ${settings}::json where ${isFree(sql, tenant, storagePrefix)}
    on conflict (tenant) do update set name = excluded.name, storage_prefix = excluded.storage_prefix,
      settings = excluded.settings, enabled = t.enabled or t.removed, removed = false, epoch = t.epoch + 1,
      revision = t.revision + 1, updated_at = now()
    returning 1 as found`

/** Replaces the settings of a revision. None if it is not the current one any more. */
const replace = (sql: SqlClient, { revision, tenant }: Tenant, { name, settings, storagePrefix }: Columns) =>
  sql`with free as (select ${isFree(sql, tenant, storagePrefix)} as free), changed as (
      update live_response.tenants set name = ${name}, storage_prefix = ${storagePrefix}, settings = ${settings}::json,
        epoch = epoch + 1, revision = revision + 1, updated_at = now()
      where tenant = ${tenant}::uuid and not removed and revision = ${String(revision)}::int and (select free from free)
      returning 1)
    select exists (select 1 from changed) as changed, free from free`

const encodeError = Schema.encodeEffect(Schema.fromJsonString(TenantError))

/**
 * Removes a tenant, and ends its open runs. None if it is not in the registry.
 *
 * In two statements: who submits a run holds the row of the tenant, and the second statement sees the run that the first one has
 * waited for.
 */
const removeWithRuns = Effect.fnUntraced(function* (sql: SqlClient, tenant: TenantId) {
  const why = yield* Effect.orDie(encodeError(refused(tenant, "Removed")))
  const removed = yield* sql`update live_response.tenants set removed = true, enabled = false, epoch = epoch + 1,
    revision = revision + 1, updated_at = now() where tenant = ${tenant}::uuid and not removed returning 1 as found`
  if (removed.length === 0) return removed
  yield* sql`update live_response.cluster_runs set is_cancelling = true, state = 'cancelled', ended_at = now(),
    error = ${why}::json where tenant = ${tenant}::uuid and state in ('queued', 'running')`
  return removed
})

const make = Effect.gen(function* () {
  const database = yield* Database
  const { patiently } = database
  const claim = TenantClaims.make(database)
  const readable = makeReadable()

  /** Changes a tenant that is in the registry. */
  const change = (tenant: TenantId, assignments: (sql: SqlClient) => Fragment) =>
    patiently(
      (sql) => sql`update live_response.tenants set ${assignments(sql)}, epoch = epoch + 1, revision = revision + 1,
        updated_at = now() where tenant = ${tenant}::uuid and not removed returning 1 as found`,
    ).pipe(Effect.flatMap(required(tenant, "Unknown")))

  const get = (tenant: TenantId) =>
    patiently(
      (sql) => sql`select ${selected(sql)} from live_response.tenants where tenant = ${tenant}::uuid and not removed`,
    ).pipe(
      Effect.tap(required(tenant, "Unknown")),
      Effect.flatMap(readable),
      Effect.flatMap(([found]) =>
        found === undefined ? Effect.fail(refused(tenant, "Unreadable")) : Effect.succeed(found),
      ),
    )

  const prefixOf = (tenant: TenantId) =>
    patiently(
      (sql) => sql`select storage_prefix as prefix from live_response.tenants where tenant = ${tenant}::uuid`,
    ).pipe(
      Effect.flatMap(decodePrefixes),
      Effect.map(([row]) => row?.prefix ?? tenant),
    )

  const service: Service = {
    list: patiently(
      (sql) => sql`select ${selected(sql)} from live_response.tenants where not removed order by name, tenant`,
    ).pipe(Effect.flatMap(readable)),
    get,
    add: Effect.fnUntraced(function* (tenant, settings, options = {}) {
      const storagePrefix = settings.storagePrefix ?? (yield* prefixOf(tenant))
      const columns = yield* encode(tenant, { ...defaults, ...settings, storagePrefix })
      const rows = yield* naming(database, tenant, columns, options, (sql) => put(sql, tenant, columns))
      yield* required(tenant, "PrefixTaken")(rows)
    }),
    set: (tenant, change, options = {}) =>
      Effect.gen(function* () {
        const current = yield* get(tenant)
        const columns = yield* encode(tenant, yield* change(current))
        const rows = yield* naming(database, tenant, columns, options, (sql) => replace(sql, current, columns))
        const [{ changed, free }] = yield* Effect.orDie(decodeChanged(rows))
        // Somebody else may have changed it meanwhile: then the change applies to what that one wrote.
        return free ? changed : yield* refused(tenant, "PrefixTaken")
      }).pipe(Effect.repeat({ until: (changed) => changed }), Effect.asVoid),
    enable: (tenant, enabled) => change(tenant, (sql) => sql`enabled = ${String(enabled)}::boolean`),
    remove: (tenant) =>
      patiently((sql) => sql.withTransaction(removeWithRuns(sql, tenant))).pipe(
        Effect.flatMap(required(tenant, "Unknown")),
      ),
    claim: Effect.fnUntraced(function* (tenant, runner) {
      const claimed = yield* claim(tenant, runner)
      if (claimed === undefined) return yield* refused(tenant, "Unknown")
      return claimed.enabled ? claimed.epoch : yield* refused(tenant, "Disabled")
    }),
  }
  return service
})

/**
 * The registry in the database.
 *
 * **Details**
 *
 * Every change of a tenant starts a new epoch, so that no owner continues with what it knew before.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<Tenants, never, Database> = Layer.effect(Tenants, make)
