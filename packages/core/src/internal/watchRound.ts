/** The rounds of a watch: one call for the actions that are due, and what its result means for those who watch them. */
import type * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Pull from "effect/Pull"
import * as Stream from "effect/Stream"
import * as ActionFilter from "../ActionFilter.ts"
import { isTransient } from "../ApiError.ts"
import type { ApiError } from "../ApiError.ts"
import type { Service as DefenderApi } from "../DefenderApi.ts"
import * as DefenderError from "../DefenderError.ts"
import type { MachineAction, MachineActionId } from "../MachineAction.ts"
import * as Outage from "../Outage.ts"
import { type Report, Reporter } from "../Reporter.ts"
import * as ApiErrors from "./apiErrors.ts"
import { gaveUp } from "./circuitBreaker.ts"
import { Patience } from "./outagePatience.ts"
import type * as WatchList from "./watchList.ts"

type Step<Input> = (now: number, input: Input) => Pull.Pull<readonly [unknown, Duration.Duration], never, unknown>

/** One action, as one caller watches it. */
export interface Watched extends WatchList.Watched<ApiError> {
  /** When to poll again an action that has not finished. */
  readonly again: Step<MachineAction>
  /** When to poll again an action that the API does not know. */
  readonly unknown: Step<DefenderError.DefenderError>
  /** How long to wait for a network that is down. */
  readonly patience: Duration.Duration
  /** Gets each attempt to reach a network that is down. */
  readonly reporter: Report
}

export type List = WatchList.WatchList<Watched, ApiError>

interface Round {
  readonly api: DefenderApi
  readonly list: List
  /** Microsoft documents ids as part of a filter on one page and not on another: a refused filter turns this on. */
  isOneByOne: boolean
  /** Of the reading of the actions. */
  readonly outage: Outage.Outage<string>
}

type Ids = readonly [MachineActionId, ...ReadonlyArray<MachineActionId>]

/** A filter of 25 ids has 99 nodes. An OData service accepts 100 unless it says otherwise. */
const idsInOneCall = 25

/** Limits the urgent actions in a call, so that the others are polled too. */
const urgentInOneCall = 20

/**
 * The actions for one call: none where no action is due. Otherwise the call is filled with those that are due soon, so that
 * they cost no calls of their own.
 */
const pickDue = (watched: Iterable<Watched>, now: number, limit: number): ReadonlyArray<Watched> => {
  const byDue = Array.from(watched).sort((a, b) => a.due - b.due)
  const urgent = byDue.filter((one) => one.isUrgent && one.due <= now)
  const others = byDue.filter((one) => !one.isUrgent || one.due > now)
  const first = urgent.slice(0, urgentInOneCall)
  const picked = [
    ...first,
    ...others.slice(0, idsInOneCall - first.length),
    ...urgent.slice(urgentInOneCall, idsInOneCall),
  ].slice(0, limit)
  return picked.some(({ due }) => due <= now) ? picked : []
}

/** The delay before an action is polled again that neither the list has nor the API can be asked for now. */
const askAgainAfter = Duration.minutes(1)

/** Postpones the next poll by a schedule. Where the schedule has finished, `onDone` decides. */
const postponeBy = <Input>(
  { list }: Round,
  one: Watched,
  step: Step<Input>,
  input: Input,
  now: number,
  onDone: () => Effect.Effect<void>,
) =>
  Pull.matchEffect(step(now, input), {
    onSuccess: ([, delay]) => Effect.sync(() => list.postpone(one, now, delay)),
    onFailure: Effect.failCause,
    onDone,
  })

/** Reports the state of an action, and schedules the next poll. */
const report = (round: Round, one: Watched, action: MachineAction, now: number) =>
  Effect.suspend(() => {
    const { list } = round
    list.report(one, action)
    if (action.isFinal) return Effect.void
    return postponeBy(round, one, one.again, action, now, () => Effect.sync(() => list.end(one, Exit.void)))
  })

/** The list does not have the action yet. Once it should, the API is asked for the action itself, and says why. */
const reportMissing = (round: Round, one: Watched, now: number) => {
  const { api, list } = round
  const notFound = new DefenderError.DefenderError({
    operation: `machine action ${one.id}`,
    reason: new DefenderError.NotFound({ status: 404 }),
  })
  return postponeBy(round, one, one.unknown, notFound, now, () =>
    Effect.matchEffect(api.get(one.id), {
      onSuccess: (action) => report(round, one, action, now),
      onFailure: (error) =>
        Effect.sync(() =>
          isTransient(error) ? list.postpone(one, now, askAgainAfter) : list.end(one, Exit.fail(error)),
        ),
    }),
  )
}

/** Reads actions with one call. */
const read = ({ api, isOneByOne }: Round, ids: Ids): Effect.Effect<ReadonlyArray<MachineAction>, ApiError> =>
  isOneByOne
    ? api.get(ids[0]).pipe(
        Effect.map((action) => [action]),
        Effect.catchReason("DefenderError", "NotFound", () => Effect.succeed([])),
      )
    : api.list({ filter: ActionFilter.is("id", ...ids) }).pipe(
        // The filter names the ids, so the pages before the error have all of them.
        Stream.catchIf(ApiErrors.hasReason("EndlessList"), () => Stream.empty),
        // A 404 concerns the list. Each action is asked for by its id before it counts as unknown.
        Stream.catchIf(ApiErrors.hasReason("NotFound"), () => Stream.empty),
        Stream.runCollect,
      )

const endAll = ({ list }: Round, ended: ReadonlyArray<Watched>, exit: Exit.Exit<never, ApiError>) => {
  for (const one of ended) list.end(one, exit)
}

/** The actions could not be read: their watching ends, or it waits for the next round. */
const trouble = (round: Round, polled: ReadonlyArray<Watched>, error: ApiError) => {
  if (!round.isOneByOne && error._tag === "DefenderError" && error.reason._tag === "Refused") {
    round.isOneByOne = true
    return Effect.logWarning(`${error.message}; machine actions are read one by one`)
  }
  if (gaveUp(error) !== undefined) {
    return Effect.sync(() => endAll(round, Array.from(round.list.all), Exit.fail(error)))
  }
  if (!isTransient(error)) return Effect.sync(() => endAll(round, polled, Exit.fail(error)))
  return round.outage.failed(`machine actions can't be read: ${error.message}; retrying`)
}

/** Reads the actions that are due, and reports them. */
const poll = (round: Round, polled: ReadonlyArray<Watched>, ids: Ids, now: number) =>
  Effect.matchEffect(read(round, ids), {
    onSuccess: (actions) => {
      const found = new Map(actions.map((action) => [action.id, action]))
      const reportAll = Effect.forEach(
        polled,
        (one) => {
          const action = found.get(one.id)
          return action === undefined ? reportMissing(round, one, now) : report(round, one, action, now)
        },
        { discard: true },
      )
      return Effect.andThen(round.outage.works, reportAll)
    },
    onFailure: (error) => trouble(round, polled, error),
  })

/** A defect ends the watching of the actions that were polled, and of no others. */
const endWithDefect = (round: Round, polled: ReadonlyArray<Watched>, cause: Cause.Cause<never>) =>
  Effect.suspend(() => {
    endAll(round, polled, Exit.failCause(cause))
    return Effect.logError("machine actions could not be read, and are no longer watched", cause)
  })

/** The callers share the call, so it waits for the network as long as the most patient of them. */
const longestPatience = ({ list }: Round) =>
  Array.from(list.all).reduce((longest, { patience }) => Duration.max(longest, patience), Duration.zero)

const reportToAll =
  ({ list }: Round): Report =>
  (event) =>
    Effect.suspend(() => {
      const reporters = new Set(Array.from(list.all, ({ reporter }) => reporter))
      return Effect.forEach(reporters, (report) => report(event), { discard: true })
    })

/** Makes the effect that runs one round. */
export const make = (api: DefenderApi, list: List): Effect.Effect<void> => {
  const outage = Outage.makeLogged("machine actions are read again")
  const round: Round = { api, list, isOneByOne: false, outage }
  return Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    const polled = pickDue(list.all, now, round.isOneByOne ? 1 : idsInOneCall)
    const [first, ...rest] = new Set(polled.map(({ id }) => id))
    if (first === undefined) return
    yield* poll(round, polled, [first, ...rest], now).pipe(
      Effect.catchCause((cause) => endWithDefect(round, polled, cause)),
      Effect.provideService(Patience, longestPatience(round)),
      Effect.provideService(Reporter, reportToAll(round)),
    )
  })
}
