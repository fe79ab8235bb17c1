/**
 * The gate before a host. While no connection can be opened to it, one call at a time tries and all others wait, so that an
 * outage costs as few attempts with a thousand calls as with one.
 */
import * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Pull from "effect/Pull"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import { Offline } from "../BatchEvent.ts"
import type { ResultError } from "../ResultError.ts"
import { report } from "../Reporter.ts"
import * as Timing from "../Timing.ts"
import { type Cause, isLasting } from "./connectionFailure.ts"
import { monotonicMillis } from "./monotonic.ts"
import { Patience } from "./outagePatience.ts"

type Step = Effect.Success<ReturnType<typeof Schedule.toStep<unknown, ResultError, never, never>>>

/** The gate while it is closed: the host can't be reached. */
interface ClosedGate<E> {
  error: E
  /** How far the schedule has come, whichever call tries. */
  step: Step | undefined
  isProbed: boolean
  /** Done when the host can be reached again, or the call that tried has left. */
  changed: Deferred.Deferred<void>
}

/** What a call does next. */
type Role<E> =
  | { readonly does: "call" }
  | { readonly does: "probe"; readonly closed: ClosedGate<E> }
  | { readonly does: "wait"; readonly closed: ClosedGate<E>; readonly changed: Deferred.Deferred<void> }

/** What is known of a host. Every decision is taken here, in one step. */
export class HostState<E> {
  hasAnswered = false
  closed: ClosedGate<E> | undefined
  waiting = 0

  /** The first call at a closed gate tries the host, the others wait. */
  claim(): Role<E> {
    const { closed } = this
    if (closed === undefined) return { does: "call" }
    // `changed` is captured here, because it may be replaced before the wait starts.
    if (closed.isProbed) return { does: "wait", closed, changed: closed.changed }
    closed.isProbed = true
    return { does: "probe", closed }
  }

  /** The call that tried has left: another one tries. */
  release(role: Role<E>): void {
    if (role.does !== "probe") return
    const { changed } = role.closed
    role.closed.isProbed = false
    role.closed.changed = Deferred.makeUnsafe()
    Deferred.doneUnsafe(changed, Effect.void)
  }

  /** The host answered: every call may be sent. */
  answered(): void {
    const { closed } = this
    this.hasAnswered = true
    this.closed = undefined
    if (closed !== undefined) Deferred.doneUnsafe(closed.changed, Effect.void)
  }

  /** Takes a failure in. Returns whether it closes the gate, so that the call waits. */
  failed(error: E, said: "answered" | Cause | undefined): boolean {
    if (said === "answered") this.answered()
    if (said === undefined || said === "answered" || !this.isCurable(said)) return false
    this.closed ??= { error, step: undefined, isProbed: false, changed: Deferred.makeUnsafe() }
    this.closed.error = error
    return true
  }

  enter(): void {
    this.waiting++
  }

  /** Once no call waits, nobody knows whether the host can be reached: the next call finds out. */
  leave(): void {
    this.waiting--
    if (this.waiting === 0) this.closed = undefined
  }

  /** Whether waiting may cure it. A name that never resolved is a mistake; one that did is a lost network. */
  isCurable(cause: Cause): boolean {
    return !isLasting(cause) && (cause !== "name" || this.hasAnswered)
  }
}

export interface Options<E> {
  readonly isMine: (error: unknown) => error is E
  /** What an error says of the host: that it answered, why there is no connection, or nothing. */
  readonly says: (error: E, state: { readonly hasAnswered: boolean }) => "answered" | Cause | undefined
  /** Which host can't be reached, and why, in a few words. */
  readonly summary: (error: E) => string
}

/** A call that runs `check` right before it is sent. The check fails where the gate was closed in the meantime. */
type Call<A, E, E2, R> = (check: Effect.Effect<void, E>) => Effect.Effect<A, E | E2, R>

export interface Gate<E> {
  /**
   * Runs a call. Where no connection can be opened it waits and runs the call again, for as long as its fiber has patience,
   * and then fails with `gaveUp`.
   */
  readonly through: <A, E2, R>(
    call: Call<A, E, E2, R>,
    gaveUp: (last: E, waited: Duration.Duration) => E,
  ) => Effect.Effect<A, E | E2, R>
}

/** The gate of one host, with what it knows of it. */
interface Host<E> extends Options<E> {
  readonly state: HostState<E>
  readonly timing: Effect.Effect<Timing.Settings>
}

/** The patience of a call that waits. */
interface Waiting<E> {
  readonly schedule: Timing.Settings["outage"]
  /** In milliseconds. */
  readonly timeLeft: Effect.Effect<number>
  readonly giveUp: (closed: ClosedGate<E>) => Effect.Effect<never, E>
}

/** Creates the gate of one host. */
export const make = Effect.fnUntraced(function* <E extends ResultError>(
  options: Options<E>,
): Effect.fn.Return<Gate<E>> {
  const state = new HostState<E>()
  const host: Host<E> = { ...options, state, timing: yield* Timing.perCall }
  return {
    through: (call, gaveUp) => {
      const wait = Effect.acquireUseRelease(
        Effect.sync(() => state.enter()),
        () => waitAndCall(host, call, gaveUp),
        () => Effect.sync(() => state.leave()),
      )
      return Effect.suspend(() => {
        if (state.closed !== undefined) return wait
        return Effect.flatMap(attempt(host, call(checkOf(host))), (first) =>
          Result.isSuccess(first) ? Effect.succeed(first.success) : wait,
        )
      })
    },
  }
})

const checkOf = <E>({ state }: Host<E>): Effect.Effect<void, E> =>
  Effect.suspend(() => (state.closed === undefined ? Effect.void : Effect.fail(state.closed.error)))

/** One attempt: its answer, or why there is no connection. What no wait cures is the failure of the call. */
const attempt = <A, E, E2, R>(
  { isMine, says, state }: Host<E>,
  call: Effect.Effect<A, E | E2, R>,
): Effect.Effect<Result.Result<A, E>, E | E2, R> =>
  Effect.matchEffect(call, {
    onSuccess: (answer) =>
      Effect.sync(() => {
        state.answered()
        return Result.succeed(answer)
      }),
    onFailure: (error) =>
      isMine(error) && state.failed(error, says(error, state))
        ? Effect.succeed(Result.fail(error))
        : Effect.fail(error),
  })

const waitAndCall = Effect.fnUntraced(function* <A, E extends ResultError, E2, R>(
  host: Host<E>,
  call: Call<A, E, E2, R>,
  gaveUp: (last: E, waited: Duration.Duration) => E,
): Effect.fn.Return<A, E | E2, R> {
  const settings = yield* host.timing
  const patience = Duration.toMillis((yield* Patience) ?? Duration.fromInputUnsafe(settings.giveUpAfter))
  const since = yield* monotonicMillis
  const waiting: Waiting<E> = {
    schedule: settings.outage,
    timeLeft: Effect.map(monotonicMillis, (now) => Math.max(0, since + patience - now)),
    giveUp: ({ error }) =>
      Effect.flatMap(monotonicMillis, (now) => Effect.fail(gaveUp(error, Duration.millis(now - since)))),
  }
  const play = (role: Role<E>): Effect.Effect<Result.Result<A, E>, E | E2, R> => {
    switch (role.does) {
      case "call":
        return attempt(host, call(checkOf(host)))
      case "probe":
        return probe(host, waiting, role.closed, call(Effect.void))
      case "wait":
        return waitForChange(waiting, role.closed, role.changed)
    }
  }
  for (;;) {
    const result = yield* Effect.acquireUseRelease(
      Effect.sync(() => host.state.claim()),
      play,
      (role) => Effect.sync(() => host.state.release(role)),
    )
    if (Result.isSuccess(result)) return result.success
  }
})

/** Tries the host until it can be reached. */
const probe = Effect.fnUntraced(function* <A, E extends ResultError, E2, R>(
  host: Host<E>,
  waiting: Waiting<E>,
  closed: ClosedGate<E>,
  call: Effect.Effect<A, E | E2, R>,
): Effect.fn.Return<Result.Result<A, E>, E | E2, R> {
  for (;;) {
    const left = yield* waiting.timeLeft
    const delay = left === 0 ? Option.none() : yield* nextDelay(host, waiting, closed, left)
    if (Option.isNone(delay)) return yield* waiting.giveUp(closed)
    yield* Effect.raceFirst(Effect.sleep(delay.value), Deferred.await(closed.changed))
    const result = yield* attempt(host, call)
    // A new outage, after the host could be reached in between, is any call's to try.
    if (Result.isSuccess(result) || host.state.closed !== closed) return result
  }
})

/** The time until the next attempt, which is reported. None where the schedule has stopped. */
const nextDelay = Effect.fnUntraced(function* <E extends ResultError>(
  { summary }: Host<E>,
  { schedule }: Waiting<E>,
  closed: ClosedGate<E>,
  left: number,
) {
  closed.step ??= yield* Schedule.toStep(schedule)
  const planned = yield* Pull.matchEffect(closed.step(yield* monotonicMillis, closed.error), {
    onSuccess: ([, delay]) => Effect.succeedSome(delay),
    onFailure: Effect.die,
    onDone: () => Effect.succeedNone,
  })
  const delay = Option.map(planned, (delay) => Duration.min(delay, Duration.millis(left)))
  if (Option.isSome(delay)) {
    const at = yield* DateTime.now
    const { error } = closed
    const until = DateTime.addDuration(at, delay.value)
    const limit = Number.isFinite(left) ? { givesUpAt: DateTime.add(at, { milliseconds: left }) } : {}
    yield* report(Offline.make({ at, until, ...limit, message: summary(error), error }))
  }
  return delay
})

/** Waits for the call that tries the host. */
const waitForChange = <E>(
  { giveUp, timeLeft }: Waiting<E>,
  closed: ClosedGate<E>,
  changed: Deferred.Deferred<void>,
): Effect.Effect<Result.Result<never, E>, E> =>
  Effect.flatMap(timeLeft, (left) =>
    Deferred.await(changed).pipe(
      Effect.timeoutOrElse({ duration: Duration.millis(left), orElse: () => giveUp(closed) }),
      Effect.map(() => Result.fail(closed.error)),
    ),
  )
