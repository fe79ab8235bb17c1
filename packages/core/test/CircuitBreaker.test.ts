/** Errors of targets end a batch if every other target would fail as well. No single host can end one. */
import { assert, describe, it } from "@effect/vitest"
import type { BatchEvent } from "@live-response/core/BatchEvent"
import * as Credential from "@live-response/core/Credential"
import * as DefenderApi from "@live-response/core/DefenderApi"
import * as LiveResponse from "@live-response/core/LiveResponse"
import * as Manifest from "@live-response/core/Manifest"
import * as Quota from "@live-response/core/Quota"
import * as QuotaStore from "@live-response/core/QuotaStore"
import * as ResultStore from "@live-response/core/ResultStore"
import * as LiveResponseTest from "@live-response/core/testing/LiveResponseTest"
import * as Simulator from "@live-response/core/testing/Simulator"
import * as Transfer from "@live-response/core/Transfer"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientError from "effect/http/HttpClientError"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import { utf8 } from "./support/bytes.ts"
import { failureOf } from "./support/events.ts"
import { refAt, refsUpTo } from "./support/refs.ts"

const { inVirtualTime } = LiveResponseTest
const token = "a-token-for-tests"

/** A hostile storage. The other results are in the storage of the simulator. */
const hostile = "hostile.blob.core.windows.net"

type Answer = HttpServerResponse.HttpServerResponse | { readonly code: string; readonly message?: string }

interface World {
  /** How the hostile storage answers, or why there is no connection to it. */
  readonly storage?: (() => Answer) | undefined
  /** Which targets have links to it. */
  readonly isVictim: (n: number) => boolean
  /** Replaces the link of a victim. */
  readonly link?: (() => HttpServerResponse.HttpServerResponse) | undefined
  /** The storage of the simulator: how long it takes, and what it does instead of answering. */
  readonly good?: ((nth: number) => Effect.Effect<Answer | undefined>) | undefined
}

const count = 77

const clientOf = ({ good, isVictim, link, storage }: World) => {
  let asked = 0
  const links = linksOf(isVictim)
  return Layer.effect(
    HttpClient.HttpClient,
    Effect.map(Simulator.Simulator, (simulator) =>
      HttpClient.make((request, url) =>
        Effect.gen(function* () {
          const give = (answer: Answer) => {
            if (!("code" in answer)) return Effect.succeed(HttpServerResponse.toClientResponse(answer, { request }))
            const cause = Object.assign(new Error(answer.message ?? `connect ${answer.code}`), { code: answer.code })
            const reason = new HttpClientError.TransportError({ request, cause })
            return Effect.fail(new HttpClientError.HttpClientError({ reason }))
          }
          if (url.hostname === hostile) return yield* give(storage?.() ?? { code: "ECONNREFUSED" })
          const isApi = url.pathname.startsWith("/api/")
          const instead = isApi ? undefined : yield* good?.(asked++) ?? Effect.undefined
          if (instead !== undefined) return yield* give(instead)
          const served = yield* Effect.provideService(
            simulator.handler,
            HttpServerRequest.HttpServerRequest,
            HttpServerRequest.fromClientRequest(request),
          )
          const isLinkOfVictim = isApi && links.some((part) => url.pathname.includes(part))
          if (!isLinkOfVictim) return yield* give(served)
          return yield* give(link?.() ?? HttpServerResponse.jsonUnsafe({ value: `https://${hostile}/r?sig=a` }))
        }),
      ),
    ),
  )
}

/** The calls for the links of victims. */
const linksOf = (isVictim: World["isVictim"]) =>
  refsUpTo(count)
    .filter((_, n) => isVictim(n))
    .map(({ index, machineActionId }) => `${machineActionId}/GetLiveResponseResultDownloadLink(index=${index})`)

const layerOf = (world: World) =>
  LiveResponse.layer.pipe(
    Layer.provideMerge(Transfer.layer),
    Layer.provideMerge(DefenderApi.layer({ base: "http://127.0.0.1" })),
    Layer.provideMerge(
      Layer.mergeAll(
        clientOf(world),
        ResultStore.layerMemory,
        Manifest.layerMemory,
        Credential.layerToken(Redacted.make(token)),
      ),
    ),
    Layer.provideMerge(Quota.layer().pipe(Layer.provide(QuotaStore.layerMemory))),
    Layer.provideMerge(Simulator.layer({ tokens: [token] })),
  )

const run = (world: World, options: LiveResponse.BatchOptions = {}) =>
  Effect.gen(function* () {
    const simulator = yield* Simulator.Simulator
    const refs = refsUpTo(count)
    for (const ref of refs) yield* simulator.add(ref, { content: utf8("hello") })
    const live = yield* LiveResponse.LiveResponse
    const events: Array<BatchEvent> = []
    const exit = yield* live.saveAll(Stream.fromIterable(refs), { giveUpAfter: "2 seconds", ...options }).pipe(
      Stream.runForEach((event) => Effect.sync(() => events.push(event))),
      Effect.exit,
      (effect) => inVirtualTime(effect, "9 days"),
    )
    const summary = events.findLast((event) => event.event === "summary")
    const failed = events.flatMap((event) => (event.event === "failed" ? [event] : []))
    return { exit, summary, failed }
  }).pipe(Effect.provide(layerOf(world)))

describe("a link to a storage that is out of reach", () => {
  it.effect.each([
    { victim: 0, concurrency: 8 },
    { victim: 40, concurrency: 8 },
    { victim: 76, concurrency: 8 },
    { victim: 40, concurrency: 1 },
    { victim: 76, concurrency: 1 },
  ])("fails its own target alone: number $victim, $concurrency at once", ({ concurrency, victim }) =>
    Effect.gen(function* () {
      const { exit, failed, summary } = yield* run({ isVictim: (n) => n === victim }, { concurrency })
      assert.deepStrictEqual(exit, Exit.void)
      assert.deepInclude(summary, { completed: count - 1, failed: 1 })
      assert.deepStrictEqual(
        failed.map(({ index, machineActionId }) => ({ index, machineActionId })),
        [{ ...refAt(victim) }],
      )
      assert.match(failed[0]?.message ?? "", /the storage can't be reached \(connect ECONNREFUSED\)/)
    }),
  )

  it.effect.each([{ code: "ECONNREFUSED" }, { code: "ENOTFOUND" }])(
    "fails its own targets alone, even if they are most of the batch: $code",
    (trouble) =>
      Effect.gen(function* () {
        const { exit, summary } = yield* run({ isVictim: (n) => n % 4 < 3, storage: () => trouble })
        assert.deepStrictEqual(exit, Exit.void)
        assert.deepInclude(summary, { completed: 19, failed: 58 })
      }),
  )

  it.effect("fails its own target alone while the others wait for the API", () =>
    Effect.gen(function* () {
      let links = 0
      const busy = HttpServerResponse.jsonUnsafe({ error: {} }, { status: 429, headers: { "retry-after": "60" } })
      const { exit, summary } = yield* run({
        isVictim: (n) => n <= 8,
        link: () => (links++ === 0 ? HttpServerResponse.jsonUnsafe({ value: `https://${hostile}/r?sig=a` }) : busy),
      })
      assert.deepStrictEqual(exit, Exit.void)
      assert.isAtLeast(summary?.completed ?? 0, count - 9)
    }),
  )

  it.effect.each([{ concurrency: 1 }, { concurrency: 8 }])(
    "ends the batch if all links lead there: $concurrency at once",
    ({ concurrency }) =>
      Effect.gen(function* () {
        const { exit, summary } = yield* run({ isVictim: () => true }, { concurrency })
        assert.deepInclude(yield* failureOf(exit), { _tag: "NetworkDown", failures: 1 })
        assert.deepInclude(summary, { completed: 0, failed: 0, links: concurrency })
      }),
  )

  it.effect.each([{ concurrency: 1 }, { concurrency: 8 }])(
    "ends the batch if it is the only storage, even if it answered before: $concurrency at once",
    ({ concurrency }) =>
      Effect.gen(function* () {
        const { exit, summary } = yield* run(
          { isVictim: () => false, good: (nth) => Effect.succeed(nth < 24 ? undefined : { code: "ECONNREFUSED" }) },
          { concurrency },
        )
        assert.deepInclude(yield* failureOf(exit), { _tag: "NetworkDown" })
        assert.deepInclude(summary, { completed: 24, failed: 0 })
      }),
  )
})

const tunnelRefused = "Proxy response (403) !== 200 when HTTP Tunneling"

/** As a stream, because the length of any other body replaces its header. */
const answerOf = (text: string, status: number, headers: Record<string, string>) =>
  HttpServerResponse.stream(Stream.succeed(utf8(text)), { status, headers: { etag: '"1"', ...headers } })

describe("a storage that answers anything", () => {
  it.effect.each([
    { name: "a length that is too large", storage: () => answerOf("", 200, { "content-length": "9" }) },
    {
      name: "a range where the whole was requested",
      storage: () => answerOf("a", 206, { "content-range": "bytes 4-4/5" }),
    },
    { name: "a gateway's page", storage: () => HttpServerResponse.text("<html>", { contentType: "text/html" }) },
    { name: "links that are refused", storage: () => answerOf("", 403, { "x-ms-error-code": "AuthenticationFailed" }) },
    {
      name: "an account that is disabled",
      storage: () => answerOf("", 403, { "x-ms-error-code": "AccountIsDisabled" }),
    },
    { name: "HTTP 407", storage: () => answerOf("", 407, {}) },
    { name: "a certificate that is not trusted", storage: () => ({ code: "SELF_SIGNED_CERT_IN_CHAIN" }) },
    {
      name: "a proxy that refuses tunnels to it",
      storage: () => ({ code: "UND_ERR_ABORTED", message: tunnelRefused }),
    },
  ])("ends no batch after a completed result: $name", ({ storage }) =>
    Effect.gen(function* () {
      const { exit, summary } = yield* run({ isVictim: (n) => n > 0 && n < 40, storage }, { concurrency: 1 })
      assert.deepStrictEqual(exit, Exit.void)
      assert.deepInclude(summary, { completed: count - 39, failed: 39 })
    }),
  )

  it.effect.each([
    { name: "links that are refused", storage: () => answerOf("", 403, { "x-ms-error-code": "AuthenticationFailed" }) },
    { name: "unknown names", storage: () => ({ code: "ENOTFOUND" }) },
  ])("ends no batch while other results are in progress that succeed: $name", ({ storage }) =>
    Effect.gen(function* () {
      const { exit, summary } = yield* run({
        isVictim: (n) => n > 0 && n < 40,
        storage,
        good: () => Effect.as(Effect.sleep("1 minute"), undefined),
      })
      assert.deepStrictEqual(exit, Exit.void)
      assert.deepInclude(summary, { completed: count - 39, failed: 39 })
    }),
  )

  it.effect("fails its own target alone with a certificate that is not trusted, even if that is the first target", () =>
    Effect.gen(function* () {
      const storage = () => ({ code: "SELF_SIGNED_CERT_IN_CHAIN" })
      const { exit, failed, summary } = yield* run({ isVictim: (n) => n === 0, storage }, { concurrency: 1 })
      assert.deepStrictEqual(exit, Exit.void)
      assert.deepInclude(summary, { completed: count - 1, failed: 1 })
      assert.include(failed[0]?.message, "NODE_EXTRA_CA_CERTS")
    }),
  )

  it.effect("ends the batch if the links of all results in progress are refused", () =>
    Effect.gen(function* () {
      const storage = () => answerOf("", 403, { "x-ms-error-code": "AuthenticationFailed" })
      const { exit, summary } = yield* run({ isVictim: () => true, storage })
      assert.deepInclude(yield* failureOf(exit), { _tag: "StorageRefused" })
      assert.isAtMost(summary?.failed ?? 0, 16)
    }),
  )
})

describe("an API that answers HTTP 407 without a proxy", () => {
  it.effect("fails the targets that it answers with 407, and no others", () =>
    Effect.gen(function* () {
      const { exit, failed, summary } = yield* run(
        { isVictim: (n) => n < 30, link: () => HttpServerResponse.empty({ status: 407 }) },
        { concurrency: 1 },
      )
      assert.deepStrictEqual(exit, Exit.void)
      assert.deepInclude(summary, { completed: count - 30, failed: 30 })
      assert.include(failed[0]?.message, "HTTP 407, without the API's error document")
    }),
  )
})

describe("a token that is refused even after it was renewed", () => {
  const link = () => HttpServerResponse.jsonUnsafe({ error: { code: "Unauthorized" } }, { status: 401 })

  it.effect.each([{ concurrency: 1 }, { concurrency: 8 }])(
    "fails one target alone if others are permitted: $concurrency at once",
    ({ concurrency }) =>
      Effect.gen(function* () {
        const { exit, failed, summary } = yield* run({ isVictim: (n) => n % 20 === 19, link }, { concurrency })
        assert.deepStrictEqual(exit, Exit.void)
        assert.deepInclude(summary, { completed: count - 3, failed: 3 })
        assert.isTrue(failed.every(({ error }) => error._tag === "DefenderError" && error.isDenied))
      }),
  )

  it.effect.each([
    { isVictim: () => true, name: "if none was permitted before", failures: 0, completed: 0 },
    { isVictim: (n: number) => n >= 10, name: "after two targets in a row", failures: 1, completed: 10 },
  ])("ends the batch: $name", ({ completed, failures, isVictim }) =>
    Effect.gen(function* () {
      const { exit, summary } = yield* run({ isVictim, link }, { concurrency: 1 })
      const error = yield* failureOf(exit)
      assert.isTrue(error._tag === "DefenderError" && error.reason._tag === "Unauthorized")
      assert.deepInclude(summary, { completed, failed: failures })
    }),
  )
})
