/** Reads of an object whose answer starts, and does not come whole. */
import { assert, describe, it } from "@effect/vitest"
import * as ObjectStore from "@live-response/core/ObjectStore"
import * as S3ObjectStore from "@live-response/core/S3ObjectStore"
import * as Timing from "@live-response/core/Timing"
import { inVirtualTime } from "@live-response/core/testing/LiveResponseTest"
import * as Effect from "effect/Effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { scripted } from "./support/scripted.ts"

const headers = { etag: '"a"', "content-range": "bytes 0-4/5", "content-length": "5" }

const answer = (body: Stream.Stream<Uint8Array>) => HttpServerResponse.stream(body, { status: 206, headers })

const beginning = Stream.make(new TextEncoder().encode("he"))

const whole = answer(Stream.make(new TextEncoder().encode("hello")))

/** A store that gives these answers. */
const storeOf = (
  answers: ReadonlyArray<HttpServerResponse.HttpServerResponse>,
  attempts: number,
  partSize?: number,
) => {
  const { layer, requests } = scripted(...answers)
  const objectStore = Schedule.upTo(Schedule.spaced("1 second"), { times: attempts - 1 })
  const keys = { accessKeyId: "AKIDEXAMPLE", secretAccessKey: Redacted.make("secret") }
  const store = S3ObjectStore.layer({
    bucket: "b",
    region: "eu-west-1",
    keys: { current: Effect.succeed(keys) },
    partSize,
  })
  return { layer: Layer.provide(store, [layer, Timing.layer({ objectStore })]), requests }
}

/** Reads an object from a store that gives these answers. */
const read = (answers: ReadonlyArray<HttpServerResponse.HttpServerResponse>, attempts: number) => {
  const { layer, requests } = storeOf(answers, attempts)
  return ObjectStore.ObjectStore.use(({ read }) => Stream.mkString(Stream.decodeText(read("a/0.bin")))).pipe(
    Effect.provide(layer),
    Effect.map((text) => ({ text, requests: requests.length })),
  )
}

describe("ObjectStore.join", () => {
  it("adds no slash to an empty part", () => {
    const joined = [
      ObjectStore.join("https://store.example/box", ""),
      ObjectStore.join("", "a"),
      ObjectStore.join("a", "b"),
    ]
    assert.deepStrictEqual(joined, ["https://store.example/box", "a", "a/b"])
  })
})

describe("S3ObjectStore.layer: an answer that does not come whole", () => {
  it.effect("is requested again once nothing came for 30 seconds", () =>
    Effect.gen(function* () {
      const stalled = answer(Stream.concat(beginning, Stream.never))
      const result = yield* inVirtualTime(read([stalled, whole], 2), "32 seconds")
      assert.deepStrictEqual(result, { text: "hello", requests: 2 })
    }),
  )

  it.effect("is not reported as a store that does not answer", () =>
    Effect.gen(function* () {
      const error = yield* inVirtualTime(Effect.flip(read([answer(Stream.never)], 1)), "31 seconds")
      assert.deepInclude(error.reason, { _tag: "Unreachable", hasAnswered: true })
      assert.match(
        error.message,
        /a\/0\.bin: its answer did not arrive whole \(nothing came for 30s\); check the network and the proxy$/,
      )
    }),
  )
})

describe("S3ObjectStore.layer: a page in place of the store's answer", () => {
  const content = {
    bytes: 5,
    sha256: "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
    stream: Stream.make(new TextEncoder().encode("hello")),
  }
  /** Several answers are those to an upload of parts, here of one. */
  const put = (...answers: ReadonlyArray<HttpServerResponse.HttpServerResponse>) =>
    ObjectStore.ObjectStore.use(({ put }) => put("a/0.bin", content)).pipe(
      Effect.provide(storeOf(answers, 1, answers.length > 1 ? 4 : undefined).layer),
    )

  it.effect.each(["text/html", "application/octet-stream"])(
    "does not say that an object is stored: %s",
    (contentType) =>
      Effect.gen(function* () {
        const page = HttpServerResponse.text("\n<!DOCTYPE html><title>Sign in</title>", { contentType })
        const error = yield* inVirtualTime(Effect.flip(put(page)))
        assert.include(
          error.message,
          "a/0.bin: an unexpected answer (status 200 with a web page); check the address of the object store, and the proxy",
        )
      }),
  )

  it.effect("does not say so either if it is only text", () =>
    Effect.gen(function* () {
      const error = yield* inVirtualTime(Effect.flip(put(HttpServerResponse.text("Blocked by policy 7"))))
      assert.include(error.message, "a/0.bin: an unexpected answer (status 200); check the address of the object store")
    }),
  )

  it.effect("does not say that an object of parts is stored", () =>
    Effect.gen(function* () {
      const started = HttpServerResponse.text("<UploadId>1</UploadId>")
      const part = HttpServerResponse.empty({ status: 200, headers: { etag: '"1"' } })
      const blocked = HttpServerResponse.text("Blocked by policy 7")
      const aborted = HttpServerResponse.empty({ status: 204 })
      const error = yield* inVirtualTime(Effect.flip(put(started, part, blocked, aborted)))
      assert.include(error.message, "a/0.bin: an unexpected answer (status 200); check the address of the object store")
    }),
  )

  it.effect.each([
    HttpServerResponse.empty({ status: 200 }),
    HttpServerResponse.text("<Stored/>", { headers: { etag: '"5d41402abc4b2a76b9719d911017c592"' } }),
  ])("may be nothing, or anything with an ETag, as stores answer", (answer) =>
    Effect.gen(function* () {
      assert.strictEqual(yield* inVirtualTime(put(answer)), "stored")
    }),
  )
})
