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
    const millis = Math.max(0, Math.ceil(at - monotonicMillisUnsafe(clock)))
    const wake = Effect.map(clock.sleep(Duration.millis(millis)), () => this.wake())
    this.sleeper = Effect.runForkWith(Context.make(Clock.Clock, clock))(wake)
  }

  private wake(): void {
    this.sleeper = undefined
    this.wakesAt = Infinity
    const now = monotonicMillisUnsafe(this.clock)
    for (const limit of this.pending) {
      if (limit.at > now) continue
      this.pending.delete(limit)
      limit.expire()
    }
    const next = Math.min(...Array.from(this.pending, ({ at }) => at))
    if (next < this.wakesAt) this.sleepUntil(next)
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

/** As `Effect.timeoutOrElse`, which races two fibers where this has one. What ends at once has no timer. */
export const limited =
  <E2>({ duration, orElse }: { readonly duration: Duration.Input; readonly orElse: () => E2 }) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | E2, R> =>
    Effect.flatMap(Effect.context<R>(), (context) =>
      Effect.callback<A, E | E2>((resume) => {
        const fiber = Effect.runForkWith(context)(effect)
        const exit = fiber.pollUnsafe()
        if (exit !== undefined) return resume(exit)
        const interrupt = Fiber.interrupt(fiber)
        const cancel = after(Context.get(context, Clock.Clock), duration, () =>
          resume(Effect.flatMap(interrupt, () => Effect.fail(orElse()))),
        )
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
