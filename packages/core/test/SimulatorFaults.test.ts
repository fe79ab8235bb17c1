import { assert, describe, it } from "@effect/vitest"
import * as Simulator from "@live-response/core/testing/Simulator"
import * as Effect from "effect/Effect"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Schema from "effect/Schema"
import { utf8 } from "./support/bytes.ts"
import { exampleRef } from "./support/refs.ts"
import { type Answer, errorOf, execute, fetchLink, get, layer, origin } from "./support/simulated.ts"

const faultsUrl = `${origin}/simulator/faults`

/** Requests of a program in another process. They have no token. */
const control = (url: string, body: unknown) =>
  execute(HttpClientRequest.bodyJsonUnsafe(HttpClientRequest.post(url), body))

const addFaults = (on: string, ...faults: ReadonlyArray<object>) => control(faultsUrl, { on, faults })

const clear = execute(HttpClientRequest.delete(faultsUrl))

const statusOf = ({ status }: Answer) => status

const list = get(`${origin}/api/machineactions`)

const requestLink = get(
  `${origin}/api/machineactions/${exampleRef.machineActionId}/GetLiveResponseResultDownloadLink(index=${exampleRef.index})`,
)

const Value = Schema.fromJsonString(Schema.Struct({ value: Schema.String }))

const linked = Effect.gen(function* () {
  yield* (yield* Simulator.Simulator).add(exampleRef, { content: utf8("0123456789") })
  return (yield* Schema.decodeEffect(Value)((yield* requestLink).text)).value
})

describe("Simulator: faults on demand", () => {
  it.effect("happen to the next requests of their kind, in order and once", () =>
    Effect.gen(function* () {
      yield* addFaults("list", { fault: "throttle", retryAfter: 7 }, { fault: "none" })
      yield* addFaults("list", { fault: "status", status: 503, code: "ServiceUnavailable" }, { fault: "lost" })
      assert.strictEqual((yield* get(`${origin}/api/machines`)).status, 404)
      const answers = yield* Effect.all([list, list, list, list, list])
      assert.deepStrictEqual(answers.map(statusOf), [429, 200, 503, 504, 200])
      assert.strictEqual(answers[0]?.headers["retry-after"], "7")
      assert.include(answers[2]?.text, "ServiceUnavailable")
    }).pipe(Effect.provide(layer())),
  )

  it.effect("name the limit that the call has", () =>
    Effect.gen(function* () {
      yield* (yield* Simulator.Simulator).add(exampleRef, { content: utf8("a"), linkFaults: [{ fault: "throttle" }] })
      const packageLink = get(`${origin}/api/machineactions/${exampleRef.machineActionId}/getPackageUri`)
      yield* addFaults("packageLink", { fault: "throttle" })
      yield* addFaults("list", { fault: "throttle" })
      const answers = yield* Effect.all([requestLink, packageLink, list])
      const messages = (yield* Effect.forEach(answers, errorOf)).map(({ message }) => message)
      for (const [n, limit] of [70, 2, 100].entries())
        assert.include(messages[n], `Maximum allowed ${limit} per 00:01:00`)
    }).pipe(Effect.provide(layer({ perMinute: 70 }))),
  )

  it.effect("break the body of an answer", () =>
    Effect.gen(function* () {
      yield* addFaults("list", { fault: "cut", after: 5 })
      const error = yield* Effect.flip(list)
      assert.strictEqual(error._tag, "HttpClientError")
      assert.strictEqual((yield* list).status, 200)
    }).pipe(Effect.provide(layer())),
  )

  it.effect("expire a link, cut a result and ignore a range", () =>
    Effect.gen(function* () {
      const url = yield* linked
      yield* addFaults("blob", { fault: "expire" }, { fault: "cut", after: 3 }, { fault: "ignoreRange" })
      assert.strictEqual((yield* fetchLink(url)).headers["x-ms-error-code"], "AuthenticationFailed")
      yield* Effect.flip(fetchLink(url))
      assert.strictEqual((yield* fetchLink(url, { range: "bytes=5-" })).text, "0123456789")
      assert.strictEqual((yield* fetchLink(url, { range: "bytes=5-" })).text, "56789")
    }).pipe(Effect.provide(layer())),
  )

  it.effect("fail a sign-in", () =>
    Effect.gen(function* () {
      yield* addFaults("token", { fault: "status", status: 503 })
      const token = execute(
        HttpClientRequest.bodyUrlParams(HttpClientRequest.post(`${origin}/tenant/oauth2/v2.0/token`), {
          grant_type: "client_credentials",
          scope: "https://api.securitycenter.microsoft.com/.default",
        }),
      )
      assert.deepStrictEqual((yield* Effect.all([token, token])).map(statusOf), [503, 200])
    }).pipe(Effect.provide(layer())),
  )

  it.effect("are an outage, which only the control routes survive", () =>
    Effect.gen(function* () {
      yield* control(`${origin}/simulator/outage`, { isOut: true })
      assert.strictEqual((yield* list).status, 503)
      assert.include((yield* execute(HttpClientRequest.get(faultsUrl))).text, `"isOut":true`)
      yield* control(`${origin}/simulator/outage`, { isOut: false })
      assert.strictEqual((yield* list).status, 200)
    }).pipe(Effect.provide(layer())),
  )

  it.effect("are listed until they happen, and can be removed", () =>
    Effect.gen(function* () {
      const added = yield* addFaults("list", { fault: "lost" }, { fault: "lost" })
      assert.strictEqual(added.text, `{"isOut":false,"faults":{"list":[{"fault":"lost"},{"fault":"lost"}]}}`)
      yield* list
      assert.include((yield* execute(HttpClientRequest.get(faultsUrl))).text, `"list":[{"fault":"lost"}]`)
      assert.strictEqual((yield* clear).text, `{"isOut":false,"faults":{}}`)
      assert.strictEqual((yield* list).status, 200)
    }).pipe(Effect.provide(layer())),
  )

  it.effect.each<{ readonly says: string; readonly body: unknown }>([
    { says: "on: expected one of link, list, action, ", body: { on: "lists", faults: [{ fault: "lost" }] } },
    { says: "on: expected one of link, list, action, ", body: { faults: [] } },
    { says: "faults: Missing key", body: { on: "list" } },
    {
      says: "faults[0].fault: expected one of throttle, status, cut, stall, lost, none",
      body: { on: "list", faults: [{ fault: "explode" }] },
    },
    { says: "faults[0].fault: expected one of throttle, ", body: { on: "list", faults: [{ fault: "expire" }] } },
    {
      says: "faults[1].fault: expected one of status, expire, cut, stall, ignoreRange, none",
      body: { on: "blob", faults: [{ fault: "none" }, { fault: "lost" }] },
    },
    {
      says: "faults[0].status: Expected a value between 400 and 599",
      body: { on: "list", faults: [{ fault: "status", status: 200 }] },
    },
    {
      says: "faults[0].after: Expected a value between 0 and ",
      body: { on: "blob", faults: [{ fault: "cut", after: -1 }] },
    },
    { says: "faults[0].after: Missing key", body: { on: "blob", faults: [{ fault: "cut" }] } },
    {
      says: "faults[0].retry: Expected no excess property",
      body: { on: "list", faults: [{ fault: "throttle", retry: 1 }] },
    },
    { says: "times: Expected no excess property", body: { on: "list", faults: [], times: 2 } },
    {
      says: "faults: Expected a value with a length of at most 1000",
      body: { on: "list", faults: Array.from({ length: 1001 }, () => ({ fault: "lost" })) },
    },
    { says: "Expected object", body: [] },
  ])("are refused, and none is added: $says", ({ body, says }) =>
    Effect.gen(function* () {
      const answer = yield* control(faultsUrl, body)
      assert.strictEqual(answer.status, 400)
      const { code, message } = yield* errorOf(answer)
      assert.strictEqual(code, "InvalidRequestBody")
      assert.isTrue(message.startsWith(says), message)
      assert.include(message, 'An example is {"on": "blob", "faults": [{"fault": "cut", "after": 1000}]}.')
      assert.strictEqual((yield* clear).text, `{"isOut":false,"faults":{}}`)
      assert.deepStrictEqual((yield* Effect.all([list, list])).map(statusOf), [200, 200])
    }).pipe(Effect.provide(layer())),
  )

  it.effect("are refused in another type than JSON, which a page in a browser could send", () =>
    Effect.gen(function* () {
      const request = HttpClientRequest.bodyText(HttpClientRequest.post(faultsUrl), `{"on":"list","faults":[]}`)
      assert.strictEqual((yield* execute(request)).status, 415)
      assert.strictEqual((yield* execute(HttpClientRequest.put(faultsUrl))).status, 405)
    }).pipe(Effect.provide(layer())),
  )
})
