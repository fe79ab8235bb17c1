/**
 * The events of a session that runs on many machines, each with the time at which it happened (`at`). They encode to the
 * JSON that the command line prints with `--json`.
 *
 * @since 0.1.0
 */
import type * as DateTime from "effect/DateTime"
import * as Schema from "effect/Schema"
import { CredentialError } from "./CredentialError.ts"
import { DefenderError } from "./DefenderError.ts"
import { MachineAction, MachineActionId } from "./MachineAction.ts"
import { QuotaStoreError } from "./QuotaStoreError.ts"

/**
 * Any error that a machine can fail with.
 *
 * @since 0.1.0
 * @category models
 */
export const MachineError = Schema.Union([DefenderError, CredentialError, QuotaStoreError])

/**
 * @since 0.1.0
 * @category models
 */
export type MachineError = typeof MachineError.Type

const stamped = { at: Schema.DateTimeUtcFromString }

const ofMachine = { ...stamped, machineId: Schema.String }

/**
 * A machine has a session.
 *
 * **Details**
 *
 * `as` is `new` for a session that this run started; `resumed` for one that an earlier run started, or that this run started
 * without getting an answer; `adopted` for a session of somebody else that was in progress.
 *
 * @since 0.1.0
 * @category events
 */
export class Started extends Schema.Class<Started>("@live-response/core/FleetEvent/Started")({
  event: Schema.tag("started"),
  ...ofMachine,
  machineActionId: MachineActionId,
  as: Schema.Literals(["new", "resumed", "adopted"]),
}) {}

/**
 * A session of somebody else was in progress on the machine, and was cancelled so that the session of this run can start.
 *
 * @since 0.1.0
 * @category events
 */
export class Cancelled extends Schema.Class<Cancelled>("@live-response/core/FleetEvent/Cancelled")({
  event: Schema.tag("cancelled"),
  ...ofMachine,
  machineActionId: MachineActionId,
}) {}

/**
 * A session has been pending for two minutes: its machine is offline. The run waits for the machine.
 *
 * @since 0.1.0
 * @category events
 */
export class Offline extends Schema.Class<Offline>("@live-response/core/FleetEvent/Offline")({
  event: Schema.tag("offline"),
  ...ofMachine,
  machineActionId: MachineActionId,
}) {}

/**
 * The session of a machine that was offline is in progress.
 *
 * @since 0.1.0
 * @category events
 */
export class Online extends Schema.Class<Online>("@live-response/core/FleetEvent/Online")({
  event: Schema.tag("online"),
  ...ofMachine,
  machineActionId: MachineActionId,
}) {}

/**
 * A session has finished. `earlier` is `true` where it finished in an earlier run.
 *
 * @since 0.1.0
 * @category events
 */
export class Ended extends Schema.Class<Ended>("@live-response/core/FleetEvent/Ended")({
  event: Schema.tag("ended"),
  ...ofMachine,
  action: MachineAction,
  earlier: Schema.Boolean,
}) {}

/**
 * A machine has no session: the service refused it, or it could not be started. The next run tries again.
 *
 * **Details**
 *
 * `mayHaveStarted` says that the session was requested and that its start is neither confirmed nor excluded: the run ended before
 * the answer arrived, or the answer does not say. The next run with the same journal searches for the session. Without a journal,
 * search the list of actions before it is requested again.
 *
 * @since 0.1.0
 * @category events
 */
export class NotStarted extends Schema.Class<NotStarted>("@live-response/core/FleetEvent/NotStarted")({
  event: Schema.tag("notStarted"),
  ...ofMachine,
  message: Schema.String,
  mayHaveStarted: Schema.optionalKey(Schema.Literal(true)),
  error: Schema.optionalKey(MachineError),
}) {}

/**
 * The run stopped waiting for a session that may still be in progress. The next run waits for it again.
 *
 * @since 0.1.0
 * @category events
 */
export class Unfinished extends Schema.Class<Unfinished>("@live-response/core/FleetEvent/Unfinished")({
  event: Schema.tag("unfinished"),
  ...ofMachine,
  machineActionId: MachineActionId,
  message: Schema.String,
  error: Schema.optionalKey(MachineError),
}) {}

/**
 * The summary of a run, always the last event.
 *
 * **Details**
 *
 * `started` counts all sessions, those of earlier runs included. Each of them is `succeeded`, `failed` or, if it may still be
 * in progress, `unfinished`. `notStarted` counts machines without a session, or with one that is not known. `errors` are the messages
 * of sessions that failed, each with the number of its sessions. `earlier` is the number of sessions that finished in an earlier
 * run, if there are any. The command line sets both.
 *
 * @since 0.1.0
 * @category events
 */
export class Sessions extends Schema.Class<Sessions>("@live-response/core/FleetEvent/Sessions")({
  event: Schema.tag("sessions"),
  ...stamped,
  started: Schema.Int,
  succeeded: Schema.Int,
  failed: Schema.Int,
  unfinished: Schema.Int,
  notStarted: Schema.Int,
  earlier: Schema.optionalKey(Schema.Int),
  errors: Schema.optionalKey(Schema.Array(Schema.Struct({ message: Schema.String, count: Schema.Int }))),
}) {}

/**
 * The numbers of a summary while a run is in progress.
 *
 * @since 0.1.0
 * @category summary
 */
export type Counts = Readonly<Record<"started" | "succeeded" | "failed" | "unfinished" | "notStarted", number>>

/**
 * Any event of a run.
 *
 * @since 0.1.0
 * @category models
 */
export const FleetEvent = Schema.Union([Started, Cancelled, Offline, Online, Ended, NotStarted, Unfinished, Sessions])

/**
 * @since 0.1.0
 * @category models
 */
export type FleetEvent = typeof FleetEvent.Type

/**
 * The counts before the first event.
 *
 * @since 0.1.0
 * @category summary
 */
export const noSessions: Counts = { started: 0, succeeded: 0, failed: 0, unfinished: 0, notStarted: 0 }

/**
 * Adds an event to the counts.
 *
 * @since 0.1.0
 * @category summary
 */
export const tally = (counts: Counts, event: FleetEvent): Counts => {
  switch (event.event) {
    case "started":
    case "unfinished":
    case "notStarted":
      return { ...counts, [event.event]: counts[event.event] + 1 }
    case "ended": {
      const ended = event.action.status === "Succeeded" ? "succeeded" : "failed"
      const more = event.earlier ? 1 : 0
      return { ...counts, started: counts.started + more, [ended]: counts[ended] + 1 }
    }
    case "cancelled":
    case "offline":
    case "online":
    case "sessions":
      return counts
  }
}

/**
 * Why a session failed, in a few words that sessions with the same cause share: its failed command and the errors of that
 * command, or else its status. `undefined` for a session that succeeded, and where the API does not say why.
 *
 * @since 0.1.0
 * @category summary
 */
export const errorOf = ({ commands, status, troubleshootInfo }: MachineAction): string | undefined => {
  if (status === "Succeeded") return undefined
  const failed = commands.find((command) => command.status === "Failed")
  if (failed === undefined && troubleshootInfo === undefined) return status === "Failed" ? undefined : status
  if (failed === undefined) return `${status}: ${troubleshootInfo}`
  const { errors, params, type } = failed
  const what = params["ScriptName"] ?? params["Path"] ?? params["FileName"]
  return [`${type}${what === undefined ? "" : ` ${what}`}`, ...(errors.length === 0 ? [status] : errors)].join(": ")
}

/**
 * The summary after the last event.
 *
 * @since 0.1.0
 * @category summary
 */
export const close = (counts: Counts, at: DateTime.Utc): Sessions =>
  Sessions.make({ ...counts, at, unfinished: counts.started - counts.succeeded - counts.failed })
