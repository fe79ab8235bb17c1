/** A machine action that the simulator runs: where it stands at an instant, as pure functions. */
import * as DateTime from "effect/DateTime"
import * as Schema from "effect/Schema"
import * as Archives from "./archives.ts"
import type { ActionRecord, Machine } from "./inputs.ts"

export const Command = Schema.Struct({
  type: Schema.Literals(["PutFile", "RunScript", "GetFile"]),
  params: Schema.Array(Schema.Struct({ key: Schema.String, value: Schema.String })),
})

export interface Action {
  readonly id: string
  readonly type: string
  /** Of an isolation or a scan, how much it covers. */
  readonly scope: string | null
  readonly machine: Machine
  /** Only a live response session has commands. */
  readonly commands: ReadonlyArray<typeof Command.Type>
  readonly comment: string
  readonly createdAt: number
  /** When the machine is online. */
  readonly startsAt: number
  /** How long a command runs, or the whole of an action without commands. */
  readonly commandMillis: number
  /** How long the service waits for a machine that is offline. */
  readonly offlineTimeout: number
  cancelled?: { readonly at: number; readonly comment: string }
  /** The record once the action has finished: it is listed thousands of times and never changes. */
  finalRecord?: ActionRecord
}

interface Progress {
  readonly status: "Pending" | "InProgress" | "Succeeded" | "Failed" | "TimeOut" | "Cancelled"
  /** How many commands have finished. */
  readonly finished: number
  /** The index of the command that fails, else -1. No command runs after it. */
  readonly failing: number
  readonly updatedAt: number
}

const progressOf = (action: Action, now: number): Progress => {
  const { cancelled, commandMillis, commands, createdAt, machine, offlineTimeout, startsAt } = action
  // Only a machine that is offline makes an action time out: what has started finishes.
  const timeout = startsAt < createdAt + offlineTimeout ? Infinity : createdAt + offlineTimeout
  const stopsAt = cancelled?.at ?? timeout
  const until = Math.min(now, stopsAt)
  const failing = machine.scriptError === undefined ? -1 : commands.findIndex(({ type }) => type === "RunScript")
  const planned = failing === -1 ? Math.max(1, commands.length) : failing + 1
  const finished = Math.max(0, Math.min(planned, Math.floor((until - startsAt) / commandMillis)))
  if (finished === planned) {
    const status = failing === -1 ? "Succeeded" : "Failed"
    return { status, finished, failing, updatedAt: startsAt + planned * commandMillis }
  }
  const unfinished = { finished, failing, updatedAt: until }
  if (now >= stopsAt) return { ...unfinished, status: cancelled === undefined ? "TimeOut" : "Cancelled" }
  return { ...unfinished, status: now < startsAt ? "Pending" : "InProgress" }
}

export const isFinished = (action: Action, now: number): boolean => {
  const { status } = progressOf(action, now)
  return status !== "Pending" && status !== "InProgress"
}

const iso = (millis: number) => DateTime.formatIso(DateTime.makeUnsafe(millis))

/** What a live response session has beyond other actions. */
const commandsOf = (
  { commandMillis, commands, machine, startsAt }: Action,
  { failing, finished }: Progress,
  now: number,
) =>
  commands.map((command, index) => {
    const startedAt = startsAt + index * commandMillis
    return {
      index,
      startTime: index <= finished && startedAt <= now ? iso(startedAt) : null,
      endTime: index < finished ? iso(startedAt + commandMillis) : null,
      commandStatus: index >= finished ? "Created" : index === failing ? "Failed" : "Completed",
      errors: index === failing && index < finished ? [machine.scriptError] : [],
      command,
    }
  })

const describe = (action: Action, now: number): ActionRecord => {
  const { cancelled, comment, createdAt, id, machine, scope, type } = action
  const progress = progressOf(action, now)
  return {
    id,
    type,
    title: null,
    scope,
    requestor: "simulator",
    requestorComment: comment,
    requestSource: "PublicApi",
    status: progress.status,
    machineId: machine.id,
    computerDnsName: machine.name ?? null,
    creationDateTimeUtc: iso(createdAt),
    lastUpdateDateTimeUtc: iso(progress.updatedAt),
    cancellationRequestor: cancelled === undefined ? null : "simulator",
    cancellationComment: cancelled?.comment ?? null,
    cancellationDateTimeUtc: cancelled === undefined ? null : iso(cancelled.at),
    errorHResult: 0,
    externalID: null,
    relatedFileInfo: null,
    troubleshootInfo: null,
    commands: commandsOf(action, progress, now),
  }
}

/** The action in the shape of the API. */
export const recordOf = (action: Action, now: number): ActionRecord => {
  if (action.finalRecord !== undefined) return action.finalRecord
  const record = describe(action, now)
  if (isFinished(action, now)) action.finalRecord = record
  return record
}

/** What a command that has finished left behind. */
export interface CommandResult {
  readonly content: Uint8Array
  /** The name of a collected file. */
  readonly fileName?: string
}

/** The result of a command that has finished. `PutFile` has none. */
export const resultOf = (action: Action, index: number, now: number): CommandResult | undefined => {
  const command = action.commands[index]
  const { failing, finished } = progressOf(action, now)
  if (command === undefined || command.type === "PutFile" || index >= finished) return undefined
  const param = (key: string) => command.params.find((param) => param.key === key)?.value ?? ""
  const machine = action.machine.name ?? action.machine.id
  if (command.type === "GetFile") {
    const fileName = param("Path").split(/[/\\]/).at(-1) ?? ""
    const content = new TextEncoder().encode(`${param("Path")} of ${machine}`)
    return { content: Archives.gzip(fileName, content), fileName }
  }
  const result = {
    script_name: param("ScriptName"),
    exit_code: index === failing ? 1 : 0,
    script_output: `${param("ScriptName")} ${param("Args")} on ${machine}\r\n`,
    script_errors: index === failing ? action.machine.scriptError : "",
  }
  return { content: new TextEncoder().encode(JSON.stringify(result)) }
}
