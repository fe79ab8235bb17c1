/** The machine actions of the simulator: those that a test added, those of results that a test added, and those that run. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { randomHex } from "../randomHex.ts"
import * as Action from "./action.ts"
import { reject, Rejection } from "./errors.ts"
import type * as Library from "./library.ts"
import * as Machines from "./machines.ts"
import type { ActionRecord, Machine } from "./inputs.ts"
import type * as ODataFilter from "./odataFilter.ts"
import * as ODataQuery from "./odataQuery.ts"
import * as ResultActions from "./resultActions.ts"

export interface Options {
  /** How many milliseconds a command runs. */
  readonly commandMillis: number
  /** How many sessions may run at once. */
  readonly maxSessions: number
  /** How many milliseconds the service waits for a machine that is offline. */
  readonly offlineTimeout: number
  /** After how many milliseconds a new action appears in lists and can be read. */
  readonly visibleAfter: number
  readonly pageSize: number
}

export interface Actions {
  readonly options: Options
  readonly machines: Machines.Machines
  readonly library: Library.Library
  readonly added: Map<string, ActionRecord>
  readonly ofResults: ResultActions.ResultActions
  readonly running: Map<string, Action.Action>
}

export const make = (options: Options): Actions => ({
  options,
  machines: new Map(),
  library: new Map(),
  added: new Map(),
  ofResults: new Map(),
  running: new Map(),
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
    "requestSource",
    "status",
    "machineId",
    "computerDnsName",
    "creationDateTimeUtc",
    "lastUpdateTimeUtc",
    "cancellationRequestor",
    "cancellationComment",
    "cancellationDateTimeUtc",
    "errorHResult",
    "externalID",
    "relatedFileInfo",
    "troubleshootInfo",
    "commands",
  ],
  filterable: ["id", "status", "machineId", "type", "requestor", "creationDateTimeUtc"],
  types: { id: "guid", creationDateTimeUtc: "time" },
}

const unknownAction = (id: string) => reject(404, "ResourceNotFound", `Machine action ${id} was not found`)

const decodeCancellation = Schema.decodeUnknownOption(Schema.Struct({ Comment: Schema.String }))

export const randomId = Effect.map(randomHex(32), (digits) =>
  digits.replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12})$/, "$1-$2-4$3-8$4-$5"),
)

export const add = (self: Actions, action: ActionRecord): void => {
  self.added.set(action.id.toLowerCase(), action)
}

export const addMachine = Effect.fnUntraced(function* (self: Actions, machine: Machine, now: number) {
  Machines.add(self.machines, machine, now)
  if (machine.busy === undefined) return
  const id = yield* randomId
  self.running.set(id, {
    id,
    type: "LiveResponse",
    scope: null,
    machine,
    commands: [{ type: "RunScript", params: [{ key: "ScriptName", value: "other.ps1" }] }],
    comment: "somebody else's",
    createdAt: now,
    startsAt: now,
    commandMillis: Duration.toMillis(machine.busy),
    offlineTimeout: self.options.offlineTimeout,
  })
})

/** All actions, also those that are not visible yet. */
export const all = (
  self: Actions,
  now: number,
  isIncluded: (action: Action.Action) => boolean = () => true,
): ReadonlyArray<ActionRecord> => [
  ...self.added.values(),
  ...ResultActions.all(self.ofResults).filter(({ id }) => !self.added.has(id)),
  ...Array.from(self.running.values())
    .filter(isIncluded)
    .map((action) => Action.recordOf(action, now)),
]

const isVisible = (self: Actions, { createdAt }: Action.Action, now: number) =>
  now >= createdAt + self.options.visibleAfter

/** One action. */
export const get = (self: Actions, id: string, now: number): Rejection | ActionRecord => {
  const running = self.running.get(id)
  const visible = running !== undefined && isVisible(self, running, now) ? running : undefined
  return (
    self.added.get(id) ??
    ResultActions.get(self.ofResults, id) ??
    (visible === undefined ? undefined : Action.recordOf(visible, now)) ??
    unknownAction(id)
  )
}

/** The result of a command of a session, if it has finished. */
export const resultOf = (self: Actions, id: string, index: number, now: number): Action.CommandResult | undefined => {
  const action = self.running.get(id)
  return action === undefined ? undefined : Action.resultOf(action, index, now)
}

/** An action that has finished is listed thousands of times. */
const listed = new WeakMap<ActionRecord, ODataFilter.Row>()

/** A record as lists have it: they name the time of the last update without `Date`. */
const listedAs = (record: ActionRecord): ODataFilter.Row => {
  const { lastUpdateDateTimeUtc, ...others } = record
  if (lastUpdateDateTimeUtc === undefined) return record
  const known = listed.get(record)
  if (known !== undefined) return known
  const row = { ...others, lastUpdateTimeUtc: lastUpdateDateTimeUtc }
  listed.set(record, row)
  return row
}

/** The actions that are visible, newest first. */
const visible = (self: Actions, now: number) =>
  all(self, now, (action) => isVisible(self, action, now))
    .toSorted((a, b) => (String(a["creationDateTimeUtc"]) < String(b["creationDateTimeUtc"]) ? 1 : -1))
    .map(listedAs)

/** A page of the list. */
export const list = (self: Actions, params: URLSearchParams, now: number): Rejection | ODataQuery.Page =>
  ODataQuery.page(visible(self, now), params, entitySet, self.options.pageSize)

export const count = (self: Actions, params: URLSearchParams, now: number): Rejection | number =>
  ODataQuery.count(visible(self, now), params, entitySet)

/** The machine of an investigation package, if it was collected. */
export const packageOf = (self: Actions, id: string, now: number): Rejection | ActionRecord => {
  const action = get(self, id, now)
  if (action instanceof Rejection) return action
  return action["type"] === "CollectInvestigationPackage" && action["status"] === "Succeeded"
    ? action
    : reject(404, "ResourceNotFound", `The package of machine action ${id} was not found`)
}

/** Cancels an action. */
export const cancel = (self: Actions, id: string, body: unknown, now: number): Rejection | ActionRecord => {
  const action = self.running.get(id)
  if (action === undefined && !self.ofResults.has(id)) return unknownAction(id)
  if (action === undefined || Action.isFinished(action, now))
    return reject(400, "InvalidInput", "The machine action has finished.")
  const comment = Option.match(decodeCancellation(body), { onNone: () => "", onSome: ({ Comment }) => Comment })
  action.cancelled = { at: now, comment }
  return Action.recordOf(action, now)
}
