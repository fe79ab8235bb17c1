import { assert, describe, it } from "@effect/vitest"
import * as AccessToken from "@live-response/core/AccessToken"
import type { ResultRef } from "@live-response/core/ResultRef"
import * as Simulator from "@live-response/core/testing/Simulator"
import * as Effect from "effect/Effect"
import * as Base64Url from "effect/encoding/Base64Url"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import { joined, patterned, utf8 } from "./support/bytes.ts"
import { exampleRef, refAt } from "./support/refs.ts"
import { type Answer, errorOf, execute, layer, origin, token } from "./support/simulated.ts"

const content = patterned(1000)

const get = (url: string, headers?: Record<string, string>) =>
  execute(HttpClientRequest.get(url, headers === undefined ? {} : { headers }))

const requestLink = (ref: ResultRef, bearer: string | undefined = token, api = origin) =>
  get(
    `${api}/api/machineactions/${ref.machineActionId}/GetLiveResponseResultDownloadLink(index=${ref.index})`,
    bearer === undefined ? undefined : { authorization: `Bearer ${bearer}` },
  )

const Value = Schema.fromJsonString(Schema.Struct({ "@odata.context": Schema.String, value: Schema.String }))
/** Adds the content and returns a link to it. */
const linked = Effect.fnUntraced(function* (result?: Partial<Simulator.Result>) {
  yield* (yield* Simulator.Simulator).add(exampleRef, { content, ...result })
  const answer = yield* requestLink(exampleRef)
  assert.strictEqual(answer.status, 200)
  return (yield* Schema.decodeEffect(Value)(answer.text)).value
})

describe("Simulator: generated content", () => {
  /** The same bytes, with a record of the ranges that were read. */
  const generated = () => {
    const reads: Array<readonly [start: number, end: number]> = []
    return {
      reads,
      content: {
        length: content.length,
        read: (start: number, end: number) =>
          Stream.suspend(() => {
            reads.push([start, end])
            return Stream.fromIterable([content.slice(start, start + 7), content.slice(start + 7, end)])
          }),
      } satisfies Simulator.GeneratedContent,
    }
  }

  it.effect("is served like bytes: whole, in ranges, with its MD5, and up to a fault", () =>
    Effect.gen(function* () {
      const { content: same, reads } = generated()
      const faults: Partial<Simulator.Result> = {
        blobFaults: [{ fault: "none" }, { fault: "none" }, { fault: "cut", after: 20 }],
      }
      const ask = Effect.fnUntraced(function* (of: Simulator.Result["content"]) {
        const url = yield* linked({ ...faults, content: of })
        const whole = yield* get(url)
        const range = { range: "bytes=100-199", "if-match": whole.headers.etag ?? "" }
        const part = yield* get(url, range)
        const cut = yield* Effect.flip(get(url))
        return {
          bytes: [whole.bytes, part.bytes],
          md5: [whole.headers["content-md5"], part.headers["x-ms-blob-content-md5"]],
          range: part.headers["content-range"],
          cut: cut.reason._tag,
        }
      })
      const expected = yield* ask(content)
      assert.deepStrictEqual(reads, [])
      assert.deepStrictEqual(yield* ask(same), expected)
      assert.strictEqual(expected.md5[0], expected.md5[1])
      // The first read is for the MD5, which is computed once. Content that is cut is read only as far as it is sent.
      assert.deepStrictEqual(reads, [
        [0, 1000],
        [0, 1000],
        [100, 200],
        [0, 20],
      ])
    }).pipe(Effect.provide(layer())),
  )

  it.effect("is not read before it is requested", () =>
    Effect.gen(function* () {
      const { content, reads } = generated()
      yield* linked({ content })
      assert.deepStrictEqual(reads, [])
    }).pipe(Effect.provide(layer())),
  )
})

describe("Simulator: links", () => {
  it.effect("have the shape of Microsoft's links", () =>
    Effect.gen(function* () {
      const url = yield* linked()
      assert.match(
        url,
        /\/investigation-actions-data\/.+\/CustomPlaybookCommandOutput\/[0-9a-f]{32}\?se=1970-01-01T00%3A30%3A00Z&sp=r&sv=2019-07-07&sr=b&sig=[^&/]+\/[^&/]+%3D$/,
      )
    }).pipe(Effect.provide(layer())),
  )

  it.effect("lead to the address that the API was called at", () =>
    Effect.gen(function* () {
      yield* (yield* Simulator.Simulator).add(exampleRef, { content })
      for (const api of ["https://api.security.microsoft.com", "http://127.0.0.1:8080"]) {
        const { text } = yield* requestLink(exampleRef, token, api)
        assert.strictEqual(new URL((yield* Schema.decodeEffect(Value)(text)).value).origin, api)
      }
    }).pipe(Effect.provide(layer())),
  )

  it.effect("are refused without a token, with an empty one and with an unknown one", () =>
    Effect.gen(function* () {
      yield* linked()
      for (const bearer of [undefined, "", "another"]) {
        const answer = yield* bearer === undefined
          ? get(`${origin}/api/machineactions/${exampleRef.machineActionId}/GetLiveResponseResultDownloadLink(index=0)`)
          : requestLink(exampleRef, bearer)
        assert.strictEqual(answer.status, 401)
        assert.strictEqual((yield* errorOf(answer)).code, "Unauthorized")
      }
    }).pipe(Effect.provide(layer())),
  )

  it.effect("are refused for a result or a resource that does not exist", () =>
    Effect.gen(function* () {
      yield* linked()
      for (const ref of [refAt(1), refAt(17)]) {
        const answer = yield* requestLink(ref)
        assert.strictEqual(answer.status, 404)
        assert.strictEqual((yield* errorOf(answer)).code, "ResourceNotFound")
      }
      const other = yield* get(`${origin}/api/alerts`, { authorization: `Bearer ${token}` })
      assert.strictEqual(other.status, 404)
    }).pipe(Effect.provide(layer())),
  )

  it.effect("are throttled over the limit of a minute, and throttled calls count", () =>
    Effect.gen(function* () {
      yield* linked()
      const status = Effect.map(requestLink(exampleRef), ({ status }) => status)
      assert.deepStrictEqual(yield* Effect.all([status, status, status]), [200, 200, 429])
      const refused = yield* requestLink(exampleRef)
      assert.match((yield* errorOf(refused)).message, /Maximum allowed 3 per 00:01:00 .* again in \d+ seconds\.$/)
      assert.match(refused.headers["retry-after"] ?? "", /^\d+$/)
      yield* TestClock.adjust("59 seconds")
      assert.strictEqual(yield* status, 429)
      // The throttled calls of the last minute count, so a client that keeps calling stays throttled.
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* status, 200)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* status, 200)
      assert.strictEqual(yield* status, 429)
    }).pipe(Effect.provide(layer({ perMinute: 3 }))),
  )

  it.effect("are throttled over the limit of any rolling hour", () =>
    Effect.gen(function* () {
      yield* linked()
      for (let call = 1; call < 5; call++) {
        yield* TestClock.adjust("10 minutes")
        assert.strictEqual((yield* requestLink(exampleRef)).status, 200)
      }
      yield* TestClock.adjust("19 minutes")
      const refused = yield* requestLink(exampleRef)
      assert.strictEqual(refused.status, 429)
      assert.match((yield* errorOf(refused)).message, /Maximum allowed 5 per 01:00:00/)
      assert.strictEqual(refused.headers["retry-after"], "60")
    }).pipe(Effect.provide(layer({ perHour: 5 }))),
  )

  it.effect("fail with each fault in turn, once", () =>
    Effect.gen(function* () {
      const simulator = yield* Simulator.Simulator
      yield* simulator.add(exampleRef, {
        content,
        linkFaults: [
          { fault: "throttle", retryAfter: 7 },
          { fault: "throttle" },
          { fault: "status", status: 500 },
          { fault: "status", status: 400, code: "InvalidInput" },
          { fault: "none" },
        ],
      })
      const answers = yield* Effect.all(Array.from({ length: 5 }, () => requestLink(exampleRef)))
      assert.deepStrictEqual(
        answers.map(({ headers, status }) => [status, headers["retry-after"]]),
        [
          [429, "7"],
          [429, undefined],
          [500, undefined],
          [400, undefined],
          [200, undefined],
        ],
      )
      const [, throttled, , refused] = answers
      assert.match(throttled?.text ?? "", /again in 8 seconds/)
      assert.include(refused?.text, "InvalidInput")
    }).pipe(Effect.provide(layer())),
  )
})

describe("Simulator: blobs", () => {
  it.effect("are served whole, with length, ETag and MD5", () =>
    Effect.gen(function* () {
      const answer = yield* get(yield* linked())
      assert.strictEqual(answer.status, 200)
      assert.deepStrictEqual(joined([answer.bytes]), joined([content]))
      assert.strictEqual(answer.headers["content-length"], "1000")
      assert.match(answer.headers.etag ?? "", /^"0x[0-9A-F]+"$/)
      assert.match(answer.headers["content-md5"] ?? "", /^[A-Za-z0-9+/]{22}==$/)
    }).pipe(Effect.provide(layer())),
  )

  it.effect("have no MD5 if the result says so", () =>
    Effect.gen(function* () {
      const url = yield* linked({ md5: false })
      for (const headers of [{}, { range: "bytes=1-" }]) {
        const answer = yield* get(url, headers)
        assert.isUndefined(answer.headers["content-md5"])
        assert.isUndefined(answer.headers["x-ms-blob-content-md5"])
      }
    }).pipe(Effect.provide(layer())),
  )

  it.effect("are served in ranges", () =>
    Effect.gen(function* () {
      const url = yield* linked()
      const whole = yield* get(url)
      for (const [range, start, end] of [
        ["bytes=0-", 0, 999],
        ["bytes=999-", 999, 999],
        ["bytes=100-199", 100, 199],
        ["bytes=900-5000", 900, 999],
      ] as const) {
        const answer = yield* get(url, { range, "if-match": whole.headers.etag ?? "" })
        assert.strictEqual(answer.status, 206)
        assert.strictEqual(answer.headers["content-range"], `bytes ${start}-${end}/1000`)
        assert.strictEqual(answer.headers["content-length"], String(end - start + 1))
        assert.deepStrictEqual(joined([answer.bytes]), joined([content.subarray(start, end + 1)]))
        assert.strictEqual(answer.headers["x-ms-blob-content-md5"], whole.headers["content-md5"])
        assert.isUndefined(answer.headers["content-md5"])
      }
    }).pipe(Effect.provide(layer())),
  )

  it.effect.each([{ range: "bytes=1000-" }, { range: "bytes=5000-" }])(
    "refuse a range at or past their end: $range",
    ({ range }) =>
      Effect.gen(function* () {
        const answer = yield* get(yield* linked(), { range })
        assert.strictEqual(answer.status, 416)
        assert.strictEqual(answer.headers["x-ms-error-code"], "InvalidRange")
      }).pipe(Effect.provide(layer())),
  )

  it.effect("are refused if the ETag differs", () =>
    Effect.gen(function* () {
      const answer = yield* get(yield* linked(), { "if-match": `"0x0"`, range: "bytes=1-" })
      assert.strictEqual(answer.status, 412)
      assert.strictEqual(answer.headers["x-ms-error-code"], "ConditionNotMet")
    }).pipe(Effect.provide(layer())),
  )

  it.effect("are refused to a request with a bearer token", () =>
    Effect.gen(function* () {
      const answer = yield* get(yield* linked(), { authorization: `Bearer ${token}` })
      assert.strictEqual(answer.status, 400)
      assert.strictEqual(answer.headers["x-ms-error-code"], "InvalidAuthenticationInfo")
    }).pipe(Effect.provide(layer())),
  )

  it.effect("are refused once the link has expired, and not before", () =>
    Effect.gen(function* () {
      const url = yield* linked()
      yield* TestClock.adjust("9999 millis")
      assert.strictEqual((yield* get(url)).status, 200)
      yield* TestClock.adjust("1 millis")
      const answer = yield* get(url)
      assert.strictEqual(answer.status, 403)
      assert.strictEqual(answer.headers["x-ms-error-code"], "AuthenticationFailed")
      assert.include(answer.text, "Signature not valid in the specified time frame")
    }).pipe(Effect.provide(layer({ linkLifetime: "10 seconds" }))),
  )

  it.effect.each<{ readonly name: string; readonly forge: (url: string, other: string) => string }>([
    { name: "no signature", forge: (url) => url.replace(/&sig=.*/, "") },
    { name: "another signature", forge: (url) => url.replace(/sig=./, "sig=x") },
    {
      name: "the signature of another result",
      forge: (url, other) => url.replace(/sig=.*/, /sig=.*/.exec(other)?.[0] ?? ""),
    },
    { name: "the path of another result", forge: (url, other) => other.replace(/\?.*/, /\?.*/.exec(url)?.[0] ?? "") },
    { name: "a signature encoded twice", forge: (url) => url.replace("%3D", "%253D") },
  ])("are refused to a forged link: $name", ({ forge }) =>
    Effect.gen(function* () {
      const simulator = yield* Simulator.Simulator
      const url = yield* linked()
      yield* simulator.add(refAt(5), { content: utf8("other") })
      const other = (yield* Schema.decodeEffect(Value)((yield* requestLink(refAt(5))).text)).value
      const forged = forge(url, other)
      assert.notStrictEqual(forged, url)
      assert.notStrictEqual(forged, other)
      assert.strictEqual((yield* get(forged)).status, 403)
      assert.strictEqual((yield* get(url)).status, 200)
    }).pipe(Effect.provide(layer())),
  )

  it.effect("fail with each fault in turn, once", () =>
    Effect.gen(function* () {
      const url = yield* linked({
        blobFaults: [
          { fault: "expire" },
          { fault: "status", status: 503, code: "ServerBusy" },
          { fault: "ignoreRange" },
          { fault: "none" },
        ],
      })
      const range = { range: "bytes=10-" }
      const answers = yield* Effect.all([get(url, range), get(url, range), get(url, range), get(url, range)])
      assert.deepStrictEqual(
        answers.map(({ headers, status }) => [status, headers["x-ms-error-code"]]),
        [
          [403, "AuthenticationFailed"],
          [503, "ServerBusy"],
          [200, undefined],
          [206, undefined],
        ],
      )
    }).pipe(Effect.provide(layer())),
  )

  it.effect("break after the bytes that a fault names", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(get(yield* linked({ blobFaults: [{ fault: "cut", after: 5 }] })))
      assert.strictEqual(error._tag, "HttpClientError")
    }).pipe(Effect.provide(layer())),
  )

  it.effect("appear in the list of calls with their requests", () =>
    Effect.gen(function* () {
      const url = yield* linked()
      yield* TestClock.adjust("5 seconds")
      yield* get(url, { range: "bytes=1-" })
      const calls = yield* (yield* Simulator.Simulator).calls
      assert.deepStrictEqual(
        calls.map(({ at, kind, status }) => [kind, status, at]),
        [
          ["link", 200, 0],
          ["blob", 206, 5000],
        ],
      )
      assert.strictEqual(calls[1]?.headers.range, "bytes=1-")
    }).pipe(Effect.provide(layer())),
  )
})

describe("Simulator: sign-in", () => {
  const app = { clientId: "app", clientSecret: "secret" }
  const signIn = (form: Record<string, string>) =>
    execute(
      HttpClientRequest.bodyUrlParams(HttpClientRequest.post(`${origin}/tenant/oauth2/v2.0/token`), {
        grant_type: "client_credentials",
        scope: "https://api.securitycenter.microsoft.com/.default",
        client_id: "app",
        client_secret: "secret",
        ...form,
      }),
    )
  const Token = Schema.fromJsonString(
    Schema.Struct({ token_type: Schema.String, expires_in: Schema.Int, access_token: Schema.String }),
  )
  const Refusal = Schema.fromJsonString(
    Schema.Struct({ error: Schema.String, error_description: Schema.String, error_codes: Schema.Array(Schema.Int) }),
  )

  it.effect("issues a token that is valid for its lifetime", () =>
    Effect.gen(function* () {
      yield* (yield* Simulator.Simulator).add(exampleRef, { content })
      const answer = yield* Schema.decodeEffect(Token)((yield* signIn({})).text)
      assert.deepInclude(answer, { token_type: "Bearer", expires_in: 600 })
      assert.strictEqual(answer.access_token.split(".").length, 3)
      assert.strictEqual((yield* requestLink(exampleRef, answer.access_token)).status, 200)
      yield* TestClock.adjust("599 seconds")
      assert.strictEqual((yield* requestLink(exampleRef, answer.access_token)).status, 200)
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* requestLink(exampleRef, answer.access_token)).status, 401)
    }).pipe(Effect.provide(layer({ app, tokenLifetime: "10 minutes" }))),
  )

  it.effect("answers version 1 of the endpoint, which names a resource and has text for numbers", () =>
    Effect.gen(function* () {
      const resource = "https://securitycenter.onmicrosoft.com/windowsatpservice"
      const request = (form: Record<string, string>) =>
        execute(
          HttpClientRequest.bodyUrlParams(HttpClientRequest.post(`${origin}/tenant/oauth2/token`), {
            grant_type: "client_credentials",
            client_id: "app",
            client_secret: "secret",
            ...form,
          }),
        )
      const answer = yield* Schema.decodeEffect(
        Schema.fromJsonString(
          Schema.Struct({ expires_in: Schema.Literal("3600"), resource: Schema.String, access_token: Schema.String }),
        ),
      )((yield* request({ resource })).text)
      assert.strictEqual(answer.resource, resource)
      assert.strictEqual((yield* requestLink(exampleRef, answer.access_token)).status, 404)
      assert.strictEqual((yield* request({})).status, 400)
    }).pipe(Effect.provide(layer({ app }))),
  )

  it.effect("issues a token for another API, which this one answers with 403", () =>
    Effect.gen(function* () {
      const { text } = yield* signIn({ scope: "https://graph.microsoft.com/.default" })
      const refused = yield* requestLink(exampleRef, (yield* Schema.decodeEffect(Token)(text)).access_token)
      assert.deepStrictEqual([refused.status, (yield* errorOf(refused)).code], [403, "Forbidden"])
    }).pipe(Effect.provide(layer({ app }))),
  )

  it.effect.each([
    { name: "a wrong secret", form: { client_secret: "guess" }, status: 401, error: "invalid_client", code: 7000215 },
    { name: "an unknown app", form: { client_id: "x" }, status: 400, error: "unauthorized_client", code: 700016 },
    { name: "no scope", form: { scope: "" }, status: 400, error: "invalid_request", code: 900144 },
    { name: "another grant", form: { grant_type: "password" }, status: 400, error: "invalid_request", code: 900144 },
  ])("is refused for $name", ({ code, error, form, status }) =>
    Effect.gen(function* () {
      const answer = yield* signIn(form)
      assert.strictEqual(answer.status, status)
      const refusal = yield* Schema.decodeEffect(Refusal)(answer.text)
      assert.strictEqual(refusal.error, error)
      assert.deepStrictEqual(refusal.error_codes, [code])
      assert.match(refusal.error_description, new RegExp(`^AADSTS${code}: `))
    }).pipe(Effect.provide(layer({ app }))),
  )
})

describe("Simulator: sign-in with other credentials", () => {
  const token = (form: Record<string, string>) =>
    execute(
      HttpClientRequest.bodyUrlParams(HttpClientRequest.post(`${origin}/tenant/oauth2/v2.0/token`), {
        scope: "https://api.securitycenter.microsoft.com/.default",
        client_id: "app",
        ...form,
      }),
    )
  const Refusal = Schema.fromJsonString(Schema.Struct({ error: Schema.String, error_codes: Schema.Array(Schema.Int) }))
  const refusalOf = ({ status, text }: Answer) =>
    Effect.map(Schema.decodeEffect(Refusal)(text), ({ error, error_codes }) => [status, error, ...error_codes])
  const asApp = { grant_type: "client_credentials" }
  const asserted = (assertion: string) => ({
    ...asApp,
    client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    client_assertion: assertion,
  })

  it.effect.each<{
    readonly name: string
    readonly app?: Partial<Simulator.App>
    readonly form: Record<string, string>
    readonly refusal: ReadonlyArray<string | number>
  }>([
    {
      name: "an unknown tenant",
      app: { tenantId: "another" },
      form: { ...asApp, client_secret: "secret" },
      refusal: [400, "invalid_request", 90002],
    },
    {
      name: "a secret that has expired",
      app: { secretExpired: true },
      form: { ...asApp, client_secret: "secret" },
      refusal: [401, "invalid_client", 7000222],
    },
    { name: "no credential", form: asApp, refusal: [401, "invalid_client", 7000218] },
    {
      name: "a federated token that is not trusted",
      app: { federatedToken: "of-the-cluster" },
      form: asserted("of-another"),
      refusal: [401, "invalid_client", 700213],
    },
    {
      name: "an assertion that no certificate has signed",
      form: asserted("e30.e30.c2ln"),
      refusal: [401, "invalid_client", 700027],
    },
    {
      name: "an unknown refresh token",
      form: { grant_type: "refresh_token", refresh_token: "guess" },
      refusal: [400, "invalid_grant", 700082],
    },
  ])("is refused for $name", ({ app, form, refusal }) =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* refusalOf(yield* token(form)), refusal)
    }).pipe(Effect.provide(layer({ app: { clientId: "app", clientSecret: "secret", ...app } }))),
  )

  const Configuration = Schema.fromJsonString(Schema.Struct({ token_endpoint: Schema.String }))

  it.effect("verifies the assertion of a certificate", () =>
    Effect.gen(function* () {
      const algorithm = { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256", modulusLength: 2048 }
      const { privateKey, publicKey } = yield* Effect.promise(() =>
        crypto.subtle.generateKey({ ...algorithm, publicExponent: new Uint8Array([1, 0, 1]) }, true, [
          "sign",
          "verify",
        ]),
      )
      const certificateKey = new Uint8Array(yield* Effect.promise(() => crypto.subtle.exportKey("spki", publicKey)))
      const head = { alg: "RS256", typ: "JWT", x5t: "thumbprint" }
      const claims = { aud: "", iss: "app", sub: "app", exp: 600 }
      const assertion = Effect.fnUntraced(function* (head: object, claims: object) {
        const signed = [head, claims].map((part) => Base64Url.encode(JSON.stringify(part))).join(".")
        const signature = yield* Effect.promise(() =>
          crypto.subtle.sign(algorithm.name, privateKey, new TextEncoder().encode(signed)),
        )
        return `${signed}.${Base64Url.encode(new Uint8Array(signature))}`
      })
      const status = (assertion: string) => Effect.map(token(asserted(assertion)), ({ status }) => status)
      yield* Effect.gen(function* () {
        const { text } = yield* get(`${origin}/tenant/v2.0/.well-known/openid-configuration`)
        const { token_endpoint: aud } = yield* Schema.decodeEffect(Configuration)(text)
        const good = yield* assertion(head, { ...claims, aud })
        assert.strictEqual(yield* status(good), 200)
        for (const bad of [
          yield* assertion(head, { ...claims, aud: aud.replace("tenant", "another") }),
          yield* assertion(head, { ...claims, aud, iss: "another" }),
          yield* assertion({ alg: "RS256" }, { ...claims, aud }),
          yield* assertion({ ...head, alg: "none" }, { ...claims, aud }),
          good.replace(/[^.]+$/, (signature) => (signature.startsWith("A") ? "B" : "A") + signature.slice(1)),
          good.replace(/\.[^.]+$/, ""),
        ]) {
          assert.strictEqual(yield* status(bad), 401, bad)
        }
        yield* TestClock.adjust("10 minutes")
        assert.strictEqual(yield* status(good), 401)
      }).pipe(Effect.provide(layer({ app: { clientId: "app", certificateKey } })))
    }),
  )

  const Code = Schema.fromJsonString(
    Schema.Struct({ device_code: Schema.String, interval: Schema.Int, expires_in: Schema.Int, message: Schema.String }),
  )
  const UserToken = Schema.fromJsonString(
    Schema.Struct({ access_token: Schema.String, refresh_token: Schema.String, id_token: Schema.String }),
  )
  const requestCode = Effect.gen(function* () {
    const request = HttpClientRequest.post(`${origin}/tenant/oauth2/v2.0/devicecode`)
    const { text } = yield* execute(HttpClientRequest.bodyUrlParams(request, { client_id: "app", scope: "x" }))
    return yield* Schema.decodeEffect(Code)(text)
  })
  const poll = (device_code: string) =>
    token({ grant_type: "urn:ietf:params:oauth:grant-type:device_code", device_code })
  const errorOfPoll = (code: string) => Effect.map(Effect.flatMap(poll(code), refusalOf), ([, error]) => error)

  it.effect("issues a token for a device code if polls keep the interval, and renews it once", () =>
    Effect.gen(function* () {
      const { device_code, interval } = yield* requestCode
      assert.strictEqual(yield* errorOfPoll(device_code), "authorization_pending")
      assert.strictEqual(yield* errorOfPoll(device_code), "slow_down")
      yield* TestClock.adjust(`${interval} seconds`)
      assert.strictEqual(yield* errorOfPoll(device_code), "slow_down")
      yield* TestClock.adjust(`${interval + 10} seconds`)
      const answer = yield* Schema.decodeEffect(UserToken)((yield* poll(device_code)).text)
      const claims = AccessToken.claims(Redacted.make(answer.access_token))
      assert.deepInclude(Option.getOrUndefined(claims), { scp: "Machine.LiveResponse", upn: "analyst@contoso.com" })
      assert.strictEqual(yield* errorOfPoll(device_code), "expired_token")
      const renew = token({ grant_type: "refresh_token", refresh_token: answer.refresh_token })
      assert.notStrictEqual(
        (yield* Schema.decodeEffect(UserToken)((yield* renew).text)).access_token,
        answer.access_token,
      )
      assert.strictEqual((yield* renew).status, 400)
    }).pipe(Effect.provide(layer({ deviceUser: { pendingPolls: 3 }, scopes: ["Machine.LiveResponse"] }))),
  )

  it.effect("rejects a device code that has expired, and one that the user declines", () =>
    Effect.gen(function* () {
      const { device_code, expires_in } = yield* requestCode
      yield* TestClock.adjust(`${expires_in} seconds`)
      assert.strictEqual(yield* errorOfPoll(device_code), "expired_token")
      assert.strictEqual(yield* errorOfPoll((yield* requestCode).device_code), "authorization_declined")
    }).pipe(Effect.provide(layer({ deviceUser: { declines: true } }))),
  )

  it.effect("fails with each fault in turn, once", () =>
    Effect.gen(function* () {
      const answers = yield* Effect.all(Array.from({ length: 5 }, () => token({ ...asApp, client_secret: "any" })))
      assert.deepStrictEqual(
        answers.map(({ headers, status }) => [status, headers["content-type"], headers["retry-after"]]),
        [
          [503, "text/html", undefined],
          [503, "application/json", undefined],
          [429, "application/json", "7"],
          [200, "application/json", undefined],
          [200, "application/json", undefined],
        ],
      )
      assert.include(answers[1]?.text, `"temporarily_unavailable"`)
    }).pipe(
      Effect.provide(
        layer({
          tokenFaults: [
            { fault: "status", status: 503 },
            { fault: "status", status: 503, code: "temporarily_unavailable" },
            { fault: "throttle", retryAfter: 7 },
            { fault: "none" },
          ],
        }),
      ),
    ),
  )
})
