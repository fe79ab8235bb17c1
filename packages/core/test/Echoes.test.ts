/** What a server repeats of a request is in no error, no event and no manifest. */
import { inspect } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import type { BatchEvent } from "@live-response/core/BatchEvent"
import * as ClientCredentials from "@live-response/core/ClientCredentials"
import * as Credential from "@live-response/core/Credential"
import type { ApiError } from "@live-response/core/ApiError"
import * as DefenderApi from "@live-response/core/DefenderApi"
import * as LiveResponse from "@live-response/core/LiveResponse"
import * as MachineAction from "@live-response/core/MachineAction"
import * as Manifest from "@live-response/core/Manifest"
import * as Quota from "@live-response/core/Quota"
import * as QuotaStore from "@live-response/core/QuotaStore"
import * as ResultStore from "@live-response/core/ResultStore"
import * as Session from "@live-response/core/Session"
import * as TerminalText from "@live-response/core/TerminalText"
import * as LiveResponseTest from "@live-response/core/testing/LiveResponseTest"
import * as Transfer from "@live-response/core/Transfer"
import * as Arbitrary from "effect/Arbitrary"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Base64 from "effect/encoding/Base64"
import * as Exit from "effect/Exit"
import * as HttpClient from "effect/http/HttpClient"
import type * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import * as References from "effect/References"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Tracer from "effect/Tracer"
import { utf8 } from "./support/bytes.ts"
import { recording } from "./support/recording.ts"
import { exampleRef } from "./support/refs.ts"
import { scripted } from "./support/scripted.ts"
import { layerOver } from "./support/world.ts"

const { inVirtualTime } = LiveResponseTest

const token = "opaque+token/of-the-api=="
const signature = "1dYG/OLX+ZTY0123456789abcdefghijklmnopqrst%3D"
const link = `https://example.blob.core.windows.net/r/4ed5?se=2030-02-04T16%3A13%3A50Z&sp=r&sig=${signature}`
const linkAnswer = HttpServerResponse.jsonUnsafe({ value: link })

/** Each form that a server may repeat a secret in. */
const forms = [token, signature].flatMap((secret) => [
  secret,
  decodeURIComponent(secret),
  encodeURIComponent(decodeURIComponent(secret)),
])

const assertClean = (seen: unknown) => {
  const text = inspect(seen, { depth: 12, showHidden: true, maxArrayLength: null })
  for (const form of forms) assert.isFalse(text.includes(form), `${form} is in ${text}`)
}

/** What a span shows to a collector, which is not the value of its effect. */
const exported = ({ attributes, name, status }: Tracer.Span) => ({
  name,
  attributes: [...attributes],
  exit: status._tag === "Ended" && Exit.isFailure(status.exit) ? Cause.pretty(status.exit.cause) : undefined,
})

const save = (...answers: ReadonlyArray<HttpServerResponse.HttpServerResponse>) => {
  const { logger, logs, spans, tracer } = recording()
  const { layer } = scripted(...answers)
  const world = LiveResponse.layer.pipe(
    Layer.provideMerge(Transfer.layer),
    Layer.provideMerge(DefenderApi.layer()),
    Layer.provideMerge(
      Layer.mergeAll(
        layer,
        ResultStore.layerMemory,
        Manifest.layerMemory,
        Credential.layerToken(Redacted.make(token)),
        Quota.layer().pipe(Layer.provide(QuotaStore.layerMemory)),
      ),
    ),
  )
  return Effect.gen(function* () {
    const live = yield* LiveResponse.LiveResponse
    const events: Array<BatchEvent> = []
    yield* live.saveAll(Stream.succeed(exampleRef)).pipe(
      Stream.runForEach((event) => Effect.sync(() => events.push(event))),
      Effect.exit,
      (effect) => inVirtualTime(effect, "2 days"),
      Effect.withSpan("batch"),
      Effect.provideService(Tracer.Tracer, tracer),
      Effect.provideService(References.MinimumLogLevel, "All"),
    )
    const manifest = yield* Manifest.Manifest
    const entry = yield* manifest.find(exampleRef)
    const messages = events.map((event) => ("message" in event ? event.message : ""))
    assertClean({ events, messages, entry, logs, spans: spans.map(exported) })
    return events
  }).pipe(Effect.provide([world, Logger.layer([logger])]))
}

describe("a server that repeats what was sent", () => {
  const error = { code: `Bad ${token}`, message: `no: Authorization: Bearer ${token}`, target: token }
  const echoes = [link, signature, decodeURIComponent(signature), `?sig=${signature}`]

  it.effect.each([400, 401, 403, 404, 409, 429, 500, 503])(
    "shows no token where the API repeats it in an error %s",
    (status) =>
      Effect.gen(function* () {
        const events = yield* save(HttpServerResponse.jsonUnsafe({ error }, { status }))
        assert.isAbove(events.length, 0)
      }),
  )

  it.effect.each(echoes.flatMap((echo) => [200, 206, 403, 404, 503, 302].map((status) => ({ echo, status }))))(
    "shows no link where the storage repeats it in its headers and its page ($status: $echo)",
    ({ echo, status }) => {
      const headers = {
        etag: `"${echo}"`,
        "x-ms-error-code": echo,
        "content-md5": echo,
        "content-disposition": `attachment; filename="${echo.replaceAll("/", "%2F")}"`,
        location: echo,
      }
      const gateway = { server: echo, via: echo, location: echo }
      const page = (headers: Record<string, string>) =>
        HttpServerResponse.text(`<html><title>no ${echo}</title>${echo}</html>`, {
          status,
          headers,
          contentType: "text/html",
        })
      return Effect.andThen(save(linkAnswer, page(headers)), save(linkAnswer, page(gateway)))
    },
  )

  it.effect("has no usable ETag where the ETag repeats the link", () =>
    Effect.gen(function* () {
      const events = yield* save(
        linkAnswer,
        HttpServerResponse.uint8Array(utf8("hello"), { headers: { etag: `"${link}"` } }),
      )
      const completed = events.find((event) => event.event === "completed")
      assert.deepInclude(completed, { bytes: 5 })
      assert.notProperty(completed, "etag")
    }),
  )

  it.effect("treats an ETag that is too long for a record as absent", () =>
    Effect.gen(function* () {
      for (const [length, isKept] of [
        [900, true],
        [12_000, false],
      ] as const) {
        const headers = { etag: `"${"x".repeat(length)}"` }
        const events = yield* save(linkAnswer, HttpServerResponse.uint8Array(utf8("hello"), { headers }))
        const completed = events.find((event) => event.event === "completed")
        assert.deepInclude(completed, { bytes: 5 })
        assert.strictEqual(completed !== undefined && "etag" in completed, isKept)
      }
    }),
  )

  it.effect("shows no secret of the app where the sign-in server repeats it", () => {
    const secret = "s3cret~of/the+app"
    const description = `AADSTS7000215: Invalid client secret ${secret} (${encodeURIComponent(secret)}) provided.`
    const { layer } = scripted(
      HttpServerResponse.jsonUnsafe(
        { error: `invalid_client ${secret}`, error_description: description, correlation_id: secret },
        { status: 401 },
      ),
    )
    return Effect.gen(function* () {
      const { token } = yield* ClientCredentials.make({
        tenantId: "contoso",
        clientId: "app",
        clientSecret: Redacted.make(secret),
      })
      const error = yield* Effect.flip(token)
      const seen = error.message + inspect(error, { depth: 9 })
      assert.include(error.message, "AADSTS7000215: Invalid client secret <redacted> (<redacted>) provided")
      assert.notInclude(seen, secret)
      assert.notInclude(seen, encodeURIComponent(secret))
    }).pipe(Effect.scoped, Effect.provide(layer))
  })
})

/** A member of a record that repeats the token: at a path, in one of its forms. */
const echoAt = (path: ReadonlyArray<string>, echo: unknown, value: unknown = record): unknown => {
  const [key, ...rest] = path
  if (key === undefined) return echo
  if (Array.isArray(value)) return value.map((item, n) => (String(n) === key ? echoAt(rest, echo, item) : item))
  return { ...Object(value), [key]: echoAt(rest, echo, Object(value)[key]) }
}

const record = {
  id: exampleRef.machineActionId,
  type: "LiveResponse",
  status: "Succeeded",
  commands: [
    {
      index: 0,
      commandStatus: "Completed",
      errors: ["none"],
      command: { type: "RunScript", params: [{ key: "ScriptName", value: "a.ps1" }] },
    },
  ],
}

const members = [
  ["id"],
  ["type"],
  ["status"],
  ["machineId"],
  ["computerDnsName"],
  ["requestor"],
  ["requestorComment"],
  ["cancellationRequestor"],
  ["cancellationComment"],
  ["creationDateTimeUtc"],
  ["errorHResult"],
  ["commands"],
  ["commands", "0", "commandStatus"],
  ["commands", "0", "errors"],
  ["commands", "0", "errors", "0"],
  ["commands", "0", "command", "type"],
  ["commands", "0", "command", "params", "0", "key"],
  ["commands", "0", "command", "params", "0", "value"],
  ["value"],
]

/** JSON in which each character of a text is an escape. */
const escaped = (json: string, text: string) =>
  json.replaceAll(
    text,
    Array.from(text, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`).join(""),
  )

const session = Session.Session.make({ commands: [Session.RunScript.make({ scriptName: "a.ps1" })], comment: "case" })

describe("a record that repeats the token", () => {
  it.effect.prop(
    "holds none of it for any caller, whichever member has it, and however it is written",
    [
      Arbitrary.schema(Schema.Literals(members.map((path) => path.join(".")))),
      Arbitrary.schema(Schema.Literals(["as it is", "in words", "encoded", "in an object", "as a name", "escaped"])),
      Arbitrary.schema(Schema.String.check(Schema.isPattern(/^[!-~]{12,40}$/))),
    ],
    ([member, form, secret]) => {
      const echo = {
        "as it is": secret,
        "in words": `by ${secret} today`,
        encoded: encodeURIComponent(secret),
        "in an object": { message: secret },
        "as a name": { [secret]: 1 },
        escaped: secret,
      }[form]
      const one = JSON.stringify(echoAt(member.split("."), echo))
      const list = JSON.stringify({ value: [JSON.parse(one)], "@odata.nextLink": `/api/machineactions?a=${secret}` })
      const inner = JSON.stringify(secret).slice(1, -1)
      const written = (json: string) => (form === "escaped" ? escaped(json, inner) : json)
      const answer = (request: HttpClientRequest.HttpClientRequest) =>
        HttpServerResponse.text(written(/machineactions(\?|$)|machines\?/.test(request.url) ? list : one), {
          contentType: "application/json",
        })
      const client = HttpClient.make((request) =>
        Effect.succeed(HttpServerResponse.toClientResponse(answer(request), { request })),
      )
      const { logger, logs } = recording()
      return Effect.gen(function* () {
        const api = yield* DefenderApi.DefenderApi
        const calls: ReadonlyArray<Effect.Effect<unknown, ApiError>> = [
          Stream.runCollect(Stream.take(api.pages(), 1)),
          Stream.runCollect(api.list()),
          api.get(exampleRef.machineActionId),
          api.machinesOf("a"),
          api.run("a", session),
          api.cancel(exampleRef.machineActionId, "case"),
          Effect.asVoid(api.downloadLink(exampleRef)),
        ]
        const exits = yield* inVirtualTime(Effect.forEach(calls, Effect.exit), "2 days")
        const seen = inspect({ exits, logs, text: JSON.stringify(exits) }, { depth: 20, maxStringLength: null })
        for (const part of [secret, encodeURIComponent(secret), inner]) assert.isFalse(seen.includes(part), seen)
      }).pipe(
        Effect.provide([
          layerOver(Layer.succeed(HttpClient.HttpClient, client), {}, Credential.layerToken(Redacted.make(secret))),
          Logger.layer([logger]),
        ]),
      )
    },
    { arbitrary: { runs: 200 }, timeout: 120_000 },
  )

  it.effect("holds none of one that was renewed meanwhile", () => {
    const { layer } = scripted(
      HttpServerResponse.jsonUnsafe({}, { status: 401 }),
      HttpServerResponse.jsonUnsafe({ ...record, computerDnsName: "token-0.contoso.com" }),
    )
    return Effect.gen(function* () {
      const api = yield* DefenderApi.DefenderApi
      const { computerDnsName } = yield* inVirtualTime(api.get(exampleRef.machineActionId))
      assert.strictEqual(computerDnsName, "<redacted>.contoso.com")
    }).pipe(Effect.provide(layerOver(layer)))
  })

  it.effect("gives no link whose host repeats it", () => {
    const { layer } = scripted(HttpServerResponse.jsonUnsafe({ value: "https://token-0.evil.example.net/r?sig=a" }))
    return Effect.gen(function* () {
      const api = yield* DefenderApi.DefenderApi
      const error = yield* inVirtualTime(Effect.flip(api.downloadLink(exampleRef)))
      assert.notInclude(inspect(error, { depth: 9 }) + error.message, "token-0")
    }).pipe(Effect.provide(layerOver(layer)))
  })

  it.effect("is changed in nothing else", () => {
    const text = { ...record, computerDnsName: "ws-1.contoso.com", requestorComment: "C:\\users\\a/b é" }
    const { layer } = scripted(HttpServerResponse.jsonUnsafe(text))
    return Effect.gen(function* () {
      const api = yield* DefenderApi.DefenderApi
      const action = yield* inVirtualTime(api.get(exampleRef.machineActionId))
      assert.deepStrictEqual(action, Result.getOrThrow(MachineAction.fromApi(text)))
    }).pipe(Effect.provide(layerOver(layer)))
  })
})

describe("TerminalText.withoutSecrets", () => {
  it.effect.each([
    { text: "sig=abc%2Fd&sp=r", expected: "sig=<redacted>&sp=r" },
    { text: "SIG%3Dabc", expected: "SIG%3D<redacted>" },
    { text: "Authorization: Bearer abcdefghijklmnopqrstuv", expected: "Authorization: Bearer <redacted>" },
    { text: "token eyJ0eXAiOiJKV1Q.eyJhdWQ.c2ln is old", expected: "token <redacted> is old" },
    { text: "redis://:pass@host:6379", expected: "redis://<redacted>@host:6379" },
    { text: "https://user:pass@host/r", expected: "https://<redacted>@host/r" },
    { text: "Bearer token is missing" },
    { text: "mail analyst@contoso.com" },
    { text: "API calls quota exceeded! You can send requests again in 8 seconds." },
  ])("removes what looks like a secret, and nothing else: $text", ({ expected, text }) =>
    Effect.sync(() => assert.strictEqual(TerminalText.withoutSecrets(text), expected ?? text)),
  )

  it.effect.prop(
    "is one bounded line without the secret, wherever and whatever the secret is",
    [Schema.String, Schema.String, Schema.String],
    ([before, random, after]) =>
      Effect.sync(() => {
        const secret = `${random}4711`
        const text = TerminalText.withoutSecrets(`${before}${secret}${"x".repeat(2000)}${secret}${after}`, [
          Redacted.make(secret),
        ])
        assert.isAtMost(text.length, 1001)
        assert.notMatch(text, /[\r\n\u001b]/)
        assert.isFalse(text.includes("4711"))
      }),
    { arbitrary: { runs: 300 } },
  )
})

describe("a text that is a secret, and nothing else", () => {
  it.each(["pass?word>4711~ÿ", "ab%2Bcd%3D", "%E2%82%AC%E2%82%AC%E2%82%AC%E2%82%AC", 'a"b\\c€', "100% of it"])(
    "is removed in each of its forms: %s",
    (secret) => {
      const decoded = secret.replaceAll(/(?:%[0-9A-F]{2})+/g, (encoded) => decodeURIComponent(encoded))
      for (const text of [secret, decoded]) {
        for (const form of [text, encodeURIComponent(text), JSON.stringify(text).slice(1, -1)]) {
          assert.strictEqual(TerminalText.withoutSecrets(form, [Redacted.make(secret)]), "<redacted>")
        }
      }
    },
  )
})

describe("a secret in base64", () => {
  const password = "pass?word>4711~ÿ"
  const base64 = (text: string) => Base64.encode(text)

  it("is removed with what stands beside it, whatever it is encoded with", () => {
    for (const around of ["", "a", "me:", "user:"]) {
      for (const behind of ["", "1", "22", "\r\nnext"]) {
        const text = base64(`${around}${password}${behind}`)
        const urlSafe = text.replaceAll("+", "-").replaceAll("/", "_")
        for (const form of [text, text.replaceAll("=", ""), urlSafe, encodeURIComponent(text)]) {
          const shown = TerminalText.withoutSecrets(`no: ${form} or ${form}.`, [Redacted.make(password)])
          assert.strictEqual(shown, "no: <redacted> or <redacted>.", `${around}${behind}`)
        }
      }
    }
  })

  it("is not found in other words, and a long text takes no time", () => {
    const text = "the quota of this app is used up, try again in 5 seconds"
    assert.strictEqual(TerminalText.withoutSecrets(text, [Redacted.make("abcd"), Redacted.make(password)]), text)
    const hostile = base64(password.repeat(2000))
    assert.notInclude(TerminalText.withoutSecrets(hostile, [Redacted.make(password)]), hostile.slice(0, 40))
  })
})
