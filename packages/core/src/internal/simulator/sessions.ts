/** A simulated live response session: where it stands at an instant, as pure functions. */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"
import { limits } from "../../Session.ts"
import type { ActionRecord, Machine } from "./models.ts"

export const Command = Schema.Struct({
  type: Schema.Literals(["PutFile", "RunScript", "GetFile"]),
  params: Schema.Array(Schema.Struct({ key: Schema.String, value: Schema.String })),
})

export interface Session {
  readonly id: string
  readonly machine: Machine
  readonly commands: ReadonlyArray<typeof Command.Type>
  readonly comment: string
  readonly createdAt: number
  /** When the machine is online. */
  readonly startsAt: number
  readonly commandMillis: number
  cancelled?: { readonly at: number; readonly comment: string }
  /** The record once the session has finished: it is listed thousands of times and never changes. */
  finalRecord?: ActionRecord
}

/** How long the service waits for a machine that is offline. */
const offlineTimeout = Duration.toMillis(limits.offlineFor)

interface Progress {
  readonly status: "Pending" | "InProgress" | "Succeeded" | "Failed" | "TimeOut" | "Cancelled"
  /** How many commands have finished. */
  readonly finished: number
  /** The index of the command that fails, else -1. No command runs after it. */
  readonly failing: number
  readonly updatedAt: number
}

const progressOf = (session: Session, now: number): Progress => {
  const { cancelled, commandMillis, commands, machine, startsAt } = session
  const stopsAt = cancelled?.at ?? session.createdAt + offlineTimeout
  const until = Math.min(now, stopsAt)
  const failing = machine.scriptError === undefined ? -1 : commands.findIndex(({ type }) => type === "RunScript")
  const planned = failing === -1 ? commands.length : failing + 1
  const finished = Math.max(0, Math.min(planned, Math.floor((until - startsAt) / commandMillis)))
  if (finished === planned) {
    const status = failing === -1 ? "Succeeded" : "Failed"
    return { status, finished, failing, updatedAt: startsAt + planned * commandMillis }
  }
  const unfinished = { finished, failing, updatedAt: until }
  if (now >= stopsAt) return { ...unfinished, status: cancelled === undefined ? "TimeOut" : "Cancelled" }
  return { ...unfinished, status: now < startsAt ? "Pending" : "InProgress" }
}

export const isFinished = (session: Session, now: number): boolean => {
  const { status } = progressOf(session, now)
  return status !== "Pending" && status !== "InProgress"
}

const iso = (millis: number) => DateTime.formatIso(DateTime.makeUnsafe(millis))

const describe = (session: Session, now: number): ActionRecord => {
  const { failing, finished, status, updatedAt } = progressOf(session, now)
  return {
    id: session.id,
    type: "LiveResponse",
    title: null,
    requestor: "simulator",
    requestorComment: session.comment,
    status,
    machineId: session.machine.id,
    computerDnsName: session.machine.name ?? null,
    creationDateTimeUtc: iso(session.createdAt),
    lastUpdateDateTimeUtc: iso(updatedAt),
    cancellationComment: session.cancelled?.comment ?? null,
    errorHResult: 0,
    commands: session.commands.map((command, index) => {
      const startedAt = session.startsAt + index * session.commandMillis
      return {
        index,
        startTime: index <= finished && startedAt <= now ? iso(startedAt) : null,
        endTime: index < finished ? iso(startedAt + session.commandMillis) : null,
        commandStatus: index >= finished ? "Created" : index === failing ? "Failed" : "Completed",
        errors: index === failing && index < finished ? [session.machine.scriptError] : [],
        command,
      }
    }),
  }
}

/** The session as a machine action of the API. */
export const recordOf = (session: Session, now: number): ActionRecord => {
  if (session.finalRecord !== undefined) return session.finalRecord
  const record = describe(session, now)
  if (isFinished(session, now)) session.finalRecord = record
  return record
}

/** The result of a command that has finished. `PutFile` has none. */
export const resultOf = (session: Session, index: number, now: number): Uint8Array | undefined => {
  const command = session.commands[index]
  const { failing, finished } = progressOf(session, now)
  if (command === undefined || command.type === "PutFile" || index >= finished) return undefined
  const param = (key: string) => command.params.find((param) => param.key === key)?.value ?? ""
  const machine = session.machine.name ?? session.machine.id
  const text =
    command.type === "GetFile"
      ? `${param("Path")} of ${machine}`
      : JSON.stringify({
          script_name: param("ScriptName"),
          exit_code: index === failing ? 1 : 0,
          script_output: `${param("ScriptName")} ${param("Args")} on ${machine}\r\n`,
          script_errors: index === failing ? session.machine.scriptError : "",
        })
  return new TextEncoder().encode(text)
}
