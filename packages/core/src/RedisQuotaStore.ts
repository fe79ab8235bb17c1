/**
 * Stores logs of calls in Redis, for programs on several machines that share the quota of an app. All times are those of the
 * Redis server, so the clocks of the machines do not matter.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redis from "effect/persistence/Redis"
import * as Random from "effect/Random"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as ForeignNumber from "./internal/foreignNumber.ts"
import { foreignText } from "./internal/foreignText.ts"
import * as QuotaRule from "./QuotaRule.ts"
import { type CallLog, QuotaStore, retention } from "./QuotaStore.ts"
import { QuotaFull, QuotaStoreError, Unreachable } from "./QuotaStoreError.ts"

/**
 * How long Redis may take to answer a command, its connection included, where nothing else is given.
 *
 * @since 0.1.0
 * @category options
 */
export const defaultTimeout: Duration.Duration = Duration.seconds(10)

/**
 * The options of `layer`.
 *
 * @since 0.1.0
 * @category options
 */
export interface Options {
  /** The prefix of all keys. By default `live-response`. */
  readonly prefix?: string | undefined

  /** How long Redis may take to answer. By default 10 seconds. */
  readonly timeout?: Duration.Input | undefined

  /** Secrets that Redis may repeat in an error, such as its password: they are removed from messages. By default none. */
  readonly secrets?: ReadonlyArray<Redacted.Redacted<string>> | undefined
}

type Operation = "acquire" | "answered" | "release" | "throttled" | "status" | "calls"

/**
 * Every operation on a log, in one script, so that each is atomic. The script first counts permits whose lease has expired as
 * answered. Windows are pairs of limit and milliseconds; see `QuotaRule.delay` for the rule itself.
 *
 * KEYS: in flight (id, end of its lease), answered (id, instant), blocked until. ARGV: operation, retention, id, and the
 * arguments of the operation: lease and windows for `acquire`, the windows for `status`, the wait and the full window for
 * `throttled`, the longest window for `calls`. Only `calls` reads every call of a window.
 */
const script = Redis.script(
  (name: string, operation: Operation, keep: number, id: string, ...numbers: ReadonlyArray<number>) => [
    ...["in-flight", "answered", "blocked"].map((key) => `${name}:${key}`),
    operation,
    keep,
    id,
    ...numbers,
  ],
  {
    numberOfKeys: 3,
    lua: `
local inFlight, answered, blocked = KEYS[1], KEYS[2], KEYS[3]
local operation, keep, id = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000

local function number(n) return string.format('%.3f', n) end
local function count(millis)
  return redis.call('ZCARD', inFlight) + redis.call('ZCOUNT', answered, '(' .. number(now - millis), '+inf')
end
local function answer(member, at)
  redis.call('ZREM', inFlight, member)
  redis.call('ZADD', answered, number(at), member)
end

local expired = redis.call('ZRANGEBYSCORE', inFlight, '-inf', number(now), 'WITHSCORES')
for i = 1, #expired, 2 do answer(expired[i], tonumber(expired[i + 1])) end
redis.call('ZREMRANGEBYSCORE', answered, '-inf', number(now - keep))

-- The rest of the server's wait, then for each window from this argument on the calls used and its wait.
local function uses(first)
  local found = { math.max(tonumber(redis.call('GET', blocked) or 0) - now, 0) }
  for i = first, #ARGV, 2 do
    local limit, millis = tonumber(ARGV[i]), tonumber(ARGV[i + 1])
    local used, wait = count(millis), 0
    if used >= limit then
      local leaving = redis.call(
        'ZRANGEBYSCORE', answered, '(' .. number(now - millis), '+inf', 'WITHSCORES', 'LIMIT', used - limit, 1)
      wait = math.max(leaving[2] and tonumber(leaving[2]) + millis - now or millis, 0)
    end
    found[#found + 1], found[#found + 2] = used, wait
  end
  return found
end

local result = {}
if operation == 'acquire' then
  local found = uses(5)
  local wait = found[1]
  for i = 3, #found, 2 do wait = math.max(wait, found[i]) end
  if wait <= 0 then redis.call('ZADD', inFlight, number(now + ARGV[4]), id) end
  result = { number(wait) }
elseif operation == 'status' then
  for i, value in ipairs(uses(4)) do result[i] = number(value) end
elseif operation == 'answered' then
  answer(id, now)
elseif operation == 'release' then
  redis.call('ZREM', inFlight, id)
elseif operation == 'throttled' then
  local wait, limit, millis = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
  local untilThen = math.max(now + wait, tonumber(redis.call('GET', blocked) or 0))
  if untilThen > now then redis.call('SET', blocked, number(untilThen), 'PX', math.ceil(untilThen - now)) end
  local missing, span = limit - count(millis), math.max(0, millis - wait)
  for i = 0, missing - 1 do
    redis.call('ZADD', answered, number(now - span * (1 - i / missing)), id .. ':' .. i)
  end
elseif operation == 'calls' then
  result = { number(now), tostring(redis.call('ZCARD', inFlight)), redis.call('GET', blocked) or '0' }
  local stamps = redis.call('ZRANGEBYSCORE', answered, '(' .. number(now - ARGV[4]), '+inf', 'WITHSCORES')
  for i = 2, #stamps, 2 do result[#result + 1] = stamps[i] end
end
redis.call('PEXPIRE', answered, keep)
redis.call('PEXPIRE', inFlight, keep)
return result`,
  },
).withReturnType<unknown>()

/** Instants and waits in milliseconds, or counts. */
const decodeNumbers = Schema.decodeUnknownEffect(
  Schema.Array(Schema.FiniteFromString.check(Schema.isBetween({ minimum: 0, maximum: ForeignNumber.lastInstant }))),
)

const failed = (description: string) =>
  new QuotaStoreError({
    store: "Redis",
    reason: new Unreachable({ description }),
    advice: "is it up, and is the address right? (LIVE_RESPONSE_REDIS_URL)",
  })

/**
 * The error of a quota whose Redis failed.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromRedisError = (
  { cause }: Redis.RedisError,
  options?: {
    /** Secrets that the server may repeat: they are removed from the message. By default none. */
    readonly secrets?: ReadonlyArray<Redacted.Redacted<string>> | undefined
  },
): QuotaStoreError => {
  const message = (cause instanceof Error ? cause.message || cause.name : String(cause)).split("\n", 1).join()
  return failed(message.startsWith("Socket timeout") ? noAnswer : foreignText(message, options?.secrets))
}

const noAnswer = "no answer in time"

/**
 * Stores the logs in the `Redis` in context, such as that of `NodeRedis.layer` in `@effect/platform-node`.
 *
 * **Gotchas**
 *
 * A permit whose program is gone counts as in flight until its lease has expired, because Redis can't know that the program
 * is gone. If the clock of the Redis server is set forward, the calls of other programs leave their windows early; those of this
 * program do not (`Quota.make`).
 *
 * @example
 * ```ts
 * import * as Quota from "@live-response/core/Quota"
 * import * as RedisQuotaStore from "@live-response/core/RedisQuotaStore"
 * import * as Layer from "effect/Layer"
 *
 * // Needs effect/persistence/Redis.
 * export const shared = Quota.layer({ owner: "tenant app" }).pipe(Layer.provide(RedisQuotaStore.layer()))
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options?: Options): Layer.Layer<QuotaStore, never, Redis.Redis> =>
  Layer.effect(
    QuotaStore,
    Effect.gen(function* () {
      const redis = yield* Redis.Redis
      const timeout = options?.timeout ?? defaultTimeout
      // One name for each program, and a number for each of its permits.
      const program = (yield* Random.nextInt).toString(36)
      let permits = 0
      const nextId = () => `${program}:${permits++}`

      return {
        open: ({ lease, name, windows }) => {
          const keep = Math.max(Duration.toMillis(retention), QuotaRule.longest(windows))
          const run = (operation: Operation, id: string, ...numbers: ReadonlyArray<number>) =>
            redis
              .eval(script)(`${options?.prefix ?? "live-response"}:{${name}}`, operation, keep, id, ...numbers)
              .pipe(
                Effect.mapError((error) => fromRedisError(error, options)),
                Effect.timeoutOrElse({ duration: timeout, orElse: () => Effect.fail(failed(noAnswer)) }),
                Effect.flatMap((result) => Effect.mapError(decodeNumbers(result), () => failed("an unknown answer"))),
              )
          const log = makeLog({ lease, windows, nextId, run })
          // Fails at once where Redis can't be used.
          return Effect.as(log.calls, log)
        },
      }
    }),
  )

interface LogOptions {
  readonly lease: Duration.Duration
  readonly windows: ReadonlyArray<QuotaRule.Window>
  readonly nextId: () => string
  readonly run: (
    operation: Operation,
    id: string,
    ...numbers: ReadonlyArray<number>
  ) => Effect.Effect<ReadonlyArray<number>, QuotaStoreError>
}

const makeLog = ({ lease, nextId, run, windows }: LogOptions): CallLog => {
  const limits = windows.flatMap(({ duration, limit }) => [limit, Duration.toMillis(duration)])
  return {
    acquire: Effect.suspend(() => {
      const id = nextId()
      return Effect.flatMap(run("acquire", id, Duration.toMillis(lease), ...limits), ([wait = 0]) =>
        wait > 0
          ? Effect.fail(new QuotaFull({ retryAfter: Duration.millis(Math.ceil(wait)) }))
          : Effect.succeed({
              answered: Effect.asVoid(run("answered", id)),
              release: Effect.asVoid(run("release", id)),
            }),
      )
    }),
    throttled: (wait) => {
      const millis = QuotaRule.throttleWait(wait)
      const full = QuotaRule.fullWindow(windows, millis)
      return full === undefined
        ? Effect.void
        : Effect.asVoid(run("throttled", nextId(), millis, full.limit, Duration.toMillis(full.duration)))
    },
    status: Effect.map(run("status", "", ...limits), ([blockedFor = 0, ...pairs]) => {
      const uses = windows.map((_, i) => ({ used: pairs[2 * i] ?? 0, delay: pairs[2 * i + 1] ?? 0 }))
      return QuotaRule.statusOf(windows, uses, blockedFor)
    }),
    calls: Effect.map(
      run("calls", "", QuotaRule.longest(windows)),
      ([now = 0, inFlight = 0, blockedUntil = 0, ...stamps]): QuotaRule.Calls => ({
        now,
        inFlight,
        blockedUntil,
        stamps,
      }),
    ),
  }
}
