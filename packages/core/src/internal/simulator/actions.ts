/** The machine actions of the simulator: those that a test added, and live response sessions that run as time passes. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { randomHex } from "../randomHex.ts"
import { reject, Rejection } from "./errors.ts"
import * as Library from "./library.ts"
import * as Machines from "./machines.ts"
import type { ActionRecord, Machine } from "./models.ts"
import * as ODataQuery from "./odataQuery.ts"
import * as Sessions from "./sessions.ts"

export interface Options {
  /** How many milliseconds a command runs. */
  readonly commandMillis: number
  /** How many sessions may run at once. */
  readonly maxSessions: number
  /** After how many milliseconds a new session appears in lists and can be read. */
  readonly visibleAfter: number
  readonly pageSize: number
}

export interface Actions {
  readonly options: Options
  readonly machines: Machines.Machines
  readonly library: Library.Library
  readonly added: Map<string, ActionRecord>
  readonly sessions: Map<string, Sessions.Session>
}

export const make = (options: Options): Actions => ({
  options,
  machines: new Map(),
  library: new Map(),
  added: new Map(),
  sessions: new Map(),
})

/** @see https://learn.microsoft.com/en-us/defender-endpoint/api/get-machineactions-collection */
export const entitySet: ODataQuery.EntitySet = {
  name: "MachineActions",
  properties: [
    "id",
    "type",
    "title",
    "scope",
    "requestor",
    "requestorComment",
    "status",
    "machineId",
    "computerDnsName",
    "creationDateTimeUtc",
    "lastUpdateDateTimeUtc",
    "cancellationRequestor",
    "cancellationComment",
    "cancellationDateTimeUtc",
    "errorHResult",
    "externalID",
    "requestSource",
    "relatedFileInfo",
    "commands",
    "troubleshootInfo",
  ],
  filterable: ["id", "status", "machineId", "type", "requestor", "creationDateTimeUtc"],
}

const unknownAction = (id: string) => reject(404, "ResourceNotFound", `Machine action ${id} was not found`)

const decodeRun = Schema.decodeUnknownOption(
  Schema.Struct({ Commands: Schema.NonEmptyArray(Sessions.Command), Comment: Schema.NonEmptyString }),
)

const decodeCancellation = Schema.decodeUnknownOption(Schema.Struct({ Comment: Schema.String }))

const randomId = Effect.map(randomHex(32), (digits) =>
  digits.replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12})$/, "$1-$2-4$3-8$4-$5"),
)

export const add = (self: Actions, action: ActionRecord): void => {
  self.added.set(action.id.toLowerCase(), action)
}

export const addMachine = Effect.fnUntraced(function* (self: Actions, machine: Machine, now: number) {
  Machines.add(self.machines, machine, now)
  if (machine.busy === undefined) return
  const id = yield* randomId
  self.sessions.set(id, {
    id,
    machine,
    commands: [{ type: "RunScript", params: [{ key: "ScriptName", value: "other.ps1" }] }],
    comment: "somebody else's",
    createdAt: now,
    startsAt: now,
    commandMillis: Duration.toMillis(machine.busy),
  })
})

/** All actions, also those that are not visible yet. */
export const all = (
  self: Actions,
  now: number,
  isIncluded: (session: Sessions.Session) => boolean = () => true,
): ReadonlyArray<ActionRecord> => [
  ...self.added.values(),
  ...Array.from(self.sessions.values())
    .filter(isIncluded)
    .map((session) => Sessions.recordOf(session, now)),
]

const isVisible = (self: Actions, { createdAt }: Sessions.Session, now: number) =>
  now >= createdAt + self.options.visibleAfter

/** One action. */
export const get = (self: Actions, id: string, now: number): Rejection | ActionRecord => {
  const session = self.sessions.get(id)
  const visible = session !== undefined && isVisible(self, session, now) ? session : undefined
  return (
    self.added.get(id) ?? (visible === undefined ? undefined : Sessions.recordOf(visible, now)) ?? unknownAction(id)
  )
}

/** The result of a command of a session, if it has finished. */
export const resultOf = (self: Actions, id: string, index: number, now: number): Uint8Array | undefined => {
  const session = self.sessions.get(id)
  return session === undefined ? undefined : Sessions.resultOf(session, index, now)
}

/** The actions that are visible, newest first. */
const visible = (self: Actions, now: number) =>
  all(self, now, (session) => isVisible(self, session, now)).toSorted((a, b) =>
    String(a["creationDateTimeUtc"]) < String(b["creationDateTimeUtc"]) ? 1 : -1,
  )

/** A page of the list. */
export const list = (self: Actions, params: URLSearchParams, now: number): Rejection | ODataQuery.Page =>
  ODataQuery.page(visible(self, now), params, entitySet, self.options.pageSize)

export const count = (self: Actions, params: URLSearchParams, now: number): Rejection | number =>
  ODataQuery.count(visible(self, now), params, entitySet)

const commandOrder: ReadonlyArray<string> = ["PutFile", "RunScript", "GetFile"]

const isInOrder = (commands: ReadonlyArray<typeof Sessions.Command.Type>) =>
  commands.every(({ type }, i) => commandOrder.indexOf(type) >= commandOrder.indexOf(commands[i - 1]?.type ?? ""))

/** The parameter that each command needs. */
const required = { PutFile: "FileName", RunScript: "ScriptName", GetFile: "Path" }

/** Why the service rejects a command on any machine. */
const commandProblem = (self: Actions, { params, type }: typeof Sessions.Command.Type): Rejection | undefined => {
  const value = params.find(({ key }) => key === required[type])?.value ?? ""
  if (value === "") return reject(400, "MissingRequiredParameter", `Parameter ${required[type]} is missing.`)
  const args = params.find(({ key }) => key === "Args")?.value ?? ""
  if (/[;&|!$()]/.test(args)) {
    return reject(400, "InvalidInput", "Invalid input Args: it has one of the characters ; & | ! $ ( )")
  }
  return type === "GetFile" ? undefined : Library.check(self.library, value)
}

/** Why a session can't start now on this machine. */
const conflictOf = (self: Actions, machineId: string, now: number): Rejection | undefined => {
  const active = [...self.sessions.values()].filter((session) => !Sessions.isFinished(session, now))
  const onMachine = active.find(({ machine }) => machine.id === machineId)
  if (onMachine !== undefined) {
    return reject(400, "ActiveRequestAlreadyExists", `Action is already in progress, active action id: ${onMachine.id}`)
  }
  return active.filter(({ startsAt }) => startsAt <= now).length >= self.options.maxSessions
    ? reject(429, "TooManyRequests", "Maximum number of concurrent live response sessions was reached.")
    : undefined
}

/** Starts a session. */
export const run = Effect.fnUntraced(function* (self: Actions, machineId: string, body: unknown, now: number) {
  const request = Option.getOrUndefined(decodeRun(body))
  if (request === undefined) return reject(400, "InvalidRequestBody", "Commands and Comment are required.")
  const known = Machines.find(self.machines, machineId)
  if (known instanceof Rejection) return known
  if (known.machine.unsupported === true) {
    return reject(400, "InvalidInput", "Live response is not supported on this machine's version of Windows.")
  }
  if (!Machines.isOnboarded(known)) return reject(400, "InvalidInput", "The machine is not onboarded.")
  if (!isInOrder(request.Commands)) {
    return reject(400, "InvalidInput", "Commands are run in the order PutFile, RunScript, GetFile.")
  }
  for (const command of request.Commands) {
    const problem = commandProblem(self, command)
    if (problem !== undefined) return problem
  }
  const conflict = conflictOf(self, machineId, now)
  if (conflict !== undefined) return conflict
  const session: Sessions.Session = {
    id: yield* randomId,
    machine: known.machine,
    commands: request.Commands,
    comment: request.Comment,
    createdAt: now,
    startsAt: Math.max(now, known.onlineAt),
    commandMillis: self.options.commandMillis,
  }
  self.sessions.set(session.id, session)
  return Sessions.recordOf(session, now)
})

/** Cancels a session. */
export const cancel = (self: Actions, id: string, body: unknown, now: number): Rejection | ActionRecord => {
  const session = self.sessions.get(id)
  if (session === undefined) return unknownAction(id)
  if (Sessions.isFinished(session, now)) return reject(400, "InvalidInput", "The machine action has finished.")
  const comment = Option.match(decodeCancellation(body), { onNone: () => "", onSome: ({ Comment }) => Comment })
  session.cancelled = { at: now, comment }
  return Sessions.recordOf(session, now)
}
