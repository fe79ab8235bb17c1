/** Sessions whose answer got lost, looked for by what their comment holds: many of them with one call. */
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Request from "effect/Request"
import * as RequestResolver from "effect/RequestResolver"
import * as Stream from "effect/Stream"
import * as ActionFilter from "../ActionFilter.ts"
import type { ApiError, Service as DefenderApi } from "../DefenderApi.ts"
import type { MachineAction } from "../MachineAction.ts"

class Search extends Request.Class<
  { readonly machineId: string; readonly mark: string },
  Option.Option<MachineAction>,
  ApiError
> {}

/** With the type, an expression of so many machines stays below the 100 nodes that a service of OData takes. */
const machinesInOneCall = 20

/** What is asked for within this time is asked for together. */
const gathering = "1 second"

/** Makes the function that looks once for the action on a machine whose comment has a mark. */
export const make = (api: DefenderApi) => {
  const resolver = RequestResolver.make<Search>((entries) => {
    const machines = Arr.dedupe(Arr.map(entries, ({ request }) => request.machineId))
    const filter = ActionFilter.all(ActionFilter.is("type", "LiveResponse"), ActionFilter.is("machineId", ...machines))
    const left = new Set(entries)
    return Stream.runForEach(api.list({ filter }), (action) =>
      Effect.sync(() => {
        for (const entry of left) {
          const { machineId, mark } = entry.request
          if (action.machineId !== machineId || action.requestorComment?.includes(mark) !== true) continue
          left.delete(entry)
          entry.completeUnsafe(Exit.succeed(Option.some(action)))
        }
      }),
    ).pipe(
      Effect.andThen(
        Effect.sync(() => {
          for (const entry of left) entry.completeUnsafe(Exit.succeed(Option.none()))
        }),
      ),
    )
  }).pipe(RequestResolver.setDelay(gathering), RequestResolver.batchN(machinesInOneCall))

  return (machineId: string, mark: string): Effect.Effect<Option.Option<MachineAction>, ApiError> =>
    Effect.request(new Search({ machineId, mark }), resolver)
}
