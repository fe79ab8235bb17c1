/**
 * How often this library retries, and how long it waits: its schedules and time-outs, each with a default.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { dual } from "effect/Function"
import * as Layer from "effect/Layer"
import type * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import type * as Schema from "effect/Schema"
import * as ActionVisibility from "./internal/actionVisibility.ts"
import * as AnswerTimeouts from "./internal/answerTimeouts.ts"
import * as DurationText from "./internal/durationText.ts"
import * as FollowInterval from "./internal/followInterval.ts"
import { usualMinimum } from "./internal/minimumRate.ts"
import * as OfflineMachine from "./internal/offlineMachine.ts"
import * as OutagePatience from "./internal/outagePatience.ts"
import * as PollIntervals from "./internal/pollIntervals.ts"
import * as RetrySchedules from "./internal/retrySchedules.ts"
import * as StallWatch from "./internal/stallWatch.ts"
import type { ResultError } from "./ResultError.ts"
import type { CredentialError } from "./CredentialError.ts"
import type { DefenderError } from "./DefenderError.ts"
import type { ObjectStoreError } from "./ObjectStoreError.ts"
import type { MachineAction } from "./MachineAction.ts"
import { limits } from "./Session.ts"
import type { QuotaFull, QuotaStoreError } from "./QuotaStoreError.ts"
import type { TransferError } from "./TransferError.ts"

/**
 * The average rate below which a transfer counts as stalled.
 *
 * **Details**
 *
 * The average is taken over a window of this length. Only the time spent waiting for bytes counts, through all attempts of
 * a transfer. Bytes that arrive in a window below the rate are not progress for `Settings.transfer`. A rate of 0 turns the
 * check off.
 *
 * @since 0.1.0
 * @category models
 */
export interface MinimumRate {
  readonly bytesPerSecond: number
  readonly over: Duration.Input
}

/**
 * A duration as people type it: `30s`, `90m`, `24h`, `7d`, `2w`, or in words, as `5 minutes` or `200 millis`. None if the text
 * is not a duration.
 *
 * @since 0.1.0
 * @category parsing
 */
export const parseDuration = (text: string): Option.Option<Duration.Duration> => DurationText.parseDuration(text)

/**
 * What {@link WaitFromString} accepts, for messages.
 *
 * @since 0.1.0
 * @category parsing
 */
export const expectedWait: string = DurationText.expectedWait

/**
 * A wait as people type it, of a millisecond to seven days. A wait of zero would be a busy loop, and an endless one would never
 * continue.
 *
 * @example
 * ```ts
 * import * as Timing from "@live-response/core/Timing"
 * import * as Duration from "effect/Duration"
 * import * as Schema from "effect/Schema"
 *
 * const wait = Schema.decodeSync(Timing.WaitFromString)("5 minutes")
 * console.log(Duration.format(wait)) // 5m
 * ```
 *
 * @since 0.1.0
 * @category parsing
 */
export const WaitFromString: Schema.Codec<Duration.Duration, string> = DurationText.WaitFromString

/**
 * The schedules and time-outs of this library. {@link defaults} lists the values.
 *
 * @since 0.1.0
 * @category models
 */
export interface Settings {
  /** Waits for a permit of the quota. The input says how long, which only the quota's log knows. */
  readonly quota: Schedule.Schedule<unknown, QuotaFull>

  /** Retries a read or a write of the quota's log that failed. */
  readonly quotaStore: Schedule.Schedule<unknown, QuotaStoreError>

  /** Holds up every call of a quota after a 429. The input has the wait that the API asked for; attempts are those of one call. */
  readonly throttled: Schedule.Schedule<unknown, DefenderError>

  /**
   * Retries where a server in trouble says when (`Retry-After` with 408 or 5xx, and with 429 from the storage). By default a
   * call waits for an hour in all, so that no server holds up a run.
   */
  readonly busy: Schedule.Schedule<unknown, DefenderError | TransferError>

  /** Tries a host again that can't be connected to. One call at a time tries it, and the others wait for that one. */
  readonly outage: Schedule.Schedule<unknown, ResultError>

  /** How long a call waits for such a host. A batch has its own limit: see `BatchOptions.giveUpAfter`. */
  readonly giveUpAfter: Duration.Input

  /** Retries an API call that the API was unavailable for, or that got no answer. */
  readonly api: Schedule.Schedule<unknown, DefenderError>

  /** Renews a link that the storage refused. Restarts once a link has delivered bytes. */
  readonly link: Schedule.Schedule<unknown, TransferError>

  /** Resumes a transfer that broke or stalled. Restarts whenever the transfer has made progress. */
  readonly transfer: Schedule.Schedule<unknown, TransferError>

  /** Retries the first sign-in while the sign-in server can't be reached. It is short: a person is waiting at the screen. */
  readonly signIn: Schedule.Schedule<unknown, CredentialError>

  /** Retries the renewal of a token. It is patient: a batch may have been running for an hour. */
  readonly renewal: Schedule.Schedule<unknown, CredentialError>

  /** Repeats a request to an object store that is away, in trouble, or throttles. It honours the wait that the store asks for. */
  readonly objectStore: Schedule.Schedule<unknown, ObjectStoreError>

  /** Polls one machine action until it is final. Waiting stops where the schedule stops. */
  readonly poll: Schedule.Schedule<unknown, MachineAction>

  /** Polls each of many machine actions that are watched together. A delay of zero means the next of the `rounds`. */
  readonly watch: Schedule.Schedule<unknown, MachineAction>

  /** Spaces the rounds of a watch. Each round reads up to 25 actions that are due, with one call. */
  readonly rounds: Schedule.Schedule<unknown>

  /** Searches for new machine actions while they are followed. */
  readonly follow: Schedule.Schedule<unknown>

  /** Downloads a failed result again while machine actions are followed. */
  readonly retryFailed: Schedule.Schedule<unknown>

  /** Polls a machine action that was just created: the API may not know it yet. */
  readonly creation: Schedule.Schedule<unknown, DefenderError>

  /** Runs a session again that got no answer from the API and that the API does not have. */
  readonly restart: Schedule.Schedule<unknown>

  /** How long the results of a machine action may be missing after it has finished. */
  readonly settling: Duration.Input

  /** How long to wait for the head of an answer. */
  readonly headTimeout: Duration.Input

  /** How long a body may go without a byte. */
  readonly stallTimeout: Duration.Input

  /** How slowly the bytes of a result may arrive. */
  readonly minimumRate: MinimumRate

  /** How long the whole body of an API answer may take. A result may take as long as its bytes arrive. */
  readonly bodyTimeout: Duration.Input
}

/**
 * How long a new machine action may be unknown to the API by default: two minutes.
 *
 * @since 0.1.0
 * @category settings
 */
export const defaultVisibleWithin: Duration.Duration = ActionVisibility.usual

/**
 * The settings for an API that shows new machine actions and new results within this time.
 *
 * **Details**
 *
 * `creation` polls a new action for this long, in steps of a quarter of it and at most five seconds. `settling` is one
 * such step.
 *
 * @since 0.1.0
 * @category settings
 */
export const visibleWithin = (duration: Duration.Input) => ActionVisibility.within(duration) satisfies Partial<Settings>

/**
 * The settings for following machine actions at this interval.
 *
 * **Details**
 *
 * `follow` searches for new actions at the interval. `retryFailed` starts with the interval, doubles it up to an hour, and
 * stops after 30 attempts.
 *
 * @since 0.1.0
 * @category settings
 */
export const followEvery = (duration: Duration.Input) => FollowInterval.every(duration) satisfies Partial<Settings>

/**
 * How many times a call of the API that got no answer, and a transfer that makes no progress, is retried by default.
 *
 * @since 0.1.0
 * @category settings
 */
export const defaultRetries: { readonly api: number; readonly transfer: number } = RetrySchedules.times

/**
 * The settings that retry this many times what got no answer: an API call, and a transfer that makes no progress.
 *
 * @since 0.1.0
 * @category settings
 */
export const retries = (times: number) =>
  ({
    api: RetrySchedules.backOff(times),
    transfer: RetrySchedules.backOff(times),
  }) satisfies Partial<Settings>

/**
 * How long a batch, or a run of sessions, waits by default for a network that is gone: one hour. A single call waits for
 * `Settings.giveUpAfter`.
 *
 * @since 0.1.0
 * @category settings
 */
export const batchGiveUpAfter: Duration.Duration = OutagePatience.ofBatch

/**
 * How long an action is waited for at a service that queues the session of an offline machine for this long: a day longer.
 *
 * @since 0.1.0
 * @category settings
 */
export const longestWait = (offlineFor: Duration.Input): Duration.Duration => OfflineMachine.longestWait(offlineFor)

/**
 * The settings for a service that queues the session of an offline machine for this long.
 *
 * **Details**
 *
 * `poll` and `watch` end after `longestWait`.
 *
 * @since 0.1.0
 * @category settings
 */
export const offlineFor = (duration: Duration.Input) => PollIntervals.offlineFor(duration) satisfies Partial<Settings>

/**
 * How long a session may be pending before its machine counts as offline: two minutes. An offline machine is polled less
 * often.
 *
 * @since 0.1.0
 * @category settings
 */
export const offlineAfter: Duration.Duration = OfflineMachine.offlineAfter

/**
 * The settings that apply where nothing else is provided.
 *
 * **Details**
 *
 * | setting                                  | default                                                          |
 * | ---------------------------------------- | ---------------------------------------------------------------- |
 * | `quota`                                  | the wait that the quota's log says, without end                  |
 * | `quotaStore`, `api`                      | 1 s, doubled up to 30 s, 8 times                                 |
 * | `throttled`                              | what the API asks for, else 5 s doubled up to 5 min; 20 times    |
 * | `busy`                                   | 1 s doubled up to 30 s, or longer where asked; 20 times, 1 h in all |
 * | `outage`, `giveUpAfter`                  | 1 s, doubled up to 1 min, for 5 s                                |
 * | `link`                                   | at once, once                                                    |
 * | `transfer`                               | 1 s, doubled up to 30 s, 5 times                                 |
 * | `signIn`                                 | 500 ms, doubled up to 2 s, twice                                 |
 * | `objectStore`                            | 500 ms doubled up to 30 s, or longer where asked; for an hour    |
 * | `renewal`                                | 1 s, doubled up to 30 s, 20 times                                |
 * | `poll`                                   | 15 s; `offlineFor("2 hours")`, which is 26 hours                 |
 * | `watch`, `rounds`                        | rounds of 3 s; once a minute for an offline machine; for as long |
 * | `follow`, `retryFailed`                  | `followEvery("1 minute")`                                        |
 * | `creation`, `settling`                   | `visibleWithin("2 minutes")`                                     |
 * | `restart`                                | at once, twice                                                   |
 * | `headTimeout`                            | 1 min                                                            |
 * | `stallTimeout`                           | 30 s                                                             |
 * | `minimumRate`                            | 1,000 bytes a second over 1 min                                  |
 * | `bodyTimeout`                            | 10 min                                                           |
 *
 * Delays that double have a jitter of a fifth, `throttled`, `outage` and `retryFailed` aside. A server can ask for an hour
 * at most, and a server in trouble for an hour in all.
 *
 * @since 0.1.0
 * @category settings
 */
export const defaults: Settings = {
  quota: Schedule.forever.pipe(
    Schedule.setInputType<QuotaFull>(),
    Schedule.modifyDelay(({ input }) => Effect.succeed(input.retryAfter)),
  ),
  ...RetrySchedules.defaults,
  outage: OutagePatience.retries,
  giveUpAfter: OutagePatience.ofCall,
  ...offlineFor(limits.offlineFor),
  rounds: PollIntervals.rounds,
  ...followEvery(FollowInterval.usual),
  ...visibleWithin(defaultVisibleWithin),
  headTimeout: AnswerTimeouts.head,
  stallTimeout: StallWatch.defaultTimeout,
  minimumRate: usualMinimum,
  bodyTimeout: AnswerTimeouts.body,
}

/**
 * The settings in force, by default {@link defaults}. A service reads them when its layer is built.
 *
 * @see {@link layer} for replacing some of them
 * @see {@link with} for replacing some of them around one effect
 * @since 0.1.0
 * @category references
 */
export const Timing = Context.Reference<Settings>("@live-response/core/Timing", {
  defaultValue: () => defaults,
})

/**
 * Replaces some of the settings for the layers that it is provided to.
 *
 * @example
 * ```ts
 * import * as Timing from "@live-response/core/Timing"
 * import * as Schedule from "effect/Schedule"
 *
 * // Never gives up on a transfer that breaks, and resumes it every ten seconds.
 * export const patient = Timing.layer({ transfer: Schedule.spaced("10 seconds") })
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (settings: Partial<Settings>): Layer.Layer<never> =>
  Layer.effect(
    Timing,
    Effect.map(Timing, (current) => ({ ...current, ...settings })),
  )

const none: Partial<Settings> = {}

/** What `with` replaces around the calls of this fiber. */
const Overrides = Context.Reference<Partial<Settings>>("@live-response/core/Timing/Overrides", {
  defaultValue: () => none,
})

const with_: {
  (settings: Partial<Settings>): <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  <A, E, R>(effect: Effect.Effect<A, E, R>, settings: Partial<Settings>): Effect.Effect<A, E, R>
} = dual(2, <A, E, R>(effect: Effect.Effect<A, E, R>, settings: Partial<Settings>) =>
  effect.pipe(
    Effect.updateService(Timing, (current) => ({ ...current, ...settings })),
    Effect.updateService(Overrides, (current) => ({ ...current, ...settings })),
  ),
)

export {
  /**
   * Replaces some of the settings for the calls inside an effect, whatever the services were built with.
   *
   * **When to use**
   *
   * Use for one call that needs more or less patience than the others. Use {@link layer} for a whole program.
   *
   * **Gotchas**
   *
   * It holds for what a call waits for itself: `api`, `busy`, `throttled`, `outage`, `giveUpAfter`, `poll`, `creation` and
   * the time-outs of API calls. What calls share keeps the settings of its layer: the quota, sign-ins and watches.
   *
   * @example
   * ```ts
   * import { DefenderApi } from "@live-response/core/DefenderApi"
   * import type { MachineActionId } from "@live-response/core/MachineAction"
   * import * as Timing from "@live-response/core/Timing"
   * import * as Effect from "effect/Effect"
   * import * as Schedule from "effect/Schedule"
   *
   * // Fails at once where the API is unavailable.
   * export const status = (id: MachineActionId) =>
   *   Effect.flatMap(DefenderApi, (api) => api.get(id)).pipe(Timing.with({ api: Schedule.recurs(0) }))
   * ```
   *
   * @since 0.1.0
   * @category combinators
   */
  with_ as with,
}

/**
 * Captures the settings that a service is built with. The effect inside gives them to one call, with what {@link with}
 * replaces around that call.
 *
 * **When to use**
 *
 * Use in the constructor of a service, in place of reading {@link Timing}.
 *
 * @since 0.1.0
 * @category combinators
 */
export const perCall: Effect.Effect<Effect.Effect<Settings>> = Effect.map(Timing, (built) =>
  Effect.map(Overrides, (overrides) => (overrides === none ? built : { ...built, ...overrides })),
)
