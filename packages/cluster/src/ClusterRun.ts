/**
 * A run that was given to the cluster: a session, its machines, and what happened so far.
 *
 * @since 0.1.0
 */
import { BatchEvent } from "@live-response/core/BatchEvent"
import { NetworkDown, StorageRefused } from "@live-response/core/BatchError"
import { CredentialError } from "@live-response/core/CredentialError"
import { DefectError } from "@live-response/core/DefectError"
import { DefenderError } from "@live-response/core/DefenderError"
import { FleetEvent } from "@live-response/core/FleetEvent"
import { QuotaStoreError } from "@live-response/core/QuotaStoreError"
import { Session } from "@live-response/core/Session"
import { StoreError } from "@live-response/core/StoreError"
import { TransferError } from "@live-response/core/TransferError"
import * as Schema from "effect/Schema"
import * as SchemaTransformation from "effect/SchemaTransformation"
import { TenantError, TenantId } from "./Tenants.ts"

/**
 * @since 0.1.0
 * @category models
 */
export const RunId = Schema.String.pipe(
  Schema.decode(SchemaTransformation.toLowerCase()),
  Schema.check(Schema.isGUID(), Schema.isLowercased()),
  Schema.brand("@live-response/cluster/ClusterRun/RunId"),
)

/**
 * @since 0.1.0
 * @category models
 */
export type RunId = typeof RunId.Type

/**
 * How to run: the options of `Fleet.run`. `deadline` is counted from when the run was submitted, by the clock of the database alone: a
 * run survives the runner that started it, and the clocks of machines differ.
 *
 * @since 0.1.0
 * @category models
 */
export const RunOptions = Schema.Struct({
  adopt: Schema.Boolean,
  cancelBlocking: Schema.Boolean,
  retryFailed: Schema.Boolean,
  sessions: Schema.optionalKey(Schema.Int),
  deadline: Schema.optionalKey(Schema.DurationFromMillis),
})

/**
 * @since 0.1.0
 * @category models
 */
export type RunOptions = typeof RunOptions.Type

/**
 * - `queued`: no runner has taken it yet
 * - `running`: the owner of its tenant executes it; after the loss of a runner, the next owner resumes it
 * - `finished`: every session has finished, and its results were downloaded or have failed
 * - `failed`: an error ended it that concerns every machine
 * - `cancelled`: a user ended it
 *
 * @since 0.1.0
 * @category models
 */
export const State = Schema.Literals(["queued", "running", "finished", "failed", "cancelled"])

/**
 * @since 0.1.0
 * @category models
 */
export type State = typeof State.Type

/**
 * How many machines have what. `completed` and `failedResults` count results.
 *
 * @since 0.1.0
 * @category models
 */
export const Counts = Schema.Struct({
  started: Schema.Int,
  succeeded: Schema.Int,
  failed: Schema.Int,
  unfinished: Schema.Int,
  notStarted: Schema.Int,
  completed: Schema.Int,
  failedResults: Schema.Int,
})

/**
 * @since 0.1.0
 * @category models
 */
export type Counts = typeof Counts.Type

/**
 * The error that ended a run, or the removal of its tenant, which cancelled it.
 *
 * @since 0.1.0
 * @category models
 */
export const Failure = Schema.Union([
  CredentialError,
  DefectError,
  DefenderError,
  QuotaStoreError,
  StoreError,
  TransferError,
  NetworkDown,
  StorageRefused,
  TenantError,
])

/**
 * @since 0.1.0
 * @category models
 */
export type Failure = typeof Failure.Type

/**
 * A run of a tenant. `machines` is their number. While the tenant is not enabled (`tenantEnabled`), nobody executes the run.
 *
 * @since 0.1.0
 * @category models
 */
export const ClusterRun = Schema.Struct({
  run: RunId,
  tenant: TenantId,
  tenantName: Schema.String,
  tenantEnabled: Schema.Boolean,
  session: Session,
  machines: Schema.Int,
  submittedBy: Schema.String,
  state: State,
  isCancelling: Schema.Boolean,
  counts: Counts,
  error: Schema.optionalKey(Failure),
  at: Schema.DateTimeUtcFromString,
  startedAt: Schema.optionalKey(Schema.DateTimeUtcFromString),
  endedAt: Schema.optionalKey(Schema.DateTimeUtcFromString),
})

/**
 * @since 0.1.0
 * @category models
 */
export type ClusterRun = typeof ClusterRun.Type

/**
 * Who executes a run, and who could.
 *
 * - `runner` executes it. There is none if no runner has taken the run, or if the one that had it is gone.
 * - `runners` are those that are alive: PostgreSQL has heard from each within the last 14 seconds.
 * - `lastSeen` is when a runner has last worked on any tenant.
 *
 * @since 0.1.0
 * @category models
 */
export const Execution = Schema.Struct({
  runner: Schema.optionalKey(Schema.String),
  runners: Schema.Array(Schema.String),
  lastSeen: Schema.optionalKey(Schema.DateTimeUtcFromString),
})

/**
 * @since 0.1.0
 * @category models
 */
export type Execution = typeof Execution.Type

/**
 * An event of a run: of its sessions, of its results, or that the runner waits before it tries again.
 *
 * **Details**
 *
 * The summaries, the progress within a result and its retries are not stored.
 *
 * @since 0.1.0
 * @category models
 */
export const RunEvent = Schema.Union([
  Schema.Struct({ session: FleetEvent }),
  Schema.Struct({ result: BatchEvent }),
  Schema.Struct({ unavailable: Schema.Struct({ message: Schema.String, at: Schema.DateTimeUtcFromString }) }),
])

/**
 * @since 0.1.0
 * @category models
 */
export type RunEvent = typeof RunEvent.Type

/**
 * There is no such run, it was cancelled, it has finished and can't be cancelled any more, or nobody executes it because its
 * `tenant` is disabled or was removed.
 *
 * @since 0.1.0
 * @category errors
 */
export class RunError extends Schema.TaggedError<RunError>("@live-response/cluster/ClusterRun/RunError")("RunError", {
  run: Schema.String,
  problem: Schema.Literals(["Unknown", "Cancelled", "Finished", "TenantDisabled"]),
  tenant: Schema.optionalKey(Schema.String),
}) {
  override get message(): string {
    switch (this.problem) {
      case "Unknown":
        return `run ${this.run} is not known; live-response runs list shows the runs of the cluster`
      case "Cancelled":
        return `run ${this.run} was cancelled; give the cluster the same run again to resume it`
      case "Finished":
        return `run ${this.run} has finished and can't be cancelled; live-response runs watch ${this.run} shows what it did`
      case "TenantDisabled":
        return `run ${this.run} waits: tenant ${this.tenant ?? "of the run"} is disabled or was removed; enable it, or cancel the run`
    }
  }
}
