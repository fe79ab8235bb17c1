/**
 * The real `@azure/identity`, in processes of their own, against the simulated Entra over TLS: the certificate that signed
 * itself is trusted by `NODE_EXTRA_CA_CERTS`, which a process reads when it starts.
 */
import { spawn } from "node:child_process"
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { delimiter, join } from "node:path"
import { fileURLToPath } from "node:url"
import { assert, layer } from "@effect/vitest"
import * as Simulator from "@live-response/core/testing/Simulator"
import * as Certificates from "@live-response/node/testing/Certificate"
import * as SimulatorServer from "@live-response/node/testing/SimulatorServer"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpServer from "effect/http/HttpServer"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"

const tenantId = "e0a8f26e-8b12-4ee4-9ac9-4a4ecb3d1b8f"
const clientId = "1f6a3c7a-6c2b-4f0e-b6b1-2c8f6d8f5c11"
const clientSecret = "a-secret-that-nobody-shows"

/** One certificate for all: a key takes its time. */
class Certificate extends Context.Service<Certificate, Certificates.Certificate>()(
  "@live-response/node/test/signIn.test/Certificate",
) {
  static readonly layer = Layer.effect(Certificate, Certificates.selfSigned)
}

const program = fileURLToPath(new URL("support/signIn.ts", import.meta.url))

const Line = Schema.Struct({
  token: Schema.optionalKey(Schema.String),
  claims: Schema.optionalKey(Schema.Record(Schema.String, Schema.Unknown)),
  error: Schema.optionalKey(Schema.String),
  message: Schema.optionalKey(Schema.String),
})
const decodeLine = Schema.decodeSync(Schema.fromJsonString(Line))

interface Ended {
  readonly lines: ReadonlyArray<typeof Line.Type>
  readonly stdout: string
  readonly stderr: string
  readonly seconds: number
}

/** Runs the program with nothing but this environment. */
const signIn = (env: Readonly<Record<string, string>>, ...steps: ReadonlyArray<string>) =>
  Effect.callback<Ended>((resume) => {
    const began = performance.now()
    const child = spawn(process.execPath, [program, ...(steps.length === 0 ? ["token"] : steps)], {
      env: { PATH: "/nowhere", ...env },
      stdio: ["ignore", "pipe", "pipe"],
    })
    let stdout = ""
    let stderr = ""
    child.stdout.on("data", (bytes: Buffer) => (stdout += bytes.toString()))
    child.stderr.on("data", (bytes: Buffer) => (stderr += bytes.toString()))
    child.on("close", () => {
      const lines = stdout
        .trim()
        .split("\n")
        .filter((line) => line !== "")
      const seconds = (performance.now() - began) / 1000
      resume(Effect.succeed({ lines: lines.map((line) => decodeLine(line)), stdout, stderr, seconds }))
    })
    return Effect.sync(() => child.kill("SIGKILL"))
  })

/** An Entra that has this app, and the environment of who signs in there. */
const serve = Effect.fnUntraced(function* (
  options?: Simulator.Options,
): Effect.fn.Return<
  { readonly env: Readonly<Record<string, string>>; readonly simulator: Simulator.Service },
  never,
  Certificate | Scope.Scope
> {
  const tls = yield* Certificate
  const simulator = yield* Simulator.make({ app: { clientId, tenantId, clientSecret }, ...options })
  const context = yield* Layer.build(
    SimulatorServer.layer({ tls }).pipe(Layer.provide(Layer.succeed(Simulator.Simulator, simulator))),
  ).pipe(Effect.orDie)
  const { address } = Context.get(context, HttpServer.HttpServer)
  const authority = HttpServer.formatAddress(address).replace("http:", "https:")
  return {
    simulator,
    env: {
      NODE_EXTRA_CA_CERTS: tls.path,
      AZURE_AUTHORITY_HOST: authority,
      AZURE_TENANT_ID: tenantId,
      AZURE_CLIENT_ID: clientId,
    },
  }
})

const secret = { AZURE_CLIENT_SECRET: clientSecret }

const correlation = "43f4cb08-8fac-4b65-9db1-745c2ae65f3a"

/** One line that a person can act on, and nothing that is nobody's business. */
const assertMessage = ({ lines, stderr, stdout }: Ended, reason: string, says: RegExp) => {
  const message = lines[0]?.message ?? ""
  assert.strictEqual(lines[0]?.error, reason, `${stdout}${stderr}`)
  assert.match(message, says)
  assert.notMatch(message, /[\r\n]|Trace ID| at \w+ \(/)
  assert.notInclude(stdout + stderr, clientSecret)
  assert.strictEqual(stderr, "")
}

const temporary = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "live-response-sign-in-"))),
  (directory) => Effect.sync(() => rmSync(directory, { recursive: true })),
)

layer(Certificate.layer, { excludeTestServices: true })("signing in with @azure/identity", (it) => {
  it.effect("with a secret, from the environment or from a file", () =>
    Effect.gen(function* () {
      const { env } = yield* serve()
      const path = join(yield* temporary, "secret")
      writeFileSync(path, `${clientSecret}\n`)
      const both = yield* Effect.all(
        [signIn({ ...env, ...secret }), signIn({ ...env, AZURE_CLIENT_SECRET_FILE: path })],
        { concurrency: 2 },
      )
      for (const { lines, stderr } of both) {
        assert.deepInclude(lines[0]?.claims, {
          tid: tenantId,
          appid: clientId,
          aud: "https://api.securitycenter.microsoft.com",
        })
        assert.strictEqual(stderr, "")
      }
    }),
  )

  it.effect("for the audience of the cloud", () =>
    Effect.gen(function* () {
      const { env } = yield* serve()
      const { lines } = yield* signIn({ ...env, ...secret, LIVE_RESPONSE_CLOUD: "gcc" })
      assert.deepInclude(lines[0]?.claims, { aud: "https://api-gcc.securitycenter.microsoft.us" })
    }),
  )

  it.effect("says which of secret, app and tenant is wrong", () =>
    Effect.gen(function* () {
      const { env } = yield* serve()
      const expired = yield* serve({ app: { clientId, tenantId, clientSecret, secretExpired: true } })
      const [wrong, old, app, tenant] = yield* Effect.all(
        [
          signIn({ ...env, AZURE_CLIENT_SECRET: "wrong" }),
          signIn({ ...expired.env, ...secret }),
          signIn({ ...env, ...secret, AZURE_CLIENT_ID: "4711" }),
          signIn({ ...env, ...secret, AZURE_TENANT_ID: "nobody.example" }),
        ],
        { concurrency: 2 },
      )
      assertMessage(
        wrong,
        "Refused",
        /AADSTS7000215: Invalid client secret provided; take the secret's value, not its id/,
      )
      assert.include(wrong.lines[0]?.message, correlation)
      assertMessage(old, "Refused", /AADSTS7000222: .* expired; make a new one in Entra/)
      assertMessage(app, "Refused", /AADSTS700016: Application with identifier '4711'.*AZURE_CLIENT_ID/)
      assertMessage(tenant, "Refused", /AADSTS90002: Tenant 'nobody.example' not found; check the tenant/)
      for (const { seconds } of [wrong, old, app, tenant]) assert.isBelow(seconds, 15)
    }),
  )

  it.effect("with a certificate, whose assertion the server verifies", () =>
    Effect.gen(function* () {
      const own = yield* Certificates.selfSigned
      const other = yield* Certificates.selfSigned
      const { env } = yield* serve({ app: { clientId, tenantId, certificateKey: own.publicKey } })
      const path = (path: string) => ({ ...env, AZURE_CLIENT_CERTIFICATE_PATH: path })
      const encrypted = path(own.write({ password: "a-password" }))
      const [good, withPassword, wrongPassword, unknown, absent] = yield* Effect.all(
        [
          signIn(path(own.write())),
          signIn({ ...encrypted, AZURE_CLIENT_CERTIFICATE_PASSWORD: "a-password" }),
          signIn({ ...encrypted, AZURE_CLIENT_CERTIFICATE_PASSWORD: "wrong" }),
          signIn(path(other.write())),
          signIn(path("/absent.pem")),
        ],
        { concurrency: 2 },
      )
      assert.deepInclude(good.lines[0]?.claims, { appid: clientId }, good.stdout)
      assert.deepInclude(withPassword.lines[0]?.claims, { appid: clientId }, withPassword.stdout)
      assertMessage(wrongPassword, "Missing", /the certificate .* can't be used; check AZURE_CLIENT_CERTIFICATE_PATH/)
      assertMessage(unknown, "Refused", /AADSTS700027: .*; upload the certificate/)
      assertMessage(absent, "Missing", /the certificate \/absent\.pem can't be used; .*ENOENT/)
    }),
  )

  it.effect("with the token of a cluster", () =>
    Effect.gen(function* () {
      const { env } = yield* serve({ app: { clientId, tenantId, federatedToken: "of-the-cluster" } })
      const directory = yield* temporary
      const file = (name: string, content: string) => {
        writeFileSync(join(directory, name), content)
        return { ...env, AZURE_FEDERATED_TOKEN_FILE: join(directory, name) }
      }
      const [good, wrong] = yield* Effect.all(
        [signIn(file("good", "of-the-cluster\n")), signIn(file("wrong", "of-another"))],
        { concurrency: 2 },
      )
      assert.deepInclude(good.lines[0]?.claims, { appid: clientId }, good.stdout)
      assertMessage(wrong, "Refused", /AADSTS700213: .*federated/)
    }),
  )

  it.effect("with a device code, however slowly the server wants to be asked; a refused token asks nobody again", () =>
    Effect.gen(function* () {
      const { env } = yield* serve({ deviceUser: { slowDown: true, after: 2 } })
      const declined = yield* serve({ deviceUser: { declines: true } })
      const device = { LIVE_RESPONSE_AUTH: "device-code" }
      const [good, bad] = yield* Effect.all(
        [signIn({ ...env, ...device }, "token", "token", "refused", "token"), signIn({ ...declined.env, ...device })],
        { concurrency: 2 },
      )
      assert.match(good.stderr, /^To sign in, use a web browser to open the page \S+ and enter the code \w+[^\n]*\n$/)
      assert.deepInclude(good.lines[0]?.claims, { upn: "analyst@contoso.com" }, good.stdout)
      const tokens = good.lines.map(({ token }) => token)
      assert.strictEqual(tokens[1], tokens[0])
      assert.notStrictEqual(tokens[2], tokens[0])
      // One poll is slowed down by five seconds, and so are all behind it.
      assert.isAbove(good.seconds, 10)
      assert.strictEqual(bad.lines[0]?.error, "Refused", bad.stdout)
      assert.match(bad.lines[0]?.message ?? "", /declined.*try again/)
    }),
  )

  it.effect("gets another token after a refused one, and not the same one out of a cache", () =>
    Effect.gen(function* () {
      const { env } = yield* serve()
      const { lines } = yield* signIn({ ...env, ...secret }, "token", "refused", "token", "token")
      const tokens = lines.map(({ token }) => token)
      assert.notStrictEqual(tokens[1], tokens[0])
      assert.strictEqual(tokens[2], tokens[1])
    }),
  )

  it.effect("goes through an outage that is short, and tells of one that is not", () =>
    Effect.gen(function* () {
      const down = { fault: "status", status: 503 } as const
      const short = yield* serve({ tokenFaults: [down, down] })
      const long = yield* serve({ tokenFaults: Array.from({ length: 50 }, () => down) })
      const slow = yield* serve({ latency: Effect.sleep("1500 millis") })
      const [good, bad, late] = yield* Effect.all(
        [signIn({ ...short.env, ...secret }), signIn({ ...long.env, ...secret }), signIn({ ...slow.env, ...secret })],
        { concurrency: 3 },
      )
      assert.deepInclude(good.lines[0]?.claims, { appid: clientId }, good.stdout)
      assertMessage(bad, "Unreachable", /HTTP 503/)
      assert.isBelow(bad.seconds, 20)
      assert.deepInclude(late.lines[0]?.claims, { appid: clientId }, late.stdout)
    }),
  )

  it.effect("renews a token whose time is over", () =>
    Effect.gen(function* () {
      const { env } = yield* serve({ tokenLifetime: "1 second" })
      // Even a token that seems to be over at once is used for a minute: only a refusal has it renewed before.
      const { lines } = yield* signIn({ ...env, ...secret }, "token", "wait", "token", "refused", "token")
      const tokens = lines.map(({ token }) => token)
      assert.strictEqual(tokens[1], tokens[0])
      assert.notStrictEqual(tokens[2], tokens[0])
    }),
  )

  it.effect("says in seconds that there is no server, and no way to sign in", () =>
    Effect.gen(function* () {
      const { path } = yield* Certificate
      const app = { AZURE_TENANT_ID: tenantId, AZURE_CLIENT_ID: clientId, NODE_EXTRA_CA_CERTS: path }
      const AZURE_AUTHORITY_HOST = `https://127.0.0.1:${yield* closedPort}`
      const [nobody, nothing, identity, cli] = yield* Effect.all(
        [
          signIn({ ...app, ...secret, AZURE_AUTHORITY_HOST }),
          signIn({}),
          signIn({ LIVE_RESPONSE_AUTH: "managed-identity" }),
          signIn({ LIVE_RESPONSE_AUTH: "cli" }),
        ],
        { concurrency: 2 },
      )
      assertMessage(nobody, "Unreachable", /can't be reached .*AZURE_AUTHORITY_HOST/)
      assertMessage(nothing, "Missing", /^no credential; set LIVE_RESPONSE_TOKEN, or AZURE_TENANT_ID/)
      assertMessage(identity, "Missing", /there is no managed identity here/)
      assertMessage(cli, "Missing", /install the Azure CLI, and sign in with az login/)
      for (const { seconds } of [nobody, nothing, identity, cli]) assert.isBelow(seconds, 20)
    }),
  )

  it.effect("as whoever is signed in with az login", () =>
    Effect.gen(function* () {
      const directory = yield* temporary
      const az = (name: string, script: string) => {
        mkdirSync(join(directory, name))
        writeFileSync(join(directory, name, "az"), `#!/bin/sh\n${script}\n`)
        chmodSync(join(directory, name, "az"), 0o755)
      }
      az("in", `echo '{"accessToken":"of-the-cli","expires_on":4102444800}'`)
      az("out", `echo "ERROR: Please run 'az login' to setup account." >&2; exit 1`)
      const env = (name: string) => ({
        LIVE_RESPONSE_AUTH: "cli",
        PATH: [join(directory, name), "/usr/bin", "/bin"].join(delimiter),
      })
      const [signedIn, signedOut] = yield* Effect.all([signIn(env("in")), signIn(env("out"))], { concurrency: 2 })
      assert.strictEqual(signedIn.lines[0]?.token, "of-the-cli", signedIn.stdout + signedIn.stderr)
      assertMessage(signedOut, "Missing", /az login/)
    }),
  )
})

const closedPort = Effect.callback<number>((resume) => {
  const server = createServer().listen(0, "127.0.0.1", () => {
    const address = server.address()
    server.close(() => resume(Effect.succeed(typeof address === "object" ? (address?.port ?? 9) : 9)))
  })
})
