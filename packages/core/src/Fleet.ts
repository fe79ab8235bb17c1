/**
 * Runs one live response session on many machines: within the API's limits, and never twice on the same machine.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import { ActionWatch } from "./ActionWatch.ts"
import type { BatchError } from "./BatchError.ts"
import { DefenderApi } from "./DefenderApi.ts"
import * as FleetEvent from "./FleetEvent.ts"
import { type Entry, FleetJournal } from "./FleetJournal.ts"
import * as ApiEndpoints from "./internal/apiEndpoints.ts"
import * as FleetRun from "./internal/fleetRun.ts"
import * as KeyedLock from "./internal/keyedLock.ts"
import { ofBatch, Patience } from "./internal/outagePatience.ts"
import * as SessionCheck from "./internal/sessionCheck.ts"
import * as SessionDoubt from "./internal/sessionDoubt.ts"
import * as SessionMetrics from "./internal/sessionMetrics.ts"
import * as SessionSlots from "./internal/sessionSlots.ts"
import * as SessionStart from "./internal/sessionStart.ts"
import { Quota, type Service as QuotaService } from "./Quota.ts"
import type * as QuotaRule from "./QuotaRule.ts"
import type { QuotaStoreError } from "./QuotaStoreError.ts"
import { actionType, limits, type Session } from "./Session.ts"
import { Timing } from "./Timing.ts"

/**
 * How to run a session on machines.
 *
 * @since 0.1.0
 * @category options
 */
export interface RunOptions {
  /** How many sessions are in progress at once. By default 50, Microsoft's limit for a tenant (`Session.limits.atOnce`). */
  readonly sessions?: number | undefined

  /** The slots that this run shares with other runs of its tenant. By default it shares none. */
  readonly shared?: Slots | undefined

  /**
   * Waits for a session of somebody else that is in progress on a machine, in place of this one. By default `false`: the
   * machine counts as not started.
   */
  readonly adopt?: boolean | undefined

  /**
   * Cancels a session of somebody else, of the same type, that is in progress on a machine, and then starts this one. By default
   * `false`. With `adopt` it has no effect.
   */
  readonly cancelBlocking?: boolean | undefined

  /** Starts a new session where that of an earlier run failed. By default `false`: the failure is reported again. */
  readonly retryFailed?: boolean | undefined

  /**
   * Stops waiting after this time: sessions that have not finished are reported as unfinished, and continue. By default the
   * run waits as long as the service does.
   */
  readonly deadline?: Duration.Input | undefined

  /**
   * Ends the run when it succeeds, as an interruption does, but the events until then and the summary are still emitted: a session
   * that has started is reported, and so is one that may have started (`NotStarted.mayHaveStarted`). By default never.
   */
  readonly stop?: Effect.Effect<void> | undefined

  /** Whether the run waits until its sessions finish. By default `true`; with `false` it ends when the last one has started. */
  readonly wait?: boolean | undefined

  /**
   * How long the run waits for a connection to the API or the sign-in server before it fails with `BatchError.NetworkDown`. By
   * default one hour, or the wait of the batch that takes its sessions. `Reporter` gets each attempt meanwhile.
   */
  readonly giveUpAfter?: Duration.Input | undefined
}

/**
 * Slots for sessions in progress, which several runs of a tenant share.
 *
 * @since 0.1.0
 * @category options
 */
export interface Slots extends SessionSlots.SessionSlots {}

/**
 * Makes slots for so many sessions at once. By default 50, Microsoft's limit for a tenant.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeSlots = (sessions: number = limits.atOnce): Slots => SessionSlots.make(sessions)

/**
 * @since 0.1.0
 * @category services
 */
export interface Service {
  /**
   * Runs a session on each machine and emits what happens as events. The last event is the summary.
   *
   * **Details**
   *
   * Machines are taken as they are needed. A machine that is named twice counts once; the case of its id does not matter.
   *
   * No machine gets the session twice, even if this program crashes. The journal records each request before it is sent.
   * Where no answer arrives, the API's list is searched for an action on that machine whose comment has the mark of this
   * run, for as long as the API may not know a new action yet; only then the session is requested again. The service itself
   * refuses a second session while one is in progress. Where two runs of this service have the same session at the same time,
   * the second one resumes or reports what the first one has started.
   *
   * **Gotchas**
   *
   * A machine that fails is an event. The stream itself fails only with an error that every machine would fail with, and
   * emits the summary first.
   *
   * A slow reader slows the run down: at most 64 events are buffered, and no further session starts until they are read.
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
 * // Runs the script on all machines, and saves each result as soon as its session has finished.
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

/**
 * The metrics of sessions, named as OpenTelemetry names metrics.
 *
 * **Details**
 *
 * - `live_response.sessions`: machines by the attribute `outcome`: `succeeded`, `failed`, `unfinished` (the run stopped
 *   waiting) or `not_started`.
 * - `live_response.session.duration`: how long a session took from the time at which this run started or found it until it
 *   finished, in seconds.
 *
 * Sessions that finished in an earlier run are not counted.
 *
 * @since 0.1.0
 * @category metrics
 */
export const metrics = SessionMetrics.metrics

/** Starting more at once would gain nothing, because the API allows no more in a minute. */
const startsAtOnce = limits.perMinute

/** How many events are buffered for a slow reader. */
const eventsAhead = 64

/** The options with their defaults. */
const settingsOf = (options: RunOptions = {}) => ({
  sessions: options.sessions ?? limits.atOnce,
  shared: options.shared,
  adopt: options.adopt === true,
  cancelBlocking: options.cancelBlocking === true,
  retryFailed: options.retryFailed === true,
  deadline: options.deadline,
  isWaiting: options.wait !== false,
})

/** The events of a run. None is missing that has happened, even if the run is stopped. */
const makeEvents = <E>(queue: Queue.Enqueue<FleetEvent.FleetEvent, E>) => {
  let counts = FleetEvent.noSessions
  /** What has happened, and is not in the queue yet. */
  const owed = new Set<FleetEvent.FleetEvent>()
  const doubts = SessionDoubt.make()
  const owe = (event: FleetEvent.FleetEvent) => {
    owed.add(event)
    doubts.settledBy(event)
  }
  /** An event is queued and counted in one step, even if the run is interrupted meanwhile. */
  const send = (sent: FleetEvent.FleetEvent) =>
    Effect.uninterruptibleMask((restore) => {
      const event = doubts.marked(sent)
      owe(event)
      return Effect.andThen(restore(Queue.offer(queue, event)), () => {
        owed.delete(event)
        counts = FleetEvent.tally(counts, event)
        return SessionMetrics.count(event)
      })
    })
  /** Sends what is left, and the summary. */
  const close = Effect.gen(function* () {
    const left = [...owed, ...doubts.events(yield* DateTime.now)]
    yield* Effect.forEach(left, send, { discard: true })
    yield* Queue.offer(queue, FleetEvent.close(counts, yield* DateTime.now))
  })
  return { doubts, owe, send, close }
}

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
  const timing = yield* Timing
  const hold = KeyedLock.make()

  const runAll = Effect.fn("Fleet.run")(
    function* <E, R>(
      machines: Stream.Stream<string, E, R>,
      session: Session,
      options: RunOptions | undefined,
      { doubts, owe, send }: Pick<FleetRun.Options, "doubts" | "owe" | "send">,
    ) {
      yield* SessionCheck.check("live response", session)
      const { failed, finished, runMachine } = yield* FleetRun.make({
        api,
        watch,
        timing,
        journal: yield* journal.open(session),
        session,
        ...settingsOf(options),
        doubts,
        owe,
        send,
        hold,
      })
      yield* machines.pipe(
        Stream.mapEffect(runMachine, { concurrency: startsAtOnce, unordered: true }),
        Stream.runDrain,
        Effect.andThen(finished),
        Effect.raceFirst(failed),
      )
    },
    Effect.scoped,
    (effect, _machines, _session, options) =>
      Effect.updateService(effect, Patience, (current) =>
        options?.giveUpAfter === undefined ? (current ?? ofBatch) : Duration.fromInputUnsafe(options.giveUpAfter),
      ),
  )

  const run: Service["run"] = (machines, session, options) =>
    Stream.callback(
      Effect.fnUntraced(function* (queue) {
        const events = makeEvents(queue)
        // The fibers of the run end with it, so no event follows the summary.
        const running = runAll(machines, session, options, events)
        const exit = yield* Effect.exit(Effect.raceFirst(running, options?.stop ?? Effect.never))
        yield* events.close
        yield* exit
        yield* Queue.end(queue)
      }),
      { bufferSize: eventsAhead, strategy: "suspend" },
    )

  return { run }
})

/**
 * What a run does on a machine: it starts a session, resumes one of an earlier run, or reports one that has finished.
 *
 * @since 0.1.0
 * @category models
 */
export type Decision = "start" | "resume" | "finished"

/**
 * What a run does on a machine, by what the journal knows of it.
 *
 * **Gotchas**
 *
 * A session whose start was not recorded counts as `resume`: the run searches for it, and starts one if there is none.
 *
 * @see `FleetJournal.lookup`
 * @since 0.1.0
 * @category previews
 */
export const decide = (entry: Option.Option<Entry>, options: { readonly retryFailed: boolean }): Decision => {
  const { what } = SessionStart.decide(Option.getOrUndefined(entry), options)
  return what === "search" ? "resume" : what === "report" ? "finished" : what
}

const quotaOf = ({ quota }: { readonly quota: QuotaService }) => quota

/**
 * The quotas that a session uses: of the calls that start it, and of the links to its results.
 *
 * **Details**
 *
 * `runWindows` are the windows of starting live response sessions, by default Microsoft's limits. The log of a quota is opened
 * where the quota is asked for.
 *
 * @since 0.1.0
 * @category previews
 */
export const quotasOf = Effect.fnUntraced(function* (
  session: Session,
  options?: { readonly runWindows?: ReadonlyArray<QuotaRule.Window> | undefined },
): Effect.fn.Return<
  {
    readonly starts: Effect.Effect<QuotaService, QuotaStoreError>
    readonly links: Effect.Effect<QuotaService, QuotaStoreError>
  },
  never,
  Quota
> {
  const endpoints = yield* ApiEndpoints.make(yield* Quota, options?.runWindows)
  const isPackage = actionType(session) === "CollectInvestigationPackage"
  return {
    starts: Effect.map(isPackage ? endpoints.collect : endpoints.run, quotaOf),
    links: isPackage ? Effect.map(endpoints.package, quotaOf) : Effect.succeed(endpoints.link.quota),
  }
})

/**
 * The service over the API, the watch and the journal in context.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<Fleet, never, DefenderApi | ActionWatch | FleetJournal> = Layer.effect(Fleet, make)
