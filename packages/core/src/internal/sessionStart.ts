/**
 * Starts sessions so that no machine gets the same one twice. This module is the only home of the rule:
 *
 * - What the journal knows of a machine decides what to do: `decide`.
 * - Before a request is sent, the journal says so (`starting`), with a mark that the session's comment contains too.
 * - A request is sent once. Where no clear answer arrives, the list of actions is searched for the mark, for as long as the
 *   API may not know a new action yet. Only a session that is not found then may be requested again, and the journal says
 *   so first (`notStarted`).
 * - Another session in progress on the machine may be the same one, because a gateway may send a request twice. While that
 *   is unknown the journal keeps `starting`, and the next run searches for the session.
 */
import * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type { ApiError } from "../ApiError.ts"
import type { Service as DefenderApi } from "../DefenderApi.ts"
import * as DefenderError from "../DefenderError.ts"
import * as FleetEvent from "../FleetEvent.ts"
import * as FleetJournal from "../FleetJournal.ts"
import type { MachineAction, MachineActionId } from "../MachineAction.ts"
import { actionType, type Session } from "../Session.ts"
import * as Stopwatch from "../Stopwatch.ts"
import type { StoreError } from "../StoreError.ts"
import type { Settings } from "../Timing.ts"
import type { FleetLog } from "./fleetLog.ts"
import { only } from "./scheduleCombinators.ts"
import type { SessionDoubt } from "./sessionDoubt.ts"
import * as SessionMark from "./sessionMark.ts"
import * as SessionOwner from "./sessionOwner.ts"
import * as SessionSearch from "./sessionSearch.ts"

/** What to do about a machine. */
export type Decision =
  /** It has no session: request one. */
  | { readonly what: "start" }
  /** An earlier run requested the session and did not record the result: search for it before requesting it again. */
  | { readonly what: "search"; readonly mark: string; readonly since: DateTime.Utc | undefined }
  /** It has a session. With `ifKnown`, request a new one where the API does not know the action any more. */
  | { readonly what: "resume"; readonly id: MachineActionId; readonly ifKnown: boolean }
  /** Its session finished in an earlier run. */
  | { readonly what: "report"; readonly action: MachineAction }

export const decide = (known: FleetJournal.Entry | undefined, options: { readonly retryFailed: boolean }): Decision => {
  switch (known?.entry) {
    case "starting":
      return { what: "search", mark: known.mark, since: known.at }
    case "started":
      return { what: "resume", id: known.machineActionId, ifKnown: options.retryFailed }
    case "ended":
      return options.retryFailed && known.action.status !== "Succeeded"
        ? { what: "start" }
        : { what: "report", action: known.action }
    case "notStarted":
    case undefined:
      return { what: "start" }
  }
}

/** A session that exists. */
export interface Found {
  readonly id: MachineActionId
  readonly as: FleetEvent.Started["as"]
  /** The machine that the answer to the request names, if it names one. */
  readonly machineId?: string | undefined
  /** The DNS name of the machine, if the answer has it. */
  readonly machineName?: string | undefined
}

/** A request, with the time since the start of its last record: what a transport may still send depends on it. */
interface Recorded {
  age: () => number
}

/** If recording took longer than this, the entry is written again before the request is sent. */
const freshFor = Duration.toMillis("3 seconds")

/** The entry is written at most this often, however slow the disk is. */
const entriesAtMost = 5

/** Whether the request was never sent, for lack of a connection. */
const isUnsent = ({ reason }: DefenderError.DefenderError): boolean =>
  reason._tag === "Unreachable" && reason.kind !== undefined

/** Whether the session may have started despite the error. Only a clear refusal says that it has not. */
const isLost = (error: ApiError): error is DefenderError.DefenderError =>
  error._tag === "DefenderError" && !isUnsent(error) && (error.isRetryable || error.reason._tag === "UnexpectedAnswer")

/** Whether the API reported that it created the session, in an answer that can't be used. */
const hasSucceeded = ({ reason }: ApiError): boolean =>
  reason._tag === "UnexpectedAnswer" && reason.hasSucceeded === true

/** The reason of a refusal because another session is in progress on the machine. */
const busy = (error: ApiError): DefenderError.ActiveRequestAlreadyExists | undefined =>
  error._tag === "DefenderError" && error.reason._tag === "ActiveRequestAlreadyExists" ? error.reason : undefined

/** No answer arrived, and the API does not know the session: it may be requested again. */
class NeverStarted extends Data.TaggedError("NeverStarted")<{ readonly lost: DefenderError.DefenderError }> {}

const isNeverStarted = (error: ApiError | StoreError | NeverStarted) => error._tag === "NeverStarted"

export interface Options {
  readonly api: DefenderApi
  readonly timing: Pick<Settings, "creation" | "restart">
  readonly session: Session
  /** Whether a session of somebody else that is in progress on the machine counts in place of this one. */
  readonly adopt: boolean
  /** Whether a session of somebody else that is in progress on the machine is cancelled. */
  readonly cancelBlocking: boolean
  readonly doubts: SessionDoubt
  readonly record: FleetLog["record"]
  readonly emit: FleetLog["emit"]
}

/** Says what an error leaves unknown. */
const inDoubt = (machineId: string, error: ApiError): ApiError =>
  error._tag === "DefenderError"
    ? new DefenderError.DefenderError({
        operation: `whether live response has started on ${machineId} is not known: ${error.operation}`,
        reason: error.reason,
      })
    : error

/** How far the clocks of the API and of this machine may differ: one may be in local time. */
const clockDifference = Duration.days(1)

/**
 * Makes the search for the action with a mark, which was requested at `since` or later. It finds none only once the API would
 * know the action, and only if no action since then may be it.
 */
const makeSearch =
  (find: SessionSearch.Find, { session, timing: { creation } }: Options) =>
  (machineId: string, mark: string, since: DateTime.Utc | undefined): Effect.Effect<Option.Option<Found>, ApiError> => {
    const earliest = since && DateTime.subtractDuration(since, clockDifference)
    const isRecent = ({ created }: MachineAction): boolean =>
      created === undefined || earliest === undefined || DateTime.isGreaterThanOrEqualTo(created, earliest)
    const mayBe = SessionMark.mayBeOn(session, mark)
    const missing = new DefenderError.DefenderError({
      operation: `live response on ${machineId}`,
      reason: new DefenderError.NotFound({ status: 404 }),
    })
    const isMissing = (error: ApiError): error is DefenderError.DefenderError => error === missing
    return find(machineId, SessionMark.isOn(mark), (action) => isRecent(action) && mayBe(action)).pipe(
      Effect.mapError((error) => inDoubt(machineId, error)),
      Effect.flatMap(
        Option.match({
          onNone: () => Effect.fail(missing),
          onSome: ({ id }): Effect.Effect<Found> => Effect.succeed({ id, as: "resumed" }),
        }),
      ),
      Effect.retry(only(creation, isMissing)),
      Effect.asSome,
      Effect.catchIf(isMissing, () => Effect.succeedNone),
    )
  }

/** What the session in progress on a machine is: one that counts, another one with its action if that can be read, or unknown. */
type InProgress =
  | { readonly what: "found"; readonly found: Found }
  | { readonly what: "another"; readonly action?: MachineAction }
  | { readonly what: "unknown" }

const found = (id: MachineActionId, as: Found["as"]): InProgress => ({ what: "found", found: { id, as } })

/**
 * Makes the function that says what the session in progress is: the requested one, or with `adopt` one that replaces it.
 * Without the permission to read actions it counts as another one.
 */
const makeIdentify = ({ adopt, api, cancelBlocking }: Options, find: SessionSearch.Find) => {
  const byId = (id: MachineActionId, machineId: string, mark: string): Effect.Effect<InProgress, ApiError> =>
    Effect.flatMap(api.get(id), (action) => {
      if (!SessionOwner.isOn(action, machineId)) return Effect.fail(SessionOwner.wrongMachine(action, machineId))
      return Effect.succeed<InProgress>(
        SessionMark.isOn(mark)(action) ? found(id, "resumed") : { what: "another", action },
      )
    })

  /** The refusal does not name the action, so it is searched for. If it is not found it may be the requested one. */
  const bySearch = (machineId: string, mark: string): Effect.Effect<InProgress, ApiError> =>
    Effect.all(
      [
        find(machineId, SessionMark.isOn(mark)),
        adopt || cancelBlocking ? find(machineId, SessionSearch.isInProgressOn(machineId)) : Effect.succeedNone,
      ],
      { concurrency: "unbounded" },
    ).pipe(
      Effect.map(([own, other]): InProgress => {
        if (Option.isSome(own)) return found(own.value.id, "resumed")
        if (Option.isNone(other)) return { what: "unknown" }
        return adopt ? found(other.value.id, "adopted") : { what: "another", action: other.value }
      }),
    )

  return Effect.fnUntraced(function* (id: MachineActionId | undefined, machineId: string, mark: string) {
    const inProgress = yield* (id === undefined ? bySearch(machineId, mark) : byId(id, machineId, mark)).pipe(
      Effect.catchReason("DefenderError", "NotFound", () => Effect.succeed<InProgress>({ what: "unknown" })),
      Effect.catchReason("DefenderError", "Forbidden", () => Effect.succeed<InProgress>({ what: "another" })),
    )
    return inProgress.what !== "found" && id !== undefined && adopt ? found(id, "adopted") : inProgress
  })
}

/** The refusal of a request, with the reason why the session in the way was not cancelled. */
const notCancelled = ({ operation, reason }: DefenderError.DefenderError, why: string) =>
  new DefenderError.DefenderError({
    operation: `${operation}: the session in the way is not cancelled: ${why}`,
    reason,
  })

/** Why a session in the way is not one that may be cancelled. */
const whyNot = (action: MachineAction | undefined): string =>
  action === undefined ? "this sign-in may not read it" : `its type is ${action.type}`

/** A session of the same type, of somebody else, is in progress on the machine, and may be cancelled. */
class Blocked extends Data.TaggedError("Blocked")<{
  readonly action: MachineAction
  readonly refusal: DefenderError.DefenderError
}> {}

/** How long a session may take to end once it was cancelled. */
const cancellation = "2 minutes"

/** Makes the function that cancels the session in the way, and waits until it has finished. */
const makeClear =
  ({ api, emit, session }: Options) =>
  (machineId: string, { action, refusal }: Blocked): Effect.Effect<void, ApiError> =>
    api.cancel(action.id, `cancelled, because another session was requested: ${session.comment}`).pipe(
      // It may have finished meanwhile.
      Effect.catchReason("DefenderError", "Refused", () => Effect.void),
      Effect.andThen(api.wait(action.id)),
      Effect.timeoutOrElse({
        duration: cancellation,
        orElse: () => Effect.fail(notCancelled(refusal, "it does not end")),
      }),
      Effect.andThen(emit(machineId, (of) => FleetEvent.Cancelled.make({ ...of, machineActionId: action.id }))),
    )

const endDoubt = ({ doubts }: Options, machineId: string) => Effect.sync(() => doubts.remove(machineId))

const recordNotStarted = ({ record }: Options, machineId: string, { message }: ApiError) =>
  record(machineId, (of) => FleetJournal.NotStarted.make({ ...of, message }))

/** Makes the functions that search for a session and that request one. */
export const make = (options: Options) => {
  const { api, cancelBlocking, record, session, timing } = options
  const find = SessionSearch.make(api, actionType(session))
  const clear = makeClear(options)
  const search = makeSearch(find, options)
  const identify = makeIdentify(options, find)

  /** Records right before the request is sent, because a later run searches by the time of the entry. */
  const recordStarting = (machineId: string, mark: string, request: Recorded) =>
    Effect.gen(function* () {
      request.age = Stopwatch.startMillisUnsafe(yield* Clock.Clock)
      yield* record(machineId, (of) => FleetJournal.Starting.make({ ...of, mark }))
      return request.age()
    }).pipe(Effect.repeat({ while: (elapsed) => elapsed > freshFor, times: entriesAtMost - 1 }), Effect.asVoid)

  const requestOnce = Effect.fnUntraced(function* (machineId: string, mark: string, maySend: () => boolean) {
    const since = yield* DateTime.now
    const request: Recorded = { age: () => 0 }
    const begin = Effect.suspend(() => (maySend() ? recordStarting(machineId, mark, request) : Effect.never))
    const recorded = { beforeSend: begin, age: () => request.age(), onNothingDone: endDoubt(options, machineId) }
    const answer = yield* Effect.result(api.run(machineId, SessionMark.stamp(session, mark), recorded))
    if (Result.isSuccess(answer)) {
      const { computerDnsName: machineName, id, machineId } = answer.success
      return { id, as: "new", machineId, machineName } satisfies Found
    }
    const error = answer.failure
    if (error._tag === "StoreError") return yield* error
    const refused = busy(error)
    if (error._tag === "DefenderError" && refused !== undefined) {
      const inProgress = yield* identify(refused.machineActionId, machineId, mark)
      // It may be the requested one: the next run searches for it.
      if (inProgress.what === "unknown") {
        return yield* cancelBlocking
          ? notCancelled(error, "the API does not know it yet, try again in a minute")
          : error
      }
      if (inProgress.what === "found") return inProgress.found
      const { action } = inProgress
      if (cancelBlocking) {
        yield* recordNotStarted(options, machineId, error)
        return yield* action?.type === actionType(session)
          ? new Blocked({ action, refusal: error })
          : notCancelled(error, whyNot(action))
      }
    }
    const known = isLost(error) ? yield* search(machineId, mark, since) : Option.none()
    if (Option.isSome(known)) return known.value
    // The API has created a session. It is not requested again, and the next run searches for it.
    if (hasSucceeded(error)) return yield* inDoubt(machineId, error)
    yield* recordNotStarted(options, machineId, error)
    return yield* isLost(error) ? new NeverStarted({ lost: error }) : error
  })

  return {
    search,

    /**
     * Requests the session. Where no answer arrives, it searches for the session first. `maySend` is called right before the
     * journal and the API are: where it says no, neither is used, and the effect waits to be interrupted.
     */
    start: (machineId: string, mark: string, maySend: () => boolean): Effect.Effect<Found, ApiError | StoreError> =>
      requestOnce(machineId, mark, maySend).pipe(
        Effect.catchTag("Blocked", (blocked) =>
          Effect.andThen(clear(machineId, blocked), requestOnce(machineId, mark, maySend)),
        ),
        Effect.catchTag("Blocked", ({ refusal }) => Effect.fail(refusal)),
        Effect.retry({ schedule: timing.restart, while: isNeverStarted }),
        Effect.catchTag("NeverStarted", ({ lost }) => Effect.fail(lost)),
      ),
  }
}

export type SessionStart = ReturnType<typeof make>
