/**
 * A PostgreSQL server for a test: Debian's on a free port of the loopback interface, with its files in a temporary directory.
 *
 * @since 0.1.0
 */
import { execFileSync, spawn, spawnSync } from "node:child_process"
import { chownSync, existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir, userInfo } from "node:os"
import { join } from "node:path"
import type { Certificate } from "@live-response/node/testing/Certificate"
import { freePort } from "@live-response/node/testing/FreePort"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Database from "../Database.ts"
import type { DatabaseError } from "../DatabaseError.ts"
import * as Migrations from "../Migrations.ts"

/**
 * A running server, and ways to disturb it.
 *
 * @since 0.1.0
 * @category services
 */
export interface Service {
  /** The URL of a database with the current schema, for the role that owns it. */
  readonly owner: Redacted.Redacted<string>

  /** The same database, for a role that may read and write rows only. */
  readonly runner: Redacted.Redacted<string>

  /** The same database, for the role that may do everything. */
  readonly superuser: Redacted.Redacted<string>

  /** Stops the server as a crash does: its connections break, and what was committed is there when it starts again. */
  readonly stop: Effect.Effect<void>

  /** Starts the server again at the same address. */
  readonly start: Effect.Effect<void>

  /** Stops the server from answering while its connections stay open, like a machine that hangs. Only `thaw` reverses it. */
  readonly freeze: Effect.Effect<void>

  /** Lets the server continue after `freeze`. */
  readonly thaw: Effect.Effect<void>
}

/**
 * The PostgreSQL server of a test.
 *
 * @since 0.1.0
 * @category services
 */
export class PostgresServer extends Context.Service<PostgresServer, Service>()(
  "@live-response/cluster/testing/PostgresServer",
) {}

/**
 * @since 0.1.0
 * @category options
 */
export interface Options {
  /** Settings of the server, in addition to those of a test or instead of them. */
  readonly settings?: Readonly<Record<string, string>> | undefined

  /** Encrypts connections with this certificate of 127.0.0.1. The URLs then trust it. By default the server has no TLS. */
  readonly certificate?: Pick<Certificate, "cert" | "key" | "path"> | undefined

  /** Receives what the server writes to its log. By default nobody does. */
  readonly onLog?: ((text: string) => void) | undefined
}

const debian = "/usr/lib/postgresql"

/** Where Debian has the programs of the newest version. None of them are on the path. */
const programs = (): string => {
  const versions = existsSync(debian) ? readdirSync(debian).toSorted((a, b) => Number(b) - Number(a)) : []
  return versions[0] === undefined ? "" : join(debian, versions[0], "bin")
}

const idOf = (flag: string) => Number(execFileSync("id", [flag, "postgres"], { encoding: "utf8" }))

/** PostgreSQL refuses to run as root. */
const user = (): { readonly uid?: number; readonly gid?: number } => {
  if (userInfo().uid !== 0) return {}
  return { uid: idOf("-u"), gid: idOf("-g") }
}

const password = "a-password-for-tests"

/** The server's own directory. */
const directory = Effect.acquireRelease(
  Effect.sync(() => {
    const directory = mkdtempSync(join(tmpdir(), "live-response-postgres-"))
    giveToServer(directory)
    return directory
  }),
  (directory) => Effect.sync(() => rmSync(directory, { recursive: true, force: true })),
)

const giveToServer = (path: string) => {
  const { gid, uid } = user()
  if (uid !== undefined && gid !== undefined) chownSync(path, uid, gid)
}

/** Writes a file that the server alone may read, and returns its path. */
const writeForServer = (directory: string, name: string, text: string): string => {
  const path = join(directory, name)
  writeFileSync(path, text, { mode: 0o600 })
  giveToServer(path)
  return path
}

/**
 * A directory of one run of tests: the first server leaves its files in it, with the database of a deployment, and others start from
 * a copy, which takes a quarter of the CPU.
 */
const shared = process.env.LIVE_RESPONSE_TEST_POSTGRES

/** The files that a server has left. */
const left = (shared: string) => join(shared, "data")

/** Keeps the owner, which alone may read them. */
const copy = (from: string, to: string) => execFileSync("cp", ["-a", from, to], { stdio: "ignore" })

/** A new cluster of databases. */
const initialise = Effect.map(directory, (directory): Files => {
  if (shared !== undefined && existsSync(left(shared))) {
    copy(left(shared), directory)
    return { directory, data: join(directory, "data"), isPrepared: true }
  }
  const secret = writeForServer(directory, "password", password)
  const data = join(directory, "data")
  const args = ["-D", data, "-U", "postgres", "-A", "scram-sha-256", `--pwfile=${secret}`]
  const quick = ["--no-sync", "--no-instructions", "--locale=C", "--encoding=UTF8"]
  execFileSync(join(programs(), "initdb"), [...args, ...quick], { ...user(), stdio: "ignore", cwd: directory })
  return { directory, data, isPrepared: false }
})

/** Leaves the files of a server for those that start later, if it is the first one that could. */
const leave = ({ data }: Files, { shutDown }: Running, start: Effect.Effect<void>) =>
  Effect.suspend(() => {
    if (shared === undefined || mkdirSync(join(shared, "new"), { recursive: true }) === undefined) return Effect.void
    const copied = Effect.sync(() => {
      copy(data, join(shared, "new"))
      renameSync(join(shared, "new", "data"), left(shared))
    })
    return shutDown.pipe(Effect.andThen(copied), Effect.andThen(start))
  })

/** The loss of power is not simulated, so nothing is flushed. */
const settings = { fsync: "off", synchronous_commit: "off", shared_buffers: "16MB", max_connections: "60" }

interface Running {
  readonly stop: Effect.Effect<void>
  /** Leaves files from which a server starts without a recovery. */
  readonly shutDown: Effect.Effect<void>
  readonly signal: (name: "STOP" | "CONT") => void
}

interface Address extends Pick<Options, "certificate"> {
  readonly port: number
}

interface Files {
  readonly directory: string
  readonly data: string
  /** They have the database of a deployment. */
  readonly isPrepared: boolean
}

/** Runs a server. Returns when it accepts connections. */
const serve = (port: number, { data, directory }: Files, { onLog, settings: others }: Options) =>
  Effect.callback<Running>((resume) => {
    const where = { port, listen_addresses: "127.0.0.1", unix_socket_directories: directory }
    const args = Object.entries({ ...settings, ...others, ...where }).flatMap(([name, value]) => [
      "-c",
      `${name}=${value}`,
    ])
    const stdio: ["ignore", "ignore", "pipe"] = ["ignore", "ignore", "pipe"]
    const child = spawn(join(programs(), "postgres"), ["-D", data, ...args], { ...user(), stdio, cwd: directory })
    child.once("error", (error) => resume(Effect.die(`postgres does not start: ${error.message}`)))
    // The children of the server are frozen as well: they are what answers.
    const signal = (name: "STOP" | "CONT") => {
      child.kill(`SIG${name}`)
      spawnSync("pkill", [`-${name}`, "-P", String(child.pid)], { stdio: "ignore" })
    }
    const end = (name: "SIGQUIT" | "SIGINT") =>
      Effect.callback<void>((resume) => {
        if (child.exitCode !== null || child.signalCode !== null) return resume(Effect.void)
        child.once("exit", () => resume(Effect.void))
        signal("CONT")
        child.kill(name)
      })
    let output: string | undefined = ""
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      onLog?.(text)
      if (output === undefined) return
      output += text
      if (!output.includes("ready to accept connections")) return
      output = undefined
      resume(Effect.succeed({ stop: end("SIGQUIT"), shutDown: end("SIGINT"), signal }))
    })
    child.once("exit", () => resume(Effect.die(`postgres does not start: ${output}`)))
  })

/** The settings of TLS. */
const tlsOf = ({ directory }: Files, { cert, key }: Pick<Certificate, "cert" | "key">) => ({
  ssl: "on",
  ssl_cert_file: writeForServer(directory, "cert.pem", cert),
  ssl_key_file: writeForServer(directory, "key.pem", key),
})

const urlOf = ({ port, certificate }: Address, role: string, database: string) => {
  const tls = certificate === undefined ? "" : `?sslmode=verify-full&sslrootcert=${certificate.path}`
  return Redacted.make(`postgres://${role}:${password}@127.0.0.1:${port}/${database}${tls}`)
}

/** The roles and the database that a deployment has. */
const prepare = (address: Address) => {
  const administer = (database: string, ...statements: ReadonlyArray<string>) =>
    Database.Database.use(({ query }) =>
      query((sql) => Effect.forEach(statements, (statement) => sql.unsafe(statement), { discard: true })),
    ).pipe(Effect.provide(Database.layerUnchecked({ url: urlOf(address, "postgres", database) }), { local: true }))
  return administer(
    "postgres",
    `create role owner login password '${password}'`,
    `create role runner login password '${password}'`,
    "create database live owner owner",
    "revoke connect on database live from public",
    "grant connect on database live to runner",
  )
}

/**
 * Runs a server with a migrated database until the scope closes.
 *
 * **Gotchas**
 *
 * A machine without Debian's `postgresql` is a defect.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeWith = Effect.fnUntraced(function* (
  options: Options,
): Effect.fn.Return<Service, DatabaseError, Scope.Scope> {
  const port = yield* freePort
  const files = yield* initialise
  let running: Running | undefined
  const stop = Effect.suspend(() => running?.stop ?? Effect.void)
  const { certificate } = options
  const address = { port, certificate }
  const tls = certificate === undefined ? {} : tlsOf(files, certificate)
  const serving = serve(port, files, { ...options, settings: { ...tls, ...options.settings } }).pipe(
    Effect.tap((started) =>
      Effect.sync(() => {
        running = started
      }),
    ),
  )
  const start = Effect.asVoid(serving)
  const first = yield* Effect.acquireRelease(serving, () => stop)
  const owner = urlOf(address, "owner", "live")
  if (!files.isPrepared) {
    yield* prepare(address)
    yield* Migrations.migrate({ runtimeRole: "runner" }).pipe(
      Effect.provide(Database.layerUnchecked({ url: owner }), { local: true }),
    )
    yield* leave(files, first, start)
  }
  return {
    owner,
    runner: urlOf(address, "runner", "live"),
    superuser: urlOf(address, "postgres", "live"),
    stop,
    start,
    freeze: Effect.sync(() => running?.signal("STOP")),
    thaw: Effect.sync(() => running?.signal("CONT")),
  }
})

/**
 * `makeWith` without options.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: Effect.Effect<Service, DatabaseError, Scope.Scope> = makeWith({})

/**
 * Provides one server for all tests of a suite.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<PostgresServer, DatabaseError> = Layer.effect(PostgresServer, make)
