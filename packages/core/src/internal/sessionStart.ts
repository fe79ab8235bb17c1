/**
 * Starts sessions, and no machine has the same one twice. The rule stands here alone:
 *
 * - What the journal knows of a machine decides what is done about it: `decide`.
 * - Before a request is sent, the journal says so (`starting`), with a mark that the session's comment holds as well.
 * - A request is sent once. Where no clear answer comes, the list of actions is searched for the mark, for as long as a new
 *   action may be unknown to the API. Only what is not found then may be asked for again, and `notStarted` says so first.
 * - Where another session is in progress on the machine, it may be this one: a gateway may have sent the request twice.
 *   What can't be told apart stays `starting`, and the next run searches it.
 */
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type { ApiError, Service as DefenderApi } from "../DefenderApi.ts"
import * as DefenderError from "../DefenderError.ts"
import type * as FleetEvent from "../FleetEvent.ts"
import * as FleetJournal from "../FleetJournal.ts"
import type { MachineAction, MachineActionId } from "../MachineAction.ts"
import type { Policies } from "../Timing.ts"
import { Session } from "../Session.ts"
import type { StoreError } from "../StoreError.ts"
import type { FleetLog } from "./fleetLog.ts"
import { only } from "./schedule.ts"
import * as SessionOwner from "./sessionOwner.ts"
import * as SessionSearch from "./sessionSearch.ts"
import { startStopwatch } from "./stopwatch.ts"

/** What is done about a machine. */
export type Decision =
  /** It has no session: it is asked for. */
  | { readonly what: "start" }
  /** An earlier run asked for it, and nobody knows what became of that: it is searched before it is asked for. */
  | { readonly what: "search"; readonly mark: string }
  /** It has a session. With `ifKnown` it is asked for again where the API does not know the action any more. */
  | { readonly what: "resume"; readonly id: MachineActionId; readonly ifKnown: boolean }
  /** Its session finished in an earlier run. */
  | { readonly what: "report"; readonly action: MachineAction }

export const decide = (known: FleetJournal.Entry | undefined, options: { readonly retryFailed: boolean }): Decision => {
  switch (known?.entry) {
    case "starting":
      return { what: "search", mark: known.mark }
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

/** A session that is there. */
export interface Found {
  readonly id: MachineActionId
  readonly as: FleetEvent.Started["as"]
  /** The machine that it is on, where the API said so just now. */
  readonly machineId?: string | undefined
}

/** An entry that was written longer than this before its request is sent is written again. */
const freshFor = Duration.toMillis("3 seconds")

/** A disk on which each entry takes longer does not hold a session up for ever. */
const entriesAtMost = 5

/** Nothing was sent where no connection was made. */
const isUnsent = ({ reason }: DefenderError.DefenderError): boolean =>
  reason._tag === "Unreachable" && reason.kind !== undefined

/** Whether the session may have started all the same: only a clear word says that it was not. */
const isLost = (error: ApiError): error is DefenderError.DefenderError =>
  error._tag === "DefenderError" && !isUnsent(error) && (error.isRetryable || error.reason._tag === "UnexpectedAnswer")

/** Why the API refused it, where another session is in progress on the machine. */
const busy = (error: ApiError): DefenderError.ActiveRequestAlreadyExists | undefined =>
  error._tag === "DefenderError" && error.reason._tag === "ActiveRequestAlreadyExists" ? error.reason : undefined

/** No answer came, and the API does not know of the session: it may be asked for again. */
class NeverStarted extends Data.TaggedError("NeverStarted")<{ readonly lost: DefenderError.DefenderError }> {}

const isNeverStarted = (error: ApiError | StoreError | NeverStarted) => error._tag === "NeverStarted"

export interface Options {
  readonly api: DefenderApi
  readonly policy: Pick<Policies, "creation" | "start">
  readonly session: Session
  /** Another's session that is in progress on the machine takes the place of this one. */
  readonly adopt: boolean
  readonly record: FleetLog["record"]
}

/** The action on a machine whose comment has the mark; nothing, once it is sure that the API would know of it. */
const makeSearch =
  (find: SessionSearch.Find, creation: Policies["creation"]) =>
  (machineId: string, mark: string): Effect.Effect<Option.Option<Found>, ApiError> => {
    const missing = new DefenderError.DefenderError({
      operation: `live response on ${machineId}`,
      reason: new DefenderError.NotFound({ status: 404 }),
    })
    const isMissing = (error: ApiError): error is DefenderError.DefenderError => error === missing
    return find(machineId, SessionSearch.hasMark(mark)).pipe(
      Effect.mapError((error) =>
        error._tag === "DefenderError"
          ? new DefenderError.DefenderError({
              operation: `whether live response has begun on ${machineId} is not known: ${error.operation}`,
              reason: error.reason,
            })
          : error,
      ),
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

type Other = Found | "another" | "unknown"

/**
 * The session in progress may be the one that was asked for. Else it takes the place of that one, where it may. Who may
 * not look can't tell them apart, and takes it for another's.
 */
const makeIdentify = ({ adopt, api }: Options, find: SessionSearch.Find) => {
  const named = (id: MachineActionId, machineId: string, mark: string): Effect.Effect<Other, ApiError> =>
    Effect.flatMap(api.get(id), (action) => {
      if (!SessionOwner.isOn(action, machineId)) return Effect.fail(SessionOwner.elsewhere(action, machineId))
      return Effect.succeed<Other>(SessionSearch.hasMark(mark)(action) ? { id, as: "resumed" } : "another")
    })

  /** The refusal does not name it: the list may have it. One that may be this one's is not taken for another's. */
  const listed = (machineId: string, mark: string): Effect.Effect<Other, ApiError> =>
    Effect.all(
      [
        find(machineId, SessionSearch.hasMark(mark)),
        adopt ? find(machineId, SessionSearch.isInProgressOn(machineId)) : Effect.succeedNone,
      ],
      { concurrency: "unbounded" },
    ).pipe(
      Effect.map(([own, other]): Other => {
        if (Option.isSome(own)) return { id: own.value.id, as: "resumed" }
        return Option.isSome(other) ? { id: other.value.id, as: "adopted" } : "unknown"
      }),
    )

  return Effect.fnUntraced(function* (id: MachineActionId | undefined, machineId: string, mark: string) {
    const other = yield* (id === undefined ? listed(machineId, mark) : named(id, machineId, mark)).pipe(
      Effect.catchReason("DefenderError", "NotFound", () => Effect.succeed<Other>("unknown")),
      Effect.catchReason("DefenderError", "Forbidden", () => Effect.succeed<Other>("another")),
    )
    if (typeof other === "object" || id === undefined || !adopt) return other
    return { id, as: "adopted" } satisfies Found
  })
}

/** Makes the functions that search a session and that ask for one. */
export const make = (options: Options) => {
  const { api, policy, record, session } = options
  const find = SessionSearch.make(api)
  const search = makeSearch(find, policy.creation)
  const identify = makeIdentify(options, find)

  /** Written right before the request is sent: an earlier run's request is searched by the time of its entry. */
  const recordStarting = (machineId: string, mark: string) =>
    Effect.gen(function* () {
      const elapsed = yield* startStopwatch
      yield* record(machineId, (of) => FleetJournal.Starting.make({ ...of, mark }))
      return yield* elapsed
    }).pipe(Effect.repeat({ while: (elapsed) => elapsed > freshFor, times: entriesAtMost - 1 }), Effect.asVoid)

  const requestOnce = Effect.fnUntraced(function* (machineId: string, mark: string, maySend: () => boolean) {
    const marked = Session.make({ ...session, comment: `${session.comment} [live-response ${mark}]` })
    const begin = Effect.suspend(() => (maySend() ? recordStarting(machineId, mark) : Effect.never))
    const answer = yield* Effect.result(api.run(machineId, marked, { begin }))
    if (Result.isSuccess(answer)) {
      const { id, machineId } = answer.success
      return { id, as: "new", machineId } satisfies Found
    }
    const error = answer.failure
    if (error._tag === "StoreError") return yield* error
    const other = busy(error)
    if (other !== undefined) {
      const found = yield* identify(other.machineActionId, machineId, mark)
      // What is not known may be this one's, and the next run finds out.
      if (found === "unknown") return yield* error
      if (found !== "another") return found
    }
    const found = isLost(error) ? yield* search(machineId, mark) : Option.none()
    if (Option.isSome(found)) return found.value
    yield* record(machineId, (of) => FleetJournal.NotStarted.make(of))
    return yield* isLost(error) ? new NeverStarted({ lost: error }) : error
  })

  return {
    search,

    /**
     * Asks for the session. Where no answer comes, it first finds out what became of it. `maySend` is called right before
     * the journal and the API are: where it says no, neither hears of the session, and the effect waits to be interrupted.
     */
    start: (machineId: string, mark: string, maySend: () => boolean): Effect.Effect<Found, ApiError | StoreError> =>
      requestOnce(machineId, mark, maySend).pipe(
        Effect.retry({ schedule: policy.start, while: isNeverStarted }),
        Effect.catchTag("NeverStarted", ({ lost }) => Effect.fail(lost)),
      ),
  }
}

export type SessionStart = ReturnType<typeof make>
