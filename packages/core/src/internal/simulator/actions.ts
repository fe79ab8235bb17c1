/** The machine actions of the simulator: those that a test added, and live response sessions that run as time passes. */
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { parseFilter } from "../odata.ts"
import { randomHex } from "../randomHex.ts"
import type { ActionRecord, Machine } from "./models.ts"
import * as Sessions from "./sessions.ts"

/** A request that the API rejects. */
export class Rejection extends Data.Class<{
  readonly status: number
  readonly code: string
  readonly message: string
}> {}

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
  readonly machines: Map<string, { readonly machine: Machine; readonly onlineAt: number }>
  readonly added: Map<string, ActionRecord>
  readonly sessions: Map<string, Sessions.Session>
}

export const make = (options: Options): Actions => ({
  options,
  machines: new Map(),
  added: new Map(),
  sessions: new Map(),
})

const actionFields: ReadonlySet<string> = new Set([
  "id",
  "status",
  "machineId",
  "type",
  "requestor",
  "creationDateTimeUtc",
])

const machineFields: ReadonlySet<string> = new Set(["computerDnsName"])

const reject = (status: number, code: string, message: string) => new Rejection({ status, code, message })

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
  self.machines.set(machine.id, { machine, onlineAt: now + Duration.toMillis(machine.offline ?? 0) })
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

type ListedRecord = Readonly<Record<string, unknown>>

/** A test for the query's `$filter`. */
const filterOf = (
  query: URLSearchParams,
  fields: ReadonlySet<string>,
): Rejection | ((record: ListedRecord) => boolean) => {
  const filter = query.get("$filter")
  if (filter === null) return () => true
  return parseFilter(filter, fields) ?? reject(400, "ODataError", `The query can't be understood: ${filter}`)
}

/** A page of the list, newest first. `nextSkip` is the `$skip` of the next page, if there is one. */
export const list = (
  self: Actions,
  query: URLSearchParams,
  now: number,
): Rejection | { readonly value: ReadonlyArray<ActionRecord>; readonly nextSkip: number | undefined } => {
  const test = filterOf(query, actionFields)
  if (test instanceof Rejection) return test
  const found = all(self, now, (session) => isVisible(self, session, now))
    .filter(test)
    .toSorted((a, b) => (String(a["creationDateTimeUtc"]) < String(b["creationDateTimeUtc"]) ? 1 : -1))
  const skip = Number(query.get("$skip") ?? 0)
  const end = skip + Math.min(self.options.pageSize, Number(query.get("$top") ?? self.options.pageSize))
  return { value: found.slice(skip, end), nextSkip: end < found.length ? end : undefined }
}

export const listMachines = (
  self: Actions,
  query: URLSearchParams,
): Rejection | { readonly value: ReadonlyArray<ListedRecord> } => {
  const test = filterOf(query, machineFields)
  if (test instanceof Rejection) return test
  const records = Array.from(self.machines.values(), ({ machine }) => ({
    id: machine.id,
    computerDnsName: machine.name ?? null,
    lastSeen: null,
  }))
  return { value: records.filter(test) }
}

const commandOrder: ReadonlyArray<string> = ["PutFile", "RunScript", "GetFile"]

const isInOrder = (commands: ReadonlyArray<typeof Sessions.Command.Type>) =>
  commands.every(({ type }, i) => commandOrder.indexOf(type) >= commandOrder.indexOf(commands[i - 1]?.type ?? ""))

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
  const known = self.machines.get(machineId)
  const request = Option.getOrUndefined(decodeRun(body))
  if (request === undefined) return reject(400, "InvalidRequestBody", "Commands and Comment are required.")
  if (known === undefined) return reject(404, "ResourceNotFound", `Machine ${machineId} was not found`)
  if (known.machine.unsupported === true) {
    return reject(400, "InvalidInput", "Live response is not supported on this machine's version of Windows.")
  }
  if (!isInOrder(request.Commands)) {
    return reject(400, "InvalidInput", "Commands are run in the order PutFile, RunScript, GetFile.")
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
