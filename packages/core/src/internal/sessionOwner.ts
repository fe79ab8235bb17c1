/** Which machine a session is on. Whoever mixes answers up gives the session of one machine for that of another. */
import type { DefenderError } from "../DefenderError.ts"
import type { MachineActionId } from "../MachineAction.ts"
import * as ApiCall from "./apiCall.ts"

/** An action, as far as it is known: an API may leave its machine out. */
export interface Session {
  readonly id: MachineActionId
  readonly machineId?: string | undefined
}

/** Whether an action may be on a machine: nothing says that it is on another. */
export const isOn = ({ machineId }: Omit<Session, "id">, expected: string): boolean =>
  machineId === undefined || machineId.toLowerCase() === expected

/** An action is not on the machine that it is said to be on. */
export const elsewhere = (session: Session, expected: string): DefenderError =>
  ApiCall.unexpected(
    `machine action ${session.id}`,
    `it is on machine ${session.machineId}, and was given for machine ${expected}`,
  )

/** The sessions of one run: no two machines have the same one. */
export const make = () => {
  const owners = new Map<MachineActionId, string>()
  return {
    /** What is wrong with an action as the session of a machine. */
    problem: (session: Session, machineId: string): DefenderError | undefined => {
      if (!isOn(session, machineId)) return elsewhere(session, machineId)
      const owner = session.machineId === undefined ? (owners.get(session.id) ?? machineId) : machineId
      owners.set(session.id, owner)
      return owner === machineId ? undefined : elsewhere({ ...session, machineId: owner }, machineId)
    },
  }
}

export type SessionOwner = ReturnType<typeof make>
