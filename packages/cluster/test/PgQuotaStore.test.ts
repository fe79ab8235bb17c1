import { afterAll, assert, beforeAll, describe, layer as shared } from "@effect/vitest"
import * as Database from "@live-response/cluster/Database"
import * as PgQuotaStore from "@live-response/cluster/PgQuotaStore"
import * as Postgres from "@live-response/cluster/testing/PostgresServer"
import * as Quota from "@live-response/core/Quota"
import type * as QuotaStore from "@live-response/core/QuotaStore"
import * as Timing from "@live-response/core/Timing"
import type * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import { call, openLog, suite, toWindows, usedIn, waitOf } from "../../node/test/support/QuotaStoreSuite.ts"

/** A runner: it signs in with the role that can't change the schema. */
const runner = Layer.unwrap(
  Effect.map(Postgres.PostgresServer, ({ runner }) =>
    PgQuotaStore.layer.pipe(Layer.provideMerge(Database.layer({ url: runner, timeout: "1 second" }))),
  ),
)

const minute = toWindows([3, 60_000])

describe("PgQuotaStore", () => {
  // One server for all tests of the suite, each run of a property included: to start one takes a second.
  const scope = Scope.makeUnsafe()
  let store: Context.Context<QuotaStore.QuotaStore> | undefined
  beforeAll(() =>
    Effect.runPromise(
      Effect.map(Layer.buildWithScope(Layer.provide(runner, Postgres.layer), scope), (built) => {
        store = built
      }),
    ),
  )
  afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))
  suite("PgQuotaStore.layer", Layer.effectContext(Effect.sync(() => store ?? assert.fail("no server"))), "real")
})

shared(Layer.orDie(Postgres.layer), { excludeTestServices: true })("PgQuotaStore.layer", (it) => {
  it.effect("shares a log with programs on other machines", () =>
    Effect.gen(function* () {
      const open = Effect.flatMap(Layer.build(Layer.fresh(runner)), (store) =>
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
    }).pipe(Effect.provide(runner)),
  )

  it.effect("counts the call of a program that is gone as answered at the end of its lease", () =>
    Effect.gen(function* () {
      const log = yield* openLog(minute, { lease: Duration.millis(30) })
      yield* log.acquire
      yield* Effect.sleep("60 millis")
      const { inFlight, now, stamps } = yield* log.calls
      assert.strictEqual(inFlight, 0)
      assert.isAtLeast(now - (stamps[0] ?? now), 20)
    }).pipe(Effect.provide(runner)),
  )

  it.effect("removes what no window counts", () =>
    Effect.gen(function* () {
      const { query } = yield* Database.Database
      const log = yield* openLog(minute, { name: "kept" })
      yield* call(log)
      yield* query((sql) => sql`update live_response.quota_calls set at = at - interval '25 hours' where log = 'kept'`)
      yield* call(log)
      const rows = yield* query((sql) => sql`select id from live_response.quota_calls where log = 'kept'`)
      assert.strictEqual(rows.length, 1)
    }).pipe(Effect.provide(runner)),
  )

  for (const [what, away, back] of [
    ["is down", "stop", "start"],
    ["hangs", "freeze", "thaw"],
  ] as const) {
    it.effect(`waits while the database ${what}, and resumes`, () =>
      Effect.gen(function* () {
        const server = yield* Postgres.PostgresServer
        const quota = yield* Quota.make({ name: what, windows: minute })
        yield* quota.withPermit(Effect.void)
        yield* server[away]
        const fiber = yield* Effect.forkChild(quota.withPermit(Effect.succeed("called")))
        assert.match(
          (yield* Effect.flip(quota.status)).message,
          /^the quota's log in PostgreSQL at 127\.0\.0\.1:\d+\/live does not answer/,
        )
        assert.isUndefined(fiber.pollUnsafe())
        yield* server[back]
        assert.strictEqual(yield* Fiber.join(fiber), "called")
      }).pipe(
        Effect.scoped,
        Effect.provide([runner, Timing.layer({ quotaStore: Schedule.spaced("100 millis") }), Logger.layer([])]),
      ),
    )
  }
})
