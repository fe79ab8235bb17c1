/** Searches the list of actions for sessions on machines: many searches with one call. */
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Request from "effect/Request"
import * as RequestResolver from "effect/RequestResolver"
import * as Stream from "effect/Stream"
import * as ActionFilter from "../ActionFilter.ts"
import type { ApiError, Service as DefenderApi, Unreadable } from "../DefenderApi.ts"
import type { MachineAction } from "../MachineAction.ts"
import * as ApiCall from "./apiCall.ts"
import * as RecordList from "./recordList.ts"
import * as SessionOwner from "./sessionOwner.ts"

class Search extends Request.Class<
  { readonly machineId: string; readonly isSearched: (action: MachineAction) => boolean },
  Option.Option<MachineAction>,
  ApiError
> {}

/** With the type, an expression of so many machines stays below the 100 nodes that a service of OData takes. */
const machinesInOneCall = 20

/** What is asked for within this time is asked for together. */
const gathering = "1 second"

/** Whether the comment of an action holds the mark of a session. */
export const hasMark =
  (mark: string) =>
  ({ requestorComment }: MachineAction): boolean =>
    requestorComment?.includes(mark) === true

/** Whether an action is in progress on a machine. */
export const isInProgressOn =
  (machineId: string) =>
  (action: MachineAction): boolean =>
    action.machineId?.toLowerCase() === machineId && !action.isFinal

/** What is not in the list is not there only where all of the list can be read. */
const notFound = (unreadable: ReadonlyArray<Unreadable>): Exit.Exit<Option.Option<MachineAction>, ApiError> =>
  unreadable.length === 0
    ? Exit.succeed(Option.none())
    : Exit.fail(ApiCall.unexpected("list of machine actions", RecordList.describe(unreadable)))

/**
 * Makes the function that looks once for a live response action of a machine, the first that is searched. It fails where
 * the action is not found, but may be one of the records that can't be read, or is on another machine.
 */
export const make = (api: DefenderApi) => {
  const resolver = RequestResolver.make<Search>((entries) => {
    const machines = Arr.dedupe(Arr.map(entries, ({ request }) => request.machineId))
    const filter = ActionFilter.all(ActionFilter.is("type", "LiveResponse"), ActionFilter.is("machineId", ...machines))
    const left = new Set(entries)
    const elsewhere = new Map<(typeof entries)[number], MachineAction>()
    const unreadable: Array<Unreadable> = []
    return Stream.runForEach(api.pages({ filter }), (page) =>
      Effect.sync(() => {
        unreadable.push(...page.unreadable)
        for (const action of page.actions) {
          for (const entry of left) {
            if (!entry.request.isSearched(action)) continue
            if (!SessionOwner.isOn(action, entry.request.machineId)) {
              elsewhere.set(entry, action)
              continue
            }
            left.delete(entry)
            entry.completeUnsafe(Exit.succeed(Option.some(action)))
          }
        }
      }),
    ).pipe(
      Effect.andThen(
        Effect.sync(() => {
          const exit = notFound(unreadable)
          for (const entry of left) {
            const other = elsewhere.get(entry)
            entry.completeUnsafe(
              other === undefined ? exit : Exit.fail(SessionOwner.elsewhere(other, entry.request.machineId)),
            )
          }
        }),
      ),
    )
  }).pipe(RequestResolver.setDelay(gathering), RequestResolver.batchN(machinesInOneCall))

  return (
    machineId: string,
    isSearched: (action: MachineAction) => boolean,
  ): Effect.Effect<Option.Option<MachineAction>, ApiError> =>
    Effect.request(new Search({ machineId, isSearched }), resolver)
}

export type Find = ReturnType<typeof make>
