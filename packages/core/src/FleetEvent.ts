/**
 * What happens when a session is run on many machines, reported as it happens, each event with the instant at which it was
 * made (`at`). The events encode to JSON as the command line prints them with `--json`.
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

/** When it happened. */
const stamped = { at: Schema.DateTimeUtcFromString }

const ofMachine = { ...stamped, machineId: Schema.String }

/**
 * A machine has a session: a new one; one that an earlier run had begun, or that this one began without hearing of it; or
 * somebody else's, which was under way.
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
 * A machine has not begun its session for two minutes: it is offline, and waited for.
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
 * A machine that was offline has begun its session.
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
 * A session is over, in this run or, where it is `earlier`, in one before.
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
 * A machine has no session: the service refused it, or none could be begun. The next run tries again.
 *
 * @since 0.1.0
 * @category events
 */
export class NotStarted extends Schema.Class<NotStarted>("@live-response/core/FleetEvent/NotStarted")({
  event: Schema.tag("notStarted"),
  ...ofMachine,
  message: Schema.String,
  error: Schema.optionalKey(MachineError),
}) {}

/**
 * A session that is no longer waited for, and is not over as far as is known. It goes on at the service; the next run goes
 * on waiting.
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
 * How it ended, always last: how many sessions there are, new or not; how many of them are over and succeeded; are over
 * and did not; are not over as far as is known; and how many machines have none.
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
}) {}

/**
 * The numbers of a summary while events are counted in.
 *
 * @since 0.1.0
 * @category summary
 */
export type Counts = Readonly<Record<"started" | "succeeded" | "failed" | "unfinished" | "notStarted", number>>

/**
 * @since 0.1.0
 * @category models
 */
export const FleetEvent = Schema.Union([Started, Offline, Online, Ended, NotStarted, Unfinished, Sessions])

/**
 * @since 0.1.0
 * @category models
 */
export type FleetEvent = typeof FleetEvent.Type

/**
 * The counts of a run in which nothing has happened yet.
 *
 * @since 0.1.0
 * @category summary
 */
export const noSessions: Counts = { started: 0, succeeded: 0, failed: 0, unfinished: 0, notStarted: 0 }

/**
 * Counts an event in.
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
    case "offline":
    case "online":
    case "sessions":
      return counts
  }
}

/**
 * The summary once nothing more is waited for.
 *
 * @since 0.1.0
 * @category summary
 */
export const close = (counts: Counts, at: DateTime.Utc): Sessions =>
  Sessions.make({ ...counts, at, unfinished: counts.started - counts.succeeded - counts.failed })
