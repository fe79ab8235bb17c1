/** Which machine a session belongs to. A server that mixes up its answers gives the session of one machine for another. */
import type { DefenderError } from "../DefenderError.ts"
import type { MachineActionId } from "../MachineAction.ts"
import * as ApiErrors from "./apiErrors.ts"

/** What an answer says of a session. The API may leave its machine out. */
export interface Session {
  readonly id: MachineActionId
  readonly machineId?: string | undefined
}

/** Whether a session may be on a machine: the answer names that machine or none. */
export const isOn = ({ machineId }: Omit<Session, "id">, expected: string): boolean =>
  machineId === undefined || machineId.toLowerCase() === expected

/** The error for a session that is on another machine than expected. */
export const wrongMachine = (session: Session, expected: string): DefenderError =>
  ApiErrors.unexpected(
    `machine action ${session.id}`,
    `it is on machine ${session.machineId}, and the API returned it for machine ${expected}`,
  )

/** The machines of a run's sessions. No two machines have the same session. */
export class SessionOwners {
  private readonly machines = new Map<MachineActionId, string>()

  /** Assigns a session to a machine. Returns an error if it is another machine's. */
  readonly assign = (session: Session, machineId: string): DefenderError | undefined => {
    if (!isOn(session, machineId)) return wrongMachine(session, machineId)
    const owner = session.machineId === undefined ? (this.machines.get(session.id) ?? machineId) : machineId
    this.machines.set(session.id, owner)
    return owner === machineId ? undefined : wrongMachine({ ...session, machineId: owner }, machineId)
  }
}
