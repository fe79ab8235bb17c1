import { chmodSync, writeFileSync } from "node:fs"
import { Agent } from "node:http"
import { join } from "node:path"
import { inspect } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import { Credential } from "@live-response/core/Credential"
import * as Timing from "@live-response/core/Timing"
import * as NodeCredential from "@live-response/node/NodeCredential"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Base64Url from "effect/encoding/Base64Url"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import { vi } from "vitest"
import { tempDirectory } from "./support/samples.ts"

interface Made {
  readonly name: string
  readonly args: ReadonlyArray<unknown>
}

interface Asked {
  /** The number of the credential in the order of their creation, counted from 0. */
  readonly by: number
  readonly scope: unknown
  readonly claims: unknown
}

const azure = vi.hoisted(() => {
  const made: Array<Made> = []
  const asked: Array<Asked> = []
  return { loads: 0, made, asked, answer: (): Promise<unknown> => Promise.resolve(null) }
})

// The errors are the real ones; each credential notes what it is made of and asked for, and answers as the test says.
vi.mock("@azure/identity", (importOriginal) => {
  azure.loads++
  const noting = (name: string) =>
    class {
      readonly number: number
      constructor(...args: ReadonlyArray<unknown>) {
        this.number = azure.made.push({ name, args }) - 1
      }
      getToken(scope: unknown, options: { readonly claims?: unknown } | undefined) {
        azure.asked.push({ by: this.number, scope, claims: options?.claims })
        return azure.answer()
      }
    }
  const names = [
    "AzureCliCredential",
    "ClientCertificateCredential",
    "ClientSecretCredential",
    "DefaultAzureCredential",
    "DeviceCodeCredential",
    "InteractiveBrowserCredential",
    "ManagedIdentityCredential",
    "WorkloadIdentityCredential",
  ]
  return importOriginal<object>().then((original) => ({
    ...original,
    ...Object.fromEntries(names.map((name) => [name, noting(name)])),
  }))
})

type Environment = Readonly<Record<string, string>>

const environment = (env: Environment) => ConfigProvider.layer(ConfigProvider.fromUnknown(env))
const withEnvironment = (env: Environment) => NodeCredential.layerConfig.pipe(Layer.provide(environment(env)))

const tokenUnder = (env: Environment) =>
  Effect.flatMap(Credential, ({ token }) => token).pipe(
    Effect.map(Redacted.value),
    Effect.provide(withEnvironment(env)),
  )

/** The error of a sign-in, and not of the variables. */
const refusalUnder = (env: Environment) =>
  Effect.flip(Effect.catchTag(tokenUnder(env), "ConfigError", (error) => Effect.die(error)))

/** Issues `issued-1`, `issued-2`, … in the order of the requests. */
const issue = () =>
  Promise.resolve({ token: `issued-${azure.asked.length}`, expiresOnTimestamp: Number.MAX_SAFE_INTEGER })

/** Signs in. Returns the credential that was created: its class, and the arguments of its constructor as JSON. */
const madeUnder = Effect.fnUntraced(function* (env: Environment) {
  azure.answer = issue
  const before = azure.made.length
  assert.strictEqual(yield* tokenUnder(env), `issued-${azure.asked.length}`)
  assert.strictEqual(azure.made.length, before + 1)
  const { args, name } = azure.made.at(-1) ?? { name: "", args: [] }
  const given: unknown = JSON.parse(JSON.stringify(args, (_, value) => (value instanceof Agent ? "direct" : value)))
  return { name, given, scope: azure.asked.at(-1)?.scope }
})

const ids = { AZURE_TENANT_ID: "tenant", AZURE_CLIENT_ID: "client" }
const app = { ...ids, AZURE_CLIENT_SECRET: "secret" }
const certificate = { AZURE_CLIENT_CERTIFICATE_PATH: "/run/app.pem" }
const federated = { AZURE_FEDERATED_TOKEN_FILE: "/run/federated" }
const fixed = { LIVE_RESPONSE_TOKEN: "eyJ0" }
const auth = (kind: NodeCredential.Kind) => ({ LIVE_RESPONSE_AUTH: kind })

const retryOptions = { maxRetries: 2, retryDelayInMs: 500, maxRetryDelayInMs: 2000 }
const additionalPolicies = ["lastConnection", "boundedAnswer", "withoutProxy"].map((name) => ({
  policy: { name },
  position: "perRetry",
}))
const commercial = {
  additionalPolicies,
  authorityHost: "https://login.microsoftonline.com",
  disableInstanceDiscovery: false,
  retryOptions,
}
const government = { ...commercial, authorityHost: "https://login.microsoftonline.us" }
const slowDown = {
  additionalPolicies: [...additionalPolicies, { policy: { name: "deviceCodeSlowDown" }, position: "perCall" }],
}

/** A token with these claims. */
const tokenOf = (claims: object) => `e30.${Base64Url.encode(JSON.stringify(claims))}.c2ln`

const fileOf = (content: string | Uint8Array) =>
  Effect.map(tempDirectory, (directory) => {
    const path = join(directory, "file")
    writeFileSync(path, content)
    return path
  })

describe("NodeCredential.layerConfig, without @azure/identity", () => {
  it.live("uses LIVE_RESPONSE_TOKEN unchanged", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* tokenUnder(fixed), "eyJ0")
      assert.strictEqual(yield* tokenUnder({ ...fixed, ...app }), "eyJ0")
      assert.strictEqual(yield* tokenUnder({ ...fixed, ...app, ...auth("token") }), "eyJ0")
      assert.strictEqual(azure.loads, 0)
    }),
  )

  it.live("reads LIVE_RESPONSE_TOKEN_FILE for every call, and prefers it to a fixed token", () =>
    Effect.gen(function* () {
      const path = yield* fileOf("token-1\n")
      yield* Effect.gen(function* () {
        const { token } = yield* Credential
        assert.strictEqual(Redacted.value(yield* token), "token-1")
        writeFileSync(path, "token-2\n")
        assert.strictEqual(Redacted.value(yield* token), "token-2")
      }).pipe(Effect.provide(withEnvironment({ LIVE_RESPONSE_TOKEN_FILE: path, ...fixed, ...app })))
      assert.strictEqual(yield* tokenUnder({ ...auth("token"), LIVE_RESPONSE_TOKEN_FILE: path }), "token-2")
      assert.strictEqual(azure.loads, 0)
    }),
  )

  it.live("names the token file that it can't read", () =>
    Effect.gen(function* () {
      const absent = join(yield* tempDirectory, "absent")
      const error = yield* refusalUnder({ LIVE_RESPONSE_TOKEN_FILE: absent })
      assert.strictEqual(error.reason._tag, "Missing")
      assert.include(error.message, absent)
      assert.strictEqual(azure.loads, 0)
    }),
  )

  it.live.each<{ readonly env: Environment; readonly says: string }>([
    { env: auth("token"), says: "set LIVE_RESPONSE_TOKEN" },
    { env: { ...auth("token"), ...app, LIVE_RESPONSE_TOKEN: "" }, says: "set LIVE_RESPONSE_TOKEN" },
    { env: auth("secret"), says: "set AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_CLIENT_SECRET" },
    { env: { ...auth("secret"), ...ids }, says: "set AZURE_CLIENT_SECRET" },
    { env: { ...auth("secret"), ...app, AZURE_CLIENT_ID: "" }, says: "set AZURE_CLIENT_ID" },
    { env: { ...auth("secret"), ...fixed, ...ids, ...certificate }, says: "set AZURE_CLIENT_SECRET" },
    {
      env: auth("certificate"),
      says: "set AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_CLIENT_CERTIFICATE_PATH",
    },
    { env: { ...auth("certificate"), ...app }, says: "set AZURE_CLIENT_CERTIFICATE_PATH" },
    {
      env: auth("workload-identity"),
      says: "set AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_FEDERATED_TOKEN_FILE",
    },
    { env: { ...auth("workload-identity"), ...federated }, says: "set AZURE_TENANT_ID, AZURE_CLIENT_ID" },
    // Where no kind is chosen, the secret that is there means one.
    { env: { AZURE_CLIENT_ID: "client", AZURE_CLIENT_SECRET: "secret" }, says: "set AZURE_TENANT_ID" },
    { env: { AZURE_TENANT_ID: "tenant", AZURE_CLIENT_SECRET: "secret" }, says: "set AZURE_CLIENT_ID" },
    { env: certificate, says: "set AZURE_TENANT_ID, AZURE_CLIENT_ID" },
    { env: federated, says: "set AZURE_TENANT_ID, AZURE_CLIENT_ID" },
  ])("says what is missing: $env", ({ env, says }) =>
    Effect.gen(function* () {
      const error = yield* refusalUnder(env)
      assert.strictEqual(error.reason._tag, "Missing")
      assert.strictEqual(error.message, `no credential; ${says}`)
      assert.strictEqual(azure.loads, 0)
    }),
  )

  it.live("names the secret file that it can't read", () =>
    Effect.gen(function* () {
      const absent = join(yield* tempDirectory, "absent")
      const error = yield* refusalUnder({ ...ids, AZURE_CLIENT_SECRET_FILE: absent })
      assert.strictEqual(error.reason._tag, "Missing")
      assert.strictEqual(
        error.message,
        `no credential; can't read ${absent} (there is no such file); check AZURE_CLIENT_SECRET_FILE`,
      )
      assert.strictEqual(azure.loads, 0)
    }),
  )

  it.live.each([
    { LIVE_RESPONSE_AUTH: "password" },
    { LIVE_RESPONSE_CLOUD: "mars" },
    { AZURE_AUTHORITY_HOST: "http://login.example.net" },
  ])("rejects invalid variables: %j", (env) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(tokenUnder({ ...app, ...env }))
      assert.strictEqual(error._tag, "ConfigError")
      assert.strictEqual(azure.loads, 0)
    }),
  )
})

describe("NodeCredential.owner", () => {
  it.live.each<{ readonly env: Environment; readonly owner: string }>([
    { env: {}, owner: "tenant unknown, app unknown" },
    { env: ids, owner: "tenant tenant, app client" },
    { env: app, owner: "tenant tenant, app client" },
    {
      env: { AZURE_TENANT_ID: "Contoso.com", AZURE_CLIENT_ID: "1F6A3C7A" },
      owner: "tenant contoso.com, app 1f6a3c7a",
    },
    { env: { AZURE_TENANT_ID: "", AZURE_CLIENT_ID: "" }, owner: "tenant unknown, app unknown" },
    { env: { ...app, LIVE_RESPONSE_TOKEN: tokenOf({ tid: "T", appid: "A" }) }, owner: "tenant t, app a" },
    { env: { LIVE_RESPONSE_TOKEN: tokenOf({ tid: "t", azp: "b" }) }, owner: "tenant t, app b" },
    { env: { LIVE_RESPONSE_TOKEN: tokenOf({ appid: "a" }) }, owner: "tenant unknown, app a" },
    { env: { ...app, LIVE_RESPONSE_TOKEN: "opaque" }, owner: "tenant unknown, app unknown" },
    { env: { ...app, LIVE_RESPONSE_TOKEN: "" }, owner: "tenant tenant, app client" },
    {
      env: { ...app, ...auth("secret"), LIVE_RESPONSE_TOKEN: tokenOf({ tid: "t", appid: "a" }) },
      owner: "tenant tenant, app client",
    },
    { env: { ...auth("token"), ...app }, owner: "tenant unknown, app unknown" },
    { env: { ...auth("cli"), ...ids }, owner: "tenant tenant, app 04b07795-8ddb-461a-bbee-02f9e1bf7b46" },
    { env: auth("cli"), owner: "tenant unknown, app 04b07795-8ddb-461a-bbee-02f9e1bf7b46" },
    { env: { ...auth("managed-identity"), AZURE_CLIENT_ID: "client" }, owner: "tenant unknown, app client" },
    { env: { ...auth("device-code"), ...ids }, owner: "tenant tenant, app client" },
    { env: { LIVE_RESPONSE_TOKEN_FILE: "/nowhere/at/all" }, owner: "tenant unknown, app unknown" },
  ])("is $owner under $env", ({ env, owner }) =>
    Effect.gen(function* () {
      assert.strictEqual(yield* Effect.provide(NodeCredential.owner, environment(env)), owner)
      assert.strictEqual(azure.loads, 0)
    }),
  )

  it.live("comes from the claims of a token file", () =>
    Effect.gen(function* () {
      const token = `\uFEFF${tokenOf({ tid: "t", appid: "of the file" })}\n`
      const path = yield* fileOf(Buffer.from(token, "utf16le"))
      const env = { ...app, LIVE_RESPONSE_TOKEN_FILE: path, LIVE_RESPONSE_TOKEN: tokenOf({ tid: "t", appid: "a" }) }
      assert.strictEqual(yield* Effect.provide(NodeCredential.owner, environment(env)), "tenant t, app of the file")
      assert.strictEqual(azure.loads, 0)
    }),
  )

  it.live("fails where a variable has an invalid value", () =>
    Effect.gen(function* () {
      const env = environment({ LIVE_RESPONSE_AUTH: "password" })
      assert.strictEqual((yield* Effect.flip(Effect.provide(NodeCredential.owner, env)))._tag, "ConfigError")
    }),
  )
})

describe("NodeCredential.layerConfig", () => {
  it.live.each<{
    readonly kind: NodeCredential.Kind
    readonly env?: Environment
    readonly name: string
    readonly given: (common: typeof commercial) => ReadonlyArray<unknown>
  }>([
    {
      kind: "secret",
      env: { ...app, ...fixed, ...certificate },
      name: "ClientSecretCredential",
      given: (common) => ["tenant", "client", "secret", common],
    },
    {
      kind: "certificate",
      env: { ...app, ...certificate },
      name: "ClientCertificateCredential",
      given: (common) => [
        "tenant",
        "client",
        { certificatePath: "/run/app.pem" },
        { ...common, sendCertificateChain: false },
      ],
    },
    {
      kind: "certificate",
      env: {
        ...ids,
        ...certificate,
        AZURE_CLIENT_CERTIFICATE_PASSWORD: "pass",
        AZURE_CLIENT_SEND_CERTIFICATE_CHAIN: "true",
      },
      name: "ClientCertificateCredential",
      given: (common) => [
        "tenant",
        "client",
        { certificatePath: "/run/app.pem", certificatePassword: "pass" },
        { ...common, sendCertificateChain: true },
      ],
    },
    {
      kind: "workload-identity",
      env: { ...app, ...federated },
      name: "WorkloadIdentityCredential",
      given: (common) => [{ ...common, tenantId: "tenant", clientId: "client", tokenFilePath: "/run/federated" }],
    },
    {
      kind: "managed-identity",
      name: "ManagedIdentityCredential",
      given: () => [{ additionalPolicies, retryOptions, agent: "direct" }],
    },
    {
      kind: "managed-identity",
      env: app,
      name: "ManagedIdentityCredential",
      given: () => [{ additionalPolicies, retryOptions, agent: "direct", clientId: "client" }],
    },
    { kind: "cli", name: "AzureCliCredential", given: () => [{ processTimeoutInMs: 20_000 }] },
    {
      kind: "cli",
      env: app,
      name: "AzureCliCredential",
      given: () => [{ processTimeoutInMs: 20_000, tenantId: "tenant" }],
    },
    { kind: "device-code", name: "DeviceCodeCredential", given: (common) => [{ ...common, ...slowDown }] },
    {
      kind: "device-code",
      env: app,
      name: "DeviceCodeCredential",
      given: (common) => [{ ...common, ...slowDown, tenantId: "tenant", clientId: "client" }],
    },
    { kind: "browser", name: "InteractiveBrowserCredential", given: (common) => [common] },
    {
      kind: "browser",
      env: app,
      name: "InteractiveBrowserCredential",
      given: (common) => [{ ...common, tenantId: "tenant", clientId: "client" }],
    },
    { kind: "default", env: { ...ids, ...fixed }, name: "DefaultAzureCredential", given: (common) => [common] },
  ])("creates the credential that LIVE_RESPONSE_AUTH says, in each cloud: $kind, $env", ({ env, given, kind, name }) =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* madeUnder({ ...env, ...auth(kind) }), {
        name,
        given: given(commercial),
        scope: "https://api.securitycenter.microsoft.com/.default",
      })
      assert.deepStrictEqual(yield* madeUnder({ ...env, ...auth(kind), LIVE_RESPONSE_CLOUD: "gcc-high" }), {
        name,
        given: given(government),
        scope: "https://api-gov.securitycenter.microsoft.us/.default",
      })
      assert.strictEqual(azure.loads, 1)
    }).pipe(Effect.provideService(NodeCredential.Prompt, () => Effect.void)),
  )

  it.live.each<{ readonly env: Environment; readonly name: string }>([
    { env: {}, name: "DefaultAzureCredential" },
    { env: ids, name: "DefaultAzureCredential" },
    { env: { LIVE_RESPONSE_TOKEN: "", LIVE_RESPONSE_TOKEN_FILE: "" }, name: "DefaultAzureCredential" },
    { env: app, name: "ClientSecretCredential" },
    { env: { ...app, ...certificate, ...federated }, name: "ClientSecretCredential" },
    { env: { ...ids, ...certificate, ...federated }, name: "ClientCertificateCredential" },
    { env: { ...ids, ...federated }, name: "WorkloadIdentityCredential" },
    { env: { ...app, ...auth("default"), ...fixed }, name: "ClientSecretCredential" },
    { env: { ...ids, ...certificate, ...auth("default") }, name: "ClientCertificateCredential" },
    { env: { ...ids, ...federated, ...auth("default") }, name: "WorkloadIdentityCredential" },
    { env: { ...ids, ...certificate, AZURE_CLIENT_SECRET: "" }, name: "ClientCertificateCredential" },
    {
      env: { ...ids, ...federated, AZURE_CLIENT_SECRET: "", AZURE_CLIENT_CERTIFICATE_PATH: "" },
      name: "WorkloadIdentityCredential",
    },
  ])("creates the credential that the variables mean where no kind is chosen: $name for $env", ({ env, name }) =>
    Effect.gen(function* () {
      assert.strictEqual((yield* madeUnder(env)).name, name)
    }),
  )

  it.live("treats an empty variable as not set", () =>
    Effect.gen(function* () {
      const empty = Object.fromEntries(
        [
          "AZURE_TENANT_ID",
          "AZURE_CLIENT_ID",
          "AZURE_CLIENT_SECRET",
          "AZURE_CLIENT_SECRET_FILE",
          "AZURE_CLIENT_CERTIFICATE_PATH",
          "AZURE_CLIENT_CERTIFICATE_PASSWORD",
          "AZURE_FEDERATED_TOKEN_FILE",
        ].map((name) => [name, ""]),
      )
      assert.deepInclude(yield* madeUnder(empty), { name: "DefaultAzureCredential", given: [commercial] })
      assert.deepInclude(yield* madeUnder({ ...empty, ...auth("managed-identity") }), {
        given: [{ additionalPolicies, retryOptions, agent: "direct" }],
      })
      const withCertificate = { ...empty, ...ids, ...certificate }
      assert.deepInclude(yield* madeUnder(withCertificate), { name: "ClientCertificateCredential" })
      assert.notInclude(JSON.stringify(azure.made.at(-1)), "certificatePassword")
    }),
  )

  it.live.each(["AZURE_AUTHORITY_HOST", "AZURE_CLIENT_SEND_CERTIFICATE_CHAIN"])(
    "treats an empty variable as not set: %s",
    (name) =>
      Effect.gen(function* () {
        assert.deepInclude(yield* madeUnder({ ...app, [name]: "" }), {
          given: ["tenant", "client", "secret", commercial],
        })
      }),
  )

  it.live("reads the secret from AZURE_CLIENT_SECRET_FILE where AZURE_CLIENT_SECRET is not set", () =>
    Effect.gen(function* () {
      const path = yield* fileOf("of the file\n")
      const env = { ...ids, AZURE_CLIENT_SECRET_FILE: path }
      assert.deepInclude(yield* madeUnder(env), {
        name: "ClientSecretCredential",
        given: ["tenant", "client", "of the file", commercial],
      })
      assert.deepInclude(yield* madeUnder({ ...env, ...auth("secret") }), {
        given: ["tenant", "client", "of the file", commercial],
      })
      assert.deepInclude(yield* madeUnder({ ...env, AZURE_CLIENT_SECRET: "secret" }), {
        given: ["tenant", "client", "secret", commercial],
      })
    }),
  )

  it.live("warns of any secret file that others on this machine may open", () =>
    Effect.gen(function* () {
      for (const variable of [
        "LIVE_RESPONSE_TOKEN_FILE",
        "AZURE_CLIENT_SECRET_FILE",
        "AZURE_CLIENT_CERTIFICATE_PATH",
      ]) {
        const path = yield* fileOf("secret")
        for (const mode of [0o644, 0o600]) {
          chmodSync(path, mode)
          const logs: Array<string> = []
          azure.answer = issue
          yield* tokenUnder({ ...ids, [variable]: path }).pipe(
            Effect.provide(Logger.layer([Logger.make(({ message }) => logs.push(String(message)))])),
          )
          const warning = `${path} holds a secret, and others on this machine may open it: chmod 600 ${path}`
          assert.deepStrictEqual(logs, mode === 0o600 ? [] : [warning], variable)
        }
      }
    }),
  )

  it.live("reads a secret and a token that PowerShell wrote in UTF-16", () =>
    Effect.gen(function* () {
      const path = yield* fileOf(Buffer.from("\uFEFFof the file\r\n", "utf16le"))
      assert.deepInclude(yield* madeUnder({ ...ids, AZURE_CLIENT_SECRET_FILE: path }), {
        given: ["tenant", "client", "of the file", commercial],
      })
    }),
  )

  it.live("signs in at AZURE_AUTHORITY_HOST, and looks up Microsoft's servers alone", () =>
    Effect.gen(function* () {
      for (const [host, authorityHost, disableInstanceDiscovery] of [
        ["https://login.microsoftonline.us/", "https://login.microsoftonline.us", false],
        ["https://127.0.0.1:8443/", "https://127.0.0.1:8443", true],
      ] as const) {
        const { given } = yield* madeUnder({ ...app, AZURE_AUTHORITY_HOST: host })
        const common = { additionalPolicies, authorityHost, disableInstanceDiscovery, retryOptions }
        assert.deepStrictEqual(given, ["tenant", "client", "secret", common])
      }
    }),
  )

  it.live.each([
    { env: { HTTPS_PROXY: "proxy.contoso.com:3128" }, host: "http://proxy.contoso.com", port: 3128 },
    { env: { HTTP_PROXY: "proxy.contoso.com" }, host: "http://proxy.contoso.com", port: 80 },
    { env: { HTTPS_PROXY: "http://other:1", https_proxy: "https://[::1]" }, host: "https://[::1]", port: 443 },
    {
      env: { HTTPS_PROXY: "http://me:p%40ss@[::1]:8080" },
      host: "http://[::1]",
      port: 8080,
      user: "me",
      pass: "p%40ss",
    },
  ])("signs in through the proxy of the downloads: $env", ({ env, host, pass = "", port, user = "" }) =>
    Effect.gen(function* () {
      const proxyOptions = { host, port, username: user, password: pass }
      const { given } = yield* madeUnder({ ...app, ...env })
      assert.deepStrictEqual(given, ["tenant", "client", "secret", { ...commercial, proxyOptions }])
      const identity = yield* madeUnder({ ...auth("managed-identity"), ...env })
      assert.deepStrictEqual(identity.given, [{ additionalPolicies, retryOptions, agent: "direct", proxyOptions }])
    }),
  )

  it.live("names the variable of a proxy that can't be parsed, without its value", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(tokenUnder({ ...app, HTTPS_PROXY: "http://user:geheim@" }))
      assert.strictEqual(error._tag, "ConfigError")
      assert.include(error.message, "HTTPS_PROXY")
      assert.notInclude(inspect(error, { depth: 20, showHidden: true }), "geheim")
    }),
  )

  it.live("requests the audience LIVE_RESPONSE_AUDIENCE", () =>
    Effect.gen(function* () {
      const { scope } = yield* madeUnder({ ...app, LIVE_RESPONSE_AUDIENCE: "https://api.example.net/" })
      assert.strictEqual(scope, "https://api.example.net/.default")
    }),
  )

  it.live("uses a new credential after the API refused a token, because the old one caches it", () =>
    Effect.gen(function* () {
      azure.answer = issue
      yield* Effect.gen(function* () {
        const { invalidate, token } = yield* Credential
        const first = yield* token
        const before = azure.made.length
        yield* invalidate(first)
        yield* token
        assert.strictEqual(azure.made.length, before + 1)
        assert.strictEqual(azure.asked.at(-1)?.by, before)
        assert.deepStrictEqual(azure.made.at(-1), azure.made.at(-2))
      }).pipe(Effect.provide(withEnvironment(app)))
    }),
  )

  it.live.each(["device-code", "browser"] as const)("does not ask the user again after a refused token: %s", (kind) =>
    Effect.gen(function* () {
      azure.answer = issue
      yield* Effect.gen(function* () {
        const { invalidate, token } = yield* Credential
        const first = yield* token
        const before = azure.made.length
        assert.deepInclude(azure.asked.at(-1), { by: before - 1, claims: undefined })
        yield* invalidate(first)
        yield* token
        assert.strictEqual(azure.made.length, before)
        assert.deepInclude(azure.asked.at(-1), { by: before - 1, claims: '{"access_token":{}}' })
        // What the API asks for goes before that.
        const claims = '{"access_token":{"nbf":{"essential":true}}}'
        yield* invalidate(yield* token, { claims })
        yield* token
        assert.deepInclude(azure.asked.at(-1), { by: before - 1, claims })
      }).pipe(Effect.provide(withEnvironment(auth(kind))))
    }).pipe(Effect.provideService(NodeCredential.Prompt, () => Effect.void)),
  )

  it.live("signs in at once where only that shows whether there is a credential, and else with the first call", () =>
    Effect.gen(function* () {
      azure.answer = issue
      for (const [env, calls] of [
        [{}, 1],
        [app, 0],
      ] as const) {
        const before = azure.asked.length
        yield* Effect.provide(Credential, withEnvironment(env))
        assert.strictEqual(azure.asked.length, before + calls)
      }
    }),
  )
})

describe("NodeCredential.Prompt", () => {
  const prompting = (env: Environment, then: Effect.Effect<void>) =>
    Effect.gen(function* () {
      const prompts: Array<string> = []
      azure.answer = issue
      yield* Effect.andThen(tokenUnder(env), then).pipe(
        Effect.provideService(NodeCredential.Prompt, (message) =>
          Effect.sync(() => {
            prompts.push(message)
          }),
        ),
      )
      return prompts
    })

  it.live("shows where to type the device code", () =>
    Effect.gen(function* () {
      const show = Effect.sync(() => {
        const options = azure.made.at(-1)?.args[0]
        if (Predicate.hasProperty(options, "userPromptCallback") && Predicate.isFunction(options.userPromptCallback)) {
          options.userPromptCallback({ message: "To sign in, enter the code HQ4T7ZLMN." })
        }
      })
      assert.deepStrictEqual(yield* prompting(auth("device-code"), show), ["To sign in, enter the code HQ4T7ZLMN."])
    }),
  )

  it.live("says that a browser opens", () =>
    Effect.gen(function* () {
      const prompts = yield* prompting(auth("browser"), Effect.void)
      assert.strictEqual(prompts.length, 1)
      assert.include(prompts[0], "browser")
    }),
  )
})

describe("NodeCredential.layerClientSecret", () => {
  const gcc = {
    authority: "https://login.microsoftonline.com",
    audience: "https://api-gcc.securitycenter.microsoft.us",
  }
  const failure = Effect.flatMap(Credential, ({ token }) => token).pipe(
    Effect.provide(
      NodeCredential.layerClientSecret({
        tenantId: "tenant",
        clientId: "client",
        clientSecret: Redacted.make("8Q~of-the-app"),
        cloud: gcc,
      }).pipe(Layer.provide(Timing.layer({ signIn: Schedule.recurs(2) }))),
    ),
    Effect.flip,
  )

  it.live("ignores slashes at the end of an authority", () =>
    Effect.gen(function* () {
      azure.answer = issue
      const cloud = { ...gcc, authority: "https://login.microsoftonline.us//" }
      const layer = NodeCredential.layerClientSecret({
        tenantId: "tenant",
        clientId: "client",
        clientSecret: Redacted.make("secret"),
        cloud,
      })
      yield* Effect.provide(Credential, layer)
      const given: unknown = JSON.parse(JSON.stringify(azure.made.at(-1)?.args))
      assert.deepStrictEqual(given, ["tenant", "client", "secret", government])
    }),
  )

  it.live("reports a refusal in Entra's words, on one line", () =>
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
      const before = azure.asked.length
      const error = yield* failure
      assert.deepInclude(error.reason, {
        _tag: "Refused",
        error: "invalid_client",
        code: 7000215,
        description: "AADSTS7000215: Invalid client secret provided.",
        correlationId: "43f4cb08",
      })
      assert.strictEqual(
        error.message,
        "sign-in was refused: AADSTS7000215: Invalid client secret provided; take the secret's value, not its id (correlation id 43f4cb08)",
      )
      assert.strictEqual(azure.asked.length, before + 1)
      assert.strictEqual(azure.asked.at(-1)?.scope, "https://api-gcc.securitycenter.microsoft.us/.default")
    }),
  )

  it.live("recognizes a refusal by an AADSTS code, wherever it stands", () =>
    Effect.gen(function* () {
      azure.answer = () => Promise.reject(new Error("invalid_grant: AADSTS700016: Application was not found.\nmore"))
      const error = yield* failure
      assert.strictEqual(error.reason._tag, "Refused")
      assert.include(error.message, "AADSTS700016")
      assert.notMatch(error.message, /[\r\n]/)
    }),
  )

  it.live("reports a network error as a server that can't be reached, and retries", () =>
    Effect.gen(function* () {
      const cause = Object.assign(new Error("getaddrinfo ENOTFOUND login.example.net"), { code: "ENOTFOUND" })
      azure.answer = () => Promise.reject(new Error("ClientSecretCredential authentication failed.", { cause }))
      const before = azure.asked.length
      const error = yield* failure
      assert.strictEqual(error.reason._tag, "Unreachable")
      assert.include(error.message, "ENOTFOUND login.example.net")
      assert.strictEqual(azure.asked.length, before + 3)
    }),
  )

  it.live("says what to check after any other error", () =>
    Effect.gen(function* () {
      azure.answer = () => Promise.reject(new Error("Invalid tenant id provided. More of it."))
      const before = azure.asked.length
      const error = yield* failure
      assert.strictEqual(error.reason._tag, "Missing")
      assert.strictEqual(
        error.message,
        "no credential; check AZURE_TENANT_ID and AZURE_CLIENT_ID (Invalid tenant id provided.)",
      )
      assert.strictEqual(azure.asked.length, before + 1)
      azure.answer = () => Promise.reject(new Error("The authorityHost address must use the 'https' protocol."))
      assert.strictEqual(
        (yield* failure).message,
        "no credential; check --authority and AZURE_AUTHORITY_HOST (The authorityHost address must use the 'https' protocol.)",
      )
    }),
  )
})

describe("NodeCredential, where a credential is missing", () => {
  it.live.each<{ readonly kind: NodeCredential.Kind; readonly says: RegExp }>([
    { kind: "managed-identity", says: /there is no managed identity here; .*AZURE_CLIENT_ID/ },
    { kind: "cli", says: /install the Azure CLI, and sign in with az login/ },
    { kind: "default", says: /set LIVE_RESPONSE_TOKEN, or AZURE_TENANT_ID/ },
    { kind: "device-code", says: /device code was not completed; try again/ },
    { kind: "browser", says: /where there is no browser, use a device code/ },
    { kind: "workload-identity", says: /\/run\/federated; check AZURE_FEDERATED_TOKEN_FILE/ },
    { kind: "certificate", says: /\/run\/app\.pem can't be used; check AZURE_CLIENT_CERTIFICATE_PATH/ },
  ])("says what $kind needs", ({ kind, says }) =>
    Effect.gen(function* () {
      azure.answer = () => Promise.reject(new Error("It is not here.\nAt all."))
      const error = yield* refusalUnder({
        ...auth(kind),
        ...(kind === "workload-identity" ? { ...ids, ...federated } : {}),
        ...(kind === "certificate" ? { ...ids, ...certificate } : {}),
      })
      assert.strictEqual(error.reason._tag, "Missing")
      assert.match(error.message, says)
      assert.notMatch(error.message, /[\r\n]/)
    }).pipe(Effect.provideService(NodeCredential.Prompt, () => Effect.void)),
  )

  it.live.each(["managed-identity", "cli", "default"] as const)("does not mention the network for %s", (kind) =>
    Effect.gen(function* () {
      const nobody = Object.assign(new Error("connect EHOSTUNREACH 169.254.169.254"), { code: "EHOSTUNREACH" })
      azure.answer = () => Promise.reject(nobody)
      const before = azure.asked.length
      assert.strictEqual((yield* refusalUnder(auth(kind))).reason._tag, "Missing")
      assert.strictEqual(azure.asked.length, before + 1)
    }),
  )
})
