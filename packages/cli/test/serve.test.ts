import { existsSync, mkdirSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import * as Database from "@live-response/cluster/Database"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import { refAt, refsUpTo } from "../../core/test/support/refs.ts"
import * as Cli from "./support/CliInProcess.ts"
import * as ClusterDatabase from "./support/ClusterDatabase.ts"
import * as SilentServer from "./support/SilentServer.ts"
import * as SimulatedTenant from "./support/SimulatedTenant.ts"

const database = ClusterDatabase.shared()

/** Searches follow each other quickly, so that a test waits for little. */
const quick = { LIVE_RESPONSE_FOLLOW_EVERY: "200 millis", LIVE_RESPONSE_VISIBLE_WITHIN: "100 millis" }

const serving = (box: Cli.Sandbox, env: Readonly<Record<string, string>>, ...args: ReadonlyArray<string>) => {
  mkdirSync(box.path("credentials"), { recursive: true })
  return {
    args: ["serve", ...args],
    env: {
      LIVE_RESPONSE_OBJECT_STORE: `file://${box.path("store")}`,
      ...quick,
      ...database().runner,
      LIVE_RESPONSE_CREDENTIALS: box.path("credentials"),
      ...env,
    },
  }
}

const said = (running: Cli.Running, text: string) =>
  Cli.until(
    () => running.stderr().includes(text),
    () => `${text}: ${running.stderr()}`,
    "30 seconds",
  )

const read = (url: string, headers: Readonly<Record<string, string>>) =>
  Effect.gen(function* () {
    const response = yield* HttpClient.execute(HttpClientRequest.get(url, { headers }))
    return { status: response.status, text: yield* response.text }
  }).pipe(Effect.orDie, Effect.provide(FetchHttpClient.layer))

/** Starts a runner that listens. */
const start = Effect.fnUntraced(function* (
  box: Cli.Sandbox,
  env: Readonly<Record<string, string>>,
  ...args: ReadonlyArray<string>
) {
  const runner = yield* box.start(serving(box, env, "--listen", "127.0.0.1:0", ...args))
  yield* said(runner, "health and metrics: ")
  const address = /health and metrics: (http:\/\/[\d.:]+)/.exec(runner.stderr())?.[1] ?? ""
  const get = (path: string, headers: Readonly<Record<string, string>> = {}) => read(`${address}${path}`, headers)
  const answers = (path: string, status: number) =>
    Effect.repeat(Effect.delay(get(path), "50 millis"), { until: (answer) => answer.status === status })
  return { ...runner, get, answers, joined: said(runner, "has joined the cluster") }
})

const tenants = Effect.fnUntraced(function* (box: Cli.Sandbox, args: ReadonlyArray<string>) {
  const { exitCode, stderr, stdout } = yield* box.run({ args: [...args, "--json"], env: database().runner })
  assert.strictEqual(exitCode, 0, stderr)
  return Cli.ndjson(stdout)
})

/** Changes a setting of the server. */
const administer = (statement: string) =>
  Database.Database.use(({ query }) =>
    query((sql) => Effect.andThen(sql.unsafe<object>(statement), sql`select pg_reload_conf()`)),
  ).pipe(Effect.provide(Database.layerUnchecked({ url: database().server.superuser }), { local: true }), Effect.orDie)

/** Holds up what records results, until it is interrupted. */
const lockManifest = Effect.suspend(() =>
  Database.Database.use(({ query }) =>
    query(
      (sql) =>
        sql.withTransaction(Effect.andThen(sql`lock table live_response.manifest in exclusive mode`, Effect.never)),
      { timeout: "1 hour" },
    ),
  ).pipe(Effect.provide(Database.layerUnchecked({ url: database().server.owner }), { local: true }), Effect.orDie),
)

const statusNow = (box: Cli.Sandbox) =>
  Effect.map(tenants(box, ["tenants", "status"]), ([row]) => ({ completed: row?.["completed"] }))

const stored = (box: Cli.Sandbox, { index, machineActionId }: ReturnType<typeof refAt>) =>
  box.path(`store/customers/contoso/${machineActionId}/${index}.bin`)

const isStored = (box: Cli.Sandbox, ref: ReturnType<typeof refAt>) =>
  Cli.until(
    () => existsSync(stored(box, ref)),
    () => String(ref),
  )

describe("serve", () => {
  it.live("collects the tenants of the registry as they come and go, and stops with exit code 0", () =>
    Effect.gen(function* () {
      const box = yield* Cli.sandbox
      const { add, endpoint, env } = yield* SimulatedTenant.serve(refsUpTo(12))
      const runner = yield* start(box, env, "--runner", "one of two")
      yield* runner.joined
      yield* tenants(box, SimulatedTenant.adding(box, endpoint))
      yield* Effect.forEach(refsUpTo(12), (ref) => isStored(box, ref), { concurrency: "unbounded" })
      const content = box.read(stored(box, refAt(3)).slice(box.root.length + 1)).toString()
      assert.strictEqual(content, SimulatedTenant.contentOf(refAt(3)))

      const status = yield* Effect.repeat(Effect.delay(tenants(box, ["tenants", "status"]), "50 millis"), {
        // The search after the last result stores that nothing is open.
        until: ([row]) => row?.["completed"] === 12 && row["open"] === 0 && typeof row["lagSeconds"] === "number",
      })
      assert.deepInclude(status[0], { name: "Contoso", enabled: true, failed: 0 })
      assert.match(String(status[0]?.["runner"]), /^one-of-two-[0-9a-f]{8}$/)
      const table = yield* box.run({ args: ["tenants", "status", "contoso"], env: database().runner })
      assert.match(table.stdout, /^Contoso\tenabled\t12\t0\t64800\t/)

      yield* tenants(box, ["tenants", "disable", "contoso"])
      yield* add(refAt(50))
      yield* tenants(box, ["tenants", "enable", "contoso"])
      yield* isStored(box, refAt(50))

      yield* runner.signal("SIGTERM")
      const { exitCode, stderr, stdout } = yield* runner.ended
      assert.deepStrictEqual([exitCode, stdout], [0, ""], stderr)
      assert.match(stderr, /Z {2}info: stopping\n\S+Z {2}info: stopped\n$/)
      // Warnings too: of a line that was written at night, a file has no other time.
      for (const line of stderr.trimEnd().split("\n"))
        assert.match(line, /^\d{4}(-\d\d){2}T[\d:.]+Z {2}(info|warning|error): /)
      assert.match(stderr, /info: Contoso: this runner collects it, as owner \d+\n/)
      assert.notInclude(stderr, SimulatedTenant.secret)
      assert.deepStrictEqual(
        box.files(box.path("live-response-spool")).filter((path) => !path.endsWith(".lock")),
        [],
      )
    }),
  )

  it.live("answers probes: to live needs no PostgreSQL, and to be ready does", () =>
    Effect.gen(function* () {
      const box = yield* Cli.sandbox
      const { server } = database()
      yield* server.stop
      const token = "a-token-of-prometheus"
      const runner = yield* start(box, { LIVE_RESPONSE_LISTEN_TOKEN: token, LIVE_RESPONSE_LOG_FORMAT: "json" })
      yield* said(runner, "this runner waits for it")
      const health = yield* runner.get("/health")
      assert.deepInclude(JSON.parse(health.text), { status: "starting", databaseWritten: null, locksConfirmed: null })
      assert.deepStrictEqual([health.status, (yield* runner.get("/ready")).status], [200, 503])
      yield* server.start
      yield* runner.joined
      const ready = yield* runner.answers("/ready", 200)
      assert.match(ready.text, /"databaseWritten":"\d[^"]+","locksConfirmed":"\d/)

      assert.strictEqual((yield* runner.get("/metrics")).status, 401)
      const metrics = yield* runner.get("/metrics", { authorization: `Bearer ${token}` })
      assert.strictEqual(metrics.status, 200)
      assert.include(metrics.text, "effect_cluster_shards")
      assert.strictEqual((yield* runner.get("/data", { authorization: `Bearer ${token}` })).status, 404)

      yield* server.stop
      yield* runner.answers("/ready", 503)
      assert.deepInclude(JSON.parse((yield* runner.get("/health")).text), { status: "waiting" })
      assert.strictEqual((yield* runner.get("/health")).status, 200)
      yield* server.start
      yield* runner.answers("/ready", 200)

      // What a service does where the disk is nearly full, and what a standby always is.
      // Where this test fails, the tests after it have a database that accepts writes.
      yield* Effect.addFinalizer(() => administer("alter system reset default_transaction_read_only"))
      yield* administer("alter system set default_transaction_read_only = on")
      yield* runner.answers("/ready", 503)
      yield* said(runner, "it accepts no writes (")
      // Which of its statements is the first one to be refused depends on when it writes.
      assert.match(runner.stderr(), /it accepts no writes \(cannot execute [A-Z ]+ in a read-only transaction\)/)
      yield* administer("alter system reset default_transaction_read_only")
      yield* runner.answers("/ready", 200)
      yield* runner.signal("SIGTERM")
      const { exitCode, stderr } = yield* runner.ended
      assert.strictEqual(exitCode, 0, stderr)
      for (const line of Cli.ndjson(stderr)) assert.containsAllKeys(line, ["at", "level", "message"])
    }).pipe(Effect.scoped),
  )

  it.live("stops with exit code 0 while PostgreSQL hangs, says what that leaves, and loses nothing", () =>
    Effect.gen(function* () {
      const box = yield* Cli.sandbox
      const { server } = database()
      // Its store is another one than that of the results before, which the tenant has handled.
      const refs = [refAt(70), refAt(71), refAt(72)]
      const { add, endpoint, env } = yield* SimulatedTenant.serve(refs)
      yield* tenants(box, SimulatedTenant.adding(box, endpoint))
      const runner = yield* start(box, env)
      yield* Effect.forEach(refs, (ref) => isStored(box, ref), { concurrency: "unbounded" })
      yield* Effect.addFinalizer(() => server.thaw)
      yield* server.freeze
      yield* add(refAt(51))
      yield* runner.signal("SIGTERM")
      const { exitCode, stderr } = yield* runner.ended
      assert.strictEqual(exitCode, 0, stderr)
      assert.match(
        stderr,
        /Z {2}info: stopping\n\S+Z {2}info: stopped before everything in progress was finished; other runners continue it\n$/,
      )
      yield* server.thaw
      yield* start(box, env)
      yield* isStored(box, refAt(51))
    }).pipe(Effect.scoped),
  )

  it.live(
    "stops within five seconds while PostgreSQL is away and stored results are not recorded, and records them later",
    () =>
      Effect.gen(function* () {
        const box = yield* Cli.sandbox
        const { server } = database()
        const refs = [refAt(60), refAt(61), refAt(62)]
        const { endpoint, env } = yield* SimulatedTenant.serve(refs)
        yield* tenants(box, SimulatedTenant.adding(box, endpoint))
        // The results are stored, and wait for the lock to be recorded.
        const lock = yield* Effect.forkChild(lockManifest)
        const { completed } = yield* statusNow(box)
        const runner = yield* start(box, env)
        yield* Effect.forEach(refs, (ref) => isStored(box, ref), { concurrency: "unbounded" })
        yield* server.stop
        yield* Fiber.interrupt(lock)
        yield* said(runner, "what needs it waits")
        yield* runner.signal("SIGTERM")
        const [taken, { exitCode, stderr }] = yield* Effect.timed(runner.ended)
        yield* server.start
        assert.strictEqual(exitCode, 0, stderr)
        assert.isBelow(Duration.toSeconds(taken), 5, stderr)
        assert.strictEqual((yield* statusNow(box)).completed, completed)
        yield* start(box, env)
        yield* Effect.repeat(Effect.delay(statusNow(box), "50 millis"), {
          until: (status) => status.completed === Number(completed) + refs.length,
        })
      }).pipe(Effect.scoped),
  )

  it.live("says what it waits for where a network swallows what it sends, and stops", () =>
    Effect.gen(function* () {
      const box = yield* Cli.sandbox
      const { port } = yield* SilentServer.make
      const runner = yield* box.start(
        serving(box, { LIVE_RESPONSE_DATABASE_URL: `postgres://runner:a-secret@127.0.0.1:${port}/live` }),
      )
      yield* said(
        runner,
        `PostgreSQL at 127.0.0.1:${port}/live: it does not answer (no answer for 5 seconds); is it up, and is the address right?; this runner waits for it`,
      )
      yield* runner.signal("SIGTERM")
      const [taken, { exitCode, stderr }] = yield* Effect.timed(runner.ended)
      assert.strictEqual(exitCode, 0, stderr)
      assert.isBelow(Duration.toSeconds(taken), 5, stderr)
      assert.match(stderr, /Z {2}info: stopping\n\S+Z {2}info: stopped\n$/)
    }).pipe(Effect.scoped),
  )

  it.live.each([
    { when: "the program is loaded", module: "/src/Process.ts", send: 'process.kill(process.pid, "SIGTERM")' },
    { when: "its command is", module: "/serve/handler.ts", send: 'process.emit("SIGTERM", "SIGTERM")' },
  ])("stops with exit code 0 where SIGTERM arrives while $when", ({ module, send }) =>
    Effect.gen(function* () {
      const box = yield* Cli.sandbox
      const hooks = `import { registerHooks } from "node:module"
        registerHooks({
          load: (url, context, next) => {
            if (url.endsWith(${JSON.stringify(module)})) ${send}
            return next(url, context)
          },
        })`
      box.write("early.mjs", hooks)
      const command = Cli.fromSources(serving(box, {}))
      const { exitCode, stderr } = yield* box.run({
        ...command,
        args: ["--import", box.path("early.mjs"), ...command.args],
      })
      assert.strictEqual(exitCode, 0, stderr)
      assert.notInclude(stderr, "joined")
    }),
  )

  it.live("fails in one line where it can't start", () =>
    Effect.gen(function* () {
      const box = yield* Cli.sandbox
      const failing = Effect.fnUntraced(function* (code: number, says: RegExp, ...args: ReadonlyArray<string>) {
        const { exitCode, stderr } = yield* box.run(serving(box, {}, "--quiet", ...args))
        assert.strictEqual(exitCode, code, stderr)
        assert.match(stderr, says)
      })
      yield* failing(
        2,
        /\nlive-response: --object-store: it is not a URL; write azure:/,
        "--object-store",
        "/mnt/results",
      )
      const signed = "https://contoso.blob.core.windows.net/results?sv=2024&sig=a-secret"
      const { exitCode, stderr } = yield* box.run(serving(box, { LIVE_RESPONSE_OBJECT_STORE: signed }, "--quiet"))
      assert.strictEqual(exitCode, 2, stderr)
      assert.match(stderr, /\nlive-response: LIVE_RESPONSE_OBJECT_STORE: it has a secret in it; [^\n]+_SECRET to it\n$/)
      assert.notInclude(stderr, "a-secret")
      yield* failing(2, /Expected: a whole number from 1 to 1,000/, "--transfers", "0")
      // None of these is waited for, as a database that is away is.
      for (const [sslmode, code, says] of [
        ["bogus", 2, /: its URL has sslmode=bogus, which must be: [^\n]+\n$/],
        ["require", 4, /: its URL asks for an encrypted connection [^\n]+\n$/],
      ] as const) {
        const url = `${database().runner["LIVE_RESPONSE_DATABASE_URL"]}?sslmode=${sslmode}`
        const ended = yield* box.run(serving(box, { LIVE_RESPONSE_DATABASE_URL: url }, "--quiet"))
        assert.strictEqual(ended.exitCode, code, ended.stderr)
        assert.match(ended.stderr, says)
      }
      // It would take tenants from runners that have their credentials.
      const absent = yield* box.run(serving(box, { LIVE_RESPONSE_CREDENTIALS: box.path("absent") }, "--quiet"))
      assert.strictEqual(absent.exitCode, 4, absent.stderr)
      assert.match(
        absent.stderr,
        /\nlive-response: \S+absent: it can't be read as the directory of credentials \(there is no such file\); mount it there, [^\n]+\n$/,
      )
      const runner = yield* box.start(serving(box, {}))
      yield* said(runner, "has joined the cluster")
      yield* failing(4, /\nlive-response: live-response-spool: in use by process \d+ on /)
    }).pipe(Effect.scoped),
  )
})
