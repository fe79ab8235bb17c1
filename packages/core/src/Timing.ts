/**
 * When this library waits, and for how long: each wait is a `Schedule`, all of them stand here, and any of them can be
 * replaced by a layer.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import type { ResultError } from "./ResultError.ts"
import type { CredentialError } from "./CredentialError.ts"
import type { DefenderError } from "./DefenderError.ts"
import type { MachineAction } from "./MachineAction.ts"
import type { QuotaFull, QuotaStoreError } from "./QuotaStoreError.ts"
import type { TransferError } from "./TransferError.ts"

/**
 * So many bytes a second, on average over a window, or a transfer counts as stalled: a byte now and then would hold it for
 * ever. Only the time that is spent waiting for bytes counts, through all attempts of a transfer. What a transfer got in
 * such a window is no progress for the `transfer` policy. A rate of 0 is no minimum.
 *
 * @since 0.1.0
 * @category models
 */
export interface MinimumRate {
  readonly bytesPerSecond: number
  readonly over: Duration.Input
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Policies {
  /** Waiting for a place in the quota. The input says how long, and only the quota's log knows that. */
  readonly quota: Schedule.Schedule<unknown, QuotaFull>

  /** Asking the quota's log again that could not be read or written. */
  readonly quotaStore: Schedule.Schedule<unknown, QuotaStoreError>

  /**
   * After a 429: how long no call starts. The input says what the API asked for, if it did; the attempts are those of
   * one call.
   */
  readonly throttled: Schedule.Schedule<unknown, DefenderError>

  /**
   * A server in trouble that says when to ask again (`Retry-After` with 408 or 5xx, and with 429 from the storage). The
   * input has what it asked for. By default a call waits for an hour in all, so that no server holds a run with it.
   */
  readonly busy: Schedule.Schedule<unknown, DefenderError | TransferError>

  /** Trying a host again that no connection can be made to. One call at a time does so, and all others wait for it. */
  readonly outage: Schedule.Schedule<unknown, ResultError>

  /** How long a call waits for such a host. A batch has a patience of its own: see `BatchOptions.giveUpAfter`. */
  readonly giveUpAfter: Duration.Input

  /** Calling the API again that was unavailable, or whose answer did not come. */
  readonly api: Schedule.Schedule<unknown, DefenderError>

  /** Making a new link when the storage refused one. Begins anew once a link has brought bytes. */
  readonly link: Schedule.Schedule<unknown, TransferError>

  /** Going on with a transfer that broke or stalled. Begins anew whenever the transfer got further than before. */
  readonly transfer: Schedule.Schedule<unknown, TransferError>

  /** Asking a sign-in server again that is out of reach, before there was any token: who waits for it is at the screen. */
  readonly signIn: Schedule.Schedule<unknown, CredentialError>

  /** The same, where a token is to be renewed: in the middle of a batch that has been going for an hour. */
  readonly renewal: Schedule.Schedule<unknown, CredentialError>

  /** Looking again at a machine action that is not over. Where it ends, the waiting ends. */
  readonly poll: Schedule.Schedule<unknown, MachineAction>

  /** The same for each of many that are watched together: a wait of nothing is until the next round. */
  readonly watch: Schedule.Schedule<unknown, MachineAction>

  /** The rounds in which those are looked at that are due, with a call for 25 of them. */
  readonly rounds: Schedule.Schedule<unknown>

  /** Looking for new machine actions, for whoever follows them. */
  readonly follow: Schedule.Schedule<unknown>

  /** Downloading a result again that failed, for whoever follows them. */
  readonly again: Schedule.Schedule<unknown>

  /** Looking again for a machine action that was just made: for a while the API may not know it yet. */
  readonly creation: Schedule.Schedule<unknown, DefenderError>

  /** Running a session again that the API was asked for in vain: no answer came, and the session is not there. */
  readonly start: Schedule.Schedule<unknown>

  /** How long after a machine action is over its results may not be there yet. */
  readonly settling: Duration.Input

  /** How long to wait for the head of an answer. */
  readonly headTimeout: Duration.Input

  /** How long a body may go without a byte. */
  readonly stallTimeout: Duration.Input

  /** How slowly the bytes of a result may come. */
  readonly minimumRate: MinimumRate

  /** How long the body of an answer of the API may take in all. A result may take as long as bytes come. */
  readonly bodyTimeout: Duration.Input
}

const backOff = (base: Duration.Input, cap: Duration.Input, times: number) =>
  Schedule.min([Schedule.exponential(base), Schedule.spaced(cap)]).pipe(Schedule.jittered, Schedule.upTo({ times }))

/** In seconds: no answer holds a call up for longer, and a server in trouble not with all its answers. */
const longestHold = 3600

const longestAsked = Duration.seconds(longestHold)

/** How long the server asked to wait, within bounds. */
const askedFor = ({ reason }: DefenderError | TransferError): Duration.Duration | undefined =>
  "retryAfter" in reason && reason.retryAfter !== undefined ? Duration.min(reason.retryAfter, longestAsked) : undefined

/**
 * How long a new machine action may be unknown to the API, where nothing else is provided: two minutes.
 *
 * @since 0.1.0
 * @category policies
 */
export const defaultVisibleWithin: Duration.Duration = Duration.minutes(2)

/**
 * For an API that knows of what is new within this time: how long an action that was just begun is looked for, and how long
 * the results of one that is over are waited for.
 *
 * @since 0.1.0
 * @category policies
 */
export const visibleWithin = (duration: Duration.Input) => {
  const whole = Duration.fromInputUnsafe(duration)
  const step = Duration.min(Duration.seconds(5), Duration.times(whole, 0.25))
  return {
    creation: Schedule.spaced(step).pipe(Schedule.upTo({ duration: whole })),
    settling: step,
  } satisfies Partial<Policies>
}

/**
 * For whoever follows machine actions: how often new ones are looked for, and results that failed fetched again.
 *
 * @since 0.1.0
 * @category policies
 */
export const followEvery = (duration: Duration.Input) =>
  ({
    follow: Schedule.spaced(duration),
    again: Schedule.min([Schedule.exponential(duration), Schedule.spaced("1 hour")]).pipe(Schedule.upTo({ times: 30 })),
  }) satisfies Partial<Policies>

/**
 * A machine that has not begun a session by then is not there: whoever waits for it need not look often.
 *
 * @since 0.1.0
 * @category policies
 */
export const absentAfter: Duration.Duration = Duration.minutes(2)

/**
 * What is used where nothing else is provided: the quota's own answer; what a 429 asks for, or five seconds doubled up
 * to five minutes; a new link once for each refusal; for the API, the quota's log and transfers a second, doubled up to
 * half a minute: eight times, and five times for transfers. A server that says when to ask again is asked then, and not
 * sooner; what servers ask for holds up to an hour, and where they are in trouble an hour for all waits of a call. A host
 * out of reach is tried after a second, doubled up to a minute: for five seconds, or as long as a batch has patience. The body of an API answer may take ten minutes, and a result
 * comes at 1,000 bytes a second at least. A sign-in is tried three times within seconds, its renewal
 * for some nine minutes. A machine action is looked at every 15 seconds for three days, as long as the vendor waits for a
 * machine, and looked for during two minutes; of many that are watched, 25 every three seconds, and those whose machine has
 * not been there for two minutes once a minute. New ones are looked for once a minute, and their results that failed
 * fetched again after a minute, doubled up to an hour, for a day. A session that got lost is begun three times at most.
 *
 * @since 0.1.0
 * @category policies
 */
export const defaults: Policies = {
  quota: Schedule.forever.pipe(
    Schedule.setInputType<QuotaFull>(),
    Schedule.modifyDelay(({ input }) => Effect.succeed(input.retryAfter)),
  ),
  quotaStore: backOff("1 second", "30 seconds", 8),
  throttled: Schedule.min([Schedule.exponential("5 seconds"), Schedule.spaced("5 minutes")]).pipe(
    Schedule.setInputType<DefenderError>(),
    Schedule.modifyDelay(({ duration, input }) => Effect.succeed(askedFor(input) ?? duration)),
    Schedule.upTo({ times: 20 }),
  ),
  busy: Schedule.min([Schedule.exponential("1 second"), Schedule.spaced("30 seconds")]).pipe(
    Schedule.jittered,
    Schedule.setInputType<DefenderError | TransferError>(),
    Schedule.modifyDelay(({ duration, elapsed, input }) => {
      const left = Duration.subtract(longestAsked, Duration.millis(elapsed))
      return Effect.succeed(Duration.min(Duration.max(duration, askedFor(input) ?? Duration.zero), left))
    }),
    Schedule.while(({ elapsed }) => Effect.succeed(elapsed < Duration.toMillis(longestAsked))),
    Schedule.upTo({ times: 20 }),
  ),
  outage: Schedule.min([Schedule.exponential("1 second"), Schedule.spaced("1 minute")]),
  giveUpAfter: "5 seconds",
  api: backOff("1 second", "30 seconds", 8),
  link: Schedule.recurs(1),
  transfer: backOff("1 second", "30 seconds", 5),
  signIn: backOff("500 millis", "2 seconds", 2),
  renewal: backOff("1 second", "30 seconds", 20),
  poll: Schedule.spaced("15 seconds").pipe(Schedule.jittered, Schedule.upTo({ duration: "3 days" })),
  watch: Schedule.forever.pipe(
    Schedule.setInputType<MachineAction>(),
    Schedule.modifyDelay(({ elapsed, input }) =>
      Effect.succeed(
        input.status === "Pending" && elapsed >= Duration.toMillis(absentAfter) ? Duration.minutes(1) : Duration.zero,
      ),
    ),
    Schedule.upTo({ duration: "4 days" }),
  ),
  rounds: Schedule.spaced("3 seconds"),
  ...followEvery("1 minute"),
  ...visibleWithin(defaultVisibleWithin),
  start: Schedule.recurs(2),
  headTimeout: "1 minute",
  stallTimeout: "30 seconds",
  minimumRate: { bytesPerSecond: 1000, over: "1 minute" },
  bodyTimeout: "10 minutes",
}

/**
 * The policies in force. They have defaults, so a program that is content needs to provide nothing.
 *
 * @example
 * ```ts
 * import * as Timing from "@live-response/core/Timing"
 * import * as Schedule from "effect/Schedule"
 *
 * // Never gives up on a transfer that breaks, and asks every ten seconds.
 * export const patient = Timing.layer({ transfer: Schedule.spaced("10 seconds") })
 * ```
 *
 * @since 0.1.0
 * @category references
 */
export const Timing = Context.Reference<Policies>("@live-response/core/Timing", {
  defaultValue: () => defaults,
})

/**
 * Replaces some of the policies.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (policies: Partial<Policies>): Layer.Layer<never> =>
  Layer.effect(
    Timing,
    Effect.map(Timing, (current) => ({ ...current, ...policies })),
  )
