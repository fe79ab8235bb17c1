/**
 * Where a batch's events go: to a screen, to a log, or to another program.
 */
import { BatchEvent, Summary } from "@live-response/core/BatchEvent"
import * as FleetEvent from "@live-response/core/FleetEvent"
import { Quota, type Status as QuotaStatus } from "@live-response/core/Quota"
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import { printable, printableJson } from "./Printable.ts"
import type { BadLine } from "../input/Lists.ts"
import type { BadMachine } from "../input/Machines.ts"
import type { BadTarget } from "../input/Targets.ts"
import * as DownloadProgress from "./DownloadProgress.ts"
import * as EventText from "./BatchEventText.ts"
import * as FleetText from "./FleetEventText.ts"
import * as FleetProgress from "./FleetProgress.ts"
import * as Format from "./Format.ts"
import * as Messages from "./Messages.ts"
import * as Progress from "./ProgressDisplay.ts"
import * as Screen from "./ProgressText.ts"
import * as StandardOutput from "./StandardOutput.ts"

export interface Options {
  readonly json: boolean
  readonly quiet: boolean
  /** Where results are kept, if any are downloaded. */
  readonly directory?: string | undefined
  /** Whether the same command again knows of this one. By default it does. */
  readonly isRemembered?: boolean | undefined
  /** Whether each result is worth a line: of those that are followed, there is no end at which they are summed up. */
  readonly isFollowing?: boolean | undefined
}

const encodeEvent = Schema.encodeEffect(Schema.fromJsonString(Schema.Union([BatchEvent, FleetEvent.FleetEvent])))

const toJson = (event: BatchEvent | FleetEvent.FleetEvent) =>
  Effect.map(Effect.orDie(encodeEvent(event)), printableJson)

/**
 * Shows a batch until its scope ends. Progress and messages go to stderr, so that stdout holds the summary alone, or with
 * `--json` the events alone.
 */
export const make = Effect.fnUntraced(function* (options: Options, fleet?: FleetProgress.FleetProgress) {
  const quota = yield* Quota
  const view = DownloadProgress.make({ fleet, isSaving: options.directory !== undefined })
  const began = yield* Clock.currentTimeMillis

  const elapsed = Effect.map(Clock.currentTimeMillis, (now) => Duration.millis(now - began))

  /** Whichever takes longer, the quota or the downloads, as far as they can be foreseen. */
  const remaining = Effect.fnUntraced(function* (status: QuotaStatus) {
    const done = DownloadProgress.finished(view)
    const left = (view.total ?? 0) - done
    if (done === 0 || left <= 0) return Option.none<Duration.Duration>()
    const byQuota = yield* quota.forecast(left)
    const byPace = Duration.times(yield* elapsed, left / done)
    return Option.some(Duration.isZero(status.nextSlot) ? Duration.max(byQuota, byPace) : byQuota)
  })

  /** Asked for once a second at most: the log may be in another program. Without it the rest is shown all the same. */
  const moment = yield* Effect.cachedWithTTL(
    Effect.gen(function* () {
      const now = yield* DateTime.now
      const known = yield* Effect.option(
        Effect.gen(function* () {
          const status = yield* quota.status
          return { status, remaining: yield* remaining(status) }
        }),
      )
      return {
        now,
        quota: Option.map(known, ({ status }) => status),
        remaining: Option.flatMap(known, ({ remaining }) => remaining),
      }
    }),
    "1 second",
  )

  // The progress ends before the summary: what is drawn is wiped away.
  const progress = yield* Scope.fork(yield* Effect.scope)
  const print = yield* options.quiet
    ? Effect.succeed(Console.log)
    : Scope.provide(
        Progress.show({
          lines: (columns) => Effect.map(moment, (moment) => Screen.lines(view, moment, columns)),
          line: Effect.map(moment, (moment) => Screen.line(view, moment)),
        }),
        progress,
      )

  const finish = Effect.gen(function* () {
    yield* Scope.close(progress, Exit.void)
    const { directory = "", isRemembered = true } = options
    const text = Screen.summary(view, { directory: printable(directory), isRemembered, took: yield* elapsed })
    if (StandardOutput.problem() !== undefined) {
      return yield* Messages.write(`live-response: standard output can't be written any more. ${text.join(" ")}`)
    }
    if (options.json && fleet !== undefined)
      yield* Console.log(yield* toJson(FleetEvent.close(fleet.sessions, yield* DateTime.now)))
    if (options.json && view.isSaving) {
      yield* Console.log(yield* toJson(Summary.make({ ...view.summary, at: yield* DateTime.now })))
    }
    if (options.json || options.quiet) return
    // Where results are not the matter, stdout has a line for each session alone.
    yield* view.isSaving ? Console.log(text.join("\n")) : Effect.forEach(text, Messages.write, { discard: true })
  })

  /** What was to name something and names nothing. */
  const tellBad = Effect.fnUntraced(function* (event: string, what: { readonly message: string }) {
    yield* Messages.write(`failed: ${printable(what.message)}`)
    if (!options.json) return
    const at = DateTime.formatIso(yield* DateTime.now)
    yield* print(printableJson(JSON.stringify({ event, at, ...what })))
  })

  return {
    /** There are so many targets. */
    expect: (total: number) => {
      view.total = total
    },

    /** New machine actions were searched for just now, and are again after `next`. */
    looked: (next: Duration.Duration) =>
      Effect.map(DateTime.now, (last) => {
        view.look = { last, next }
      }),

    failed: () =>
      view.summary.failed > 0 || view.notExtracted > 0 || (fleet !== undefined && FleetProgress.failed(fleet)),

    /** Prints what is wanted on stdout, where no progress draws over it. */
    print,

    event: Effect.fnUntraced(function* (event: BatchEvent) {
      DownloadProgress.update(view, event)
      const line = EventText.line(event)
      if (line !== undefined) yield* Effect.logDebug(line)
      if (options.isFollowing === true && !options.json && !options.quiet && event.event === "completed") {
        yield* print(printable(EventText.arrived(event)))
      }
      if (event.event === "failed") yield* Messages.write(`failed: ${printable(event.message)}`)
      if (event.event === "skipped" && event.reason === "absent") {
        yield* Messages.write(
          `${event.machineActionId}:${event.index} has no result: the API answered 404, and the status of its command is not one that this program knows`,
        )
      }
      if (event.event === "notExtracted") yield* Messages.write(printable(event.message))
      if (event.event === "retrying" && !options.quiet && Duration.toSeconds(event.delay) >= 5) {
        yield* Messages.write(`again in ${Format.duration(event.delay)}: ${printable(event.message)}`)
      }
      if (event.event === "offline" && !options.quiet) {
        yield* Messages.write(
          `waiting for the network: ${printable(event.message)}; next attempt at ${Format.timeOfDay(event.until)}`,
        )
      }
      if (options.json && event.event !== "summary") yield* print(yield* toJson(event))
    }),

    fleetEvent: Effect.fnUntraced(function* (event: FleetEvent.FleetEvent) {
      if (fleet !== undefined) FleetProgress.update(fleet, event)
      const message = FleetText.message(event)
      if (message !== undefined) yield* Messages.write(message)
      if (options.json && event.event !== "sessions") yield* print(yield* toJson(event))
    }),

    badMachine: Effect.fnUntraced(function* (line: BadLine | BadMachine) {
      if (fleet !== undefined) FleetProgress.addBadMachine(fleet)
      yield* tellBad("notStarted", line)
    }),

    badTarget: Effect.fnUntraced(function* (target: BadTarget) {
      DownloadProgress.addBadTarget(view)
      yield* tellBad("failed", target)
    }),

    /** Shows it until it ends, and then how it ended. */
    during: <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
      effect.pipe(
        Effect.onInterrupt(() => Effect.sync(() => (view.interrupted = true))),
        Effect.ensuring(finish),
      ),
  }
})

export type Output = Effect.Success<ReturnType<typeof make>>
