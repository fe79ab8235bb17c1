import { assert, describe, it } from "@effect/vitest"
import * as Credential from "@live-response/core/Credential"
import { CredentialError, Missing, Refused, Unreachable, Unusable } from "@live-response/core/CredentialError"
import * as Timing from "@live-response/core/Timing"
import { inVirtualTime } from "@live-response/core/testing/LiveResponseTest"
import * as Clock from "effect/Clock"
import * as ConfigProvider from "effect/ConfigProvider"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as PlatformError from "effect/PlatformError"
import * as Redacted from "effect/Redacted"
import * as References from "effect/References"
import * as Schedule from "effect/Schedule"
import * as Scheduler from "effect/Scheduler"
import { TestClock } from "effect/testing"
import { fileInfo } from "./support/fileInfo.ts"

const minute = 60 * 1000
const hour = 60 * minute
const scope = "https://api.securitycenter.microsoft.com/.default"

const refused = new CredentialError({ reason: new Refused({ error: "invalid_client", description: "no" }) })
const unreachable = new CredentialError({ reason: new Unreachable({ description: "ENOTFOUND" }) })
const missing = new CredentialError({ reason: new Missing() })
const unusable = new CredentialError({ reason: new Unusable({ description: "no JSON" }) })

interface SignIn {
  /** The lifetime of each token, from its request. */
  readonly lifetime?: number
  /** How long each renewal takes. The first token arrives at once. */
  readonly latency?: Duration.Input
  /** The error of an attempt, counted from 1. */
  readonly fails?: (attempt: number) => CredentialError | undefined
}

/** A credential over a sign-in server of the test's own, which issues `token-1`, `token-2`, … by the number of the attempt. */
const signedIn = Effect.fnUntraced(function* ({ fails, latency, lifetime = hour }: SignIn) {
  const attempts: Array<{ readonly at: number; readonly refused: boolean }> = []
  const service = yield* Credential.make(
    Effect.fnUntraced(function* ({ refused }) {
      const at = yield* Clock.currentTimeMillis
      const attempt = attempts.push({ at, refused })
      if (latency !== undefined && attempt > 1) yield* Effect.sleep(latency)
      const error = fails?.(attempt)
      if (error !== undefined) return yield* error
      return { token: Redacted.make(`token-${attempt}`), expires: at + lifetime }
    }),
  )
  return {
    attempts,
    token: Effect.map(service.token, Redacted.value),
    invalidate: (token: string) => service.invalidate(Redacted.make(token)),
  }
})

/** Fails on every attempt but the first. */
const onceOnly = (error: CredentialError) => (attempt: number) => (attempt === 1 ? undefined : error)

/** Lets fibers in the background start, and finish where they do not wait. */
const aMoment = TestClock.adjust("1 milli")

const failing = (getToken: () => Promise<null>, onError?: (cause: unknown) => CredentialError) =>
  Effect.flatMap(
    Credential.fromTokenCredential({
      scope,
      credential: { getToken },
      ...(onError === undefined ? {} : { onError }),
    }),
    (service) => Effect.flip(service.token),
  )

describe("Credential.make", () => {
  it.effect("caches a token until five minutes before it expires", () =>
    Effect.gen(function* () {
      const { attempts, token } = yield* signedIn({})
      assert.strictEqual(yield* token, "token-1")
      yield* TestClock.adjust("54 minutes")
      assert.strictEqual(yield* token, "token-1")
      yield* TestClock.adjust("59 seconds")
      assert.strictEqual(yield* token, "token-1")
      yield* aMoment
      assert.deepStrictEqual(attempts, [{ at: 0, refused: false }])
    }),
  )

  it.effect("then renews it in the background, and returns the old one until the new one is there", () =>
    Effect.gen(function* () {
      const { attempts, token } = yield* signedIn({ latency: "10 seconds" })
      yield* token
      yield* TestClock.adjust("55 minutes")
      assert.strictEqual(yield* token, "token-1")
      yield* TestClock.adjust("9 seconds")
      assert.strictEqual(yield* token, "token-1")
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* token, "token-2")
      yield* aMoment
      assert.deepStrictEqual(
        attempts.map(({ at }) => at),
        [0, 55 * minute],
      )
    }),
  )

  it.effect("caches the new token as long as the first", () =>
    Effect.gen(function* () {
      const { attempts, token } = yield* signedIn({})
      yield* token
      for (let passed = 0; passed < 240; passed++) {
        yield* TestClock.adjust("1 minute")
        yield* token
      }
      yield* aMoment
      assert.strictEqual(attempts.length, 1 + 4)
    }),
  )

  it.effect("lets calls wait for the new token from two minutes before the old one expires", () =>
    Effect.gen(function* () {
      const { attempts, token } = yield* signedIn({ latency: "9 seconds" })
      yield* token
      yield* TestClock.adjust("58 minutes")
      const calls = yield* Effect.forkChild(Effect.all([token, token, token], { concurrency: "unbounded" }))
      yield* TestClock.adjust("8 seconds")
      assert.isUndefined(calls.pollUnsafe())
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* Fiber.join(calls), ["token-2", "token-2", "token-2"])
      assert.strictEqual(attempts.length, 2)
    }),
  )

  it.effect("lets calls wait for a renewal that started in the background, and starts no second one", () =>
    Effect.gen(function* () {
      const { attempts, token } = yield* signedIn({ latency: "98 seconds" })
      yield* token
      yield* TestClock.adjust("57 minutes")
      assert.strictEqual(yield* token, "token-1")
      yield* TestClock.adjust("90 seconds")
      const call = yield* Effect.forkChild(token)
      yield* TestClock.adjust("7 seconds")
      assert.isUndefined(call.pollUnsafe())
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* Fiber.join(call), "token-2")
      assert.strictEqual(attempts.length, 2)
    }),
  )

  it.effect("waits ten seconds while the old token is valid, and not again for half a minute", () =>
    Effect.gen(function* () {
      const { attempts, token } = yield* signedIn({ latency: "30 seconds" })
      yield* token
      yield* TestClock.adjust("58 minutes")
      const call = yield* Effect.forkChild(token)
      yield* TestClock.adjust("9 seconds")
      assert.isUndefined(call.pollUnsafe())
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* Fiber.join(call), "token-1")
      assert.strictEqual(yield* token, "token-1")
      yield* TestClock.adjust("20 seconds")
      assert.strictEqual(yield* token, "token-2")
      assert.strictEqual(attempts.length, 2)
    }),
  )

  it.effect("uses the old token until it expires where it can't be renewed", () =>
    Effect.gen(function* () {
      const { token } = yield* signedIn({ fails: onceOnly(refused) })
      yield* token
      for (const wait of ["55 minutes", "3 minutes", "119 seconds"] as const) {
        yield* TestClock.adjust(wait)
        assert.strictEqual(yield* token, "token-1", wait)
      }
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* Effect.flip(token), refused)
    }),
  )

  it.effect("uses the old token until it expires where the sign-in server can't be reached for an hour", () =>
    Effect.gen(function* () {
      const { token } = yield* signedIn({ fails: onceOnly(unreachable) })
      yield* token
      yield* TestClock.adjust("58 minutes")
      const call = yield* Effect.forkChild(token)
      // The last second in which the old one is any good.
      yield* TestClock.adjust("119 seconds")
      assert.isDefined(call.pollUnsafe(), "the call still waits while the old token expires")
      assert.strictEqual(yield* Fiber.join(call), "token-1")
    }),
  )

  it.effect("renews again in the background 30 seconds after a failure", () =>
    Effect.gen(function* () {
      const { attempts, token } = yield* signedIn({ fails: (attempt) => (attempt === 2 ? refused : undefined) })
      yield* token
      yield* TestClock.adjust("55 minutes")
      for (const wait of ["10 seconds", "19 seconds", "1 second"] as const) {
        assert.strictEqual(yield* token, "token-1")
        yield* TestClock.adjust(wait)
      }
      assert.strictEqual(attempts.length, 2)
      assert.strictEqual(yield* token, "token-1")
      yield* aMoment
      assert.strictEqual(yield* token, "token-3")
      assert.deepStrictEqual(
        attempts.map(({ at }) => at),
        [0, 55 * minute, 55 * minute + 30_000],
      )
    }),
  )

  it.effect("stops a renewal in the background with its scope", () =>
    Effect.gen(function* () {
      let asked = 0
      let isInterrupted = false
      yield* Effect.scoped(
        Effect.gen(function* () {
          const { token } = yield* Credential.make(() =>
            ++asked === 1
              ? Effect.succeed({ token: Redacted.make("token-1"), expires: hour })
              : Effect.onInterrupt(Effect.never, () =>
                  Effect.sync(() => {
                    isInterrupted = true
                  }),
                ),
          )
          yield* token
          yield* TestClock.adjust("55 minutes")
          yield* token
          yield* aMoment
          assert.strictEqual(asked, 2)
          assert.isFalse(isInterrupted)
        }),
      )
      assert.isTrue(isInterrupted)
    }),
  )

  it.effect("does not let a call wait once its scope is closed", () =>
    Effect.gen(function* () {
      const { token } = yield* Effect.scoped(
        Credential.make(() => Effect.succeed({ token: Redacted.make("token-1"), expires: hour })),
      )
      const call = yield* Effect.forkChild(token)
      yield* aMoment
      assert.isDefined(call.pollUnsafe())
    }),
  )

  it.effect("requests one token for all calls that need it at the same time", () =>
    Effect.gen(function* () {
      const { attempts, token } = yield* signedIn({})
      const tokens = yield* Effect.all(
        Array.from({ length: 20 }, () => token),
        { concurrency: "unbounded" },
      )
      assert.deepStrictEqual(new Set(tokens), new Set(["token-1"]))
      assert.strictEqual(attempts.length, 1)
    }),
  )

  it.effect("still returns the token to the other calls when one of them is interrupted, even the first", () =>
    Effect.gen(function* () {
      let asked = 0
      const service = yield* Credential.make(() =>
        Effect.gen(function* () {
          asked++
          yield* Effect.sleep("10 seconds")
          return { token: Redacted.make(`token-${asked}`), expires: hour }
        }),
      )
      const calls = yield* Effect.forEach([0, 1, 2], () => Effect.forkChild(service.token))
      yield* TestClock.adjust("5 seconds")
      const [first, second, third] = calls
      if (first === undefined || second === undefined || third === undefined) return assert.fail("three were started")
      yield* Fiber.interrupt(first)
      yield* Fiber.interrupt(third)
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(Redacted.value(yield* Fiber.join(second)), "token-1")
      assert.strictEqual(asked, 1)
    }),
  )

  it.effect("warns of a failed renewal in the background, once until one succeeds", () =>
    Effect.gen(function* () {
      const logs: Array<string> = []
      yield* Effect.gen(function* () {
        // The second and third attempts fail, and the fifth: two streaks.
        const { attempts, token } = yield* signedIn({
          fails: (attempt) => ([2, 3, 5].includes(attempt) ? refused : undefined),
        })
        for (const wait of ["55 minutes", "30 seconds", "30 seconds", "55 minutes", "30 seconds"] as const) {
          yield* token
          yield* TestClock.adjust(wait)
          yield* token
          yield* aMoment
        }
        assert.strictEqual(attempts.length, 6)
      }).pipe(
        Effect.provideService(References.MinimumLogLevel, "All"),
        Effect.provide(
          Logger.layer([Logger.make(({ logLevel, message }) => logs.push(`${logLevel} ${String(message)}`))]),
        ),
      )
      const [first = "", ...others] = logs
      assert.match(
        first,
        /^Warn the token could not be renewed yet, the current one expires at 1970-01-01T01:00:00\.000Z: sign-in was refused/,
      )
      assert.deepStrictEqual(
        others.map((line) => line.split(",")[0]),
        ["Info the token was renewed", "Warn the token could not be renewed yet", "Info the token was renewed"],
      )
      assert.notMatch(logs.join(), /token-\d/)
    }),
  )

  it.effect("warns while the sign-in is being retried, and not where no token is left", () =>
    Effect.gen(function* () {
      const logs: Array<string> = []
      yield* Effect.gen(function* () {
        const { token } = yield* signedIn({ fails: onceOnly(unreachable) })
        yield* token
        yield* TestClock.adjust("55 minutes")
        yield* token
        yield* aMoment
        assert.strictEqual(logs.length, 1)
        yield* TestClock.adjust("2 hours")
        yield* Effect.forkChild(token)
        yield* TestClock.adjust("1 hour")
      }).pipe(Effect.provide(Logger.layer([Logger.make(({ message }) => logs.push(String(message)))])))
      assert.strictEqual(logs.length, 1)
    }),
  )

  it.effect.each(Array.from({ length: 60 }, (_, n) => n + 3))(
    "renews it whenever the scheduler pauses its fiber, here after %i steps",
    (steps) =>
      Effect.gen(function* () {
        let issued = 0
        const { token } = yield* Credential.make(() =>
          Effect.map(Clock.currentTimeMillis, (now) => ({
            token: Redacted.make(`token-${++issued}`),
            expires: now + 10 * minute,
          })),
        )
        for (let passed = 0; passed < 60; passed++) {
          yield* token
          yield* TestClock.adjust("1 minute")
        }
        assert.isAtLeast(issued, 8)
      }).pipe(Effect.provideService(Scheduler.MaxOpsBeforeYield, steps)),
  )

  it.effect("renews a token of one minute in the background, so that no call waits", () =>
    Effect.gen(function* () {
      const { attempts, token } = yield* signedIn({ lifetime: minute, latency: "10 seconds" })
      yield* token
      for (let second = 1; second <= 600; second++) {
        yield* TestClock.adjust("1 second")
        // Joined without any time passing: it is there at once.
        const given = yield* token
        const at = attempts[Number(given.replace("token-", "")) - 1]?.at ?? 0
        assert.isBelow((yield* Clock.currentTimeMillis) - at, minute, given)
      }
      assert.isAtMost(attempts.length, 21)
    }),
  )

  it.effect("caches a short-lived token for half its life, and lets calls wait in its last quarter", () =>
    Effect.gen(function* () {
      const { attempts, token } = yield* signedIn({ lifetime: 4 * minute, latency: "70 seconds" })
      yield* token
      yield* TestClock.adjust("119 seconds")
      assert.strictEqual(yield* token, "token-1")
      assert.strictEqual(attempts.length, 1)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* token, "token-1")
      yield* TestClock.adjust("59 seconds")
      assert.strictEqual(attempts.length, 2)
      assert.strictEqual(yield* token, "token-1")
      yield* TestClock.adjust("1 second")
      const call = yield* Effect.forkChild(token)
      yield* TestClock.adjust("9 seconds")
      assert.isUndefined(call.pollUnsafe())
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* Fiber.join(call), "token-2")
      assert.strictEqual(attempts.length, 2)
    }),
  )

  it.effect.each([
    { name: "an hour ago", lifetime: -hour },
    { name: "now", lifetime: 0 },
    { name: "in ten seconds", lifetime: 10_000 },
  ])("uses a token for a minute that a wrong clock says has expired $name", ({ lifetime }) =>
    Effect.gen(function* () {
      yield* TestClock.setTime(10 * hour)
      const { attempts, token } = yield* signedIn({ lifetime, fails: onceOnly(refused) })
      yield* token
      yield* TestClock.adjust("29 seconds")
      assert.strictEqual(yield* token, "token-1")
      yield* aMoment
      assert.strictEqual(attempts.length, 1)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* token, "token-1")
      yield* TestClock.adjust("29 seconds")
      assert.strictEqual(yield* token, "token-1")
      assert.strictEqual(attempts.length, 2)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* Effect.flip(token), refused)
    }),
  )

  it.effect("does not request a token for each call where the clock is wrong", () =>
    Effect.gen(function* () {
      const { attempts, token } = yield* signedIn({ lifetime: -hour })
      for (let call = 0; call < 600; call++) {
        yield* token
        yield* TestClock.adjust("1 second")
      }
      assert.isAtMost(attempts.length, 21)
    }),
  )
})

describe("Credential.make: a sign-in server that can't be reached", () => {
  const policy = Timing.layer({ signIn: Schedule.recurs(2), renewal: Schedule.recurs(4) })

  it.effect("is retried as Timing.signIn says, and for a renewal as Timing.renewal says", () =>
    Effect.gen(function* () {
      let isUp = false
      const { attempts, invalidate, token } = yield* signedIn({ fails: () => (isUp ? undefined : unreachable) })
      assert.strictEqual(yield* Effect.flip(token), unreachable)
      assert.strictEqual(attempts.length, 3)
      isUp = true
      assert.strictEqual(yield* token, "token-4")
      isUp = false
      yield* invalidate("token-4")
      assert.strictEqual(yield* Effect.flip(token), unreachable)
      assert.strictEqual(attempts.length, 4 + 5)
    }).pipe(Effect.provide(policy)),
  )

  it.effect("is retried in the background as well", () =>
    Effect.gen(function* () {
      const { attempts, token } = yield* signedIn({
        fails: (attempt) => (attempt > 1 && attempt < 5 ? unreachable : undefined),
      })
      yield* token
      yield* TestClock.adjust("55 minutes")
      yield* token
      yield* aMoment
      assert.strictEqual(attempts.length, 5)
      assert.strictEqual(yield* token, "token-5")
    }).pipe(Effect.provide(policy)),
  )

  it.effect("issues a token as soon as it can be reached again", () =>
    Effect.gen(function* () {
      const { attempts, token } = yield* signedIn({ fails: (attempt) => (attempt < 3 ? unreachable : undefined) })
      assert.strictEqual(yield* inVirtualTime(token, "10 seconds"), "token-3")
      assert.strictEqual(attempts.length, 3)
    }),
  )

  it.effect("is tried three times within seconds at first, and for some nine minutes later", () =>
    Effect.gen(function* () {
      let isUp = false
      const { attempts, invalidate, token } = yield* signedIn({ fails: () => (isUp ? undefined : unreachable) })
      yield* inVirtualTime(Effect.flip(token), "5 seconds")
      assert.strictEqual(attempts.length, 3)
      isUp = true
      yield* token
      isUp = false
      yield* invalidate("token-4")
      const startedAt = yield* Clock.currentTimeMillis
      yield* inVirtualTime(Effect.flip(token), "15 minutes")
      assert.strictEqual(attempts.length, 4 + 21)
      assert.closeTo((attempts.at(-1)?.at ?? 0) - startedAt, 9 * minute, 2 * minute)
    }),
  )

  it.effect.each([{ error: refused }, { error: missing }, { error: unusable }])(
    "is the only failure that is retried: $error.reason._tag",
    ({ error }) =>
      Effect.gen(function* () {
        let isUp = false
        const { attempts, invalidate, token } = yield* signedIn({ fails: () => (isUp ? undefined : error) })
        assert.strictEqual(yield* Effect.flip(token), error)
        assert.strictEqual(attempts.length, 1)
        isUp = true
        assert.strictEqual(yield* token, "token-2")
        isUp = false
        yield* invalidate("token-2")
        assert.strictEqual(yield* Effect.flip(token), error)
        assert.strictEqual(attempts.length, 3)
      }).pipe(Effect.provide(policy)),
  )
})

describe("Credential.make: a token that the API refused", () => {
  it.effect("is renewed, and the issuer learns why", () =>
    Effect.gen(function* () {
      const { attempts, invalidate, token } = yield* signedIn({})
      yield* token
      yield* invalidate("token-1")
      assert.strictEqual(yield* token, "token-2")
      yield* TestClock.adjust("55 minutes")
      yield* token
      yield* aMoment
      assert.deepStrictEqual(
        attempts.map(({ refused }) => refused),
        [false, true, false],
      )
    }),
  )

  it.effect("is renewed once, however many calls report it", () =>
    Effect.gen(function* () {
      const { attempts, invalidate, token } = yield* signedIn({})
      yield* token
      for (let call = 0; call < 20; call++) {
        yield* invalidate("token-1")
        assert.strictEqual(yield* token, "token-2")
      }
      assert.strictEqual(attempts.length, 2)
    }),
  )

  it.effect("is renewed once where twenty calls report it at the same time", () =>
    Effect.gen(function* () {
      const { attempts, invalidate, token } = yield* signedIn({ latency: "1 second" })
      yield* token
      const tokens = yield* inVirtualTime(
        Effect.replicateEffect(Effect.andThen(invalidate("token-1"), token), 20, { concurrency: "unbounded" }),
        "10 seconds",
      )
      assert.deepStrictEqual(new Set(tokens), new Set(["token-2"]))
      assert.strictEqual(attempts.length, 2)
    }),
  )

  it.effect("is not dropped where another token was reported, or none was issued yet", () =>
    Effect.gen(function* () {
      const { attempts, invalidate, token } = yield* signedIn({})
      yield* invalidate("token-1")
      assert.strictEqual(yield* token, "token-1")
      yield* invalidate("token-0")
      yield* invalidate("")
      assert.strictEqual(yield* token, "token-1")
      assert.deepStrictEqual(attempts, [{ at: 0, refused: false }])
    }),
  )

  it.effect("is not returned by a renewal that was in progress when it was refused", () =>
    Effect.gen(function* () {
      let asked = 0
      // It has a cache of its own, and leaves it out only where it hears of a refusal.
      const { invalidate, token } = yield* Credential.make(
        Effect.fnUntraced(function* ({ refused }) {
          if (++asked > 1) yield* Effect.sleep("10 seconds")
          return { token: Redacted.make(refused ? "fresh" : "cached"), expires: hour }
        }),
      )
      const first = yield* token
      yield* TestClock.adjust("55 minutes")
      yield* token
      yield* TestClock.adjust("1 second")
      yield* invalidate(first)
      assert.strictEqual(Redacted.value(yield* inVirtualTime(token, "1 minute")), "fresh")
    }),
  )

  it.effect("is not used again where there is no new one", () =>
    Effect.gen(function* () {
      const { attempts, invalidate, token } = yield* signedIn({
        fails: (attempt) => (attempt === 2 ? refused : undefined),
      })
      yield* token
      yield* invalidate("token-1")
      assert.strictEqual(yield* Effect.flip(token), refused)
      assert.strictEqual(yield* token, "token-3")
      assert.deepStrictEqual(
        attempts.map(({ refused }) => refused),
        [false, true, true],
      )
    }),
  )
})

describe("Credential.fromTokenCredential", () => {
  const giving = (name: string) => {
    const scopes: Array<string | Array<string>> = []
    const credential: Credential.TokenCredential = {
      getToken: (asked) => {
        scopes.push(asked)
        return Promise.resolve({ token: `${name}-${scopes.length}`, expiresOnTimestamp: Number.MAX_SAFE_INTEGER })
      },
    }
    return { scopes, credential }
  }

  it.effect("requests the scope, and caches the token until it expires", () =>
    Effect.gen(function* () {
      const { credential, scopes } = giving("token")
      const { token } = yield* Credential.fromTokenCredential({ scope, credential })
      assert.strictEqual(Redacted.value(yield* token), "token-1")
      yield* TestClock.adjust("365 days")
      assert.strictEqual(Redacted.value(yield* token), "token-1")
      assert.deepStrictEqual(scopes, [scope])
    }),
  )

  it.effect("uses another credential after the API refused a token", () =>
    Effect.gen(function* () {
      const cached = giving("cached")
      const fresh = giving("fresh")
      let made = 0
      const { invalidate, token } = yield* Credential.fromTokenCredential({
        scope,
        credential: cached.credential,
        afterRefusal: () => {
          made++
          return fresh.credential
        },
      })
      const first = yield* token
      assert.strictEqual(Redacted.value(first), "cached-1")
      assert.strictEqual(made, 0)
      yield* invalidate(first)
      assert.strictEqual(Redacted.value(yield* token), "fresh-1")
      yield* invalidate(first)
      assert.strictEqual(Redacted.value(yield* token), "fresh-1")
      assert.strictEqual(made, 1)
      assert.strictEqual(cached.scopes.length, 1)
    }),
  )

  it.effect("uses the same credential where there is no other", () =>
    Effect.gen(function* () {
      const { credential } = giving("token")
      const { invalidate, token } = yield* Credential.fromTokenCredential({ scope, credential })
      yield* invalidate(yield* token)
      assert.strictEqual(Redacted.value(yield* token), "token-2")
    }),
  )

  it.effect("retries after a failure", () =>
    Effect.gen(function* () {
      let asked = 0
      const service = yield* Credential.fromTokenCredential({
        scope,
        credential: {
          getToken: () =>
            ++asked === 1
              ? Promise.reject(new Error("first line\nsecond line"))
              : Promise.resolve({ token: "good", expiresOnTimestamp: Number.MAX_SAFE_INTEGER }),
        },
      })
      const error = yield* Effect.flip(service.token)
      assert.match(error.message, /^sign-in was refused: first line; /)
      assert.notInclude(error.message, "second line")
      assert.strictEqual(Redacted.value(yield* service.token), "good")
    }),
  )

  it.effect("fails where the credential has no token", () =>
    Effect.gen(function* () {
      const error = yield* failing(() => Promise.resolve(null))
      assert.strictEqual(error.reason._tag, "Missing")
    }),
  )

  it.effect.each([undefined, {}, "a token", { token: "a" }, { token: 1, expiresOnTimestamp: 1 }])(
    "fails where the credential resolves to something else: %j",
    (answer) =>
      Effect.gen(function* () {
        // What is not checked by the compiler, as in a program in JavaScript.
        const getToken: () => Promise<null> = () => Promise.resolve(JSON.parse(JSON.stringify({ answer })).answer)
        const error = yield* failing(getToken)
        assert.strictEqual(error.reason._tag, "Unusable")
        assert.include(error.message, "getToken did not resolve to { token, expiresOnTimestamp }")
      }),
  )

  it.effect("treats what is thrown as a rejection", () =>
    Effect.gen(function* () {
      const error = yield* failing(() => {
        throw new Error("AADSTS7000215: Invalid client secret provided. Trace ID: 1")
      })
      assert.deepInclude(error.reason, { _tag: "Refused", code: 7000215 })
    }),
  )

  it.effect("maps a rejection as its option says", () =>
    Effect.gen(function* () {
      let asked = 0
      const error = yield* failing(
        () => {
          asked++
          return Promise.reject(new Error("ENOTFOUND"))
        },
        (cause) => new CredentialError({ reason: new Unreachable({ description: String(cause) }) }),
      )
      assert.strictEqual(error.reason._tag, "Unreachable")
      assert.strictEqual(asked, 2)
    }).pipe(Effect.provide(Timing.layer({ signIn: Schedule.recurs(1) }))),
  )
})

describe("Credential.layerTokenConfig", () => {
  const environment = (env: Record<string, string>) => ConfigProvider.layer(ConfigProvider.fromUnknown(env))

  it.effect("reads a token from LIVE_RESPONSE_TOKEN, and never prints it", () =>
    Effect.gen(function* () {
      const { invalidate, token } = yield* Credential.Credential
      const given = yield* token
      assert.strictEqual(Redacted.value(given), "eyJ0")
      assert.notInclude(String(given), "eyJ0")
      yield* invalidate(given)
      assert.strictEqual(yield* token, given)
    }).pipe(
      Effect.provide(Credential.layerTokenConfig().pipe(Layer.provide(environment({ LIVE_RESPONSE_TOKEN: "eyJ0" })))),
    ),
  )

  it.effect("says that the variable is missing", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Effect.provide(Credential.Credential, Credential.layerTokenConfig()))
      assert.strictEqual(error.reason._tag, "Missing")
    }).pipe(Effect.provide(environment({}))),
  )
})

describe("Credential.layerTokenFile", () => {
  const path = "/run/secrets/token"

  /** The credential over a file with this content, or without the file. */
  const overFile = (content: () => string | Uint8Array | undefined) =>
    Credential.layerTokenFile(path).pipe(
      Layer.provide(
        FileSystem.layerNoop({
          stat: () => Effect.succeed(fileInfo(1)),
          readFile: (asked) =>
            Effect.suspend(() => {
              const text = asked === path ? content() : undefined
              return text === undefined
                ? Effect.fail(
                    PlatformError.systemError({
                      _tag: "NotFound",
                      module: "FileSystem",
                      method: "readFile",
                      pathOrDescriptor: asked,
                    }),
                  )
                : Effect.succeed(typeof text === "string" ? new TextEncoder().encode(text) : text)
            }),
        }),
      ),
    )

  it.effect("reads the file for every call", () => {
    let content = "token-1"
    return Effect.gen(function* () {
      const { invalidate, token } = yield* Credential.Credential
      const first = yield* token
      assert.strictEqual(Redacted.value(first), "token-1")
      content = "\ttoken-2\r\n"
      yield* invalidate(first)
      assert.strictEqual(Redacted.value(yield* token), "token-2")
    }).pipe(Effect.provide(overFile(() => content)))
  })

  it.effect.each([
    { name: "UTF-8 with a byte order mark", content: "\uFEFFabc\r\n" },
    {
      name: "UTF-16 with one, as PowerShell writes it",
      content: Uint8Array.of(0xff, 0xfe, 97, 0, 98, 0, 99, 0, 13, 0),
    },
    { name: "UTF-16 without one", content: Uint8Array.of(97, 0, 98, 0, 99, 0, 10, 0) },
  ])("reads a file of $name", ({ content }) =>
    Effect.gen(function* () {
      const token = yield* (yield* Credential.Credential).token
      assert.strictEqual(Redacted.value(token), "abc")
    }).pipe(Effect.provide(overFile(() => content))),
  )

  it.effect("continues once the file is there again", () => {
    let content: string | undefined
    return Effect.gen(function* () {
      const { token } = yield* Credential.Credential
      assert.strictEqual((yield* Effect.flip(token)).reason._tag, "Missing")
      content = "token-1"
      assert.strictEqual(Redacted.value(yield* token), "token-1")
    }).pipe(Effect.provide(overFile(() => content)))
  })

  it.effect.each([
    {
      name: "is not there",
      content: undefined,
      says: `no credential; can't read the token file ${path} (there is no such file)`,
    },
    { name: "is empty", content: "", says: `no credential; the token file ${path} is empty` },
    {
      name: "holds nothing but line breaks",
      content: " \r\n\n",
      says: `no credential; the token file ${path} is empty`,
    },
  ])("fails with the reason where the file $name", ({ content, says }) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip((yield* Credential.Credential).token)
      assert.strictEqual(error.reason._tag, "Missing")
      assert.strictEqual(error.message, says)
    }).pipe(Effect.provide(overFile(() => content))),
  )
})
