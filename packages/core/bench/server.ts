/** The server of the benchmarks, and the way to it. */
import * as Quota from "@live-response/core/Quota"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"

/** The vendor's windows, in milliseconds, the shortest first. */
export const windows = Quota.linkWindows().map(({ duration, limit }) => ({
  limit,
  millis: Duration.toMillis(duration),
}))

/**
 * Counts as the simulator does: a call counts from the instant at which it arrives, also one that is refused; a refusal
 * tells the whole seconds until its window has room. Keeps every arrival, for who counts them afterwards.
 */
export const makeServer = () => {
  const arrivals: Array<number> = []
  /** For each window, where in `arrivals` it begins now. */
  const begins = windows.map(() => 0)
  let refused = 0
  return {
    arrivals,
    refused: () => refused,
    /** Milliseconds to wait, 0 where the call is within the limits. */
    receive: (now: number): number => {
      arrivals.push(now)
      for (const [i, { millis }] of windows.entries()) {
        let begin = begins[i] ?? 0
        while ((arrivals[begin] ?? now) <= now - millis) begin++
        begins[i] = begin
      }
      for (const [i, { limit, millis }] of windows.entries()) {
        if (arrivals.length - (begins[i] ?? 0) <= limit) continue
        refused++
        return Math.ceil(((arrivals[arrivals.length - limit - 1] ?? now) + millis - now) / 1000) * 1000
      }
      return 0
    },
  }
}

/** The most of these instants, in ascending order, that any rolling window of this length holds. */
export const mostIn = (instants: ReadonlyArray<number>, millis: number): number => {
  let most = 0
  let begin = 0
  for (const [i, at] of instants.entries()) {
    while ((instants[begin] ?? at) <= at - millis) begin++
    most = Math.max(most, i + 1 - begin)
  }
  return most
}

/** How long one call is on its way, there and back. */
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

/** In whole milliseconds, as clocks are; the split between the two ways is random as well. */
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

/** One call over the wire. Tells when it started, and how long the server wants it to wait. */
export const makeCall = (server: ReturnType<typeof makeServer>, latency: Latency) =>
  Effect.gen(function* () {
    const started = yield* Clock.currentTimeMillis
    const [there, back] = yield* latency.draw
    yield* Effect.sleep(there)
    const wait = server.receive(yield* Clock.currentTimeMillis)
    yield* Effect.sleep(back)
    return { started, wait }
  })

/** Seconds before which the last of so many calls can't start, with each window so much longer. */
export const bound = (calls: number, longerBy = 0): number => {
  let left = calls - 1
  let millis = 0
  for (const { limit, millis: window } of windows.toReversed()) {
    millis += Math.floor(left / limit) * (window + longerBy)
    left %= limit
  }
  return millis / 1000
}
