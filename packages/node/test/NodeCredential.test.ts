/**
 * Which way to sign in an environment means. What becomes of each is in signIn.test.ts, with the real `@azure/identity`;
 * here every credential of it is one that notes what it was made of.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Credential } from "@live-response/core/Credential"
import * as NodeCredential from "@live-response/node/NodeCredential"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { vi } from "vitest"

interface Made {
  readonly kind: string
  readonly given: ReadonlyArray<unknown>
}

const azure = vi.hoisted(() => {
  const made: Array<{ readonly kind: string; readonly given: ReadonlyArray<unknown> }> = []
  const scopes: Array<unknown> = []
  return { loads: 0, made, scopes }
})

vi.mock("@azure/identity", () => {
  azure.loads++
  const noted = (kind: string) =>
    class {
      constructor(...given: ReadonlyArray<unknown>) {
        azure.made.push({ kind, given })
      }
      getToken(scope: unknown) {
        azure.scopes.push(scope)
        return Promise.resolve({ token: kind, expiresOnTimestamp: Number.MAX_SAFE_INTEGER })
      }
    }
  const kinds = ["ClientSecret", "ClientCertificate", "ManagedIdentity", "WorkloadIdentity", "AzureCli", "DeviceCode"]
  return Object.fromEntries(
    [...kinds, "InteractiveBrowser", "DefaultAzure"].map((kind) => [`${kind}Credential`, noted(kind)]),
  )
})

const tokenUnder = (env: Record<string, string>) =>
  Effect.flatMap(Credential, ({ token }) => token).pipe(
    Effect.map(Redacted.value),
    Effect.provide(
      NodeCredential.layerConfig.pipe(Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env })))),
    ),
    Effect.provideService(NodeCredential.Prompt, () => Effect.void),
  )

const app = { AZURE_TENANT_ID: "tenant", AZURE_CLIENT_ID: "client" }
const secret = { ...app, AZURE_CLIENT_SECRET: "secret" }
const certificate = { ...app, AZURE_CLIENT_CERTIFICATE_PATH: "cert.pem" }
const federated = { ...app, AZURE_FEDERATED_TOKEN_FILE: "token" }

const temporary = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "live-response-credential-"))),
  (directory) => Effect.sync(() => rmSync(directory, { recursive: true })),
)

describe("NodeCredential.layerConfig", () => {
  it.live("loads nothing for a token that is there, or for what is missing", () =>
    Effect.gen(function* () {
      const path = join(yield* temporary, "token")
      writeFileSync(path, "of-the-file\n")
      assert.strictEqual(yield* tokenUnder({ LIVE_RESPONSE_TOKEN: "eyJ0", ...secret }), "eyJ0")
      assert.strictEqual(
        yield* tokenUnder({ LIVE_RESPONSE_TOKEN_FILE: path, LIVE_RESPONSE_TOKEN: "eyJ0", ...secret }),
        "of-the-file",
      )
      for (const [env, says] of [
        [{ LIVE_RESPONSE_AUTH: "token" }, "set LIVE_RESPONSE_TOKEN"],
        [{ LIVE_RESPONSE_AUTH: "secret" }, "set AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_CLIENT_SECRET"],
        [{ ...app, AZURE_CLIENT_ID: "", AZURE_CLIENT_SECRET: "s" }, "set AZURE_CLIENT_ID"],
        [{ AZURE_CLIENT_CERTIFICATE_PATH: "c" }, "set AZURE_TENANT_ID, AZURE_CLIENT_ID"],
        [{ ...app, LIVE_RESPONSE_AUTH: "workload-identity" }, "set AZURE_FEDERATED_TOKEN_FILE"],
        [
          { ...app, AZURE_CLIENT_SECRET_FILE: "/absent" },
          "can't read /absent (NotFound); check AZURE_CLIENT_SECRET_FILE",
        ],
      ] as const) {
        const error = yield* Effect.flip(tokenUnder(env))
        assert.strictEqual(error.message, `no credential; ${says}`)
      }
      assert.strictEqual(azure.loads, 0)
    }),
  )

  it.live.each([
    { env: secret, kind: "ClientSecret" },
    { env: { ...secret, ...certificate }, kind: "ClientSecret" },
    { env: certificate, kind: "ClientCertificate" },
    { env: federated, kind: "WorkloadIdentity" },
    { env: app, kind: "DefaultAzure" },
    { env: {}, kind: "DefaultAzure" },
    { env: { ...secret, LIVE_RESPONSE_AUTH: "default" }, kind: "ClientSecret" },
    { env: { LIVE_RESPONSE_AUTH: "default", LIVE_RESPONSE_TOKEN: "eyJ0" }, kind: "DefaultAzure" },
    { env: { ...secret, LIVE_RESPONSE_AUTH: "certificate", ...certificate }, kind: "ClientCertificate" },
    { env: { ...secret, LIVE_RESPONSE_AUTH: "managed-identity" }, kind: "ManagedIdentity" },
    { env: { ...secret, LIVE_RESPONSE_AUTH: "cli" }, kind: "AzureCli" },
    { env: { ...secret, LIVE_RESPONSE_AUTH: "device-code" }, kind: "DeviceCode" },
    { env: { ...secret, LIVE_RESPONSE_AUTH: "browser" }, kind: "InteractiveBrowser" },
  ])("$env means $kind", ({ env, kind }) =>
    Effect.gen(function* () {
      assert.strictEqual(yield* tokenUnder(env), kind)
      assert.strictEqual(azure.scopes.at(-1), "https://api.securitycenter.microsoft.com/.default")
    }),
  )

  it.live("gives each what it needs, and no more", () =>
    Effect.gen(function* () {
      const last = Effect.fnUntraced(function* (env: Record<string, string>) {
        yield* tokenUnder(env)
        const made: Made | undefined = azure.made.at(-1)
        return made?.given ?? []
      })
      const common = { authorityHost: "https://login.microsoftonline.com", disableInstanceDiscovery: false }
      const given = yield* last(secret)
      assert.deepStrictEqual(given.slice(0, 3), ["tenant", "client", "secret"])
      assert.deepInclude(given[3], common)

      const path = join(yield* temporary, "secret")
      writeFileSync(path, "of-the-file\n")
      assert.strictEqual((yield* last({ ...app, AZURE_CLIENT_SECRET_FILE: path }))[2], "of-the-file")

      const [tenant, client, pem, options] = yield* last({
        ...certificate,
        AZURE_CLIENT_CERTIFICATE_PASSWORD: "password",
        AZURE_CLIENT_SEND_CERTIFICATE_CHAIN: "true",
      })
      assert.deepStrictEqual([tenant, client], ["tenant", "client"])
      assert.deepStrictEqual(pem, { certificatePath: "cert.pem", certificatePassword: "password" })
      assert.deepInclude(options, { sendCertificateChain: true })

      assert.deepInclude((yield* last(federated))[0], {
        tenantId: "tenant",
        clientId: "client",
        tokenFilePath: "token",
      })
      const system = yield* last({ LIVE_RESPONSE_AUTH: "managed-identity" })
      assert.notProperty(system[0], "clientId")
      const own = yield* last({ LIVE_RESPONSE_AUTH: "managed-identity", AZURE_CLIENT_ID: "own" })
      assert.deepInclude(own[0], { clientId: "own" })
      assert.deepInclude((yield* last({ ...app, LIVE_RESPONSE_AUTH: "cli" }))[0], { tenantId: "tenant" })
      const user = yield* last({ ...app, LIVE_RESPONSE_AUTH: "browser" })
      assert.deepInclude(user[0], { tenantId: "tenant", clientId: "client", ...common })
    }),
  )

  it.live("goes to the cloud's server, and looks one up only where it is the vendor's", () =>
    Effect.gen(function* () {
      for (const [env, authorityHost, disableInstanceDiscovery, scope] of [
        [
          { LIVE_RESPONSE_CLOUD: "gcc-high" },
          "https://login.microsoftonline.us",
          false,
          "https://api-gov.securitycenter.microsoft.us/.default",
        ],
        [
          { AZURE_AUTHORITY_HOST: "https://127.0.0.1:8443/", LIVE_RESPONSE_AUDIENCE: "https://an.audience" },
          "https://127.0.0.1:8443",
          true,
          "https://an.audience/.default",
        ],
      ] as const) {
        yield* tokenUnder({ ...secret, ...env })
        assert.deepInclude(azure.made.at(-1)?.given[3], { authorityHost, disableInstanceDiscovery })
        assert.strictEqual(azure.scopes.at(-1), scope)
      }
    }),
  )

  it.live("takes an unknown kind or cloud for a mistake", () =>
    Effect.gen(function* () {
      for (const env of [{ LIVE_RESPONSE_AUTH: "nobody" }, { LIVE_RESPONSE_CLOUD: "mars" }]) {
        const error = yield* Effect.flip(tokenUnder({ ...secret, ...env }))
        assert.strictEqual(error._tag, "ConfigError")
      }
    }),
  )
})

describe("NodeCredential.owner", () => {
  const ownerUnder = (env: Record<string, string>) =>
    Effect.provide(NodeCredential.owner, ConfigProvider.layer(ConfigProvider.fromEnv({ env })))
  const token = `e30.${btoa(JSON.stringify({ tid: "T-1", appid: "A-1" }))}.c2ln`

  it.live("is tenant and app, as far as they are known without signing in", () =>
    Effect.gen(function* () {
      const path = join(yield* temporary, "token")
      writeFileSync(path, token)
      const loads = azure.loads
      for (const [env, owner] of [
        [{ LIVE_RESPONSE_TOKEN: token, ...secret }, "tenant t-1, app a-1"],
        [{ LIVE_RESPONSE_TOKEN_FILE: path }, "tenant t-1, app a-1"],
        [{ LIVE_RESPONSE_TOKEN_FILE: "/absent" }, "tenant unknown, app unknown"],
        [secret, "tenant tenant, app client"],
        [{ LIVE_RESPONSE_TOKEN: token, LIVE_RESPONSE_AUTH: "secret", ...secret }, "tenant tenant, app client"],
        [{ ...app, LIVE_RESPONSE_AUTH: "cli" }, "tenant tenant, app 04b07795-8ddb-461a-bbee-02f9e1bf7b46"],
        [{}, "tenant unknown, app unknown"],
      ] as const) {
        assert.strictEqual(yield* ownerUnder(env), owner)
      }
      assert.strictEqual(azure.loads, loads)
    }),
  )
})
