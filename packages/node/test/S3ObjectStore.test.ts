/** Objects in a strict simulator of S3, also over a network that breaks. */
import { assert, describe, it } from "@effect/vitest"
import { CredentialError, Missing } from "@live-response/core/CredentialError"
import * as ObjectStore from "@live-response/core/ObjectStore"
import * as S3ObjectStore from "@live-response/core/S3ObjectStore"
import * as Timing from "@live-response/core/Timing"
import * as NodeHasher from "@live-response/node/NodeHasher"
import * as NodeTransport from "@live-response/node/NodeTransport"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { sharedLayer } from "../../core/test/support/sharedLayer.ts"
import { type Fault, faultyProxy, type Seen } from "./support/faultyProxy.ts"
import { contentOf, suite } from "./support/ObjectStoreSuite.ts"
import { bucket, keys, region, serveS3, smallestPart } from "./support/s3Simulator.ts"
import { patterned, utf8 } from "./support/samples.ts"

/** In bytes. Amazon's smallest part is eighty times as long, and as many uploads of several such parts take half a minute. */
const partSize = 64 * 1024

/** In bytes: a content of three parts. */
const large = 2 * partSize + 20_000

class Simulator extends Context.Service<Simulator, Effect.Success<ReturnType<typeof serveS3>>>()(
  "@live-response/node/test/S3ObjectStore.test/Simulator",
) {
  static readonly layer = Layer.effect(Simulator, serveS3(partSize))
}

const fast = Timing.layer({ objectStore: Schedule.upTo(Schedule.spaced("10 millis"), { times: 5 }) })

const source: S3ObjectStore.KeySource = {
  current: Effect.succeed({ ...keys, secretAccessKey: Redacted.make(keys.secretAccessKey) }),
}

const storeWith = (options: Partial<S3ObjectStore.Options> = {}) =>
  Layer.unwrap(
    Effect.map(Simulator, ({ endpoint }) =>
      S3ObjectStore.layer({ bucket, region, endpoint, keys: source, prefix: "a/b", partSize, ...options }),
    ),
  ).pipe(Layer.provide([NodeTransport.layer, NodeHasher.layer, fast]))

suite("S3ObjectStore.layer", storeWith().pipe(Layer.provide(Simulator.layer)), {
  sizes: [0, 1, 5000, partSize, large],
})

const simulator = sharedLayer(Simulator.layer)

/** A store behind a proxy with faults, and what the proxy saw. */
const behind = (
  faultOf: (seen: Seen, nth: number) => Fault | undefined,
  options: Partial<S3ObjectStore.Options> = {},
) =>
  Effect.gen(function* () {
    const { endpoint, s3 } = yield* Simulator
    const proxy = yield* faultyProxy(options.endpoint ?? endpoint, faultOf)
    const context = yield* Layer.build(storeWith({ ...options, endpoint: proxy.origin }))
    return { store: Context.get(context, ObjectStore.ObjectStore), seen: proxy.seen, s3, proxied: proxy.origin }
  })

let names = 0
const newName = () => `faults/${names++}/0.bin`

const isPart = ({ url }: Seen) => url.includes("partNumber=")
const isBegin = ({ url }: Seen) => /\?uploads=?$/.test(url)
const isComplete = ({ method, url }: Seen) => method === "POST" && url.includes("uploadId=")

const stored = (store: ObjectStore.Service, name: string) =>
  Effect.map(Stream.runCollect(store.read(name)), (chunks) => Buffer.concat(chunks))

const errorDocument = (code: string) => `<?xml version="1.0"?><Error><Code>${code}</Code><Message>no</Message></Error>`

describe("S3ObjectStore.layer", () => {
  it.live.each<{ readonly what: string; readonly fault: Fault }>([
    { what: "throttling", fault: { status: 503, body: errorDocument("SlowDown") } },
    { what: "an error of the service", fault: { status: 500, body: errorDocument("InternalError") } },
    { what: "a connection that breaks", fault: "dropped" },
    { what: "a lost answer", fault: "answerLost" },
    { what: "damaged bytes", fault: "damaged" },
    { what: "an upload that met another one", fault: { status: 409, body: errorDocument("OperationAborted") } },
  ])("stores the bytes whole through $what, whichever request it hits, and leaves no upload", ({ fault }) =>
    Effect.gen(function* () {
      const isOther = (_: Seen, nth: number) => nth % 2 === 0
      for (const { hits: kinds, size } of [
        { size: 5000, hits: [isOther] },
        { size: large, hits: [isOther, isPart, isBegin, isComplete] },
      ]) {
        const bytes = patterned(size)
        for (const hit of kinds) {
          let hits = 0
          const { s3, store } = yield* behind((seen, nth) =>
            (fault !== "damaged" || seen.bytes.length > 1000) &&
            seen.method !== "HEAD" &&
            hits < 3 &&
            hit(seen, nth) &&
            hits++ >= 0
              ? fault
              : undefined,
          )
          s3.uploads.clear()
          const name = newName()
          assert.include(["stored", "same"], yield* store.put(name, contentOf(bytes)))
          assert.isTrue((yield* stored(store, name)).equals(bytes))
          // An upload whose id never arrived is what the rule of the bucket removes.
          const lost = fault === "answerLost" ? hits : 0
          assert.isAtMost(s3.uploads.size, lost)
        }
      }
    }).pipe(Effect.scoped, Effect.provide(simulator)),
  )

  it.live("uploads parts of 5 MiB, the smallest that Amazon accepts, and reads them, over connections that break", () =>
    Effect.gen(function* () {
      const { endpoint } = yield* serveS3()
      const { seen, store } = yield* behind((_, nth) => (nth % 2 === 0 ? "dropped" : undefined), {
        endpoint,
        partSize: smallestPart,
      })
      const [name, bytes] = [newName(), patterned(11_000_000)]
      assert.strictEqual(yield* store.put(name, contentOf(bytes)), "stored")
      assert.isTrue((yield* stored(store, name)).equals(bytes))
      const parts = new Map(seen.filter(isPart).map(({ bytes, url }) => [url, bytes.length]))
      assert.deepStrictEqual([...parts.values()].toSorted(), [514_240, smallestPart, smallestPart])
    }).pipe(Effect.scoped, Effect.provide(simulator)),
  )

  it.live("understands an error in the body of a 200, and starts over where the parts are gone", () =>
    Effect.gen(function* () {
      const faults: Array<Fault> = [
        { status: 200, body: errorDocument("InternalError") },
        { status: 404, body: errorDocument("NoSuchUpload") },
        { status: 409, body: errorDocument("ConditionalRequestConflict") },
      ]
      const { seen, store } = yield* behind((seen) => (isComplete(seen) ? faults.shift() : undefined))
      const [name, bytes] = [newName(), patterned(large)]
      assert.strictEqual(yield* store.put(name, contentOf(bytes)), "stored")
      assert.strictEqual(seen.filter(isBegin).length, 3)
      assert.isTrue((yield* stored(store, name)).equals(bytes))
    }).pipe(Effect.scoped, Effect.provide(simulator)),
  )

  it.live("removes the parts of an upload that is interrupted, or whose content changed", () =>
    Effect.gen(function* () {
      const { s3, store } = yield* behind(() => undefined)
      s3.uploads.clear()
      const isRead = yield* Deferred.make<void>()
      const content = contentOf(patterned(large))
      const endless = Stream.concat(
        content.stream,
        Stream.unwrap(Effect.as(Deferred.succeed(isRead, undefined), Stream.never)),
      )
      const fiber = yield* Effect.forkChild(store.put(newName(), { ...content, stream: endless }))
      yield* Deferred.await(isRead)
      assert.strictEqual(s3.uploads.size, 1)
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(s3.uploads.size, 0)
      const error = yield* Effect.flip(store.put(newName(), { ...content, sha256: contentOf(utf8("another")).sha256 }))
      assert.strictEqual(error.reason._tag, "Changed")
      assert.strictEqual(s3.uploads.size, 0)
    }).pipe(Effect.scoped, Effect.provide(simulator)),
  )

  it.live("uses new keys after the service calls them expired, and sends a session token", () =>
    Effect.gen(function* () {
      let session = 0
      const { seen, store } = yield* behind(
        ({ headers }) =>
          headers["x-amz-security-token"] === "session-token-0"
            ? { status: 400, body: errorDocument("ExpiredToken") }
            : undefined,
        {
          keys: {
            current: Effect.map(source.current, (keys) => ({
              ...keys,
              sessionToken: Redacted.make(`session-token-${session}`),
            })),
            invalidate: Effect.sync(() => {
              session++
            }),
          },
        },
      )
      const name = newName()
      assert.strictEqual(yield* store.put(name, contentOf(utf8("a"))), "stored")
      assert.deepStrictEqual(
        seen.map(({ headers }) => headers["x-amz-security-token"]),
        ["session-token-0", "session-token-1"],
      )
    }).pipe(Effect.scoped, Effect.provide(simulator)),
  )

  it.live("says what is wrong: keys, bucket, region, no credential; and shows no secret", () =>
    Effect.gen(function* () {
      const put = ObjectStore.ObjectStore.use(({ put }) => put("x/0.bin", contentOf(utf8("a"))))
      const secret = Redacted.make("another-secret-key")
      const none = new CredentialError({ reason: new Missing({ description: "set AWS_ACCESS_KEY_ID" }) })
      const cases: ReadonlyArray<readonly [Partial<S3ObjectStore.Options>, RegExp]> = [
        [
          { keys: { current: Effect.succeed({ ...keys, secretAccessKey: secret }) } },
          /\(status 403, SignatureDoesNotMatch: it says "no"\); check its address/,
        ],
        [
          { keys: { current: Effect.succeed({ accessKeyId: "AKIDOTHER", secretAccessKey: secret }) } },
          /InvalidAccessKeyId/,
        ],
        [{ bucket: "another" }, /status 404, NoSuchBucket/],
        [{ region: "us-east-1" }, /AuthorizationHeaderMalformed/],
        [{ keys: { current: Effect.fail(none) } }, /a\/b\/x\/0\.bin: no credential; set AWS_ACCESS_KEY_ID$/],
      ]
      for (const [options, message] of cases) {
        const error = yield* Effect.flip(Effect.provide(put, storeWith(options)))
        assert.match(error.message, message)
        assert.notInclude(error.message, "another-secret-key")
      }
    }).pipe(Effect.provide(simulator)),
  )

  it.live("finds an object that other programs stored, and compares it by its bytes", () =>
    Effect.gen(function* () {
      const { s3, store } = yield* behind(() => undefined)
      const [name, bytes] = [newName(), patterned(9_000_000)]
      s3.objects.set(`a/b/${name}`, { bytes: Buffer.from(bytes), etag: `"1"`, metadata: {} })
      assert.deepStrictEqual(yield* store.info(name), Option.some({ bytes: bytes.length }))
      assert.strictEqual(yield* store.put(name, contentOf(bytes)), "same")
      assert.strictEqual(
        (yield* Effect.flip(store.put(name, contentOf(patterned(9_000_000, 1))))).reason._tag,
        "Different",
      )
    }).pipe(Effect.scoped, Effect.provide(simulator)),
  )
})
