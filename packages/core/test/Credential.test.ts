import { assert, describe, it } from "@effect/vitest"
import * as Credential from "@live-response/core/Credential"
import { CredentialError, Unreachable } from "@live-response/core/CredentialError"
import * as Clock from "effect/Clock"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { TestClock } from "effect/testing"

const scope = "https://api.securitycenter.microsoft.com/.default"

/** A credential that counts: each token has its number, and lasts this long. */
const counting = Effect.fnUntraced(function* (lifetime: number) {
  const clock = yield* Clock.Clock
  const scopes: Array<string | Array<string>> = []
  const service = yield* Credential.fromTokenCredential({
    scope,
    credential: {
      getToken: (asked) => {
        scopes.push(asked)
        return Promise.resolve({
          token: `token-${scopes.length}`,
          expiresOnTimestamp: clock.currentTimeMillisUnsafe() + lifetime,
        })
      },
    },
  })
  return { scopes, token: Effect.map(service.token, Redacted.value), invalidate: service.invalidate }
})

const failing = (reject: () => Promise<null>, onError?: (cause: unknown) => CredentialError) =>
  Effect.flatMap(
    Credential.fromTokenCredential({
      scope,
      credential: { getToken: reject },
      ...(onError === undefined ? {} : { onError }),
    }),
    (service) => Effect.flip(service.token),
  )

describe("Credential", () => {
  it.effect("keeps a token until two minutes before it expires", () =>
    Effect.gen(function* () {
      const { scopes, token } = yield* counting(60 * 60 * 1000)
      assert.strictEqual(yield* token, "token-1")
      yield* TestClock.adjust("57 minutes")
      assert.strictEqual(yield* token, "token-1")
      yield* TestClock.adjust("70 seconds")
      assert.strictEqual(yield* token, "token-2")
      assert.deepStrictEqual(scopes, [scope, scope])
    }),
  )

  it.effect("asks once for all who want a token at the same time", () =>
    Effect.gen(function* () {
      const { scopes, token } = yield* counting(60 * 60 * 1000)
      const tokens = yield* Effect.all(
        Array.from({ length: 20 }, () => token),
        { concurrency: "unbounded" },
      )
      assert.deepStrictEqual(new Set(tokens), new Set(["token-1"]))
      assert.strictEqual(scopes.length, 1)
    }),
  )

  it.effect("asks anew when the token was refused", () =>
    Effect.gen(function* () {
      const { invalidate, token } = yield* counting(60 * 60 * 1000)
      assert.strictEqual(yield* token, "token-1")
      yield* invalidate
      assert.strictEqual(yield* token, "token-2")
    }),
  )

  it.effect("asks again after a failure", () =>
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
      assert.strictEqual(error.message, "sign-in was refused: first line")
      assert.strictEqual(Redacted.value(yield* service.token), "good")
    }),
  )

  it.effect("has no token where the credential has none", () =>
    Effect.gen(function* () {
      const error = yield* failing(() => Promise.resolve(null))
      assert.strictEqual(error.reason._tag, "Missing")
    }),
  )

  it.effect("lets the owner of the credential say what a rejection means", () =>
    Effect.gen(function* () {
      const error = yield* failing(
        () => Promise.reject(new Error("ENOTFOUND")),
        (cause) => new CredentialError({ reason: new Unreachable({ description: String(cause) }) }),
      )
      assert.strictEqual(error.reason._tag, "Unreachable")
    }),
  )

  it.effect("takes a token as it is from LIVE_RESPONSE_TOKEN, and never prints it", () =>
    Effect.gen(function* () {
      const token = yield* (yield* Credential.Credential).token
      assert.strictEqual(Redacted.value(token), "eyJ0")
      assert.notInclude(String(token), "eyJ0")
    }).pipe(
      Effect.provide(
        Credential.layerTokenConfig().pipe(
          Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({ LIVE_RESPONSE_TOKEN: "eyJ0" }))),
        ),
      ),
    ),
  )

  it.effect("says that it is missing where it is", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Effect.provide(Credential.Credential, Credential.layerTokenConfig()))
      assert.strictEqual(error.reason._tag, "Missing")
    }).pipe(Effect.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({})))),
  )
})
