import { spawn } from "node:child_process"
import { mkdirSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs"
import { createServer, type Socket } from "node:net"
import { hostname } from "node:os"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { assert, describe, it, layer as shared, vi } from "@effect/vitest"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Quota from "@live-response/core/Quota"
import * as QuotaStore from "@live-response/core/QuotaStore"
import * as Timing from "@live-response/core/Timing"
import * as NodeQuotaStore from "@live-response/node/NodeQuotaStore"
import * as Redis from "@live-response/node/testing/RedisServer"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import { TestClock } from "effect/testing"
import { call, openLog, suite, toWindows, usedIn, waitOf } from "./support/QuotaStoreSuite.ts"
import { tempDirectory, warningsOf } from "./support/samples.ts"

const onThisMachine = (directory: string) => NodeQuotaStore.layer({ directory }).pipe(Layer.provide(NodeServices.layer))

const fresh = Layer.unwrap(Effect.map(tempDirectory, onThisMachine))

suite("QuotaStore.layerMemory", QuotaStore.layerMemory, "virtual")
suite("NodeQuotaStore.layer", fresh, "virtual")

const minute = toWindows([3, 60_000])
const named = (lease = Duration.minutes(2)) => openLog(minute, { name: "kept", lease })

/** As a newer version of this program would leave the file. */
const asNewer = (path: string) => {
  const database = new DatabaseSync(path)
  database.exec("PRAGMA user_version = 99")
  database.close()
}

describe("NodeQuotaStore.layer", () => {
  it.effect("knows in the next run what this one used, and until when the server wants no calls", () =>
    Effect.gen(function* () {
      const store = onThisMachine(yield* tempDirectory)
      yield* Effect.flatMap(named(), call).pipe(Effect.provide(store))
      yield* TestClock.adjust(30_000)
      yield* Effect.gen(function* () {
        const log = yield* named()
        assert.deepStrictEqual(yield* usedIn(log, minute), [1])
        yield* log.refused(Duration.minutes(10))
      }).pipe(Effect.provide(store))
      yield* Effect.gen(function* () {
        const log = yield* named()
        assert.deepStrictEqual(yield* usedIn(log, minute), [3])
        assert.strictEqual(yield* waitOf(log), 600_000)
      }).pipe(Effect.provide(store))
    }),
  )

  it.effect("shares a log with other programs", () =>
    Effect.gen(function* () {
      const directory = yield* tempDirectory
      const one = yield* named().pipe(Effect.provide(yield* Layer.build(onThisMachine(directory))))
      const other = yield* named().pipe(Effect.provide(yield* Layer.build(onThisMachine(directory))))
      yield* call(one)
      yield* call(other)
      const place = yield* one.take
      assert.strictEqual(yield* waitOf(other), 60_000)
      yield* place.giveBack
      yield* call(other)
      assert.deepStrictEqual(yield* usedIn(one, minute), [3])
    }),
  )

  /** A place whose program ended with this code, or lives, and how that looks in the file. */
  const holding = Effect.fnUntraced(function* (directory: string, holder: string) {
    yield* Effect.scoped(Layer.build(onThisMachine(directory)))
    const database = new DatabaseSync(join(directory, "quota.sqlite"))
    database
      .prepare("INSERT INTO calls (log, at, lease, holder) VALUES (?, ?, ?, ?)")
      .run(
        "kept",
        yield* TestClock.testClockWith((clock) => Effect.sync(() => clock.currentTimeMillisUnsafe())),
        120_000,
        holder,
      )
    database.close()
  })

  const endedProcess = Effect.callback<number>((resume) => {
    const child = spawn("true")
    child.once("exit", () => resume(Effect.succeed(child.pid ?? 0)))
  })

  it.effect("counts the call of a program that crashed as answered when it finds out", () =>
    Effect.gen(function* () {
      const directory = yield* tempDirectory
      yield* holding(directory, `${yield* endedProcess}@${hostname()}`)
      yield* TestClock.adjust(10_000)
      yield* Effect.gen(function* () {
        const log = yield* named()
        assert.strictEqual((yield* log.calls).inFlight, 0)
        yield* TestClock.adjust(59_999)
        assert.deepStrictEqual(yield* usedIn(log, minute), [1])
        yield* TestClock.adjust(1)
        assert.deepStrictEqual(yield* usedIn(log, minute), [0])
      }).pipe(Effect.provide(onThisMachine(directory)))
    }),
  )

  it.effect.each([
    { who: "a program that lives", holder: `1@${hostname()}` },
    { who: "a program of another machine", holder: `999999999@another-machine` },
  ])("leaves the place of $who alone until its lease is over, and counts it as answered then", ({ holder }) =>
    Effect.gen(function* () {
      const directory = yield* tempDirectory
      yield* holding(directory, holder)
      yield* Effect.gen(function* () {
        const log = yield* named()
        yield* TestClock.adjust(119_999)
        assert.strictEqual((yield* log.calls).inFlight, 1)
        yield* TestClock.adjust(50_000)
        const { inFlight, now, stamps } = yield* log.calls
        assert.strictEqual(inFlight, 0)
        assert.deepStrictEqual(
          stamps.map((at) => now - at),
          [49_999],
        )
      }).pipe(Effect.provide(onThisMachine(directory)))
    }),
  )

  it.effect("counts a call whose answer comes after its lease from then on, and once", () =>
    Effect.gen(function* () {
      const log = yield* named(Duration.seconds(1))
      const place = yield* log.take
      yield* TestClock.adjust(30_000)
      assert.deepStrictEqual(yield* usedIn(log, minute), [1])
      yield* place.answered
      yield* TestClock.adjust(59_999)
      assert.deepStrictEqual(yield* usedIn(log, minute), [1])
    }).pipe(Effect.provide(fresh)),
  )

  it.effect("holds calls back for a window at most when the clock is set back", () =>
    Effect.gen(function* () {
      const log = yield* named()
      yield* TestClock.setTime(10_000_000)
      yield* call(log)
      yield* log.take
      yield* log.refused(Duration.seconds(5))
      yield* TestClock.setTime(1_000_000)
      assert.strictEqual(yield* waitOf(log), 60_000)
      yield* TestClock.adjust(60_000)
      assert.strictEqual(yield* Effect.map(log.calls, ({ stamps }) => stamps.filter((at) => at > 1_000_000).length), 0)
      yield* call(log)
    }).pipe(Effect.provide(fresh)),
  )

  it.effect("forgets what no window counts any more", () =>
    Effect.gen(function* () {
      const directory = yield* tempDirectory
      yield* Effect.gen(function* () {
        yield* call(yield* openLog(minute))
        yield* TestClock.adjust("2 days")
        yield* call(yield* openLog(minute))
      }).pipe(Effect.provide(onThisMachine(directory)))
      const database = new DatabaseSync(join(directory, "quota.sqlite"))
      assert.deepStrictEqual({ ...database.prepare("SELECT count(*) AS rows FROM calls").get() }, { rows: 1 })
      database.close()
    }),
  )

  it.effect("is for its owner alone", () =>
    Effect.gen(function* () {
      const directory = join(yield* tempDirectory, "a", "b")
      const modes = yield* Effect.gen(function* () {
        yield* call(yield* named())
        return readdirSync(directory).map((name) => statSync(join(directory, name)).mode & 0o777)
      }).pipe(Effect.provide(onThisMachine(directory)))
      assert.deepStrictEqual(new Set(modes), new Set([0o600]))
      assert.strictEqual(statSync(directory).mode & 0o777, 0o700)
    }),
  )

  const write = (bytes: Uint8Array | string) => (path: string) => writeFileSync(path, bytes)
  it.effect.each([
    { what: "text", breaks: write("this is no database. ".repeat(100)) },
    { what: "half of a file", breaks: (path: string) => truncateSync(path, 5000) },
    { what: "a file with a hole", breaks: (path: string) => write(readFileSync(path).fill(0, 4096, 8192))(path) },
  ])("sets a broken file aside, with a warning, and goes on: $what", ({ breaks }) =>
    Effect.gen(function* () {
      const directory = yield* tempDirectory
      const path = join(directory, "quota.sqlite")
      yield* Effect.flatMap(named(), call).pipe(Effect.provide(onThisMachine(directory)))
      breaks(path)
      const broken = readFileSync(path)
      const warnings = yield* warningsOf(
        Effect.gen(function* () {
          const log = yield* named()
          yield* call(log)
          assert.deepStrictEqual(yield* usedIn(log, minute), [1])
        }).pipe(Effect.provide(onThisMachine(directory))),
      )
      const aside = readdirSync(directory).filter((name) => name.startsWith("quota.sqlite.broken-"))
      assert.strictEqual(aside.length, 1)
      assert.isTrue(readFileSync(join(directory, aside[0] ?? "")).equals(broken))
      assert.strictEqual(warnings.length, 1)
      assert.include(warnings[0], `the quota's log was broken`)
      assert.include(warnings[0], aside[0] ?? "?")
    }),
  )

  const inDatabase = (sql: string) => (path: string) => {
    const database = new DatabaseSync(path)
    database.exec(sql)
    database.close()
  }

  it.effect.each([
    { what: "a call without end", sql: "INSERT INTO calls VALUES (7, 'kept', 1, 1e300, '1@elsewhere')" },
    { what: "an id that no number has", sql: "INSERT INTO calls VALUES (9223372036854775807, 'kept', 1, 0, NULL)" },
    { what: "a call in the year 300,000", sql: "INSERT INTO calls VALUES (7, 'kept', 1e16, 0, NULL)" },
    { what: "a call at no time", sql: "INSERT INTO calls VALUES (7, 'kept', -9e999, 0, NULL)" },
    { what: "a block of centuries", sql: "INSERT INTO blocks VALUES ('kept', 1, 1e15)" },
    { what: "a block without end", sql: "INSERT INTO blocks VALUES ('kept', 1, 9e999)" },
    {
      what: "a crowd of calls in flight",
      sql: "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 20000) INSERT INTO calls SELECT NULL, 'kept', 1, 1000, '1@elsewhere' FROM n",
    },
    {
      what: "a constraint",
      sql: "DROP TABLE blocks; CREATE TABLE blocks (log TEXT PRIMARY KEY, at REAL NOT NULL, wait REAL NOT NULL CHECK (wait < 7)) STRICT",
    },
    { what: "an index of an expression", sql: "CREATE INDEX i ON calls (instr(log, 'x'))" },
    { what: "another table", sql: "CREATE TABLE other (x)" },
  ])("sets a prepared file aside, with a warning, and goes on: $what", ({ sql }) =>
    Effect.gen(function* () {
      const directory = yield* tempDirectory
      yield* Effect.flatMap(named(), call).pipe(Effect.provide(onThisMachine(directory)))
      inDatabase(sql)(join(directory, "quota.sqlite"))
      const warnings = yield* warningsOf(
        Effect.gen(function* () {
          const log = yield* named()
          yield* call(log)
          assert.deepStrictEqual(yield* usedIn(log, minute), [1])
        }).pipe(Effect.provide(onThisMachine(directory))),
      )
      assert.strictEqual(readdirSync(directory).filter((name) => name.includes("broken")).length, 1)
      assert.strictEqual(warnings.length, 1)
      assert.include(warnings[0], "the quota's log was broken (it has ")
    }),
  )

  it.effect("writes no lease that it would not read", () =>
    Effect.gen(function* () {
      const directory = yield* tempDirectory
      const opened = openLog(minute, { name: "kept", lease: Duration.infinity })
      yield* Effect.scoped(Effect.flatMap(opened, ({ take }) => take)).pipe(Effect.provide(onThisMachine(directory)))
      const log = named().pipe(Effect.flatMap(({ calls }) => calls))
      assert.deepStrictEqual(yield* warningsOf(Effect.provide(log, onThisMachine(directory))), [])
    }),
  )

  it.effect("refuses a file of a newer version by name, and leaves it as it is", () =>
    Effect.gen(function* () {
      const directory = yield* tempDirectory
      const path = join(directory, "quota.sqlite")
      yield* Effect.flatMap(named(), call).pipe(Effect.provide(onThisMachine(directory)))
      asNewer(path)
      const before = readFileSync(path)
      const error = yield* Effect.flip(named().pipe(Effect.provide(onThisMachine(directory))))
      assert.strictEqual(
        error.message,
        `the quota's log in ${path} was written by a newer version of live-response (schema 99, this one knows 1); upgrade this program, or choose another state directory with XDG_STATE_HOME`,
      )
      assert.deepStrictEqual(
        readdirSync(directory).filter((name) => name.includes("broken")),
        [],
      )
      assert.isTrue(readFileSync(path).equals(before))
    }),
  )

  it.live.each([5, 6, 261, 262, 517, 773])(
    "waits while SQLite answers with code %i, whatever it is asked for",
    (errcode) =>
      Effect.gen(function* () {
        const directory = yield* tempDirectory
        const busy = Object.assign(new Error("database is locked"), { code: "ERR_SQLITE_ERROR", errcode })
        const { exec } = DatabaseSync.prototype
        const refused = new Set<string>(["ROLLBACK"])
        const spy = vi.spyOn(DatabaseSync.prototype, "exec").mockImplementation(function (this: DatabaseSync, sql) {
          // Each statement is refused the first time.
          if (!refused.has(sql)) {
            refused.add(sql)
            throw busy
          }
          return exec.call(this, sql)
        })
        yield* Effect.addFinalizer(() => Effect.sync(() => spy.mockRestore()))
        const warnings = yield* warningsOf(
          Effect.gen(function* () {
            const quota = yield* Quota.make({ name: "kept", windows: minute })
            for (const sql of ["BEGIN IMMEDIATE", "COMMIT"]) refused.delete(sql)
            assert.strictEqual(yield* quota.withPlace(Effect.succeed("called")), "called")
            refused.delete("COMMIT")
            assert.strictEqual((yield* QuotaStore.untilItAnswers(quota.status)).waiting, 0)
          }).pipe(Effect.scoped, Effect.provide(onThisMachine(directory))),
        )
        assert.isAtLeast(warnings.length, 7)
        for (const warning of warnings) assert.include(warning, "does not answer (database is locked)")
      }).pipe(Effect.scoped, Effect.provide(Timing.layer({ quotaStore: Schedule.spaced("1 millis") }))),
  )

  it.live("sets a broken file aside once, where several programs find it at the same time", () =>
    Effect.gen(function* () {
      const directory = yield* tempDirectory
      writeFileSync(join(directory, "quota.sqlite"), "this is no database. ".repeat(100))
      const warnings = yield* warningsOf(
        Effect.forEach(
          [1, 2, 3],
          () => Effect.flatMap(named(), call).pipe(Effect.provide(onThisMachine(directory), { local: true })),
          { concurrency: "unbounded" },
        ),
      )
      assert.strictEqual(warnings.length, 1, warnings.join("\n"))
      assert.strictEqual(readdirSync(directory).filter((name) => name.includes("broken")).length, 1)
      const used = Effect.flatMap(named(), (log) => usedIn(log, minute)).pipe(Effect.provide(onThisMachine(directory)))
      assert.deepStrictEqual(yield* used, [3])
    }),
  )

  it.live("waits for another program that is writing", () =>
    Effect.gen(function* () {
      const directory = yield* tempDirectory
      yield* Effect.gen(function* () {
        const quota = yield* Quota.make({ name: "kept", windows: minute })
        const other = new DatabaseSync(join(directory, "quota.sqlite"))
        other.exec("BEGIN IMMEDIATE")
        const fiber = yield* Effect.forkChild(quota.withPlace(Effect.succeed("called")))
        yield* Effect.sleep("600 millis")
        assert.isUndefined(fiber.pollUnsafe())
        other.exec("COMMIT")
        other.close()
        assert.strictEqual(yield* Fiber.join(fiber), "called")
      }).pipe(Effect.scoped, Effect.provide(onThisMachine(directory)))
    }).pipe(Effect.provide(Timing.layer({ quotaStore: Schedule.spaced("50 millis") }))),
  )
})

describe("NodeQuotaStore.layerConfig", () => {
  const under = (env: Record<string, string>) =>
    NodeQuotaStore.layerConfig.pipe(Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown(env))))

  it.effect("keeps the log in the user's directory for state", () =>
    Effect.gen(function* () {
      const home = yield* tempDirectory
      yield* Effect.flatMap(named(), call).pipe(Effect.provide(under({ XDG_STATE_HOME: join(home, "state") })))
      assert.include(readdirSync(join(home, "state", "live-response")), "quota.sqlite")
      yield* Effect.flatMap(named(), call).pipe(Effect.provide(under({ HOME: home })))
      assert.include(readdirSync(join(home, ".local/state/live-response")), "quota.sqlite")
    }),
  )

  it.effect("goes on in memory where nothing can be kept, with a warning", () =>
    Effect.gen(function* () {
      const home = yield* tempDirectory
      writeFileSync(join(home, "file"), "")
      mkdirSync(join(home, "taken", "live-response", "quota.sqlite"), { recursive: true })
      for (const env of [
        { XDG_STATE_HOME: join(home, "file") },
        { XDG_STATE_HOME: "/proc/nowhere" },
        { XDG_STATE_HOME: join(home, "taken") },
        {},
      ]) {
        const warnings = yield* warningsOf(Effect.flatMap(named(), call).pipe(Effect.provide(under(env))))
        assert.strictEqual(warnings.length, 1)
        assert.match(warnings[0] ?? "", /this run does not know what others use/)
      }
    }),
  )

  it.effect("does not go on in memory where a newer version keeps the log", () =>
    Effect.gen(function* () {
      const home = yield* tempDirectory
      const env = under({ XDG_STATE_HOME: home })
      yield* Effect.flatMap(named(), call).pipe(Effect.provide(env))
      asNewer(join(home, "live-response", "quota.sqlite"))
      const error = yield* Effect.flip(named().pipe(Effect.provide(env, { local: true })))
      assert.strictEqual(error._tag === "QuotaStoreError" ? error.reason._tag : error._tag, "Newer")
    }),
  )

  it.live.each([
    { url: "http://127.0.0.1", says: /no redis:\/\/ or rediss:\/\/ URL/ },
    { url: "redis://:secret@127.0.0.1:99999", says: /no redis:\/\/ or rediss:\/\/ URL/ },
    { url: "redis://:secret@127.0.0.1:1", says: /ECONNREFUSED/ },
  ])("says at once what is wrong with a Redis at $url", ({ says, url }) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(named().pipe(Effect.provide(under({ LIVE_RESPONSE_REDIS_URL: url }))))
      assert.strictEqual(error._tag, "QuotaStoreError")
      assert.match(error.message, says)
      assert.include(error.message, "LIVE_RESPONSE_REDIS_URL")
      assert.notInclude(error.message, "secret")
    }),
  )
})

/** A server that answers whatever it is sent with this. */
const answering = (answer: (received: string) => string | undefined) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly port: number; readonly close: () => void }>((resume) => {
      const sockets = new Set<Socket>()
      const server = createServer((socket) => {
        sockets.add(socket)
        socket.on("error", () => {})
        socket.on("data", (data) => {
          const text = answer(String(data))
          if (text !== undefined) socket.write(text)
        })
      })
      const close = () => {
        for (const socket of sockets) socket.destroy()
        server.close()
      }
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        resume(Effect.succeed({ port: typeof address === "object" && address !== null ? address.port : 0, close }))
      })
    }),
    ({ close }) => Effect.sync(close),
  )

describe("NodeQuotaStore.layerRedis, where something else answers", () => {
  const password = "pass-word/4711"

  it.live.each([
    { name: "a server that says nothing", answer: () => undefined, says: /\(no answer in time\)/ },
    { name: "a web server", answer: () => "HTTP/1.1 400 Bad Request\r\n\r\n", says: /\(no answer in time\)/ },
    { name: "noise", answer: () => "\u0000\u0001\r\n", says: /\(no answer in time\)/ },
    {
      name: "an error that repeats what was sent",
      answer: (received: string) => `-ERR unknown command ${JSON.stringify(received)}\r\n`,
      says: /ERR unknown command .*<redacted>/,
    },
  ])("fails in time, and shows no password: $name", ({ answer, says }) =>
    Effect.gen(function* () {
      const { port } = yield* answering(answer)
      const url = Redacted.make(`redis://:${encodeURIComponent(password)}@127.0.0.1:${port}`)
      const store = NodeQuotaStore.layerRedis(url, { timeout: "300 millis" })
      const error = yield* Effect.flip(openLog(minute).pipe(Effect.provide(store)))
      assert.strictEqual(error._tag, "QuotaStoreError")
      assert.match(error.message, says)
      assert.match(error.message, /is it up, and is the address right\? \(LIVE_RESPONSE_REDIS_URL\)$/)
      assert.notInclude(error.message, "4711")
    }),
  )
})

const inRedis = Layer.unwrap(Effect.map(Redis.RedisServer, ({ url }) => NodeQuotaStore.layerRedis(Redacted.make(url))))

describe("RedisQuotaStore", () => {
  suite("RedisQuotaStore.layer", inRedis.pipe(Layer.provide(Redis.layer)), "real")
})

shared(Redis.layer, { excludeTestServices: true })("NodeQuotaStore.layerRedis", (it) => {
  it.effect("shares a log with other programs, which may be on other machines", () =>
    Effect.gen(function* () {
      const { url } = yield* Redis.RedisServer
      const open = Effect.flatMap(Layer.build(NodeQuotaStore.layerRedis(Redacted.make(url))), (store) =>
        openLog(minute, { name: "shared" }).pipe(Effect.provide(store)),
      )
      const [one, other] = [yield* open, yield* open]
      yield* call(one)
      yield* call(other)
      const place = yield* one.take
      assert.isAtMost(yield* waitOf(other), 60_000)
      yield* place.giveBack
      yield* call(other)
      assert.deepStrictEqual(yield* usedIn(one, minute), [3])
    }),
  )

  it.effect("counts a place as answered when its lease is over", () =>
    Effect.gen(function* () {
      const windows = toWindows([1, 4000])
      const log = yield* openLog(windows, { lease: Duration.seconds(2) })
      const place = yield* log.take
      assert.strictEqual(yield* waitOf(log), 4000)
      const soon = Schedule.spaced("20 millis")
      const { stamps } = yield* Effect.repeat(log.calls, { until: ({ inFlight }) => inFlight === 0, schedule: soon })
      assert.strictEqual(stamps.length, 1)
      yield* Effect.repeat(usedIn(log, windows), { until: ([used]) => used === 0, schedule: soon })
      yield* place.answered
      assert.deepStrictEqual(yield* usedIn(log, windows), [1])
    }).pipe(Effect.provide(inRedis)),
  )

  it.effect("says what is wrong with a password, and not which it was", () =>
    Effect.gen(function* () {
      const { password, url } = yield* Redis.RedisServer
      const wrong = Redacted.make(url.replace(password, "another-secret"))
      const error = yield* Effect.flip(openLog(minute).pipe(Effect.provide(NodeQuotaStore.layerRedis(wrong))))
      assert.match(error.message, /Redis does not answer \(WRONGPASS/)
      assert.notInclude(error.message, "another-secret")
    }),
  )

  it.effect("waits while Redis is away, says so, and goes on", () =>
    Effect.gen(function* () {
      const redis = yield* Redis.RedisServer
      const policy = Timing.layer({ quotaStore: Schedule.spaced("100 millis") })
      const warnings = yield* warningsOf(
        Effect.gen(function* () {
          const quota = yield* Quota.make({ name: "away", windows: minute })
          yield* quota.withPlace(Effect.void)
          yield* redis.stop
          const fiber = yield* Effect.forkChild(quota.withPlace(Effect.succeed("called")))
          yield* Effect.sleep("500 millis")
          assert.isUndefined(fiber.pollUnsafe())
          assert.strictEqual((yield* Effect.flip(quota.status))._tag, "QuotaStoreError")
          yield* redis.start
          assert.strictEqual(yield* Fiber.join(fiber), "called")
        }).pipe(Effect.scoped, Effect.provide([inRedis, policy])),
      )
      assert.match(warnings[0] ?? "", /^the quota's log in Redis does not answer \(.*\); is it up/)
    }),
  )

  it.effect("gives up in the end, and tells everybody who waits", () =>
    Effect.gen(function* () {
      const redis = yield* Redis.RedisServer
      const policy = Timing.layer({ quotaStore: Schedule.upTo(Schedule.spaced("50 millis"), { times: 3 }) })
      yield* Effect.gen(function* () {
        const quota = yield* Quota.make({ name: "gone", windows: minute })
        yield* redis.stop
        const fibers = yield* Effect.forEach([1, 2, 3], () => Effect.forkChild(quota.withPlace(Effect.void)))
        for (const fiber of fibers) {
          assert.strictEqual((yield* Effect.flip(Fiber.join(fiber)))._tag, "QuotaStoreError")
        }
        yield* redis.start
        yield* Effect.retry(quota.withPlace(Effect.void), Schedule.spaced("100 millis"))
        assert.strictEqual((yield* quota.status).waiting, 0)
      }).pipe(Effect.scoped, Effect.provide([inRedis, policy, Logger.layer([])]))
    }),
  )
})
