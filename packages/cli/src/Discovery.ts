/**
 * Which machine actions are meant, and which results they have.
 */
import * as ActionFilter from "@live-response/core/ActionFilter"
import * as DefenderApi from "@live-response/core/DefenderApi"
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
import * as When from "./When.ts"
import type { BadTarget } from "./Targets.ts"

const anyOf = (field: ActionFilter.Field, values: ReadonlyArray<string>): ReadonlyArray<ActionFilter.ActionFilter> => {
  const [first, ...rest] = values
  return first === undefined ? [] : [ActionFilter.is(field, first, ...rest)]
}

/** The actions that are meant, in the API's order. */
export const select = (
  selection: Selection,
): Stream.Stream<MachineAction.MachineAction, DefenderApi.ApiError, DefenderApi.DefenderApi> =>
  Stream.unwrap(
    Effect.gen(function* () {
      const api = yield* DefenderApi.DefenderApi
      const now = yield* DateTime.now
      // The API can filter by a machine's id, and not by its name.
      const names = selection.machine.filter((machine) => !Machines.isId(machine)).map((name) => name.toLowerCase())
      const since = Option.map(selection.since, (since) => ActionFilter.since(When.ago(since, now)))
      const [first, ...rest] = [
        ...Option.toArray(since),
        ...anyOf("status", selection.status),
        ...anyOf("type", selection.type),
        ...anyOf("machineId", names.length > 0 ? [] : selection.machine),
        ...anyOf("requestor", selection.requestor),
        ...Option.toArray(Option.map(selection.filter, ActionFilter.raw)),
      ]
      const isMeant = ({ computerDnsName = "", machineId = "" }: MachineAction.MachineAction) => {
        const name = computerDnsName.toLowerCase()
        return selection.machine.includes(machineId) || names.some((n) => name === n || name.startsWith(`${n}.`))
      }
      const actions = api.list(first === undefined ? {} : { filter: ActionFilter.all(first, ...rest) })
      return names.length === 0 ? actions : Stream.filter(actions, isMeant)
    }),
  )

/** All of one action's results, and what is to be said where it has none, or not all of them yet. */
export const lookUp = (
  id: MachineAction.MachineActionId,
  keep: (action: MachineAction.MachineAction) => Effect.Effect<void, StoreError>,
): Stream.Stream<ResultRefs.ResultRef | BadTarget, DefenderApi.ApiError | StoreError, DefenderApi.DefenderApi> => {
  const bad = (message: string): BadTarget => ({ machineActionId: id, message: `${id}: ${message}` })
  return Stream.fromIterableEffect(
    Effect.gen(function* () {
      const api = yield* DefenderApi.DefenderApi
      const found = yield* Effect.result(api.get(id))
      if (Result.isFailure(found)) {
        const error = found.failure
        return error._tag === "DefenderError" && !error.isDenied ? [bad(error.reason.message)] : yield* error
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
