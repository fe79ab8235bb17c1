/**
 * Events of sessions in words: the lines on standard error for sessions that did not succeed.
 */
import type { FleetEvent, NotStarted } from "@live-response/core/FleetEvent"
import type { MachineAction } from "@live-response/core/MachineAction"
import * as ActionText from "./ActionText.ts"
import { printable } from "./Printable.ts"

const outcome = (action: MachineAction): string => {
  const reasons = action.commands.flatMap((command) =>
    command.status === "Failed" ? [ActionText.whatItDoes(command), ...command.errors] : [],
  )
  return [`machine action ${action.id} is ${action.status}`, ...reasons].join(": ")
}

/** Whether another session is in progress on the machine. */
const isBusy = ({ error }: NotStarted): boolean =>
  error?._tag === "DefenderError" && error.reason._tag === "ActiveRequestAlreadyExists"

/** The message on standard error; none for a session that goes as expected. */
export const message = (
  event: FleetEvent,
  /** Whether the run has a flag for sessions in the way. */
  { hasAnswer }: { readonly hasAnswer: boolean },
): string | undefined => {
  switch (event.event) {
    case "notStarted":
      return `failed: ${printable(event.message)}${isBusy(event) && !hasAnswer ? " (--adopt waits for that session instead, --cancel-blocking cancels it)" : ""}`
    case "unfinished":
      return `not finished: ${printable(event.message)}`
    case "ended":
      return event.earlier || event.action.status === "Succeeded"
        ? undefined
        : `failed: ${printable(`${ActionText.nameOf(event.action)}: ${outcome(event.action)}`)}`
    case "cancelled":
      return `cancelled: machine action ${event.machineActionId}, which was in progress on ${printable(event.machineId)}`
    case "started":
    case "offline":
    case "online":
    case "sessions":
      return undefined
  }
}
