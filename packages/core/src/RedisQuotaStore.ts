/**
 * Logs of calls in Redis, for programs on many machines that share an app's quota. The time is the server's, so the
 * machines' own clocks do not matter.
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
import type * as QuotaRule from "./QuotaRule.ts"
import { fullWindow, longest, refusalWait } from "./QuotaRule.ts"
import { type CallLog, QuotaFull, QuotaStore, retention } from "./QuotaStore.ts"
import { QuotaStoreError, Unreachable } from "./QuotaStoreError.ts"

/**
 * @since 0.1.0
 * @category options
 */
export interface Options {
  /** What the names of all keys begin with. By default `live-response`. */
  readonly prefix?: string | undefined

  /** How long Redis may take to answer. By default 10 seconds. */
  readonly timeout?: Duration.Input | undefined

  /** What Redis was sent and may repeat in an error, such as its password: no error shows it. */
  readonly secrets?: ReadonlyArray<Redacted.Redacted<string>> | undefined
}

/**
 * Everything that happens to a log, in one script, because all of a take is one step. It begins by counting places whose
 * lease is over as answered. Windows are pairs of limit and milliseconds; see `QuotaRule.delay` for the rule itself.
 *
 * KEYS: in flight (id, end of its lease), answered (id, instant), blocked until. ARGV: what, retention, id, and then by
 * what is done: lease and windows; nothing; wait and the window that is full.
 */
const script = Redis.script(
  (name: string, what: string, keep: number, id: string, ...numbers: ReadonlyArray<number>) => [
    ...["in-flight", "answered", "blocked"].map((key) => `${name}:${key}`),
    what,
    keep,
    id,
    ...numbers,
  ],
  {
    numberOfKeys: 3,
    lua: `
local inFlight, answered, blocked = KEYS[1], KEYS[2], KEYS[3]
local what, keep, id = ARGV[1], tonumber(ARGV[2]), ARGV[3]
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

local over = redis.call('ZRANGEBYSCORE', inFlight, '-inf', number(now), 'WITHSCORES')
for i = 1, #over, 2 do answer(over[i], tonumber(over[i + 1])) end
redis.call('ZREMRANGEBYSCORE', answered, '-inf', number(now - keep))

local result = {}
if what == 'take' then
  local wait = tonumber(redis.call('GET', blocked) or 0) - now
  for i = 5, #ARGV, 2 do
    local limit, millis = tonumber(ARGV[i]), tonumber(ARGV[i + 1])
    local excess = count(millis) - limit
    if excess >= 0 then
      local leaving = redis.call(
        'ZRANGEBYSCORE', answered, '(' .. number(now - millis), '+inf', 'WITHSCORES', 'LIMIT', excess, 1)
      wait = math.max(wait, leaving[2] and tonumber(leaving[2]) + millis - now or millis)
    end
  end
  if wait <= 0 then redis.call('ZADD', inFlight, number(now + ARGV[4]), id) end
  result = { number(math.max(wait, 0)) }
elseif what == 'answered' then
  answer(id, now)
elseif what == 'giveBack' then
  redis.call('ZREM', inFlight, id)
elseif what == 'refused' then
  local wait, limit, millis = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
  local untilThen = math.max(now + wait, tonumber(redis.call('GET', blocked) or 0))
  if untilThen > now then redis.call('SET', blocked, number(untilThen), 'PX', math.ceil(untilThen - now)) end
  local missing, span = limit - count(millis), math.max(0, millis - wait)
  for i = 0, missing - 1 do
    redis.call('ZADD', answered, number(now - span * (1 - i / missing)), id .. ':' .. i)
  end
elseif what == 'calls' then
  result = { number(now), tostring(redis.call('ZCARD', inFlight)), redis.call('GET', blocked) or '0' }
  local stamps = redis.call('ZRANGEBYSCORE', answered, '(' .. number(now - ARGV[4]), '+inf', 'WITHSCORES')
  for i = 2, #stamps, 2 do result[#result + 1] = stamps[i] end
end
redis.call('PEXPIRE', answered, keep)
redis.call('PEXPIRE', inFlight, keep)
return result`,
  },
).withReturnType<unknown>()

/** Instants and waits in milliseconds, and counts. */
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
 * What a failure of Redis means for the logs in it.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromRedisError = (
  { cause }: Redis.RedisError,
  options?: {
    /** What was sent, and the server may repeat: it is removed from the message. */
    readonly secrets?: ReadonlyArray<Redacted.Redacted<string>> | undefined
  },
): QuotaStoreError => {
  const message = (cause instanceof Error ? cause.message || cause.name : String(cause)).split("\n", 1).join()
  return failed(message.startsWith("Socket timeout") ? noAnswer : foreignText(message, options?.secrets))
}

const noAnswer = "no answer in time"

/**
 * Keeps the logs in the `Redis` in context: `NodeRedis.layer` of `@effect/platform-node` is one.
 *
 * A place whose holder is gone is in flight until its lease is over, for Redis can't know that it is gone.
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
      const timeout = options?.timeout ?? "10 seconds"
      // One name for each program, and a number for each of its places.
      const program = (yield* Random.nextInt).toString(36)
      let places = 0
      const nextId = () => `${program}:${places++}`

      return {
        open: ({ lease, name, windows }) => {
          const keep = Math.max(Duration.toMillis(retention), longest(windows))
          const run = (what: string, id: string, ...numbers: ReadonlyArray<number>) =>
            redis
              .eval(script)(`${options?.prefix ?? "live-response"}:{${name}}`, what, keep, id, ...numbers)
              .pipe(
                Effect.mapError((error) => fromRedisError(error, options)),
                Effect.timeoutOrElse({ duration: timeout, orElse: () => Effect.fail(failed(noAnswer)) }),
                Effect.flatMap((result) => Effect.mapError(decodeNumbers(result), () => failed("an unknown answer"))),
              )
          const limits = windows.flatMap(({ duration, limit }) => [limit, Duration.toMillis(duration)])

          const log: CallLog = {
            take: Effect.suspend(() => {
              const id = nextId()
              return Effect.flatMap(run("take", id, Duration.toMillis(lease), ...limits), ([wait = 0]) =>
                wait > 0
                  ? Effect.fail(new QuotaFull({ retryAfter: Duration.millis(Math.ceil(wait)) }))
                  : Effect.succeed({
                      answered: Effect.asVoid(run("answered", id)),
                      giveBack: Effect.asVoid(run("giveBack", id)),
                    }),
              )
            }),
            refused: (wait) => {
              const millis = refusalWait(wait)
              const full = fullWindow(windows, millis)
              return full === undefined
                ? Effect.void
                : Effect.asVoid(run("refused", nextId(), millis, full.limit, Duration.toMillis(full.duration)))
            },
            calls: Effect.map(
              run("calls", "", longest(windows)),
              ([now = 0, inFlight = 0, blockedUntil = 0, ...stamps]): QuotaRule.Calls => ({
                now,
                inFlight,
                blockedUntil,
                stamps,
              }),
            ),
          }
          // A Redis that can't be used is known from the start.
          return Effect.as(log.calls, log)
        },
      }
    }),
  )
