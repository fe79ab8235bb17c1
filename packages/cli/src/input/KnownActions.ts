/**
 * What `actions.jsonl` says of the machine actions whose results are in a directory.
 */
import type { MachineAction, MachineActionId } from "@live-response/core/MachineAction"
import type { PrivateDirectory } from "@live-response/core/PrivateDirectory"
import * as StoredAction from "@live-response/core/StoredAction"
import * as TerminalText from "@live-response/core/TerminalText"
import * as DateTime from "effect/DateTime"
import * as Stream from "effect/Stream"

export interface KnownCommand {
  readonly index: number
  readonly type: string
  /** The script that ran, or the file that was collected. */
  readonly source: string
  readonly errors: ReadonlyArray<string>
}

/** What is unknown is `""`. Times are milliseconds since 1970. */
export interface KnownAction {
  readonly id: MachineActionId
  readonly machineId: string
  readonly machineName: string
  readonly status: string
  readonly requestor: string
  readonly comment: string
  readonly created: number | undefined
  readonly updated: number | undefined
  readonly commands: ReadonlyArray<KnownCommand>
}

const millis = (time: DateTime.Utc | undefined) => (time === undefined ? undefined : DateTime.toEpochMillis(time))

/** In a prepared file, texts may have any length. */
export const ofAction = (action: MachineAction): KnownAction => {
  const text = (value = "") => TerminalText.shorten(value)
  return {
    id: action.id,
    machineId: text(action.machineId),
    machineName: text(action.computerDnsName),
    status: text(action.status),
    requestor: text(action.requestor),
    comment: text(action.requestorComment),
    created: millis(action.created),
    updated: millis(action.updated),
    commands: action.commands.map(({ errors, index, params, type }) => ({
      index,
      type,
      source: text(params["ScriptName"] ?? params["Path"]),
      errors: errors.map(text),
    })),
  }
}

/** The actions by their ids. */
export const read = (files: PrivateDirectory) =>
  Stream.runFold(
    StoredAction.read(files),
    () => new Map<MachineActionId, KnownAction>(),
    (known, action) => known.set(action.id, ofAction(action)),
  )
