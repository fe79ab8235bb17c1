import { assert, describe, it } from "@effect/vitest"
import * as Credential from "@live-response/core/Credential"
import * as DefenderApi from "@live-response/core/DefenderApi"
import * as Permission from "@live-response/core/Permission"
import * as Quota from "@live-response/core/Quota"
import * as QuotaRule from "@live-response/core/QuotaRule"
import * as QuotaStore from "@live-response/core/QuotaStore"
import * as Timing from "@live-response/core/Timing"
import { inVirtualTime } from "@live-response/core/testing/LiveResponseTest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientError from "effect/http/HttpClientError"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Metric from "effect/Metric"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Tracer from "effect/Tracer"
import { failureOf } from "./support/events.ts"
import { recording } from "./support/recording.ts"
import { exampleRef } from "./support/refs.ts"
import { scripted } from "./support/scripted.ts"
import { tokenOf } from "./support/tokens.ts"
import { countingCredential } from "./support/world.ts"

const json = (status: number, body: unknown, headers?: Record<string, string>) =>
  HttpServerResponse.jsonUnsafe(body, { status, ...(headers === undefined ? {} : { headers }) })
const alerts = json(200, { value: [{ id: "da637" }] })
const throttled = json(429, { error: { code: "TooManyRequests", message: "" } }, { "retry-after": "8" })

const base = "https://api.security.microsoft.com"

/** The API over a transport of the test's own, with the quota that the test can look at. */
const over = (
  transport: Layer.Layer<HttpClient.HttpClient>,
  {
    options,
    credential = countingCredential().layer,
  }: {
    readonly options?: DefenderApi.Options
    readonly credential?: Layer.Layer<Credential.Credential>
  } = {},
) =>
  DefenderApi.layer(options).pipe(
    Layer.provide([transport, credential]),
    Layer.provideMerge(Quota.layer().pipe(Layer.provide(QuotaStore.layerMemory))),
  )

const perMinute = (limit: number) => [QuotaRule.Window.make({ limit, duration: Duration.minutes(1) })]

const alertQuota = Effect.flatMap(Quota.Quota, (quota) => quota.ofApi({ name: "ListAlerts", windows: perMinute(2) }))

const execute = (request: HttpClientRequest.HttpClientRequest, options?: Partial<DefenderApi.ExecuteOptions>) =>
  Effect.gen(function* () {
    const api = yield* DefenderApi.DefenderApi
    const quota = yield* alertQuota
    return yield* api.execute(request, { operation: "ListAlerts", permission: Permission.actions, quota, ...options })
  })

const getAlerts = HttpClientRequest.get("/api/alerts")

const reasonOf = <A, E extends { readonly reason?: unknown }>(exit: Exit.Exit<A, E>) =>
  Effect.map(failureOf(exit), ({ reason }) => reason)

describe("DefenderApi.execute", () => {
  it.effect("sends the token with a path of the API and returns the answer with its body", () => {
    const { layer, requests } = scripted(json(200, { value: [{ id: "da637" }] }, { etag: "5" }))
    return Effect.gen(function* () {
      const request = getAlerts.pipe(HttpClientRequest.setUrlParam("$top", "5"), HttpClientRequest.acceptJson)
      const response = yield* execute(request)
      const Alerts = Schema.Struct({ value: Schema.Array(Schema.Struct({ id: Schema.String })) })
      assert.deepStrictEqual((yield* HttpClientResponse.schemaBodyJson(Alerts)(response)).value, [{ id: "da637" }])
      assert.strictEqual(response.status, 200)
      assert.strictEqual(response.headers["etag"], "5")
      assert.strictEqual(requests[0]?.url, `${base}/api/alerts?%24top=5`)
      assert.strictEqual(requests[0]?.request.headers.authorization, "Bearer token-0")
      assert.strictEqual(requests[0]?.request.headers.accept, "application/json")
      // The program can't read the token from the answer's request.
      assert.notInclude(JSON.stringify(response.request), "token-0")
    }).pipe(Effect.provide(over(layer)))
  })

  it.effect.each([
    { url: `${base}/api/alerts`, sentTo: `${base}/api/alerts` },
    { url: "api/alerts", sentTo: `${base}/api/alerts` },
    { url: "//evil.example/api", sentTo: `${base}//evil.example/api` },
    { url: "@evil.example/api", sentTo: `${base}/@evil.example/api` },
    { url: ".evil.example/api", sentTo: `${base}/.evil.example/api` },
    { url: "\\\\evil.example/api", sentTo: `${base}///evil.example/api` },
  ])("sends $url to the API's own server", ({ sentTo, url }) => {
    const { layer, requests } = scripted(alerts)
    return Effect.gen(function* () {
      yield* execute(HttpClientRequest.get(url))
      assert.deepStrictEqual(
        requests.map(({ url }) => url),
        [sentTo],
      )
    }).pipe(Effect.provide(over(layer)))
  })

  it.effect.each([
    "https://evil.example/api/alerts",
    "http://api.security.microsoft.com/api/alerts",
    "https://api.security.microsoft.com:444/api/alerts",
    "https://api.security.microsoft.com.evil.example/api/alerts",
    "https://user:password@api.security.microsoft.com/api/alerts",
    "https://api.security.microsoft.com@evil.example/api/alerts",
    "file:///etc/passwd",
    "data:text/plain,hello",
  ])("sends nothing to another server: %s", (url) => {
    const { layer, requests } = scripted(alerts)
    const credential = countingCredential()
    return Effect.gen(function* () {
      const { reason } = yield* failureOf(yield* Effect.exit(execute(HttpClientRequest.get(url))))
      assert.deepInclude(reason, { _tag: "OtherServer", host: URL.parse(url)?.host ?? "" })
      assert.strictEqual(requests.length, 0)
      assert.strictEqual(credential.asked(), 0)
    }).pipe(Effect.provide(over(layer, { credential: credential.layer })))
  })

  it.effect("does not follow a redirect with the token", () => {
    const redirect = HttpServerResponse.empty({ status: 307, headers: { location: "https://evil.example/" } })
    const { layer, requests } = scripted(redirect)
    return Effect.gen(function* () {
      const reason = yield* reasonOf(yield* Effect.exit(execute(getAlerts)))
      assert.deepInclude(reason, { _tag: "UnexpectedAnswer", description: "HTTP 307" })
      assert.strictEqual(requests.length, 1)
    }).pipe(Effect.provide(over(layer)))
  })

  it.effect("renews a token that the API refuses, and sends the request again", () => {
    const { layer, requests } = scripted(json(401, { error: { code: "Unauthorized", message: "" } }), alerts)
    return Effect.gen(function* () {
      yield* execute(getAlerts)
      assert.deepStrictEqual(
        requests.map(({ request }) => request.headers.authorization),
        ["Bearer token-0", "Bearer token-1"],
      )
    }).pipe(Effect.provide(over(layer)))
  })

  it.effect("waits after a 429 as long as the API asks for, and holds up its quota alone", () => {
    const { layer } = scripted(throttled, alerts)
    return Effect.gen(function* () {
      const [took] = yield* inVirtualTime(Effect.timed(execute(getAlerts)))
      assert.strictEqual(Duration.toSeconds(took), 8)
      const quota = yield* Quota.Quota
      assert.strictEqual(Duration.toSeconds(yield* quota.forecast(1)), 0)
    }).pipe(Effect.provide(over(layer)))
  })

  it.effect("waits for a permit of the quota that it is given", () => {
    const { layer, requests } = scripted(alerts)
    return Effect.gen(function* () {
      const quota = yield* alertQuota
      yield* execute(getAlerts, { quota })
      yield* execute(getAlerts, { quota })
      assert.deepInclude((yield* quota.status).windows[0], { used: 2 })
      const [took] = yield* inVirtualTime(Effect.timed(execute(getAlerts, { quota })))
      assert.isAtLeast(Duration.toSeconds(took), 59)
      assert.strictEqual(requests.length, 3)
    }).pipe(Effect.provide(over(layer)))
  })

  it.effect.each([
    { method: "GET", calls: 3 },
    { method: "HEAD", calls: 3 },
    { method: "POST", calls: 1 },
    { method: "PATCH", calls: 1 },
    { method: "DELETE", calls: 1 },
    { method: "POST", isRepeatable: true, calls: 3 },
    { method: "GET", isRepeatable: false, calls: 1 },
  ] as const)("repeats $method on a 503 only where that is safe: calls: $calls", ({ calls, method, ...options }) => {
    const { layer, requests } = scripted(json(503, {}))
    return Effect.gen(function* () {
      const exit = yield* inVirtualTime(Effect.exit(execute(HttpClientRequest.make(method)("/api/alerts"), options)))
      assert.deepInclude(yield* reasonOf(exit), { _tag: "Unavailable", status: 503 })
      assert.strictEqual(requests.length, calls)
    }).pipe(Effect.provide(over(layer)), Timing.with({ api: Schedule.recurs(2) }))
  })

  it.effect("sends the body of a request", () => {
    const { layer, requests } = scripted(json(201, {}))
    return Effect.gen(function* () {
      yield* execute(HttpClientRequest.bodyJsonUnsafe(HttpClientRequest.post("/api/alerts"), { severity: "Low" }))
      assert.strictEqual(requests[0]?.request.body._tag, "Uint8Array")
    }).pipe(Effect.provide(over(layer)))
  })

  it.effect.each([{ status: 200 }, { status: 202 }, { status: 204 }, { status: 205 }])(
    "succeeds with any 2xx: $status",
    ({ status }) => {
      const { layer } = scripted(HttpServerResponse.empty({ status }))
      return Effect.gen(function* () {
        const response = yield* execute(getAlerts)
        assert.strictEqual(response.status, status)
        assert.strictEqual(yield* response.text, "")
      }).pipe(Effect.provide(over(layer)))
    },
  )

  it.effect("fails where the answer is longer than its limit, and takes one that is as long", () => {
    const { layer } = scripted(HttpServerResponse.text("x".repeat(11)), HttpServerResponse.text("x".repeat(10)))
    return Effect.gen(function* () {
      const reason = yield* reasonOf(yield* Effect.exit(execute(getAlerts, { bodyLimit: 10 })))
      assert.deepInclude(reason, { _tag: "UnexpectedAnswer", description: "it is longer than 10 bytes" })
      assert.strictEqual((yield* (yield* execute(getAlerts, { bodyLimit: 10 })).text).length, 10)
    }).pipe(Effect.provide(over(layer)))
  })

  it.effect.each([
    { form: "as it is", body: `{"note":"token-0!","n":12345678901234567890}` },
    { form: "with escapes", body: `{"note":"\\u0074oken-0!"}` },
    { form: "outside JSON", body: "token-0!" },
  ])("returns no token that the API repeats $form", ({ body }) => {
    const { layer } = scripted(HttpServerResponse.text(body))
    return Effect.gen(function* () {
      const text = yield* (yield* execute(getAlerts)).text
      assert.strictEqual(text, body.replace(/(t|\\u0074)oken-0/, "<redacted>"))
    }).pipe(Effect.provide(over(layer)))
  })

  it.effect("returns a body without a token unchanged, whatever escapes and numbers it has", () => {
    const body = `{ "note" : "caf\\u00e9 a\\/b", "n" : 12345678901234567890 }`
    const { layer } = scripted(HttpServerResponse.text(body))
    return Effect.gen(function* () {
      assert.strictEqual(yield* (yield* execute(getAlerts)).text, body)
    }).pipe(Effect.provide(over(layer)))
  })

  it.effect("names the permission that is missing, and repeats no token in an error", () => {
    const token = tokenOf({ scp: "Alert.Read", aud: "https://api.securitycenter.microsoft.com" })
    const echo = `the token ${Redacted.value(token)} lacks it`
    const { layer } = scripted(json(403, { error: { code: "Forbidden", message: echo } }))
    const { logger, logs } = recording()
    const permission = { application: ["Alert.ReadWrite.All"], delegated: ["Alert.ReadWrite"] }
    return Effect.gen(function* () {
      const error = yield* failureOf(yield* Effect.exit(execute(getAlerts, { permission })))
      assert.match(error.message, /^ListAlerts: .*Alert\.ReadWrite\.All \(apps\), or Alert\.ReadWrite \(users\)/)
      assert.include(error.message, "the token <redacted> lacks it")
      assert.include(JSON.stringify(logs), "lacks Alert.ReadWrite")
    }).pipe(Effect.provide([over(layer, { credential: Credential.layerToken(token) }), Logger.layer([logger])]))
  })
})

describe("DefenderApi: telemetry", () => {
  const link = Effect.flatMap(DefenderApi.DefenderApi, (api) => Effect.exit(api.downloadLink(exampleRef)))

  it.effect.each([{ asked: undefined }, { asked: false }, { asked: true }])(
    "sends headers that name the trace only where they are asked for: $asked",
    ({ asked }) => {
      const { layer, requests } = scripted(alerts)
      const { tracer } = recording()
      return Effect.gen(function* () {
        yield* execute(getAlerts).pipe(Effect.withSpan("program"), Effect.provideService(Tracer.Tracer, tracer))
        const headers = requests[0]?.request.headers ?? {}
        assert.deepStrictEqual(["b3" in headers, "traceparent" in headers], [asked === true, asked === true])
      }).pipe(Effect.provide(over(layer, { options: { sendsTraceHeaders: asked } })))
    },
  )

  it.effect("has a span for each call, with the result and the number of attempts", () => {
    const { layer } = scripted(json(503, {}), json(200, { value: "https://a.blob.core.windows.net/r?sig=a" }))
    const { spans, tracer } = recording()
    return Effect.gen(function* () {
      yield* inVirtualTime(link).pipe(Effect.provideService(Tracer.Tracer, tracer))
      const call = spans.find(({ name }) => name === "DefenderApi.downloadLink")
      assert.deepStrictEqual(Object.fromEntries(call?.attributes ?? []), {
        "live_response.action.id": exampleRef.machineActionId,
        "live_response.command.index": exampleRef.index,
        "live_response.attempt": 2,
      })
    }).pipe(Effect.provide(over(layer)))
  })

  it.effect("counts the seconds of each attempt, by operation and status", () => {
    const transport = HttpClient.make((request) =>
      Effect.delay(
        Effect.suspend(() => {
          const response = HttpServerResponse.toClientResponse(answers.shift() ?? alerts, { request })
          return answers.length === 1
            ? Effect.fail(
                new HttpClientError.HttpClientError({ reason: new HttpClientError.TransportError({ request }) }),
              )
            : Effect.succeed(response)
        }),
        "3 seconds",
      ),
    )
    const answers = [json(503, {}), alerts, json(200, { value: "https://a.blob.core.windows.net/r?sig=a" })]
    return Effect.gen(function* () {
      yield* inVirtualTime(link)
      const seen = (yield* Metric.snapshot).filter(({ id }) => id === "live_response.api.duration")
      assert.deepStrictEqual(
        seen.flatMap(({ attributes, state, type }) =>
          type === "Histogram"
            ? [[attributes?.["operation"], attributes?.["status"], state.count, Math.round(state.sum)]]
            : [],
        ),
        [
          ["GetLiveResponseResultDownloadLink", "503", 1, 3],
          ["GetLiveResponseResultDownloadLink", "none", 1, 3],
          ["GetLiveResponseResultDownloadLink", "200", 1, 3],
        ],
      )
    }).pipe(
      Effect.provide(over(Layer.succeed(HttpClient.HttpClient, transport))),
      Effect.provideService(Metric.MetricRegistry, new Map()),
    )
  })
})
