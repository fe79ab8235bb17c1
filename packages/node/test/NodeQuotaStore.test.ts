import { spawn } from "node:child_process"
import { mkdirSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs"
import { createServer, type Socket } from "node:net"
import { hostname, platform } from "node:os"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { assert, describe, it, layer as shared, vi } from "@effect/vitest"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Quota from "@live-response/core/Quota"
import * as QuotaStore from "@live-response/core/QuotaStore"
import * as Timing from "@live-response/core/Timing"
import * as NodeQuotaStore from "@live-response/node/NodeQuotaStore"
import * as Redis from "@live-response/node/testing/RedisServer"
import * as Clock from "effect/Clock"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Deferred from "effect/Deferred"
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
const named = (lease = Duration.minutes(2)) => openLog(minute, { name: "stored", lease })

/** Tries a log again and again, and says when the third attempt has failed. */
const watchedRetries = Effect.map(Deferred.make<void>(), (failed) => ({
  failed: Deferred.await(failed),
  retries: Timing.layer({
    quotaStore: Schedule.spaced("50 millis").pipe(
      Schedule.tap(({ attempt }) => (attempt < 3 ? Effect.void : Deferred.succeed(failed, undefined))),
    ),
  }),
}))

/** Makes the file that of a newer version. */
const asNewer = (path: string) => {
  const database = new DatabaseSync(path)
  database.exec("PRAGMA user_version = 99")
  database.close()
}

describe("NodeQuotaStore.layer", () => {
  it.effect("keeps the limits of a program although the system clock is set forward by an hour", () =>
    Effect.gen(function* () {
      const clock = yield* Clock.Clock
      let ahead = 0
      const system = { ...clock, currentTimeMillisUnsafe: () => clock.currentTimeMillisUnsafe() + ahead }
      const store = yield* Effect.provideService(Layer.build(onThisMachine(yield* tempDirectory)), Clock.Clock, system)
      const { withPermit } = yield* Quota.make({ name: "stored", windows: minute }).pipe(Effect.provide(store))
      let calls = 0
      const one = withPermit(Effect.sync(() => calls++))
      for (let i = 0; i < 3; i++) yield* one
      ahead = 3_600_000
      const fourth = yield* Effect.forkChild(one)
      yield* TestClock.adjust(59_999)
      assert.strictEqual(calls, 3)
      yield* TestClock.adjust(1)
      yield* Fiber.join(fourth)
      assert.strictEqual(calls, 4)
    }).pipe(Effect.scoped),
  )

  it.effect("has the calls and the throttling of the last run", () =>
    Effect.gen(function* () {
      const store = onThisMachine(yield* tempDirectory)
      yield* Effect.flatMap(named(), call).pipe(Effect.provide(store))
      yield* TestClock.adjust(30_000)
      yield* Effect.gen(function* () {
        const log = yield* named()
        assert.deepStrictEqual(yield* usedIn(log, minute), [1])
        yield* log.throttled(Duration.minutes(10))
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
      const permit = yield* one.acquire
      assert.strictEqual(yield* waitOf(other), 60_000)
      yield* permit.release
      yield* call(other)
      assert.deepStrictEqual(yield* usedIn(one, minute), [3])
    }),
  )

  /** A file with a permit of this holder. */
  const holding = Effect.fnUntraced(function* (directory: string, holder: string) {
    yield* Effect.scoped(Layer.build(onThisMachine(directory)))
    const database = new DatabaseSync(join(directory, "quota.sqlite"))
    database
      .prepare("INSERT INTO calls (log, at, lease, holder) VALUES (?, ?, ?, ?)")
      .run(
        "stored",
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

  it.effect.each([
    { who: "a program that is gone", holder: Effect.map(endedProcess, (pid) => `${pid}@${hostname()}`) },
    {
      who: "a program that had the id of this one, as in a container that starts again",
      holder: Effect.succeed(`${process.pid}@${hostname()}@1`),
    },
    ...(platform() === "linux"
      ? [
          {
            who: "a program whose id another one has now",
            holder: Effect.succeed(`${process.ppid}@${hostname()}@1`),
          },
        ]
      : []),
  ])("counts the call of $who as answered once it notices", ({ holder }) =>
    Effect.gen(function* () {
      const directory = yield* tempDirectory
      yield* holding(directory, yield* holder)
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
    { who: "a running program", holder: `1@${hostname()}` },
    { who: "this program in an earlier release", holder: `${process.pid}@${hostname()}` },
    { who: "a program on another machine", holder: `999999999@another-machine` },
  ])("counts the permit of $who as in flight until its lease has expired, and as answered then", ({ holder }) =>
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

  it.effect("counts a call that is answered after its lease once, from the answer on", () =>
    Effect.gen(function* () {
      const log = yield* named(Duration.seconds(1))
      const permit = yield* log.acquire
      yield* TestClock.adjust(30_000)
      assert.deepStrictEqual(yield* usedIn(log, minute), [1])
      yield* permit.answered
      yield* TestClock.adjust(59_999)
      assert.deepStrictEqual(yield* usedIn(log, minute), [1])
    }).pipe(Effect.provide(fresh)),
  )

  it.effect("blocks calls for a window at most after the clock was set back", () =>
    Effect.gen(function* () {
      const log = yield* named()
      yield* TestClock.setTime(10_000_000)
      yield* call(log)
      yield* log.acquire
      yield* log.throttled(Duration.seconds(5))
      yield* TestClock.setTime(1_000_000)
      assert.strictEqual(yield* waitOf(log), 60_000)
      yield* TestClock.adjust(60_000)
      assert.strictEqual(yield* Effect.map(log.calls, ({ stamps }) => stamps.filter((at) => at > 1_000_000).length), 0)
      yield* call(log)
    }).pipe(Effect.provide(fresh)),
  )

  it.effect("removes calls that no window counts", () =>
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

  it.effect("is private to its owner", () =>
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
    { what: "text", breaks: write("this is not a database. ".repeat(100)) },
    { what: "half of a file", breaks: (path: string) => truncateSync(path, 5000) },
    { what: "a file with a hole", breaks: (path: string) => write(readFileSync(path).fill(0, 4096, 8192))(path) },
  ])("renames a broken file with a warning, and creates a new one: $what", ({ breaks }) =>
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
  ])("sets a prepared file aside with a warning, and starts a new one: $what", ({ sql }) =>
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
      yield* Effect.scoped(Effect.flatMap(opened, ({ acquire }) => acquire)).pipe(
        Effect.provide(onThisMachine(directory)),
      )
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
        `the quota's log in ${path} was written by a newer version of live-response (schema 99, this one knows 2); upgrade this program, or choose another state directory with XDG_STATE_HOME`,
      )
      assert.deepStrictEqual(
        readdirSync(directory).filter((name) => name.includes("broken")),
        [],
      )
      assert.isTrue(readFileSync(path).equals(before))
    }),
  )

  it.effect.each([
    { what: "a view", changes: "CREATE VIEW waits AS SELECT log, wait FROM blocks" },
    { what: "a trigger", changes: "CREATE TRIGGER t AFTER INSERT ON calls BEGIN SELECT 1; END" },
    { what: "other tables", changes: "DROP TABLE calls; CREATE TABLE permits (id INTEGER PRIMARY KEY) STRICT" },
    {
      what: "a schema that this SQLite can't read",
      changes: "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = 'CREATE TABLE calls (at TIME) NEWER'",
    },
  ])("does not rename a file of a newer version that has $what", ({ changes }) =>
    Effect.gen(function* () {
      const directory = yield* tempDirectory
      const path = join(directory, "quota.sqlite")
      yield* Effect.flatMap(named(), call).pipe(Effect.provide(onThisMachine(directory)))
      const database = new DatabaseSync(path, { defensive: false })
      database.exec(`PRAGMA user_version = 99; ${changes}`)
      database.close()
      const before = readFileSync(path)
      const error = yield* Effect.flip(named().pipe(Effect.provide(onThisMachine(directory))))
      assert.deepInclude(error, { _tag: "QuotaStoreError", store: path })
      assert.include(error.message, "was written by a newer version of live-response (schema 99, this one knows 2)")
      assert.deepStrictEqual(
        readdirSync(directory).filter((name) => name.includes("broken")),
        [],
      )
      assert.isTrue(readFileSync(path).equals(before))
    }),
  )

  it.live.each([5, 6, 261, 262, 517, 773])("waits while SQLite answers any statement with code %i", (errcode) =>
    Effect.gen(function* () {
      const directory = yield* tempDirectory
      const busy = Object.assign(new Error("database is locked"), { code: "ERR_SQLITE_ERROR", errcode })
      const { exec } = DatabaseSync.prototype
      const refused = new Set<string>(["ROLLBACK"])
      const spy = vi.spyOn(DatabaseSync.prototype, "exec").mockImplementation(function (this: DatabaseSync, sql) {
        // Each statement fails the first time.
        if (!refused.has(sql)) {
          refused.add(sql)
          throw busy
        }
        return exec.call(this, sql)
      })
      yield* Effect.addFinalizer(() => Effect.sync(() => spy.mockRestore()))
      const warnings = yield* warningsOf(
        Effect.gen(function* () {
          const quota = yield* Quota.make({ name: "stored", windows: minute })
          for (const sql of ["BEGIN IMMEDIATE", "COMMIT"]) refused.delete(sql)
          assert.strictEqual(yield* quota.withPermit(Effect.succeed("called")), "called")
          refused.delete("COMMIT")
          assert.strictEqual((yield* QuotaStore.untilItAnswers(quota.status)).waiting, 0)
        }).pipe(Effect.scoped, Effect.provide(onThisMachine(directory))),
      )
      assert.isAtLeast(warnings.length, 7)
      for (const warning of warnings) assert.include(warning, "does not answer (database is locked)")
    }).pipe(Effect.scoped, Effect.provide(Timing.layer({ quotaStore: Schedule.spaced("1 millis") }))),
  )

  it.live("renames a broken file once if several programs find it at the same time", () =>
    Effect.gen(function* () {
      const directory = yield* tempDirectory
      writeFileSync(join(directory, "quota.sqlite"), "this is not a database. ".repeat(100))
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
      const { failed, retries } = yield* watchedRetries
      yield* Effect.gen(function* () {
        const quota = yield* Quota.make({ name: "stored", windows: minute })
        const other = new DatabaseSync(join(directory, "quota.sqlite"))
        other.exec("BEGIN IMMEDIATE")
        const fiber = yield* Effect.forkChild(quota.withPermit(Effect.succeed("called")))
        yield* Effect.raceFirst(failed, Fiber.await(fiber))
        assert.isUndefined(fiber.pollUnsafe())
        other.exec("COMMIT")
        other.close()
        assert.strictEqual(yield* Fiber.join(fiber), "called")
      }).pipe(Effect.scoped, Effect.provide(onThisMachine(directory).pipe(Layer.provideMerge(retries))))
    }),
  )
})

describe("NodeQuotaStore.layerConfig", () => {
  const under = (env: Record<string, string>) =>
    NodeQuotaStore.layerConfig.pipe(Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown(env))))

  it.effect("stores the log in the user's state directory", () =>
    Effect.gen(function* () {
      const home = yield* tempDirectory
      yield* Effect.flatMap(named(), call).pipe(Effect.provide(under({ XDG_STATE_HOME: join(home, "state") })))
      assert.include(readdirSync(join(home, "state", "live-response")), "quota.sqlite")
      yield* Effect.flatMap(named(), call).pipe(Effect.provide(under({ HOME: home })))
      assert.include(readdirSync(join(home, ".local/state/live-response")), "quota.sqlite")
    }),
  )

  it.effect("stores the log in memory, with a warning, if no file can be stored", () =>
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
        assert.match(
          warnings[0] ?? "",
          /^the quota's log in .* can't be used \(.*XDG_STATE_HOME; this run does not know what others use$/,
        )
      }
    }),
  )

  it.effect("fails instead of using memory if a newer version wrote the log", () =>
    Effect.gen(function* () {
      const home = yield* tempDirectory
      const env = under({ XDG_STATE_HOME: home })
      yield* Effect.flatMap(named(), call).pipe(Effect.provide(env))
      asNewer(join(home, "live-response", "quota.sqlite"))
      const error = yield* Effect.flip(named().pipe(Effect.provide(env, { local: true })))
      assert.strictEqual(error._tag === "QuotaStoreError" ? error.reason._tag : error._tag, "Newer")
    }),
  )

  it.live("reports at once that nothing listens at the address of Redis", () =>
    Effect.gen(function* () {
      const env = { LIVE_RESPONSE_REDIS_URL: "redis://:secret@127.0.0.1:1" }
      const error = yield* Effect.flip(named().pipe(Effect.provide(under(env))))
      assert.strictEqual(error._tag, "QuotaStoreError")
      assert.match(error.message, /ECONNREFUSED.*LIVE_RESPONSE_REDIS_URL/)
      assert.notInclude(error.message, "secret")
    }),
  )

  const mistyped = [
    "http://127.0.0.1",
    "redis://",
    "redis:///0",
    "redis://:secret@127.0.0.1:99999",
    "redis://:secret@127.0.0.1:1/text",
    "redis://:secret@127.0.0.1:1/0/1",
    "redis://:secret@127.0.0.1:1/-1",
    "redis://:secret%zz@127.0.0.1:1",
    "redis://us%er:secret@127.0.0.1:1",
    "redis://:secret@127.0.0.1:1/ 0",
    "redis://:an@secret?word@127.0.0.1:1",
    "redis://:an@secret#word@127.0.0.1:1/0",
  ]

  it.live.each(mistyped)("names the variable, and not its value, where the address of Redis is %s", (url) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(named().pipe(Effect.provide(under({ LIVE_RESPONSE_REDIS_URL: url }))))
      assert.strictEqual(error._tag, "ConfigError")
      assert.include(String(error), "LIVE_RESPONSE_REDIS_URL")
      assert.include(String(error), "expected an address of Redis")
      assert.notInclude(String(error), "secret")
      const direct = yield* Effect.flip(
        openLog(minute).pipe(Effect.provide(NodeQuotaStore.layerRedis(Redacted.make(url)))),
      )
      assert.strictEqual(direct._tag, "QuotaStoreError")
      assert.notInclude(direct.message, "secret")
    }),
  )
})

/** A server that answers everything by `answer`. */
const answering = (answer: (received: string) => string | undefined) =>
  serving((socket) =>
    socket.on("data", (data) => {
      const text = answer(String(data))
      if (text !== undefined) socket.write(text)
    }),
  )

/** A server that does this with each connection. */
const serving = (serve: (socket: Socket) => void) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly port: number; readonly close: () => void }>((resume) => {
      const sockets = new Set<Socket>()
      const server = createServer((socket) => {
        sockets.add(socket)
        socket.on("error", () => {})
        serve(socket)
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

describe("NodeQuotaStore.layerRedis with a server that is not Redis", () => {
  const password = "pass-word/4711"

  it.live.each([
    { name: "a server that does not answer", answer: () => undefined, says: /\(no answer in time\)/ },
    { name: "a web server", answer: () => "HTTP/1.1 400 Bad Request\r\n\r\n", says: /\(no answer in time\)/ },
    { name: "noise", answer: () => "\u0000\u0001\r\n", says: /\(no answer in time\)/ },
    {
      name: "an error that repeats the command",
      answer: (received: string) => `-ERR unknown command ${JSON.stringify(received)}\r\n`,
      says: /ERR unknown command .*<redacted>/,
    },
  ])("fails in time without the password: $name", ({ answer, says }) =>
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

/** Says this at once, and then something every few milliseconds. */
const talking = (first: string, then: string) => (socket: Socket) => {
  socket.write(first)
  const more = Effect.sync(() => socket.write(then))
  const fiber = Effect.runFork(Effect.repeat(more, Schedule.spaced("20 millis")))
  socket.on("close", () => fiber.interruptUnsafe())
}

describe("NodeQuotaStore.layerRedis, where the server does not stop talking", () => {
  const talkers = [
    { name: "a line without an end", serve: talking("+", "x") },
    { name: "a long text, byte by byte", serve: talking("$9999999999\r\n", "x") },
    { name: "a long list", serve: talking("*2000000000\r\n", ":1\r\n") },
    { name: "a deep list", serve: talking("*1\r\n".repeat(500_000), "*1\r\n") },
    { name: "messages that nobody asked for", serve: talking("", ">2\r\n+a\r\n+b\r\n") },
    {
      name: "a line without an end, as soon as it has let the client in",
      serve: (socket: Socket) => {
        socket.on("data", (data) => {
          const text = String(data)
          if (text.includes("SCRIPT")) talking("+", "x")(socket)
          else socket.write("+OK\r\n".repeat(text.match(/^\*/gm)?.length ?? 1))
        })
      },
    },
  ]

  it.live.each(talkers)("ends the wait in time, and closes the connection: $name", ({ serve }) =>
    Effect.gen(function* () {
      const closed: Array<Deferred.Deferred<void>> = []
      const { port } = yield* serving((socket) => {
        const isClosed = Deferred.makeUnsafe<void>()
        closed.push(isClosed)
        socket.once("close", () => Deferred.doneUnsafe(isClosed, Effect.void))
        serve(socket)
      })
      const store = NodeQuotaStore.layerRedis(Redacted.make(`redis://127.0.0.1:${port}`), { timeout: "300 millis" })
      const error = yield* Effect.flip(openLog(minute).pipe(Effect.provide(store)))
      assert.match(error.message, /no answer in time/)
      assert.isAtLeast(closed.length, 1)
      yield* Effect.forEach(closed, Deferred.await)
    }),
  )

  it.live("can be interrupted meanwhile", () =>
    Effect.gen(function* () {
      const closed = yield* Deferred.make<void>()
      const asked = yield* Deferred.make<void>()
      const { port } = yield* serving((socket) => {
        talking("+", "x")(socket)
        socket.once("data", () => Deferred.doneUnsafe(asked, Effect.void))
        socket.once("close", () => Deferred.doneUnsafe(closed, Effect.void))
      })
      const store = NodeQuotaStore.layerRedis(Redacted.make(`redis://127.0.0.1:${port}`), { timeout: "1 hour" })
      const fiber = yield* Effect.forkChild(openLog(minute).pipe(Effect.provide(store)))
      yield* Deferred.await(asked)
      yield* Fiber.interrupt(fiber)
      yield* Deferred.await(closed)
    }),
  )
})

const inRedis = Layer.unwrap(Effect.map(Redis.RedisServer, ({ url }) => NodeQuotaStore.layerRedis(Redacted.make(url))))

describe("RedisQuotaStore", () => {
  suite("RedisQuotaStore.layer", inRedis.pipe(Layer.provide(Redis.layer)), "real")
})

shared(Redis.layer, { excludeTestServices: true })("NodeQuotaStore.layerRedis", (it) => {
  it.effect("shares a log with programs on other machines", () =>
    Effect.gen(function* () {
      const { url } = yield* Redis.RedisServer
      const open = Effect.flatMap(Layer.build(NodeQuotaStore.layerRedis(Redacted.make(url))), (store) =>
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

  it.effect("counts a permit as answered when its lease has expired", () =>
    Effect.gen(function* () {
      const windows = toWindows([1, 4000])
      const log = yield* openLog(windows, { lease: Duration.seconds(2) })
      const permit = yield* log.acquire
      assert.strictEqual(yield* waitOf(log), 4000)
      const soon = Schedule.spaced("20 millis")
      const { stamps } = yield* Effect.repeat(log.calls, { until: ({ inFlight }) => inFlight === 0, schedule: soon })
      assert.strictEqual(stamps.length, 1)
      yield* Effect.repeat(usedIn(log, windows), { until: ([used]) => used === 0, schedule: soon })
      yield* permit.answered
      assert.deepStrictEqual(yield* usedIn(log, windows), [1])
    }).pipe(Effect.provide(inRedis)),
  )

  it.effect("reports a wrong password without showing it", () =>
    Effect.gen(function* () {
      const { password, url } = yield* Redis.RedisServer
      const wrong = Redacted.make(url.replace(password, "another-secret"))
      const error = yield* Effect.flip(openLog(minute).pipe(Effect.provide(NodeQuotaStore.layerRedis(wrong))))
      assert.match(error.message, /Redis does not answer \(WRONGPASS/)
      assert.notInclude(error.message, "another-secret")
    }),
  )

  it.effect("waits with a warning while Redis is down", () =>
    Effect.gen(function* () {
      const redis = yield* Redis.RedisServer
      const { failed, retries } = yield* watchedRetries
      const warnings = yield* warningsOf(
        Effect.gen(function* () {
          const quota = yield* Quota.make({ name: "away", windows: minute })
          yield* quota.withPermit(Effect.void)
          yield* redis.stop
          const fiber = yield* Effect.forkChild(quota.withPermit(Effect.succeed("called")))
          yield* Effect.raceFirst(failed, Fiber.await(fiber))
          assert.isUndefined(fiber.pollUnsafe())
          assert.strictEqual((yield* Effect.flip(quota.status))._tag, "QuotaStoreError")
          yield* redis.start
          assert.strictEqual(yield* Fiber.join(fiber), "called")
        }).pipe(Effect.scoped, Effect.provide([inRedis, retries])),
      )
      assert.match(warnings[0] ?? "", /^the quota's log in Redis does not answer \(.*\); is it up/)
    }),
  )

  it.effect("fails every waiting call when it gives up", () =>
    Effect.gen(function* () {
      const redis = yield* Redis.RedisServer
      const policy = Timing.layer({ quotaStore: Schedule.upTo(Schedule.spaced("50 millis"), { times: 3 }) })
      yield* Effect.gen(function* () {
        const quota = yield* Quota.make({ name: "gone", windows: minute })
        yield* redis.stop
        const fibers = yield* Effect.forEach([1, 2, 3], () => Effect.forkChild(quota.withPermit(Effect.void)))
        for (const fiber of fibers) {
          assert.strictEqual((yield* Effect.flip(Fiber.join(fiber)))._tag, "QuotaStoreError")
        }
        yield* redis.start
        yield* Effect.retry(quota.withPermit(Effect.void), Schedule.spaced("100 millis"))
        assert.strictEqual((yield* quota.status).waiting, 0)
      }).pipe(Effect.scoped, Effect.provide([inRedis, policy, Logger.layer([])]))
    }),
  )
})
