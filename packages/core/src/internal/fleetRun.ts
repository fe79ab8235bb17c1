/** One run of a session on many machines: what happens on each machine, and what the machines share. */
import * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Latch from "effect/Latch"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Service as ActionWatch } from "../ActionWatch.ts"
import type { BatchError } from "../BatchError.ts"
import type { ApiError } from "../ApiError.ts"
import type { Service as DefenderApi } from "../DefenderApi.ts"
import type { DefenderError } from "../DefenderError.ts"
import * as FleetEvent from "../FleetEvent.ts"
import * as FleetJournal from "../FleetJournal.ts"
import type { MachineActionId } from "../MachineAction.ts"
import type { Session } from "../Session.ts"
import type { StoreError } from "../StoreError.ts"
import type { Settings } from "../Timing.ts"
import * as CircuitBreaker from "./circuitBreaker.ts"
import * as FleetLog from "./fleetLog.ts"
import type * as KeyedLock from "./keyedLock.ts"
import type * as SessionDoubt from "./sessionDoubt.ts"
import * as SessionFollow from "./sessionFollow.ts"
import * as SessionMark from "./sessionMark.ts"
import * as SessionOwner from "./sessionOwner.ts"
import * as SessionSlots from "./sessionSlots.ts"
import * as SessionStart from "./sessionStart.ts"

export interface Options {
  readonly api: DefenderApi
  readonly watch: ActionWatch["watch"]
  readonly timing: Settings
  readonly journal: FleetJournal.Run
  readonly session: Session
  readonly sessions: number
  readonly shared: SessionSlots.SessionSlots | undefined
  readonly adopt: boolean
  readonly cancelBlocking: boolean
  readonly retryFailed: boolean
  readonly deadline: Duration.Input | undefined
  readonly isWaiting: boolean
  readonly send: (event: FleetEvent.FleetEvent) => Effect.Effect<unknown>
  /** Records an event that `send` will emit: if the run is stopped before that, it is still emitted. */
  readonly owe: (event: FleetEvent.FleetEvent) => void
  readonly doubts: SessionDoubt.SessionDoubt
  /** What the runs of the service take turns by. */
  readonly hold: KeyedLock.Hold
}

/** What the machines of a run share. */
interface Shared extends Options, FleetLog.FleetLog, SessionStart.SessionStart {
  readonly circuitBreaker: CircuitBreaker.CircuitBreaker
  readonly slots: SessionSlots.SessionSlots
  readonly owners: SessionOwner.SessionOwners
  readonly follow: SessionFollow.SessionFollow
  /** The sessions that are followed. */
  readonly following: FiberSet.FiberSet<void, BatchError>
  /** The searches for sessions that an earlier run may have started. */
  readonly searching: FiberSet.FiberSet<void, BatchError>
  /** Succeeds at the deadline, or never. */
  readonly atDeadline: Effect.Effect<Option.Option<never>>
}

const isDenied = (error: ApiError): boolean => error._tag === "DefenderError" && error.isDenied

const notStarted =
  (message: string, error?: ApiError): FleetLog.ToEvent =>
  (of) =>
    FleetEvent.NotStarted.make({ ...of, message, ...(error === undefined ? {} : { error }) })

/** Emits the error of a machine as an event. Fails only with an error that ends the run. */
const reportError =
  (
    { circuitBreaker, emit }: Shared,
    machineId: string,
    toEvent: (error: ApiError) => FleetLog.ToEvent,
    endsRun: (error: ApiError) => boolean = circuitBreaker.isEndedBy,
  ) =>
  (effect: Effect.Effect<void, ApiError | StoreError>): Effect.Effect<void, BatchError> =>
    effect.pipe(
      Effect.catch((error): Effect.Effect<void, BatchError> => {
        if (error._tag === "StoreError" || endsRun(error)) return Effect.fail(error)
        const outage = circuitBreaker.outage(error)
        return Effect.andThen(emit(machineId, toEvent(error)), outage === undefined ? Effect.void : Effect.fail(outage))
      }),
    )

const reportNotStarted = (shared: Shared, machineId: string, effect: Effect.Effect<void, ApiError | StoreError>) =>
  effect.pipe(reportError(shared, machineId, (error) => notStarted(error.message, error)))

/** Follows a session until it finishes. */
const followOne = (shared: Shared, machineId: string, id: MachineActionId, slot: SessionSlots.Slot) => {
  const { circuitBreaker, follow, isWaiting } = shared
  return follow(machineId, id, slot).pipe(
    // A run that does not wait needs no permission to read actions.
    Effect.catchIf(
      (error) => !isWaiting && error._tag !== "StoreError",
      () => Effect.void,
    ),
    reportError(
      shared,
      machineId,
      (error) => SessionFollow.unfinished(id, error.message, error),
      // Without the permission to read one action, none can be read.
      (error) => isDenied(error) || circuitBreaker.isEndedBy(error),
    ),
  )
}

/** Reports a session that the API returned for a machine although it is another machine's. */
const reportWrongMachine = ({ emit }: Shared, machineId: string, id: MachineActionId, error: DefenderError) =>
  emit(machineId, SessionFollow.unfinished(id, error.message, error))

/**
 * Records that the machine has a session. A session on another machine is recorded too, so that no run requests a second one:
 * the request may have started any session. Returns what reports the session, and follows it in the background.
 */
const followFound = Effect.fnUntraced(function* (
  shared: Shared,
  machineId: string,
  { as, id, machineId: actualMachineId, machineName }: SessionStart.Found,
  slot: SessionSlots.Slot,
) {
  const { circuitBreaker, following, owe, owners, record, send } = shared
  // The answer may be that of another machine.
  const isOwn = SessionOwner.isOn({ machineId: actualMachineId }, machineId)
  const named = machineName && isOwn ? { machineName } : {}
  const started = FleetEvent.Started.make({ at: yield* DateTime.now, machineId, machineActionId: id, as })
  // First: a journal in a database that is away is waited for, and a run that is stopped does not wait.
  owe(started)
  yield* record(machineId, (of) => FleetJournal.Started.make({ ...of, machineActionId: id, ...named }))
  circuitBreaker.permitted()
  circuitBreaker.outage(undefined)
  return Effect.gen(function* () {
    yield* send(started)
    const isFromJournal = actualMachineId === undefined && as === "resumed"
    const error = isFromJournal ? undefined : owners.assign({ id, machineId: actualMachineId }, machineId)
    if (error === undefined) {
      yield* FiberSet.run(following, followOne(shared, machineId, id, slot))
      return
    }
    yield* slot.release
    yield* reportWrongMachine(shared, machineId, id, error)
  })
})

const resume = (shared: Shared, machineId: string, found: SessionStart.Found) =>
  Effect.flatMap(shared.slots.occupy, (slot) => followFound(shared, machineId, found, slot))

/**
 * Requests a session once a slot is free. The deadline ends the wait for the slot. A request that was sent by then is waited
 * for, because the session may have started; one that did not arrive is not sent again. `maySend` decides in one step
 * whether the request is sent or the deadline has passed.
 */
const start = Effect.fnUntraced(function* (shared: Shared, machineId: string, mark: string) {
  const { atDeadline, emit, slots } = shared
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
    Effect.flatMap(slots.acquire(restore), (slot) =>
      restore(shared.start(machineId, mark, maySend)).pipe(
        Effect.map((found) => Option.some({ found, slot })),
        Effect.onError(() => slot.release),
      ),
    ),
  ).pipe(Effect.raceFirst(expired))
  if (Option.isSome(started)) return yield* followFound(shared, machineId, started.value.found, started.value.slot)
  return emit(machineId, notStarted(`live response on ${machineId}: no session yet at the deadline`))
})

const startFresh = (shared: Shared, machineId: string) =>
  Effect.flatMap(SessionMark.make, (mark) => start(shared, machineId, mark))

/** An earlier run requested the session and did not record the result. */
const resumeOrStart = Effect.fnUntraced(function* (
  shared: Shared,
  machineId: string,
  { mark, since }: Pick<Extract<SessionStart.Decision, { readonly what: "search" }>, "mark" | "since">,
) {
  const { atDeadline, emit, doubts, search } = shared
  doubts.add(machineId)
  const known = yield* Effect.raceFirst(Effect.asSome(search(machineId, mark, since)), atDeadline)
  if (Option.isNone(known)) {
    const inDoubt = `live response on ${machineId}: whether it has started is not known yet at the deadline`
    return emit(machineId, notStarted(inDoubt))
  }
  return yield* Option.match(known.value, {
    onNone: () => {
      doubts.remove(machineId)
      return start(shared, machineId, mark)
    },
    onSome: (found) => resume(shared, machineId, found),
  })
})

/** Whether the API does not know an action that has started, and no longer may know it only later. */
const isGone = ({ watch }: Shared, id: MachineActionId) =>
  Stream.runHead(watch(id)).pipe(
    Effect.as(false),
    Effect.catchReason("DefenderError", "NotFound", () => Effect.succeed(true)),
  )

/** Decides what to do about a machine by its journal. */
const decide = (shared: Shared, machineId: string) =>
  Effect.map(shared.journal.find(machineId), (known) => SessionStart.decide(Option.getOrUndefined(known), shared))

/** Does what was decided about a machine. Returns what reports it. */
const act = Effect.fnUntraced(function* (shared: Shared, machineId: string, decision: SessionStart.Decision) {
  const { emit, owners } = shared
  switch (decision.what) {
    case "start":
      return yield* startFresh(shared, machineId)
    case "resume":
      return yield* decision.ifKnown && (yield* isGone(shared, decision.id))
        ? startFresh(shared, machineId)
        : resume(shared, machineId, { id: decision.id, as: "resumed" })
    case "search":
      return yield* resumeOrStart(shared, machineId, decision)
    case "report": {
      const { action } = decision
      const error = owners.assign(action, machineId)
      return error === undefined
        ? emit(machineId, (of) => FleetEvent.Ended.make({ ...of, action, earlier: true }))
        : reportWrongMachine(shared, machineId, action.id, error)
    }
  }
})

/**
 * Runs an effect while no other run of this session decides or starts anything on the machine. The deadline ends the wait.
 * Without it, two runs at the same time would both find no session in the journal, and both start one.
 *
 * What the effect returns runs after that: it emits events, which wait for their reader, and a reader may wait for the other run.
 */
const exclusively = <E>(
  { atDeadline, emit, hold, journal }: Shared,
  machineId: string,
  effect: Effect.Effect<Effect.Effect<void>, E>,
) =>
  Effect.scopedWith((scope) => {
    const held = Scope.provide(hold(`${journal.id} ${machineId}`), scope)
    return Effect.flatMap(Effect.raceFirst(Effect.asSome(held), atDeadline), (held) =>
      Option.isSome(held)
        ? effect
        : Effect.succeed(
            emit(
              machineId,
              notStarted(`live response on ${machineId}: another run was still starting it at the deadline`),
            ),
          ),
    )
  }).pipe(Effect.flatten)

/** Does what the journal decides about a machine. */
const runMachine = Effect.fn("Fleet.startSession")(function* (shared: Shared, machineId: string) {
  yield* Effect.annotateCurrentSpan("live_response.machine.id", machineId)
  const decided = decide(shared, machineId)
  let isSearched = false
  const unlessSearched = Effect.flatMap(decided, (decision) => {
    isSearched = decision.what === "search"
    return isSearched ? Effect.succeed(Effect.void) : act(shared, machineId, decision)
  })
  yield* exclusively(shared, machineId, unlessSearched)
  if (!isSearched) return
  // In the background: a search takes minutes, and other machines need not wait for it. Another run may search meanwhile.
  const searched = Effect.flatMap(decided, (decision) => act(shared, machineId, decision))
  yield* FiberSet.run(shared.searching, reportNotStarted(shared, machineId, exclusively(shared, machineId, searched)))
})

/** An effect that succeeds at the deadline. */
const makeDeadline = Effect.fnUntraced(function* (deadline: Duration.Input | undefined) {
  const expired = yield* Latch.make(false)
  if (deadline !== undefined) yield* Effect.forkScoped(Effect.delay(expired.open, deadline))
  return Effect.as(expired.await, Option.none<never>())
})

/** A run that has started. */
export interface FleetRun {
  /** Runs the session on a machine, once for each machine. */
  readonly runMachine: (machineId: string) => Effect.Effect<void, BatchError>
  /** Waits until all sessions have finished, or without `isWaiting` until they have started. */
  readonly finished: Effect.Effect<void>
  /** Fails with the first error that ends the run. */
  readonly failed: Effect.Effect<void, BatchError>
}

/** Makes a run. Its fibers end with the scope. */
export const make = Effect.fnUntraced(function* (options: Options): Effect.fn.Return<FleetRun, never, Scope.Scope> {
  const { deadline, doubts, isWaiting, journal, send, sessions, timing } = options
  const atDeadline = yield* makeDeadline(deadline)
  const log = FleetLog.make(journal, send, doubts)
  const own = SessionSlots.make(Math.max(1, sessions))
  const following = yield* FiberSet.make<void, BatchError>()
  const searching = yield* FiberSet.make<void, BatchError>()
  const reporting = yield* FiberSet.make<void>()
  /** What starts a session holds its machine: no event of it waits for the reader meanwhile. */
  const emitAside: FleetLog.FleetLog["emit"] = (machineId, toEvent) =>
    Effect.asVoid(FiberSet.run(reporting, log.emit(machineId, toEvent)))
  const owners = new SessionOwner.SessionOwners()
  const shared: Shared = {
    ...options,
    ...log,
    ...SessionStart.make({ ...options, ...log, emit: emitAside }),
    atDeadline,
    circuitBreaker: CircuitBreaker.make(),
    slots: options.shared === undefined ? own : SessionSlots.both(own, options.shared),
    owners,
    follow: SessionFollow.make({ ...options, ...log, owners, settling: timing.settling, atDeadline }),
    following,
    searching,
  }
  const seen = new Set<string>()
  return {
    runMachine: (text) => {
      const machineId = text.toLowerCase()
      if (seen.has(machineId)) return Effect.void
      seen.add(machineId)
      return reportNotStarted(shared, machineId, runMachine(shared, machineId))
    },
    finished: Effect.all(
      [searching, ...(isWaiting ? [following] : []), reporting].map((each) => FiberSet.awaitEmpty(each)),
      { discard: true },
    ),
    failed: Effect.raceFirst(FiberSet.join(searching), FiberSet.join(following)),
  }
})
