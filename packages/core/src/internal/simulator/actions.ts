/** Machine actions of the simulator: what it was given, and live response sessions that run while time passes. */
import * as Data from "effect/Data"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { parseFilter } from "../odata.ts"
import { randomHex } from "../randomHex.ts"

/**
 * A machine that sessions can run on.
 *
 * @since 0.1.0
 * @category models
 */
export interface Machine {
  readonly id: string
  readonly name?: string | undefined

  /** How long it stays offline, from when it is added; for ever where it is infinite. By default it is online. */
  readonly offline?: Duration.Input | undefined

  /** So long somebody else's session is under way on it, from when it is added. By default there is none. */
  readonly busy?: Duration.Input | undefined

  /** The service refuses it: its Windows is too old. */
  readonly unsupported?: boolean | undefined

  /** What its scripts fail with. By default they succeed. */
  readonly fails?: string | undefined
}

/** A machine action in the API's own shape. */
export type ActionRecord = Readonly<Record<string, unknown>> & { readonly id: string }

const Command = Schema.Struct({
  type: Schema.Literals(["PutFile", "RunScript", "GetFile"]),
  params: Schema.Array(Schema.Struct({ key: Schema.String, value: Schema.String })),
})

const decodeRun = Schema.decodeUnknownOption(
  Schema.Struct({ Commands: Schema.NonEmptyArray(Command), Comment: Schema.NonEmptyString }),
)

interface Session {
  readonly id: string
  readonly machine: Machine
  readonly commands: ReadonlyArray<typeof Command.Type>
  readonly comment: string
  readonly created: number
  readonly starts: number
  readonly commandTime: number
  cancelled?: { readonly at: number; readonly comment: string }
  /** What it is for good once it is over: thousands of lists are of thousands of those. */
  last?: ActionRecord
}

export class Refusal extends Data.Class<{
  readonly status: number
  readonly code: string
  readonly message: string
}> {}

export interface Options {
  /** How long a command runs. */
  readonly commandTime: number
  /** How many sessions may run at once. */
  readonly sessions: number
  /** How soon a new action can be looked at. */
  readonly visibleAfter: number
  readonly pageSize: number
}

/** Which of the calls a request is. */
export type Kind = "list" | "action" | "run" | "cancel" | "machines"

export const kindOf = (method: string, path: string): Kind | undefined => {
  if (method === "GET" && /^\/api\/machineactions\/?$/i.test(path)) return "list"
  if (method === "GET" && /^\/api\/machines\/?$/i.test(path)) return "machines"
  if (method === "GET" && /^\/api\/machineactions\/[^/]+$/i.test(path)) return "action"
  if (method === "POST" && /^\/api\/machineactions\/[^/]+\/cancel$/i.test(path)) return "cancel"
  return method === "POST" && /^\/api\/machines\/[^/]+\/runliveresponse$/i.test(path) ? "run" : undefined
}

/** What the API can filter by. */
const fields: ReadonlySet<string> = new Set(["id", "status", "machineId", "type", "requestor", "creationDateTimeUtc"])

const machineFields: ReadonlySet<string> = new Set(["computerDnsName"])

/** A machine that is offline is waited for so long. */
const patience = Duration.toMillis("3 days")

const order: ReadonlyArray<string> = ["PutFile", "RunScript", "GetFile"]

const refuse = (status: number, code: string, message: string): Refusal => new Refusal({ status, code, message })

const unknown = (id: string) => refuse(404, "ResourceNotFound", `Machine action ${id} was not found`)

const iso = (millis: number) => DateTime.formatIso(DateTime.makeUnsafe(millis))

const randomId = Effect.map(randomHex(32), (digits) =>
  digits.replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12})$/, "$1-$2-4$3-8$4-$5"),
)

export const make = (options: Options) => {
  const machines = new Map<string, { readonly machine: Machine; readonly online: number }>()
  const given = new Map<string, ActionRecord>()
  const sessions = new Map<string, Session>()

  /** Which of its commands have ended, and how: one that fails stops those behind it. */
  const progress = (session: Session, now: number) => {
    const stop = session.cancelled?.at ?? session.created + patience
    const until = Math.min(now, stop)
    const failing =
      session.machine.fails === undefined ? -1 : session.commands.findIndex(({ type }) => type === "RunScript")
    const last = failing === -1 ? session.commands.length : failing + 1
    const done = Math.max(0, Math.min(last, Math.floor((until - session.starts) / session.commandTime)))
    const isDone = done === last
    const status = isDone
      ? failing === -1
        ? "Succeeded"
        : "Failed"
      : now >= stop
        ? session.cancelled === undefined
          ? "TimeOut"
          : "Cancelled"
        : now < session.starts
          ? "Pending"
          : "InProgress"
    return { status, done, failing, changed: isDone ? session.starts + last * session.commandTime : until }
  }

  const isOver = (session: Session, now: number) => !/^(Pending|InProgress)$/.test(progress(session, now).status)

  const record = (session: Session, now: number): ActionRecord => {
    if (session.last !== undefined) return session.last
    const record = describe(session, now)
    if (isOver(session, now)) session.last = record
    return record
  }

  const describe = (session: Session, now: number): ActionRecord => {
    const { changed, done, failing, status } = progress(session, now)
    return {
      id: session.id,
      type: "LiveResponse",
      title: null,
      requestor: "simulator",
      requestorComment: session.comment,
      status,
      machineId: session.machine.id,
      computerDnsName: session.machine.name ?? null,
      creationDateTimeUtc: iso(session.created),
      lastUpdateDateTimeUtc: iso(changed),
      cancellationComment: session.cancelled?.comment ?? null,
      errorHResult: 0,
      commands: session.commands.map((command, index) => {
        const began = session.starts + index * session.commandTime
        return {
          index,
          startTime: index <= done && began <= now ? iso(began) : null,
          endTime: index < done ? iso(began + session.commandTime) : null,
          commandStatus: index >= done ? "Created" : index === failing ? "Failed" : "Completed",
          errors: index === failing && index < done ? [session.machine.fails] : [],
          command,
        }
      }),
    }
  }

  const begin = (session: Session) => void sessions.set(session.id, session)

  const isVisible = ({ created }: Session, now: number) => now >= created + options.visibleAfter

  const sessionRecord = (id: string, now: number) => {
    const session = sessions.get(id)
    return session !== undefined && isVisible(session, now) ? record(session, now) : undefined
  }

  const get = (id: string, now: number): Refusal | ActionRecord =>
    given.get(id) ?? sessionRecord(id, now) ?? unknown(id)

  const all = (now: number, isMeant: (session: Session) => boolean = () => true): ReadonlyArray<ActionRecord> => [
    ...given.values(),
    ...Array.from(sessions.values())
      .filter(isMeant)
      .map((session) => record(session, now)),
  ]

  return {
    /** All of them, also those that can't be looked at yet. */
    all: (now: number) => all(now),

    addMachine: Effect.fnUntraced(function* (machine: Machine, now: number) {
      machines.set(machine.id, { machine, online: now + Duration.toMillis(machine.offline ?? 0) })
      if (machine.busy === undefined) return
      const commandTime = Duration.toMillis(machine.busy)
      begin({
        id: yield* randomId,
        machine,
        commands: [{ type: "RunScript", params: [{ key: "ScriptName", value: "other.ps1" }] }],
        comment: "somebody else's",
        created: now,
        starts: now,
        commandTime,
      })
    }),

    machines: (
      query: URLSearchParams,
    ): Refusal | { readonly value: ReadonlyArray<Readonly<Record<string, unknown>>> } => {
      const filter = query.get("$filter")
      const test = filter === null ? () => true : parseFilter(filter, machineFields)
      if (test === undefined) return refuse(400, "ODataError", `The query can't be understood: ${filter}`)
      const value = Array.from(machines.values(), ({ machine }) => ({
        id: machine.id,
        computerDnsName: machine.name ?? null,
        lastSeen: null,
      }))
      return { value: value.filter(test) }
    },

    /** What a command has left that has run. */
    resultOf: (id: string, index: number, now: number): Uint8Array | undefined => {
      const session = sessions.get(id)
      const command = session?.commands[index]
      if (session === undefined || command === undefined || command.type === "PutFile") return undefined
      const { done, failing } = progress(session, now)
      if (index >= done) return undefined
      const name = (key: string) => command.params.find((param) => param.key === key)?.value ?? ""
      const machine = session.machine.name ?? session.machine.id
      const text =
        command.type === "GetFile"
          ? `${name("Path")} of ${machine}`
          : JSON.stringify({
              script_name: name("ScriptName"),
              exit_code: index === failing ? 1 : 0,
              script_output: `${name("ScriptName")} ${name("Args")} on ${machine}\r\n`,
              script_errors: index === failing ? session.machine.fails : "",
            })
      return new TextEncoder().encode(text)
    },

    add: (action: ActionRecord) => void given.set(action.id.toLowerCase(), action),

    get,

    /** Newest first. `skip` and `top` are the query's own; the rest is the next page's address, if there is one. */
    list: (
      query: URLSearchParams,
      now: number,
    ): Refusal | { readonly value: ReadonlyArray<ActionRecord>; readonly skip?: number } => {
      const filter = query.get("$filter")
      const test = filter === null ? () => true : parseFilter(filter, fields)
      if (test === undefined) return refuse(400, "ODataError", `The query can't be understood: ${filter}`)
      const found = all(now, (session) => isVisible(session, now))
        .filter(test)
        .toSorted((a, b) => (String(a["creationDateTimeUtc"]) < String(b["creationDateTimeUtc"]) ? 1 : -1))
      const skip = Number(query.get("$skip") ?? 0)
      const size = Math.min(options.pageSize, Number(query.get("$top") ?? options.pageSize))
      const value = found.slice(skip, skip + size)
      return skip + size < found.length ? { value, skip: skip + size } : { value }
    },

    run: Effect.fnUntraced(function* (machineId: string, body: unknown, now: number) {
      const known = machines.get(machineId)
      const request = Option.getOrUndefined(decodeRun(body))
      if (request === undefined) return refuse(400, "InvalidRequestBody", "Commands and Comment are required.")
      if (known === undefined) return refuse(404, "ResourceNotFound", `Machine ${machineId} was not found`)
      if (known.machine.unsupported === true) {
        return refuse(400, "InvalidInput", "Live response is not supported on this machine's version of Windows.")
      }
      if (
        request.Commands.some(({ type }, i) => order.indexOf(type) < order.indexOf(request.Commands[i - 1]?.type ?? ""))
      ) {
        return refuse(400, "InvalidInput", "Commands are run in the order PutFile, RunScript, GetFile.")
      }
      const active = [...sessions.values()].filter((session) => !isOver(session, now))
      const busy = active.find(({ machine }) => machine.id === machineId)
      if (busy !== undefined) {
        return refuse(400, "ActiveRequestAlreadyExists", `Action is already in progress, active action id: ${busy.id}`)
      }
      if (active.filter(({ starts }) => starts <= now).length >= options.sessions) {
        return refuse(429, "TooManyRequests", "Maximum number of concurrent live response sessions was reached.")
      }
      const id = yield* randomId
      const session: Session = {
        id,
        machine: known.machine,
        commands: request.Commands,
        comment: request.Comment,
        created: now,
        starts: Math.max(now, known.online),
        commandTime: options.commandTime,
      }
      begin(session)
      return record(session, now)
    }),

    cancel: (id: string, comment: string, now: number): Refusal | ActionRecord => {
      const session = sessions.get(id)
      if (session === undefined) return unknown(id)
      if (isOver(session, now)) return refuse(400, "InvalidInput", "The machine action is over.")
      session.cancelled = { at: now, comment }
      return record(session, now)
    },
  }
}
