/**
 * Which machine actions are meant, which results they have, and which machine a name is.
 */
import * as ActionFilter from "@live-response/core/ActionFilter"
import type { ApiError } from "@live-response/core/ApiError"
import * as DefenderApi from "@live-response/core/DefenderApi"
import type { DefenderError } from "@live-response/core/DefenderError"
import * as MachineAction from "@live-response/core/MachineAction"
import * as ResultRefs from "@live-response/core/ResultRef"
import type { StoreError } from "@live-response/core/StoreError"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import type { Selection } from "./Flags.ts"
import * as Machines from "./Machines.ts"
import { printable } from "./Printable.ts"
import * as TimeArgument from "./TimeArgument.ts"
import type { BadTarget } from "./Targets.ts"

const anyOf = (field: ActionFilter.Field, values: ReadonlyArray<string>): ReadonlyArray<ActionFilter.ActionFilter> => {
  const [first, ...rest] = values
  return first === undefined ? [] : [ActionFilter.is(field, first, ...rest)]
}

/** What the API is asked for, but for the time. It can filter by a machine's id, and not by its name. */
const filters = (selection: Selection): ReadonlyArray<ActionFilter.ActionFilter> => [
  ...anyOf("status", selection.status),
  ...anyOf("type", selection.type),
  ...anyOf("machineId", selection.machine.every(Machines.isId) ? selection.machine.map((id) => id.toLowerCase()) : []),
  ...anyOf("requestor", selection.requestor),
  ...Option.toArray(Option.map(selection.filter, ActionFilter.raw)),
]

const allOf = ([first, ...rest]: ReadonlyArray<ActionFilter.ActionFilter>) =>
  first === undefined ? undefined : ActionFilter.all(first, ...rest)

/** Whether an action is on a machine that is meant: what the API does not look at. */
const isOnMachine =
  ({ machine }: Selection) =>
  ({ computerDnsName = "", machineId = "" }: MachineAction.MachineAction): boolean => {
    const [id, dnsName] = [machineId.toLowerCase(), computerDnsName.toLowerCase()]
    return machine.some((text) => {
      const name = text.toLowerCase()
      return name === id || name === dnsName || dnsName.startsWith(`${name}.`)
    })
  }

const meantBy = (selection: Selection) => (selection.machine.length === 0 ? () => true : isOnMachine(selection))

/** The same of sessions alone, where nobody says it otherwise: no others have results. */
export const ofSessions = (selection: Selection): Selection => ({
  ...selection,
  type: selection.type.length === 0 ? ["LiveResponse"] : selection.type,
})

/** A record of the list that can't be read: whether it is meant nobody knows. */
const badRecord = (record: DefenderApi.Unreadable): BadTarget => ({
  message: printable(DefenderApi.describeUnreadable(record)),
  ...(record.id === undefined ? {} : { machineActionId: printable(record.id) }),
})

/** The actions that are meant, in the API's order. Records that can't be read are reported, for they may be meant. */
export const select = (
  selection: Selection,
  report: (record: BadTarget) => Effect.Effect<void>,
): Stream.Stream<MachineAction.MachineAction, ApiError, DefenderApi.DefenderApi> =>
  Stream.unwrap(
    Effect.gen(function* () {
      const api = yield* DefenderApi.DefenderApi
      const now = yield* DateTime.now
      const since = Option.map(selection.since, (since) => ActionFilter.since(TimeArgument.ago(since, now)))
      const filter = allOf([...Option.toArray(since), ...filters(selection)])
      return api.pages({ filter }).pipe(
        Stream.tap(({ unreadable }) => Effect.forEach(unreadable.map(badRecord), report, { discard: true })),
        Stream.flatMap(({ actions }) => Stream.fromIterable(actions)),
        Stream.filter(meantBy(selection)),
      )
    }),
  )

/** The same for who follows them: what of it the API looks at, and what is looked at when an action is over. */
export const follow = (selection: Selection) => {
  const isOnMeant = meantBy(selection)
  const statuses = selection.status.map((status) => status.toLowerCase())
  return {
    filter: allOf(filters({ ...selection, status: [] })),
    isMeant: (action: MachineAction.MachineAction): boolean =>
      (statuses.length === 0 || statuses.includes(action.status.toLowerCase())) && isOnMeant(action),
  }
}

/** Whether another call may do better. It does not where the permission or the connection is missing. */
const isOfOne = ({ isDenied, reason }: DefenderError): boolean =>
  !isDenied && !(reason._tag === "Unreachable" && reason.kind !== undefined)

/** All of one action's results, and what is to be said where it has none, or not all of them yet. */
export const lookUp = (
  id: MachineAction.MachineActionId,
  keep: (action: MachineAction.MachineAction) => Effect.Effect<void, StoreError>,
): Stream.Stream<ResultRefs.ResultRef | BadTarget, ApiError | StoreError, DefenderApi.DefenderApi> => {
  const bad = (message: string): BadTarget => ({ machineActionId: id, message: `${id}: ${message}` })
  return Stream.fromIterableEffect(
    Effect.gen(function* () {
      const api = yield* DefenderApi.DefenderApi
      const found = yield* Effect.result(api.get(id))
      if (Result.isFailure(found)) {
        const error = found.failure
        return error._tag === "DefenderError" && isOfOne(error) ? [bad(error.reason.message)] : yield* error
      }
      const action = found.success
      yield* keep(action)
      const refs: ReadonlyArray<ResultRefs.ResultRef | BadTarget> = ResultRefs.ofAction(action)
      const missing = action.commands.filter((command) => MachineAction.hasResult(action, command) === "not yet").length
      if (missing > 0) {
        const status = printable(action.status)
        return [...refs, bad(`${missing} of its commands have no result yet, it is ${status}; run it again later`)]
      }
      return refs.length > 0 ? refs : [bad(`none of its commands has a result, it is ${printable(action.status)}`)]
    }),
  )
}

/** The id of a machine. Where several have its name nobody but the user knows which is meant. */
export const machineIdOf = Effect.fnUntraced(function* (
  machine: Machines.Machine,
): Effect.fn.Return<string | Machines.BadMachine, ApiError, DefenderApi.DefenderApi> {
  if (typeof machine === "string") return machine
  const { name } = machine
  const bad = (message: string): Machines.BadMachine => ({ machineName: name, message: printable(message) })
  const api = yield* DefenderApi.DefenderApi
  return yield* api.machinesOf(name).pipe(
    Effect.map(([first, ...others]) => {
      if (first === undefined) return bad(`no machine is called ${name}: a name is that of DNS in full, or take its id`)
      if (others.length === 0) return first.id
      const ids = [first, ...others].map(({ id }) => id).join(", ")
      return bad(`${others.length + 1} machines are called ${name}: take the id of the one that is meant, of ${ids}`)
    }),
    Effect.catchTag("DefenderError", (error) =>
      isOfOne(error) ? Effect.succeed(bad(error.message)) : Effect.fail(error),
    ),
  )
})
