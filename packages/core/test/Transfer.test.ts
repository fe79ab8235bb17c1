import { assert, describe, it } from "@effect/vitest"
import type { ResultEvent } from "@live-response/core/ResultEvent"
import type { ResultChunk, ResumePoint } from "@live-response/core/ResultChunk"
import * as Timing from "@live-response/core/Timing"
import * as LiveResponseTest from "@live-response/core/testing/LiveResponseTest"
import * as Simulator from "@live-response/core/testing/Simulator"
import { Transfer } from "@live-response/core/Transfer"
import * as Arbitrary from "effect/Arbitrary"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import { joined, patterned, utf8 } from "./support/bytes.ts"
import { failureOf, withEvents } from "./support/events.ts"
import { exampleRef } from "./support/refs.ts"
import { scripted } from "./support/scripted.ts"
import { layerOver } from "./support/world.ts"

const { inVirtualTime } = LiveResponseTest
const world = LiveResponseTest.layer()

const chunksOf = (resume?: ResumePoint) =>
  Effect.flatMap(Transfer, (transfer) => Stream.runCollect(transfer.chunks(exampleRef, resume)))
const bytesOf = Effect.flatMap(Transfer, (transfer) => Stream.runCollect(transfer.bytes(exampleRef)))

/** Assembles the chunks as a store does. A gap fails the test. */
const placed = (chunks: ReadonlyArray<ResultChunk>, resumed: ReadonlyArray<number> = []): ReadonlyArray<number> => {
  let content = [...resumed]
  for (const { bytes, offset } of chunks) {
    if (offset === 0) content = []
    assert.strictEqual(offset, content.length, "a chunk starts where the one before it ended")
    content.push(...bytes)
  }
  return content
}

const blobCalls = Effect.gen(function* () {
  const calls = yield* (yield* Simulator.Simulator).calls
  return calls.filter(({ kind }) => kind === "blob")
})
const linkCount = Effect.gen(function* () {
  const calls = yield* (yield* Simulator.Simulator).calls
  return calls.filter(({ kind }) => kind === "link").length
})
const rangesAsked = Effect.map(blobCalls, (calls) => calls.map(({ headers }) => headers.range))

/** Downloads the content with these faults. */
const download = (content: Uint8Array, blobFaults: ReadonlyArray<Simulator.Fault>) =>
  Effect.gen(function* () {
    const simulator = yield* Simulator.Simulator
    yield* simulator.add(exampleRef, { content, blobFaults })
    return yield* inVirtualTime(withEvents(chunksOf()))
  })

const retrying = (events: ReadonlyArray<ResultEvent>) =>
  events.flatMap((event) => (event.event === "retrying" ? [event] : []))

const reasonOf = <A, E extends { readonly reason: unknown }>(exit: Exit.Exit<A, E>): Effect.Effect<E["reason"]> =>
  Effect.map(failureOf(exit), ({ reason }) => reason)

describe("Transfer: the request", () => {
  it.effect("requests the link unchanged, without a bearer token or trace headers", () =>
    Effect.gen(function* () {
      const { exit } = yield* download(utf8("hello"), [])
      assert.deepStrictEqual(placed(yield* exit), joined([utf8("hello")]))
      const [call] = yield* blobCalls
      assert.match(
        call?.url ?? "",
        /^http:\/\/127\.0\.0\.1\/investigation-actions-data\/.+\?se=[^&]+%3A[^&]+Z&sp=r&sv=2019-07-07&sr=b&sig=[0-9a-f]+\/[0-9a-f]+%3D$/,
      )
      const headers: Simulator.Call["headers"] = call?.headers ?? {}
      assert.strictEqual(headers["accept-encoding"], "identity")
      for (const name of ["authorization", "traceparent", "tracestate", "b3", "x-b3-traceid", "range", "if-match"]) {
        assert.isUndefined(headers[name], name)
      }
    }).pipe(Effect.withSpan("a trace of the caller's"), Effect.provide(world)),
  )

  it.effect("has what the storage announced with each chunk", () =>
    Effect.gen(function* () {
      const { exit } = yield* download(utf8("hello"), [])
      const [chunk] = yield* exit
      assert.strictEqual(chunk?.head.length, 5)
      assert.match(chunk?.head.etag ?? "", /^"0x[0-9A-F]+"$/)
      assert.strictEqual(chunk?.head.md5, "XUFAKrxLKna5cZ2REBfFkg==")
    }).pipe(Effect.provide(world)),
  )
})

describe("Transfer: a body that breaks", () => {
  const small = patterned(40)

  it.effect.each(Array.from({ length: small.length + 1 }, (_, cut) => ({ cut })))(
    "resumes where it was cut, at byte $cut",
    ({ cut }) =>
      Effect.gen(function* () {
        const { events, exit } = yield* download(small, [{ fault: "cut", after: cut }])
        const chunks = yield* exit
        assert.deepStrictEqual(placed(chunks), joined([small]))
        // No byte is requested twice, and none is emitted twice.
        assert.strictEqual(
          chunks.reduce((sum, { bytes }) => sum + bytes.length, 0),
          small.length,
        )
        const expected = cut === 0 ? [undefined, undefined] : [undefined, `bytes=${cut}-`]
        assert.deepStrictEqual(yield* rangesAsked, cut === small.length ? [undefined] : expected)
        const [first, second] = yield* blobCalls
        assert.strictEqual(
          second?.headers["if-match"],
          cut === 0 || cut === small.length ? undefined : chunks[0]?.head.etag,
        )
        if (cut < small.length) assert.strictEqual(first?.url, second?.url)
        assert.strictEqual(yield* linkCount, 1)
        const [event] = retrying(events)
        assert.strictEqual(event?.error._tag === "TransferError" && event.error.reason._tag, "Broken")
        assert.include(event?.message, `byte ${cut}`)
      }).pipe(Effect.provide(world)),
  )

  it.effect.prop(
    "resumes after any number of cuts, as long as each attempt gets further",
    [
      Arbitrary.array(Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 20_000 }))), {
        maxLength: 12,
      }),
    ],
    ([cuts]) =>
      Effect.gen(function* () {
        const content = patterned(70_000)
        const { exit } = yield* download(
          content,
          cuts.map((after) => ({ fault: "cut", after })),
        )
        const bytes = joined((yield* exit).map(({ bytes }) => bytes))
        assert.deepStrictEqual(bytes, joined([content]))
        // Each request starts exactly where the one before it was cut.
        let offset = 0
        const expected: Array<string | undefined> = [undefined]
        for (const cut of cuts) {
          offset += cut
          if (offset >= content.length) break
          expected.push(`bytes=${offset}-`)
        }
        assert.deepStrictEqual(yield* rangesAsked, expected)
      }).pipe(Effect.provide(LiveResponseTest.layer())),
    { arbitrary: { runs: 30 } },
  )

  it.effect("emits each byte once to a reader of bytes", () =>
    Effect.gen(function* () {
      const simulator = yield* Simulator.Simulator
      const content = patterned(50_000)
      yield* simulator.add(exampleRef, {
        content,
        blobFaults: [{ fault: "cut", after: 20_000 }, { fault: "cut", after: 7 }, { fault: "ignoreRange" }],
      })
      assert.deepStrictEqual(joined(yield* inVirtualTime(bytesOf)), joined([content]))
    }).pipe(Effect.provide(world)),
  )

  it.effect("fails after five retries without a byte", () =>
    Effect.gen(function* () {
      const { events, exit } = yield* download(
        small,
        Array.from({ length: 20 }, () => ({ fault: "cut", after: 0 })),
      )
      const reason = yield* reasonOf(exit)
      assert.strictEqual(reason._tag, "Broken")
      assert.strictEqual((yield* blobCalls).length, 6)
      assert.strictEqual(retrying(events).length, 5)
    }).pipe(Effect.provide(world)),
  )

  it.effect("fails after five retries that get no further", () =>
    Effect.gen(function* () {
      const { exit } = yield* download(small, [
        { fault: "cut", after: 10 },
        ...Array.from({ length: 20 }, () => ({ fault: "cut", after: 0 }) as const),
      ])
      const reason = yield* reasonOf(exit)
      assert.strictEqual(reason._tag === "Broken" && reason.offset, 10)
      assert.strictEqual((yield* blobCalls).length, 6)
    }).pipe(Effect.provide(world)),
  )

  it.effect("fails if it starts over repeatedly and gets no further", () =>
    Effect.gen(function* () {
      const whole = { fault: "status", status: 416, code: "InvalidRange" } as const
      const faults = Array.from({ length: 40 }, () => [{ fault: "cut", after: 10 }, whole] as const).flat()
      const { exit } = yield* download(small, faults)
      assert.strictEqual((yield* reasonOf(exit))._tag, "Broken")
      // Each retry is two requests: one that is refused, and one for the whole result.
      assert.isAtMost((yield* blobCalls).length, 14)
    }).pipe(Effect.provide(world)),
  )

  it.effect("has all retries again once it got further", () =>
    Effect.gen(function* () {
      const stuck = Array.from({ length: 5 }, () => ({ fault: "cut", after: 0 }) as const)
      const { exit } = yield* download(small, [
        ...stuck,
        { fault: "cut", after: 1 },
        ...stuck.slice(1),
        { fault: "cut", after: 1 },
      ])
      assert.deepStrictEqual(placed(yield* exit), joined([small]))
    }).pipe(Effect.provide(world)),
  )

  it.effect("is retried as the Timing in context says", () =>
    Effect.gen(function* () {
      const { exit } = yield* download(
        small,
        Array.from({ length: 20 }, () => ({ fault: "cut", after: 0 })),
      )
      assert.isTrue(Exit.isFailure(exit))
      assert.strictEqual((yield* blobCalls).length, 2)
    }).pipe(Effect.provide(world.pipe(Layer.provide(Timing.layer({ transfer: Schedule.recurs(1) }))))),
  )
})

describe("Transfer: a link that expires", () => {
  const content = patterned(1000)

  it.effect("is renewed at once", () =>
    Effect.gen(function* () {
      const { events, exit } = yield* download(content, [{ fault: "expire" }])
      assert.deepStrictEqual(placed(yield* exit), joined([content]))
      assert.deepStrictEqual(
        events.map((event) => (event.event === "linked" ? `linked ${event.links}` : event.event)),
        ["linked 1", "retrying", "linked 2"],
      )
      const [first, second] = yield* blobCalls
      assert.deepStrictEqual([first?.status, second?.status], [403, 200])
      assert.notStrictEqual(first?.url, second?.url)
      assert.strictEqual((second?.at ?? 0) - (first?.at ?? 0), 0)
    }).pipe(Effect.provide(world)),
  )

  it.effect("fails after exactly two links if the new one is refused too", () =>
    Effect.gen(function* () {
      const { exit } = yield* download(content, [{ fault: "expire" }, { fault: "expire" }])
      const reason = yield* reasonOf(exit)
      assert.deepInclude(reason, { _tag: "LinkRefused", status: 403, code: "AuthenticationFailed" })
      assert.strictEqual(yield* linkCount, 2)
      assert.strictEqual((yield* blobCalls).length, 2)
    }).pipe(Effect.provide(world)),
  )

  it.effect("resumes at its offset with the new link", () =>
    Effect.gen(function* () {
      const { exit } = yield* download(content, [{ fault: "cut", after: 300 }, { fault: "expire" }])
      assert.deepStrictEqual(placed(yield* exit), joined([content]))
      assert.deepStrictEqual(yield* rangesAsked, [undefined, "bytes=300-", "bytes=300-"])
      assert.strictEqual(yield* linkCount, 2)
    }).pipe(Effect.provide(world)),
  )

  it.effect("is renewed each time, as long as bytes arrive in between", () =>
    Effect.gen(function* () {
      const { exit } = yield* download(content, [
        { fault: "cut", after: 300 },
        { fault: "expire" },
        { fault: "cut", after: 300 },
        { fault: "expire" },
        { fault: "cut", after: 300 },
        { fault: "expire" },
      ])
      assert.deepStrictEqual(placed(yield* exit), joined([content]))
      assert.strictEqual(yield* linkCount, 4)
    }).pipe(Effect.provide(world)),
  )

  it.effect("is used until it expires, and not after that", () =>
    Effect.gen(function* () {
      const simulator = yield* Simulator.Simulator
      const transfer = yield* Transfer
      yield* simulator.add(exampleRef, {
        content: patterned(40_000),
        blobFaults: [{ fault: "cut", after: 20_000 }],
      })
      // The reader is slow: the connection breaks long after the link has expired.
      const slowly = transfer.chunks(exampleRef).pipe(
        Stream.tap(() => Effect.sleep("20 minutes")),
        Stream.runCollect,
      )
      const { events, exit } = yield* inVirtualTime(withEvents(slowly))
      assert.deepStrictEqual(placed(yield* exit), joined([patterned(40_000)]))
      assert.deepStrictEqual(
        (yield* blobCalls).map(({ status }) => status),
        [200, 206],
      )
      assert.strictEqual(yield* linkCount, 2)
      assert.strictEqual(retrying(events).length, 1)
    }).pipe(Effect.provide(world)),
  )

  it.effect.each([
    { skew: "ahead", date: "Tue, 24 Nov 1992 06:00:00 GMT", se: "1992-11-24T06:30:00Z" },
    { skew: "behind", date: "Tue, 24 Nov 2026 06:00:00 GMT", se: "2026-11-24T06:30:00Z" },
  ])("expires by the server's clock, even if that of this machine is years $skew", ({ date, se }) =>
    Effect.gen(function* () {
      const asked: Array<string> = []
      const client = HttpClient.make((request, url) =>
        Effect.sync(() => {
          const isLink = url.pathname.startsWith("/api/")
          asked.push(isLink ? "link" : "blob")
          const value = `https://example.blob.core.windows.net/r?se=${encodeURIComponent(se)}&sig=a`
          const content = patterned(100)
          const cut = Stream.concat(Stream.make(content.subarray(0, 50)), Stream.fail("cut"))
          const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0)
          const blob = { contentLength: 100 - from, headers: { etag: '"0x1"' } }
          const answer = isLink
            ? HttpServerResponse.jsonUnsafe({ value }, { headers: { date } })
            : from === 0
              ? HttpServerResponse.stream(cut, blob)
              : HttpServerResponse.uint8Array(content.subarray(from), {
                  status: 206,
                  headers: { ...blob.headers, "content-range": `bytes ${from}-99/100` },
                })
          return HttpServerResponse.toClientResponse(answer, { request })
        }),
      )
      const fetch = (pause: Duration.Input) =>
        Effect.gen(function* () {
          yield* TestClock.setTime(DateTime.makeUnsafe("2009-06-01T00:00:00Z").epochMilliseconds)
          const transfer = yield* Transfer
          const slowly = transfer.bytes(exampleRef).pipe(
            Stream.tap(() => Effect.sleep(pause)),
            Stream.runCollect,
          )
          assert.deepStrictEqual(joined(yield* inVirtualTime(slowly)), joined([patterned(100)]))
          return asked.splice(0)
        }).pipe(Effect.provide(layerOver(Layer.succeed(HttpClient.HttpClient, client))))
      assert.deepStrictEqual(yield* fetch("20 minutes"), ["link", "blob", "blob"])
      assert.deepStrictEqual(yield* fetch("31 minutes"), ["link", "blob", "link", "blob"])
    }),
  )
})

describe("Transfer: a body that stalls", () => {
  it.effect("resumes after thirty seconds without a byte", () =>
    Effect.gen(function* () {
      const content = patterned(50_000)
      const startedAt = yield* Clock.currentTimeMillis
      const { events, exit } = yield* download(content, [{ fault: "stall", after: 20_000 }])
      assert.deepStrictEqual(placed(yield* exit), joined([content]))
      const [event] = retrying(events)
      const reason = event?.error._tag === "TransferError" ? event.error.reason : undefined
      assert.strictEqual(reason?._tag === "Stalled" && reason.offset, 20_000)
      assert.strictEqual(reason?._tag === "Stalled" && Duration.toSeconds(reason.timeout), 30)
      const [, second] = yield* blobCalls
      assert.strictEqual(second?.headers.range, "bytes=20000-")
      const noticed = (second?.at ?? 0) - startedAt
      assert.isAtLeast(noticed, 30_000)
      assert.isAtMost(noticed, 40_000)
    }).pipe(Effect.provide(world)),
  )

  it.effect("is detected before the first byte as well", () =>
    Effect.gen(function* () {
      const { events, exit } = yield* download(patterned(10), [{ fault: "stall", after: 0 }])
      assert.deepStrictEqual(placed(yield* exit), joined([patterned(10)]))
      assert.include(retrying(events)[0]?.message, "stalled at byte 0")
    }).pipe(Effect.provide(world)),
  )

  it.effect("fails after five retries without another byte", () =>
    Effect.gen(function* () {
      const { exit } = yield* download(
        patterned(10),
        Array.from({ length: 20 }, () => ({ fault: "stall", after: 0 })),
      )
      assert.strictEqual((yield* reasonOf(exit))._tag, "Stalled")
      assert.strictEqual((yield* blobCalls).length, 6)
    }).pipe(Effect.provide(world)),
  )

  it.effect("is not a stall if its reader is slow", () =>
    Effect.gen(function* () {
      const simulator = yield* Simulator.Simulator
      const transfer = yield* Transfer
      const content = patterned(100_000)
      yield* simulator.add(exampleRef, { content })
      const slowly = transfer.chunks(exampleRef).pipe(
        Stream.tap(() => Effect.sleep("10 minutes")),
        Stream.runCollect,
      )
      const { events, exit } = yield* inVirtualTime(withEvents(slowly))
      assert.deepStrictEqual(placed(yield* exit), joined([content]))
      assert.deepStrictEqual(retrying(events), [])
      assert.strictEqual((yield* blobCalls).length, 1)
    }).pipe(Effect.provide(world)),
  )

  it.effect("uses the stall timeout of the Timing in context", () =>
    Effect.gen(function* () {
      const startedAt = yield* Clock.currentTimeMillis
      yield* download(patterned(10), [{ fault: "stall", after: 5 }])
      const [, second] = yield* blobCalls
      assert.isAtMost((second?.at ?? 0) - startedAt, 5000)
    }).pipe(
      Effect.provide(
        world.pipe(Layer.provide(Timing.layer({ stallTimeout: "2 seconds", transfer: Schedule.spaced("1 second") }))),
      ),
    ),
  )

  it.effect("retries if the head of an answer does not arrive", () => {
    let answers = 0
    const latency = Effect.suspend(() => (++answers === 2 ? Effect.never : Effect.void))
    return Effect.gen(function* () {
      const { events, exit } = yield* download(patterned(10), [])
      assert.deepStrictEqual(placed(yield* exit), joined([patterned(10)]))
      assert.include(retrying(events)[0]?.message, "no answer in time")
      assert.isAtLeast((yield* blobCalls)[0]?.at ?? 0, 60_000)
    }).pipe(Effect.provide(LiveResponseTest.layer({ latency })))
  })

  it.effect("reports its progress about once a second", () =>
    Effect.gen(function* () {
      const simulator = yield* Simulator.Simulator
      const transfer = yield* Transfer
      const content = patterned(16 * 1024 * 10)
      yield* simulator.add(exampleRef, { content })
      const slowly = transfer.chunks(exampleRef).pipe(
        Stream.tap(() => Effect.sleep("400 millis")),
        Stream.runDrain,
      )
      const { events } = yield* inVirtualTime(withEvents(slowly))
      const reported = events.flatMap((event) => (event.event === "progress" ? [event] : []))
      assert.isAtLeast(reported.length, 2)
      assert.isAtMost(reported.length, 4)
      for (const { bytes, total } of reported) {
        assert.strictEqual(total, content.length)
        assert.isAbove(bytes, 0)
      }
    }).pipe(Effect.provide(world)),
  )
})

describe("Transfer: a storage that does not continue", () => {
  const content = patterned(50_000)

  it.effect("starts over if the range is ignored", () =>
    Effect.gen(function* () {
      const { exit } = yield* download(content, [{ fault: "cut", after: 20_000 }, { fault: "ignoreRange" }])
      const chunks = yield* exit
      assert.deepStrictEqual(placed(chunks), joined([content]))
      assert.strictEqual(chunks.filter(({ offset }) => offset === 0).length, 2)
      assert.strictEqual((yield* blobCalls).length, 2)
    }).pipe(Effect.provide(world)),
  )

  it.effect.each([
    { status: 412, code: "ConditionNotMet" },
    { status: 416, code: "InvalidRange" },
  ])("starts over at once after $status", ({ code, status }) =>
    Effect.gen(function* () {
      const { events, exit } = yield* download(content, [
        { fault: "cut", after: 20_000 },
        { fault: "status", status, code },
      ])
      assert.deepStrictEqual(placed(yield* exit), joined([content]))
      assert.deepStrictEqual(yield* rangesAsked, [undefined, "bytes=20000-", undefined])
      assert.strictEqual(retrying(events).length, 1)
    }).pipe(Effect.provide(world)),
  )

  /** Cuts the first download, and replaces the content before the next request. */
  const changeMeanwhile = <A, E, R>(effect: Effect.Effect<A, E, R>, after: Uint8Array) =>
    Effect.gen(function* () {
      const simulator = yield* Simulator.Simulator
      yield* simulator.add(exampleRef, { content, blobFaults: [{ fault: "cut", after: 20_000 }, { fault: "expire" }] })
      return yield* inVirtualTime(
        withEvents(effect, (event) =>
          event.event === "retrying" ? simulator.add(exampleRef, { content: after }) : Effect.void,
        ),
      )
    })

  it.effect("starts over if the result has another ETag", () =>
    Effect.gen(function* () {
      const other = patterned(60_000, 5)
      const { exit } = yield* changeMeanwhile(chunksOf(), other)
      const chunks = yield* exit
      assert.deepStrictEqual(placed(chunks), joined([other]))
      assert.strictEqual(chunks.at(-1)?.head.length, other.length)
      assert.notStrictEqual(chunks.at(-1)?.head.etag, chunks[0]?.head.etag)
      assert.deepStrictEqual(
        (yield* blobCalls).map(({ status }) => status),
        [200, 403, 412, 200],
      )
    }).pipe(Effect.provide(world)),
  )

  it.effect("starts over if the result is shorter than the received bytes", () =>
    Effect.gen(function* () {
      const { exit } = yield* changeMeanwhile(chunksOf(), utf8("short"))
      assert.deepStrictEqual(placed(yield* exit), joined([utf8("short")]))
    }).pipe(Effect.provide(world)),
  )

  it.effect("fails with Changed if bytes were emitted to a reader of bytes", () =>
    Effect.gen(function* () {
      const { exit } = yield* changeMeanwhile(bytesOf, patterned(60_000, 5))
      const reason = yield* reasonOf(exit)
      assert.deepInclude(reason, { _tag: "Changed", offset: 20_000 })
    }).pipe(Effect.provide(world)),
  )

  it.effect("starts over for a reader of bytes before the first byte", () =>
    Effect.gen(function* () {
      const simulator = yield* Simulator.Simulator
      yield* simulator.add(exampleRef, { content, blobFaults: [{ fault: "cut", after: 0 }, { fault: "expire" }] })
      const other = patterned(60_000, 5)
      const { exit } = yield* inVirtualTime(
        withEvents(bytesOf, (event) =>
          event.event === "retrying" ? simulator.add(exampleRef, { content: other }) : Effect.void,
        ),
      )
      assert.deepStrictEqual(joined(yield* exit), joined([other]))
    }).pipe(Effect.provide(world)),
  )
})

describe("Transfer: other answers", () => {
  it.effect.each([408, 429, 500, 502, 503, 504])("retries after %i", (status) =>
    Effect.gen(function* () {
      const { exit } = yield* download(utf8("hello"), [{ fault: "status", status, code: "ServerBusy" }])
      assert.deepStrictEqual(placed(yield* exit), joined([utf8("hello")]))
      assert.strictEqual((yield* blobCalls).length, 2)
      assert.strictEqual(yield* linkCount, 1)
    }).pipe(Effect.provide(world)),
  )

  it.effect("fails if the storage stays unavailable", () =>
    Effect.gen(function* () {
      const { exit } = yield* download(
        utf8("hello"),
        Array.from({ length: 20 }, () => ({ fault: "status", status: 503, code: "ServerBusy" })),
      )
      assert.deepInclude(yield* reasonOf(exit), { _tag: "Unavailable", status: 503, code: "ServerBusy" })
      assert.strictEqual((yield* blobCalls).length, 6)
    }).pipe(Effect.provide(world)),
  )

  it.effect.each([
    { status: 400, code: "InvalidQueryParameterValue" },
    { status: 404, code: "BlobNotFound" },
    { status: 409, code: "BlobArchived" },
    { status: 412, code: "ConditionNotMet" },
    { status: 416, code: "InvalidRange" },
  ])("does not retry $status, and stores no error as a result", ({ code, status }) =>
    Effect.gen(function* () {
      const { events, exit } = yield* download(utf8("hello"), [{ fault: "status", status, code }])
      assert.deepInclude(yield* reasonOf(exit), { _tag: "Refused", status, code })
      assert.strictEqual((yield* blobCalls).length, 1)
      assert.deepStrictEqual(retrying(events), [])
    }).pipe(Effect.provide(world)),
  )

  it.effect("does not follow a redirect", () => {
    const { layer, requests } = scripted(
      HttpServerResponse.jsonUnsafe({ value: "https://example.blob.core.windows.net/r?sig=a" }),
      HttpServerResponse.empty({ status: 302, headers: { location: "https://elsewhere.example.net/" } }),
    )
    return Effect.gen(function* () {
      const exit = yield* Effect.exit(inVirtualTime(chunksOf()))
      assert.deepInclude(yield* reasonOf(exit), { _tag: "NotFromStorage", status: 302 })
      for (const { url } of requests) assert.notInclude(url, "elsewhere")
    }).pipe(Effect.provide(layerOver(layer)))
  })

  it.effect("emits an empty result as one empty chunk", () =>
    Effect.gen(function* () {
      const { exit } = yield* download(new Uint8Array(), [])
      const chunks = yield* exit
      assert.strictEqual(chunks.length, 1)
      assert.deepInclude(chunks[0], { offset: 0, bytes: new Uint8Array() })
      assert.strictEqual(chunks[0]?.head.length, 0)
      assert.deepStrictEqual(yield* bytesOf, [])
    }).pipe(Effect.provide(world)),
  )

  it.effect("fails if more bytes arrive than were announced", () => {
    const { layer } = scripted(
      HttpServerResponse.jsonUnsafe({ value: "https://example.blob.core.windows.net/r?sig=a" }),
      HttpServerResponse.stream(Stream.make(patterned(6)), { contentLength: 5 }),
    )
    return Effect.gen(function* () {
      const exit = yield* Effect.exit(inVirtualTime(chunksOf()))
      assert.deepInclude(yield* reasonOf(exit), { _tag: "Mismatch", what: "length", expected: "5 bytes" })
    }).pipe(Effect.provide(layerOver(layer)))
  })

  it.effect("resumes if fewer bytes arrive than were announced", () => {
    const etag = { etag: `"0x1"` }
    const { layer, requests } = scripted(
      HttpServerResponse.jsonUnsafe({ value: "https://example.blob.core.windows.net/r?sig=a" }),
      HttpServerResponse.stream(Stream.make(patterned(10).subarray(0, 4)), { contentLength: 10, headers: etag }),
      HttpServerResponse.stream(Stream.make(patterned(10).subarray(4)), {
        status: 206,
        contentLength: 6,
        headers: { ...etag, "content-range": "bytes 4-9/10" },
      }),
    )
    return Effect.gen(function* () {
      assert.deepStrictEqual(placed(yield* inVirtualTime(chunksOf())), joined([patterned(10)]))
      assert.strictEqual(requests[2]?.request.headers.range, "bytes=4-")
      assert.strictEqual(requests[2]?.request.headers["if-match"], `"0x1"`)
    }).pipe(Effect.provide(layerOver(layer)))
  })

  it.effect.each([
    { name: "another start", contentRange: "bytes 3-9/10" },
    { name: "another length", contentRange: "bytes 4-9/11" },
    { name: "nothing", contentRange: "" },
  ])("starts over if a 206 announces $name", ({ contentRange }) => {
    const etag = { etag: `"0x1"` }
    const { layer } = scripted(
      HttpServerResponse.jsonUnsafe({ value: "https://example.blob.core.windows.net/r?sig=a" }),
      HttpServerResponse.stream(Stream.make(patterned(10).subarray(0, 4)), { contentLength: 10, headers: etag }),
      HttpServerResponse.stream(Stream.make(utf8("wrong")), {
        status: 206,
        headers: { ...etag, "content-range": contentRange },
      }),
      HttpServerResponse.stream(Stream.make(patterned(10)), { contentLength: 10, headers: etag }),
    )
    return Effect.gen(function* () {
      assert.deepStrictEqual(placed(yield* inVirtualTime(chunksOf())), joined([patterned(10)]))
    }).pipe(Effect.provide(layerOver(layer)))
  })

  const link = HttpServerResponse.jsonUnsafe({ value: "https://example.blob.core.windows.net/r?sig=a" })
  const broken = Stream.concat(Stream.make(patterned(10).subarray(0, 4)), Stream.fail(new Error("cut")))
  const range = (contentRange: string, to: number, headers: Record<string, string> = {}) =>
    HttpServerResponse.stream(Stream.make(patterned(10).subarray(4, to)), {
      status: 206,
      headers: { etag: `"0x1"`, "content-range": contentRange, ...headers },
    })

  it.effect("requests what is missing after a range that ends early, if the first answer announced no length", () => {
    const first = HttpServerResponse.stream(broken, { headers: { etag: `"0x1"`, "transfer-encoding": "chunked" } })
    const last = HttpServerResponse.stream(Stream.make(patterned(10).subarray(7)), {
      status: 206,
      headers: { etag: `"0x1"`, "content-range": "bytes 7-9/10" },
    })
    const { layer, requests } = scripted(link, first, range("bytes 4-6/10", 7), last)
    return Effect.gen(function* () {
      const chunks = yield* inVirtualTime(chunksOf())
      assert.deepStrictEqual(placed(chunks), joined([patterned(10)]))
      assert.strictEqual(requests.at(-1)?.request.headers.range, "bytes=7-")
      assert.strictEqual(chunks.at(-1)?.head.length, 10)
    }).pipe(Effect.provide(layerOver(layer)))
  })

  it.effect(
    "marks a result as unchecked if no answer announces its length, and a range may not be all of the rest",
    () => {
      const first = HttpServerResponse.stream(broken, { headers: { etag: `"0x1"`, "transfer-encoding": "chunked" } })
      const { layer } = scripted(link, first, range("bytes 4-6/*", 7, { "transfer-encoding": "chunked" }))
      return Effect.gen(function* () {
        const chunks = yield* inVirtualTime(chunksOf())
        assert.deepStrictEqual(
          chunks.map(({ head }) => head.unchecked),
          [undefined, true],
        )
      }).pipe(Effect.provide(layerOver(layer)))
    },
  )

  it.effect("does not take the MD5 of a range for that of the whole", () => {
    const first = HttpServerResponse.stream(broken, { contentLength: 10, headers: { etag: `"0x1"` } })
    const { layer } = scripted(link, first, range("bytes 4-9/10", 10, { "content-md5": "1B2M2Y8AsgTpgAmY7PhCfg==" }))
    return Effect.gen(function* () {
      const chunks = yield* inVirtualTime(chunksOf())
      assert.deepStrictEqual(placed(chunks), joined([patterned(10)]))
      assert.isUndefined(chunks.at(-1)?.head.md5)
    }).pipe(Effect.provide(layerOver(layer)))
  })

  it.effect.each([
    { first: {}, second: { "content-encoding": "gzip" } },
    { first: { "content-encoding": "gzip" }, second: {} },
    { first: { "content-encoding": "gzip" }, second: { "content-encoding": "br" } },
  ])("starts over if a range has another encoding: $first, $second", ({ first, second }) => {
    const headers = { etag: `"0x1"`, ...first }
    const { layer } = scripted(
      link,
      HttpServerResponse.stream(broken, { contentLength: 10, headers }),
      range("bytes 4-9/10", 10, second),
      HttpServerResponse.stream(Stream.make(patterned(10, 9)), { contentLength: 10, headers }),
    )
    return Effect.gen(function* () {
      assert.deepStrictEqual(placed(yield* inVirtualTime(chunksOf())), joined([patterned(10, 9)]))
    }).pipe(Effect.provide(layerOver(layer)))
  })

  it.effect.each([{ etag: undefined }, { etag: `W/"0x1"` }])(
    "does not resume without a strong ETag: $etag",
    ({ etag }) => {
      const headers = etag === undefined ? {} : { etag }
      const answers = () =>
        scripted(
          HttpServerResponse.jsonUnsafe({ value: "https://example.blob.core.windows.net/r?sig=a" }),
          HttpServerResponse.stream(Stream.make(patterned(10).subarray(0, 4)), { contentLength: 10, headers }),
          HttpServerResponse.stream(Stream.make(patterned(10, 9)), { contentLength: 10, headers }),
        )
      const chunked = answers()
      return Effect.gen(function* () {
        const chunks = yield* inVirtualTime(chunksOf()).pipe(Effect.provide(layerOver(chunked.layer)))
        assert.deepStrictEqual(placed(chunks), joined([patterned(10, 9)]))
        assert.isUndefined(chunked.requests[2]?.request.headers.range)
        assert.isUndefined(chunked.requests[2]?.request.headers["if-match"])
        // A reader of bytes would get the start of one content and the rest of another.
        const exit = yield* Effect.exit(inVirtualTime(bytesOf)).pipe(Effect.provide(layerOver(answers().layer)))
        assert.deepInclude(yield* reasonOf(exit), { _tag: "Changed", offset: 4 })
      })
    },
  )

  it.effect("reads a body of unknown length to its end", () => {
    const { layer } = scripted(
      HttpServerResponse.jsonUnsafe({ value: "https://example.blob.core.windows.net/r?sig=a" }),
      HttpServerResponse.stream(Stream.make(utf8("one "), utf8("two"))),
    )
    return Effect.gen(function* () {
      const chunks = yield* inVirtualTime(chunksOf())
      assert.deepStrictEqual(placed(chunks), joined([utf8("one two")]))
      assert.isUndefined(chunks[0]?.head.length)
    }).pipe(Effect.provide(layerOver(layer)))
  })

  it.effect("fails with the error of the API if there is no link", () =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(inVirtualTime(chunksOf()))
      assert.strictEqual((yield* reasonOf(exit))._tag, "NotFound")
      assert.deepStrictEqual(yield* blobCalls, [])
    }).pipe(Effect.provide(world)),
  )
})

const linkAnswer = HttpServerResponse.jsonUnsafe({ value: "https://example.blob.core.windows.net/r?sig=a" })

describe("Transfer: an answer that is not from the storage", () => {
  const page = (status: number, headers: Record<string, string> = {}) =>
    HttpServerResponse.text("<html><head><title>Access\n blocked\u202e</title></head></html>", {
      status,
      contentType: "text/html; charset=utf-8",
      headers: { server: "gateway/1.0", ...headers },
    })
  const etag = { etag: `"0x1"` }
  const cutAt4 = HttpServerResponse.stream(Stream.make(patterned(10).subarray(0, 4)), {
    contentLength: 10,
    headers: etag,
  })

  it.effect.each([
    { name: "a page", answer: page(200) },
    { name: "a page with a web server's ETag", answer: page(200, { etag: '"65f1c2a4-9c"' }) },
    { name: "a page with a weak ETag", answer: page(200, { etag: 'W/"9c-18e"' }) },
    { name: "a page that forbids the download", answer: page(403) },
    { name: "a page for a missing file", answer: page(404) },
    { name: "a page where a range was requested", answer: page(206) },
    {
      name: "an XML document without any mark of the storage",
      answer: HttpServerResponse.text("<Error><Code>AuthenticationFailed</Code></Error>", {
        contentType: "application/xml",
      }),
    },
    { name: "a network that requires a sign-in", answer: HttpServerResponse.text("sign in", { status: 511 }) },
    {
      name: "a redirect to a sign-in",
      answer: HttpServerResponse.empty({ status: 302, headers: { location: "https://gateway.example.net/" } }),
    },
  ])("is not stored as a result, and needs no second link: $name", ({ answer }) => {
    const { layer, requests } = scripted(linkAnswer, answer)
    return Effect.gen(function* () {
      const exit = yield* Effect.exit(inVirtualTime(chunksOf()))
      assert.strictEqual((yield* reasonOf(exit))._tag, "NotFromStorage")
      assert.strictEqual(requests.filter(({ url }) => url.includes("/api/")).length, 1)
    }).pipe(Effect.provide(layerOver(layer)))
  })

  const utf16 = (text: string) =>
    Uint8Array.from([0xff, 0xfe, ...Array.from(text).flatMap((c) => [c.charCodeAt(0), 0])])
  const html = "<!DOCTYPE html><html><title>Access blocked</title></html>"
  /** A body in pieces of one byte, whose type says nothing. */
  const bare = (content: Uint8Array, headers: Record<string, string> = {}) =>
    HttpServerResponse.stream(Stream.fromIterable(Array.from(content, (byte) => Uint8Array.of(byte))), { headers })

  it.effect.each([
    { name: "a document", content: utf8(html) },
    { name: "with a web server's ETag", content: utf8(html), headers: { etag: '"65f1c2a4-9c"' } },
    { name: "after blank lines and in capitals", content: utf8("\r\n\r\n <HTML>\n<head></head></HTML>") },
    { name: "after a byte order mark", content: utf8("\ufeff<html lang=en>") },
    { name: "in UTF-16", content: utf16(html) },
    { name: "that is a script alone", content: utf8('<script>top.location="http://192.0.2.1/"</script>') },
    { name: "that leads to another one", content: utf8('<meta http-equiv="refresh" content="0;url=//192.0.2.1/">') },
    { name: "without a head", content: utf8("<center><h1>403 Forbidden</h1></center>") },
    { name: "that is a drawing", content: utf8('<svg onload="location=1">') },
    { name: "whose type is on several lines", content: utf8("<!DOCTYPE\n    html\n    PUBLIC>") },
    { name: "after a comment", content: utf8("<!-- gateway --><html>") },
    { name: "in XML", content: utf8('<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml">') },
  ])("is not stored as a result although only its content says that it is a page: $name", ({ content, headers }) => {
    const { layer } = scripted(linkAnswer, bare(content, headers))
    return Effect.gen(function* () {
      const chunks: Array<ResultChunk> = []
      const all = Effect.flatMap(Transfer, (transfer) =>
        Stream.runForEach(transfer.chunks(exampleRef), (chunk) => Effect.sync(() => void chunks.push(chunk))),
      )
      const reason = yield* reasonOf(yield* Effect.exit(inVirtualTime(all)))
      assert.deepInclude(reason, { _tag: "NotFromStorage", status: 200 })
      assert.deepStrictEqual(chunks, [])
    }).pipe(Effect.provide(layerOver(layer)))
  })

  it.effect.each([
    { name: "a page with a mark of the storage", content: utf8(html), headers: { "x-ms-request-id": "43f4cb08" } },
    { name: "a page with an ETag of the storage", content: utf8(html), headers: { etag: '"0x8D9"' } },
    { name: "plain text", content: utf8("Access denied"), headers: { "content-type": "text/plain" } },
    { name: "JSON", content: utf8('{"script_output":"<html>"}') },
    { name: "gzip", content: Uint8Array.of(0x1f, 0x8b, 8, 0, 0) },
    { name: "another language of tags", content: utf8("<Objects><Object/></Objects>") },
    { name: "what ends like the beginning of a page", content: utf8("<!DOCTYPE htm") },
    { name: "blank lines", content: utf8("\n".repeat(20)) },
    { name: "more blank lines than a page begins with", content: utf8(`${"\n".repeat(600)}<html>`) },
    {
      name: "a tag that is cut where no more is looked at",
      content: utf8(`${"\n".repeat(595)}<Objects><Object/></Objects>`),
    },
    { name: "nothing", content: new Uint8Array() },
  ])("may be anything else, and a page with a mark of the storage: $name", ({ content, headers }) => {
    const { layer } = scripted(linkAnswer, bare(content, headers))
    return Effect.gen(function* () {
      assert.deepStrictEqual(placed(yield* inVirtualTime(chunksOf())), Array.from(content))
    }).pipe(Effect.provide(layerOver(layer)))
  })

  it.effect.each([
    { what: "whose rest begins as a page does", text: "{<p> }" },
    { what: "whose first byte is held back, and then breaks", text: "<Obj/>" },
  ])("resumes a result $what", ({ text }) => {
    const content = utf8(text)
    const { layer, requests } = scripted(
      linkAnswer,
      HttpServerResponse.stream(Stream.concat(Stream.make(content.subarray(0, 1)), Stream.fail("broken")), {
        contentLength: 6,
        headers: { etag: '"a"' },
      }),
      HttpServerResponse.uint8Array(content.subarray(1), {
        status: 206,
        headers: { etag: '"a"', "content-range": "bytes 1-5/6" },
      }),
    )
    return Effect.gen(function* () {
      assert.deepStrictEqual(placed(yield* inVirtualTime(chunksOf())), Array.from(content))
      assert.strictEqual(requests[2]?.request.headers.range, "bytes=1-")
    }).pipe(Effect.provide(layerOver(layer)))
  })

  it.effect.each([
    { code: "AuthenticationFailed", reason: "LinkRefused", links: 2 },
    { code: "BlobNotFound", reason: "Refused", links: 1 },
  ])("is not a result with the error code $code, although its status is 200", ({ code, links, reason }) => {
    const answer = HttpServerResponse.text("<Error/>", {
      contentType: "application/xml",
      headers: { "x-ms-error-code": code, "x-ms-request-id": "43f4cb08" },
    })
    const { layer, requests } = scripted(linkAnswer, answer, ...(links === 2 ? [linkAnswer, answer] : []))
    return Effect.gen(function* () {
      const exit = yield* Effect.exit(inVirtualTime(chunksOf()))
      const failed = yield* reasonOf(exit)
      assert.strictEqual(failed._tag, reason)
      assert.deepInclude(failed, { status: 200, code })
      assert.strictEqual(requests.filter(({ url }) => url.includes("/api/")).length, links)
    }).pipe(Effect.provide(layerOver(layer)))
  })

  it.effect("is described by its headers and its page, in one line", () => {
    const { layer } = scripted(linkAnswer, page(200))
    return Effect.gen(function* () {
      const exit = yield* Effect.exit(inVirtualTime(chunksOf()))
      const error = yield* failureOf(exit)
      assert.include(error.message, `(HTTP 200, text/html; charset=utf-8, "Access blocked", by gateway/1.0)`)
    }).pipe(Effect.provide(layerOver(layer)))
  })

  it.effect("is retried, and the result arrives once the gateway is gone", () => {
    const { layer } = scripted(linkAnswer, page(200), page(200), HttpServerResponse.uint8Array(utf8("result")))
    return Effect.gen(function* () {
      assert.deepStrictEqual(placed(yield* inVirtualTime(chunksOf())), joined([utf8("result")]))
    }).pipe(Effect.provide(layerOver(layer)))
  })

  it.effect.each([
    { name: "a page", answer: page(200) },
    { name: "JSON of another length", answer: HttpServerResponse.jsonUnsafe({ error: "blocked" }) },
  ])("does not discard the received bytes: $name", ({ answer }) => {
    const { layer, requests } = scripted(
      linkAnswer,
      cutAt4,
      answer,
      HttpServerResponse.uint8Array(patterned(10).subarray(4), {
        status: 206,
        headers: { ...etag, "content-range": "bytes 4-9/10" },
      }),
    )
    return Effect.gen(function* () {
      const chunks = yield* inVirtualTime(chunksOf())
      assert.deepStrictEqual(placed(chunks), joined([patterned(10)]))
      assert.strictEqual(chunks.filter(({ offset }) => offset === 0).length, 1)
      assert.strictEqual(requests.at(-1)?.request.headers.range, "bytes=4-")
    }).pipe(Effect.provide(layerOver(layer)))
  })

  it.effect.each([{ "x-ms-request-id": "43f4cb08" }, { etag: `"0x1"` }])(
    "is reported apart from a result that is a page itself, by the headers of the storage: %o",
    (marks) => {
      const { layer } = scripted(linkAnswer, page(200, marks))
      return Effect.gen(function* () {
        const chunks = yield* inVirtualTime(chunksOf())
        assert.include(new TextDecoder().decode(Uint8Array.from(placed(chunks))), "<html>")
      }).pipe(Effect.provide(layerOver(layer)))
    },
  )
})

describe("Transfer: a storage that refuses the link", () => {
  const refusal = (code: string) =>
    HttpServerResponse.empty({ status: 403, headers: { "x-ms-error-code": code, "x-ms-request-id": "a" } })

  it.effect.each([
    { code: "AuthorizationProtocolMismatch", says: "not for the protocol" },
    { code: "AuthorizationSourceIPMismatch", says: "this machine's address" },
    { code: "AuthorizationPermissionMismatch", says: "does not permit reading" },
    { code: "PublicAccessNotPermitted", says: "without a signature" },
    { code: "AccountIsDisabled", says: "is disabled" },
    { code: "SomethingNew", says: "HTTP 403 SomethingNew" },
  ])("is not asked again with a new link if that changes nothing: $code", ({ code, says }) => {
    const { layer, requests } = scripted(linkAnswer, refusal(code))
    return Effect.gen(function* () {
      const error = yield* failureOf(yield* Effect.exit(inVirtualTime(chunksOf())))
      assert.include(error.message, says)
      assert.notInclude(error.message, "expired")
      assert.strictEqual(requests.length, 2)
    }).pipe(Effect.provide(layerOver(layer)))
  })
})

describe("Transfer: bounds of reads", () => {
  const head = (status: number) => ({ status, headers: { "x-ms-request-id": "a" } })
  const forever = Stream.concat(Stream.make(utf8("<Error>")), Stream.never)
  /** A byte arrives before each stall timeout. */
  const trickle = Stream.tick("29 seconds").pipe(Stream.map(() => utf8("x")))

  it.effect.each([
    { name: "that never ends", body: forever, status: 404 },
    { name: "that trickles", body: trickle, status: 404 },
    { name: "that never ends, after an expired link", body: forever, status: 403 },
    { name: "that never ends, after a range that can't be satisfied", body: forever, status: 416 },
  ])("an error body $name does not delay a transfer", ({ body, status }) => {
    const answer = HttpServerResponse.stream(body, head(status))
    const { layer } = scripted(linkAnswer, answer, linkAnswer, answer)
    return Effect.gen(function* () {
      const [took, exit] = yield* inVirtualTime(Effect.timed(Effect.exit(chunksOf())))
      const reason = yield* reasonOf(exit)
      assert.strictEqual("status" in reason && reason.status, status)
      assert.isAtMost(Duration.toSeconds(took), 11)
    }).pipe(Effect.provide(layerOver(layer)))
  })

  it.effect("a stall is detected even if the clock of the machine is set", () =>
    Effect.gen(function* () {
      const clock = yield* Clock.Clock
      // The wall clock stands still.
      const stopped: Clock.Clock = {
        currentTimeMillisUnsafe: () => 0,
        currentTimeMillis: Effect.succeed(0),
        currentTimeNanosUnsafe: () => 0n,
        currentTimeNanos: Effect.succeed(0n),
        monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe(),
        monotonicTimeNanos: clock.monotonicTimeNanos,
        sleep: (duration) => clock.sleep(duration),
      }
      const simulator = yield* Simulator.Simulator
      yield* simulator.add(exampleRef, { content: patterned(100), blobFaults: [{ fault: "stall", after: 50 }] })
      const chunks = Effect.provideService(chunksOf(), Clock.Clock, stopped)
      const { events, exit } = yield* inVirtualTime(withEvents(chunks))
      assert.deepStrictEqual(placed(yield* exit), joined([patterned(100)]))
      assert.include(retrying(events)[0]?.message, "stalled at byte 50")
    }).pipe(Effect.provide(world)),
  )

  it.effect("waits as long as a busy storage asks, and retries no more often", () => {
    const busy = (after: string) =>
      HttpServerResponse.empty({ status: 503, headers: { "x-ms-error-code": "ServerBusy", "retry-after": after } })
    const { layer } = scripted(
      linkAnswer,
      ...Array.from({ length: 6 }, () => busy("40")),
      busy("00:00:40"),
      HttpServerResponse.uint8Array(utf8("result")),
    )
    return Effect.gen(function* () {
      const [took, chunks] = yield* inVirtualTime(Effect.timed(chunksOf()))
      assert.deepStrictEqual(placed(chunks), joined([utf8("result")]))
      assert.isAtLeast(Duration.toSeconds(took), 7 * 40)
      assert.isAtMost(Duration.toSeconds(took), 7 * 40 + 1)
    }).pipe(Effect.provide(layerOver(layer)))
  })
})

describe("Transfer: a resume point", () => {
  const content = patterned(50_000)
  const addAndLook = Effect.gen(function* () {
    const simulator = yield* Simulator.Simulator
    yield* simulator.add(exampleRef, { content })
    const head = (yield* inVirtualTime(chunksOf()))[0]?.head ?? {}
    return { head, before: (yield* simulator.calls).length }
  })
  const callsSince = (before: number) =>
    Effect.map(
      Effect.flatMap(Simulator.Simulator, (simulator) => simulator.calls),
      (calls) => calls.slice(before),
    )

  it.effect("requests only the missing bytes", () =>
    Effect.gen(function* () {
      const { before, head } = yield* addAndLook
      const chunks = yield* inVirtualTime(chunksOf({ head, offset: 30_000 }))
      assert.strictEqual(chunks[0]?.offset, 30_000)
      assert.deepStrictEqual(placed(chunks, joined([content.subarray(0, 30_000)])), joined([content]))
      const [, blob] = yield* callsSince(before)
      assert.strictEqual(blob?.headers.range, "bytes=30000-")
      assert.strictEqual(blob?.headers["if-match"], head.etag)
      assert.deepStrictEqual({ ...chunks[0]?.head }, { ...head })
    }).pipe(Effect.provide(world)),
  )

  it.effect("makes no request if no bytes are missing", () =>
    Effect.gen(function* () {
      const { before, head } = yield* addAndLook
      assert.deepStrictEqual(yield* inVirtualTime(chunksOf({ head, offset: content.length })), [])
      assert.deepStrictEqual(yield* callsSince(before), [])
    }).pipe(Effect.provide(world)),
  )

  it.effect("starts over if the content changed", () =>
    Effect.gen(function* () {
      const { before, head } = yield* addAndLook
      const chunks = yield* inVirtualTime(chunksOf({ head: { ...head, etag: `"0xOLD"` }, offset: 30_000 }))
      assert.deepStrictEqual(placed(chunks), joined([content]))
      assert.deepStrictEqual(
        (yield* callsSince(before)).map(({ status }) => status),
        [200, 412, 200],
      )
    }).pipe(Effect.provide(world)),
  )

  it.effect.each([{ etag: undefined }, { etag: `W/"0x1"` }])("starts over without a strong ETag: $etag", ({ etag }) =>
    Effect.gen(function* () {
      const { before, head } = yield* addAndLook
      const known = { length: head.length ?? 0, ...(etag === undefined ? {} : { etag }) }
      const chunks = yield* inVirtualTime(chunksOf({ head: known, offset: 30_000 }))
      assert.deepStrictEqual(placed(chunks), joined([content]))
      const [, blob] = yield* callsSince(before)
      assert.isUndefined(blob?.headers.range)
    }).pipe(Effect.provide(world)),
  )

  it.effect("resumes again if the rest breaks", () =>
    Effect.gen(function* () {
      const simulator = yield* Simulator.Simulator
      yield* simulator.add(exampleRef, { content, blobFaults: [{ fault: "none" }, { fault: "cut", after: 5000 }] })
      const head = (yield* inVirtualTime(chunksOf()))[0]?.head ?? {}
      const chunks = yield* inVirtualTime(chunksOf({ head, offset: 30_000 }))
      assert.deepStrictEqual(placed(chunks, joined([content.subarray(0, 30_000)])), joined([content]))
      assert.deepStrictEqual(yield* rangesAsked, [undefined, "bytes=30000-", "bytes=35000-"])
    }).pipe(Effect.provide(world)),
  )
})
