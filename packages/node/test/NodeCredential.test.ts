import { assert, describe, it } from "@effect/vitest"
import { Credential } from "@live-response/core/Credential"
import * as NodeCredential from "@live-response/node/NodeCredential"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { vi } from "vitest"

interface Made {
  readonly tenantId: string
  readonly clientId: string
  readonly clientSecret: string
  readonly options: unknown
}

const azure = vi.hoisted(() => {
  const made: Array<Made> = []
  const scopes: Array<unknown> = []
  return { loads: 0, made, scopes, answer: (): Promise<unknown> => Promise.resolve(null) }
})

// The errors are the real ones; the credential is one that notes what it is made of, and answers as the test says.
vi.mock("@azure/identity", (importOriginal) => {
  azure.loads++
  class ClientSecretCredential {
    constructor(tenantId: string, clientId: string, clientSecret: string, options: unknown) {
      azure.made.push({ tenantId, clientId, clientSecret, options })
    }
    getToken(scope: unknown) {
      azure.scopes.push(scope)
      return azure.answer()
    }
  }
  return importOriginal<object>().then((original) => ({ ...original, ClientSecretCredential }))
})

const environment = (env: Record<string, string>) => ConfigProvider.layer(ConfigProvider.fromUnknown(env))
const withEnvironment = (env: Record<string, string>) =>
  NodeCredential.layerConfig.pipe(Layer.provide(environment(env)))

const tokenUnder = (env: Record<string, string>) =>
  Effect.flatMap(Credential, ({ token }) => token).pipe(
    Effect.map(Redacted.value),
    Effect.provide(withEnvironment(env)),
  )

const app = { AZURE_TENANT_ID: "tenant", AZURE_CLIENT_ID: "client", AZURE_CLIENT_SECRET: "secret" }

describe("NodeCredential.layerConfig", () => {
  it.live("takes LIVE_RESPONSE_TOKEN as it is, and does not load @azure/identity", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* tokenUnder({ LIVE_RESPONSE_TOKEN: "eyJ0" }), "eyJ0")
      assert.strictEqual(yield* tokenUnder({ LIVE_RESPONSE_TOKEN: "eyJ0", ...app }), "eyJ0")
      assert.strictEqual(azure.loads, 0)
    }),
  )

  it.live.each([
    { name: "nothing", env: {} },
    { name: "no tenant", env: { AZURE_CLIENT_ID: "client", AZURE_CLIENT_SECRET: "secret" } },
    { name: "no client", env: { AZURE_TENANT_ID: "tenant", AZURE_CLIENT_SECRET: "secret" } },
    { name: "no secret", env: { AZURE_TENANT_ID: "tenant", AZURE_CLIENT_ID: "client" } },
    { name: "an empty token", env: { LIVE_RESPONSE_TOKEN: "" } },
  ])("says what is missing: $name", ({ env }) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(tokenUnder(env))
      assert.strictEqual(error.reason._tag, "Missing")
      assert.strictEqual(azure.loads, 0)
    }),
  )

  it.live("signs in as an app with AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET", () =>
    Effect.gen(function* () {
      azure.answer = () => Promise.resolve({ token: "issued", expiresOnTimestamp: Number.MAX_SAFE_INTEGER })
      assert.strictEqual(yield* tokenUnder(app), "issued")
      assert.strictEqual(azure.loads, 1)
      assert.deepStrictEqual(azure.made.at(-1), {
        tenantId: "tenant",
        clientId: "client",
        clientSecret: "secret",
        options: { authorityHost: "https://login.microsoftonline.com", disableInstanceDiscovery: false },
      })
      assert.strictEqual(azure.scopes.at(-1), "https://api.securitycenter.microsoft.com/.default")
    }),
  )

  it.live("goes to AZURE_AUTHORITY_HOST, and looks a server up only where it is the vendor's", () =>
    Effect.gen(function* () {
      for (const [host, options] of [
        ["https://login.microsoftonline.us/", ["https://login.microsoftonline.us", false]],
        ["https://127.0.0.1:8443/", ["https://127.0.0.1:8443", true]],
      ] as const) {
        yield* tokenUnder({ ...app, AZURE_AUTHORITY_HOST: host })
        assert.deepStrictEqual(azure.made.at(-1)?.options, {
          authorityHost: options[0],
          disableInstanceDiscovery: options[1],
        })
      }
    }),
  )
})

describe("NodeCredential.layerClientSecret", () => {
  const failure = Effect.flatMap(Credential, ({ token }) => token).pipe(
    Effect.provide(
      NodeCredential.layerClientSecret({
        tenantId: "tenant",
        clientId: "client",
        clientSecret: Redacted.make("secret"),
        audience: "https://api-gcc.securitycenter.microsoft.us",
      }),
    ),
    Effect.flip,
  )

  it.live("tells a refusal in the words of the identity provider, in one line", () =>
    Effect.gen(function* () {
      const { AuthenticationError } = yield* Effect.promise(() => import("@azure/identity"))
      azure.answer = () =>
        Promise.reject(
          new AuthenticationError(401, {
            error: "invalid_client",
            error_description:
              "AADSTS7000215: Invalid client secret provided. Ensure the secret being sent is the value.\r\nTrace ID: 1\r\nCorrelation ID: 2",
            error_codes: [7000215],
            trace_id: "1",
            correlation_id: "43f4cb08",
          }),
        )
      const error = yield* failure
      assert.strictEqual(error.reason._tag, "Refused")
      assert.include(error.message, "AADSTS7000215: Invalid client secret provided.")
      assert.include(error.message, "43f4cb08")
      assert.notInclude(error.message, "Trace ID")
      assert.notMatch(error.message, /[\r\n]/)
      assert.strictEqual(azure.scopes.at(-1), "https://api-gcc.securitycenter.microsoft.us/.default")
    }),
  )

  it.live("takes an AADSTS code for a refusal wherever it stands", () =>
    Effect.gen(function* () {
      azure.answer = () => Promise.reject(new Error("invalid_grant: AADSTS700016: Application was not found.\nmore"))
      const error = yield* failure
      assert.strictEqual(error.reason._tag, "Refused")
      assert.include(error.message, "AADSTS700016")
      assert.notMatch(error.message, /[\r\n]/)
    }),
  )

  it.live("takes anything else for a server that can't be reached", () =>
    Effect.gen(function* () {
      azure.answer = () => Promise.reject(new Error("getaddrinfo ENOTFOUND login.example.net"))
      const error = yield* failure
      assert.strictEqual(error.reason._tag, "Unreachable")
      assert.include(error.message, "ENOTFOUND login.example.net")
    }),
  )
})
