/** Ways to stay within the limits: that of this library, and those of programs without it. */
import * as Quota from "@live-response/core/Quota"
import * as QuotaStore from "@live-response/core/QuotaStore"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as RateLimiter from "effect/persistence/RateLimiter"
import type * as Scope from "effect/Scope"
import { windows } from "./server.ts"

/** How a strategy runs a call, and what it does after a throttled call. */
export interface Limiter {
  readonly withPermit: <A>(call: Effect.Effect<A>) => Effect.Effect<A>
  readonly throttled: (wait: Duration.Duration) => Effect.Effect<void>
}

export interface Strategy {
  readonly name: string
  /** How many callers at once. Each makes its next call when the last one was served. */
  readonly workers: number | "unbounded"
  readonly make: Effect.Effect<Limiter, never, Scope.Scope>
}

/** This library, with all callers at once. */
export const own: Strategy = {
  name: "this library",
  workers: "unbounded",
  make: Effect.map(Quota.make({ name: "bench", windows: Quota.linkWindows() }), (quota): Limiter => ({
    withPermit: (call) => Effect.catchTag(quota.withPermit(call), "QuotaStoreError", Effect.die),
    throttled: (wait) => Effect.orDie(quota.throttled(wait)),
  })).pipe(Effect.provide(QuotaStore.layerMemory), Effect.orDie),
}

/** A throttled call waits as long as the server says. Other calls do not wait with it. */
const naive = (name: string, make: Effect.Effect<Limiter["withPermit"]>): Strategy => ({
  name,
  workers: 100,
  make: Effect.map(make, (withPermit) => ({ withPermit, throttled: Effect.sleep })),
})

/** A strategy that knows at once when a call may start: `reserve` returns that instant and counts the call. */
const reserving = (name: string, makeReserve: () => (now: number) => number) =>
  naive(
    name,
    Effect.sync(() => {
      const reserve = makeReserve()
      return (call) =>
        Effect.flatMap(Clock.currentTimeMillis, (now) => Effect.delay(call, Duration.millis(reserve(now) - now)))
    }),
  )

const spacing = Math.max(...windows.map(({ limit, millis }) => millis / limit))

const makeEvenly = () => {
  let next = -Infinity
  return (now: number) => {
    const at = Math.max(now, next)
    next = at + spacing
    return at
  }
}

const makeLog = () => {
  const sent: Array<number> = []
  return (now: number) => {
    const at = Math.max(now, ...windows.map(({ limit, millis }) => (sent.at(-limit) ?? -Infinity) + millis))
    sent.push(at)
    return at
  }
}

/** A token bucket, described by the time at which it will be full again. */
const makeBucket = (limit: number, millis: number) => {
  const interval = millis / limit
  let full = -Infinity
  return (now: number) => {
    const at = Math.max(now, full - millis + interval)
    full = Math.max(full, at) + interval
    return at
  }
}

const makeBuckets = () => {
  const buckets = windows.map(({ limit, millis }) => makeBucket(limit, millis))
  return (now: number) => buckets.reduce((at, reserve) => reserve(at), now)
}

/** Effect's own limiters, nested: a call that the minute allows waits for the hour. */
const effects = (algorithm: "fixed-window" | "token-bucket") =>
  naive(
    `Effect's RateLimiter, ${algorithm}`,
    Effect.map(RateLimiter.makeWithRateLimiter, (withLimiter): Limiter["withPermit"] => {
      const limits = windows.map(({ limit, millis }) =>
        withLimiter({ algorithm, limit, window: millis, key: String(millis), onExceeded: "delay" }),
      )
      return <A>(call: Effect.Effect<A>) =>
        Effect.orDie(
          limits.reduceRight<Effect.Effect<A, RateLimiter.RateLimiterError>>((inner, limited) => limited(inner), call),
        )
    }).pipe(Effect.provide(RateLimiter.layer.pipe(Layer.provide(RateLimiter.layerStoreMemory)))),
  )

export const strategies: ReadonlyArray<Strategy> = [
  own,
  naive(
    "call until 429, then wait",
    Effect.succeed((call) => call),
  ),
  reserving(`evenly spaced, ${60_000 / spacing} a minute`, makeEvenly),
  reserving("sliding log, stamped when sent", makeLog),
  reserving("two token buckets", makeBuckets),
  effects("fixed-window"),
  effects("token-bucket"),
]
