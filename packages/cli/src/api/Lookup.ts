/**
 * Asks the API what an id or a name stands for: the results of a machine action, and the machine with a DNS name.
 */
import type { ApiError } from "@live-response/core/ApiError"
import * as DefenderApi from "@live-response/core/DefenderApi"
import type { DefenderError } from "@live-response/core/DefenderError"
import * as MachineAction from "@live-response/core/MachineAction"
import * as ResultRefs from "@live-response/core/ResultRef"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import { printable } from "../output/Printable.ts"
import type * as Machines from "../input/MachineArguments.ts"
import type { BadTarget } from "../input/Targets.ts"

/** Whether the error is about this one lookup, so that others may succeed. A missing permission or network is not. */
const concernsOne = ({ isDenied, reason }: DefenderError): boolean =>
  !isDenied && !(reason._tag === "Unreachable" && reason.kind !== undefined)

/** All results of a machine action; and a message if it has none, or not all of them yet. `store` gets the action first. */
export const resultsOf = <E>(
  id: MachineAction.MachineActionId,
  store: (action: MachineAction.MachineAction) => Effect.Effect<void, E>,
): Stream.Stream<ResultRefs.ResultRef | BadTarget, ApiError | E, DefenderApi.DefenderApi> => {
  const bad = (message: string): BadTarget => ({ machineActionId: id, message: `${id}: ${message}` })
  return Stream.fromIterableEffect(
    Effect.gen(function* () {
      const api = yield* DefenderApi.DefenderApi
      const found = yield* Effect.result(api.get(id))
      if (Result.isFailure(found)) {
        const error = found.failure
        return error._tag === "DefenderError" && concernsOne(error) ? [bad(error.reason.message)] : yield* error
      }
      const action = found.success
      yield* store(action)
      const refs: ReadonlyArray<ResultRefs.ResultRef | BadTarget> = ResultRefs.ofAction(action)
      if (action.type === "CollectInvestigationPackage" && refs.length === 0) {
        const next = action.isFinal ? "" : "; run it again later"
        return [bad(`it has no investigation package, its status is ${printable(action.status)}${next}`)]
      }
      const missing = MachineAction.commandsOf(action).filter(
        (command) => MachineAction.hasResult(action, command) === "not yet",
      ).length
      const status = printable(action.status)
      if (missing > 0) {
        return [
          ...refs,
          bad(`${missing} of its commands have no result yet, its status is ${status}; run it again later`),
        ]
      }
      return refs.length > 0 ? refs : [bad(`none of its commands has a result, its status is ${status}`)]
    }),
  )
}

/** The id of the machine with a name. If several machines have it, only the user knows which one is meant. */
export const machineIdOf = Effect.fnUntraced(function* (
  machine: Machines.Machine,
): Effect.fn.Return<string | Machines.BadMachine, ApiError, DefenderApi.DefenderApi> {
  if (typeof machine === "string") return machine
  const { name } = machine
  const bad = (message: string, problem?: Machines.Problem): Machines.BadMachine => ({
    machineName: name,
    message: printable(message),
    ...(problem === undefined ? {} : { problem }),
  })
  const api = yield* DefenderApi.DefenderApi
  return yield* api.machinesOf(name).pipe(
    Effect.map(([first, ...others]) => {
      if (first === undefined) {
        return bad(
          `no machine has the name ${name}: use its full DNS name, in the case that Defender shows, or its id`,
          "unknown",
        )
      }
      if (others.length === 0) return first.id
      const ids = [first, ...others].map(({ id }) => id).join(", ")
      return bad(
        `${others.length + 1} machines have the name ${name}: use the id of the right one: ${ids}`,
        "ambiguous",
      )
    }),
    Effect.catchTag("DefenderError", (error) =>
      concernsOne(error) ? Effect.succeed(bad(error.message)) : Effect.fail(error),
    ),
  )
})
