/**
 * Stores logs of calls so that they survive a program: in SQLite for the programs of one machine, or in Redis for those of
 * several machines.
 *
 * @since 0.1.0
 */
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as FileName from "@live-response/core/FileName"
import * as PrivateDirectory from "@live-response/core/PrivateDirectory"
import * as QuotaStore from "@live-response/core/QuotaStore"
import { QuotaStoreError, Untrusted, Unusable } from "@live-response/core/QuotaStoreError"
import * as RedisQuotaStore from "@live-response/core/RedisQuotaStore"
import type { StoreError } from "@live-response/core/StoreError"
import * as Clock from "effect/Clock"
import * as Config from "effect/Config"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as UserDirectories from "effect/persistence/UserDirectories"
import type * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as BrokenQuotaDatabase from "./internal/brokenQuotaDatabase.ts"
import { invalidVariable } from "./internal/invalidVariable.ts"
import * as OptionalPackage from "./internal/optionalPackage.ts"
import * as QuotaDatabase from "./internal/quotaDatabase.ts"
import * as QuotaFallback from "./internal/quotaFallback.ts"
import * as QuotaLog from "./internal/quotaLog.ts"
import * as RedisAddress from "./internal/redisAddress.ts"
import * as RedisConnection from "./internal/redisConnection.ts"
import * as NodePlatform from "./NodePlatform.ts"

/**
 * The options of `layer`.
 *
 * @since 0.1.0
 * @category options
 */
export interface Options {
  /** The directory of `quota.sqlite`. */
  readonly directory: string
}

/** The error of a directory or a file that can't be used. */
const unusable = (path: string, { message, problem }: StoreError): QuotaStoreError =>
  problem === "Untrusted"
    ? new QuotaStoreError({
        store: path,
        reason: new Untrusted({ description: message }),
        advice: "or name another directory for it with XDG_STATE_HOME",
      })
    : QuotaDatabase.errorAt(path)(message)

/** Opens the database. One that is not usable is closed at once, because SQLite removes files by name as it closes. */
const open = (directory: string) =>
  Effect.gen(function* () {
    const scope = yield* Scope.fork(yield* Effect.scope)
    return yield* PrivateDirectory.open(directory).pipe(
      Effect.flatMap(QuotaDatabase.open),
      Scope.provide(scope),
      Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause))),
    )
  }).pipe(QuotaStore.untilItAnswers)

/**
 * Stores the logs in `<directory>/quota.sqlite`, which the programs of this machine share and the next run reads.
 *
 * **Details**
 *
 * Only the owner can read the file. A permit whose program is gone counts as answered as soon as another program looks. A
 * broken file is renamed, with a warning. A file of a newer version is left as it is, and fails with the reason `Newer`.
 *
 * **Gotchas**
 *
 * It goes by the system clock, because that is all that two runs share. If the clock is set forward, the calls of other programs and
 * of earlier runs leave their windows early; those of this program do not (`Quota.make`).
 *
 * @example
 * ```ts
 * import * as NodeLiveResponse from "@live-response/node/NodeLiveResponse"
 * import * as NodeQuotaStore from "@live-response/node/NodeQuotaStore"
 * import * as Layer from "effect/Layer"
 *
 * // Both services that it needs are among those for files.
 * export const shared = NodeQuotaStore.layer({ directory: "/var/lib/evidence" }).pipe(
 *   Layer.provide(NodeLiveResponse.layerFiles),
 * )
 * ```
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
      const path = (yield* Path.Path).join(directory, FileName.single.quota)
      const errorAt = QuotaDatabase.errorAt(path)
      const database = yield* open(directory).pipe(
        Effect.catchTag("Broken", () =>
          Effect.andThen(BrokenQuotaDatabase.setAside(directory, open(directory)), open(directory)),
        ),
        Effect.catchTags({
          Broken: ({ description }) => Effect.fail(errorAt(description)),
          StoreError: (error) => Effect.fail(unusable(path, error)),
        }),
      )
      const openLog = yield* Effect.try({ try: () => QuotaLog.makeOpen(database, path, clock), catch: errorAt })
      return { open: (options) => Effect.try({ try: () => openLog(options), catch: errorAt }) }
    }),
  ).pipe(Layer.provide(NodePlatform.layer))

/**
 * Stores the logs in Redis, at a `redis://` or `rediss://` URL.
 *
 * **Details**
 *
 * The Redis client is loaded when the layer is built, so a program that does not use Redis starts without it.
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
      const address = yield* Effect.mapError(Effect.fromOption(RedisAddress.parse(url)), () => invalidAddress)
      const { createClient } = yield* Effect.mapError(loadRedis, notInstalled)
      const secrets = [url, ...(address.password === undefined ? [] : [address.password])]
      const timeout = options?.timeout ?? RedisQuotaStore.defaultTimeout
      const redis = RedisConnection.layer(createClient, address, Duration.fromInputUnsafe(timeout)).pipe(
        Layer.catch((error) => Layer.effectContext(Effect.fail(RedisQuotaStore.fromRedisError(error, { secrets })))),
      )
      return RedisQuotaStore.layer({ secrets, timeout }).pipe(Layer.provide(redis))
    }),
  )

const loadRedis = OptionalPackage.load("redis", () => import("redis"))

const notInstalled = ({ advice, message }: OptionalPackage.NotInstalled) =>
  new QuotaStoreError({ store: "Redis", reason: new Unusable({ description: message }), advice })

const invalidAddress = new QuotaStoreError({
  store: "Redis",
  reason: new Unusable({ description: `its address is not ${RedisAddress.expected}` }),
  advice: "correct LIVE_RESPONSE_REDIS_URL",
})

const redisVariable = "LIVE_RESPONSE_REDIS_URL"

/** An address that can't be read is a mistake in the environment, and not a log that can't be used. */
const redisUrl = Config.option(Config.Redacted(redisVariable)).pipe(
  Config.mapEffect((url) =>
    Option.isSome(url) && Option.isNone(RedisAddress.parse(url.value))
      ? Effect.fail(invalidVariable(redisVariable, `expected ${RedisAddress.expected}`))
      : Effect.succeed(url),
  ),
)

/**
 * Stores the logs where the environment says.
 *
 * **Details**
 *
 * In Redis if `LIVE_RESPONSE_REDIS_URL` is set, else in the user's state directory (`XDG_STATE_HOME`). Where no file can be
 * stored there, it warns and stores the logs in memory.
 *
 * **Gotchas**
 *
 * A log that another program holds, that a newer version wrote, or that another user can change is an error and not replaced
 * by memory: other programs use it, and this one must count their calls.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig: Layer.Layer<QuotaStore.QuotaStore, QuotaStoreError | Config.ConfigError> = Layer.unwrap(
  Effect.gen(function* () {
    const url = yield* redisUrl
    if (Option.isSome(url)) return layerRedis(url.value)
    return Layer.unwrap(Effect.map(stateDirectory, (directory) => layer({ directory }))).pipe(
      QuotaFallback.orMemory,
      Layer.provide(NodeServices.layer),
    )
  }),
)

const stateDirectory = Effect.mapError(
  UserDirectories.make().state("live-response"),
  ({ message, reason }) =>
    new QuotaStoreError({
      store: "the user's state directory",
      reason: new Unusable({ description: ("description" in reason && reason.description) || message }),
      advice: "name a directory for it with XDG_STATE_HOME",
    }),
)
