/**
 * Keeps calls within the API's limits: never refused, never idle.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as MutableList from "effect/MutableList"
import * as PubSub from "effect/PubSub"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Status as LogStatus } from "./QuotaStore.ts"
import { QuotaStore, Window } from "./QuotaStore.ts"
import { RetryPolicy } from "./RetryPolicy.ts"

/**
 * How the quota stands: see `QuotaStore.Status`. `waiting` counts the calls that wait for a place.
 *
 * @since 0.1.0
 * @category models
 */
export interface Status extends LogStatus {
  readonly waiting: number
}

/**
 * @since 0.1.0
 * @category services
 */
export interface Service {
  /**
   * Runs a call when the quota has a place for it. Callers are served in the order in which they came, but a link that
   * is made anew goes before new ones. Whoever is interrupted while waiting gives the place back; a call that was begun
   * never does.
   */
  readonly withPlace: <A, E, R>(
    call: Effect.Effect<A, E, R>,
    options?: { readonly first?: boolean },
  ) => Effect.Effect<A, E, R>

  /** The server refused a call all the same: no call starts for this long, also none of those that wait already. */
  readonly block: (duration: Duration.Duration) => Effect.Effect<void>

  /** How it stands now. */
  readonly status: Effect.Effect<Status>

  /** How long it takes until the last of so many further calls may start, if nobody else calls. */
  readonly forecast: (calls: number) => Effect.Effect<Duration.Duration>

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
 * The vendor's limits for download links: 100 calls a minute and 1,500 calls an hour.
 *
 * @see https://learn.microsoft.com/en-us/defender-endpoint/api/get-live-response-result
 * @since 0.1.0
 * @category options
 */
export const linkWindows: ReadonlyArray<Window> = [
  Window.make({ limit: 100, duration: Duration.minutes(1) }),
  Window.make({ limit: 1500, duration: Duration.hours(1) }),
]

/**
 * Windows of so many calls a minute and so many an hour.
 *
 * @since 0.1.0
 * @category options
 */
export const windows = (limits: { readonly perMinute: number; readonly perHour: number }): ReadonlyArray<Window> => [
  Window.make({ limit: limits.perMinute, duration: Duration.minutes(1) }),
  Window.make({ limit: limits.perHour, duration: Duration.hours(1) }),
]

interface Waiter {
  readonly turn: Deferred.Deferred<void>
  gone: boolean
}

/**
 * Makes a quota over the log `name` of the store in context. One fiber waits for the next place and hands it to whoever
 * is first at that moment, so a hundred thousand callers cost a queue and not a hundred thousand timers.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = Effect.fnUntraced(function* (options: {
  readonly name: string
  readonly windows: ReadonlyArray<Window>
}): Effect.fn.Return<Service, never, QuotaStore | Scope.Scope> {
  const log = yield* (yield* QuotaStore).open(options.name, options.windows)
  const policy = yield* RetryPolicy
  const pauses = yield* PubSub.sliding<Duration.Duration>(16)
  const wanted = yield* Latch.make(false)
  const first = MutableList.make<Waiter>()
  const later = MutableList.make<Waiter>()
  let waiting = 0

  const next = (): Waiter | undefined => {
    for (;;) {
      const waiter = MutableList.take(first.length > 0 ? first : later)
      if (waiter === MutableList.Empty) return undefined
      if (!waiter.gone) return waiter
    }
  }

  /** A place is there: whoever is first gets it, and where nobody is left it goes back. */
  const handOver = Effect.suspend(() => {
    const waiter = next()
    if (waiter === undefined) return log.giveBack
    waiting--
    return Deferred.succeed(waiter.turn, undefined)
  })

  const takePlace = log.take.pipe(
    Effect.retry(policy.quota.pipe(Schedule.tap(({ duration }) => PubSub.publish(pauses, duration)))),
    // A policy that ends does not end the waiting.
    Effect.tapError(({ retryAfter }) => Effect.sleep(retryAfter)),
    Effect.eventually,
  )

  yield* wanted.await.pipe(
    Effect.andThen(Effect.uninterruptibleMask((restore) => Effect.andThen(restore(takePlace), handOver))),
    Effect.andThen(Effect.suspend(() => (waiting === 0 ? wanted.close : Effect.void))),
    Effect.forever,
    Effect.forkScoped,
  )

  /** Waits for a place. Whoever leaves the queue with a place in hand passes it on. */
  const place = (urgent: boolean) =>
    Effect.suspend(() => {
      const waiter: Waiter = { turn: Deferred.makeUnsafe(), gone: false }
      MutableList.append(urgent ? first : later, waiter)
      waiting++
      return wanted.open.pipe(
        Effect.andThen(Deferred.await(waiter.turn)),
        Effect.onInterrupt(() => {
          if (Deferred.isDoneUnsafe(waiter.turn)) return handOver
          waiter.gone = true
          waiting--
          return Effect.void
        }),
      )
    })

  return {
    withPlace: (call, options) =>
      Effect.uninterruptibleMask((restore) =>
        restore(place(options?.first === true)).pipe(Effect.andThen(Effect.ensuring(restore(call), log.answered))),
      ),
    block: log.block,
    status: Effect.map(log.status, (status) => ({ ...status, waiting })),
    forecast: log.forecast,
    pauses: Stream.fromPubSub(pauses),
  }
})

/**
 * The quota of the download link API, by default with the vendor's limits.
 *
 * @example
 * ```ts
 * import * as Quota from "@live-response/core/Quota"
 * import * as QuotaStore from "@live-response/core/QuotaStore"
 * import * as Layer from "effect/Layer"
 *
 * // Leaves two thirds of the hour to the others who use the same app.
 * export const polite = Quota.layer({ windows: Quota.windows({ perMinute: 100, perHour: 500 }) }).pipe(
 *   Layer.provide(QuotaStore.layerMemory),
 * )
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options?: { readonly windows?: ReadonlyArray<Window> }): Layer.Layer<Quota, never, QuotaStore> =>
  Layer.effect(Quota, make({ name: "GetLiveResponseResultDownloadLink", windows: options?.windows ?? linkWindows }))

const limit = (name: string, vendor: number) =>
  Config.schema(Schema.Int.check(Schema.isGreaterThan(0)), name).pipe(Config.withDefault(vendor))

/**
 * The limits from `LIVE_RESPONSE_PER_MINUTE` and `LIVE_RESPONSE_PER_HOUR`, the vendor's where those are not set.
 *
 * @since 0.1.0
 * @category options
 */
export const config: Config.Config<{ readonly perMinute: number; readonly perHour: number }> = Config.all({
  perMinute: limit("LIVE_RESPONSE_PER_MINUTE", 100),
  perHour: limit("LIVE_RESPONSE_PER_HOUR", 1500),
})

/**
 * The quota of the download link API, with limits from {@link config}.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig: Layer.Layer<Quota, Config.ConfigError, QuotaStore> = Layer.unwrap(
  Effect.map(config, (limits) => layer({ windows: windows(limits) })),
)
