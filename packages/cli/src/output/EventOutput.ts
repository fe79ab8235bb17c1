/**
 * Where the events of `download` and `run` go: progress and messages to standard error; the summary, or with `--json` the
 * events, to standard output.
 */
import { BatchEvent, Summary } from "@live-response/core/BatchEvent"
import * as FleetEvent from "@live-response/core/FleetEvent"
import type { Machine } from "@live-response/core/Machine"
import { metrics } from "@live-response/core/LiveResponse"
import { Quota, type Service as QuotaService, type Status as QuotaStatus } from "@live-response/core/Quota"
import * as Stopwatch from "@live-response/core/Stopwatch"
import * as Console from "effect/Console"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as LogLevel from "effect/LogLevel"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as BatchEventText from "./BatchEventText.ts"
import * as DownloadProgress from "./DownloadProgress.ts"
import * as FleetEventText from "./FleetEventText.ts"
import * as FleetProgress from "./FleetProgress.ts"
import * as MachineNames from "./MachineNames.ts"
import * as StandardError from "./StandardError.ts"
import * as PlanText from "./PlanText.ts"
import { printable, printableJson } from "./Printable.ts"
import * as ProgressDisplay from "./ProgressDisplay.ts"
import * as ProgressLines from "./ProgressLines.ts"
import * as SystemdNotify from "./SystemdNotify.ts"
import * as RateMeter from "./RateMeter.ts"
import * as StandardOutput from "./StandardOutput.ts"
import * as SummaryText from "./SummaryText.ts"

export interface Options {
  readonly json: boolean
  readonly quiet: boolean
  /** Whether no progress is shown. By default it is. */
  readonly noProgress?: boolean | undefined
  /** The directory of the results, if results are downloaded. */
  readonly directory?: string | undefined
  /** The run of a cluster that is watched, whose results are in the store of its tenant. */
  readonly inCluster?: SummaryText.InCluster | undefined
  /** Whether the same command can resume this one. By default it can. */
  readonly isResumable?: boolean | undefined
  /** Whether sessions are waited for. By default they are. */
  readonly wait?: boolean | undefined
  /** Whether each downloaded result has a line: `--follow` has no end at which they are counted. By default not. */
  readonly isFollowing?: boolean | undefined
  /** Whether a session in the way is waited for. By default not. */
  readonly adopt?: boolean | undefined
  /** Whether a session in the way is cancelled. By default not. */
  readonly cancelBlocking?: boolean | undefined
  /** The names of machines. By default none is known. */
  readonly names?: MachineNames.MachineNames | undefined
  /** The quota of the links to results. By default that of sessions' results; investigation packages have another. */
  readonly links?: QuotaService | undefined
  /** Also gets each event. */
  readonly observe?: ((event: Observed) => Effect.Effect<void>) | undefined
  /** Runs after the summary. */
  readonly onOutcome?: ((outcome: Outcome) => Effect.Effect<void>) | undefined
}

/** How a command ended. */
export interface Outcome {
  readonly exit: Exit.Exit<unknown, unknown>
  readonly progress: DownloadProgress.DownloadProgress
}

/** What is observed: the events that are reported, a search with the time until the next one, and that nothing can be downloaded. */
export type Observed =
  | BatchEvent
  | FleetEvent.FleetEvent
  | { readonly event: "searched"; readonly next: Duration.Duration }
  | { readonly event: "unavailable"; readonly message: string }

/** What should name a target or a machine and does not, with the fields of its event. */
export interface BadInput {
  readonly message: string
  /** The line of a list, if it is one. */
  readonly line?: number
  /** Why a name leads to no machine, if that is it. */
  readonly problem?: string
}

/** A file that somebody replaced in the library while sessions used it. */
export interface Replaced {
  readonly fileName: string
  /** SHA-256. */
  readonly before: string
  readonly now: string
  /** When it was seen unchanged for the last time. */
  readonly since: DateTime.Utc
}

const encodeEvent = Schema.encodeEffect(Schema.fromJsonString(Schema.Union([BatchEvent, FleetEvent.FleetEvent])))

const toJson = (event: BatchEvent | FleetEvent.FleetEvent) =>
  Effect.map(Effect.orDie(encodeEvent(event)), printableJson)

/** What the display shows beside the progress. It is read once a second at most: the quota store may be on another host. */
const makeMoment = Effect.fnUntraced(function* (
  progress: DownloadProgress.DownloadProgress,
  elapsed: Effect.Effect<Duration.Duration>,
  links: QuotaService | undefined,
) {
  const quota = links ?? (yield* Quota)
  let samples: RateMeter.Samples = []

  /** The quota or the downloads, whichever takes longer. */
  const remaining = Effect.fnUntraced(function* (status: QuotaStatus) {
    const done = DownloadProgress.finished(progress)
    const left = (progress.total ?? 0) - done
    if (done === 0 || left <= 0) return Option.none<Duration.Duration>()
    const byQuota = yield* quota.forecast(left)
    const byPace = Duration.times(yield* elapsed, left / done)
    return Option.some(Duration.isZero(status.nextSlot) ? Duration.max(byQuota, byPace) : byQuota)
  })

  const known = Effect.gen(function* () {
    const status = yield* quota.status
    return { status, remaining: yield* remaining(status) }
  })

  return yield* Effect.cachedWithTTL(
    Effect.gen(function* () {
      const now = yield* DateTime.now
      const bytes = (yield* Metric.value(metrics.bytes)).count
      samples = RateMeter.add(samples, { at: DateTime.toEpochMillis(now), bytes })
      // If the quota store does not answer, the rest is shown without it.
      const read = yield* Effect.option(known)
      return {
        now,
        bytesPerSecond: RateMeter.rateOf(samples),
        quota: Option.map(read, ({ status }) => status),
        remaining: Option.flatMap(read, ({ remaining }) => remaining),
      }
    }),
    "1 second",
  )
})

/** What the reports share. */
interface State {
  readonly json: boolean
  readonly quiet: boolean
  readonly isFollowing: boolean
  /** Whether the run has a flag for sessions in the way. */
  readonly hasAnswer: boolean
  readonly resumption: FleetEventText.Resumption
  readonly names: MachineNames.MachineNames
  readonly progress: DownloadProgress.DownloadProgress
  readonly fleet: FleetProgress.FleetProgress | undefined
  readonly print: ProgressDisplay.Print
  readonly observe: (event: Observed) => Effect.Effect<void>
  /** How many files were replaced in the library. */
  replaced: number
}

/** What should name something and does not: a message, and with `--json` an event. */
export const reportBad = Effect.fnUntraced(function* (
  state: Pick<State, "json" | "print">,
  event: "failed" | "notStarted",
  bad: BadInput,
) {
  yield* StandardError.write(`failed: ${printable(bad.message)}`, "error")
  if (!state.json) return
  const at = DateTime.formatIso(yield* DateTime.now)
  yield* state.print(printableJson(JSON.stringify({ event, at, ...bad })))
})

const makeReports = (state: State) => ({
  /** Shows that new machine actions were searched for just now, and are again after `next`. */
  reportSearch: (next: Duration.Duration) =>
    Effect.flatMap(DateTime.now, (last) => {
      state.progress.search = { last, next }
      return state.observe({ event: "searched", next })
    }),

  reportUnavailable: Effect.fnUntraced(function* ({ message }: { readonly message: string }) {
    yield* state.observe({ event: "unavailable", message })
    yield* StandardError.write(`waiting: ${printable(message)}`)
  }),

  reportEvent: Effect.fnUntraced(function* (event: BatchEvent) {
    const { isFollowing, json, print, progress, quiet } = state
    DownloadProgress.update(progress, event)
    yield* state.observe(event)
    // To format numbers that nobody reads costs more than the rest of this function.
    const verbose = (yield* LogLevel.isEnabled("Debug")) ? BatchEventText.verbose(event) : undefined
    if (verbose !== undefined) yield* Effect.logDebug(verbose)
    if (isFollowing && !json && !quiet && event.event === "completed") yield* print(BatchEventText.downloaded(event))
    const message = BatchEventText.message(event, { quiet })
    if (message !== undefined) yield* StandardError.write(message, event.event === "failed" ? "error" : "info")
    if (json && event.event !== "summary") yield* print(yield* toJson(event))
  }),

  reportFleetEvent: Effect.fnUntraced(function* (event: FleetEvent.FleetEvent) {
    if (state.fleet !== undefined) FleetProgress.update(state.fleet, event)
    yield* state.observe(event)
    const message = FleetEventText.message(event, state)
    if (message !== undefined) yield* StandardError.write(message)
    if (state.json && event.event !== "sessions") yield* state.print(yield* toJson(event))
  }),

  reportBadMachine: Effect.fnUntraced(function* (machine: BadInput) {
    if (state.fleet !== undefined) FleetProgress.addBadMachine(state.fleet)
    if (machine.line !== undefined) state.progress.wrongLines++
    if (machine.problem !== undefined) state.progress.wrongNames++
    yield* reportBad(state, "notStarted", machine)
  }),

  /** Reports the selected machines that live response can't run on: in one message, and with `--json` as an event each. */
  reportLeftOut: Effect.fnUntraced(function* (machines: ReadonlyArray<Machine>) {
    if (machines.length === 0) return
    yield* StandardError.write(PlanText.leftOut(machines))
    if (!state.json) return
    const at = DateTime.formatIso(yield* DateTime.now)
    for (const machine of machines) {
      yield* state.print(printableJson(JSON.stringify({ event: "leftOut", at, ...PlanText.machineFields(machine) })))
    }
  }),

  reportReplaced: Effect.fnUntraced(function* ({ before, fileName, now, since }: Replaced) {
    state.replaced++
    yield* StandardError.write(PlanText.replaced({ fileName, before, now, since }))
    if (!state.json) return
    const at = DateTime.formatIso(yield* DateTime.now)
    const fields = { event: "replaced", at, fileName, before, now, since: DateTime.formatIso(since) }
    yield* state.print(printableJson(JSON.stringify(fields)))
  }),

  reportBadTarget: Effect.fnUntraced(function* (target: BadInput) {
    DownloadProgress.addBadTarget(state.progress)
    if (target.line !== undefined) state.progress.wrongLines++
    yield* reportBad(state, "failed", target)
  }),
})

/** Prints the summary: with `--json` as events, else as text, unless `--quiet`. */
const printSummary = Effect.fnUntraced(function* (
  { fleet, json, progress, quiet }: State,
  options: SummaryText.Options,
) {
  const text = SummaryText.lines(progress, options)
  if (StandardOutput.problem() !== undefined) {
    return yield* StandardError.write(`live-response: standard output can't be written any more. ${text.join(" ")}`)
  }
  if (json && fleet !== undefined) {
    const errors = FleetProgress.errorsOf(fleet)
    const sessions = FleetEvent.close(fleet.sessions, yield* DateTime.now)
    const earlier = fleet.earlier.count
    const more = { ...(errors.length === 0 ? {} : { errors }), ...(earlier === 0 ? {} : { earlier }) }
    yield* Console.log(yield* toJson(FleetEvent.Sessions.make({ ...sessions, ...more })))
  }
  if (json && progress.isSaving) {
    yield* Console.log(yield* toJson(Summary.make({ ...progress.summary, at: yield* DateTime.now })))
  }
  if (json || quiet) return
  // If no results are downloaded, standard output has only the line of each session.
  yield* progress.isSaving
    ? Console.log(text.join("\n"))
    : Effect.forEach(text, (line) => StandardError.write(line), { discard: true })
})

/** Shows the progress until the scope closes. */
export const make = Effect.fnUntraced(function* (options: Options, fleet?: FleetProgress.FleetProgress) {
  const { directory = "", isFollowing = false, isResumable = true, json, quiet } = options
  const { observe = () => Effect.void, onOutcome = () => Effect.void } = options
  const progress = DownloadProgress.make({
    fleet,
    isSaving: options.directory !== undefined || options.inCluster !== undefined,
  })
  const elapsed = yield* Stopwatch.start
  const moment = yield* makeMoment(progress, elapsed, options.links)
  const line = Effect.map(moment, (moment) => ProgressLines.line(progress, moment))
  const service = yield* SystemdNotify.make(line)

  // The display has a scope of its own, which closes before the summary: what is drawn is erased.
  const display = yield* Scope.fork(yield* Effect.scope)
  const print = yield* quiet || options.noProgress === true
    ? Effect.succeed(Console.log)
    : Scope.provide(
        ProgressDisplay.show({
          lines: (columns) => Effect.map(moment, (moment) => ProgressLines.lines(progress, moment, columns)),
          line,
        }),
        display,
      )

  const hasAnswer = options.adopt === true || options.cancelBlocking === true
  const names = options.names ?? MachineNames.make()
  const resumption = options.inCluster !== undefined ? "cluster" : isResumable ? "journal" : "none"
  const shown = { json, quiet, isFollowing, hasAnswer, resumption } as const
  const state: State = { ...shown, names, progress, fleet, print, observe, replaced: 0 }
  const finish = Effect.gen(function* () {
    yield* service.stopping
    yield* Scope.close(display, Exit.void)
    yield* printSummary(state, {
      directory: printable(directory),
      isResumable,
      isWaiting: options.wait,
      inCluster: options.inCluster,
      took: yield* elapsed,
    })
  })

  return {
    ...makeReports(state),

    /** Reports to the service manager that the command works. With `isFollowing` the command says when, else it does at once. */
    reportReady: service.ready,

    /** Sets the number of targets. */
    setTotal: (total: number) => {
      progress.total = total
    },

    hasFailed: () =>
      state.replaced > 0 ||
      progress.summary.failed > 0 ||
      progress.notExtracted > 0 ||
      (fleet !== undefined && FleetProgress.failed(fleet)),

    /** Prints a line on standard output, which the display does not overwrite. */
    print,

    /** Shows the work while it runs, then prints the summary: also after a failure or Ctrl-C. */
    during: <A, E, R>(work: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
      (isFollowing ? work : Effect.andThen(service.ready, work)).pipe(
        Effect.onInterrupt(() => Effect.sync(() => (progress.interrupted = true))),
        Effect.onExit((exit) => {
          progress.endedByError = Exit.isFailure(exit) && !progress.interrupted
          return Effect.andThen(finish, onOutcome({ exit, progress }))
        }),
      ),
  }
})

export type EventOutput = Effect.Success<ReturnType<typeof make>>
