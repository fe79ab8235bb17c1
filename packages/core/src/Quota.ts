/**
 * Keeps calls within an API's limits: a call starts as soon as they allow it, and not before.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as PubSub from "effect/PubSub"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { cachedByKey } from "./internal/cachedByKey.ts"
import { coalesced } from "./internal/coalesced.ts"
import * as OwnCalls from "./internal/ownCalls.ts"
import * as PermitDispenser from "./internal/permitDispenser.ts"
import * as QuotaMetrics from "./internal/quotaMetrics.ts"
import { only } from "./internal/scheduleCombinators.ts"
import * as NumberText from "./NumberText.ts"
import * as QuotaRule from "./QuotaRule.ts"
import { type CallLog, type Permit, QuotaStore, untilItAnswers } from "./QuotaStore.ts"
import type { QuotaFull, QuotaStoreError } from "./QuotaStoreError.ts"
import { type Settings, Timing } from "./Timing.ts"

/**
 * The state of a quota: see `QuotaRule.Status`. `waiting` is the number of calls in this program that wait for a permit.
 *
 * @since 0.1.0
 * @category models
 */
export interface Status extends QuotaRule.Status {
  readonly waiting: number
}

/**
 * The options of `withPermit`.
 *
 * @since 0.1.0
 * @category options
 */
export interface PermitOptions<A, E> {
  /** Puts the call before those without priority, as for a link that is renewed. By default `false`. */
  readonly priority?: boolean | undefined

  /** Whether a call with this exit was sent. One that was not sent does not count. By default every call was sent. */
  readonly isSent?: ((exit: Exit.Exit<A, E>) => boolean) | undefined
}

/**
 * @since 0.1.0
 * @category services
 */
export interface Service {
  /**
   * Runs a call once the quota has a permit for it.
   *
   * **Details**
   *
   * Calls are served in the order in which they came, those with `priority` first. A call that is interrupted while it waits
   * uses no permit.
   */
  readonly withPermit: <A, E, R>(
    call: Effect.Effect<A, E, R>,
    options?: PermitOptions<A, E>,
  ) => Effect.Effect<A, E | QuotaStoreError, R>

  /**
   * Records that the server throttled a call (HTTP 429): no call starts for this long, including those that wait already.
   *
   * **Details**
   *
   * The log adds the calls that others must have made: see `QuotaStore.CallLog.throttled`.
   */
  readonly throttled: (wait: Duration.Duration) => Effect.Effect<void, QuotaStoreError>

  /** The state of the quota now. */
  readonly status: Effect.Effect<Status, QuotaStoreError>

  /** The time until the last of `calls` further calls may start, if no other program calls. */
  readonly forecast: (calls: number) => Effect.Effect<Duration.Duration, QuotaStoreError>

  /**
   * The quota of another API: Microsoft counts each API separately.
   *
   * **Details**
   *
   * It has a log of its own in the same store and with the same owner, and lives as long as this quota. Its pauses are among
   * those of this quota. It is created once: a later call with the same name and windows returns the same quota.
   */
  readonly ofApi: (api: {
    readonly name: string
    readonly windows: ReadonlyArray<QuotaRule.Window>
  }) => Effect.Effect<Service, QuotaStoreError>

  /** An element each time that calls must wait. */
  readonly pauses: Stream.Stream<Pause>
}

/**
 * Calls must wait: `duration` is the time until the next one may start, and `api` the name of another API whose quota is used
 * up, where it is not the quota's own.
 *
 * @since 0.1.0
 * @category models
 */
export interface Pause {
  readonly duration: Duration.Duration
  readonly api?: string
}

/**
 * The quota of the download link API. `ofApi` makes those of other APIs.
 *
 * @since 0.1.0
 * @category services
 */
export class Quota extends Context.Service<Quota, Service>()("@live-response/core/Quota") {}

/**
 * The windows of the download link API: by default Microsoft's limits, 100 calls a minute and 1,500 an hour.
 *
 * @see `QuotaRule.linkLimits`, the defaults
 * @since 0.1.0
 * @category options
 */
export const linkWindows = (limits?: {
  readonly perMinute?: number | undefined
  readonly perHour?: number | undefined
}): ReadonlyArray<QuotaRule.Window> =>
  QuotaRule.windowsOf({
    perMinute: limits?.perMinute ?? QuotaRule.linkLimits.perMinute,
    perHour: limits?.perHour ?? QuotaRule.linkLimits.perHour,
  })

/**
 * Adds a window that spaces calls evenly: one call in the average interval that the other windows allow.
 *
 * **When to use**
 *
 * Use it if programs that do not share this log use the same app: it always leaves permits for them.
 *
 * @example
 * ```ts
 * import * as Quota from "@live-response/core/Quota"
 * import * as Duration from "effect/Duration"
 *
 * // 1,500 an hour is one every 2.4 seconds.
 * console.log(Quota.evenly(Quota.linkWindows()).map(({ duration }) => Duration.toSeconds(duration))) // [ 60, 3600, 2.4 ]
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
 * The metrics of quotas, named as OpenTelemetry names metrics.
 *
 * **Details**
 *
 * All but one have the attribute `quota`, the name of the quota with its owner:
 *
 * - `live_response.quota.permits`: calls that got a permit.
 * - `live_response.quota.throttled`: calls that the server throttled (HTTP 429).
 * - `live_response.quota.wait.duration`: how long calls waited for their permit, in seconds. It has the attribute `api`, the name of the
 *   quota without its owner.
 * - `live_response.quota.waiting`: calls that wait for a permit now.
 * - `live_response.quota.used`: calls that a window counts, with the attribute `window` for its duration, such as `1m`.
 *
 * **Gotchas**
 *
 * `used` is updated after calls of this program finish, at most ten times a second, and when `status` is read. With a store that
 * is costly to read, such as PostgreSQL, it is updated less often (`QuotaStore.CallLog.refreshEvery`).
 *
 * @since 0.1.0
 * @category metrics
 */
export const metrics = QuotaMetrics.metrics

/**
 * Whether the series of a quota end with it. By default `false`: a program that ends exports them last.
 *
 * **When to use**
 *
 * In a program that closes quotas and continues, such as one whose tenants move to another: it would report for ever how much of its
 * windows each of them used last.
 *
 * @since 0.1.0
 * @category metrics
 */
export const EndsSeries = Context.Reference<boolean>("@live-response/core/Quota/EndsSeries", {
  defaultValue: () => false,
})

const isFull = (error: QuotaFull | QuotaStoreError): error is QuotaFull => error._tag === "QuotaFull"

/**
 * The options of `make`.
 *
 * @since 0.1.0
 * @category options
 */
export interface MakeOptions {
  /** The name of the log in the store. */
  readonly name: string

  readonly windows: ReadonlyArray<QuotaRule.Window>

  /** Whose quota it is, before the name. By default none. */
  readonly owner?: string | undefined
}

/**
 * Makes a quota over a log of the store in context.
 *
 * **Details**
 *
 * The calls of this program are also counted by its monotonic clock. So it keeps the limits by itself, even if the clock that the
 * log goes by is set forward.
 *
 * **Gotchas**
 *
 * Where the clock of a shared log is set forward, the calls that other programs made before that no longer count.
 *
 * A call may take twice `Timing.headTimeout`: after that its permit counts as answered, although it is in flight. See
 * `QuotaStore.LogOptions.lease`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: MakeOptions): Effect.Effect<Service, QuotaStoreError, QuotaStore | Scope.Scope> =>
  Effect.flatMap(EndsSeries, (endsSeries) => makeReporting({ ...options, endsSeries }, () => Effect.void))

/** Takes a permit from the log, and waits on where the schedule has finished. */
const acquiring = (log: CallLog, schedule: Settings["quota"]): Effect.Effect<Permit, QuotaStoreError> =>
  log.acquire.pipe(
    Effect.retry(only(schedule, isFull)),
    untilItAnswers,
    Effect.catchTag("QuotaFull", ({ retryAfter }) =>
      Effect.delay(
        Effect.suspend(() => acquiring(log, schedule)),
        retryAfter,
      ),
    ),
  )

/** Runs a call, and then `settle` with its exit: none if it was interrupted in the instant before it started. */
const started = <A, E, R>(
  call: Effect.Effect<A, E, R>,
  restore: (call: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>,
  settle: (exit: Exit.Exit<A, E> | undefined) => Effect.Effect<void>,
): Effect.Effect<A, E, R> =>
  Effect.suspend(() => {
    let hasStarted = false
    const starting = Effect.suspend(() => {
      hasStarted = true
      return call
    })
    return Effect.onExit(restore(starting), (exit) => settle(hasStarted ? exit : undefined))
  })

/**
 * Records the end of a call. It does not wait for a log that does not answer: the update is repeated in the background, and the permit
 * stays in flight. It reports nothing, because the next call does.
 */
const finishing =
  (schedule: Settings["quotaStore"], scope: Scope.Scope) =>
  (update: Effect.Effect<void, QuotaStoreError>): Effect.Effect<void> => {
    const repeated = Effect.retry(update, { schedule, while: ({ isRetryable }) => isRetryable })
    return update.pipe(Effect.catch(() => Effect.asVoid(Effect.forkIn(Effect.ignore(repeated), scope))))
  }

/** Makes a quota that also reports its pauses to its parent. */
const makeReporting = Effect.fnUntraced(function* (
  options: MakeOptions & { readonly endsSeries: boolean },
  report: (duration: Duration.Duration) => Effect.Effect<unknown>,
): Effect.fn.Return<Service, QuotaStoreError, QuotaStore | Scope.Scope> {
  const { endsSeries, owner, windows } = options
  const name = owner === undefined ? options.name : `${owner} ${options.name}`
  const store = yield* QuotaStore
  const timing = yield* Timing
  const scope = yield* Effect.scope
  const metered = QuotaMetrics.make(options.name, name, windows)
  // Added first, so run last: what ends with the scope updates them.
  if (endsSeries) yield* Effect.addFinalizer(() => metered.remove)
  yield* metered.start
  const lease = Duration.times(Duration.fromInputUnsafe(timing.headTimeout), 2)
  const log = OwnCalls.beside(yield* untilItAnswers(store.open({ name, windows, lease })), windows)
  const pauses = yield* PubSub.sliding<Pause>(16)

  const finish = finishing(timing.quotaStore, scope)

  const publishPauses = timing.quota.pipe(
    Schedule.tap(({ duration }) => Effect.andThen(PubSub.publish(pauses, { duration }), report(duration))),
  )
  const acquire = acquiring(log, publishPauses)
  const dispenser = yield* PermitDispenser.make({ name, acquire, release: ({ release }) => finish(release) })
  const meterWaiting = (entering: number) => Effect.suspend(() => metered.waiting(dispenser.waiting() + entering))
  const takePermit = (...args: Parameters<typeof dispenser.take>) =>
    Effect.timed(dispenser.take(...args)).pipe(
      Effect.tap(([waited]) => metered.permit(waited)),
      Effect.map(([, permit]) => permit),
      Effect.ensuring(meterWaiting(0)),
      (taken) => Effect.andThen(meterWaiting(1), taken),
    )

  const status = Effect.map(log.status, (status): Status => ({ ...status, waiting: dispenser.waiting() })).pipe(
    Effect.tap(metered.used),
  )

  /** In the background: the log may be in another program, and no caller waits for metrics. */
  const refreshUsed = coalesced(status, { atMostEvery: log.refreshEvery ?? Duration.millis(100), scope })

  return {
    withPermit: (call, options) =>
      Effect.uninterruptibleMask((restore) =>
        Effect.flatMap(takePermit(options?.priority === true, restore), (permit) =>
          started(call, restore, (exit) => {
            if (exit === undefined) return dispenser.passOn(permit)
            return finish(options?.isSent?.(exit) === false ? permit.release : permit.answered)
          }),
        ),
      ).pipe(Effect.tap(() => refreshUsed)),
    throttled: (wait) => Effect.andThen(metered.throttled, untilItAnswers(log.throttled(wait))),
    status,
    forecast: (further) =>
      Effect.map(log.calls, (calls) => Duration.millis(QuotaRule.forecast(windows, calls, further))),
    ofApi: cachedByKey(
      ({ name, windows }) =>
        JSON.stringify([name, ...windows.map(({ duration, limit }) => [limit, Duration.toMillis(duration)])]),
      ({ name, windows }) =>
        makeReporting({ ...options, name, windows }, (duration) =>
          PubSub.publish(pauses, { duration, api: name }),
        ).pipe(Effect.provideService(QuotaStore, store), Effect.provideService(Scope.Scope, scope)),
    ),
    pauses: Stream.fromPubSub(pauses),
  }
})

/**
 * The options of `layer`.
 *
 * @since 0.1.0
 * @category options
 */
export interface Options {
  /** By default `linkWindows()`, Microsoft's limits. */
  readonly windows?: ReadonlyArray<QuotaRule.Window> | undefined

  /**
   * Whose quota it is. The API counts each service, tenant and app by itself, so each owner has a log of its own. By default
   * none.
   */
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
 * // Leaves two thirds of the hour to other users of the same app.
 * export const share = Quota.layer({ windows: Quota.linkWindows({ perHour: 500 }) }).pipe(
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
      windows: options?.windows ?? linkWindows(),
    }),
  )

const Limit = NumberText.fromString({
  minimum: 1,
  maximum: 1_000_000,
  expected: "a whole number from 1 to 1,000,000",
})

const limit = (name: string) => Config.schema(Limit, name).pipe(Config.withDefault(undefined))

/**
 * The windows of the download link API from the environment.
 *
 * **Details**
 *
 * - `LIVE_RESPONSE_WINDOWS` sets all windows (`100/1 minute,1500/1 hour`).
 * - Otherwise `LIVE_RESPONSE_PER_MINUTE` and `LIVE_RESPONSE_PER_HOUR` set their limits; the defaults are Microsoft's.
 * - `LIVE_RESPONSE_POLITE=true` spaces calls {@link evenly}.
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
    const chosen = all === undefined || all.length === 0 ? linkWindows(limits) : all
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
