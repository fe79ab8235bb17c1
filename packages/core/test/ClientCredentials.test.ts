import { inspect } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import * as AccessToken from "@live-response/core/AccessToken"
import * as ClientCredentials from "@live-response/core/ClientCredentials"
import * as Cloud from "@live-response/core/Cloud"
import { Credential } from "@live-response/core/Credential"
import * as Timing from "@live-response/core/Timing"
import { inVirtualTime } from "@live-response/core/testing/LiveResponseTest"
import * as Simulator from "@live-response/core/testing/Simulator"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientError from "effect/http/HttpClientError"
import type { HttpClientRequest } from "effect/http/HttpClientRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as References from "effect/References"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import * as Tracer from "effect/Tracer"
import { scripted } from "./support/scripted.ts"
import { recording } from "./support/recording.ts"
import { endless } from "./support/endless.ts"

const secret = "a-secret+that/nobody=shows"
const app = {
  tenantId: "e0a8f26e-8b12-4ee4-9ac9-4a4ecb3d1b8f",
  clientId: "1f6a3c7a-6c2b-4f0e-b6b1-2c8f6d8f5c11",
  clientSecret: Redacted.make(secret),
}
const address = `https://login.microsoftonline.com/${app.tenantId}/oauth2/v2.0/token`

const json = (status: number, body: unknown) => HttpServerResponse.jsonUnsafe(body, { status })
const good = json(200, { token_type: "Bearer", expires_in: 3599, access_token: "issued" })
const html = (status: number) =>
  HttpServerResponse.text("<!doctype html><title>Sorry</title>", { status, contentType: "text/html" })
const refusal = (status: number, error: string, description: string) =>
  json(status, {
    error,
    error_description: description,
    error_codes: [7000215],
    trace_id: "0000",
    correlation_id: "43f4cb08-8fac-4b65-9db1-745c2ae65f3a",
  })

const token = Effect.flatMap(Credential, ({ token }) => token).pipe(Effect.map(Redacted.value))

/** The fields of an application/x-www-form-urlencoded body, in the order of their names. */
const formOf = (request: HttpClientRequest | undefined) => {
  const { body } = request ?? {}
  assert.strictEqual(body?._tag === "Uint8Array" ? body.contentType : body?._tag, "application/x-www-form-urlencoded")
  return body?._tag === "Uint8Array"
    ? Object.fromEntries(new URLSearchParams(new TextDecoder().decode(body.body)))
    : undefined
}

/** The error of the sign-in with these answers of the server, and the number of requests. */
const failing = (...answers: ReadonlyArray<HttpServerResponse.HttpServerResponse>) =>
  Effect.gen(function* () {
    const { layer, requests } = scripted(...answers)
    const error = yield* inVirtualTime(Effect.flip(token)).pipe(
      Effect.provide(ClientCredentials.layer(app).pipe(Layer.provide(layer))),
    )
    return { error, calls: requests.length }
  })

const overSimulator = (
  options: Partial<ClientCredentials.Options>,
  simulated: Simulator.Options = { app: { clientId: app.clientId, clientSecret: secret } },
) =>
  ClientCredentials.layer({ ...app, ...options }).pipe(
    Layer.provideMerge(Simulator.layerHttpClient),
    Layer.provideMerge(Simulator.layer(simulated)),
  )

const tokenCalls = Effect.flatMap(Simulator.Simulator, (simulator) => simulator.calls).pipe(
  Effect.map((calls) => calls.filter(({ kind }) => kind === "token").map(({ status }) => status)),
)

describe("ClientCredentials: the call", () => {
  it.effect("requests the claims that the API demands, once", () => {
    const issue = (n: number) => json(200, { token_type: "Bearer", expires_in: 3599, access_token: `issued-${n}` })
    const { layer, requests } = scripted(issue(1), issue(2), issue(3))
    return Effect.gen(function* () {
      const credential = yield* Credential
      const claims = `{"access_token":{"nbf":{"essential":true}}}`
      yield* credential.invalidate(yield* credential.token, { claims })
      yield* credential.invalidate(yield* credential.token)
      yield* credential.token
      assert.deepStrictEqual(
        requests.map(({ request }) => formOf(request)?.claims),
        [undefined, claims, undefined],
      )
    }).pipe(inVirtualTime, Effect.provide(ClientCredentials.layer(app).pipe(Layer.provide(layer))))
  })

  it.effect("sends the request of Microsoft's page", () => {
    const { layer, requests } = scripted(good)
    return Effect.gen(function* () {
      assert.strictEqual(yield* token, "issued")
      assert.strictEqual(requests.length, 1)
      const [{ request, url } = { request: undefined, url: undefined }] = requests
      assert.strictEqual(url, address)
      assert.strictEqual(request?.method, "POST")
      assert.strictEqual(request?.headers.accept, "application/json")
      assert.isUndefined(request?.headers.authorization)
      assert.deepStrictEqual(formOf(request), {
        grant_type: "client_credentials",
        client_id: app.clientId,
        client_secret: secret,
        scope: "https://api.securitycenter.microsoft.com/.default",
      })
    }).pipe(Effect.provide(ClientCredentials.layer(app).pipe(Layer.provide(layer))))
  })

  it.effect("signs in at the server of its cloud, for its audience and its tenant", () => {
    const { layer, requests } = scripted(good)
    const options = { ...app, tenantId: "../common?x=#", cloud: Cloud.clouds["gcc-high"] }
    return Effect.gen(function* () {
      yield* token
      assert.strictEqual(requests[0]?.url, "https://login.microsoftonline.us/..%2Fcommon%3Fx%3D%23/oauth2/v2.0/token")
      assert.deepInclude(formOf(requests[0]?.request), {
        scope: "https://api-gov.securitycenter.microsoft.us/.default",
      })
    }).pipe(Effect.provide(ClientCredentials.layer(options).pipe(Layer.provide(layer))))
  })

  it.effect("requests one token for all calls, and the next one five minutes before the first expires", () => {
    const { layer, requests } = scripted(good)
    return Effect.gen(function* () {
      yield* Effect.all(
        Array.from({ length: 20 }, () => token),
        { concurrency: "unbounded" },
      )
      yield* TestClock.adjust("54 minutes")
      yield* token
      yield* TestClock.adjust("1 milli")
      assert.strictEqual(requests.length, 1)
      yield* TestClock.adjust("1 minute")
      yield* token
      yield* TestClock.adjust("1 milli")
      assert.strictEqual(requests.length, 2)
    }).pipe(Effect.provide(ClientCredentials.layer(app).pipe(Layer.provide(layer))))
  })

  it.effect("accepts a lifetime that arrives as text", () => {
    const { layer } = scripted(json(200, { access_token: "issued", expires_in: "3599" }))
    return Effect.gen(function* () {
      assert.strictEqual(yield* token, "issued")
    }).pipe(Effect.provide(ClientCredentials.layer(app).pipe(Layer.provide(layer))))
  })

  it.effect("counts the lifetime of a token from its request", () => {
    let asked = 0
    const slow = HttpClient.make((request) =>
      Effect.gen(function* () {
        asked++
        yield* Effect.sleep("50 seconds")
        return HttpServerResponse.toClientResponse(json(200, { expires_in: 400, access_token: `token-${asked}` }), {
          request,
        })
      }),
    )
    return Effect.gen(function* () {
      assert.strictEqual(yield* inVirtualTime(token, "50001 millis"), "token-1")
      // There are 350 seconds left: it is renewed after half of them.
      for (const [wait, calls] of [
        ["174 seconds", 1],
        ["2 seconds", 2],
      ] as const) {
        yield* TestClock.adjust(wait)
        assert.strictEqual(yield* token, "token-1")
        yield* TestClock.adjust("1 milli")
        assert.strictEqual(asked, calls, wait)
      }
    }).pipe(
      Effect.provide(ClientCredentials.layer(app).pipe(Layer.provide(Layer.succeed(HttpClient.HttpClient, slow)))),
    )
  })
})

describe("ClientCredentials over the simulated Entra", () => {
  it.effect("gets a token for the app, the tenant and the audience", () =>
    Effect.gen(function* () {
      const claims = Option.getOrThrow(AccessToken.claims(Redacted.make(yield* token)))
      assert.deepInclude(claims, {
        tid: app.tenantId,
        appid: app.clientId,
        aud: "https://api.securitycenter.microsoft.com",
      })
      assert.deepStrictEqual(yield* tokenCalls, [200])
    }).pipe(Effect.provide(overSimulator({}))),
  )

  it.effect("gets a new token after the API refused one", () =>
    Effect.gen(function* () {
      const credential = yield* Credential
      const first = yield* credential.token
      yield* credential.invalidate(first)
      assert.notStrictEqual(Redacted.value(yield* credential.token), Redacted.value(first))
      assert.deepStrictEqual(yield* tokenCalls, [200, 200])
    }).pipe(Effect.provide(overSimulator({}))),
  )

  it.effect.each<{
    readonly name: string
    readonly options: Partial<ClientCredentials.Options>
    readonly simulated?: Simulator.Options
    readonly reason: Readonly<Record<string, unknown>>
    readonly says: RegExp
  }>([
    {
      name: "a wrong secret",
      options: { clientSecret: Redacted.make("wrong") },
      reason: { error: "invalid_client", code: 7000215, description: "AADSTS7000215: Invalid client secret provided." },
      says: /^sign-in was refused: AADSTS7000215: Invalid client secret provided; take the secret's value, not its id/,
    },
    {
      name: "an expired secret",
      options: {},
      simulated: { app: { clientId: app.clientId, clientSecret: secret, secretExpired: true } },
      reason: { error: "invalid_client", code: 7000222 },
      says: /AADSTS7000222: .*; create a new one in Entra/,
    },
    {
      name: "an unknown app",
      options: { clientId: "another" },
      reason: { error: "unauthorized_client", code: 700016 },
      says: /AADSTS700016: .*'another'.*; check the app \(AZURE_CLIENT_ID\)/,
    },
    {
      name: "an unknown tenant",
      options: { tenantId: "nowhere" },
      simulated: { app: { clientId: app.clientId, clientSecret: secret, tenantId: app.tenantId } },
      reason: { code: 90002 },
      says: /AADSTS90002: Tenant 'nowhere' not found; check the tenant \(AZURE_TENANT_ID\)/,
    },
  ])("reports $name on one line, with the next step, and does not retry", ({ options, reason, says, simulated }) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(token)
      assert.deepInclude(error.reason, {
        _tag: "Refused",
        correlationId: "43f4cb08-8fac-4b65-9db1-745c2ae65f3a",
        ...reason,
      })
      assert.match(error.message, says)
      assert.match(error.message, / \(correlation id 43f4cb08-8fac-4b65-9db1-745c2ae65f3a\)$/)
      assert.notMatch(error.message, /[\r\n]|Trace ID/)
      assert.strictEqual((yield* tokenCalls).length, 1)
    }).pipe(Effect.provide(overSimulator(options, simulated))),
  )

  it.effect("retries while the server is in trouble", () =>
    Effect.gen(function* () {
      assert.isNotEmpty(yield* inVirtualTime(token, "1 minute"))
      assert.deepStrictEqual(yield* tokenCalls, [503, 429, 200])
    }).pipe(
      Effect.provide(
        overSimulator(
          {},
          {
            tokenFaults: [
              { fault: "status", status: 503 },
              { fault: "status", status: 429 },
            ],
          },
        ),
      ),
    ),
  )
})

describe("ClientCredentials: other answers", () => {
  it.effect.each([
    { name: "500", answer: html(500), says: "HTTP 500" },
    { name: "503 with an error of Entra", answer: refusal(503, "invalid_client", "AADSTS1: no."), says: "HTTP 503" },
    {
      name: "500 with a token",
      answer: json(500, { access_token: "issued", expires_in: 3599 }),
      says: "HTTP 500",
    },
    { name: "429", answer: refusal(429, "invalid_request", "AADSTS90055: Throttled."), says: "HTTP 429" },
    { name: "a page with 200", answer: html(200), says: "HTTP 200" },
    { name: "a page with 400", answer: html(400), says: "HTTP 400" },
    { name: "nothing", answer: HttpServerResponse.empty({ status: 200 }), says: "HTTP 200" },
    {
      name: "a redirect",
      answer: HttpServerResponse.empty({ status: 302, headers: { location: "https://example.net/" } }),
      says: "HTTP 302",
    },
    { name: "a token of no length", answer: json(200, { access_token: "", expires_in: 3599 }), says: "HTTP 200" },
    { name: "a token without an end", answer: json(200, { access_token: "issued" }), says: "HTTP 200" },
    {
      name: "an end that is text",
      answer: json(200, { access_token: "issued", expires_in: "soon" }),
      says: "HTTP 200",
    },
    { name: "an error of another shape", answer: json(400, { error: { code: "Bad" } }), says: "HTTP 400" },
    {
      name: "trouble that Entra reports",
      answer: refusal(400, "temporarily_unavailable", "AADSTS90033: A transient error has occurred. Trace ID: 1"),
      says: "AADSTS90033: A transient error has occurred.",
    },
  ])("treats $name as a server that can't be reached, and retries", ({ answer, says }) =>
    Effect.gen(function* () {
      const { calls, error } = yield* failing(answer)
      assert.strictEqual(error.reason._tag, "Unreachable")
      assert.strictEqual(
        error.message,
        `the sign-in server can't be reached (${says}); check the network, the proxy and AZURE_AUTHORITY_HOST`,
      )
      assert.strictEqual(calls, 3)
    }),
  )

  it.effect("does not retry after a proxy's 407, and says what to type", () =>
    Effect.gen(function* () {
      const { calls, error } = yield* failing(html(407))
      assert.deepInclude(error.reason, { _tag: "Unreachable", kind: "proxy" })
      assert.isTrue(error.isLocal)
      assert.include(error.message, "HTTPS_PROXY=http://user:password@host:port")
      assert.strictEqual(calls, 1)
    }),
  )

  it.effect("gets the token that comes after trouble", () => {
    const { layer, requests } = scripted(html(503), good)
    return Effect.gen(function* () {
      assert.strictEqual(yield* inVirtualTime(token, "5 seconds"), "issued")
      assert.strictEqual(requests.length, 2)
    }).pipe(Effect.provide(ClientCredentials.layer(app).pipe(Layer.provide(layer))))
  })

  it.effect("retries as often as Timing says", () => {
    const { layer, requests } = scripted(html(503))
    return Effect.gen(function* () {
      yield* Effect.flip(token)
      assert.strictEqual(requests.length, 5)
    }).pipe(
      Effect.provide(
        ClientCredentials.layer(app).pipe(Layer.provide([layer, Timing.layer({ signIn: Schedule.recurs(4) })])),
      ),
    )
  })

  it.effect("does not retry a refusal without a description", () =>
    Effect.gen(function* () {
      const { calls, error } = yield* failing(json(401, { error: "invalid_client" }))
      assert.strictEqual(error.message, "sign-in was refused: invalid_client; check the app's secret or certificate")
      assert.strictEqual(calls, 1)
    }),
  )

  it.effect("shows the correlation id of the answer, also where the description has none", () =>
    Effect.gen(function* () {
      const { error } = yield* failing(refusal(401, "invalid_client", "AADSTS7000215: No."))
      assert.match(error.message, / \(correlation id 43f4cb08-8fac-4b65-9db1-745c2ae65f3a\)$/)
    }),
  )

  it.effect("puts a description of many lines on one line", () =>
    Effect.gen(function* () {
      const description =
        "AADSTS7000215: Invalid client secret provided. Ensure it is the value.\r\nTrace ID: 1\r\nCorrelation ID: 2\r\nTimestamp: 2026-11-01 00:00:00Z"
      const { error } = yield* failing(json(401, { error: "invalid_client", error_description: description }))
      assert.deepInclude(error.reason, { code: 7000215, correlationId: "2" })
      assert.notMatch(error.message, /[\r\n]|Trace ID|Timestamp/)
    }),
  )

  it.effect("stops reading an endless answer", () => {
    const { body, pulled } = endless()
    return Effect.gen(function* () {
      const { calls, error } = yield* failing(HttpServerResponse.stream(body, { status: 200 }))
      assert.strictEqual(error.reason._tag, "Unreachable")
      assert.isAtMost(pulled() / calls, 512 * 1024)
    })
  })

  it.effect("reads a short answer for a minute at most", () => {
    const trickle = Stream.tick("20 seconds").pipe(Stream.map(() => new TextEncoder().encode(" ")))
    const answer = HttpServerResponse.stream(trickle, { status: 200, headers: { "content-length": "99" } })
    const { layer } = scripted(answer)
    return Effect.gen(function* () {
      const error = yield* inVirtualTime(Effect.flip(token), "4 minutes")
      assert.strictEqual(
        error.message,
        "the sign-in server's answer did not arrive whole (the answer took longer than 1m); check the network and the proxy",
      )
    }).pipe(Effect.provide(ClientCredentials.layer(app).pipe(Layer.provide(layer))))
  })

  it.effect("waits for an answer for a minute at most", () => {
    let asked = 0
    const silent = HttpClient.make(() => {
      asked++
      return Effect.never
    })
    return Effect.gen(function* () {
      const error = yield* inVirtualTime(Effect.flip(token), "4 minutes")
      assert.strictEqual(error.reason._tag, "Unreachable")
      assert.include(error.message, "no answer in time")
      assert.strictEqual(asked, 3)
    }).pipe(
      Effect.provide(ClientCredentials.layer(app).pipe(Layer.provide(Layer.succeed(HttpClient.HttpClient, silent)))),
    )
  })
})

describe("ClientCredentials: the secret", () => {
  const everything = (value: unknown) => inspect(value, { depth: 12, showHidden: true, maxArrayLength: null })

  /** A network that is gone, whose error repeats what it was to send. */
  const talkative = Layer.succeed(
    HttpClient.HttpClient,
    HttpClient.make((request) =>
      Effect.fail(
        new HttpClientError.HttpClientError({
          reason: new HttpClientError.TransportError({ request, cause: new TypeError("fetch failed") }),
        }),
      ),
    ),
  )

  it.effect.each([
    { name: "it is right", transport: scripted(good).layer },
    { name: "it is wrong", transport: scripted(refusal(401, "invalid_client", "AADSTS7000215: Wrong.")).layer },
    { name: "the server is in trouble", transport: scripted(html(503)).layer },
    { name: "the answer makes no sense", transport: scripted(html(200)).layer },
    { name: "there is no network", transport: talkative },
  ])("is in no error, no log and no span where $name", ({ transport }) =>
    Effect.gen(function* () {
      const { logger, logs, spans, tracer } = recording()
      const exit = yield* inVirtualTime(Effect.exit(Effect.withSpan(token, "sign-in"))).pipe(
        Effect.provide(ClientCredentials.layer(app).pipe(Layer.provide(transport))),
        Effect.provideService(Tracer.Tracer, tracer),
        Effect.provideService(References.MinimumLogLevel, "All"),
        Effect.provide(Logger.layer([logger])),
      )
      const seen = everything([exit, JSON.stringify(exit), spans, logs, app])
      for (const form of [secret, encodeURIComponent(secret)]) assert.notInclude(seen, form)
      // The spans would show it if it were there: they name the address.
      assert.include(everything(spans), app.tenantId)
    }),
  )
})

describe("ClientCredentials.layerConfig", () => {
  const environment = {
    AZURE_TENANT_ID: app.tenantId,
    AZURE_CLIENT_ID: app.clientId,
    AZURE_CLIENT_SECRET: secret,
  }

  const under = (env: Readonly<Record<string, string>>) =>
    Effect.gen(function* () {
      const { layer, requests } = scripted(good)
      const exit = yield* token.pipe(
        Effect.provide(
          ClientCredentials.layerConfig.pipe(
            Layer.provide([layer, ConfigProvider.layer(ConfigProvider.fromUnknown(env))]),
          ),
        ),
        Effect.exit,
      )
      return { exit, requests }
    })

  const errorUnder = (env: Readonly<Record<string, string>>) =>
    Effect.gen(function* () {
      const { exit, requests } = yield* under(env)
      assert.strictEqual(requests.length, 0)
      return yield* Effect.flip(exit)
    })

  it.effect("signs in with AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET", () =>
    Effect.gen(function* () {
      const { exit, requests } = yield* under(environment)
      assert.strictEqual(yield* exit, "issued")
      assert.strictEqual(requests[0]?.url, address)
      assert.deepInclude(formOf(requests[0]?.request), { client_id: app.clientId, client_secret: secret })
    }),
  )

  it.effect.each([
    {
      env: { LIVE_RESPONSE_CLOUD: "dod" },
      origin: "https://login.microsoftonline.us/",
      audience: "https://api-gov.securitycenter.microsoft.us",
    },
    {
      env: { LIVE_RESPONSE_CLOUD: "gcc" },
      origin: "https://login.microsoftonline.com/",
      audience: "https://api-gcc.securitycenter.microsoft.us",
    },
    {
      env: { AZURE_AUTHORITY_HOST: "https://login.example.net/", LIVE_RESPONSE_AUDIENCE: "api://defender" },
      origin: "https://login.example.net/",
      audience: "api://defender",
    },
  ])("signs in at the server of the cloud, for its audience: $env", ({ audience, env, origin }) =>
    Effect.gen(function* () {
      const { requests } = yield* under({ ...environment, ...env })
      assert.strictEqual(requests[0]?.url, `${origin}${app.tenantId}/oauth2/v2.0/token`)
      assert.deepInclude(formOf(requests[0]?.request), { scope: `${audience}/.default` })
    }),
  )

  it.effect.each(
    Object.keys(environment).flatMap((name) => [
      { name, what: "not set", env: Object.fromEntries(Object.entries(environment).filter(([key]) => key !== name)) },
      { name, what: "empty", env: { ...environment, [name]: "" } },
    ]),
  )("names the variable to set where $name is $what", ({ env, name }) =>
    Effect.gen(function* () {
      const error = yield* errorUnder(env)
      assert.strictEqual(error._tag, "CredentialError")
      if (error._tag !== "CredentialError") return
      assert.strictEqual(error.reason._tag, "Missing")
      assert.strictEqual(error.message, `no credential; set ${name}`)
    }),
  )

  it.effect("fails with the error of the configuration where it can't be read", () =>
    Effect.gen(function* () {
      const unreadable = ConfigProvider.make(([name]) =>
        name === "AZURE_CLIENT_SECRET"
          ? new ConfigProvider.SourceError({ message: "the vault is sealed" })
          : Effect.undefined,
      )
      const error = yield* token.pipe(
        Effect.provide(
          ClientCredentials.layerConfig.pipe(Layer.provide([scripted(good).layer, ConfigProvider.layer(unreadable)])),
        ),
        Effect.flip,
      )
      assert.strictEqual(error._tag, "ConfigError")
      assert.include(error.message, "the vault is sealed")
    }),
  )

  it.effect.each([{ LIVE_RESPONSE_CLOUD: "mars" }, { AZURE_AUTHORITY_HOST: "http://login.example.net" }])(
    "sends the secret to a known cloud over https alone: %j",
    (env) =>
      Effect.gen(function* () {
        assert.strictEqual((yield* errorUnder({ ...environment, ...env }))._tag, "ConfigError")
      }),
  )
})
