/** The finished sessions of results that a test added, so that each result belongs to an action. */
import * as DateTime from "effect/DateTime"
import type { ActionRecord } from "./inputs.ts"

interface ResultAction {
  readonly finishedAt: number
  /** By the index of the command: the name of the file that it collected. Without a name it ran a script. */
  readonly fileNames: Map<number, string | undefined>
}

/** By the id of the action. */
export type ResultActions = Map<string, ResultAction>

/** Adds the command of a result to its action. */
export const add = (
  self: ResultActions,
  id: string,
  index: number,
  fileName: string | undefined,
  now: number,
): void => {
  const action = self.get(id) ?? { finishedAt: now, fileNames: new Map<number, string | undefined>() }
  action.fileNames.set(index, fileName)
  self.set(id, action)
}

const commandOf = (fileName: string | undefined) =>
  fileName === undefined
    ? { type: "RunScript", params: [{ key: "ScriptName", value: "collect.ps1" }] }
    : { type: "GetFile", params: [{ key: "Path", value: `C:\\Temp\\${fileName}` }] }

const recordOf = (id: string, { fileNames, finishedAt }: ResultAction): ActionRecord => {
  const at = DateTime.formatIso(DateTime.makeUnsafe(finishedAt))
  return {
    id,
    type: "LiveResponse",
    title: null,
    scope: null,
    requestor: "simulator",
    requestorComment: "An earlier session",
    requestSource: "PublicApi",
    status: "Succeeded",
    machineId: id.replaceAll("-", "").padStart(40, "0"),
    computerDnsName: null,
    creationDateTimeUtc: at,
    lastUpdateDateTimeUtc: at,
    cancellationRequestor: null,
    cancellationComment: null,
    cancellationDateTimeUtc: null,
    errorHResult: 0,
    externalID: null,
    relatedFileInfo: null,
    troubleshootInfo: null,
    commands: [...fileNames]
      .toSorted(([left], [right]) => left - right)
      .map(([index, fileName]) => ({
        index,
        startTime: at,
        endTime: at,
        commandStatus: "Completed",
        errors: [],
        command: commandOf(fileName),
      })),
  }
}

export const get = (self: ResultActions, id: string): ActionRecord | undefined => {
  const action = self.get(id)
  return action === undefined ? undefined : recordOf(id, action)
}

export const all = (self: ResultActions): ReadonlyArray<ActionRecord> =>
  Array.from(self, ([id, action]) => recordOf(id, action))
