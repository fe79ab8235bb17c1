/** Blobs in Microsoft's own emulator of its storage, also over a network that breaks. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as AzureObjectStore from "@live-response/core/AzureObjectStore"
import type * as Credential from "@live-response/core/Credential"
import * as ObjectStore from "@live-response/core/ObjectStore"
import * as SpooledResults from "@live-response/core/SpooledResults"
import * as Timing from "@live-response/core/Timing"
import * as NodeHasher from "@live-response/node/NodeHasher"
import * as NodeTransport from "@live-response/node/NodeTransport"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { sharedLayer } from "../../core/test/support/sharedLayer.ts"
import { containerSignature, emptyContainer } from "./support/azurite.ts"
import { type Fault, faultyProxy, type Seen } from "./support/faultyProxy.ts"
import { contentOf, readAll, suite } from "./support/ObjectStoreSuite.ts"
import { suite as resultSuite } from "./support/ResultStoreSuite.ts"
import { patterned, tempDirectory, warningsOf } from "./support/samples.ts"

class Emulator extends Context.Service<Emulator, Effect.Success<typeof emptyContainer>>()(
  "@live-response/node/test/AzureObjectStore.test/Emulator",
) {
  static readonly layer = Layer.effect(Emulator, emptyContainer)
}

const blockSize = 64 * 1024

/** Waits that a test has the time for. */
const fast = Timing.layer({ objectStore: Schedule.upTo(Schedule.spaced("10 millis"), { times: 5 }) })

const storeWith = (options: Partial<AzureObjectStore.Options> = {}) =>
  Layer.unwrap(
    Effect.map(Emulator, ({ account, container, key }) =>
      AzureObjectStore.layer({
        container,
        prefix: "a/b",
        blockSize,
        authorization: { kind: "sharedKey", account, key: Redacted.make(key) },
        ...options,
      }),
    ),
  ).pipe(Layer.provide([NodeTransport.layer, NodeHasher.layer, fast]))

suite("AzureObjectStore.layer", storeWith().pipe(Layer.provide(Emulator.layer)), {
  sizes: [0, 1, 5000, blockSize, blockSize + 1, 1_000_000],
})

const emulator = sharedLayer(Emulator.layer)

let prefixes = 0

resultSuite(
  "SpooledResults.layer over Azure",
  Layer.unwrap(
    Effect.map(tempDirectory, (spool) =>
      SpooledResults.layer({ spool, prefix: `tenants/${prefixes++}` }).pipe(
        Layer.provide([Layer.orDie(storeWith()), NodeServices.layer, NodeHasher.layer]),
      ),
    ),
  ).pipe(Layer.provide(emulator)),
  { replaces: false },
)

/** A store behind a proxy with faults, and what the proxy saw. */
const behind = (
  faultOf: (seen: Seen, nth: number) => Fault | undefined,
  options: Partial<AzureObjectStore.Options> = {},
) =>
  Effect.gen(function* () {
    const { container } = yield* Emulator
    const { origin, pathname } = new URL(container)
    const proxy = yield* faultyProxy(origin, faultOf)
    const context = yield* Layer.build(storeWith({ container: `${proxy.origin}${pathname}`, ...options }))
    return { store: Context.get(context, ObjectStore.ObjectStore), seen: proxy.seen, proxied: proxy.origin }
  })

let names = 0
const newName = () => `faults/${names++}/0.bin`

const isBlock = ({ url }: Seen) => /comp=block(&|$)/.test(url)
const isCommit = ({ url }: Seen) => url.includes("comp=blocklist")

const inAnHour = DateTime.addDuration(DateTime.nowUnsafe(), "1 hour")

const stored = (store: ObjectStore.Service, name: string) =>
  Effect.map(Stream.runCollect(store.read(name)), (chunks) => Buffer.concat(chunks))

describe("AzureObjectStore.layer", () => {
  it.live("sends 21 MB in blocks of 4 MiB, and records SHA-256 and MD5 of the whole", () =>
    Effect.gen(function* () {
      const { seen, store } = yield* behind(() => undefined, { blockSize: undefined })
      const [name, bytes] = [newName(), patterned(21_000_000)]
      const content = contentOf(bytes)
      assert.strictEqual(yield* store.put(name, content), "stored")
      const blocks = seen.filter(isBlock).map((request) => request.bytes.length)
      assert.deepStrictEqual(
        blocks.toSorted((a, b) => b - a),
        [...Array.from({ length: 5 }, () => 4_194_304), 28_480],
      )
      const commit = seen.find(isCommit)
      assert.strictEqual(commit?.headers["if-none-match"], "*")
      assert.strictEqual(commit?.headers["x-ms-meta-sha256"], content.sha256)
      assert.deepStrictEqual(yield* store.info(name), Option.some({ bytes: bytes.length, sha256: content.sha256 }))
      assert.isTrue((yield* stored(store, name)).equals(bytes))
    }).pipe(Effect.scoped, Effect.provide(emulator)),
  )

  it.live.each<{ readonly what: string; readonly fault: Fault }>([
    { what: "throttling", fault: { status: 503, headers: { "x-ms-error-code": "ServerBusy" } } },
    { what: "429", fault: { status: 429 } },
    { what: "an error of the service", fault: { status: 500, headers: { "x-ms-error-code": "InternalError" } } },
    { what: "a connection that breaks", fault: "dropped" },
    { what: "a lost answer", fault: "answerLost" },
    { what: "damaged bytes", fault: "damaged" },
  ])("stores the bytes whole through $what, whichever request it hits, and warns once", ({ fault }) =>
    Effect.gen(function* () {
      for (const size of [5000, 200_000]) {
        const bytes = patterned(size)
        for (const hit of [(_: Seen, nth: number) => nth % 2 === 0, isBlock, isCommit]) {
          let hits = 0
          const { store } = yield* behind((seen, nth) =>
            (fault !== "damaged" || (seen.bytes.length > 1000 && !isCommit(seen))) &&
            hits < 4 &&
            hit(seen, nth) &&
            hits++ >= 0
              ? fault
              : undefined,
          )
          const name = newName()
          const warnings = yield* warningsOf(
            Effect.map(store.put(name, contentOf(bytes)), (outcome) => assert.include(["stored", "same"], outcome)),
          )
          assert.isAtMost(
            warnings.filter((warning) => warning.includes("what needs it waits")).length,
            Math.max(hits, 1),
          )
          assert.isTrue((yield* stored(store, name)).equals(bytes))
        }
      }
    }).pipe(Effect.scoped, Effect.provide(emulator)),
  )

  it.live("reads an object whole over connections that break", () =>
    Effect.gen(function* () {
      const { store } = yield* behind((seen, nth) => (seen.method === "GET" && nth % 3 !== 0 ? "answerCut" : undefined))
      const [name, bytes] = [newName(), patterned(9_000_000)]
      yield* store.put(name, contentOf(bytes))
      assert.isTrue((yield* stored(store, name)).equals(bytes))
    }).pipe(Effect.scoped, Effect.provide(emulator)),
  )

  it.live("gives up when its schedule ends, in one line that names the object and the next step", () =>
    Effect.gen(function* () {
      const { proxied, seen, store } = yield* behind(() => ({
        status: 503,
        headers: { "x-ms-error-code": "ServerBusy", "retry-after": "1" },
      }))
      const error = yield* Effect.flip(store.put("x/0.bin", contentOf(patterned(10))))
      assert.strictEqual(
        error.message,
        `${proxied}/devstoreaccount1/results/a/b/x/0.bin: the object store is busy or in trouble (status 503, ServerBusy); try again later`,
      )
      assert.isTrue(error.isRetryable)
      assert.strictEqual(seen.length, 6)
    }).pipe(Effect.scoped, Effect.provide(emulator)),
  )

  it.live("stores with a signature that permits to create and to read, and shows it in no message", () =>
    Effect.gen(function* () {
      const name = newName()
      // Who may not overwrite is refused where the blob is there, with another status than the condition has.
      for (const { permissions, size } of [
        { permissions: "rc", size: 5000 },
        { permissions: "rcw", size: 5001 },
        { permissions: "rcw", size: 200_000 },
      ]) {
        const path = `${name}.${size}`
        const token = Redacted.make(containerSignature(permissions, inAnHour))
        const use = Effect.gen(function* () {
          const { put } = yield* ObjectStore.ObjectStore
          assert.strictEqual(yield* put(path, contentOf(patterned(size))), "stored")
          assert.strictEqual(yield* put(path, contentOf(patterned(size))), "same")
          assert.strictEqual((yield* Effect.flip(put(path, contentOf(patterned(size, 1))))).reason._tag, "Different")
          assert.strictEqual((yield* readAll(path)).length, size)
        })
        yield* Effect.provide(use, storeWith({ authorization: { kind: "sas", token } }))
      }
      const expired = Redacted.make(containerSignature("rc", DateTime.subtractDuration(inAnHour, "2 hours")))
      const refused = ObjectStore.ObjectStore.use(({ put }) => put(name, contentOf(patterned(10)))).pipe(
        Effect.provide(storeWith({ authorization: { kind: "sas", token: expired } })),
      )
      const { message } = yield* Effect.flip(refused)
      assert.match(
        message,
        /results\/a\/b\/faults\/\d+\/0\.bin: the object store refused the request \(status 403, \w+/,
      )
      assert.notInclude(message, "sig=")
    }).pipe(Effect.provide(emulator)),
  )

  it.live("says that a key is wrong, and that there is no such container", () =>
    Effect.gen(function* () {
      const { account, container, key } = yield* Emulator
      const put = ObjectStore.ObjectStore.use(({ put }) => put("x/0.bin", contentOf(patterned(10))))
      const authorization = { kind: "sharedKey" as const, account, key: Redacted.make(key) }
      const wrong = { ...authorization, key: Redacted.make(Buffer.from("another key").toString("base64")) }
      const refused = yield* Effect.flip(Effect.provide(put, storeWith({ authorization: wrong })))
      assert.match(refused.message, /refused the request \(status 403, AuthorizationFailure/)
      const missing = yield* Effect.flip(Effect.provide(put, storeWith({ container: `${container}2` })))
      assert.match(missing.message, /refused the request \(status 404, ContainerNotFound/)
      const info = ObjectStore.ObjectStore.use(({ info }) => info("x/0.bin"))
      assert.match(
        (yield* Effect.flip(Effect.provide(info, storeWith({ container: `${container}2` })))).message,
        /ContainerNotFound/,
      )
    }).pipe(Effect.provide(emulator)),
  )

  it.live("sends a token, asks for another one after a 401, and shows neither", () =>
    Effect.gen(function* () {
      let issued = 0
      let refusals = 0
      const credential = {
        token: Effect.sync(() => Redacted.make(`token-number-${issued}`)),
        invalidate: () =>
          Effect.sync(() => {
            issued++
          }),
      } satisfies Credential.Service
      const { seen, store } = yield* behind(
        ({ headers }) =>
          headers.authorization === "Bearer token-number-1"
            ? { status: 201 }
            : {
                status: 401,
                headers: { "x-ms-error-code": `Invalid ${headers.authorization}` },
                body: String(refusals++),
              },
        { authorization: { kind: "bearer", credential } },
      )
      assert.strictEqual(yield* store.put("x/0.bin", contentOf(patterned(10))), "stored")
      assert.deepStrictEqual(
        seen.map(({ headers }) => headers.authorization),
        ["Bearer token-number-0", "Bearer token-number-1"],
      )
      issued = 5
      const error = yield* Effect.flip(store.put("x/0.bin", contentOf(patterned(10))))
      assert.strictEqual(error.reason._tag, "Refused")
      assert.notInclude(error.message, "token-number")
      assert.strictEqual(refusals, 3)
    }).pipe(Effect.scoped, Effect.provide(emulator)),
  )

  it.live("reports the page of a gateway as no answer of a store", () =>
    Effect.gen(function* () {
      const { store } = yield* behind(() => ({
        status: 407,
        headers: { "content-type": "text/html" },
        body: "<h1>Sign in</h1>",
      }))
      const { message } = yield* Effect.flip(store.info("x/0.bin"))
      assert.include(message, "an unexpected answer (status 407); check the address of the object store, and the proxy")
    }).pipe(Effect.scoped, Effect.provide(emulator)),
  )
})
