/** One run of a session on many machines: what is done about each of them, and what the machines share. */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Latch from "effect/Latch"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Service as ActionWatch } from "../ActionWatch.ts"
import type { BatchError } from "../BatchError.ts"
import type { ApiError, Service as DefenderApi } from "../DefenderApi.ts"
import * as FleetEvent from "../FleetEvent.ts"
import * as FleetJournal from "../FleetJournal.ts"
import type { MachineActionId } from "../MachineAction.ts"
import type { Policies } from "../Timing.ts"
import type { Session } from "../Session.ts"
import type { StoreError } from "../StoreError.ts"
import * as CircuitBreaker from "./circuitBreaker.ts"
import * as FleetLog from "./fleetLog.ts"
import { randomHex } from "./randomHex.ts"
import * as SessionFollow from "./sessionFollow.ts"
import * as SessionOwner from "./sessionOwner.ts"
import * as SessionSlots from "./sessionSlots.ts"
import * as SessionStart from "./sessionStart.ts"

export interface Options {
  readonly api: DefenderApi
  readonly watch: ActionWatch["watch"]
  readonly policy: Policies
  readonly journal: FleetJournal.Run
  readonly session: Session
  readonly sessions: number
  readonly adopt: boolean
  readonly retryFailed: boolean
  readonly deadline: Duration.Input | undefined
  readonly isWaiting: boolean
  readonly send: (event: FleetEvent.FleetEvent) => Effect.Effect<unknown>
}

/** What the machines of a run share. */
interface Shared extends Options, FleetLog.FleetLog, SessionStart.SessionStart {
  readonly circuitBreaker: CircuitBreaker.CircuitBreaker
  readonly places: ReturnType<typeof SessionSlots.make>
  readonly owners: SessionOwner.SessionOwner
  readonly follow: SessionFollow.SessionFollow
  /** Sessions that are followed, and those that an earlier run may have started and that are searched. */
  readonly following: FiberSet.FiberSet<void, BatchError>
  readonly searching: FiberSet.FiberSet<void, BatchError>
  readonly atDeadline: Effect.Effect<Option.Option<never>>
}

const isDenied = (error: ApiError): boolean => error._tag === "DefenderError" && error.isDenied

type ToEvent = Parameters<FleetLog.FleetLog["emit"]>[1]

const notStarted =
  (message: string, error?: ApiError): ToEvent =>
  (of) =>
    FleetEvent.NotStarted.make({ ...of, message, ...(error === undefined ? {} : { error }) })

/** What is wrong with one machine is an event, unless it is wrong with all. */
const orReport =
  (
    { circuitBreaker, emit }: Shared,
    machineId: string,
    toEvent: (error: ApiError) => ToEvent,
    endsAll: (error: ApiError) => boolean = circuitBreaker.isEndedBy,
  ) =>
  (effect: Effect.Effect<void, ApiError | StoreError>): Effect.Effect<void, BatchError> =>
    effect.pipe(
      Effect.catch((error): Effect.Effect<void, BatchError> => {
        if (error._tag === "StoreError" || endsAll(error)) return Effect.fail(error)
        const outage = circuitBreaker.outage(error)
        return Effect.andThen(emit(machineId, toEvent(error)), outage === undefined ? Effect.void : Effect.fail(outage))
      }),
    )

/** Follows a session from its beginning to its end. */
const followOne = (shared: Shared, machineId: string, id: MachineActionId, place: SessionSlots.Place) => {
  const { circuitBreaker, follow, isWaiting } = shared
  return follow(machineId, id, place).pipe(
    // Who does not wait need not look.
    Effect.catchIf(
      (error) => !isWaiting && error._tag !== "StoreError",
      () => Effect.void,
    ),
    orReport(
      shared,
      machineId,
      (error) => SessionFollow.unfinished(id, error.message, error),
      // Who may not look at one may look at none.
      (error) => isDenied(error) || circuitBreaker.isEndedBy(error),
    ),
  )
}

/**
 * The machine has a session: it is written down, reported and followed. One that is on another machine is written down as
 * well, so that no run asks for another one: what the request started is not known.
 */
const join = Effect.fnUntraced(function* (
  shared: Shared,
  machineId: string,
  { as, id, machineId: on }: SessionStart.Found,
  place: SessionSlots.Place,
) {
  const { circuitBreaker, emit, following, owners, record } = shared
  yield* record(machineId, (of) => FleetJournal.Started.make({ ...of, machineActionId: id }))
  circuitBreaker.permitted()
  circuitBreaker.outage(undefined)
  yield* emit(machineId, (of) => FleetEvent.Started.make({ ...of, machineActionId: id, as }))
  const problem = on === undefined && as === "resumed" ? undefined : owners.problem({ id, machineId: on }, machineId)
  if (problem !== undefined) {
    yield* place.leave
    return yield* emit(machineId, SessionFollow.unfinished(id, problem.message, problem))
  }
  yield* FiberSet.run(following, followOne(shared, machineId, id, place))
})

const resume = (shared: Shared, machineId: string, found: SessionStart.Found) =>
  Effect.flatMap(shared.places.join, (place) => join(shared, machineId, found, place))

/**
 * The deadline ends the wait for a turn. What was sent by then is heard out: it may have started. Where that did not
 * arrive, it is not sent again. Whether it is sent or the deadline came is decided in one step.
 */
const start = Effect.fnUntraced(function* (shared: Shared, machineId: string, mark: string) {
  const { atDeadline, emit, places } = shared
  const state = { wasSent: false, isExpired: false, refused: Latch.makeUnsafe(false) }
  const maySend = () => {
    if (state.isExpired) state.refused.openUnsafe()
    else state.wasSent = true
    return !state.isExpired
  }
  const expired = Effect.flatMap(atDeadline, (none) => {
    state.isExpired = true
    return Effect.as(state.wasSent ? state.refused.await : Effect.void, none)
  })
  const started = yield* Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(places.take(restore), (place) =>
      restore(shared.start(machineId, mark, maySend)).pipe(
        Effect.map((found) => Option.some({ found, place })),
        Effect.onError(() => place.leave),
      ),
    ),
  ).pipe(Effect.raceFirst(expired))
  if (Option.isSome(started)) return yield* join(shared, machineId, started.value.found, started.value.place)
  yield* emit(machineId, notStarted(`live response on ${machineId}: no session yet at the deadline`))
})

const startFresh = (shared: Shared, machineId: string) =>
  Effect.flatMap(randomHex(16), (mark) => start(shared, machineId, mark))

/** An earlier run asked for it, and did not live to hear what became of that. */
const resumeOrStart = Effect.fnUntraced(function* (shared: Shared, machineId: string, mark: string) {
  const { atDeadline, emit, search } = shared
  const known = yield* Effect.raceFirst(Effect.asSome(search(machineId, mark)), atDeadline)
  if (Option.isNone(known)) {
    const inDoubt = `live response on ${machineId}: whether it has begun is not known yet at the deadline`
    yield* emit(machineId, notStarted(inDoubt))
    return
  }
  yield* Option.match(known.value, {
    onNone: () => start(shared, machineId, mark),
    onSome: (found) => resume(shared, machineId, found),
  })
})

/** Whether the API does not know of an action that has started, and no longer only not yet. */
const isGone = ({ watch }: Shared, id: MachineActionId) =>
  Stream.runHead(watch(id)).pipe(
    Effect.as(false),
    Effect.catchReason("DefenderError", "NotFound", () => Effect.succeed(true)),
  )

const runMachine = Effect.fnUntraced(function* (shared: Shared, machineId: string) {
  const { emit, journal, owners, searching } = shared
  const decision = SessionStart.decide(Option.getOrUndefined(yield* journal.find(machineId)), shared)
  switch (decision.what) {
    case "start":
      return yield* startFresh(shared, machineId)
    case "resume":
      return yield* decision.ifKnown && (yield* isGone(shared, decision.id))
        ? startFresh(shared, machineId)
        : resume(shared, machineId, { id: decision.id, as: "resumed" })
    case "search":
      // It takes its time, and others need not wait for it.
      yield* FiberSet.run(searching, reported(shared, machineId, resumeOrStart(shared, machineId, decision.mark)))
      return
    case "report": {
      const { action } = decision
      const problem = owners.problem(action, machineId)
      if (problem !== undefined) {
        return yield* emit(machineId, SessionFollow.unfinished(action.id, problem.message, problem))
      }
      yield* emit(machineId, (of) => FleetEvent.Ended.make({ ...of, action, earlier: true }))
    }
  }
})

const reported = (shared: Shared, machineId: string, effect: Effect.Effect<void, ApiError | StoreError>) =>
  effect.pipe(orReport(shared, machineId, (error) => notStarted(error.message, error)))

/** Makes a run. Its fibers end with the scope. */
export const make = Effect.fnUntraced(function* (options: Options): Effect.fn.Return<
  {
    readonly runMachine: (machineId: string) => Effect.Effect<void, BatchError>
    readonly ended: Effect.Effect<void>
    readonly failed: Effect.Effect<void, BatchError>
  },
  never,
  Scope.Scope
> {
  const { deadline, isWaiting, journal, policy, send } = options
  const expired = yield* Latch.make(false)
  if (deadline !== undefined) yield* Effect.forkScoped(Effect.delay(expired.open, deadline))
  const atDeadline = Effect.as(expired.await, Option.none<never>())
  const log = FleetLog.make(journal, send)
  const owners = SessionOwner.make()
  const shared: Shared = {
    ...options,
    ...log,
    ...SessionStart.make({ ...options, record: log.record }),
    atDeadline,
    circuitBreaker: CircuitBreaker.make(),
    places: SessionSlots.make(Math.max(1, options.sessions)),
    owners,
    follow: SessionFollow.make({ ...options, ...log, owners, settling: policy.settling, atDeadline }),
    following: yield* FiberSet.make<void, BatchError>(),
    searching: yield* FiberSet.make<void, BatchError>(),
  }
  const { following, searching } = shared
  const seen = new Set<string>()
  return {
    /** Does what the journal says is to be done about a machine, once for each. */
    runMachine: (text) => {
      const machineId = text.toLowerCase()
      if (seen.has(machineId)) return Effect.void
      seen.add(machineId)
      return reported(shared, machineId, runMachine(shared, machineId))
    },
    /** Ends with the last session, or with what ends them all. */
    ended: Effect.andThen(FiberSet.awaitEmpty(searching), isWaiting ? FiberSet.awaitEmpty(following) : Effect.void),
    failed: Effect.raceFirst(FiberSet.join(searching), FiberSet.join(following)),
  }
})
