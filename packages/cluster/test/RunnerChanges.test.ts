import { assert, describe, it } from "@effect/vitest"
import { PostgresServer } from "@live-response/cluster/testing/PostgresServer"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Reactivity from "effect/reactivity/Reactivity"
import * as Schedule from "effect/Schedule"
import * as TestClock from "effect/testing/TestClock"
import * as Connection from "../src/internal/connection.ts"
import * as RunnerChanges from "../src/internal/runnerChanges.ts"
import { sharedServer, startServer } from "./support/server.ts"

startServer()

const connect = Effect.flatMap(PostgresServer, ({ runner }) => Connection.connect({ url: runner }))

const services = Layer.merge(sharedServer, Reactivity.layer)

/** The runners that listen now, as PostgreSQL knows them. */
const listening = Effect.map(
  Effect.flatMap(
    connect,
    ({ client }) => client`select pid from pg_stat_activity where query ilike 'listen%' and state = 'idle'`,
  ),
  (rows) => rows.map(({ pid }) => Number(pid)),
).pipe(Effect.scoped)

/** The clock of these tests stands still, so this is all that they wait for. */
const until = <A, E, R>(effect: Effect.Effect<A, E, R>, holds: (value: A) => boolean) =>
  TestClock.withLive(Effect.repeat(effect, { until: holds, schedule: Schedule.spaced("20 millis") }))

/** A call of `next` for which a change is known. */
const knownChange = Effect.fnUntraced(function* ({ next }: RunnerChanges.RunnerChanges) {
  const fiber = yield* Effect.forkChild(next)
  yield* TestClock.adjust("100 millis")
  yield* Fiber.join(fiber)
})

describe("RunnerChanges.make", () => {
  it.effect("hears another runner at once, and looks again after a second without that", () =>
    Effect.gen(function* () {
      const [one, other] = yield* Effect.all([connect, connect])
      const changes = yield* RunnerChanges.make(one)
      const teller = yield* RunnerChanges.make(other)
      yield* until(listening, ({ length }) => length === 2)
      // What it may have missed before it listened.
      yield* knownChange(changes)
      const next = yield* Effect.forkChild(changes.next)
      yield* TestClock.adjust("100 millis")
      assert.isUndefined(next.pollUnsafe())
      yield* teller.notify
      yield* Fiber.join(next)

      const later = yield* Effect.forkChild(changes.next)
      yield* TestClock.adjust("999 millis")
      assert.isUndefined(later.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      yield* Fiber.join(later)
    }).pipe(Effect.scoped, Effect.provide(services)),
  )

  it.effect("listens again after its connection is lost, and takes that for a change", () =>
    Effect.gen(function* () {
      const changes = yield* RunnerChanges.make(yield* connect)
      const [pid] = yield* until(listening, ({ length }) => length === 1)
      yield* knownChange(changes)
      const next = yield* Effect.forkChild(changes.next)
      const { superuser } = yield* PostgresServer
      const admin = yield* Connection.connect({ url: superuser })
      yield* admin.client`select pg_terminate_backend(${pid}::int)`
      yield* until(listening, ({ length }) => length === 0)
      assert.isUndefined(next.pollUnsafe())
      // Not a second of this is left to `next`.
      yield* Fiber.interrupt(next)
      yield* TestClock.adjust("5 seconds")
      yield* until(listening, ({ length }) => length === 1)
      yield* knownChange(changes)
    }).pipe(Effect.scoped, Effect.provide(services)),
  )

  it.effect("listens on a new connection when its own is as old as a connection may be", () =>
    Effect.gen(function* () {
      yield* RunnerChanges.make(yield* connect)
      const [former] = yield* until(listening, ({ length }) => length === 1)
      yield* TestClock.adjust("10 minutes")
      yield* until(listening, ({ length }) => length === 0)
      yield* TestClock.adjust("5 seconds")
      const [pid] = yield* until(listening, ({ length }) => length === 1)
      assert.notStrictEqual(pid, former)
    }).pipe(Effect.scoped, Effect.provide(services)),
  )

  it.effect("looks ten times a second at most, however often it is notified", () =>
    Effect.gen(function* () {
      const changes = yield* RunnerChanges.make(yield* connect)
      for (let look = 0; look < 3; look++) {
        yield* changes.notify
        const next = yield* Effect.forkChild(changes.next)
        yield* TestClock.adjust("99 millis")
        assert.isUndefined(next.pollUnsafe())
        yield* TestClock.adjust("1 millis")
        yield* Fiber.join(next)
      }
    }).pipe(Effect.scoped, Effect.provide(services)),
  )
})
