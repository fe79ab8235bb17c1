/** Answers of hostile and of broken servers. One target gets them, and the others must not notice. */
import { assert, describe, it } from "@effect/vitest"
import type { BatchEvent } from "@live-response/core/BatchEvent"
import * as ClientCredentials from "@live-response/core/ClientCredentials"
import * as Credential from "@live-response/core/Credential"
import type { ApiError } from "@live-response/core/ApiError"
import * as DefenderApi from "@live-response/core/DefenderApi"
import * as LiveResponse from "@live-response/core/LiveResponse"
import { MachineActionId } from "@live-response/core/MachineAction"
import * as Manifest from "@live-response/core/Manifest"
import * as PrivateHost from "@live-response/core/PrivateHost"
import * as Quota from "@live-response/core/Quota"
import * as QuotaStore from "@live-response/core/QuotaStore"
import type { ResultRef } from "@live-response/core/ResultRef"
import * as ResultStore from "@live-response/core/ResultStore"
import * as LiveResponseTest from "@live-response/core/testing/LiveResponseTest"
import * as Simulator from "@live-response/core/testing/Simulator"
import * as Transfer from "@live-response/core/Transfer"
import * as Arbitrary from "effect/Arbitrary"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientError from "effect/http/HttpClientError"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { utf8 } from "./support/bytes.ts"
import { session } from "./support/network.ts"
import { recording } from "./support/recording.ts"
import { exampleRef, refsUpTo } from "./support/refs.ts"
import { scripted } from "./support/scripted.ts"
import { layerOver } from "./support/world.ts"

const { inVirtualTime } = LiveResponseTest
const token = "a-token-for-tests"

/** What replaces the answers of the victim's link or of its storage. */
interface Attack {
  readonly at: "link" | "blob"
  readonly answer: () => HttpServerResponse.HttpServerResponse
}

/** A transport to the simulator that replaces every answer for one target. */
const attacked = (victim: ResultRef, { answer, at }: Attack) =>
  Layer.effect(
    HttpClient.HttpClient,
    Effect.map(Simulator.Simulator, (simulator) =>
      HttpClient.make((request, url) =>
        Effect.gen(function* () {
          const isLink = url.pathname.includes(`${victim.machineActionId}/GetLive`)
          const isBlob = url.pathname.includes(victim.machineActionId) && !url.pathname.startsWith("/api/")
          const served = yield* Effect.provideService(
            simulator.handler,
            HttpServerRequest.HttpServerRequest,
            HttpServerRequest.fromClientRequest(request),
          )
          const isAttacked = at === "link" ? isLink : isBlob
          return HttpServerResponse.toClientResponse(isAttacked ? answer() : served, { request })
        }),
      ),
    ),
  )

const world = (victim: ResultRef, attack: Attack) =>
  LiveResponse.layer.pipe(
    Layer.provideMerge(Transfer.layer),
    Layer.provideMerge(DefenderApi.layer({ base: "http://127.0.0.1" })),
    Layer.provideMerge(
      Layer.mergeAll(
        attacked(victim, attack),
        ResultStore.layerMemory,
        Manifest.layerMemory,
        Credential.layerToken(Redacted.make(token)),
      ),
    ),
    Layer.provideMerge(Quota.layer().pipe(Layer.provide(QuotaStore.layerMemory))),
    Layer.provideMerge(Simulator.layer({ tokens: [token] })),
  )

/** Eight results. The attacked one is the only result of its action. */
const others = refsUpTo(7)
const victim = refsUpTo(100).at(-1) ?? exampleRef

const saveAll = Effect.gen(function* () {
  const simulator = yield* Simulator.Simulator
  const refs = [victim, ...others]
  for (const ref of refs) yield* simulator.add(ref, { content: utf8("hello") })
  const live = yield* LiveResponse.LiveResponse
  const events: Array<BatchEvent> = []
  const exit = yield* live.saveAll(Stream.fromIterable(refs)).pipe(
    Stream.runForEach((event) => Effect.sync(() => events.push(event))),
    Effect.exit,
    (effect) => inVirtualTime(effect, "9 days"),
  )
  const failed = events.flatMap((event) => (event.event === "failed" ? [event] : []))
  const completed = events.flatMap((event) => (event.event === "completed" ? [event] : []))
  return { exit, failed, completed }
})

/** Asserts that the others are downloaded, that the batch finishes, and that nothing is called a bug. */
const assertHarmless = Effect.fnUntraced(function* (attack: Attack) {
  const { logger, logs } = recording()
  const { completed, exit, failed } = yield* Effect.provide(saveAll, [world(victim, attack), Logger.layer([logger])])
  assert.deepStrictEqual(exit, Exit.void)
  assert.isAtLeast(completed.length, others.length)
  assert.strictEqual(completed.length + failed.length, others.length + 1)
  for (const { error } of failed) assert.notStrictEqual(error._tag, "DefectError", error.message)
  assert.deepStrictEqual(logs.map(String), [])
  return failed
})

/** As a stream, because the length of any other body replaces its header. */
const answerOf = (text: string, status: number, headers: Record<string, string>) =>
  HttpServerResponse.stream(Stream.succeed(utf8(text)), { status, headers })

const ofBlob = (headers: Record<string, string>, status = 200): Attack => ({
  at: "blob",
  answer: () => answerOf("hello", status, headers),
})
const ofLink = (body: unknown, status: number, headers: Record<string, string> = {}): Attack => ({
  at: "link",
  answer: () => answerOf(JSON.stringify(body), status, headers),
})
const digits = (count: number) => "9".repeat(count)
const again = (number: string) => ({
  error: { code: "429", message: `You can send requests again in ${number} seconds.` },
})

describe("an absurd number of one target", () => {
  it.effect.each([
    { name: "Content-Length of 2^53", attack: ofBlob({ "content-length": "9007199254740992" }) },
    { name: "Content-Length of 20 digits", attack: ofBlob({ "content-length": digits(20) }) },
    { name: "Content-Length of 400 digits", attack: ofBlob({ "content-length": digits(400) }) },
    { name: "Content-Length that is negative", attack: ofBlob({ "content-length": "-1" }) },
    { name: "Retry-After of 400 digits from the storage", attack: ofBlob({ "retry-after": digits(400) }, 503) },
    { name: "Retry-After of 300 digits from the storage", attack: ofBlob({ "retry-after": digits(300) }, 503) },
    { name: "Retry-After of 20 digits from the storage", attack: ofBlob({ "retry-after": digits(20) }, 503) },
    { name: "Retry-After of 400 digits from the API", attack: ofLink({}, 503, { "retry-after": digits(400) }) },
    { name: "Retry-After of 300 digits from the API", attack: ofLink({}, 503, { "retry-after": digits(300) }) },
    { name: "Retry-After as a span of 300 digits", attack: ofLink({}, 503, { "retry-after": `${digits(300)}:00:01` }) },
    {
      name: "Retry-After on the last day",
      attack: ofLink({}, 503, { "retry-after": "Sat, 13 Sep 275760 00:00:00 GMT" }),
    },
    { name: "again in 310 digits", attack: ofLink(again(digits(310)), 503) },
    { name: "again in 30 digits", attack: ofLink(again(digits(30)), 503) },
    {
      name: "a link that expires on the last day",
      attack: ofLink({ value: "http://127.0.0.1/r?se=%2B275760-09-13T00:00:00Z&sig=a" }, 200),
    },
  ])("costs the others nothing: $name", ({ attack }) => assertHarmless(attack))
})

const oddTexts = Arbitrary.schema(
  Schema.Literals([
    "-1",
    "NaN",
    "Infinity",
    "1e400",
    "0x10",
    " 5 ",
    "",
    "\u001b[2J\u0000\r\n",
    "5, 5",
    'W/"1"',
    '"',
    "bytes 0-5/*",
    "bytes 5-9/99999999999999999999",
    "chunked",
    "Thu, 01 Jan 1970 00:00:00 GMT",
    "Sat, 13 Sep 275760 00:00:00 GMT",
    "99:99:99",
    "attachment; filename*=utf-8''%ff",
    'attachment; filename="../../x"',
  ]),
)

const lengths = Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 500 })))

const hostileText = Arbitrary.flatMap(Arbitrary.schema(Schema.Literals(["digits", "text", "odd"])), (kind) => {
  if (kind === "text") return Arbitrary.schema(Schema.String)
  return kind === "odd" ? Arbitrary.map(oddTexts, (text): string => text) : Arbitrary.map(lengths, digits)
})

const headerName = Arbitrary.schema(
  Schema.Literals([
    "content-length",
    "content-range",
    "content-md5",
    "content-type",
    "content-disposition",
    "etag",
    "date",
    "retry-after",
    "location",
    "x-ms-error-code",
    "x-ms-blob-content-md5",
    "x-ms-request-id",
    "www-authenticate",
    "server",
    "via",
  ]),
)

const headers = Arbitrary.map(
  Arbitrary.array(Arbitrary.all([headerName, hostileText]), { minLength: 1, maxLength: 8 }),
  (entries): Record<string, string> => Object.fromEntries(entries),
)

const errorStatus = Arbitrary.schema(
  Schema.Literals([201, 204, 206, 302, 304, 400, 404, 407, 408, 409, 412, 416, 429, 500, 503, 511]),
)

/** A good value, or a hostile one. */
const status = Arbitrary.flatMap(Arbitrary.schema(Schema.Boolean), (isGood): Arbitrary.Arbitrary<number> =>
  isGood ? Arbitrary.Constant(200) : errorStatus,
)

/** JSON as a server may send it, with numbers that JavaScript does not have. */
const hostileJson = Arbitrary.flatMap(
  Arbitrary.schema(Schema.Literals(["json", "text", "1e400", "-9007199254740993"])),
  (kind) => {
    if (kind === "json") return Arbitrary.map(Arbitrary.schema(Schema.Json), (value) => JSON.stringify(value))
    return kind === "text"
      ? Arbitrary.map(hostileText, (text) => JSON.stringify(text))
      : Arbitrary.Constant<string>(kind)
  },
)

const memberName = Arbitrary.schema(
  Schema.Literals([
    "value",
    "id",
    "type",
    "status",
    "commands",
    "index",
    "errorHResult",
    "creationDateTimeUtc",
    "lastUpdateDateTimeUtc",
    "machineId",
    "computerDnsName",
    "@odata.nextLink",
    "access_token",
    "expires_in",
    "error_description",
    "correlation_id",
    "__proto__",
  ]),
)

const objectOf = (members: ReadonlyArray<readonly [string, string]>) =>
  `{${members.map(([name, json]) => `${JSON.stringify(name)}:${json}`).join()}}`

const members = Arbitrary.map(Arbitrary.array(Arbitrary.all([memberName, hostileJson]), { maxLength: 6 }), objectOf)

/** An answer of any shape: an object, an error, a list, or anything. */
const body = Arbitrary.map(
  Arbitrary.all([
    Arbitrary.schema(Schema.Literals(["object", "error", "list", "any"])),
    members,
    hostileJson,
    hostileJson,
    hostileJson,
  ]),
  ([shape, object, code, message, target]) => {
    switch (shape) {
      case "object":
        return object
      case "error":
        return objectOf([
          [
            "error",
            objectOf([
              ["code", code],
              ["message", message],
              ["target", target],
            ]),
          ],
        ])
      case "list":
        return objectOf([
          ["value", `[${object},${code}]`],
          ["@odata.nextLink", target],
        ])
      case "any":
        return message
    }
  },
)

describe("a defect in one target", () => {
  const link = "https://storage.example.net/r?sp=r&sig=c2lnbmF0dXJlLW9mLWEtbGluaw%3D%3D"
  const { logger, logs } = recording()
  const broken = Layer.effect(
    Transfer.Transfer,
    Effect.map(Transfer.make, (transfer) => ({
      ...transfer,
      chunks: (ref: ResultRef) =>
        String(ref) === String(victim) ? Stream.die(new TypeError(`no way to ${link}`)) : transfer.chunks(ref),
    })),
  )
  const api = DefenderApi.layer({ base: "http://127.0.0.1" })
  const layer = LiveResponse.layer.pipe(
    Layer.provide(Layer.provideMerge(broken, api)),
    Layer.provideMerge(Layer.merge(Manifest.layerMemory, ResultStore.layerMemory)),
    Layer.provide([Simulator.layerHttpClient, Credential.layerToken(Redacted.make(token))]),
    Layer.provide(Quota.layer().pipe(Layer.provide(QuotaStore.layerMemory))),
    Layer.provideMerge(Simulator.layer({ tokens: [token] })),
  )

  it.effect("is the error of that target alone, without the link, and its cause is logged", () =>
    Effect.gen(function* () {
      const { completed, exit, failed } = yield* saveAll
      assert.deepStrictEqual(exit, Exit.void)
      assert.strictEqual(completed.length, others.length)
      assert.deepStrictEqual(
        failed.map(({ error }) => error._tag),
        ["DefectError"],
      )
      assert.include(failed[0]?.message, `${victim}: this is a bug, please report it: TypeError: no way to https://`)
      assert.match(String(logs), /TypeError: no way[^]*HostileAnswers.test.ts/)
      assert.notInclude(JSON.stringify(failed) + String(logs), "c2lnbmF0dXJl")
    }).pipe(Effect.provide([layer, Logger.layer([logger])])),
  )
})

describe("any answer for one target", () => {
  it.effect.prop(
    "from the storage costs the other targets nothing",
    [status, headers, Arbitrary.schema(Schema.String)],
    ([status, headers, text]) => assertHarmless({ at: "blob", answer: () => answerOf(text, status, headers) }),
    { arbitrary: { runs: 100 }, timeout: 120_000 },
  )

  it.effect.prop(
    "from the API costs the other targets nothing",
    [status, headers, body],
    ([status, headers, text]) => assertHarmless({ at: "link", answer: () => answerOf(text, status, headers) }),
    { arbitrary: { runs: 100 }, timeout: 120_000 },
  )
})

const tokenAnswer = Arbitrary.map(
  Arbitrary.all([Arbitrary.schema(Schema.Boolean), members, hostileJson]),
  ([isToken, object, life]) =>
    isToken
      ? objectOf([
          ["access_token", '"a-token"'],
          ["expires_in", life],
        ])
      : object,
)

const assertNoDefect = <A, E>(exit: Exit.Exit<A, E>) =>
  assert.isFalse(Exit.isFailure(exit) && Cause.hasDies(exit.cause), String(exit))

describe("any answer of a server", () => {
  const id = Schema.decodeSync(MachineActionId)("988cc94e-7a8f-4b28-ab65-54970c5d5018")
  const machine = "1e5bc9d7e413ddd7902c2932e418702b84d0cc07"

  it.effect.prop(
    "causes no defect in a call of the API",
    [status, headers, body],
    ([status, headers, text]) => {
      const { layer } = scripted(answerOf(text, status, headers))
      return Effect.gen(function* () {
        const api = yield* DefenderApi.DefenderApi
        const calls: ReadonlyArray<Effect.Effect<unknown, ApiError>> = [
          Stream.runDrain(api.list()),
          api.get(id),
          api.machinesOf("ws-1.contoso.com"),
          api.run(machine, session),
          api.cancel(id, "case"),
          api.wait(id),
        ]
        const exits = yield* inVirtualTime(
          Effect.forEach(calls, (call) => Effect.exit(call), { concurrency: "unbounded" }),
          "9 days",
        )
        for (const exit of exits) assertNoDefect(exit)
      }).pipe(Effect.provide(layerOver(layer)))
    },
    { arbitrary: { runs: 100 }, timeout: 120_000 },
  )

  it.effect.prop(
    "causes no defect in a sign-in",
    [status, headers, tokenAnswer],
    ([status, headers, text]) => {
      const { layer } = scripted(answerOf(text, status, headers))
      return Effect.gen(function* () {
        const { token } = yield* ClientCredentials.make({
          tenantId: "e0a8f26e-8b12-4ee4-9ac9-4a4ecb3d1b8f",
          clientId: "1f6a3c7a-6c2b-4f0e-b6b1-2c8f6d8f5c11",
          clientSecret: Redacted.make("secret-of-the-app"),
        })
        const renewed = Effect.andThen(Effect.exit(token), Effect.delay(Effect.exit(token), "59 minutes"))
        const exit = yield* inVirtualTime(Effect.exit(Effect.flatten(renewed)))
        assertNoDefect(exit)
      }).pipe(Effect.scoped, Effect.provide(layer))
    },
    { arbitrary: { runs: 100 }, timeout: 120_000 },
  )
})

describe("links that are not followed", () => {
  const layerOf = (client: HttpClient.HttpClient) =>
    LiveResponse.layer.pipe(
      Layer.provideMerge(Transfer.layer),
      Layer.provideMerge(DefenderApi.layer()),
      Layer.provideMerge(
        Layer.mergeAll(
          Layer.succeed(HttpClient.HttpClient, client),
          ResultStore.layerMemory,
          Manifest.layerMemory,
          Credential.layerToken(Redacted.make(token)),
          Quota.layer().pipe(Layer.provide(QuotaStore.layerMemory)),
        ),
      ),
    )

  it.effect.each([
    {
      name: "of another host",
      link: "https://evil.example.net/r?sig=a",
      says: /a link to evil\.example\.net, which is not a known storage host.*--any-storage-host; 5 links in a row/,
    },
    {
      name: "of this machine",
      link: "https://127.0.0.1/r?sig=a",
      says: /a link to 127\.0\.0\.1, which is on this machine or a private network.*; 5 links in a row/,
    },
    {
      name: "of a name that resolves to this machine",
      link: "https://example.blob.core.windows.net/r?sig=a",
      says: /example\.blob\.core\.windows\.net resolves to an address of this machine.*--any-storage-host; 5 links in a row/,
    },
  ])("cost one call each, and end the batch after five in a row: $name", ({ link, says }) => {
    const urls: Array<URL> = []
    const client = HttpClient.make((request, url) => {
      urls.push(url)
      if (url.pathname.startsWith("/api/")) {
        const answer = HttpServerResponse.jsonUnsafe({ value: link })
        return Effect.succeed(HttpServerResponse.toClientResponse(answer, { request }))
      }
      const cause = Object.assign(new Error("private"), { code: PrivateHost.errorCode })
      const reason = new HttpClientError.TransportError({ request, cause })
      return Effect.fail(new HttpClientError.HttpClientError({ reason }))
    })
    return Effect.gen(function* () {
      const live = yield* LiveResponse.LiveResponse
      const batch = Stream.runDrain(live.saveAll(Stream.fromIterable(refsUpTo(100)), { concurrency: 1 }))
      const error = yield* inVirtualTime(Effect.flip(batch))
      assert.strictEqual(error._tag, "StorageRefused")
      assert.match(error.message, says)
      assert.strictEqual(urls.filter(({ pathname }) => pathname.startsWith("/api/")).length, 5)
      assert.deepStrictEqual(
        urls.filter(({ hostname }) => /evil|127/.test(hostname)),
        [],
      )
    }).pipe(Effect.provide(layerOf(client)))
  })
})
