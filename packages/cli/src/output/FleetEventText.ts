/**
 * What is said of sessions on many machines: of those that went as they should, nothing.
 */
import type { FleetEvent, NotStarted } from "@live-response/core/FleetEvent"
import type { MachineAction } from "@live-response/core/MachineAction"
import { printable } from "./Printable.ts"
import * as ActionText from "./ActionText.ts"

const howItEnded = (action: MachineAction): string => {
  const reasons = action.commands.flatMap((command) =>
    command.status === "Failed" ? [ActionText.whatItDoes(command), ...command.errors] : [],
  )
  return [`machine action ${action.id} is ${action.status}`, ...reasons].join(": ")
}

const isInTheWay = ({ error }: NotStarted): boolean =>
  error?._tag === "DefenderError" && error.reason._tag === "ActiveRequestAlreadyExists"

/** A line, where there is something to say. */
export const message = (event: FleetEvent): string | undefined => {
  switch (event.event) {
    case "notStarted":
      return `failed: ${printable(event.message)}${isInTheWay(event) ? " (--adopt waits for it in place of this one)" : ""}`
    case "unfinished":
      return `not over: ${printable(event.message)}`
    case "ended":
      return event.earlier || event.action.status === "Succeeded"
        ? undefined
        : `failed: ${printable(`${ActionText.nameOf(event.action)}: ${howItEnded(event.action)}`)}`
    case "started":
    case "offline":
    case "online":
    case "sessions":
      return undefined
  }
}
