/** Follows sessions that have started until they finish, or until the deadline. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { Service as ActionWatch } from "../ActionWatch.ts"
import type { ApiError } from "../ApiError.ts"
import * as FleetEvent from "../FleetEvent.ts"
import * as FleetJournal from "../FleetJournal.ts"
import { Command, MachineAction, type MachineActionId } from "../MachineAction.ts"
import { actionType, type Session, toApi } from "../Session.ts"
import type { Settings } from "../Timing.ts"
import type { StoreError } from "../StoreError.ts"
import type { FleetLog, ToEvent } from "./fleetLog.ts"
import * as SessionMetrics from "./sessionMetrics.ts"
import type { SessionOwners } from "./sessionOwner.ts"
import type { Slot } from "./sessionSlots.ts"

export interface Options extends FleetLog, ActionWatch, Pick<Settings, "settling"> {
  readonly session: Session
  readonly owners: SessionOwners
  readonly atDeadline: Effect.Effect<Option.Option<never>>
}

export const unfinished =
  (id: MachineActionId, message: string, error?: ApiError): ToEvent =>
  (of) =>
    FleetEvent.Unfinished.make({
      ...of,
      machineActionId: id,
      message: `live response on ${of.machineId}: ${message}`,
      ...(error === undefined ? {} : { error }),
    })

/**
 * The action with the commands that were requested, where the API left them out: otherwise nobody would ask for their results.
 * Those of a session that was adopted are not known, and the action of a package has none.
 */
const withCommands = (action: MachineAction, session: Session): MachineAction =>
  action.commands.length > 0 ||
  actionType(session) !== "LiveResponse" ||
  action.requestorComment?.startsWith(session.comment) === false
    ? action
    : MachineAction.make({
        ...action,
        commands: toApi(session).Commands.map(({ params, type }, index) =>
          Command.make({
            index,
            type,
            status: "",
            params: Object.fromEntries(params.map(({ key, value }) => [key, value])),
            errors: [],
          }),
        ),
      })

/** Makes the function that follows one session. It fails where the API can't be asked for the session. */
export const make = ({ atDeadline, emit, owners, record, session, settling, watch }: Options) => {
  const update = (machineId: string, slot: Slot) => (action: MachineAction) =>
    Effect.gen(function* () {
      const error = owners.assign(action, machineId)
      if (error !== undefined) return yield* error
      const change = yield* slot.update(action)
      if (change === undefined) return
      const event = change === "offline" ? FleetEvent.Offline : FleetEvent.Online
      yield* emit(machineId, (of) => event.make({ ...of, machineActionId: action.id }))
    })

  return Effect.fn("Fleet.followSession")(function* (
    machineId: string,
    id: MachineActionId,
    slot: Slot,
  ): Effect.fn.Return<void, ApiError | StoreError> {
    yield* Effect.annotateCurrentSpan({ "live_response.machine.id": machineId, "live_response.action.id": id })
    const [duration, last] = yield* watch(id).pipe(
      Stream.tap(update(machineId, slot)),
      Stream.runLast,
      Effect.raceFirst(atDeadline),
      Effect.ensuring(slot.release),
      Effect.timed,
    )
    const followed = Option.getOrUndefined(last)
    if (followed?.isFinal !== true) {
      yield* emit(machineId, unfinished(id, `machine action ${id} has not finished yet, and continues`))
      return
    }
    const action = withCommands(followed, session)
    yield* SessionMetrics.finished(duration)
    yield* record(machineId, (of) => FleetJournal.Ended.make({ ...of, action }))
    yield* Effect.sleep(settling)
    yield* emit(machineId, (of) => FleetEvent.Ended.make({ ...of, action, earlier: false }))
  })
}

export type SessionFollow = ReturnType<typeof make>
