/**
 * The state of many tenants in PostgreSQL for `@live-response/core`: each module of this package by its name.
 *
 * @since 0.1.0
 */
export * as Cluster from "./Cluster.ts"
export * as ClusterRun from "./ClusterRun.ts"
export * as Collector from "./Collector.ts"
export * as Collectors from "./Collectors.ts"
export * as CredentialReference from "./CredentialReference.ts"
export * as Database from "./Database.ts"
export * as DatabaseError from "./DatabaseError.ts"
export * as Migrations from "./Migrations.ts"
export * as OpenRuns from "./OpenRuns.ts"
export * as PgFleetJournal from "./PgFleetJournal.ts"
export * as PgManifest from "./PgManifest.ts"
export * as PgPositions from "./PgPositions.ts"
export * as PgQuotaStore from "./PgQuotaStore.ts"
export * as Retention from "./Retention.ts"
export * as RunExecutor from "./RunExecutor.ts"
export * as Runs from "./Runs.ts"
export * as TenantCredentials from "./TenantCredentials.ts"
export * as TenantOwner from "./TenantOwner.ts"
export * as TenantStatus from "./TenantStatus.ts"
export * as Tenants from "./Tenants.ts"
