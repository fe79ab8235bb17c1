/**
 * The rows of sessions that `run` without `--download` prints.
 */
import type { FleetEvent, Started } from "@live-response/core/FleetEvent"
import * as ActionText from "./ActionText.ts"
import * as MachineNames from "./MachineNames.ts"
import { printable } from "./Printable.ts"
import type * as Table from "./Table.ts"

export interface Row {
  readonly id: string
  readonly status: string
  readonly machine: string
}

export const columns: ReadonlyArray<Table.Column<Row>> = [
  ...ActionText.idAndStatus,
  {
    title: "MACHINE",
    width: 40,
    leastWidth: 12,
    text: ({ machine }) => machine,
    short: ({ machine }) => MachineNames.shorten(machine),
  },
]

/** A session of an earlier run must not look as if it was started again. */
const startedAs = { new: "Started", resumed: "Resumed", adopted: "Adopted" }

/** Makes the rows of an event: with `wait` of each session that has finished, else of each that has started. */
export const make = (names: MachineNames.MachineNames, { wait }: { readonly wait: boolean }) => {
  const startedRow = ({ as, machineActionId, machineId }: Started): Row => ({
    id: machineActionId,
    status: startedAs[as],
    machine: printable(names.of(machineId) ?? machineId),
  })
  /** The sessions that are waited for. If the run is interrupted, they continue, and nothing else names them. */
  const open = new Map<string, Started>()
  return (event: FleetEvent): ReadonlyArray<Row> => {
    switch (event.event) {
      case "started":
        if (!wait) return [startedRow(event)]
        open.set(event.machineActionId, event)
        return []
      case "ended": {
        const { action } = event
        open.delete(action.id)
        return wait ? [{ id: action.id, status: action.status, machine: ActionText.nameOf(action) }] : []
      }
      case "unfinished":
        open.delete(event.machineActionId)
        return []
      case "sessions":
        return Array.from(open.values(), startedRow)
      default:
        return []
    }
  }
}
