/**
 * Events of sessions in words: the lines on standard error for sessions that did not succeed.
 */
import type { FleetEvent, NotStarted, Unfinished } from "@live-response/core/FleetEvent"
import type { MachineAction } from "@live-response/core/MachineAction"
import * as ActionText from "./ActionText.ts"
import type { MachineNames } from "./MachineNames.ts"
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

/** What can find a session that may have started: the same command by its journal, the cluster, or a person alone. */
export type Resumption = "journal" | "cluster" | "none"

interface Context {
  /** Whether the run has a flag for sessions in the way. */
  readonly hasAnswer: boolean
  readonly resumption: Resumption
  readonly names: MachineNames
}

/** The message of a machine, which has its id, after its name. */
const withName = (names: MachineNames, { machineId, message }: NotStarted | Unfinished): string => {
  const name = names.of(machineId)
  return printable(name === undefined ? message : `${name}: ${message}`)
}

/** What to do about a machine without a session. */
const nextStep = (event: NotStarted, { hasAnswer, resumption }: Context): string => {
  if (isBusy(event)) {
    return hasAnswer ? "" : " (--adopt waits for that session instead, --cancel-blocking cancels it)"
  }
  if (event.mayHaveStarted !== true || resumption === "cluster") return ""
  return resumption === "journal"
    ? "; the same command searches for it"
    : `; in two minutes, search for it with live-response actions list --machine ${printable(event.machineId)}, because the same command starts another one`
}

/** The message on standard error; none for a session that goes as expected. */
export const message = (event: FleetEvent, context: Context): string | undefined => {
  const { names } = context
  switch (event.event) {
    case "notStarted":
      return `failed: ${withName(names, event)}${nextStep(event, context)}`
    case "unfinished":
      return `not finished: ${withName(names, event)}`
    case "ended":
      return event.earlier || event.action.status === "Succeeded"
        ? undefined
        : `failed: ${printable(`${ActionText.nameOf(event.action)}: ${outcome(event.action)}`)}`
    case "cancelled":
      return `cancelled: machine action ${event.machineActionId}, which was in progress on ${printable(names.of(event.machineId) ?? event.machineId)}`
    case "started":
    case "offline":
    case "online":
    case "sessions":
      return undefined
  }
}
