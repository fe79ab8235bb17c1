import { assert, layer as shared } from "@effect/vitest"
import * as Database from "@live-response/cluster/Database"
import * as PgQuotaStore from "@live-response/cluster/PgQuotaStore"
import * as Postgres from "@live-response/cluster/testing/PostgresServer"
import * as Quota from "@live-response/core/Quota"
import * as Timing from "@live-response/core/Timing"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as References from "effect/References"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import { call, openLog, suite, toWindows, usedIn, waitOf } from "../../node/test/support/QuotaStoreSuite.ts"
import { runner, sharedServer, startServer } from "./support/server.ts"

startServer()

const minute = toWindows([3, 60_000])

suite("PgQuotaStore.layer", PgQuotaStore.layer.pipe(Layer.provide(sharedServer)), "real")

const store = PgQuotaStore.layer.pipe(Layer.provideMerge(runner))

shared(Layer.orDie(Postgres.layer), { excludeTestServices: true })("PgQuotaStore.layer", (it) => {
  it.effect("shares a log with programs on other machines", () =>
    Effect.gen(function* () {
      const open = Effect.flatMap(Layer.build(Layer.fresh(store)), (store) =>
        openLog(minute, { name: "shared" }).pipe(Effect.provide(store)),
      )
      const [one, other] = [yield* open, yield* open]
      yield* call(one)
      yield* call(other)
      const permit = yield* one.acquire
      assert.isAtMost(yield* waitOf(other), 60_000)
      yield* permit.release
      yield* call(other)
      assert.deepStrictEqual(yield* usedIn(one, minute), [3])
    }),
  )

  it.effect("grants exactly the limit to many programs that ask at once", () =>
    Effect.gen(function* () {
      const windows = toWindows([20, 60_000])
      const log = yield* openLog(windows)
      const taken = yield* Effect.forEach(Array.from({ length: 60 }), () => Effect.result(log.acquire), {
        concurrency: "unbounded",
      })
      assert.strictEqual(taken.filter(({ _tag }) => _tag === "Success").length, 20)
    }).pipe(Effect.provide(store)),
  )

  it.effect("counts the call of a program that is gone as answered at the end of its lease", () =>
    Effect.gen(function* () {
      const log = yield* openLog(minute, { lease: Duration.millis(30) })
      yield* log.acquire
      yield* Effect.sleep("60 millis")
      const { inFlight, now, stamps } = yield* log.calls
      assert.strictEqual(inFlight, 0)
      assert.isAtLeast(now - (stamps[0] ?? now), 20)
    }).pipe(Effect.provide(store)),
  )

  it.effect("writes answers together, and has them when the program ends", () =>
    Effect.gen(function* () {
      const { query } = yield* Database.Database
      const scope = yield* Scope.make()
      const one = yield* Layer.buildWithScope(Layer.fresh(store), scope)
      const answered = query(
        (sql) => sql`select id from live_response.quota_calls where log like 'batch %' and at is not null`,
      )
      const logs = yield* Effect.forEach(["batch 1", "batch 2", "batch 3"], (name) =>
        openLog(minute, { name }).pipe(Effect.provide(one)),
      )
      for (const log of logs) yield* call(log)
      assert.lengthOf(yield* answered, 0)
      // The next operation on a log counts its answers exactly, and takes those of the other logs along.
      assert.deepStrictEqual(yield* usedIn(logs[0] ?? (yield* Effect.die("no log")), minute), [1])
      assert.lengthOf(yield* answered, 3)
      for (const log of logs) yield* call(log)
      yield* Scope.close(scope, Exit.void)
      assert.lengthOf(yield* answered, 6)
    }).pipe(Effect.provide(store)),
  )

  it.effect("removes what no window counts", () =>
    Effect.gen(function* () {
      const { query } = yield* Database.Database
      const log = yield* openLog(minute, { name: "kept" })
      yield* call(log)
      // Its answer is in the table from the next operation on.
      yield* log.status
      yield* query((sql) => sql`update live_response.quota_calls set at = at - interval '25 hours' where log = 'kept'`)
      yield* call(log)
      const rows = yield* query((sql) => sql`select id from live_response.quota_calls where log = 'kept'`)
      assert.strictEqual(rows.length, 1)
    }).pipe(Effect.provide(store)),
  )

  for (const [what, away, back] of [
    ["is down", "stop", "start"],
    ["hangs", "freeze", "thaw"],
  ] as const) {
    it.effect(`waits while the database ${what}, with one warning, and resumes`, () => {
      const warnings: Array<string> = []
      const annotations: Array<unknown> = []
      const warned = Deferred.makeUnsafe<void>()
      const logger = Logger.make(({ fiber, logLevel, message }) => {
        annotations.push(fiber.getRef(References.CurrentLogAnnotations))
        if (logLevel !== "Warn") return
        warnings.push(String(message))
        Deferred.doneUnsafe(warned, Effect.void)
      })
      return Effect.gen(function* () {
        const server = yield* Postgres.PostgresServer
        const quota = yield* Quota.make({ name: what, windows: minute })
        yield* quota.withPermit(Effect.void)
        // The permit of a call that was not sent is given back while the database is away.
        yield* quota.withPermit(server[away], { isSent: () => false })
        const fiber = yield* Effect.forkChild(quota.withPermit(Effect.succeed("called")))
        const opening = yield* Effect.forkChild(Quota.make({ name: `${what}, another`, windows: minute }))
        assert.match(
          (yield* Effect.flip(quota.status)).message,
          /^the quota's log in PostgreSQL at 127\.0\.0\.1:\d+\/live does not answer/,
        )
        assert.isUndefined(fiber.pollUnsafe())
        assert.isUndefined(opening.pollUnsafe())
        yield* Deferred.await(warned)
        yield* server[back]
        assert.strictEqual(yield* Fiber.join(fiber), "called")
        yield* (yield* Fiber.join(opening)).status
        const { query } = yield* Database.Database
        // The status writes the answer of the last call.
        yield* Effect.andThen(
          quota.status,
          query((sql) => sql`select id from live_response.quota_calls where log = ${what} and at is null`),
        ).pipe(Effect.delay("20 millis"), Effect.repeat({ until: ({ length }) => length === 0 }))
        assert.lengthOf(warnings, 1)
        assert.match(warnings.join(), /^PostgreSQL at .*; what needs it waits$/)
        assert.deepStrictEqual(annotations, [{}, {}])
      }).pipe(
        Effect.scoped,
        Effect.annotateLogs({ tenant: "the first that finds out" }),
        // The store as well: what writes the answers of calls may be the first that finds out.
        Effect.provide(
          Layer.mergeAll(store, Timing.layer({ quotaStore: Schedule.spaced("100 millis") })).pipe(
            Layer.provideMerge(Logger.layer([logger])),
          ),
        ),
      )
    })
  }
})
