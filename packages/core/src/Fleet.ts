/**
 * One live response session on many machines: begun within the API's limits, never twice on any of them, and waited for.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import { ActionWatch } from "./ActionWatch.ts"
import type { BatchError } from "./BatchError.ts"
import { DefenderApi } from "./DefenderApi.ts"
import * as FleetEvent from "./FleetEvent.ts"
import { FleetJournal } from "./FleetJournal.ts"
import * as FleetRun from "./internal/fleetRun.ts"
import { ofBatch, Patience } from "./internal/patience.ts"
import { Timing } from "./Timing.ts"
import type { Session } from "./Session.ts"

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

  /**
   * How long the run waits where no connection can be made to the API or the sign-in server: then it ends with `Outage`. By
   * default one hour, or as long as the batch does that takes its sessions. `Reporter` hears of each attempt meanwhile.
   */
  readonly giveUpAfter?: Duration.Input | undefined
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
   * A reader that is slow holds the run up: 64 events wait for it, and then no further session starts.
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

/** More at a time would not start sooner: ten a minute is the limit. */
const starts = 10

/** So many events wait for a reader that is slow. */
const eventsAhead = 64

/**
 * Makes the service.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: Effect.Effect<Service, never, DefenderApi | ActionWatch | FleetJournal> = Effect.gen(function* () {
  const api = yield* DefenderApi
  const { watch } = yield* ActionWatch
  const journal = yield* FleetJournal
  const policy = yield* Timing

  const runAll = <E, R>(
    machines: Stream.Stream<string, E, R>,
    session: Session,
    options: RunOptions | undefined,
    send: (event: FleetEvent.FleetEvent) => Effect.Effect<void>,
  ) =>
    Effect.gen(function* () {
      const { ended, failed, runMachine } = yield* FleetRun.make({
        api,
        watch,
        policy,
        journal: yield* journal.open(session),
        session,
        sessions: options?.sessions ?? 25,
        adopt: options?.adopt === true,
        retryFailed: options?.retryFailed === true,
        deadline: options?.deadline,
        isWaiting: options?.wait !== false,
        send,
      })
      yield* machines.pipe(
        Stream.mapEffect(runMachine, { concurrency: starts, unordered: true }),
        Stream.runDrain,
        Effect.andThen(ended),
        Effect.raceFirst(failed),
      )
    }).pipe(
      Effect.scoped,
      Effect.updateService(Patience, (current) =>
        options?.giveUpAfter === undefined ? (current ?? ofBatch) : Duration.fromInputUnsafe(options.giveUpAfter),
      ),
    )

  const run: Service["run"] = (machines, session, options) =>
    Stream.callback(
      Effect.fnUntraced(function* (queue) {
        let counts = FleetEvent.noSessions
        /** What is counted is in the queue, and the other way round, also where the run ends meanwhile. */
        const send = (event: FleetEvent.FleetEvent) =>
          Effect.uninterruptibleMask((restore) =>
            Effect.map(restore(Queue.offer(queue, event)), () => {
              counts = FleetEvent.tally(counts, event)
            }),
          )
        // With the run its fibers end, so nothing comes behind the summary.
        const exit = yield* Effect.exit(runAll(machines, session, options, send))
        yield* Queue.offer(queue, FleetEvent.close(counts, yield* DateTime.now))
        yield* exit
        yield* Queue.end(queue)
      }),
      { bufferSize: eventsAhead, strategy: "suspend" },
    )

  return { run }
})

/**
 * The service over the API, the watch and the journal in context.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<Fleet, never, DefenderApi | ActionWatch | FleetJournal> = Layer.effect(Fleet, make)
