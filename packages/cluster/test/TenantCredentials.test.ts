/**
 * The credentials of tenants with the real `@azure/identity`, in processes of their own, against the simulated Entra over TLS:
 * `NODE_EXTRA_CA_CERTS`, by which its certificate is trusted, is read when a process starts.
 */
import { spawn } from "node:child_process"
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodePath from "@effect/platform-node/NodePath"
import { CredentialReference } from "@live-response/cluster/CredentialReference"
import * as TenantCredentials from "@live-response/cluster/TenantCredentials"
import * as Simulator from "@live-response/core/testing/Simulator"
import * as NodePlatform from "@live-response/node/NodePlatform"
import * as Certificate from "@live-response/node/testing/Certificate"
import * as SimulatorServer from "@live-response/node/testing/SimulatorServer"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpServer from "effect/http/HttpServer"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Schema from "effect/Schema"
import { listen } from "../../node/test/support/loopbackServer.ts"
import { pathOf } from "./support/programs.ts"

const tenant = "e0a8f26e-8b12-4ee4-9ac9-4a4ecb3d1b8f"
const clientId = "1f6a3c7a-6c2b-4f0e-b6b1-2c8f6d8f5c11"
const identity = "2f6a3c7a-6c2b-4f0e-b6b1-2c8f6d8f5c22"
const secret = "a-secret-that-nobody-shows"
const signedIn = { appid: clientId, aud: "https://api.example", tid: tenant }

/** The Entra of a customer that has this app. */
const serve = Effect.fnUntraced(function* (app: Omit<Simulator.App, "clientId" | "tenantId">) {
  const tls = yield* Certificate.selfSigned
  const simulator = yield* Simulator.make({ app: { clientId, tenantId: tenant, ...app } })
  const context = yield* Layer.build(
    SimulatorServer.layer({ tls }).pipe(Layer.provide(Layer.succeed(Simulator.Simulator, simulator))),
  ).pipe(Effect.orDie)
  const { address } = Context.get(context, HttpServer.HttpServer)
  return { tls, authority: HttpServer.formatAddress(address).replace("http:", "https:") }
})

/** A directory of credentials. */
const credentials = Effect.map(
  Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "live-response-credentials-"))),
    (directory) => Effect.sync(() => rmSync(directory, { recursive: true })),
  ),
  (directory) => ({
    directory,
    write: (name: string, content: string, mode = 0o600) => {
      mkdirSync(dirname(join(directory, name)), { recursive: true })
      writeFileSync(join(directory, name), content, { mode })
    },
  }),
)

/** What a runner prints that signs in with nothing but this environment. */
const signIn = (
  { authority, tls }: Effect.Success<ReturnType<typeof serve>>,
  reference: object,
  env: Readonly<Record<string, string>>,
) =>
  Effect.callback<{ readonly printed: unknown; readonly output: string }>((resume) => {
    const child = spawn(process.execPath, [pathOf("tenantSignIn"), tenant, authority, JSON.stringify(reference)], {
      env: { PATH: "/nowhere", NODE_EXTRA_CA_CERTS: tls.path, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    })
    let [stdout, output] = ["", ""]
    child.stdout.on("data", (bytes: Buffer) => (stdout += bytes.toString()))
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (bytes: Buffer) => (output += bytes.toString()))
    child.on("close", () =>
      resume(stdout === "" ? Effect.die(output) : Effect.succeed({ printed: JSON.parse(stdout), output })),
    )
    return Effect.sync(() => child.kill("SIGKILL"))
  })

describe("TenantCredentials", () => {
  it.live("signs in as the customer's app with the secret of a file, and warns where others may open it", () =>
    Effect.gen(function* () {
      const entra = yield* serve({ clientSecret: secret })
      const { directory, write } = yield* credentials
      write("contoso/secret", `${secret}\n`)
      write("shared", secret, 0o644)
      write("wrong", "another-secret")
      write("empty", "\n")
      const env = { LIVE_RESPONSE_CREDENTIALS: directory }
      const ofFile = (file: string) => signIn(entra, { kind: "app", clientId, file }, env)
      const [good, shared, wrong, empty, absent] = yield* Effect.all(
        [ofFile("contoso/secret"), ofFile("shared"), ofFile("wrong"), ofFile("empty"), ofFile("absent")],
        { concurrency: 2 },
      )
      assert.deepStrictEqual(good.printed, signedIn)
      assert.notInclude(good.output, "holds a secret")
      assert.deepStrictEqual(shared.printed, signedIn)
      assert.include(shared.output, `${directory}/shared holds a secret, and others on this machine may open it`)
      assert.deepInclude(wrong.printed, { error: "Refused" })
      assert.include(wrong.output, "AADSTS7000215")
      assert.notInclude(wrong.output, "another-secret")
      assert.deepStrictEqual(empty.printed, {
        error: "Missing",
        message: `no credential; ${directory}/empty is empty; it must hold the secret of the app`,
      })
      assert.deepStrictEqual(absent.printed, {
        error: "Missing",
        message: `no credential; can't read ${directory}/absent (there is no such file); mount it there, or name another file with tenants set`,
      })
    }),
  )

  it.live("warns once of a file that others may open, however many tenants that have it start together", () => {
    const lines: Array<string> = []
    const logger = Logger.make(({ message }) => lines.push(String(message)))
    return Effect.gen(function* () {
      const { directory, write } = yield* credentials
      write("shared", secret, 0o644)
      const { layerOf } = yield* Effect.provide(
        TenantCredentials.TenantCredentials,
        TenantCredentials.layer({ directory }).pipe(Layer.provide([NodeFileSystem.layer, NodePath.layer])),
      )
      const credential = { kind: "app", clientId, file: "shared" } as const
      const cloud = { authority: "https://entra.example", audience: "https://api.example" }
      const signIn = Layer.build(Layer.fresh(layerOf({ tenant, cloud, credential })))
      yield* Effect.all([signIn, signIn, signIn], { concurrency: "unbounded" })
      assert.lengthOf(lines, 1)
      assert.include(lines[0], `${directory}/shared holds a secret`)
    }).pipe(Effect.scoped, Effect.provide([NodePlatform.layer, Logger.layer([logger])]))
  })

  it.live("signs in with a certificate, which the server verifies", () =>
    Effect.gen(function* () {
      const [own, other] = [yield* Certificate.selfSigned, yield* Certificate.selfSigned]
      const entra = yield* serve({ certificateKey: own.publicKey })
      const { directory, write } = yield* credentials
      write("own.pem", readFileSync(own.write(), "utf8"))
      write("other.pem", readFileSync(other.write(), "utf8"))
      write("broken.pem", "nothing")
      const ofFile = (file: string) =>
        signIn(entra, { kind: "certificate", clientId, file }, { CREDENTIALS_DIRECTORY: directory })
      const [good, wrong, broken] = yield* Effect.all([ofFile("own.pem"), ofFile("other.pem"), ofFile("broken.pem")], {
        concurrency: 2,
      })
      assert.deepStrictEqual(good.printed, signedIn)
      assert.deepInclude(wrong.printed, { error: "Refused" })
      assert.include(wrong.output, "AADSTS700027")
      assert.include(broken.output, `the certificate ${directory}/broken.pem can't be used; it must be a PEM file`)
    }),
  )

  it.live("signs in with the token of the cluster, or with that of a file", () =>
    Effect.gen(function* () {
      const entra = yield* serve({ federatedToken: "of-the-cluster" })
      const { directory, write } = yield* credentials
      write("token", "of-the-cluster\n")
      const env = { LIVE_RESPONSE_CREDENTIALS: directory }
      const injected = { AZURE_FEDERATED_TOKEN_FILE: join(directory, "token") }
      const reference = { kind: "federated", clientId }
      const [own, named, none, nowhere] = yield* Effect.all(
        [
          signIn(entra, reference, injected),
          signIn(entra, { ...reference, file: "token" }, env),
          signIn(entra, reference, env),
          signIn(entra, { ...reference, file: "token" }, injected),
        ],
        { concurrency: 2 },
      )
      assert.deepStrictEqual([own.printed, named.printed], [signedIn, signedIn])
      assert.include(none.output, "this runner has none of its own; set AZURE_FEDERATED_TOKEN_FILE")
      assert.include(nowhere.output, "this runner has no directory of credentials; set LIVE_RESPONSE_CREDENTIALS")
    }),
  )

  it.live("signs in as an app that trusts the managed identity of the runner, and as the identity itself", () =>
    Effect.gen(function* () {
      const entra = yield* serve({ federatedToken: "of-the-identity" })
      const asked: Array<URLSearchParams> = []
      // Azure's own service, as an App Service has it: it gives tokens of the identity.
      const service = yield* listen((request, response) => {
        const { searchParams } = new URL(request.url ?? "/", "http://service")
        asked.push(searchParams)
        response.setHeader("content-type", "application/json")
        const claims = Buffer.from(JSON.stringify({ appid: identity, aud: searchParams.get("resource"), tid: "home" }))
        const isExchange = searchParams.get("resource") === "api://AzureADTokenExchange"
        const access_token = isExchange ? "of-the-identity" : `e30.${claims.toString("base64url")}.c2ln`
        const expires_on = String(Math.floor(performance.timeOrigin / 1000) + 86_400)
        response.end(JSON.stringify({ access_token, expires_on, token_type: "Bearer", client_id: identity }))
      })
      const env = { IDENTITY_ENDPOINT: `${service}/msi/token`, IDENTITY_HEADER: "a-header" }
      const trusted = yield* signIn(entra, { kind: "managed", clientId, identity }, env)
      assert.deepStrictEqual(trusted.printed, signedIn, trusted.output)
      assert.deepStrictEqual(
        [asked[0]?.get("resource"), asked[0]?.get("client_id")],
        ["api://AzureADTokenExchange", identity],
      )
      const own = yield* signIn(entra, { kind: "managed", identity }, env)
      assert.deepStrictEqual(own.printed, { appid: identity, aud: "https://api.example", tid: "home" }, own.output)
      const gone = yield* signIn(
        entra,
        { kind: "managed", clientId },
        { ...env, IDENTITY_ENDPOINT: "http://127.0.0.1:1/" },
      )
      assert.deepInclude(gone.printed, { error: "Missing" }, gone.output)
      assert.include(gone.output, "this runner has no such managed identity")
    }),
  )
})

describe("TenantCredentials.layerConfig", () => {
  const start = (directory: string) =>
    Layer.build(TenantCredentials.layerConfig).pipe(
      Effect.scoped,
      Effect.flip,
      Effect.provide([
        NodeFileSystem.layer,
        NodePath.layer,
        ConfigProvider.layer(ConfigProvider.fromUnknown({ LIVE_RESPONSE_CREDENTIALS: directory })),
      ]),
    )

  it.effect("names a directory that can't be read, unless it looks like a secret", () =>
    Effect.gen(function* () {
      assert.include((yield* start("/absent/credentials")).message, "/absent/credentials: it can't be read")
      const { message } = yield* start("x8Q~ThisIsA1SecretOfAnApp")
      assert.include(message, "(a name that is not shown, because it looks like the secret itself): it can't be read")
      assert.notInclude(message, "ThisIsA1Secret")
    }),
  )
})

describe("CredentialReference", () => {
  const isReference = Schema.is(CredentialReference)
  const app = (file: string) => ({ kind: "app", clientId, file })

  it("names files below the directory of credentials, and no others", () => {
    for (const file of ["secret", "contoso/secret", "..data/x", ".hidden", "a.b-c_d/e"])
      assert.isTrue(isReference(app(file)), file)
    for (const file of ["", "/etc/shadow", "..", "../secret", "a/../../b", "a//b", "./a", "a/", "a\\b", "a\n"]) {
      assert.isFalse(isReference(app(file)), file)
    }
  })

  it("has an app id where one is needed", () => {
    assert.isFalse(isReference({ kind: "app", clientId: "not an id", file: "secret" }))
    assert.isFalse(isReference({ kind: "federated" }))
    assert.isTrue(isReference({ kind: "managed" }))
  })
})
