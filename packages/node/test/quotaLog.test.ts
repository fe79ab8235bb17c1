/** The quota's log in SQLite: what a call costs, what two programs see of each other, and files of version 1. */
import { spawn } from "node:child_process"
import { join } from "node:path"
import { DatabaseSync, StatementSync } from "node:sqlite"
import { fileURLToPath } from "node:url"
import { assert, describe, it, vi } from "@effect/vitest"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as QuotaRule from "@live-response/core/QuotaRule"
import type * as QuotaStore from "@live-response/core/QuotaStore"
import * as NodeQuotaStore from "@live-response/node/NodeQuotaStore"
import * as Arbitrary from "effect/Arbitrary"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { TestClock } from "effect/testing"
import { call, openLog, toWindows } from "./support/QuotaStoreSuite.ts"
import { tempDirectory, warningsOf } from "./support/samples.ts"

const day = Duration.toMillis("1 day")
const windows = toWindows([100, 60_000], [1500, 3_600_000])
const name = "a service, a tenant and an app"

/** Opens the log as another program does: with a connection of its own. */
const openAs = (directory: string, options?: Partial<QuotaStore.LogOptions>, limits = windows) =>
  Effect.flatMap(Layer.build(NodeQuotaStore.layer({ directory }).pipe(Layer.provide(NodeServices.layer))), (store) =>
    openLog(limits, { name, ...options }).pipe(Effect.provide(store)),
  )

const inDatabase = <A>(directory: string, body: (database: DatabaseSync) => A): A => {
  const database = new DatabaseSync(join(directory, "quota.sqlite"))
  try {
    return body(database)
  } finally {
    database.close()
  }
}

const rows = (directory: string) =>
  inDatabase(directory, (database) => Number(database.prepare("SELECT count(*) AS n FROM calls").get()?.n))

/** The answers of a day at full load, one each 2.4 seconds, until now. */
const fillDay = (directory: string, now: number) =>
  inDatabase(directory, (database) =>
    database
      .prepare(
        "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 35999) INSERT INTO calls SELECT NULL, ?, ? - i * 2400, 0, NULL FROM n",
      )
      .run(name, now),
  )

const textOf = (statement: unknown): string =>
  statement instanceof StatementSync ? statement.sourceSQL : "not a statement"

/** The statements that run meanwhile. */
const statementsOf = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.acquireUseRelease(
    Effect.sync(() => ({
      exec: vi.spyOn(DatabaseSync.prototype, "exec"),
      steps: (["run", "get", "all"] as const).map((method) => vi.spyOn(StatementSync.prototype, method)),
    })),
    ({ exec, steps }) =>
      Effect.map(effect, () => [
        ...exec.mock.calls.map(([sql]) => sql),
        ...steps.flatMap(({ mock }) => mock.contexts.map(textOf)),
      ]),
    ({ exec, steps }) =>
      Effect.sync(() => {
        for (const spy of [exec, ...steps]) spy.mockRestore()
      }),
  )

/** Lets days at full load pass, each with the answers of another program. */
const passDays = Effect.fnUntraced(function* (directory: string, log: QuotaStore.CallLog, days: number) {
  for (let i = 0; i < days; i++) {
    yield* TestClock.adjust(day)
    fillDay(directory, yield* Clock.currentTimeMillis)
    yield* TestClock.adjust(2400)
    yield* call(log)
  }
})

describe("the cost of a call", () => {
  it.effect("is the same at full load, fresh, after a day and after 30 days, while one program lives", () =>
    Effect.gen(function* () {
      const directory = yield* tempDirectory
      const log = yield* openAs(directory)
      const fresh = yield* statementsOf(call(log))
      assert.deepStrictEqual(fresh.slice(0, 4), ["BEGIN IMMEDIATE", "COMMIT", "BEGIN IMMEDIATE", "COMMIT"])
      // A window with free permits: one insert, one update, and nothing is counted.
      assert.strictEqual((yield* statementsOf(call(log))).length, 7)
      const full: Array<ReadonlyArray<string>> = []
      for (const days of [1, 29]) {
        yield* passDays(directory, log, days)
        yield* TestClock.adjust(2400)
        full.push(yield* statementsOf(call(log)))
        assert.isAtMost(rows(directory), 36_000 + 1500)
      }
      assert.deepStrictEqual(full[0], full[1])
      assert.isAtMost(full[0]?.length ?? Infinity, 12)
    }).pipe(Effect.scoped),
  )

  it.effect("is that of a day of calls, because older ones are removed while the program lives", () =>
    Effect.gen(function* () {
      const directory = yield* tempDirectory
      const log = yield* openAs(directory, {}, toWindows([1, 60_000]))
      for (let i = 0; i < 10; i++) {
        yield* TestClock.adjust("6 hours")
        yield* call(log)
      }
      assert.isAtMost(rows(directory), 5)
    }).pipe(Effect.scoped),
  )

  it.effect("reads no row that an index does not find", () =>
    Effect.gen(function* () {
      const directory = yield* tempDirectory
      const one = yield* openAs(directory)
      const other = yield* openAs(directory)
      const all = Effect.gen(function* () {
        yield* (yield* one.acquire).release
        yield* call(other)
        yield* one.status
        yield* other.throttled(Duration.zero)
        yield* one.calls
        yield* Effect.exit(one.acquire)
      })
      const statements = new Set(yield* statementsOf(all))
      for (const sql of ["BEGIN IMMEDIATE", "COMMIT", "PRAGMA data_version"]) assert.isTrue(statements.delete(sql))
      assert.isAtLeast(statements.size, 12)
      inDatabase(directory, (database) => {
        for (const sql of statements) {
          const plan = database.prepare(`EXPLAIN QUERY PLAN ${sql}`).all()
          for (const { detail } of plan) assert.notMatch(String(detail), /SCAN (calls|blocks)|TEMP B-TREE/, sql)
        }
      })
    }).pipe(Effect.scoped),
  )
})

describe("two programs with one log", () => {
  interface Call {
    at: number
    readonly lease: number
    isInFlight: boolean
  }

  /** The log as a list: every operation reads all of it. */
  class Model {
    readonly calls = new Set<Call>()
    readonly block = { at: 0, wait: 0 }

    look(now: number): QuotaRule.Calls {
      for (const call of this.calls) {
        call.at = Math.min(call.at, now)
        if (!call.isInFlight || call.at + call.lease > now) continue
        call.isInFlight = false
        call.at += call.lease
      }
      this.block.at = Math.min(this.block.at, now)
      const all = [...this.calls]
      return {
        now,
        inFlight: all.filter(({ isInFlight }) => isInFlight).length,
        stamps: all.flatMap(({ at, isInFlight }) => (isInFlight ? [] : [at])).toSorted((a, b) => a - b),
        blockedUntil: this.block.at + this.block.wait,
      }
    }
  }

  const small = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 4 }))
  const millis = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 300 }))
  const limits = Arbitrary.array(Arbitrary.schema(Schema.Struct({ limit: small, millis })), {
    minLength: 1,
    maxLength: 2,
  })
  const step = Schema.Literals([
    ...(["acquire", "acquire", "acquire", "acquire", "answer", "answer", "release", "pass", "pass"] as const),
    ...(["throttled", "set back", "restart", "status"] as const),
  ])
  const steps = Arbitrary.array(Arbitrary.schema(Schema.Struct({ step, millis, isOther: Schema.Boolean })), {
    maxLength: 40,
  })

  it.effect.prop(
    "grants, waits and counts as a list of all calls does, in any order of operations",
    // A lease that expires is one case, and a clock that is set back another: what was answered first is not promised.
    [limits, limits, steps, Schema.Boolean, Schema.Boolean],
    ([limitsOfOne, limitsOfOther, schedule, hasShortLease, isAlone]) =>
      Effect.gen(function* () {
        const directory = yield* tempDirectory
        yield* TestClock.setTime(1_000_000)
        const lease = hasShortLease ? 200 : 7_200_000
        const open = (limits: ReadonlyArray<QuotaRule.Window>) =>
          openAs(directory, { lease: Duration.millis(lease) }, limits)
        const programs = yield* Effect.forEach([limitsOfOne, limitsOfOther], (limits) => {
          const windows = toWindows(...limits.map(({ limit, millis }) => [limit, millis] as const))
          return Effect.map(open(windows), (log) => ({ windows, log, permits: new Array<[QuotaStore.Permit, Call]>() }))
        })
        const model = new Model()
        for (const { isOther, millis, step } of schedule) {
          const program = programs[isOther && !isAlone ? 1 : 0]
          if (program === undefined) continue
          const { permits, windows } = program
          const now = yield* Clock.currentTimeMillis
          if (step === "pass") yield* TestClock.adjust(millis)
          else if (step === "set back") yield* hasShortLease ? Effect.void : TestClock.setTime(now - millis)
          else if (step === "restart") program.log = yield* open(windows)
          else if (step === "answer" || step === "release") {
            const [permit, call] = permits.shift() ?? []
            if (permit === undefined || call === undefined) continue
            yield* permit[step === "answer" ? "answered" : "release"]
            call.isInFlight = false
            call.at = now
            if (step === "release") model.calls.delete(call)
          } else if (step === "throttled") {
            yield* program.log.throttled(Duration.millis(millis))
            const known = model.look(now)
            if (now + millis > known.blockedUntil) Object.assign(model.block, { at: now, wait: millis })
            for (const at of QuotaRule.inferredCalls(windows, known, millis)) {
              model.calls.add({ at, lease: 0, isInFlight: false })
            }
          } else if (step === "status") {
            assert.deepStrictEqual(yield* program.log.status, QuotaRule.status(windows, model.look(now)))
          } else {
            const wait = QuotaRule.delay(windows, model.look(now))
            const taken = yield* Effect.exit(program.log.acquire)
            assert.strictEqual(Exit.isSuccess(taken), wait <= 0, `a wait of ${wait}`)
            if (Exit.isSuccess(taken)) {
              const call: Call = { at: now, lease, isInFlight: true }
              model.calls.add(call)
              permits.push([taken.value, call])
            } else {
              const error = yield* Effect.flip(taken)
              assert.deepInclude(error, { _tag: "QuotaFull", retryAfter: Duration.millis(Math.ceil(wait)) })
            }
          }
        }
        for (const { log, windows } of programs) {
          const known = model.look(yield* Clock.currentTimeMillis)
          const span = QuotaRule.longest(windows)
          assert.deepStrictEqual(yield* log.calls, {
            ...known,
            stamps: known.stamps.filter((at) => at > known.now - span),
          })
        }
      }).pipe(Effect.scoped),
    { arbitrary: { runs: 250 } },
  )

  it.effect("counts a call that is answered after it was answered by its lease and had left its window", () =>
    Effect.gen(function* () {
      const windows = toWindows([2, 1000])
      const log = yield* openAs(yield* tempDirectory, { lease: Duration.millis(500) }, windows)
      const used = Effect.map(log.status, ({ windows: [window] }) => window?.used)
      const permit = yield* log.acquire
      yield* TestClock.adjust(1000)
      assert.strictEqual(yield* used, 1)
      yield* TestClock.adjust(1000)
      assert.strictEqual(yield* used, 0)
      yield* permit.answered
      assert.strictEqual(yield* used, 1)
      yield* TestClock.adjust(1000)
      assert.strictEqual(yield* used, 0)
    }).pipe(Effect.scoped),
  )

  it.live("counts the calls of a program that was killed while it wrote, and nothing of what it wrote half", () =>
    Effect.gen(function* () {
      const directory = yield* tempDirectory
      const program = fileURLToPath(new URL("support/crashInTransaction.ts", import.meta.url))
      const signal = yield* Effect.callback<string | null>((resume) => {
        const child = spawn(process.execPath, [program, directory], { stdio: "inherit" })
        child.once("exit", (_, signal) => resume(Effect.succeed(signal)))
      })
      assert.strictEqual(signal, "SIGKILL")
      const log = yield* openLog(toWindows([10, 60_000]), { name: "stored" }).pipe(
        Effect.provide(yield* Layer.build(NodeQuotaStore.layer({ directory }).pipe(Layer.provide(NodeServices.layer)))),
      )
      const { inFlight, stamps } = yield* log.calls
      assert.deepStrictEqual([inFlight, stamps.length], [0, 2])
    }).pipe(Effect.scoped),
  )
})

describe("a file of version 1", () => {
  const version1 = [
    "CREATE TABLE calls (id INTEGER PRIMARY KEY, log TEXT NOT NULL, at REAL NOT NULL, lease REAL NOT NULL, holder TEXT) STRICT",
    "CREATE INDEX calls_by_log ON calls (log, at)",
    "CREATE TABLE blocks (log TEXT PRIMARY KEY, at REAL NOT NULL, wait REAL NOT NULL) STRICT",
    "PRAGMA user_version = 1",
    "PRAGMA journal_mode = WAL",
  ]

  it.effect("is upgraded with its calls, and a program of version 1 that has it open continues with it", () =>
    Effect.gen(function* () {
      const directory = yield* tempDirectory
      // Creates the file for its owner alone.
      yield* Effect.scoped(openAs(directory))
      const old = new DatabaseSync(join(directory, "quota.sqlite"))
      yield* Effect.addFinalizer(() => Effect.sync(() => old.close()))
      old.exec(["DROP TABLE calls", "DROP TABLE blocks", ...version1].join(";"))
      const insert = old.prepare("INSERT INTO calls (log, at, lease, holder) VALUES (?, ?, ?, ?)")
      insert.run(name, yield* Clock.currentTimeMillis, 0, null)

      const warnings = yield* warningsOf(
        Effect.gen(function* () {
          const log = yield* openAs(directory)
          yield* call(log)
          insert.run(name, yield* Clock.currentTimeMillis, 0, null)
          const { windows: used } = yield* log.status
          assert.deepStrictEqual(
            used.map(({ used }) => used),
            [3, 3],
          )
        }),
      )
      assert.deepStrictEqual(warnings, [])
      const names = old.prepare("SELECT name FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL").all()
      assert.deepStrictEqual(names.map(({ name }) => name).toSorted(), ["calls_answered", "calls_in_flight"])
      assert.strictEqual(old.prepare("PRAGMA user_version").get()?.user_version, 2)
    }).pipe(Effect.scoped),
  )
})
