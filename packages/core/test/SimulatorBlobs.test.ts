import { createHash } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import * as Simulator from "@live-response/core/testing/Simulator"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { TestClock } from "effect/testing"
import { patterned } from "./support/bytes.ts"
import { exampleRef } from "./support/refs.ts"
import { type Answer, execute, fetchLink, get, layer, origin } from "./support/simulated.ts"
import * as HttpClientRequest from "effect/http/HttpClientRequest"

const content = patterned(1000)

const base64Md5 = (bytes: Uint8Array) => createHash("md5").update(bytes).digest("base64")

/** Adds the content and returns a link to it. */
const linked = Effect.gen(function* () {
  yield* TestClock.setTime(Date.UTC(2026, 10, 26, 10, 0, 0, 700))
  yield* (yield* Simulator.Simulator).add(exampleRef, { content })
  const { text } = yield* get(
    `${origin}/api/machineactions/${exampleRef.machineActionId}/GetLiveResponseResultDownloadLink(index=${exampleRef.index})`,
  )
  return (yield* Schema.decodeEffect(Schema.fromJsonString(Schema.Struct({ value: Schema.String })))(text)).value
})

const modified = "Thu, 26 Nov 2026 10:00:00 GMT"

const expectRange = ({ bytes, headers, status }: Answer, start: number, end: number) => {
  assert.deepStrictEqual(
    [status, headers["content-range"], headers["content-length"]],
    [206, `bytes ${start}-${end - 1}/1000`, String(end - start)],
  )
  assert.deepStrictEqual(Buffer.from(bytes), Buffer.from(content.subarray(start, end)))
}

describe("Simulator: blobs as Azure has them", () => {
  it.effect("have the headers of a block blob, and an id for each request", () =>
    Effect.gen(function* () {
      const url = yield* linked
      const [first, second] = yield* Effect.all([
        fetchLink(url),
        fetchLink(url, { "x-ms-version": "2025-11-05", "x-ms-client-request-id": "mine" }),
      ])
      assert.deepInclude(first.headers, {
        "accept-ranges": "bytes",
        "content-length": "1000",
        "content-md5": base64Md5(content),
        "content-type": "application/octet-stream",
        "last-modified": modified,
        "x-ms-blob-type": "BlockBlob",
        "x-ms-creation-time": modified,
        "x-ms-lease-state": "available",
        "x-ms-lease-status": "unlocked",
        "x-ms-server-encrypted": "true",
        "x-ms-version": "2019-07-07",
      })
      assert.match(first.headers["x-ms-request-id"] ?? "", /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)
      assert.notStrictEqual(first.headers["x-ms-request-id"], second.headers["x-ms-request-id"])
      assert.deepInclude(second.headers, { "x-ms-version": "2025-11-05", "x-ms-client-request-id": "mine" })
    }).pipe(Effect.provide(layer())),
  )

  it.effect("answer HEAD with the headers of the whole blob, and no body", () =>
    Effect.gen(function* () {
      const { bytes, headers, status } = yield* fetchLink(yield* linked, { range: "bytes=5-" }, "HEAD")
      assert.deepStrictEqual([status, headers["content-length"], headers["content-range"]], [200, "1000", undefined])
      assert.strictEqual(bytes.length, 0)
    }).pipe(Effect.provide(layer())),
  )

  it.effect("are served in ranges, of which x-ms-range goes first", () =>
    Effect.gen(function* () {
      const url = yield* linked
      expectRange(yield* fetchLink(url, { "x-ms-range": "bytes=100-199" }), 100, 200)
      expectRange(yield* fetchLink(url, { "x-ms-range": "bytes=100-199", range: "bytes=0-9" }), 100, 200)
      expectRange(yield* fetchLink(url, { "x-ms-range": "bytes=990-" }), 990, 1000)
      const hashed = yield* fetchLink(url, { "x-ms-range": "bytes=0-9", "x-ms-range-get-content-md5": "true" })
      assert.strictEqual(hashed.headers["content-md5"], base64Md5(content.subarray(0, 10)))
      assert.strictEqual(hashed.headers["x-ms-blob-content-md5"], base64Md5(content))
    }).pipe(Effect.provide(layer())),
  )

  it.effect("are served whole for a Range that Azure can't read, and refuse such an x-ms-range", () =>
    Effect.gen(function* () {
      const url = yield* linked
      for (const range of ["bytes=-5", "bytes=0-1,5-6", "items=0-5", "bytes=a-b"]) {
        assert.strictEqual((yield* fetchLink(url, { range })).status, 200, range)
        const refused = yield* fetchLink(url, { "x-ms-range": range })
        assert.deepStrictEqual([refused.status, refused.headers["x-ms-error-code"]], [400, "InvalidHeaderValue"])
      }
    }).pipe(Effect.provide(layer())),
  )

  it.effect("say how long they are where a range starts past their end", () =>
    Effect.gen(function* () {
      const url = yield* linked
      for (const headers of [{ range: "bytes=1000-" }, { "x-ms-range": "bytes=2000-3000" }]) {
        const answer = yield* fetchLink(url, headers)
        assert.strictEqual(answer.status, 416)
        assert.strictEqual(answer.headers["content-range"], "bytes */1000")
        assert.strictEqual(answer.headers["x-ms-error-code"], "InvalidRange")
      }
    }).pipe(Effect.provide(layer())),
  )

  const before = "Thu, 26 Nov 2026 09:59:59 GMT"
  const tag = "(the tag)"

  it.effect.each<{ readonly headers: Record<string, string>; readonly status: number }>([
    { headers: { "if-match": tag }, status: 200 },
    { headers: { "if-match": "*" }, status: 200 },
    { headers: { "if-match": `"0x1", ${tag}` }, status: 200 },
    { headers: { "if-match": `"0x1"` }, status: 412 },
    { headers: { "if-none-match": tag }, status: 304 },
    { headers: { "if-none-match": "*" }, status: 304 },
    { headers: { "if-none-match": `"0x1"` }, status: 200 },
    { headers: { "if-none-match": `"0x1"`, "if-modified-since": modified }, status: 200 },
    { headers: { "if-modified-since": modified }, status: 304 },
    { headers: { "if-modified-since": before }, status: 200 },
    { headers: { "if-unmodified-since": modified }, status: 200 },
    { headers: { "if-unmodified-since": before }, status: 412 },
    { headers: { "if-unmodified-since": "yesterday" }, status: 200 },
  ])("answer conditions: $headers is $status", ({ headers, status }) =>
    Effect.gen(function* () {
      const url = yield* linked
      const etag = (yield* fetchLink(url)).headers["etag"] ?? ""
      const sent = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, value.replace(tag, etag)]))
      const answer = yield* fetchLink(url, sent)
      assert.strictEqual(answer.status, status)
      if (status !== 200) assert.strictEqual(answer.headers["x-ms-error-code"], "ConditionNotMet")
      if (status === 304) assert.strictEqual(answer.bytes.length, 0)
    }).pipe(Effect.provide(layer())),
  )

  it.effect.each([
    { method: "PUT", status: 403, code: "AuthorizationPermissionMismatch" },
    { method: "DELETE", status: 403, code: "AuthorizationPermissionMismatch" },
    { method: "POST", status: 405, code: "UnsupportedHttpVerb" },
    { method: "PATCH", status: 405, code: "UnsupportedHttpVerb" },
  ] as const)("can only be read: $method is $status", ({ code, method, status }) =>
    Effect.gen(function* () {
      const answer = yield* execute(HttpClientRequest.make(method)(yield* linked))
      assert.deepStrictEqual([answer.status, answer.headers["x-ms-error-code"]], [status, code])
    }).pipe(Effect.provide(layer())),
  )
})
