/** The server of the quota benchmarks, and the latency of its calls. */
import * as Quota from "@live-response/core/Quota"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"

/** Microsoft's windows for links, in milliseconds, the shortest first. */
export const windows = Quota.linkWindows().map(({ duration, limit }) => ({
  limit,
  millis: Duration.toMillis(duration),
}))

/**
 * Counts like the simulator: a call counts from its arrival, throttled or not. A throttled call gets the wait in whole seconds.
 * `arrivals` has the instant of every call.
 */
export const makeServer = () => {
  const arrivals: Array<number> = []
  /** For each window, the index of its first call in `arrivals`. */
  const firsts = windows.map(() => 0)
  let throttled = 0
  return {
    arrivals,
    throttled: () => throttled,
    /** Counts a call. Returns the milliseconds to wait, 0 if the call is within the limits. */
    receive: (now: number): number => {
      arrivals.push(now)
      for (const [i, { millis }] of windows.entries()) {
        let first = firsts[i] ?? 0
        while ((arrivals[first] ?? now) <= now - millis) first++
        firsts[i] = first
      }
      for (const [i, { limit, millis }] of windows.entries()) {
        if (arrivals.length - (firsts[i] ?? 0) <= limit) continue
        throttled++
        return Math.ceil(((arrivals[arrivals.length - limit - 1] ?? now) + millis - now) / 1000) * 1000
      }
      return 0
    },
  }
}

/** The largest number of these ascending instants in a rolling window of this length. */
export const mostIn = (instants: ReadonlyArray<number>, millis: number): number => {
  let most = 0
  let first = 0
  for (const [i, at] of instants.entries()) {
    while ((instants[first] ?? at) <= at - millis) first++
    most = Math.max(most, i + 1 - first)
  }
  return most
}

/** The latency of a call, to the server and back. */
export interface Latency {
  readonly name: string
  readonly mean: number
  readonly draw: Effect.Effect<readonly [there: number, back: number]>
}

const constant = (millis: number): Latency => ({
  name: `${millis} ms`,
  mean: millis,
  draw: Effect.succeed([millis / 2, millis / 2]),
})

/** In whole milliseconds, split at random between the two ways. */
const jittered = (from: number, to: number): Latency => ({
  name: `${from} to ${to} ms`,
  mean: (from + to) / 2,
  draw: Effect.gen(function* () {
    const total = yield* Random.nextIntBetween(from, to)
    const there = yield* Random.nextIntBetween(0, total)
    return [there, total - there]
  }),
})

export const latencies: ReadonlyArray<Latency> = [constant(20), constant(300), jittered(20, 600)]

/** Makes one call. Returns when it started, and how long the server asks to wait. */
export const makeCall = (server: ReturnType<typeof makeServer>, latency: Latency) =>
  Effect.gen(function* () {
    const startedAt = yield* Clock.currentTimeMillis
    const [there, back] = yield* latency.draw
    yield* Effect.sleep(there)
    const wait = server.receive(yield* Clock.currentTimeMillis)
    yield* Effect.sleep(back)
    return { startedAt, wait }
  })

/** The earliest start of the last of `calls` calls in seconds, with each window longer by `longerBy` milliseconds. */
export const bound = (calls: number, longerBy = 0): number => {
  let left = calls - 1
  let millis = 0
  for (const { limit, millis: window } of windows.toReversed()) {
    millis += Math.floor(left / limit) * (window + longerBy)
    left %= limit
  }
  return millis / 1000
}
