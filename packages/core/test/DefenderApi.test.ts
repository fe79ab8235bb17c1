import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import type * as AccessToken from "@live-response/core/AccessToken"
import * as Credential from "@live-response/core/Credential"
import { CredentialError, Missing } from "@live-response/core/CredentialError"
import type { ApiError } from "@live-response/core/ApiError"
import * as DefenderApi from "@live-response/core/DefenderApi"
import * as QuotaStore from "@live-response/core/QuotaStore"
import * as Quota from "@live-response/core/Quota"
import { ActionResult } from "@live-response/core/ResultRef"
import * as Timing from "@live-response/core/Timing"
import * as LiveResponseTest from "@live-response/core/testing/LiveResponseTest"
import * as Simulator from "@live-response/core/testing/Simulator"
import * as Clock from "effect/Clock"
import * as ConfigProvider from "effect/ConfigProvider"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientError from "effect/http/HttpClientError"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import { utf8 } from "./support/bytes.ts"
import { failureOf, withEvents } from "./support/events.ts"
import { exampleRef, refAt } from "./support/refs.ts"
import { scripted } from "./support/scripted.ts"
import { tokenOf } from "./support/tokens.ts"
import { countingCredential, layerOver } from "./support/world.ts"
import { endless } from "./support/endless.ts"

const { inVirtualTime } = LiveResponseTest

const page = readFileSync(new URL("fixtures/link-answer.txt", import.meta.url), "utf8")
const pageLink =
  "https://core.windows.net/investigation-actions-data/ID/CustomPlaybookCommandOutput/4ed5e7807ad1fe59b00b664fe06a0f07?se=2021-02-04T16%3A13%3A50Z&sp=r&sv=2019-07-07&sr=b&sig=1dYGe9rPvUlXBPvYSmr6/OLXPY98m8qWqfIQCBbyZTY%3D"

const json = (status: number, body: unknown, headers?: Record<string, string>) =>
  HttpServerResponse.jsonUnsafe(body, { status, ...(headers === undefined ? {} : { headers }) })
const apiError = (status: number, code: string, message: string, headers?: Record<string, string>) =>
  json(status, { error: { code, message, target: "43f4cb08-8fac-4b65-9db1-745c2ae65f3a" } }, headers)
const good = HttpServerResponse.text(page, { contentType: "application/json" })

/** A result of a session. For one whose action is unknown see `LinkKinds.test.ts`. */
const ofSession = ActionResult.make({ ...exampleRef })

const link = Effect.flatMap(DefenderApi.DefenderApi, (api) => api.downloadLink(ofSession))
const linkUrl = Effect.map(link, ({ url }) => Redacted.value(url))

const reasonOf = <A>(exit: Exit.Exit<A, ApiError>) => Effect.map(failureOf(exit), (error) => error.reason)

/** Requests the link from a scripted API, in virtual time. */
const ask = (...answers: ReadonlyArray<HttpServerResponse.HttpServerResponse>) =>
  Effect.gen(function* () {
    const { layer, requests } = scripted(...answers)
    const { events, exit } = yield* inVirtualTime(withEvents(linkUrl)).pipe(Effect.provide(layerOver(layer)))
    return { exit, events, calls: requests.length }
  })

/** Requests a link with these faults from the simulator. */
const askWithFaults = (linkFaults: ReadonlyArray<Simulator.Fault>) =>
  Effect.gen(function* () {
    const simulator = yield* Simulator.Simulator
    yield* simulator.add(exampleRef, { content: utf8("hello"), linkFaults })
    const { events, exit } = yield* inVirtualTime(withEvents(link))
    const calls = yield* simulator.calls
    return {
      exit,
      events,
      calls,
      statuses: calls.map(({ status }) => status),
      gaps: calls.slice(1).map(({ at }, i) => at - (calls[i]?.at ?? 0)),
    }
  })

describe("DefenderApi: the call", () => {
  it.effect("sends the request of Microsoft's page, and reads the page's answer", () => {
    const { layer, requests } = scripted(good)
    const world = layerOver(layer, { base: "https://api.securitycenter.microsoft.com" })
    return Effect.gen(function* () {
      assert.strictEqual(yield* inVirtualTime(linkUrl), pageLink)
      assert.strictEqual(requests.length, 1)
      const [{ request, url } = { request: undefined, url: undefined }] = requests
      assert.strictEqual(
        url,
        "https://api.securitycenter.microsoft.com/api/machineactions/988cc94e-7a8f-4b28-ab65-54970c5d5018/GetLiveResponseResultDownloadLink(index=0)",
      )
      assert.strictEqual(request?.method, "GET")
      assert.strictEqual(request?.body._tag, "Empty")
      assert.strictEqual(request?.headers.authorization, "Bearer token-0")
      assert.strictEqual(request?.headers.accept, "application/json")
      assert.isUndefined(request?.headers["content-type"])
    }).pipe(Effect.provide(world))
  })

  it.effect.each([
    { base: undefined, origin: "https://api.security.microsoft.com/" },
    { base: "https://eu.api.security.microsoft.com/", origin: "https://eu.api.security.microsoft.com/" },
    { base: "https://gateway.example.net/defender//", origin: "https://gateway.example.net/defender/" },
  ])("is sent to the base of its options: $base", ({ base, origin }) => {
    const { layer, requests } = scripted(good)
    return Effect.gen(function* () {
      yield* inVirtualTime(Effect.flatMap(DefenderApi.DefenderApi, (api) => api.downloadLink(refAt(7))))
      assert.strictEqual(
        requests[0]?.url,
        `${origin}api/machineactions/00000000-0000-4000-8000-000000000000/GetLiveResponseResultDownloadLink(index=7)`,
      )
    }).pipe(Effect.provide(layerOver(layer, { base })))
  })

  it.effect("is sent to LIVE_RESPONSE_ENDPOINT, and never without TLS over a network", () => {
    const { layer, requests } = scripted(good)
    const world = (env: Record<string, string>) =>
      DefenderApi.layerConfig().pipe(
        Layer.provide([
          layer,
          countingCredential().layer,
          Quota.layer().pipe(Layer.provide(QuotaStore.layerMemory)),
          ConfigProvider.layer(ConfigProvider.fromUnknown(env)),
        ]),
      )
    return Effect.gen(function* () {
      for (const [env, origin] of [
        [{}, "https://api.security.microsoft.com/"],
        [{ LIVE_RESPONSE_ENDPOINT: "http://127.0.0.1:8080" }, "http://127.0.0.1:8080/"],
      ] as const) {
        yield* inVirtualTime(link).pipe(Effect.provide(world(env)))
        assert.isTrue(requests.at(-1)?.url.startsWith(`${origin}api/machineactions/`), requests.at(-1)?.url)
      }
      const asked = requests.length
      for (const endpoint of ["http://api.security.microsoft.com", "api.security.microsoft.com", "file:///tmp"]) {
        const exit = yield* inVirtualTime(link).pipe(
          Effect.provide(world({ LIVE_RESPONSE_ENDPOINT: endpoint })),
          Effect.exit,
        )
        assert.strictEqual((yield* failureOf(exit))._tag, "ConfigError", endpoint)
      }
      assert.strictEqual(requests.length, asked)
    })
  })

  it.effect("applies transformClient, which does not see the token", () => {
    const { layer, requests } = scripted(good)
    const seen: Array<string | undefined> = []
    const transformClient = (client: HttpClient.HttpClient) =>
      client.pipe(
        HttpClient.mapRequest(HttpClientRequest.setHeader("user-agent", "test/1")),
        HttpClient.mapRequestInput((request) => {
          seen.push(request.headers.authorization)
          return request
        }),
      )
    return Effect.gen(function* () {
      yield* inVirtualTime(link)
      assert.strictEqual(requests[0]?.request.headers["user-agent"], "test/1")
      assert.strictEqual(requests[0]?.request.headers.authorization, "Bearer token-0")
      const { client } = yield* DefenderApi.DefenderApi
      yield* client.get("https://example.net/other")
      assert.isUndefined(requests[1]?.request.headers.authorization)
    }).pipe(Effect.provide(layerOver(layer, { transformClient })))
  })

  it.effect("knows a status also from a client that fails for it", () => {
    const throttled = apiError(429, "TooManyRequests", "too many", { "retry-after": "40" })
    const { layer, requests } = scripted(apiError(401, "Unauthorized", "expired"), throttled, good)
    return Effect.gen(function* () {
      const { events } = yield* inVirtualTime(withEvents(link))
      assert.strictEqual(requests[1]?.request.headers.authorization, "Bearer token-1")
      const waits = events.flatMap((event) => (event.event === "retrying" ? [Duration.toSeconds(event.delay)] : []))
      assert.deepStrictEqual(waits, [40])
    }).pipe(Effect.provide(layerOver(layer, { transformClient: HttpClient.filterStatusOk })))
  })

  it.effect("removes the stray quotes of a link", () =>
    Effect.gen(function* () {
      const { exit } = yield* ask(json(200, { value: `"${pageLink}"` }))
      assert.deepStrictEqual(exit, Exit.succeed(pageLink))
    }),
  )
})

describe("DefenderApi: 401", () => {
  const worldOf = (credential: Layer.Layer<Credential.Credential>, tokens: ReadonlyArray<string>) =>
    DefenderApi.layer({ base: "http://127.0.0.1" }).pipe(
      Layer.provide([credential, Quota.layer().pipe(Layer.provide(QuotaStore.layerMemory))]),
      Layer.provideMerge(Simulator.layerHttpClient),
      Layer.provideMerge(Simulator.layer({ tokens })),
    )

  it.effect("once: drops the token and succeeds with a new one", () => {
    const credential = countingCredential()
    return Effect.gen(function* () {
      const { exit, statuses, calls } = yield* askWithFaults([])
      assert.isTrue(Exit.isSuccess(exit))
      assert.deepStrictEqual(statuses, [401, 200])
      assert.deepStrictEqual(
        calls.map(({ headers }) => headers.authorization),
        ["Bearer token-0", "Bearer token-1"],
      )
      assert.strictEqual(credential.invalidated(), 1)
    }).pipe(Effect.provide(worldOf(credential.layer, ["token-1"])))
  })

  it.effect("twice: is final after exactly two calls", () => {
    const credential = countingCredential()
    return Effect.gen(function* () {
      const { exit, statuses } = yield* askWithFaults([])
      const reason = yield* reasonOf(exit)
      assert.strictEqual(reason._tag, "Unauthorized")
      assert.deepStrictEqual(statuses, [401, 401])
      // Each call reads the token before it waits for a permit, and once more when it has one: reading it is cheap.
      assert.strictEqual(credential.asked(), 4)
    }).pipe(Effect.provide(worldOf(credential.layer, ["another"])))
  })

  it.effect("sends nothing without a token", () => {
    const missing = new CredentialError({ reason: new Missing() })
    const credential = Layer.succeed(Credential.Credential, {
      token: Effect.fail(missing),
      invalidate: () => Effect.void,
    })
    return Effect.gen(function* () {
      const { exit, statuses } = yield* askWithFaults([])
      assert.strictEqual(yield* failureOf(exit), missing)
      assert.deepStrictEqual(statuses, [])
    }).pipe(Effect.provide(worldOf(credential, [])))
  })

  it.effect("renews a token once, however many calls get a 401 with it", () => {
    let issued = 0
    const credential = Layer.effect(
      Credential.Credential,
      Credential.make(() =>
        Effect.sync(() => ({ token: Redacted.make(`token-${++issued}`), expires: Number.MAX_SAFE_INTEGER })),
      ),
    )
    const bearers: Array<string | undefined> = []
    const transport = HttpClient.make((request) =>
      Effect.gen(function* () {
        const bearer = request.headers.authorization
        // The first call is let in, and then the token is none any more.
        const isRefused = bearers.push(bearer) > 1 && bearer === "Bearer token-1"
        // Each answer takes longer than the one before, so that the last refusals come when there is a new token.
        yield* Effect.sleep(bearers.length * 1000)
        return HttpServerResponse.toClientResponse(isRefused ? apiError(401, "Unauthorized", "Expired.") : good, {
          request,
        })
      }),
    )
    return Effect.gen(function* () {
      const api = yield* DefenderApi.DefenderApi
      yield* inVirtualTime(api.downloadLink(refAt(0)))
      const links = yield* inVirtualTime(
        Effect.forEach(
          Array.from({ length: 20 }, (_, n) => refAt(n)),
          (ref) => api.downloadLink(ref),
          { concurrency: "unbounded" },
        ),
      )
      assert.strictEqual(links.length, 20)
      assert.strictEqual(bearers.filter((bearer) => bearer === "Bearer token-1").length, 1 + 20)
      assert.strictEqual(bearers.filter((bearer) => bearer === "Bearer token-2").length, 20)
      assert.strictEqual(issued, 2)
    }).pipe(Effect.provide(layerOver(Layer.succeed(HttpClient.HttpClient, transport), undefined, credential)))
  })
})

describe("DefenderApi: the quota", () => {
  it.effect("counts every call that was sent, also those with a 401", () => {
    const { layer, requests } = scripted(good, apiError(401, "Unauthorized", "Expired."), good)
    const world = DefenderApi.layer().pipe(
      Layer.provide([layer, countingCredential().layer]),
      Layer.provideMerge(Quota.layer().pipe(Layer.provide(QuotaStore.layerMemory))),
    )
    return Effect.gen(function* () {
      const quota = yield* Quota.Quota
      yield* inVirtualTime(Effect.all([link, link]), "10 seconds")
      assert.strictEqual(requests.length, 3)
      assert.deepStrictEqual(
        (yield* quota.status).windows.map(({ used }) => used),
        [3, 3],
      )
    }).pipe(Effect.provide(world))
  })

  it.effect("counts twenty calls that get a 401 at the same time, and those with the new token", () => {
    let sent = 0
    let issued = 0
    const transport = HttpClient.make((request) =>
      Effect.gen(function* () {
        const isRefused = sent++ > 0 && request.headers.authorization === "Bearer token-1"
        yield* Effect.sleep("1 second")
        const answer = isRefused ? apiError(401, "Unauthorized", "Expired.") : good
        return HttpServerResponse.toClientResponse(answer, { request })
      }),
    )
    const credential = Layer.effect(
      Credential.Credential,
      Credential.make(() =>
        Effect.sync(() => ({ token: Redacted.make(`token-${++issued}`), expires: Number.MAX_SAFE_INTEGER })),
      ),
    )
    const world = DefenderApi.layer().pipe(
      Layer.provide([Layer.succeed(HttpClient.HttpClient, transport), credential]),
      Layer.provideMerge(Quota.layer().pipe(Layer.provide(QuotaStore.layerMemory))),
    )
    return Effect.gen(function* () {
      const quota = yield* Quota.Quota
      yield* inVirtualTime(link, "10 seconds")
      yield* inVirtualTime(Effect.replicateEffect(link, 20, { concurrency: "unbounded" }), "10 seconds")
      assert.strictEqual(sent, 1 + 20 + 20)
      assert.strictEqual(issued, 2)
      assert.deepStrictEqual(
        (yield* quota.status).windows.map(({ used }) => used),
        [41, 41],
      )
    }).pipe(Effect.provide(world))
  })
})

describe("DefenderApi: before the API has accepted a call", () => {
  /** An API that answers each call after a second, and records how many it has at once. */
  const slow = (answerOf: (call: number) => HttpServerResponse.HttpServerResponse) => {
    const starts: Array<{ readonly at: number; readonly inFlight: number }> = []
    let inFlight = 0
    const transport = HttpClient.make((request) =>
      Effect.gen(function* () {
        const call = starts.push({ at: yield* Clock.currentTimeMillis, inFlight: ++inFlight })
        yield* Effect.sleep("1 second")
        inFlight--
        return HttpServerResponse.toClientResponse(answerOf(call), { request })
      }),
    )
    return { starts, world: layerOver(Layer.succeed(HttpClient.HttpClient, transport)) }
  }

  const most = (starts: ReadonlyArray<{ readonly inFlight: number }>) =>
    Math.max(...starts.map(({ inFlight }) => inFlight))

  const forty = Effect.replicateEffect(Effect.exit(link), 40, { concurrency: "unbounded" })

  it.effect.each([400, 401, 403, 409])("has four calls in flight at most where all get a %i", (status) => {
    const { starts, world } = slow(() => apiError(status, "Code", "Sentence."))
    return Effect.gen(function* () {
      // No answer of the first forty lets in more of the second.
      yield* inVirtualTime(Effect.andThen(forty, forty), "10 minutes")
      assert.strictEqual(most(starts), 4)
      assert.strictEqual(starts.length, status === 401 ? 160 : 80)
    }).pipe(Effect.provide(world))
  })

  it.effect.each([
    { name: "a link", answer: good },
    { name: "404", answer: apiError(404, "ResourceNotFound", "Not found.") },
  ])("has no limit once the API has answered a call with $name", ({ answer }) => {
    const { starts, world } = slow((call) => (call === 3 ? answer : apiError(403, "Forbidden", "No.")))
    return Effect.gen(function* () {
      yield* inVirtualTime(forty, "2 minutes")
      const known = starts.length
      yield* inVirtualTime(forty, "2 minutes")
      assert.strictEqual(most(starts.slice(0, 4)), 4)
      assert.strictEqual(most(starts.slice(known)), 40)
    }).pipe(Effect.provide(world))
  })

  it.effect("sends the waiting calls at once when one was accepted", () => {
    const { starts, world } = slow(() => good)
    return Effect.gen(function* () {
      const [time] = yield* inVirtualTime(Effect.timed(forty), "2 minutes")
      assert.strictEqual(starts.length, 40)
      // Four in the first second, and then nothing holds up the others.
      assert.isAtMost(Duration.toSeconds(time), 3)
    }).pipe(Effect.provide(world))
  })
})

/** The API over one answer, with this token. */
const over = (token: Redacted.Redacted<string>, answer: HttpServerResponse.HttpServerResponse) =>
  layerOver(scripted(answer).layer, undefined, Credential.layerToken(token))

describe("DefenderApi: the claims of a token", () => {
  const now = DateTime.makeUnsafe("2026-11-01T12:00:00Z")
  const fine: AccessToken.Claims = {
    aud: "https://api.securitycenter.microsoft.com",
    roles: ["Machine.ReadWrite.All"],
    exp: DateTime.toEpochMillis(now) / 1000 + 3600,
  }

  /** Makes three rounds of four calls with this token. Returns the warnings and the calls in their order. */
  const heardOf = Effect.fnUntraced(function* (token: Redacted.Redacted<string>) {
    const heard: Array<string> = []
    const logger = Logger.make(({ logLevel, message }) => heard.push(`${logLevel}: ${String(message)}`))
    const transport = HttpClient.make((request) =>
      Effect.sync(() => {
        heard.push("call")
        return HttpServerResponse.toClientResponse(good, { request })
      }),
    )
    yield* TestClock.setTime(DateTime.toEpochMillis(now))
    const world = layerOver(Layer.succeed(HttpClient.HttpClient, transport), undefined, Credential.layerToken(token))
    yield* inVirtualTime(
      Effect.replicateEffect(Effect.all([link, link, link, link], { concurrency: "unbounded" }), 3),
    ).pipe(Effect.provide([world, Logger.layer([logger])]))
    assert.strictEqual(heard.filter((line) => line === "call").length, 12)
    return { before: heard.slice(0, heard.indexOf("call")), warnings: heard.filter((line) => line !== "call") }
  })

  it.effect.each<{
    readonly name: string
    readonly claims: AccessToken.Claims
    readonly says: ReadonlyArray<RegExp>
  }>([
    {
      name: "its app lacks the permission",
      claims: { ...fine, roles: ["Machine.Isolate"] },
      says: [/^Warn: the app's token lacks Machine\.ReadWrite\.All; grant it in Entra /],
    },
    {
      name: "its user lacks the permission",
      claims: { aud: "https://api.securitycenter.microsoft.com", scp: "Machine.Read User.Read" },
      says: [/^Warn: the user's token lacks Machine\.LiveResponse; grant it in Entra /],
    },
    {
      name: "its permission may not suffice any more",
      claims: { ...fine, roles: ["Machine.Read.All"] },
      says: [
        /^Warn: the app's token has Machine\.Read\.All, which may not suffice any more: .*Machine\.ReadWrite\.All;/,
      ],
    },
    {
      name: "it expired by this machine's clock",
      claims: { ...fine, exp: DateTime.toEpochMillis(now) / 1000 - 1 },
      says: [/^Warn: the token expired at 2026-11-01T11:59:59\.000Z, by this machine's clock$/],
    },
    {
      name: "it is for another audience",
      claims: { ...fine, aud: "https://graph.microsoft.com" },
      says: [/^Warn: the token is for https:\/\/graph\.microsoft\.com, which is not the Defender API: .*audience\?$/],
    },
    {
      name: "all of that",
      claims: { aud: "https://graph.microsoft.com", exp: 1_700_000_000 },
      says: [/expired at/, /is for https:\/\/graph/, /lacks Machine\.ReadWrite\.All/],
    },
  ])("warn once, before the first call, where $name", ({ claims, says }) =>
    Effect.gen(function* () {
      const { before, warnings } = yield* heardOf(tokenOf(claims))
      assert.deepStrictEqual(before, warnings)
      assert.strictEqual(warnings.length, says.length, warnings.join("\n"))
      for (const [n, what] of says.entries()) assert.match(warnings[n] ?? "", what)
    }),
  )

  it.effect("warn once of each missing permission, and once of what concerns every call", () => {
    const warnings: Array<string> = []
    const logger = Logger.make(({ message }) => warnings.push(String(message)))
    const token = tokenOf({ aud: "https://graph.microsoft.com", scp: "Machine.LiveResponse" })
    const page = json(200, { value: [] })
    const { layer } = scripted(good, page, good, page)
    return Effect.gen(function* () {
      const api = yield* DefenderApi.DefenderApi
      const list = Stream.runDrain(api.list())
      yield* inVirtualTime(Effect.all([link, list, link, list]))
      assert.strictEqual(warnings.length, 2, warnings.join("\n"))
      assert.include(warnings[0], "https://graph.microsoft.com")
      assert.include(warnings[1], "lacks Machine.ReadWrite")
    }).pipe(Effect.provide([layerOver(layer, undefined, Credential.layerToken(token)), Logger.layer([logger])]))
  })

  it.effect("name in the error of a 403 no permission that the token has", () => {
    const forbidden = json(403, { error: { code: "Forbidden", message: "No." } })
    return Effect.gen(function* () {
      const held = yield* Effect.flip(Effect.provide(link, over(tokenOf(fine), forbidden)))
      assert.include(
        held.message,
        "the API refused the call (HTTP 403 Forbidden: No.) although the token has Machine.ReadWrite.All; check the role",
      )
      const lacking = yield* Effect.flip(
        Effect.provide(link, over(tokenOf({ ...fine, roles: ["Machine.Read.All"] }), forbidden)),
      )
      assert.include(lacking.message, "the call needs Machine.ReadWrite.All (apps)")
    })
  })

  it.effect.each([
    { name: "a good one", token: tokenOf(fine) },
    { name: "a good one of a user", token: tokenOf({ ...fine, roles: [], scp: "Machine.LiveResponse" }) },
    {
      name: "one that names the API by its app id",
      token: tokenOf({ ...fine, aud: "fc780465-2017-40d4-a0c5-307022471b92" }),
    },
    { name: "an opaque one", token: Redacted.make("an-opaque-token") },
    { name: "one of three parts that are none of a JWT's", token: Redacted.make("a.b.c") },
    { name: "one whose claims are not JSON", token: tokenOf("claims") },
  ])("do not warn for $name", ({ token }) =>
    Effect.gen(function* () {
      assert.deepStrictEqual((yield* heardOf(token)).warnings, [])
    }),
  )
})

describe("DefenderApi: the wait that a server asks for", () => {
  const waited = (...answers: ReadonlyArray<HttpServerResponse.HttpServerResponse>) =>
    Effect.map(
      Effect.provide(inVirtualTime(Effect.timed(linkUrl)), layerOver(scripted(...answers, good).layer)),
      ([duration]) => Duration.toSeconds(duration),
    )

  it.effect.each([408, 500, 503])("is the shortest wait after a %i", (status) =>
    Effect.gen(function* () {
      const seconds = yield* waited(
        ...Array.from({ length: 10 }, () => apiError(status, "x", "y", { "retry-after": "40" })),
      )
      assert.isAtLeast(seconds, 400)
      assert.isAtMost(seconds, 401)
    }),
  )

  it.effect.each([
    { header: "1.5", seconds: 1.5 },
    { header: "00:00:03", seconds: 3 },
    { header: "01:00:03.5", seconds: 3600 },
    { header: "86400", seconds: 3600 },
    { header: "9".repeat(400), seconds: 5 },
  ])("is read from $header, and is an hour at most", ({ header, seconds }) =>
    Effect.gen(function* () {
      assert.closeTo(yield* waited(apiError(429, "429", "no", { "retry-after": header })), seconds, 0.1)
    }),
  )

  it.effect("is read from a message with a fraction", () =>
    Effect.gen(function* () {
      const refusal = apiError(429, "429", "You can send requests again in 2.5 seconds.")
      assert.strictEqual(yield* waited(refusal), 2.5)
    }),
  )
})

describe("DefenderApi: bounds of reads", () => {
  const trickle = Stream.tick("20 seconds").pipe(Stream.map(() => utf8(" ")))
  const forever = Stream.concat(Stream.make(utf8("{")), Stream.never)
  const runList = (body: Stream.Stream<Uint8Array>, length?: number) => {
    const headers = length === undefined ? {} : { "content-length": String(length) }
    const { layer } = scripted(HttpServerResponse.stream(body, { headers }))
    return Effect.flatMap(DefenderApi.DefenderApi, (api) => Stream.runCollect(api.list())).pipe(
      Effect.exit,
      Effect.timed,
      inVirtualTime,
      Effect.provide(Layer.provide(layerOver(layer), Timing.layer({ api: Schedule.recurs(0) }))),
    )
  }

  it.effect.each([
    { name: "never ends", body: forever },
    { name: "trickles", body: trickle },
  ])("takes seconds for an error body that $name, and reports its status", ({ body }) =>
    Effect.gen(function* () {
      const { layer } = scripted(HttpServerResponse.stream(body, { status: 404 }))
      const [took, exit] = yield* inVirtualTime(Effect.timed(Effect.exit(link))).pipe(Effect.provide(layerOver(layer)))
      assert.include((yield* failureOf(exit)).message, "HTTP 404")
      assert.isAtMost(Duration.toSeconds(took), 6)
    }),
  )

  it.effect.each([{ name: "without a length" }, { name: "with a short length", length: 24 }])(
    "lets a page $name take minutes, as long as bytes arrive",
    ({ length }) =>
      Effect.gen(function* () {
        const body = Stream.concat(Stream.take(trickle, 12), Stream.make(utf8(`{"value":[]}`)))
        const [took, exit] = yield* runList(body, length)
        assert.deepStrictEqual(yield* exit, [])
        assert.isAtLeast(Duration.toSeconds(took), 200)
      }),
  )

  it.effect.each([
    { name: "stalls", body: forever, within: 35, says: "nothing came for 30s" },
    { name: "trickles for ever", body: trickle, within: 601, says: "took longer than 10m" },
    { name: "announces few bytes and stalls", body: forever, length: 12, within: 35, says: "nothing came for 30s" },
    { name: "is short and trickles for ever", body: trickle, length: 99, within: 601, says: "took longer than 10m" },
  ])("gives up a page that $name", ({ body, length, says, within }) =>
    Effect.gen(function* () {
      const [took, exit] = yield* runList(body, length)
      assert.include((yield* failureOf(exit)).message, says)
      assert.isAtMost(Duration.toSeconds(took), within)
    }),
  )
})

describe("DefenderApi: a claims challenge", () => {
  const claims = JSON.stringify({ access_token: { nbf: { essential: true, value: "1700000000" } } })
  const challenge = (encoded: string) =>
    HttpServerResponse.empty({
      status: 401,
      headers: {
        "www-authenticate": `Bearer realm="", authorization_uri="https://login.microsoftonline.com/common/oauth2/authorize", error="insufficient_claims", claims="${encoded}"`,
      },
    })

  /** A credential of Azure's shape, which records its requests. */
  const noting = () => {
    const asked: Array<string | undefined> = []
    const credential: Credential.TokenCredential = {
      getToken: (_, options) => {
        asked.push(options?.claims)
        return Promise.resolve({ token: `token-${asked.length}`, expiresOnTimestamp: Number.MAX_SAFE_INTEGER })
      },
    }
    return { asked, layer: Credential.layerTokenCredential({ credential, scope: "x/.default" }) }
  }

  it.effect("gets one token that has the claims", () => {
    const { asked, layer: credential } = noting()
    const { layer, requests } = scripted(challenge(btoa(claims)), good)
    return Effect.gen(function* () {
      assert.strictEqual(yield* inVirtualTime(linkUrl), pageLink)
      assert.deepStrictEqual(asked, [undefined, claims])
      assert.strictEqual(requests.at(-1)?.request.headers.authorization, "Bearer token-2")
    }).pipe(Effect.provide(layerOver(layer, undefined, credential)))
  })

  it.effect.each([{ encoded: "not base64 ¡" }, { encoded: btoa("no JSON") }, { encoded: btoa("x".repeat(20_000)) }])(
    "is a 401 like any other where it can't be read: $encoded",
    ({ encoded }) => {
      const { asked, layer: credential } = noting()
      const { layer } = scripted(challenge(encoded), good)
      return Effect.gen(function* () {
        yield* inVirtualTime(linkUrl)
        assert.deepStrictEqual(asked, [undefined, undefined])
      }).pipe(Effect.provide(layerOver(layer, undefined, credential)))
    },
  )

  it.effect("fails with a fixed token, and says that conditional access asks for another sign-in", () => {
    const { layer } = scripted(challenge(btoa(claims)))
    return Effect.gen(function* () {
      const error = yield* Effect.flip(inVirtualTime(link))
      assert.include(error.message, "conditional access asks for another sign-in")
    }).pipe(Effect.provide(layerOver(layer, undefined, Credential.layerToken(Redacted.make("a")))))
  })
})

describe("DefenderApi: 429", () => {
  const world = LiveResponseTest.layer()

  it.effect("waits as long as the header says", () =>
    Effect.gen(function* () {
      const { events, exit, gaps, statuses } = yield* askWithFaults([{ fault: "throttle", retryAfter: 17 }])
      assert.isTrue(Exit.isSuccess(exit))
      assert.deepStrictEqual(statuses, [429, 200])
      assert.deepStrictEqual(gaps, [17_000])
      assert.deepStrictEqual(
        events.map(({ event }) => event),
        ["retrying"],
      )
    }).pipe(Effect.provide(world)),
  )

  it.effect("waits as long as the message says where there is no header", () =>
    Effect.gen(function* () {
      const { exit, gaps } = yield* askWithFaults([{ fault: "throttle" }])
      assert.isTrue(Exit.isSuccess(exit))
      assert.deepStrictEqual(gaps, [8000])
    }).pipe(Effect.provide(world)),
  )

  const answersAfter = (...headers: ReadonlyArray<Record<string, string> | string>) => {
    const refusals = headers.map((header) =>
      typeof header === "string"
        ? apiError(429, "429", header)
        : apiError(429, "TooManyRequests", "Slow down.", header),
    )
    return scripted(...refusals, good)
  }
  const waitOf = ({ layer }: { readonly layer: Layer.Layer<HttpClient.HttpClient> }) =>
    Effect.map(Effect.provide(inVirtualTime(Effect.timed(linkUrl)), layerOver(layer)), ([duration]) =>
      Duration.toSeconds(duration),
    )

  it.effect("waits until the date that the header says", () =>
    Effect.gen(function* () {
      // The test's clock begins in 1970.
      const seconds = yield* waitOf(answersAfter({ "retry-after": "Thu, 01 Jan 1970 00:02:00 GMT" }))
      assert.closeTo(seconds, 120, 0.01)
    }),
  )

  it.effect("prefers the header to the message", () =>
    Effect.gen(function* () {
      const refusal = apiError(429, "429", "You can send requests again in 8 seconds.", { "retry-after": "30" })
      assert.strictEqual(yield* waitOf(scripted(refusal, good)), 30)
    }),
  )

  it.effect("uses the message where the header can't be read", () =>
    Effect.gen(function* () {
      const refusal = apiError(429, "429", "You can send requests again in 8 seconds.", { "retry-after": "soon" })
      assert.strictEqual(yield* waitOf(scripted(refusal, good)), 8)
    }),
  )

  it.effect("waits five seconds, then twice as long, where the answer does not say", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* waitOf(answersAfter({}, {}, {})), 5 + 10 + 20)
    }),
  )

  it.effect.each([{ header: "1.5" }, { header: "-5" }, { header: "0" }, { header: "Wed, 01 Jul 2026 00:00:00 GMT" }])(
    "never hammers the API, whatever the header says: $header",
    ({ header }) =>
      Effect.gen(function* () {
        yield* TestClock.setTime(DateTime.toEpochMillis(DateTime.makeUnsafe("2026-11-01T00:00:00Z")))
        assert.isAtLeast(yield* waitOf(answersAfter({ "retry-after": header }, { "retry-after": header })), 1)
      }),
  )

  it.effect("waits an hour at most", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* waitOf(answersAfter({ "retry-after": "360000" })), 3600)
    }),
  )

  it.effect("is a 429 also where the body is not JSON", () =>
    Effect.gen(function* () {
      const refusal = HttpServerResponse.text("<html>Too many requests</html>", { status: 429 })
      assert.strictEqual(yield* waitOf(scripted(refusal, good)), 5)
    }),
  )

  it.effect("holds up every other call as well", () =>
    Effect.gen(function* () {
      const simulator = yield* Simulator.Simulator
      const api = yield* DefenderApi.DefenderApi
      yield* simulator.add(refAt(0), { content: utf8("a"), linkFaults: [{ fault: "throttle", retryAfter: 60 }] })
      for (const n of [1, 2, 3]) yield* simulator.add(refAt(n), { content: utf8("b") })
      const later = Effect.andThen(
        Effect.sleep("1 second"),
        Effect.forEach([1, 2, 3], (n) => api.downloadLink(refAt(n)), { concurrency: "unbounded" }),
      )
      yield* inVirtualTime(Effect.all([api.downloadLink(refAt(0)), later], { concurrency: "unbounded" }))
      const calls = yield* simulator.calls
      const startedAt = calls[0]?.at ?? 0
      assert.deepStrictEqual(
        calls.map(({ at, status }) => [status, at - startedAt]),
        [
          [429, 0],
          [200, 60_000],
          [200, 60_000],
          [200, 60_000],
          [200, 60_000],
        ],
      )
    }).pipe(Effect.provide(world)),
  )

  it.effect("gives up after its last retry, with the reason", () =>
    Effect.gen(function* () {
      const { calls, events, exit } = yield* ask(apiError(429, "429", "again in 8 seconds"))
      const reason = yield* reasonOf(exit)
      assert.strictEqual(reason._tag, "TooManyRequests")
      assert.strictEqual(calls, 21)
      assert.strictEqual(events.length, 20)
    }),
  )
})

describe("DefenderApi: other answers", () => {
  it.effect.each([408, 500, 502, 503, 504])("retries after %i", (status) =>
    Effect.gen(function* () {
      const { events, exit, statuses } = yield* askWithFaults([
        { fault: "status", status },
        { fault: "status", status },
      ])
      assert.isTrue(Exit.isSuccess(exit))
      assert.deepStrictEqual(statuses, [status, status, 200])
      assert.deepStrictEqual(
        events.map(({ event }) => event),
        ["retrying", "retrying"],
      )
    }).pipe(Effect.provide(LiveResponseTest.layer())),
  )

  it.effect("gives up on an API that stays unavailable after nine calls", () =>
    Effect.gen(function* () {
      const { calls, exit } = yield* ask(apiError(503, "ServiceUnavailable", "Down."))
      const reason = yield* reasonOf(exit)
      assert.deepInclude(reason, {
        _tag: "Unavailable",
        status: 503,
        code: "ServiceUnavailable",
        detail: "Down.",
        correlationId: "43f4cb08-8fac-4b65-9db1-745c2ae65f3a",
      })
      assert.strictEqual(calls, 9)
    }),
  )

  it.effect("retries as often as Timing says", () => {
    const { layer, requests } = scripted(apiError(503, "ServiceUnavailable", "Down."))
    return Effect.gen(function* () {
      yield* Effect.flip(inVirtualTime(link))
      assert.strictEqual(requests.length, 3)
    }).pipe(Effect.provide(layerOver(layer).pipe(Layer.provide(Timing.layer({ api: Schedule.recurs(2) })))))
  })

  it.effect.each([
    { status: 400, reason: "Refused" },
    { status: 403, reason: "Forbidden" },
    { status: 404, reason: "NotFound" },
    { status: 409, reason: "Refused" },
    { status: 302, reason: "UnexpectedAnswer" },
    { status: 204, reason: "UnexpectedAnswer" },
  ])("does not retry a $status", ({ reason, status }) =>
    Effect.gen(function* () {
      const { calls, events, exit } = yield* ask(
        status === 204 || status === 302
          ? HttpServerResponse.empty({ status, headers: { location: "https://example.net/" } })
          : apiError(status, "Code", "Sentence."),
      )
      assert.strictEqual((yield* reasonOf(exit))._tag, reason)
      assert.strictEqual(calls, 1)
      assert.deepStrictEqual(events, [])
    }),
  )

  it.effect("names the result in the error", () =>
    Effect.gen(function* () {
      const { exit } = yield* ask(apiError(404, "ResourceNotFound", "Not found."))
      assert.match((yield* failureOf(exit)).message, /^link of 988cc94e-7a8f-4b28-ab65-54970c5d5018:0: /)
    }),
  )

  it.effect.each([
    { name: "nothing", body: "" },
    { name: "a page", body: "<!doctype html><title>Sign in</title>" },
    { name: "JSON without a link", body: "{}" },
    { name: "a link of another type", body: `{"value":["https://example.net/"]}` },
    { name: "half an answer", body: page.slice(0, 100) },
    { name: "a link in clear", body: `{"value":"http://example.net/r?sig=a"}`, tag: "LinkNotFollowed" },
    { name: "a text that is not a link", body: `{"value":"pending"}`, tag: "LinkNotFollowed" },
    { name: "a link to a file", body: `{"value":"file:///etc/passwd"}`, tag: "LinkNotFollowed" },
  ])("reports an unexpected answer: $name", ({ body, tag = "UnexpectedAnswer" }) =>
    Effect.gen(function* () {
      const { calls, exit } = yield* ask(HttpServerResponse.text(body))
      const error = yield* failureOf(exit)
      assert.strictEqual(error.reason._tag, tag)
      assert.notInclude(error.message, "sig=a")
      assert.strictEqual(calls, 1)
    }),
  )

  it.effect("reads no more than the start of an error", () => {
    const { body, pulled } = endless()
    return Effect.gen(function* () {
      const { exit } = yield* ask(HttpServerResponse.stream(body, { status: 400 }))
      assert.strictEqual((yield* reasonOf(exit))._tag, "UnexpectedAnswer")
      assert.isAtMost(pulled(), 256 * 1024)
    })
  })

  it.effect("retries where no answer comes for a minute", () => {
    let answers = 0
    const latency = Effect.suspend(() => (++answers === 1 ? Effect.never : Effect.void))
    return Effect.gen(function* () {
      const { events, exit, calls } = yield* askWithFaults([])
      assert.isTrue(Exit.isSuccess(exit))
      assert.strictEqual(events.length, 1)
      const [event] = events
      assert.include(event?.event === "retrying" ? event.message : "", "no answer in time")
      assert.isAtLeast(calls[0]?.at ?? 0, 60_000)
    }).pipe(Effect.provide(LiveResponseTest.layer({ latency })))
  })

  it.effect("retries where the API can't be reached, and reports why without the address", () => {
    let calls = 0
    const transport = HttpClient.make((request) =>
      Effect.suspend(() => {
        calls++
        return Effect.fail(
          new HttpClientError.HttpClientError({
            reason: new HttpClientError.TransportError({
              request,
              cause: new TypeError("fetch failed", {
                cause: new Error("connect to https://example.net/?sig=abc refused"),
              }),
            }),
          }),
        )
      }),
    )
    return Effect.gen(function* () {
      const error = yield* Effect.flip(inVirtualTime(link))
      assert.strictEqual(error.reason._tag, "Unreachable")
      assert.include(error.message, "refused")
      assert.notInclude(error.message, "sig=abc")
      assert.strictEqual(calls, 9)
    }).pipe(Effect.provide(layerOver(Layer.succeed(HttpClient.HttpClient, transport))))
  })

  it.effect("sends the renewal of a link before other calls", () =>
    Effect.gen(function* () {
      const simulator = yield* Simulator.Simulator
      const api = yield* DefenderApi.DefenderApi
      const quota = yield* Quota.Quota
      for (const n of [0, 1, 2]) yield* simulator.add(refAt(n), { content: utf8("a") })
      const batch = Effect.gen(function* () {
        for (let i = 0; i < 100; i++) yield* quota.withPermit(Effect.void)
        yield* Effect.all(
          [api.downloadLink(refAt(0)), api.downloadLink(refAt(1)), api.downloadLink(refAt(2), { isRenewal: true })],
          { concurrency: "unbounded" },
        )
      })
      yield* inVirtualTime(batch)
      assert.deepStrictEqual(
        (yield* simulator.calls).map(({ url }) => /index=(\d)/.exec(url)?.[1]),
        ["2", "0", "1"],
      )
    }).pipe(Effect.provide(LiveResponseTest.layer())),
  )
})
