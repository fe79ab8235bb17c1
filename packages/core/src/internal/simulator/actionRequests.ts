/** Requests for new machine actions: what the service rejects, and the action that it starts. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Action from "./action.ts"
import { type Actions, randomId } from "./actions.ts"
import { reject, Rejection } from "./errors.ts"
import * as Library from "./library.ts"
import * as Machines from "./machines.ts"

const decodeSession = Schema.decodeUnknownOption(
  Schema.Struct({ Commands: Schema.NonEmptyArray(Action.Command), Comment: Schema.NonEmptyString }),
)

const commandOrder: ReadonlyArray<string> = ["PutFile", "RunScript", "GetFile"]

const isInOrder = (commands: ReadonlyArray<typeof Action.Command.Type>) =>
  commands.every(({ type }, i) => commandOrder.indexOf(type) >= commandOrder.indexOf(commands[i - 1]?.type ?? ""))

/** The parameter that each command needs. */
const required = { PutFile: "FileName", RunScript: "ScriptName", GetFile: "Path" }

/** Why the service rejects a command on any machine. */
const commandProblem = (self: Actions, { params, type }: typeof Action.Command.Type): Rejection | undefined => {
  const value = params.find(({ key }) => key === required[type])?.value ?? ""
  if (value === "") return reject(400, "MissingRequiredParameter", `Parameter ${required[type]} is missing.`)
  const args = params.find(({ key }) => key === "Args")?.value ?? ""
  if (/[;&|!$()]/.test(args)) {
    return reject(400, "InvalidInput", "Invalid input Args: it has one of the characters ; & | ! $ ( )")
  }
  return type === "GetFile" ? undefined : Library.check(self.library, value)
}

const unfinishedOf = (self: Actions, type: string, now: number): ReadonlyArray<Action.Action> =>
  [...self.running.values()].filter((action) => action.type === type && !Action.isFinished(action, now))

/** Why a session can't start now on this machine. */
const conflictOf = (self: Actions, { machine }: Machines.KnownMachine, now: number): Rejection | undefined => {
  const active = unfinishedOf(self, "LiveResponse", now)
  const onMachine = active.find((action) => action.machine.id === machine.id)
  if (onMachine !== undefined) {
    const named = machine.hidesActiveAction === true ? "" : `, active action id: ${onMachine.id}`
    return reject(400, "ActiveRequestAlreadyExists", `Action is already in progress${named}`)
  }
  return active.filter(({ startsAt }) => startsAt <= now).length >= self.options.maxSessions
    ? reject(429, "TooManyRequests", "Maximum number of concurrent live response sessions was reached.")
    : undefined
}

const start = Effect.fnUntraced(function* (
  self: Actions,
  { machine, onlineAt }: Machines.KnownMachine,
  of: Pick<Action.Action, "type" | "scope" | "commands" | "comment">,
  now: number,
) {
  const { commandMillis, offlineTimeout } = self.options
  const id = yield* randomId
  const startsAt = Math.max(now, onlineAt)
  const action = { ...of, id, machine, createdAt: now, startsAt, commandMillis, offlineTimeout }
  self.running.set(id, action)
  return Action.recordOf(action, now)
})

/** Starts a live response session. */
export const run = Effect.fnUntraced(function* (self: Actions, machineId: string, body: unknown, now: number) {
  const request = Option.getOrUndefined(decodeSession(body))
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
  const conflict = conflictOf(self, known, now)
  if (conflict !== undefined) return conflict
  const { Commands: commands, Comment: comment } = request
  return yield* start(self, known, { type: "LiveResponse", scope: null, commands, comment }, now)
})

interface Response {
  readonly type: string
  /** The parameter that says how much the action covers, with its values. Without a default it is required. */
  readonly scope?: {
    readonly name: "IsolationType" | "ScanType"
    readonly values: ReadonlyArray<string>
    readonly byDefault?: string
  }
}

/** The actions without commands, by the last part of their path in lower case. */
const responses: ReadonlyMap<string, Response> = new Map<string, Response>([
  [
    "isolate",
    {
      type: "Isolate",
      scope: { name: "IsolationType", values: ["Full", "Selective", "UnManagedDevice"], byDefault: "Full" },
    },
  ],
  ["unisolate", { type: "Unisolate" }],
  ["collectinvestigationpackage", { type: "CollectInvestigationPackage" }],
  ["runantivirusscan", { type: "RunAntiVirusScan", scope: { name: "ScanType", values: ["Quick", "Full"] } }],
  ["restrictcodeexecution", { type: "RestrictCodeExecution" }],
  ["unrestrictcodeexecution", { type: "UnrestrictCodeExecution" }],
])

const decodeResponse = Schema.decodeUnknownOption(
  Schema.Struct({
    Comment: Schema.NonEmptyString,
    IsolationType: Schema.optionalKey(Schema.Unknown),
    ScanType: Schema.optionalKey(Schema.Unknown),
  }),
)

const scopeOf = (
  { scope }: Response,
  body: { readonly IsolationType?: unknown; readonly ScanType?: unknown },
): Rejection | string | null => {
  if (scope === undefined) return null
  const value = body[scope.name] ?? scope.byDefault
  if (value === undefined) return reject(400, "MissingRequiredParameter", `Parameter ${scope.name} is missing.`)
  return (
    scope.values.find((known) => known === value) ??
    reject(400, "InvalidInput", `Invalid input ${scope.name}: it is one of ${scope.values.join(", ")}`)
  )
}

/** Starts an action without commands. Its kind is the last part of the path, such as `isolate`. */
export const respond = Effect.fnUntraced(function* (
  self: Actions,
  machineId: string,
  kind: string,
  body: unknown,
  now: number,
) {
  const response = responses.get(kind)
  if (response === undefined) return reject(404, "NotFound", "No such resource.")
  const fields = Option.getOrUndefined(decodeResponse(body))
  if (fields === undefined) return reject(400, "InvalidRequestBody", "Comment is required.")
  const scope = scopeOf(response, fields)
  if (scope instanceof Rejection) return scope
  const known = Machines.find(self.machines, machineId)
  if (known instanceof Rejection) return known
  if (unfinishedOf(self, response.type, now).some(({ machine }) => machine.id === machineId)) {
    return reject(400, "ActiveRequestAlreadyExists", "Action is already in progress")
  }
  return yield* start(self, known, { type: response.type, scope, commands: [], comment: fields.Comment }, now)
})

/** The last parts of their paths, in lower case. */
export const responseKinds: ReadonlyArray<string> = [...responses.keys()]
