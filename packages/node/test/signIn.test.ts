/**
 * The real `@azure/identity`, in processes of their own, against the simulated Entra over TLS: the certificate that signed
 * itself is trusted by `NODE_EXTRA_CA_CERTS`, which a process reads when it starts.
 */
import { spawn } from "node:child_process"
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { createServer as createHttpServer, type Server, type ServerResponse } from "node:http"
import { createServer as createHttpsServer } from "node:https"
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
import * as Predicate from "effect/Predicate"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Semaphore from "effect/Semaphore"
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

/** Bundled by scripts/testBundle.mjs. */
const program = process.env.LIVE_RESPONSE_TEST_SIGN_IN ?? fileURLToPath(new URL("support/signIn.ts", import.meta.url))

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

/** MSAL itself would wait for minutes. The rest is what a process needs on a loaded machine. */
const soon = 60

/** More processes at a time would wait for a processor, and not for the server. */
const atATime = Semaphore.makeUnsafe(4)

/** Runs the program with nothing but this environment. */
const signIn = (env: Readonly<Record<string, string>>, ...steps: ReadonlyArray<string>) =>
  Effect.callback<Ended>((resume) => {
    const startedAt = performance.now()
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
      const seconds = (performance.now() - startedAt) / 1000
      resume(Effect.succeed({ lines: lines.map((line) => decodeLine(line)), stdout, stderr, seconds }))
    })
    return Effect.sync(() => child.kill("SIGKILL"))
  }).pipe(atATime.withPermit)

/** An Entra that has this app, and the environment of a program that signs in there. */
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
const device = { LIVE_RESPONSE_AUTH: "device-code" }

/** The user was prompted once. */
const prompted = /^To sign in, use a web browser to open the page \S+ and enter the code \w+[^\n]*\n$/

const tokensOf = ({ lines, stderr, stdout }: Ended) =>
  lines.map(({ token }) => {
    assert.isString(token, stdout + stderr)
    return token
  })

const correlation = "43f4cb08-8fac-4b65-9db1-745c2ae65f3a"

/** One line that a person can act on, without secrets. */
const assertMessage = ({ lines, stderr, stdout }: Ended, reason: string, says: RegExp) => {
  const message = lines[0]?.message ?? ""
  assert.strictEqual(lines[0]?.error, reason, `${stdout}${stderr}`)
  assert.match(message, says)
  assert.notMatch(message, /[\r\n]|Trace ID| at \w+ \(/)
  assert.notInclude(stdout + stderr, clientSecret)
  assert.strictEqual(stderr, "")
}

/** The `host:port` at which a server in plain http listens. */
const listening = (server: Server) =>
  Effect.acquireRelease(
    Effect.callback<string>((resume) => {
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        resume(Effect.succeed(`127.0.0.1:${Predicate.isObject(address) ? address.port : 0}`))
      })
    }),
    () => Effect.sync(() => server.close()),
  )

/** A proxy that wants credentials, and what it was asked for. */
const refusingProxy = Effect.suspend(() => {
  const asked: Array<string> = []
  const server = createHttpServer(({ url }, response) => {
    asked.push(String(url))
    response.writeHead(407).end()
  }).on("connect", ({ url }, socket) => {
    asked.push(String(url))
    socket.end("HTTP/1.1 407 No\r\n\r\n")
  })
  return Effect.map(listening(server), (address) => ({ address, asked }))
})

const temporary = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "live-response-sign-in-"))),
  (directory) => Effect.sync(() => rmSync(directory, { recursive: true })),
)

layer(Certificate.layer, { concurrent: true, excludeTestServices: true })("signing in with @azure/identity", (it) => {
  it.effect("works with a secret, from the environment or from a file", () =>
    Effect.gen(function* () {
      const { env } = yield* serve()
      const path = join(yield* temporary, "secret")
      writeFileSync(path, `${clientSecret}\n`, { mode: 0o600 })
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

  it.effect("requests the audience of the cloud", () =>
    Effect.gen(function* () {
      const { env } = yield* serve()
      const { lines } = yield* signIn({ ...env, ...secret, LIVE_RESPONSE_CLOUD: "gcc" })
      assert.deepInclude(lines[0]?.claims, { aud: "https://api-gcc.securitycenter.microsoft.us" })
    }),
  )

  it.effect("names which of secret, app and tenant is wrong", () =>
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
      assertMessage(old, "Refused", /AADSTS7000222: .* expired; create a new one in Entra/)
      assertMessage(app, "Refused", /AADSTS700016: Application with identifier '4711'.*AZURE_CLIENT_ID/)
      assertMessage(tenant, "Refused", /AADSTS90002: Tenant 'nobody.example' not found; check the tenant/)
      for (const { lines, seconds } of [wrong, old, app, tenant]) {
        assert.include(lines[0]?.message, correlation)
        assert.isBelow(seconds, soon)
      }
    }),
  )

  it.effect("works with a certificate, whose assertion the server verifies", () =>
    Effect.gen(function* () {
      const own = yield* Certificates.selfSigned
      const other = yield* Certificates.selfSigned
      const { env } = yield* serve({ app: { clientId, tenantId, certificateKey: own.publicKey } })
      const path = (path: string) => ({ ...env, AZURE_CLIENT_CERTIFICATE_PATH: path })
      const encrypted = path(own.write({ password: "a-password" }))
      const [good, withPassword, wrongPassword, unknown, absent, directory] = yield* Effect.all(
        [
          signIn(path(own.write())),
          signIn({ ...encrypted, AZURE_CLIENT_CERTIFICATE_PASSWORD: "a-password" }),
          signIn({ ...encrypted, AZURE_CLIENT_CERTIFICATE_PASSWORD: "wrong" }),
          signIn(path(other.write())),
          signIn(path("/absent.pem")),
          signIn(path("/")),
        ],
        { concurrency: 2 },
      )
      assert.deepInclude(good.lines[0]?.claims, { appid: clientId }, good.stdout)
      assert.deepInclude(withPassword.lines[0]?.claims, { appid: clientId }, withPassword.stdout)
      assertMessage(wrongPassword, "Missing", /the certificate .* can't be used; check AZURE_CLIENT_CERTIFICATE_PATH/)
      assertMessage(unknown, "Refused", /AADSTS700027: .*; upload the certificate/)
      assertMessage(absent, "Missing", /the certificate \/absent\.pem can't be used; .*ENOENT/)
      assertMessage(directory, "Missing", /the certificate \/ can't be used; .*EISDIR/)
    }),
  )

  it.effect("works with the token of a cluster", () =>
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

  it.effect("works with a device code, however slowly the server wants to be polled", () =>
    Effect.gen(function* () {
      const { env, simulator } = yield* serve({ deviceUser: { slowDown: true, pendingPolls: 1 } })
      const { lines, stderr, stdout } = yield* signIn({ ...env, ...device })
      assert.match(stderr, prompted)
      assert.deepInclude(lines[0]?.claims, { upn: "analyst@contoso.com" }, stdout)
      // After slow_down a poll waits five seconds more; the server would refuse an earlier one again.
      const polls = (yield* simulator.calls).filter(({ url }) => url.includes("/token"))
      assert.deepStrictEqual(
        polls.map(({ status }) => status),
        [400, 200],
      )
    }),
  )

  it.effect("asks the user for a device code once, also after a refused and after an expired token", () =>
    Effect.gen(function* () {
      const { env } = yield* serve({ deviceUser: { pendingPolls: 1 } })
      const ended = yield* signIn({ ...env, ...device }, "token", "token", "later", "token", "refused", "token")
      assert.match(ended.stderr, prompted)
      const [first, again, later, afterRefusal] = tokensOf(ended)
      assert.strictEqual(again, first)
      assert.strictEqual(new Set([first, later, afterRefusal]).size, 3)
    }),
  )

  it.effect.each<{ readonly name: string; readonly options: Simulator.Options; readonly says: RegExp }>([
    {
      name: "the user declines",
      options: { deviceUser: { declines: true } },
      says: /AADSTS70017: .*declined.*; the sign-in was declined; try again \(correlation id 43f4cb08-/,
    },
    {
      name: "the user never comes",
      options: { deviceUser: { pendingPolls: Infinity, codeLifetime: "1500 millis" } },
      says: /expired; the code was not entered in time; try again/,
    },
    {
      name: "the app takes no users",
      options: { app: { clientId, tenantId, publicClient: false } },
      says: /AADSTS7000218: .*; allow public client flows for the app.*\(correlation id 43f4cb08-/,
    },
  ])("reports the outcome of a device code: $name", ({ options, says }) =>
    Effect.gen(function* () {
      const { env } = yield* serve(options)
      const ended = yield* signIn({ ...env, ...device })
      assert.match(ended.stderr, prompted)
      assertMessage({ ...ended, stderr: "" }, "Refused", says)
    }),
  )

  it.effect("shows no device code where Entra has none, and says why", () =>
    Effect.gen(function* () {
      const { env } = yield* serve()
      const [app, tenant] = yield* Effect.all(
        [
          signIn({ ...env, ...device, AZURE_CLIENT_ID: "4711" }),
          signIn({ ...env, ...device, AZURE_TENANT_ID: "nobody.example" }),
        ],
        { concurrency: 2 },
      )
      assertMessage(app, "Refused", /AADSTS700016: Application with identifier '4711'.*AZURE_CLIENT_ID/)
      assertMessage(tenant, "Refused", /AADSTS90002: Tenant 'nobody.example' not found; check the tenant/)
    }),
  )

  it.effect("gets another token after a refused one, and not the same one from a cache", () =>
    Effect.gen(function* () {
      const { env } = yield* serve()
      const tokens = tokensOf(yield* signIn({ ...env, ...secret }, "token", "refused", "token", "token"))
      assert.notStrictEqual(tokens[1], tokens[0])
      assert.strictEqual(tokens[2], tokens[1])
    }),
  )

  it.effect("waits through a short outage, and reports a longer one", () =>
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
      assert.isBelow(bad.seconds, soon)
      assert.deepInclude(late.lines[0]?.claims, { appid: clientId }, late.stdout)
    }),
  )

  it.effect("distinguishes trouble from a refusal, also where MSAL answers from its own cache", () =>
    Effect.gen(function* () {
      const always = (fault: Simulator.Fault) => serve({ tokenFaults: Array.from({ length: 50 }, () => fault) })
      const unavailable = yield* always({ fault: "status", status: 503, code: "temporarily_unavailable" })
      const broken = yield* always({ fault: "status", status: 500, code: "server_error" })
      const busy = yield* always({ fault: "throttle" })
      const once = yield* serve({ tokenFaults: [{ fault: "throttle", retryAfter: 1 }] })
      const [good, ...bad] = yield* Effect.all(
        [once, unavailable, broken, busy].map(({ env }) => signIn({ ...env, ...secret })),
        { concurrency: 2 },
      )
      assert.deepInclude(good?.lines[0]?.claims, { appid: clientId }, good?.stdout)
      for (const ended of bad) {
        assertMessage(ended, "Unreachable", /can't be reached \(AADSTS90033: A transient error/)
        assert.isBelow(ended.seconds, soon)
      }
    }),
  )

  it.effect("does not wait for a server that accepts the request and sends nothing", () =>
    Effect.gen(function* () {
      const { env } = yield* serve({ tokenFaults: [{ fault: "stall", after: 0 }] })
      const { lines, seconds, stdout } = yield* signIn({ ...env, ...secret })
      assert.deepInclude(lines[0]?.claims, { appid: clientId }, stdout)
      assert.isAbove(seconds, 10)
      assert.isBelow(seconds, soon)
    }),
  )

  it.effect("renews an expired token, and no other", () =>
    Effect.gen(function* () {
      const { env, simulator } = yield* serve()
      const [first, again, later, laterAgain] = tokensOf(
        yield* signIn({ ...env, ...secret }, "token", "token", "later", "token", "token"),
      )
      assert.strictEqual(again, first)
      assert.notStrictEqual(later, first)
      assert.strictEqual(laterAgain, later)
      assert.strictEqual((yield* simulator.calls).filter(({ kind }) => kind === "token").length, 2)
    }),
  )

  it.effect("writes nothing to the disk", () =>
    Effect.gen(function* () {
      const { env } = yield* serve({ deviceUser: {} })
      const home = yield* temporary
      const places = { HOME: home, TMPDIR: home, XDG_STATE_HOME: home, XDG_CACHE_HOME: home, XDG_CONFIG_HOME: home }
      yield* Effect.all(
        [
          signIn({ ...env, ...secret, ...places }),
          signIn({ ...env, ...device, ...places }, "token", "refused", "token"),
        ],
        { concurrency: 2 },
      )
      assert.deepStrictEqual(readdirSync(home), [])
    }),
  )

  it.effect("reports within seconds that there is no server, and no credential", () =>
    Effect.gen(function* () {
      const { path } = yield* Certificate
      const app = { AZURE_TENANT_ID: tenantId, AZURE_CLIENT_ID: clientId, NODE_EXTRA_CA_CERTS: path }
      const AZURE_AUTHORITY_HOST = "https://127.0.0.1:1"
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
      for (const { seconds } of [nobody, nothing, identity, cli]) assert.isBelow(seconds, soon)
    }),
  )

  it.effect(
    "says what to set where the sign-in server's certificate is not trusted, or a proxy demands credentials",
    () =>
      Effect.gen(function* () {
        const { env } = yield* serve()
        const { AZURE_AUTHORITY_HOST = "", ...others } = env
        const { address: proxy } = yield* refusingProxy
        const [untrusted, refused, microsoft] = yield* Effect.all(
          [
            signIn({ ...others, ...secret, AZURE_AUTHORITY_HOST, NODE_EXTRA_CA_CERTS: "" }),
            signIn({ ...env, ...secret, HTTPS_PROXY: proxy, AZURE_AUTHORITY_HOST: "https://login.contoso.invalid" }),
            signIn({ ...others, ...secret, HTTPS_PROXY: proxy }),
          ],
          { concurrency: 2 },
        )
        assertMessage(untrusted, "Unreachable", /certificate.*set NODE_EXTRA_CA_CERTS=/)
        for (const one of [refused, microsoft]) {
          assertMessage(one, "Unreachable", /HTTP 407.*HTTPS_PROXY=http:\/\/user:password@host:port/)
        }
      }),
  )

  it.effect(
    "asks no proxy for the identity of a machine, which is in plain http, nor for a sign-in at this machine",
    () =>
      Effect.gen(function* () {
        const { env } = yield* serve()
        const asked: Array<string> = []
        const agent = yield* listening(
          createHttpServer((request, response) => {
            asked.push(String(request.headers["x-identity-header"]))
            response.setHeader("content-type", "application/json")
            response.end(
              JSON.stringify({ access_token: "of-the-machine", expires_on: "4102444800", token_type: "Bearer" }),
            )
          }),
        )
        const proxy = yield* refusingProxy
        const proxies = { HTTP_PROXY: proxy.address, HTTPS_PROXY: proxy.address }
        const [machine, app] = yield* Effect.all(
          [
            signIn({
              ...proxies,
              LIVE_RESPONSE_AUTH: "managed-identity",
              IDENTITY_ENDPOINT: `http://${agent}/msi/token`,
              IDENTITY_HEADER: "of-the-agent",
            }),
            signIn({ ...env, ...secret, ...proxies }),
          ],
          { concurrency: 2 },
        )
        assert.deepStrictEqual(tokensOf(machine), ["of-the-machine"])
        assert.deepStrictEqual(asked, ["of-the-agent"])
        assert.strictEqual(tokensOf(app).length, 1)
        assert.deepStrictEqual(proxy.asked, [])
      }),
  )

  /** A server whose answers to requests for this path are written by `write`. */
  const answering = Effect.fnUntraced(function* (path: RegExp, write: (response: ServerResponse) => void) {
    const tls = yield* Certificate
    const server = createHttpsServer(tls, (request, response) => {
      if (path.test(request.url ?? "")) return write(response.on("error", () => {}))
      const base = `https://${request.headers.host}/${tenantId}`
      const endpoints = { token_endpoint: `${base}/token`, authorization_endpoint: `${base}/authorize` }
      return response.end(JSON.stringify({ ...endpoints, issuer: base, jwks_uri: `${base}/keys` }))
    })
    yield* Effect.acquireRelease(
      Effect.callback<void>((resume) => void server.listen(0, "127.0.0.1", () => resume(Effect.void))),
      () => Effect.sync(() => server.closeAllConnections()),
    )
    const address = server.address()
    return {
      NODE_EXTRA_CA_CERTS: tls.path,
      AZURE_AUTHORITY_HOST: `https://127.0.0.1:${Predicate.isObject(address) ? address.port : 0}`,
      AZURE_TENANT_ID: tenantId,
      AZURE_CLIENT_ID: clientId,
      ...secret,
    }
  })

  it.effect.each([/openid-configuration/, /token/])("ends an answer to %s that is larger than any", (path) =>
    Effect.gen(function* () {
      let sent = 0
      const chunk = Buffer.alloc(64 * 1024, " ")
      const env = yield* answering(path, (response) => {
        const flood = () => {
          do sent += chunk.length
          while (response.write(chunk))
        }
        response.on("drain", flood)
        flood()
      })
      const refused = yield* signIn(env, "token", "linger")
      assertMessage(refused, "Unreachable", /can't be reached \(the answer has more than 1048576 bytes\)/)
      assert.isBelow(sent, 100 * 1024 * 1024)
    }),
  )

  it.effect("ends the requests of a sign-in that nobody waits for any more", () =>
    Effect.gen(function* () {
      const env = yield* answering(/token/, trickle)
      const refused = yield* signIn(env, "token", "linger")
      assertMessage(refused, "Unreachable", /can't be reached \(no answer within 10s\)/)
    }),
  )

  it.effect("works as the user of az login", () =>
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

  it.effect("shows no secret of the environment that a program repeats", () =>
    Effect.gen(function* () {
      const directory = yield* temporary
      writeFileSync(join(directory, "az"), `#!/bin/sh\necho "ERROR: AADSTS1 got $(env | tr '\\n' ' ')" >&2; exit 1\n`)
      chmodSync(join(directory, "az"), 0o755)
      const refused = yield* signIn({
        LIVE_RESPONSE_AUTH: "cli",
        LIVE_RESPONSE_TOKEN: "Secret99-token",
        LIVE_RESPONSE_REDIS_URL: "redis://:Secret99-redis@redis.contoso.com",
        AZURE_CLIENT_SECRET: "Secret99-app",
        AZURE_CLIENT_CERTIFICATE_PASSWORD: "Secret99-certificate",
        AZURE_PASSWORD: "Secret99-user",
        HTTPS_PROXY: "http://me:Secret99-proxy@127.0.0.1:1",
        PATH: [directory, "/usr/bin", "/bin"].join(delimiter),
      })
      assert.include(refused.stdout + refused.stderr, "AADSTS1")
      assert.include(refused.stdout, "<redacted>")
      assert.notInclude(refused.stdout + refused.stderr, "Secret99")
    }),
  )
})

/** A byte now and then, for ever. */
const trickle = (response: ServerResponse) => {
  const more = Effect.sync(() => response.write(" "))
  const fiber = Effect.runFork(Effect.repeat(more, Schedule.spaced("100 millis")))
  response.on("close", () => fiber.interruptUnsafe())
}
