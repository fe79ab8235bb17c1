/** Time limits without a fiber for each of them: a result has five, and almost none is ever reached. */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { monotonicMillisUnsafe } from "./monotonic.ts"

interface Limit {
  /** In milliseconds of the monotonic clock. */
  readonly at: number
  readonly expire: () => void
}

/** The limits of one clock. One fiber sleeps until the first of them, while there are any. */
class Limits {
  private readonly clock: Clock.Clock
  private readonly pending = new Set<Limit>()
  private sleeper: Fiber.Fiber<void> | undefined
  private wakesAt = Infinity

  constructor(clock: Clock.Clock) {
    this.clock = clock
  }

  /** Calls `expire` after so many milliseconds, unless what it returns is called before. */
  add(millis: number, expire: () => void): () => void {
    const limit: Limit = { at: monotonicMillisUnsafe(this.clock) + millis, expire }
    this.pending.add(limit)
    if (limit.at < this.wakesAt) this.sleepUntil(limit.at)
    return () => {
      if (this.pending.delete(limit) && this.pending.size === 0) queueMicrotask(() => this.stopIfUnused())
    }
  }

  /** A sleeping fiber would keep the process alive. What ends often starts something that has a limit again. */
  private stopIfUnused(): void {
    if (this.pending.size === 0) this.sleepUntil(Infinity)
  }

  private sleepUntil(at: number): void {
    const { clock, sleeper } = this
    this.wakesAt = at
    this.sleeper = undefined
    sleeper?.interruptUnsafe()
    if (at === Infinity) return
    // At least one, as in a timer of Node: a limit of zero that adds itself again would leave no time for anything else.
    const millis = Math.max(1, Math.ceil(at - monotonicMillisUnsafe(clock)))
    const wake = Effect.map(clock.sleep(Duration.millis(millis)), () => this.wake())
    this.sleeper = Effect.runForkWith(Context.make(Clock.Clock, clock))(wake)
  }

  /** The sleep for the next limit starts before one expires. What the expired ones add is not in this round. */
  private wake(): void {
    this.sleeper = undefined
    this.wakesAt = Infinity
    const now = monotonicMillisUnsafe(this.clock)
    const expired: Array<Limit> = []
    let next = Infinity
    for (const limit of this.pending) {
      if (limit.at > now) next = Math.min(next, limit.at)
      else expired.push(limit)
    }
    if (next < this.wakesAt) this.sleepUntil(next)
    for (const limit of expired) if (this.pending.delete(limit)) expire(limit)
  }
}

/** What it throws is an uncaught exception, as it is in a timer, and stops no other limit. */
const expire = ({ expire }: Limit): void => {
  try {
    expire()
  } catch (error) {
    queueMicrotask(() => {
      throw error
    })
  }
}

const limitsOf = new WeakMap<Clock.Clock, Limits>()

/** Calls `expire` after a time, unless what it returns is called before. */
export const after = (clock: Clock.Clock, duration: Duration.Input, expire: () => void): (() => void) => {
  const millis = Duration.toMillis(Duration.fromInputUnsafe(duration))
  if (!Number.isFinite(millis)) return () => {}
  const limits = limitsOf.get(clock) ?? new Limits(clock)
  limitsOf.set(clock, limits)
  return limits.add(millis, expire)
}

/** The milliseconds that are left of a limit. */
type Left = () => number

/**
 * Interrupts an effect, and then fails, once nothing is left of its limit. The limit may move: what is left is asked for again
 * when it should be used up. What ends at once has no timer.
 */
export const limitedBy =
  <E2>({ left, orElse }: { readonly left: (clock: Clock.Clock) => Left; readonly orElse: () => E2 }) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | E2, R> =>
    Effect.flatMap(Effect.context<R>(), (context) =>
      Effect.callback<A, E | E2>((resume) => {
        const clock = Context.get(context, Clock.Clock)
        const millis = left(clock)
        const fiber = Effect.runForkWith(context)(effect)
        const exit = fiber.pollUnsafe()
        if (exit !== undefined) return resume(exit)
        const interrupt = Fiber.interrupt(fiber)
        const look = () => {
          const now = millis()
          if (now > 0) cancel = after(clock, now, look)
          else resume(Effect.flatMap(interrupt, () => Effect.fail(orElse())))
        }
        let cancel = after(clock, Math.max(0, millis()), look)
        fiber.addObserver((exit) => {
          cancel()
          resume(exit)
        })
        return Effect.suspend(() => {
          cancel()
          return interrupt
        })
      }),
    )

/** As `Effect.timeoutOrElse`, which races two fibers where this has one. */
export const limited = <E2>({ duration, orElse }: { readonly duration: Duration.Input; readonly orElse: () => E2 }) =>
  limitedBy({
    left: (clock) => {
      const at = monotonicMillisUnsafe(clock) + Duration.toMillis(Duration.fromInputUnsafe(duration))
      return () => at - monotonicMillisUnsafe(clock)
    },
    orElse,
  })
