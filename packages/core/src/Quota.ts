/**
 * Keeps calls within the API's limits: never refused, never idle.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as PubSub from "effect/PubSub"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { only } from "./internal/schedule.ts"
import { WaitingLine } from "./internal/waitingLine.ts"
import * as QuotaRule from "./QuotaRule.ts"
import { type Place, type QuotaFull, QuotaStore, untilItAnswers } from "./QuotaStore.ts"
import type { QuotaStoreError } from "./QuotaStoreError.ts"
import { Timing } from "./Timing.ts"

/**
 * How the quota stands: see `QuotaRule.Status`. `waiting` counts the calls of this program that wait for a place.
 *
 * @since 0.1.0
 * @category models
 */
export interface Status extends QuotaRule.Status {
  readonly waiting: number
}

/**
 * @since 0.1.0
 * @category services
 */
export interface Service {
  /**
   * Runs a call when the quota has a place for it. Callers are served in the order in which they came, but a link that
   * is made anew goes before new ones. Whoever is interrupted while waiting gives the place back, and so does a call that
   * was not sent, where `isSent` says so of its exit.
   */
  readonly withPlace: <A, E, R>(
    call: Effect.Effect<A, E, R>,
    options?: { readonly first?: boolean; readonly isSent?: (exit: Exit.Exit<A, E>) => boolean },
  ) => Effect.Effect<A, E | QuotaStoreError, R>

  /**
   * The server refused a call all the same: no call starts for this long, also none of those that wait already, and the
   * log learns of the calls that others must have made.
   */
  readonly refused: (wait: Duration.Duration) => Effect.Effect<void, QuotaStoreError>

  /** How it stands now. */
  readonly status: Effect.Effect<Status, QuotaStoreError>

  /** How long it takes until the last of so many further calls may start, if nobody else calls. */
  readonly forecast: (calls: number) => Effect.Effect<Duration.Duration, QuotaStoreError>

  /** The quota of another API: the limits of each are counted apart. It has a log of its own, of the same owner. */
  readonly ofApi: (api: {
    readonly name: string
    readonly windows: ReadonlyArray<QuotaRule.Window>
  }) => Effect.Effect<Service, QuotaStoreError>

  /** The pauses: an element each time that calls must wait, with the time until the next one may start. */
  readonly pauses: Stream.Stream<Duration.Duration>
}

/**
 * The quota of the download link API.
 *
 * @since 0.1.0
 * @category services
 */
export class Quota extends Context.Service<Quota, Service>()("@live-response/core/Quota") {}

/**
 * Windows of so many calls a minute and so many an hour, by default the vendor's.
 *
 * @since 0.1.0
 * @category options
 */
export const windows = (limits?: {
  readonly perMinute?: number | undefined
  readonly perHour?: number | undefined
}): ReadonlyArray<QuotaRule.Window> => [
  QuotaRule.Window.make({ limit: limits?.perMinute ?? QuotaRule.linkLimits.perMinute, duration: Duration.minutes(1) }),
  QuotaRule.Window.make({ limit: limits?.perHour ?? QuotaRule.linkLimits.perHour, duration: Duration.hours(1) }),
]

/**
 * Spaces calls evenly: the same windows, and one more that admits a single call in the time that each call has on
 * average. For an app that others use as well: there is always a place for them.
 *
 * @example
 * ```ts
 * import * as Quota from "@live-response/core/Quota"
 * import * as Duration from "effect/Duration"
 *
 * // 1,500 an hour is one every 2.4 seconds.
 * console.log(Quota.evenly(Quota.windows()).map(({ duration }) => Duration.toSeconds(duration))) // [ 60, 3600, 2.4 ]
 * ```
 *
 * @since 0.1.0
 * @category options
 */
export const evenly = (windows: ReadonlyArray<QuotaRule.Window>): ReadonlyArray<QuotaRule.Window> => {
  const spacing = Math.max(...windows.map(({ duration, limit }) => Duration.toMillis(duration) / limit))
  return [...windows, QuotaRule.Window.make({ limit: 1, duration: Duration.millis(spacing) })]
}

/**
 * What a quota tells an exporter of metrics, each with the attribute `quota` for its name, and the gauges with `window`:
 * calls that got a place, calls that the server refused, milliseconds that calls waited, calls that wait now, and calls
 * that each window counts. The last is as of the call that ended last.
 *
 * @since 0.1.0
 * @category metrics
 */
export const metrics = {
  calls: Metric.counter("live_response_quota_calls", { incremental: true, description: "Calls that got a place" }),
  refused: Metric.counter("live_response_quota_refused", { incremental: true, description: "Calls answered with 429" }),
  waited: Metric.timer("live_response_quota_waited", { description: "How long calls waited for a place" }),
  waiting: Metric.gauge("live_response_quota_waiting", { description: "Calls that wait for a place" }),
  used: Metric.gauge("live_response_quota_used", { description: "Calls that a window counts" }),
}

const isFull = (error: QuotaFull | QuotaStoreError): error is QuotaFull => error._tag === "QuotaFull"

/**
 * Makes a quota over the log `name` of the store in context. One fiber waits for the next place and hands it to whoever
 * is first at that moment, so a hundred thousand callers cost a queue and not a hundred thousand timers.
 *
 * A call is expected to be over within twice the policy's `headTimeout`: see `QuotaStore.LogOptions.lease`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = Effect.fnUntraced(function* (options: {
  readonly name: string
  readonly windows: ReadonlyArray<QuotaRule.Window>
  /** Stands before the name. */
  readonly owner?: string | undefined
}): Effect.fn.Return<Service, QuotaStoreError, QuotaStore | Scope.Scope> {
  const { owner, windows } = options
  const name = owner === undefined ? options.name : `${owner} ${options.name}`
  const store = yield* QuotaStore
  const policy = yield* Timing
  const lease = Duration.times(Duration.fromInputUnsafe(policy.headTimeout), 2)
  const log = yield* untilItAnswers(store.open({ name, windows, lease }))
  const scope = yield* Effect.scope
  const pauses = yield* PubSub.sliding<Duration.Duration>(16)
  const line = new WaitingLine<Place, QuotaStoreError>()

  const ofThis = { quota: name }
  const counted = Metric.withAttributes(metrics.calls, ofThis)
  const refusals = Metric.withAttributes(metrics.refused, ofThis)
  const waited = Metric.withAttributes(metrics.waited, ofThis)
  const queued = Metric.withAttributes(metrics.waiting, ofThis)
  const usedIn = windows.map(({ duration }) =>
    Metric.withAttributes(metrics.used, { ...ofThis, window: Duration.format(duration) }),
  )

  /** Ends a place. Nobody waits where the log does not answer: it is told later, and until then the place is taken. */
  const end = (ending: Effect.Effect<void, QuotaStoreError>) =>
    ending.pipe(Effect.catch(() => Effect.asVoid(Effect.forkIn(Effect.ignore(untilItAnswers(ending)), scope))))

  /** The waiting call that is next gets the permit; if none is left, it goes back. */
  const handOver = (permit: Place) => Effect.suspend(() => (line.handOver(permit) ? Effect.void : end(permit.giveBack)))

  const takePlace: Effect.Effect<Place, QuotaStoreError> = log.take.pipe(
    Effect.retry(only(policy.quota.pipe(Schedule.tap(({ duration }) => PubSub.publish(pauses, duration))), isFull)),
    untilItAnswers,
    // A policy that ends does not end the waiting.
    Effect.catchTag("QuotaFull", ({ retryAfter }) =>
      Effect.delay(
        Effect.suspend(() => takePlace),
        retryAfter,
      ),
    ),
  )

  /** Nobody knows whether there are permits: the waiting calls fail, and later calls try again. */
  const failAll = (cause: Cause.Cause<QuotaStoreError>) =>
    Effect.suspend(() => {
      line.failAll(cause)
      return Cause.hasDies(cause)
        ? Effect.logError(`the quota ${name} failed unexpectedly, and with it the calls that waited for it`, cause)
        : Effect.void
    })

  const loop = yield* line.wanted.await.pipe(
    // Calls that come at the same instant are all in the line before the first of them is served.
    Effect.andThen(Effect.yieldNow),
    Effect.andThen(Effect.uninterruptibleMask((restore) => Effect.flatMap(restore(takePlace), handOver))),
    Effect.catchCause(failAll),
    Effect.forever,
    Effect.forkScoped,
  )
  // Whatever ends it, no call waits for ever.
  loop.addObserver((exit) => line.close(Exit.isFailure(exit) ? exit.cause : Cause.interrupt()))

  /** Waits for a permit, in its caller's mask. A call that leaves the line with a permit in hand passes it on. */
  const takeTurn = (urgent: boolean, restore: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>) =>
    Effect.suspend(() => {
      const ticket = line.enter(urgent)
      const leave = Effect.suspend(() => {
        const permit = line.leave(ticket)
        return permit === undefined ? Effect.void : handOver(permit)
      })
      return restore(Deferred.await(ticket.turn)).pipe(
        Effect.onError(() => leave),
        Effect.timed,
        Effect.tap(([time]) => Effect.andThen(Metric.update(waited, time), Metric.update(counted, 1))),
        Effect.map(([, permit]) => permit),
        Effect.ensuring(Effect.suspend(() => Metric.update(queued, line.size))),
      )
    })

  const status = Effect.map(log.calls, (calls) => ({ ...QuotaRule.status(windows, calls), waiting: line.size })).pipe(
    Effect.tap((status) =>
      Effect.forEach(status.windows, ({ used }, i) => {
        const gauge = usedIn[i]
        return gauge === undefined ? Effect.void : Metric.update(gauge, used)
      }),
    ),
  )

  /** No caller waits for it: the log may be in another program. */
  const refreshGauges = Effect.forkIn(Effect.ignore(status), scope, { startImmediately: true })

  return {
    withPlace: (call, options) =>
      Effect.uninterruptibleMask((restore) =>
        takeTurn(options?.first === true, restore).pipe(
          Effect.flatMap((place) =>
            Effect.onExit(restore(call), (exit) =>
              end(options?.isSent?.(exit) === false ? place.giveBack : place.answered),
            ),
          ),
        ),
      ).pipe(Effect.tap(() => refreshGauges)),
    refused: (wait) => Effect.andThen(Metric.update(refusals, 1), untilItAnswers(log.refused(wait))),
    status,
    forecast: (further) =>
      Effect.map(log.calls, (calls) => Duration.millis(QuotaRule.forecast(windows, calls, further))),
    ofApi: (api) =>
      make({ ...api, owner }).pipe(Effect.provideService(QuotaStore, store), Effect.provideService(Scope.Scope, scope)),
    pauses: Stream.fromPubSub(pauses),
  }
})

/**
 * @since 0.1.0
 * @category options
 */
export interface Options {
  /** By default the vendor's limits. */
  readonly windows?: ReadonlyArray<QuotaRule.Window> | undefined

  /** Whose quota it is: the API's limits are for each service, tenant and app. Others have a log of their own. */
  readonly owner?: string | undefined
}

/**
 * The quota of the download link API.
 *
 * @example
 * ```ts
 * import * as Quota from "@live-response/core/Quota"
 * import * as QuotaStore from "@live-response/core/QuotaStore"
 * import * as Layer from "effect/Layer"
 *
 * // Leaves two thirds of the hour to the others who use the same app.
 * export const share = Quota.layer({ windows: Quota.windows({ perHour: 500 }) }).pipe(
 *   Layer.provide(QuotaStore.layerMemory),
 * )
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options?: Options): Layer.Layer<Quota, QuotaStoreError, QuotaStore> =>
  Layer.effect(
    Quota,
    make({
      name: "GetLiveResponseResultDownloadLink",
      owner: options?.owner,
      windows: options?.windows ?? windows(),
    }),
  )

const limit = (name: string) =>
  Config.schema(Schema.Int.check(Schema.isGreaterThan(0)), name).pipe(Config.withDefault(undefined))

/**
 * The windows from the environment: `LIVE_RESPONSE_WINDOWS` names them all (`100/1 minute,1500/1 hour`), else
 * `LIVE_RESPONSE_PER_MINUTE` and `LIVE_RESPONSE_PER_HOUR` have their limits; where nothing is set, the vendor's. With
 * `LIVE_RESPONSE_POLITE=true` calls are spaced {@link evenly}.
 *
 * @since 0.1.0
 * @category options
 */
export const config: Config.Config<ReadonlyArray<QuotaRule.Window>> = Config.all({
  all: Config.Array(QuotaRule.WindowFromString, "LIVE_RESPONSE_WINDOWS").pipe(Config.withDefault(undefined)),
  perMinute: limit("LIVE_RESPONSE_PER_MINUTE"),
  perHour: limit("LIVE_RESPONSE_PER_HOUR"),
  polite: Config.Boolean("LIVE_RESPONSE_POLITE").pipe(Config.withDefault(false)),
}).pipe(
  Config.map(({ all, polite, ...limits }) => {
    const chosen = all === undefined || all.length === 0 ? windows(limits) : all
    return polite ? evenly(chosen) : chosen
  }),
)

/**
 * The quota of the download link API, with windows from {@link config}.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig: Layer.Layer<Quota, Config.ConfigError | QuotaStoreError, QuotaStore> = Layer.unwrap(
  Effect.map(config, (windows) => layer({ windows })),
)
