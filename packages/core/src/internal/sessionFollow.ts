/** Follows sessions that have started, to their end or to the deadline. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { Service as ActionWatch } from "../ActionWatch.ts"
import type { ApiError } from "../DefenderApi.ts"
import * as FleetEvent from "../FleetEvent.ts"
import * as FleetJournal from "../FleetJournal.ts"
import type { MachineAction, MachineActionId } from "../MachineAction.ts"
import type { Policies } from "../Timing.ts"
import type { StoreError } from "../StoreError.ts"
import type { FleetLog } from "./fleetLog.ts"
import type { SessionOwner } from "./sessionOwner.ts"
import type { Place } from "./sessionSlots.ts"

export interface Options extends FleetLog, ActionWatch, Pick<Policies, "settling"> {
  readonly owners: SessionOwner
  readonly atDeadline: Effect.Effect<Option.Option<never>>
}

export const unfinished =
  (id: MachineActionId, message: string, error?: ApiError) =>
  (of: { readonly machineId: string } & Pick<FleetEvent.Unfinished, "at">): FleetEvent.Unfinished =>
    FleetEvent.Unfinished.make({
      ...of,
      machineActionId: id,
      message: `live response on ${of.machineId}: ${message}`,
      ...(error === undefined ? {} : { error }),
    })

/** Makes the function that follows one session. It fails where the session can't be looked at. */
export const make = ({ atDeadline, emit, owners, record, settling, watch }: Options) => {
  const looked = (machineId: string, place: Place) => (action: MachineAction) =>
    Effect.gen(function* () {
      const problem = owners.problem(action, machineId)
      if (problem !== undefined) return yield* problem
      const change = yield* place.look(action)
      if (change === undefined) return
      const event = change === "offline" ? FleetEvent.Offline : FleetEvent.Online
      yield* emit(machineId, (of) => event.make({ ...of, machineActionId: action.id }))
    })

  return Effect.fnUntraced(function* (
    machineId: string,
    id: MachineActionId,
    place: Place,
  ): Effect.fn.Return<void, ApiError | StoreError> {
    const last = yield* watch(id).pipe(
      Stream.tap(looked(machineId, place)),
      Stream.runLast,
      Effect.raceFirst(atDeadline),
      Effect.ensuring(place.leave),
    )
    const action = Option.getOrUndefined(last)
    if (action?.isFinal !== true) {
      yield* emit(machineId, unfinished(id, `machine action ${id} is not over yet, and goes on`))
      return
    }
    yield* record(machineId, (of) => FleetJournal.Ended.make({ ...of, action }))
    yield* Effect.sleep(settling)
    yield* emit(machineId, (of) => FleetEvent.Ended.make({ ...of, action, earlier: false }))
  })
}

export type SessionFollow = ReturnType<typeof make>
