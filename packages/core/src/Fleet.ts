/**
 * One live response session on many machines: begun within the API's limits, never twice on any of them, and waited for.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import { ActionWatch } from "./ActionWatch.ts"
import type { BatchError } from "./BatchError.ts"
import { type ApiError, DefenderApi } from "./DefenderApi.ts"
import * as DefenderError from "./DefenderError.ts"
import * as FleetEvent from "./FleetEvent.ts"
import * as FleetJournal from "./FleetJournal.ts"
import * as BatchEnd from "./internal/batchEnd.ts"
import { only } from "./internal/schedule.ts"
import * as SessionSearch from "./internal/sessionSearch.ts"
import * as Sessions from "./internal/sessions.ts"
import { randomHex } from "./internal/randomHex.ts"
import type { MachineActionId } from "./MachineAction.ts"
import { RetryPolicy } from "./RetryPolicy.ts"
import { Session } from "./Session.ts"
import type { StoreError } from "./StoreError.ts"

/**
 * @since 0.1.0
 * @category options
 */
export interface RunOptions {
  /** How many sessions may be under way at once. By default 25, the vendor's limit for a tenant. */
  readonly sessions?: number | undefined

  /** Where somebody else's session is under way on a machine, it is waited for in place of this one. By default not. */
  readonly adopt?: boolean | undefined

  /** Begins anew where the session of an earlier run did not succeed. By default those stay as they are. */
  readonly retryFailed?: boolean | undefined

  /** Ends the waiting: what is not over is told as unfinished, and goes on. By default as long as the service waits. */
  readonly deadline?: Duration.Input | undefined

  /** With `false` it ends when the last session has begun. */
  readonly wait?: boolean | undefined
}

/**
 * @since 0.1.0
 * @category services
 */
export interface Service {
  /**
   * Runs a session on each machine, and tells what happens as events; the last one is the summary. Machines are taken as
   * they are needed, and one that is named twice counts once, in whatever case its id is written.
   *
   * No machine has a session twice, whatever becomes of this program. The journal says first what is about to be asked
   * for; where no answer comes, the API's list is looked through for an action on that machine whose comment has the
   * run's own mark, for as long as an action may be unknown to it, before the session is begun again. While one is under
   * way, the service itself refuses a second.
   *
   * A machine that fails is an event. The stream fails only with what fails every machine, after a summary all the same.
   */
  readonly run: <E, R>(
    machines: Stream.Stream<string, E, R>,
    session: Session,
    options?: RunOptions,
  ) => Stream.Stream<FleetEvent.FleetEvent, BatchError | E, R>
}

/**
 * Runs sessions on many machines.
 *
 * @example
 * ```ts
 * import { Fleet } from "@live-response/core/Fleet"
 * import { LiveResponse } from "@live-response/core/LiveResponse"
 * import * as ResultRef from "@live-response/core/ResultRef"
 * import * as Session from "@live-response/core/Session"
 * import * as Effect from "effect/Effect"
 * import * as Stream from "effect/Stream"
 *
 * const session = Session.Session.make({
 *   commands: [Session.RunScript.make({ scriptName: "collect.ps1" })],
 *   comment: "case 4711",
 * })
 *
 * // Runs the script on all of them, and saves each result as soon as its session is over.
 * export const collect = Effect.fnUntraced(function* (machines: Stream.Stream<string>) {
 *   const { run } = yield* Fleet
 *   const { saveAll } = yield* LiveResponse
 *   const results = run(machines, session).pipe(
 *     Stream.flatMap((event) =>
 *       Stream.fromIterable(event.event === "ended" ? ResultRef.ofAction(event.action) : []),
 *     ),
 *   )
 *   yield* Stream.runDrain(saveAll(results))
 * })
 * ```
 *
 * @since 0.1.0
 * @category services
 */
export class Fleet extends Context.Service<Fleet, Service>()("@live-response/core/Fleet") {}

/** More at a time would not begin sooner: ten a minute is the limit. */
const starts = 10

/** Whether the session may have been begun all the same: only a clear word says that it was not. */
const isLost = (error: ApiError): error is DefenderError.DefenderError =>
  error._tag === "DefenderError" && (error.isRetryable || error.reason._tag === "UnexpectedAnswer")

/** Why the API refused it, where another session is under way on the machine. */
const busy = (error: ApiError): DefenderError.ActiveRequestAlreadyExists | undefined =>
  error._tag === "DefenderError" && error.reason._tag === "ActiveRequestAlreadyExists" ? error.reason : undefined

const isDenied = (error: ApiError): boolean => error._tag === "DefenderError" && error.isDenied

/** No answer came, and the API does not know of the session: it may be asked for again. */
class NeverBegan extends Data.TaggedError("NeverBegan")<{ readonly lost: DefenderError.DefenderError }> {}

const isNeverBegan = (error: ApiError | StoreError | NeverBegan) => error._tag === "NeverBegan"

/** What is known of a session that is there. */
interface Found {
  readonly id: MachineActionId
  readonly as: FleetEvent.Started["as"]
}

const notStarted = (machineId: string, message: string, error?: ApiError) =>
  FleetEvent.NotStarted.make({ machineId, message, ...(error === undefined ? {} : { error }) })

const unfinished = (machineId: string, machineActionId: MachineActionId, message: string, error?: ApiError) =>
  FleetEvent.Unfinished.make({
    machineId,
    machineActionId,
    message: `live response on ${machineId}: ${message}`,
    ...(error === undefined ? {} : { error }),
  })

/**
 * Makes the service.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: Effect.Effect<Service, never, DefenderApi | ActionWatch | FleetJournal.FleetJournal> = Effect.gen(
  function* () {
    const api = yield* DefenderApi
    const { watch } = yield* ActionWatch
    const journal = yield* FleetJournal.FleetJournal
    const policy = yield* RetryPolicy

    const find = SessionSearch.make(api)

    /** The action on a machine whose comment has the mark; nothing, once it is sure that the API would know of it. */
    const search = (machineId: string, mark: string): Effect.Effect<Option.Option<Found>, ApiError> => {
      const missing = new DefenderError.DefenderError({
        operation: `live response on ${machineId}`,
        reason: new DefenderError.NotFound({ status: 404 }),
      })
      const isMissing = (error: ApiError): error is DefenderError.DefenderError => error === missing
      return find(machineId, mark).pipe(
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
        Effect.retry(only(policy.creation, isMissing)),
        Effect.asSome,
        Effect.catchIf(isMissing, () => Effect.succeedNone),
      )
    }

    /** Whether the API does not know of an action that was begun, and no longer only not yet. */
    const isGone = (id: MachineActionId) =>
      Stream.runHead(watch(id)).pipe(
        Effect.as(false),
        Effect.catchReason("DefenderError", "NotFound", () => Effect.succeed(true)),
      )

    const makeRun = Effect.fnUntraced(function* (
      run: FleetJournal.Run,
      session: Session,
      options: RunOptions | undefined,
      emit: (event: FleetEvent.FleetEvent) => Effect.Effect<unknown>,
    ) {
      const sessions = yield* Sessions.make(Math.max(1, options?.sessions ?? 25))
      const batchEnd = BatchEnd.make()
      const isWaiting = options?.wait !== false
      const starting = yield* FiberSet.make<void, BatchError>()
      const following = yield* FiberSet.make<void, BatchError>()
      const expired = yield* Latch.make(false)
      if (options?.deadline !== undefined) yield* Effect.forkScoped(Effect.delay(expired.open, options.deadline))
      const atDeadline = Effect.as(expired.await, Option.none<never>())

      /** What is wrong with one machine is an event, unless it is wrong with all. */
      const orTell =
        (
          toEvent: (error: ApiError) => FleetEvent.FleetEvent,
          endsAll: (error: ApiError) => boolean = batchEnd.isEndedBy,
        ) =>
        <A>(effect: Effect.Effect<A, ApiError | StoreError>): Effect.Effect<void, BatchError> =>
          effect.pipe(
            Effect.asVoid,
            Effect.catch((error): Effect.Effect<void, BatchError> => {
              if (error._tag === "StoreError" || endsAll(error)) return Effect.fail(error)
              const outage = batchEnd.outage(error)
              return Effect.andThen(emit(toEvent(error)), outage === undefined ? Effect.void : Effect.fail(outage))
            }),
          )

      /** From the session's beginning to its end. */
      const follow = (machineId: string, id: MachineActionId, place: Sessions.Place) =>
        watch(id).pipe(
          Stream.tap((action) =>
            Effect.flatMap(place.look(action), (change) => {
              if (change === undefined) return Effect.void
              const event = change === "offline" ? FleetEvent.Offline : FleetEvent.Online
              return emit(event.make({ machineId, machineActionId: id }))
            }),
          ),
          Stream.runLast,
          Effect.raceFirst(atDeadline),
          Effect.ensuring(place.leave),
          Effect.flatMap((last) => {
            const action = Option.getOrUndefined(last)
            if (action?.isFinal !== true) {
              return emit(unfinished(machineId, id, `machine action ${id} is not over yet, and goes on`))
            }
            return run
              .append(FleetJournal.Ended.make({ run: run.id, machineId, action }))
              .pipe(
                Effect.andThen(Effect.sleep(policy.settling)),
                Effect.andThen(emit(FleetEvent.Ended.make({ machineId, action, earlier: false }))),
              )
          }),
          // Who does not wait need not look.
          Effect.catchIf(
            (error) => !isWaiting && error._tag !== "StoreError",
            () => Effect.void,
          ),
          orTell(
            (error) => unfinished(machineId, id, error.message, error),
            // Who may not look at one may look at none.
            (error) => isDenied(error) || batchEnd.isEndedBy(error),
          ),
        )

      const join = Effect.fnUntraced(function* (machineId: string, { as, id }: Found, place: Sessions.Place) {
        yield* run.append(FleetJournal.Started.make({ run: run.id, machineId, machineActionId: id }))
        batchEnd.permitted()
        batchEnd.outage(undefined)
        yield* emit(FleetEvent.Started.make({ machineId, machineActionId: id, as }))
        yield* FiberSet.run(following, follow(machineId, id, place))
      })

      const resume = (machineId: string, found: Found) =>
        Effect.flatMap(sessions.join, (place) => join(machineId, found, place))

      /**
       * The session in the way may be the one that was asked for: a gateway between may have asked twice. Else it takes the
       * place of that one, where it may. Who may not look can't tell them apart, and takes it for another's.
       */
      const inTheWay = Effect.fnUntraced(function* (
        id: MachineActionId | undefined,
        machineId: string,
        mark: string,
      ): Effect.fn.Return<Found | "another" | "unknown", ApiError> {
        const look = id === undefined ? find(machineId, mark) : Effect.asSome(api.get(id))
        const seen = yield* look.pipe(
          Effect.map(
            Option.match({
              onNone: (): Found | "another" | "unknown" => "unknown",
              onSome: ({ id, requestorComment = "" }): Found | "another" =>
                requestorComment.includes(mark) ? { id, as: "resumed" } : "another",
            }),
          ),
          Effect.catchReason("DefenderError", "NotFound", () => Effect.succeed("unknown" as const)),
          Effect.catchIf(isDenied, () => Effect.succeed("another" as const)),
        )
        if (typeof seen === "object") return seen
        return id !== undefined && options?.adopt === true ? { id, as: "adopted" } : seen
      })

      /** Asks for the session. Where no answer comes, it first finds out what became of it. */
      const request = (machineId: string, mark: string, sent: () => void) => {
        const marked = Session.make({ ...session, comment: `${session.comment} [live-response ${mark}]` })
        const begin = Effect.suspend(() => {
          sent()
          return run.append(FleetJournal.Starting.make({ run: run.id, machineId, mark }))
        })
        return Effect.gen(function* () {
          const answer = yield* Effect.result(api.run(machineId, marked, { begin }))
          if (Result.isSuccess(answer)) return { id: answer.success.id, as: "new" } satisfies Found
          const error = answer.failure
          if (error._tag === "StoreError") return yield* error
          const other = busy(error)
          if (other !== undefined) {
            const found = yield* inTheWay(other.machineActionId, machineId, mark)
            // What is not known may be this one's, and the next run finds out.
            if (found === "unknown") return yield* error
            if (found !== "another") return found
          }
          const found = isLost(error) ? yield* search(machineId, mark) : Option.none()
          if (Option.isSome(found)) return found.value
          yield* run.append(FleetJournal.NotStarted.make({ run: run.id, machineId }))
          return yield* isLost(error) ? new NeverBegan({ lost: error }) : error
        }).pipe(
          Effect.retry({ schedule: policy.start, while: isNeverBegan }),
          Effect.catchTag("NeverBegan", ({ lost }) => Effect.fail(lost)),
        )
      }

      /** The deadline ends the wait for a turn. What was sent by then is heard out: it may have begun. */
      const begin = Effect.fnUntraced(function* (machineId: string, mark: string) {
        let isSent = false
        const sent = () => {
          isSent = true
        }
        const begun = yield* sessions.take.pipe(
          Effect.flatMap((place) =>
            request(machineId, mark, sent).pipe(
              Effect.map((found) => Option.some({ found, place })),
              Effect.onError(() => place.leave),
            ),
          ),
          Effect.raceFirst(Effect.flatMap(atDeadline, (none) => (isSent ? Effect.never : Effect.succeed(none)))),
        )
        if (Option.isSome(begun)) return yield* join(machineId, begun.value.found, begun.value.place)
        yield* emit(notStarted(machineId, `live response on ${machineId}: no session yet at the deadline`))
      })

      const seen = new Set<string>()

      const asOne = (machineId: string, effect: Effect.Effect<void, ApiError | StoreError>) =>
        effect.pipe(orTell((error) => notStarted(machineId, error.message, error)))

      const anew = (machineId: string) => Effect.flatMap(randomHex(16), (mark) => begin(machineId, mark))

      /** An earlier run asked for it, and did not live to hear what became of that. */
      const clearUp = Effect.fnUntraced(function* (machineId: string, mark: string) {
        const known = yield* Effect.raceFirst(Effect.asSome(search(machineId, mark)), atDeadline)
        if (Option.isNone(known)) {
          const inDoubt = `live response on ${machineId}: whether it has begun is not known yet at the deadline`
          yield* emit(notStarted(machineId, inDoubt))
          return
        }
        yield* Option.isSome(known.value) ? resume(machineId, known.value.value) : begin(machineId, mark)
      })

      const one = Effect.fnUntraced(function* (text: string) {
        const machineId = text.toLowerCase()
        if (seen.has(machineId)) return
        seen.add(machineId)
        const isAgain = options?.retryFailed === true
        const known = Option.getOrUndefined(yield* run.find(machineId))
        switch (known?.entry) {
          case "started":
            return yield* isAgain && (yield* isGone(known.machineActionId))
              ? anew(machineId)
              : resume(machineId, { id: known.machineActionId, as: "resumed" })
          case "starting":
            // It takes its time, and others need not wait for it.
            yield* FiberSet.run(starting, asOne(machineId, clearUp(machineId, known.mark)))
            return
          case "ended":
            if (isAgain && known.action.status !== "Succeeded") return yield* anew(machineId)
            yield* emit(FleetEvent.Ended.make({ machineId, action: known.action, earlier: true }))
            return
          case "notStarted":
          case undefined:
            return yield* anew(machineId)
        }
      })

      return {
        one: (machineId: string) => asOne(machineId, one(machineId)),
        /** Ends with the last session, or with what ends them all. */
        ended: Effect.andThen(FiberSet.awaitEmpty(starting), isWaiting ? FiberSet.awaitEmpty(following) : Effect.void),
        failed: Effect.raceFirst(FiberSet.join(starting), FiberSet.join(following)),
      }
    })

    const run = <E, R>(
      machines: Stream.Stream<string, E, R>,
      session: Session,
      options?: RunOptions,
    ): Stream.Stream<FleetEvent.FleetEvent, BatchError | E, R> =>
      Stream.callback<FleetEvent.FleetEvent, BatchError | E, R>(
        Effect.fnUntraced(function* (queue) {
          let summary = FleetEvent.noSessions
          const emit = (event: FleetEvent.FleetEvent) => {
            summary = FleetEvent.tally(summary, event)
            return Queue.offer(queue, event)
          }
          const exit = yield* Effect.gen(function* () {
            const { ended, failed, one } = yield* makeRun(yield* journal.open(session), session, options, emit)
            yield* machines.pipe(
              Stream.mapEffect(one, { concurrency: starts, unordered: true }),
              Stream.runDrain,
              Effect.andThen(ended),
              Effect.raceFirst(failed),
            )
          }).pipe(Effect.exit)
          yield* Queue.offer(queue, FleetEvent.close(summary))
          yield* exit
          yield* Queue.end(queue)
        }),
        { bufferSize: Infinity },
      )

    return { run }
  },
)

/**
 * The service over the API, the watch and the journal in context.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<Fleet, never, DefenderApi | ActionWatch | FleetJournal.FleetJournal> = Layer.effect(
  Fleet,
  make,
)
