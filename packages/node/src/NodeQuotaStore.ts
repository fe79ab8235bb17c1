/**
 * Logs of calls that outlive a program: on this machine, in SQLite, or in Redis for many machines.
 *
 * @since 0.1.0
 */
import { hostname } from "node:os"
import type { DatabaseSync } from "node:sqlite"
import type * as NodeRedisModule from "@effect/platform-node/NodeRedis"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as FileName from "@live-response/core/FileName"
import * as PrivateDirectory from "@live-response/core/PrivateDirectory"
import type { Calls } from "@live-response/core/QuotaRule"
import * as QuotaRule from "@live-response/core/QuotaRule"
import * as QuotaStore from "@live-response/core/QuotaStore"
import { Newer, QuotaStoreError, Unreachable, Untrusted, Unusable } from "@live-response/core/QuotaStoreError"
import * as RedisQuotaStore from "@live-response/core/RedisQuotaStore"
import type { StoreError } from "@live-response/core/StoreError"
import * as Clock from "effect/Clock"
import * as Config from "effect/Config"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as UserDirectories from "effect/persistence/UserDirectories"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as QuotaRows from "./internal/quotaRows.ts"
import * as Sqlite from "./internal/sqlite.ts"
import * as SqliteSchema from "./internal/sqliteSchema.ts"
import * as NodeDirectoryLock from "./NodeDirectoryLock.ts"
import * as NodeUser from "./NodeUser.ts"

/**
 * @since 0.1.0
 * @category options
 */
export interface Options {
  /** Where `quota.sqlite` is kept. */
  readonly directory: string
}

const schemaVersion = 1

/**
 * A row of `calls` is an answer that came `at`, or, with a `holder`, a call in flight since `at`, for `lease` at most.
 * In `blocks`, the server wants no calls for `wait` from `at` on. All in milliseconds since 1970.
 */
const schema = [
  "CREATE TABLE calls (id INTEGER PRIMARY KEY, log TEXT NOT NULL, at REAL NOT NULL, lease REAL NOT NULL, holder TEXT) STRICT",
  "CREATE INDEX calls_by_log ON calls (log, at)",
  "CREATE TABLE blocks (log TEXT PRIMARY KEY, at REAL NOT NULL, wait REAL NOT NULL) STRICT",
]

/** In bytes: a day of ten thousand calls a minute. */
const largestFile = 1024 * 1024 * 1024

const decodeStamps = Schema.decodeUnknownSync(
  Schema.Struct({ stamps: Schema.fromJsonString(Schema.Array(Schema.Finite)) }),
)
const decodeInFlight = Schema.decodeUnknownSync(
  Schema.Array(Schema.Struct({ id: Schema.Int, at: Schema.Finite, lease: Schema.Finite, holder: Schema.String })),
)
const decodeBlock = Schema.decodeUnknownSync(Schema.UndefinedOr(Schema.Struct({ until: Schema.Finite })))

const errorAt =
  (path: string) =>
  (cause: unknown): QuotaStoreError => {
    const description = Sqlite.messageOf(cause)
    return Sqlite.isBusy(cause)
      ? new QuotaStoreError({
          store: path,
          reason: new Unreachable({ description }),
          advice: "another program holds it",
        })
      : new QuotaStoreError({
          store: path,
          reason: new Unusable({ description }),
          advice: "free some space, or name another directory for it with XDG_STATE_HOME",
        })
  }

/** Where a directory or a file can't be used. */
const unusable = (path: string, { message, problem }: StoreError): QuotaStoreError =>
  problem === "Untrusted"
    ? new QuotaStoreError({
        store: path,
        reason: new Untrusted({ description: message }),
        advice: "or name another directory for it with XDG_STATE_HOME",
      })
    : errorAt(path)(message)

/** Its bytes are not a log of ours: not SQLite's, or damaged. */
class Broken extends Schema.TaggedError<Broken>("@live-response/node/NodeQuotaStore/Broken")("Broken", {
  description: Schema.String,
}) {}

/** What went wrong while a file was opened. */
const brokenOr =
  (path: string) =>
  (cause: unknown): Broken | QuotaStoreError =>
    Sqlite.isBroken(cause) ? new Broken({ description: Sqlite.messageOf(cause) }) : errorAt(path)(cause)

const newer = (path: string, version: number) =>
  new QuotaStoreError({
    store: path,
    reason: new Newer({ version, known: schemaVersion }),
    advice: "upgrade this program, or choose another state directory with XDG_STATE_HOME",
  })

const refuseNewer =
  (path: string) =>
  (database: DatabaseSync): QuotaStoreError | undefined => {
    const version = SqliteSchema.versionOf(database)
    return version > schemaVersion ? newer(path, version) : undefined
  }

/** Looks at a file, and starts it where it is new. Gives what is wrong with it. */
const check = (database: DatabaseSync, path: string): Broken | QuotaStoreError | undefined =>
  Sqlite.transaction(database, () => {
    const refused = refuseNewer(path)(database)
    if (refused !== undefined) return refused
    const damage = SqliteSchema.damageOf(database)
    if (damage !== undefined) return new Broken({ description: `it is damaged: ${damage}` })
    if (SqliteSchema.versionOf(database) === 0) {
      database.exec([...schema, `PRAGMA user_version = ${schemaVersion}`].join(";"))
    }
    const problem = QuotaRows.problemOf(database)
    return problem === undefined ? undefined : new Broken({ description: problem })
  })

/** Opens what is there, or begins it. */
const openDatabase = Effect.fnUntraced(function* (directory: PrivateDirectory.PrivateDirectory) {
  const path = directory.pathOf(FileName.single.quota)
  const database = yield* Sqlite.open<Broken | QuotaStoreError>(directory, FileName.single.quota, {
    timeout: 250,
    schema,
    largest: largestFile,
    onError: brokenOr(path),
    refuse: refuseNewer(path),
  })
  const problem = yield* Effect.try({
    try: () => {
      const problem = check(database, path)
      // A crash of the program at any instant leaves the file whole. One that is not ours to write is left as it is.
      if (problem === undefined) database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL")
      return problem
    },
    catch: brokenOr(path),
  })
  if (problem !== undefined) return yield* problem
  return database
})

/** A program on this machine that is gone can't answer any more; of other machines nothing is known. */
const isGone = (holder: string): boolean => {
  const [pid = "", host] = holder.split("@")
  if (host !== hostname() || Number(pid) === process.pid) return false
  const alive = Result.try(() => process.kill(Number(pid), 0))
  return Result.isFailure(alive) && Predicate.hasProperty(alive.failure, "code") && alive.failure.code === "ESRCH"
}

const makeLog = (
  database: DatabaseSync,
  path: string,
  clock: Clock.Clock,
  { lease, name, windows }: QuotaStore.LogOptions,
): QuotaStore.CallLog => {
  const span = QuotaRule.longest(windows)
  const keep = Math.max(span, Duration.toMillis(QuotaStore.retention))
  const sql = (text: string) => database.prepare(text)

  const callsSetBack = sql("UPDATE calls SET at = :now WHERE log = :name AND at > :now")
  const blocksSetBack = sql("UPDATE blocks SET at = :now WHERE log = :name AND at > :now")
  const inFlight = sql("SELECT id, at, lease, holder FROM calls WHERE log = ? AND holder IS NOT NULL")
  const endAt = sql("UPDATE calls SET at = ?, lease = 0, holder = NULL WHERE id = ?")
  const stamps = sql(
    "SELECT json_group_array(at) AS stamps FROM (SELECT at FROM calls WHERE log = ? AND holder IS NULL AND at > ? ORDER BY at)",
  )
  const block = sql("SELECT at + wait AS until FROM blocks WHERE log = ?")
  const setBlock = sql("INSERT OR REPLACE INTO blocks (log, at, wait) VALUES (?, ?, ?)")
  const insert = sql("INSERT INTO calls (log, at, lease, holder) VALUES (?, ?, ?, ?)")
  const remove = sql("DELETE FROM calls WHERE id = ?")

  // Of all logs, and now alone: it looks at every row.
  sql("DELETE FROM calls WHERE at + lease <= ?").run(clock.currentTimeMillisUnsafe() - keep)

  /** What is known now, once places that nobody will end are ended. A clock that was set back has no calls ahead. */
  const settle = (): Calls => {
    // Read inside the transaction, so that no other program's calls are ahead of it.
    const now = clock.currentTimeMillisUnsafe()
    callsSetBack.run({ name, now })
    blocksSetBack.run({ name, now })
    let under = 0
    for (const { at, holder, id, lease } of decodeInFlight(inFlight.all(name))) {
      if (at + lease <= now) endAt.run(at + lease, id)
      else if (isGone(holder)) endAt.run(now, id)
      else under++
    }
    return {
      now,
      inFlight: under,
      stamps: decodeStamps(stamps.get(name, now - span)).stamps,
      blockedUntil: decodeBlock(block.get(name))?.until ?? 0,
    }
  }

  const transaction = <A>(body: (calls: Calls) => A): Effect.Effect<A, QuotaStoreError> =>
    Effect.try({ try: () => Sqlite.transaction(database, () => body(settle())), catch: errorAt(path) })

  const placeOf = (id: number | bigint): QuotaStore.Place => ({
    answered: Effect.asVoid(transaction(({ now }) => endAt.run(now, id))),
    giveBack: Effect.asVoid(transaction(() => remove.run(id))),
  })

  return {
    take: transaction((calls) => {
      const wait = QuotaRule.delay(windows, calls)
      if (wait > 0) return Effect.fail(new QuotaStore.QuotaFull({ retryAfter: Duration.millis(Math.ceil(wait)) }))
      const holder = `${process.pid}@${hostname()}`
      return Effect.succeed(placeOf(insert.run(name, calls.now, QuotaRows.leaseOf(lease), holder).lastInsertRowid))
    }).pipe(Effect.flatten),
    refused: (wait) =>
      transaction((calls) => {
        const millis = QuotaRule.refusalWait(wait)
        if (calls.now + millis > calls.blockedUntil) setBlock.run(name, calls.now, millis)
        for (const at of QuotaRule.phantoms(windows, calls, millis)) insert.run(name, at, 0, null)
      }),
    calls: transaction((calls) => calls),
  }
}

/**
 * Keeps the logs in `<directory>/quota.sqlite`, where all programs of this machine share them, and the next run finds
 * what this one used. The file is for its owner alone. A place whose program is gone counts as answered when the next
 * program looks. A file that is broken is set aside, with a warning; one of a newer version is left as it is, and
 * fails with reason `Newer`.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = ({
  directory,
}: Options): Layer.Layer<QuotaStore.QuotaStore, QuotaStoreError, FileSystem.FileSystem | Path.Path> =>
  Layer.effect(
    QuotaStore.QuotaStore,
    Effect.gen(function* () {
      const clock = yield* Clock.Clock
      const context = yield* Effect.context<FileSystem.FileSystem | Path.Path>()
      const { quota } = FileName.single
      const path = (yield* Path.Path).join(directory, quota)

      /** A file that is not usable is closed at once: SQLite removes what belongs to its name when it closes it. */
      const open = Effect.gen(function* () {
        const scope = yield* Scope.fork(yield* Effect.scope)
        return yield* PrivateDirectory.open(directory).pipe(
          Effect.flatMap(openDatabase),
          Scope.provide(scope),
          Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause))),
        )
      }).pipe(QuotaStore.untilItAnswers)

      /** By one program at a time, and only where no other one has done it already. */
      const setAside = Effect.gen(function* () {
        yield* Effect.retry(Layer.build(NodeDirectoryLock.layer({ directory })), {
          while: ({ problem }) => problem === "InUse",
          schedule: Schedule.spaced("50 millis"),
          times: 200,
        })
        const broken = yield* Effect.scoped(open).pipe(
          Effect.as(undefined),
          Effect.catchTag("Broken", (broken) => Effect.succeed(broken)),
        )
        if (broken === undefined) return
        const files = yield* PrivateDirectory.open(directory)
        const aside = FileName.brokenOf(quota, DateTime.formatIso(yield* DateTime.now).replaceAll(":", ""))
        yield* Effect.forEach(FileName.ofDatabase(quota).slice(1), files.remove, { discard: true })
        yield* files.rename(quota, aside)
        yield* Effect.logWarning(
          `the quota's log was broken (${broken.description}) and is now ${files.pathOf(aside)}; what was used before is not known`,
        )
      }).pipe(Effect.scoped)

      const database = yield* open.pipe(
        Effect.catchTag("Broken", () => Effect.andThen(setAside, open)),
        Effect.catchTags({
          Broken: ({ description }) => Effect.fail(errorAt(path)(description)),
          StoreError: (error) => Effect.fail(unusable(path, error)),
        }),
        Effect.provide(context),
      )
      return {
        open: (options) => Effect.try({ try: () => makeLog(database, path, clock, options), catch: errorAt(path) }),
      }
    }),
  ).pipe(Layer.provide(NodeUser.layer))

/**
 * Keeps the logs in Redis, at `redis://` or `rediss://`. What speaks to it is loaded only when it is used.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerRedis = (
  url: Redacted.Redacted<string>,
  options?: Pick<RedisQuotaStore.Options, "timeout">,
): Layer.Layer<QuotaStore.QuotaStore, QuotaStoreError> =>
  Layer.unwrap(
    Effect.gen(function* () {
      if (!/^rediss?:\/\/\S+$/.test(Redacted.value(url)) || !URL.canParse(Redacted.value(url))) {
        return yield* new QuotaStoreError({
          store: "Redis",
          reason: new Unusable({ description: "its address is no redis:// or rediss:// URL" }),
          advice: "set LIVE_RESPONSE_REDIS_URL as in redis://:password@host:6379/0",
        })
      }
      const NodeRedis = yield* Effect.promise(() => import("@effect/platform-node/NodeRedis"))
      const secrets = secretsOf(url)
      const timeout = options?.timeout ?? "10 seconds"
      const millis = Duration.toMillis(Duration.fromInputUnsafe(timeout))
      const redis = redisLayer(NodeRedis, Redacted.value(url), millis).pipe(
        Layer.provide(Layer.succeed(Logger.CurrentLoggers, new Set())),
        Layer.catch((error) => Layer.effectContext(Effect.fail(RedisQuotaStore.fromRedisError(error, { secrets })))),
      )
      return RedisQuotaStore.layer({ secrets, timeout }).pipe(Layer.provide(redis))
    }),
  )

/**
 * A server that accepts and then says nothing, or nothing that Redis says, fails the first connection after the time-out.
 * Later the pings keep a connection in use, and one that breaks is made again.
 */
const redisLayer = ({ layer }: typeof NodeRedisModule, url: string, timeout: number) => {
  let isConnected = false
  return layer({
    url,
    // Without a connection a command fails at once, and is reported and repeated by the quota's own policy.
    disableOfflineQueue: true,
    pingInterval: timeout / 3,
    socket: {
      connectTimeout: timeout,
      socketTimeout: timeout,
      reconnectStrategy: (retries, cause) => (isConnected ? Math.min(2 ** retries * 50, 2000) : cause),
    },
  }).pipe(Layer.tap(() => Effect.sync(() => (isConnected = true))))
}

/** The URL itself, and the password in it, as it is and as it is sent. */
const secretsOf = (url: Redacted.Redacted<string>): ReadonlyArray<Redacted.Redacted<string>> => {
  const { password } = new URL(Redacted.value(url))
  return [url, Redacted.make(password)]
}

/**
 * Where the environment says: in Redis at `LIVE_RESPONSE_REDIS_URL`, if that is set, else in the user's directory for
 * state (`XDG_STATE_HOME` holds). Where nothing can be kept there, the logs are kept in memory, with a warning. A log that
 * another program holds, that a newer version wrote, or that another user can change, is an error: others use it, and this run has to count with them.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig: Layer.Layer<QuotaStore.QuotaStore, QuotaStoreError | Config.ConfigError> = Layer.unwrap(
  Effect.gen(function* () {
    const url = yield* Config.option(Config.Redacted("LIVE_RESPONSE_REDIS_URL"))
    if (Option.isSome(url)) return layerRedis(url.value)
    return Layer.unwrap(Effect.map(stateDirectory, (directory) => layer({ directory }))).pipe(
      Layer.catch((error) =>
        Layer.unwrap(
          error._tag === "QuotaStoreError" && error.reason._tag !== "Unusable"
            ? Effect.fail(error)
            : Effect.as(
                Effect.logWarning(`${error.message}; this run does not know what others use`),
                QuotaStore.layerMemory,
              ),
        ),
      ),
      Layer.provide(NodeServices.layer),
    )
  }),
)

const stateDirectory = UserDirectories.make().state("live-response")
