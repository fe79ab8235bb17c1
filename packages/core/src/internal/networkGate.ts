/**
 * The gate before a host. Where no connection can be made, one call at a time tries it again and all others wait, so that
 * an outage costs as few attempts with a thousand calls as with one.
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
import { Timing } from "../Timing.ts"
import { type Cause, isLasting } from "./connection.ts"
import { monotonicMillis } from "./monotonic.ts"
import { Patience } from "./patience.ts"

type Step = Effect.Success<ReturnType<typeof Schedule.toStep<unknown, ResultError, never, never>>>

/** The host is out of reach. */
interface Outage<E> {
  error: E
  /** Where the policy stands: it belongs to the outage, whoever tries. */
  step: Step | undefined
  isProbed: boolean
  /** Done when the host is in reach again, or the call that tried has gone. */
  changed: Deferred.Deferred<void>
}

/** What a call does next. */
type Role<E> =
  | { readonly does: "call" }
  | { readonly does: "probe"; readonly outage: Outage<E> }
  | { readonly does: "wait"; readonly outage: Outage<E>; readonly changed: Deferred.Deferred<void> }

/** What is known of a host. Every decision is made here, at once. */
export class HostState<E> {
  hasAnswered = false
  outage: Outage<E> | undefined
  waiting = 0

  /** The first call that comes to a closed gate tries the host, the others wait. */
  claim(): Role<E> {
    const { outage } = this
    if (outage === undefined) return { does: "call" }
    // What is waited for is fixed here: it may be replaced before the wait begins.
    if (outage.isProbed) return { does: "wait", outage, changed: outage.changed }
    outage.isProbed = true
    return { does: "probe", outage }
  }

  /** The call that tried has gone: another one tries. */
  release(role: Role<E>): void {
    if (role.does !== "probe") return
    const { changed } = role.outage
    role.outage.isProbed = false
    role.outage.changed = Deferred.makeUnsafe()
    Deferred.doneUnsafe(changed, Effect.void)
  }

  /** An answer came: all may call. */
  answered(): void {
    const { outage } = this
    this.hasAnswered = true
    this.outage = undefined
    if (outage !== undefined) Deferred.doneUnsafe(outage.changed, Effect.void)
  }

  /** Learns of a failure. Gives whether it closes the gate: then the call waits. */
  failed(error: E, said: "answered" | Cause | undefined): boolean {
    if (said === "answered") this.answered()
    if (said === undefined || said === "answered" || !this.isCurable(said)) return false
    this.outage ??= { error, step: undefined, isProbed: false, changed: Deferred.makeUnsafe() }
    this.outage.error = error
    return true
  }

  enter(): void {
    this.waiting++
  }

  /** Once nobody waits nobody knows how the host is: the next call finds out. */
  leave(): void {
    this.waiting--
    if (this.waiting === 0) this.outage = undefined
  }

  /** Whether waiting may cure it. A name that was never known is a mistake; one that was is a network that is gone. */
  isCurable(cause: Cause): boolean {
    return !isLasting(cause) && (cause !== "name" || this.hasAnswered)
  }
}

export interface Options<E> {
  readonly isMine: (error: unknown) => error is E
  /** What an error says of the host: that it answered, why there is no connection, or nothing. */
  readonly says: (error: E, state: { readonly hasAnswered: boolean }) => "answered" | Cause | undefined
  /** Who can't be reached, and why, in a few words. */
  readonly summary: (error: E) => string
}

export interface Gate<E> {
  /**
   * Makes a call once the host may be in reach. Where there is no connection it waits and makes the call again, for as long
   * as its fiber has patience, and then fails with `gaveUp`. The call does its `check` right before it is sent: that fails
   * where the gate was closed while the call was held up.
   */
  readonly through: <A, E2, R>(
    call: (check: Effect.Effect<void, E>) => Effect.Effect<A, E | E2, R>,
    gaveUp: (last: E, waited: Duration.Duration) => E,
  ) => Effect.Effect<A, E | E2, R>
}

/** Makes the gate of one host. */
export const make = Effect.fnUntraced(function* <E extends ResultError>(
  options: Options<E>,
): Effect.fn.Return<Gate<E>> {
  const policy = yield* Timing
  const state = new HostState<E>()
  const check = Effect.suspend((): Effect.Effect<void, E> =>
    state.outage === undefined ? Effect.void : Effect.fail(state.outage.error),
  )

  /** One attempt: its answer, or why there is no connection. What waiting does not cure is the call's failure. */
  const attempt = <A, E2, R>(call: Effect.Effect<A, E | E2, R>): Effect.Effect<Result.Result<A, E>, E | E2, R> =>
    Effect.matchEffect(call, {
      onSuccess: (answer) =>
        Effect.sync(() => {
          state.answered()
          return Result.succeed(answer)
        }),
      onFailure: (error) =>
        options.isMine(error) && state.failed(error, options.says(error, state))
          ? Effect.succeed(Result.fail(error))
          : Effect.fail(error),
    })

  /** The time until the next attempt, which is reported. */
  const nextDelay = Effect.fnUntraced(function* (outage: Outage<E>, left: number) {
    outage.step ??= yield* Schedule.toStep(policy.outage)
    const planned = yield* Pull.matchEffect(outage.step(yield* monotonicMillis, outage.error), {
      onSuccess: ([, delay]) => Effect.succeedSome(delay),
      onFailure: Effect.die,
      onDone: () => Effect.succeedNone,
    })
    const delay = Option.map(planned, (delay) => Duration.min(delay, Duration.millis(left)))
    if (Option.isSome(delay)) {
      const at = yield* DateTime.now
      const { error } = outage
      const until = DateTime.addDuration(at, delay.value)
      yield* report(Offline.make({ at, until, message: options.summary(error), error }))
    }
    return delay
  })

  const waitAndCall = Effect.fnUntraced(function* <A, E2, R>(
    call: (check: Effect.Effect<void, E>) => Effect.Effect<A, E | E2, R>,
    gaveUp: (last: E, waited: Duration.Duration) => E,
  ): Effect.fn.Return<A, E | E2, R> {
    const patience = Duration.toMillis((yield* Patience) ?? Duration.fromInputUnsafe(policy.giveUpAfter))
    const since = yield* monotonicMillis
    const timeLeft = Effect.map(monotonicMillis, (now) => Math.max(0, since + patience - now))
    const giveUp = ({ error }: Outage<E>): Effect.Effect<never, E> =>
      Effect.flatMap(monotonicMillis, (now) => Effect.fail(gaveUp(error, Duration.millis(now - since))))

    const probe = Effect.fnUntraced(function* (outage: Outage<E>): Effect.fn.Return<Result.Result<A, E>, E | E2, R> {
      for (;;) {
        const left = yield* timeLeft
        const delay = left === 0 ? Option.none() : yield* nextDelay(outage, left)
        if (Option.isNone(delay)) return yield* giveUp(outage)
        yield* Effect.raceFirst(Effect.sleep(delay.value), Deferred.await(outage.changed))
        const result = yield* attempt(call(Effect.void))
        // Another outage, where the host was in reach meanwhile, is anybody's to try.
        if (Result.isSuccess(result) || state.outage !== outage) return result
      }
    })

    const wait = (outage: Outage<E>, changed: Deferred.Deferred<void>): Effect.Effect<Result.Result<A, E>, E> =>
      Effect.flatMap(timeLeft, (left) =>
        Deferred.await(changed).pipe(
          Effect.timeoutOrElse({ duration: Duration.millis(left), orElse: () => giveUp(outage) }),
          Effect.map(() => Result.fail(outage.error)),
        ),
      )

    const play = (role: Role<E>): Effect.Effect<Result.Result<A, E>, E | E2, R> => {
      switch (role.does) {
        case "call":
          return attempt(call(check))
        case "probe":
          return probe(role.outage)
        case "wait":
          return wait(role.outage, role.changed)
      }
    }

    for (;;) {
      const result = yield* Effect.acquireUseRelease(
        Effect.sync(() => state.claim()),
        play,
        (role) => Effect.sync(() => state.release(role)),
      )
      if (Result.isSuccess(result)) return result.success
    }
  })

  return {
    through: (call, gaveUp) => {
      const wait = Effect.acquireUseRelease(
        Effect.sync(() => state.enter()),
        () => waitAndCall(call, gaveUp),
        () => Effect.sync(() => state.leave()),
      )
      return Effect.suspend(() => {
        if (state.outage !== undefined) return wait
        return Effect.flatMap(attempt(call(check)), (first) =>
          Result.isSuccess(first) ? Effect.succeed(first.success) : wait,
        )
      })
    },
  }
})
