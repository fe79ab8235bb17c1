/**
 * A cluster on this machine: PostgreSQL, tenants that are simulated, a store of objects, and runners as processes. It knows what each
 * tenant's results are, so that it can say what is missing, double or wrong.
 */
import { createHash } from "node:crypto"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as ClusterDatabase from "@live-response/cluster/Database"
import * as Tenants from "@live-response/cluster/Tenants"
import * as PostgresServer from "@live-response/cluster/testing/PostgresServer"
import { ObjectStore } from "@live-response/core/ObjectStore"
import * as ObjectStoreUrl from "@live-response/core/ObjectStoreUrl"
import { FromString } from "@live-response/core/ResultRef"
import * as Simulator from "@live-response/core/testing/Simulator"
import * as Certificate from "@live-response/node/testing/Certificate"
import * as NodeObjectStore from "@live-response/node/NodeObjectStore"
import * as SimulatorServer from "@live-response/node/testing/SimulatorServer"
import * as Clock from "effect/Clock"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpServer from "effect/http/HttpServer"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Runtime from "effect/Runtime"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as Azurite from "../../node/test/support/azurite.ts"
import * as Cli from "../test/support/Cli.ts"
import * as Samples from "../test/support/Samples.ts"

export interface Options {
  readonly tenants: number
  /** What all simulators have. */
  readonly simulator?: Simulator.Options | undefined
  readonly postgres?: PostgresServer.Options | undefined
  /** Where results are stored. By default in a directory, whose files are also checked to be no more than there should be. */
  readonly store?: "directory" | "azurite" | undefined
  /** How often runners search the API. By default as often as the program does. */
  readonly followEvery?: string | undefined
  /** Variables of the runners. */
  readonly env?: Readonly<Record<string, string>> | undefined
}

/** A tenant, and the results that it has: the SHA-256 by `<id>:<index>`. */
export interface StageTenant {
  readonly id: Tenants.TenantId
  readonly name: string
  readonly prefix: string
  readonly simulator: Simulator.Service
  readonly results: Map<string, string>
}

export interface Runner extends Cli.Running {
  readonly name: string
}

const decodeTenant = Schema.decodeSync(Tenants.TenantId)
const decodeRef = Schema.decodeSync(FromString)
const clientId = "00000000-0c1e-4000-8000-000000000001"

/** The addresses of a simulator: its API, and its sign-in, which must be HTTPS. */
const serve = Effect.fnUntraced(function* (
  simulator: Simulator.Service,
  tls: Certificate.Certificate,
  shared: Layer.MemoMap,
) {
  const scope = yield* Effect.scope
  const addressOf = (options: Parameters<typeof SimulatorServer.layer>[0]) =>
    Effect.map(
      Layer.buildWithMemoMap(
        SimulatorServer.layer(options).pipe(Layer.provide(Layer.succeed(Simulator.Simulator, simulator))),
        shared,
        scope,
      ),
      (context) => HttpServer.formatAddress(Context.get(context, HttpServer.HttpServer).address),
    )
  return { endpoint: yield* addressOf({}), authority: (yield* addressOf({ tls })).replace("http:", "https:") }
})

const Row = Schema.Struct({
  tenant: Schema.String,
  result: Schema.String,
  status: Schema.String,
  sha256: Schema.String,
})
const decodeRows = Schema.decodeUnknownEffect(Schema.Array(Row))
const decodeEpochs = Schema.decodeUnknownEffect(
  Schema.Array(Schema.Struct({ tenant: Schema.String, epoch: Schema.Int, runner: Schema.NullOr(Schema.String) })),
)

/** What a killed runner leaves of an upload to a shared directory. Nobody takes it for a result. */
const unfinished = /\.[0-9a-f]{16}\.part$/

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex")

/** Waits until something of the cluster holds. */
const until = <E, R>(holds: Effect.Effect<boolean, E, R>) =>
  holds.pipe(Effect.repeat({ until: (held) => held, schedule: Schedule.spaced("100 millis") }), Effect.asVoid)

/** A store of objects, and the variables by which runners find it. */
const makeStore = Effect.fnUntraced(function* (kind: Options["store"], directory: string) {
  const env =
    kind === "azurite"
      ? yield* Effect.map(Azurite.emptyContainer, ({ account, container, key, origin }) => ({
          LIVE_RESPONSE_OBJECT_STORE: `azure://${account}/${container.slice(container.lastIndexOf("/") + 1)}?endpoint=${encodeURIComponent(`${origin}/${account}`)}`,
          LIVE_RESPONSE_OBJECT_STORE_SECRET: key,
        }))
      : { LIVE_RESPONSE_OBJECT_STORE: `file://${directory}` }
  const url = yield* Effect.orDie(Effect.fromResult(ObjectStoreUrl.parse(env.LIVE_RESPONSE_OBJECT_STORE)))
  const context = yield* Layer.build(NodeObjectStore.layer(url)).pipe(
    Effect.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env })), { local: true }),
  )
  return { env, objects: Context.get(context, ObjectStore) }
})

export const make = Effect.fnUntraced(function* (options: Options) {
  const server = yield* PostgresServer.makeWith(options.postgres ?? {})
  const registry = yield* Layer.build(
    Tenants.layer.pipe(
      Layer.provideMerge(ClusterDatabase.layer({ url: server.runner, applicationName: "stage", maxConnections: 2 })),
    ),
  )
  const { patiently } = Context.get(registry, ClusterDatabase.Database)
  const { add } = Context.get(registry, Tenants.Tenants)
  const query = (use: (sql: SqlClient) => Effect.Effect<ReadonlyArray<unknown>, SqlError>) => patiently(use)

  const box = yield* Cli.sandbox
  const store = yield* makeStore(options.store, box.path("objects"))
  const tls = yield* Certificate.selfSigned
  box.write("credentials/app", "a-secret-of-tests")
  const environment = {
    LIVE_RESPONSE_DATABASE_URL: Redacted.value(server.runner),
    ...store.env,
    LIVE_RESPONSE_CREDENTIALS: box.path("credentials"),
    LIVE_RESPONSE_STALL_TIMEOUT: "10 seconds",
    NODE_EXTRA_CA_CERTS: tls.path,
    ...(options.followEvery === undefined ? {} : { LIVE_RESPONSE_FOLLOW_EVERY: options.followEvery }),
    ...options.env,
  }

  // What all servers of Node need is there once.
  const shared = yield* Layer.makeMemoMap
  const addTenant = Effect.fnUntraced(function* (n: number) {
    const id = decodeTenant(`00000000-57a6-4000-8000-${String(n).padStart(12, "0")}`)
    const name = `tenant ${String(n + 1).padStart(2, "0")}`
    const prefix = `tenants/${n + 1}`
    const simulator = yield* Simulator.make({ visibleAfter: "0 millis", ...options.simulator })
    const addresses = yield* serve(simulator, tls, shared)
    yield* add(id, {
      name,
      storagePrefix: prefix,
      credential: { kind: "app", clientId, file: "app" },
      ...addresses,
    })
    const tenant: StageTenant = { id, name, prefix, simulator, results: new Map() }
    return tenant
  })
  const tenants = yield* Effect.forEach(Array.from({ length: options.tenants }), (_, n) => addTenant(n), {
    concurrency: 4,
  })

  let made = 0
  /** Adds finished sessions with a result each. */
  const addResults = (tenant: StageTenant, count: number, bytes: number) =>
    Effect.forEach(
      Array.from({ length: count }),
      () => {
        const n = made++
        const result = `${Samples.action(n)}:0`
        const content = Buffer.concat([Buffer.from("MZ"), Samples.noise(bytes, n)])
        tenant.results.set(result, sha256(content))
        return tenant.simulator.add(decodeRef(result), { content })
      },
      { discard: true },
    )

  /** Starts a runner, and waits until it can be stopped in order. `database` is its address of the server. */
  const start = Effect.fnUntraced(function* (name: string, database = server.runner) {
    const running = yield* box.start({
      args: ["serve", "--listen", "127.0.0.1:0", "--runner", name],
      env: {
        ...environment,
        LIVE_RESPONSE_DATABASE_URL: Redacted.value(database),
        LIVE_RESPONSE_SPOOL: box.path(`spools/${name}`),
      },
      patience: "1 hour",
    })
    const said = () => `${running.stdout()}${running.stderr()}`
    yield* Cli.until(
      () => said().includes(`runner ${name}-`),
      () => `the start of ${name}: ${said()}`,
    )
    const runner: Runner = { ...running, name }
    return runner
  })

  /** The results that the manifest has as stored. */
  const stored = Effect.flatMap(
    query(
      (sql) => sql`select tenant::text as tenant, machine_action_id || ':' || idx as result, status,
        coalesce(entry->>'sha256', '') as sha256 from live_response.manifest`,
    ),
    decodeRows,
  )
  const storedCount = Effect.map(
    query((sql) => sql`select count(*)::int4 as count from live_response.manifest where status = 'completed'`),
    (rows) => Number(Object(rows[0]).count),
  )
  const expected = () => tenants.reduce((sum, { results }) => sum + results.size, 0)

  /** The owners of the tenants now. */
  const owners = Effect.flatMap(
    query(
      (sql) => sql`select t.tenant::text as tenant, t.epoch, s.runner from live_response.tenants t
        left join live_response.tenant_status s using (tenant)`,
    ),
    decodeEpochs,
  )

  /** The tenants of each runner, by the names that they were started with. */
  const tenantsOf = (runner: string) =>
    Effect.map(owners, (all) =>
      all.flatMap(({ runner: owner, tenant }) => (owner?.startsWith(`${runner}-`) === true ? [tenant] : [])),
    )

  /** Waits until this many results are stored, all of them by default. */
  const untilStored = (count = expected()) => until(Effect.map(storedCount, (stored) => stored >= count))

  /** The SHA-256 of an object. None if there is no such object. */
  const hashOf = (path: string) =>
    Effect.gen(function* () {
      const hash = createHash("sha256")
      yield* Stream.runForEach(store.objects.read(path), (bytes) => Effect.sync(() => hash.update(bytes)))
      return hash.digest("hex")
    }).pipe(Effect.orElseSucceed(() => undefined))

  /** What is not as it must be. */
  const problems = Effect.gen(function* () {
    const found: Array<string> = []
    const rows = Map.groupBy(yield* stored, ({ tenant }) => tenant)
    let links = 0
    for (const { id, name, prefix, results, simulator } of tenants) {
      const completed = new Map(
        (rows.get(id) ?? []).flatMap((row) => (row.status === "completed" ? [[row.result, row.sha256]] : [])),
      )
      const others = new Set(options.store === "azurite" ? [] : box.files(box.path(`objects/${prefix}`)))
      for (const [result, sha] of results) {
        const path = `${result.replace(":", "/")}.bin`
        others.delete(path)
        if (completed.get(result) !== sha) found.push(`${name}: the manifest has no right row for ${result}`)
        const hash = yield* hashOf(`${prefix}/${path}`)
        if (hash !== sha) found.push(`${name}: ${path} ${hash === undefined ? "is missing" : "differs"}`)
      }
      for (const other of others) if (!unfinished.test(other)) found.push(`${name}: ${other} is one object too many`)
      for (const result of completed.keys())
        if (!results.has(result)) found.push(`${name}: ${result} is not its result`)
      const calls = yield* simulator.calls
      const throttled = calls.filter(({ status }) => status === 429).length
      if (throttled > 0) found.push(`${name}: ${throttled} calls were throttled`)
      links += calls.filter(({ kind, status }) => kind === "link" && status === 200).length
    }
    return { found, links, perResult: links / Math.max(1, expected()) }
  })

  return {
    server,
    box,
    tenants,
    addResults,
    start,
    expected,
    storedCount,
    untilStored,
    owners,
    tenantsOf,
    until,
    query,
    problems,
    environment,
  }
})

export type Stage = Effect.Success<ReturnType<typeof make>>

/** How long an effect takes, in seconds. */
export const timed = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const before = yield* Clock.currentTimeMillis
    const value = yield* effect
    return { value, seconds: ((yield* Clock.currentTimeMillis) - before) / 1000 }
  })

/** Runs a program to its end, or until Ctrl-C: then everything that it has started ends as well. */
export const runMain = <E>(program: Effect.Effect<void, E>): void =>
  NodeRuntime.runMain(program, {
    teardown: (exit, onExit) => Runtime.defaultTeardown(exit, (code) => onExit(Number(process.exitCode ?? code))),
  })
