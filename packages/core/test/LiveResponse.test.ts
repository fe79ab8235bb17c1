import { createHash } from "node:crypto"
import { readFileSync } from "node:fs"
import { gzipSync } from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import * as BatchEvent from "@live-response/core/BatchEvent"
import * as ResultEvent from "@live-response/core/ResultEvent"
import { CredentialError, Missing } from "@live-response/core/CredentialError"
import {
  DefenderError,
  Forbidden,
  NotFound,
  Unauthorized,
  Unavailable,
  Unreachable,
} from "@live-response/core/DefenderError"
import * as LiveResponse from "@live-response/core/LiveResponse"
import * as MachineAction from "@live-response/core/MachineAction"
import * as Manifest from "@live-response/core/Manifest"
import * as Quota from "@live-response/core/Quota"
import * as QuotaStore from "@live-response/core/QuotaStore"
import { type ResultChunk, ResultHead } from "@live-response/core/ResultChunk"
import * as ResultRefs from "@live-response/core/ResultRef"
import * as ResultStore from "@live-response/core/ResultStore"
import { StoreError } from "@live-response/core/StoreError"
import * as LiveResponseTest from "@live-response/core/testing/LiveResponseTest"
import * as Simulator from "@live-response/core/testing/Simulator"
import { type DownloadError, Transfer } from "@live-response/core/Transfer"
import {
  Broken,
  LinkRefused,
  Mismatch,
  NotFromStorage,
  Refused,
  TransferError,
} from "@live-response/core/TransferError"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Struct from "effect/Struct"
import { joined, patterned, utf8 } from "./support/bytes.ts"
import { failureOf } from "./support/events.ts"
import { exampleRef, refAt, refsUpTo } from "./support/refs.ts"

const at = DateTime.makeUnsafe("2026-11-01T00:00:00Z")
const { inVirtualTime } = LiveResponseTest
const world = LiveResponseTest.layer()

const add = (ref: ResultRefs.ResultRef, result: Simulator.Result) =>
  Effect.flatMap(Simulator.Simulator, (simulator) => simulator.add(ref, result))
const calls = Effect.flatMap(Simulator.Simulator, (simulator) => simulator.calls)

/** Runs a batch, and returns its events and its exit. */
const run = Effect.fnUntraced(function* <E, R>(
  refs: Stream.Stream<ResultRefs.ResultRef, E, R>,
  options?: LiveResponse.BatchOptions,
) {
  const live = yield* LiveResponse.LiveResponse
  const events: Array<BatchEvent.BatchEvent> = []
  const exit = yield* live.saveAll(refs, options).pipe(
    Stream.runForEach((event) => Effect.sync(() => events.push(event))),
    Effect.exit,
    (effect) => inVirtualTime(effect, "2 days"),
  )
  return { events, exit }
})

const runAll = (refs: Iterable<ResultRefs.ResultRef>, options?: LiveResponse.BatchOptions) =>
  run(Stream.fromIterable(refs), options)

const names = (events: ReadonlyArray<BatchEvent.BatchEvent>) => events.map(({ event }) => event)

/** The summary: the last event, and the only one of its kind. */
const summaryOf = (events: ReadonlyArray<BatchEvent.BatchEvent>) => {
  const summaries = events.flatMap((event) => (event.event === "summary" ? [event] : []))
  assert.strictEqual(summaries.length, 1)
  assert.strictEqual(events.at(-1), summaries[0])
  return Struct.omit(summaries[0] ?? BatchEvent.emptySummary, ["at"])
}

/** The library over a transfer that the test provides. */
const layerOver = (
  chunks: (ref: ResultRefs.ResultRef) => Effect.Effect<Uint8Array, DownloadError>,
  stores: Layer.Layer<ResultStore.ResultStore | Manifest.Manifest> = Layer.merge(
    ResultStore.layerMemory,
    Manifest.layerMemory,
  ),
  windows = Quota.linkWindows(),
) =>
  LiveResponse.layer.pipe(
    Layer.provideMerge(
      Layer.mergeAll(
        Layer.succeed(Transfer, {
          chunks: (ref) =>
            Stream.map(Stream.fromEffect(chunks(ref)), (bytes) => ({ head: ResultHead.make({}), offset: 0, bytes })),
          bytes: (ref) => Stream.fromEffect(chunks(ref)),
        }),
        stores,
        Quota.layer({ windows }).pipe(Layer.provide(QuotaStore.layerMemory)),
      ),
    ),
  )

/** A store in memory whose writers do some things otherwise. */
const writing = (change: (writer: ResultStore.ResultWriter) => Partial<ResultStore.ResultWriter>) =>
  Layer.effect(
    ResultStore.ResultStore,
    Effect.map(ResultStore.ResultStore, (store) => ({
      ...store,
      open: (ref: ResultRefs.ResultRef) => Effect.map(store.open(ref), (writer) => ({ ...writer, ...change(writer) })),
    })),
  ).pipe(Layer.provide(ResultStore.layerMemory))

/** Completes a result in a second, as a slow disk does. */
const flushing = Layer.merge(
  writing(({ complete }) => ({ complete: Effect.uninterruptible(Effect.delay(complete, "1 second")) })),
  Manifest.layerMemory,
)

const apiError = (reason: DefenderError["reason"]) => new DefenderError({ operation: "link", reason })
const diskFull = new StoreError({ path: "/results", problem: "DiskFull", detail: "ENOSPC" })

describe("LiveResponse.saveAll", () => {
  it.effect("emits the events of a result in order, and the summary last", () =>
    Effect.gen(function* () {
      const content = patterned(50_000)
      yield* add(exampleRef, { content, blobFaults: [{ fault: "expire" }, { fault: "cut", after: 20_000 }] })
      const { events, exit } = yield* runAll([exampleRef])
      assert.deepStrictEqual(exit, Exit.void)
      assert.deepStrictEqual(names(events), ["linked", "retrying", "linked", "retrying", "completed", "summary"])
      const completed = events[4]
      assert.deepInclude(completed, {
        machineActionId: exampleRef.machineActionId,
        index: 0,
        path: `${exampleRef.machineActionId}/0.bin`,
        bytes: content.length,
        sha256: createHash("sha256").update(content).digest("hex"),
        links: 2,
        attempts: 3,
      })
      assert.match(completed?.event === "completed" ? (completed.etag ?? "") : "", /^"0x/)
      assert.deepStrictEqual(summaryOf(events), {
        event: "summary",
        completed: 1,
        skipped: 0,
        failed: 0,
        bytes: content.length,
        links: 2,
      })
      const store = yield* ResultStore.ResultStore
      const kept = yield* Stream.runCollect(store.read(`${exampleRef.machineActionId}/0.bin`))
      assert.deepStrictEqual(joined(kept), joined([content]))
    }).pipe(Effect.provide(world)),
  )

  it.effect("counts downloads as attempts, and not calls for a link", () =>
    Effect.gen(function* () {
      yield* add(exampleRef, {
        content: utf8("a"),
        linkFaults: [{ fault: "status", status: 503 }, { fault: "throttle" }],
      })
      const { events } = yield* runAll([exampleRef])
      assert.deepStrictEqual(names(events), ["retrying", "retrying", "waiting", "linked", "completed", "summary"])
      assert.deepInclude(events[4], { links: 1, attempts: 1 })
    }).pipe(Effect.provide(world)),
  )

  it.effect("counts completed, skipped and failed results, bytes and links in the summary", () =>
    Effect.gen(function* () {
      for (const n of [0, 1, 2]) yield* add(refAt(n), { content: patterned(10 + n) })
      yield* runAll([refAt(0)])
      const { events, exit } = yield* runAll([refAt(0), refAt(1), refAt(1), refAt(2), refAt(9), refAt(2)])
      assert.deepStrictEqual(exit, Exit.void)
      assert.deepStrictEqual(summaryOf(events), {
        event: "summary",
        completed: 2,
        skipped: 3,
        failed: 1,
        bytes: 11 + 12,
        links: 2,
      })
      const skipped = events.flatMap((event) => (event.event === "skipped" ? [`${event.index} ${event.reason}`] : []))
      assert.deepStrictEqual(skipped.toSorted(), ["0 present", "1 duplicate", "2 duplicate"])
    }).pipe(Effect.provide(world)),
  )

  it.effect("emits a summary alone if there are no targets", () =>
    Effect.gen(function* () {
      const { events, exit } = yield* runAll([])
      assert.deepStrictEqual(exit, Exit.void)
      assert.deepStrictEqual(names(events), ["summary"])
      const { at: _, ...nothing } = BatchEvent.emptySummary
      assert.deepStrictEqual(summaryOf(events), nothing)
    }).pipe(Effect.provide(world)),
  )

  it.effect("skips results of an earlier run without a call", () =>
    Effect.gen(function* () {
      const refs = refsUpTo(20)
      for (const ref of refs) yield* add(ref, { content: utf8("a") })
      yield* runAll(refs)
      const before = (yield* calls).length
      const { events } = yield* runAll(refs)
      assert.strictEqual((yield* calls).length, before)
      assert.strictEqual(summaryOf(events).skipped, 20)
    }).pipe(Effect.provide(world)),
  )

  it.effect("asks for one link where two batches name the same result at the same time", () =>
    Effect.gen(function* () {
      yield* add(refAt(0), { content: utf8("one") })
      const live = yield* LiveResponse.LiveResponse
      const batch = Stream.runCollect(live.saveAll(Stream.make(refAt(0))))
      const [one, other] = yield* inVirtualTime(Effect.all([batch, batch], { concurrency: 2 }))
      const ends = [one, other].map((events) =>
        events.filter(({ event }) => event !== "progress").map(({ event }) => event),
      )
      assert.deepStrictEqual(
        ends.toSorted((a, b) => a.length - b.length),
        [
          ["skipped", "summary"],
          ["linked", "completed", "summary"],
        ],
      )
    }).pipe(Effect.provide(world)),
  )

  it.effect("treats a result with and without its origin as the same", () =>
    Effect.gen(function* () {
      yield* add(exampleRef, { content: utf8("a") })
      const found = ResultRefs.ActionResult.make({ ...exampleRef, script: "collect.ps1" })
      assert.strictEqual(String(found), String(exampleRef))
      assert.deepInclude(summaryOf((yield* runAll([found, exampleRef])).events), { completed: 1, skipped: 1 })
      for (const ref of [exampleRef, found]) {
        assert.deepInclude(summaryOf((yield* runAll([ref])).events), { completed: 0, skipped: 1, links: 0 })
      }
    }).pipe(Effect.provide(world)),
  )

  it.effect("downloads a result again that the manifest has and the store lacks", () =>
    Effect.gen(function* () {
      const manifest = yield* Manifest.Manifest
      yield* add(exampleRef, { content: utf8("hello") })
      yield* manifest.append(
        ResultEvent.Completed.make({
          at,
          ...exampleRef,
          path: `${exampleRef.machineActionId}/0.bin`,
          bytes: 5,
          sha256: "",
          links: 1,
          attempts: 1,
        }),
      )
      const { events } = yield* runAll([exampleRef])
      assert.strictEqual(summaryOf(events).completed, 1)
    }).pipe(Effect.provide(world)),
  )

  it.effect("fails if the store names a result as the manifest can't find it", () => {
    const renaming = writing(({ complete }) => ({
      complete: Effect.map(complete, (stored) => ({ ...stored, path: "elsewhere/0.bin" })),
    }))
    return Effect.gen(function* () {
      yield* add(exampleRef, { content: utf8("hello") })
      const { save } = yield* LiveResponse.LiveResponse
      const error = yield* Effect.flip(save(exampleRef))
      assert.strictEqual(error._tag, "StoreError")
      assert.include(error.message, "elsewhere/0.bin")
      assert.include(error.message, "FileName.ofResult")
    }).pipe(
      Effect.provide(
        LiveResponseTest.layer({ store: renaming }).pipe(Layer.provideMerge(LiveResponseTest.layerTestClock)),
      ),
    )
  })

  it.effect("retries in the next run what failed in this one", () =>
    Effect.gen(function* () {
      const manifest = yield* Manifest.Manifest
      yield* runAll([exampleRef])
      assert.deepStrictEqual((yield* manifest.failed).map(String), [String(exampleRef)])
      yield* add(exampleRef, { content: utf8("hello") })
      const { events } = yield* runAll([exampleRef])
      assert.strictEqual(summaryOf(events).completed, 1)
      assert.deepStrictEqual(yield* manifest.failed, [])
    }).pipe(Effect.provide(world)),
  )

  it.effect("continues with the other results when one fails", () =>
    Effect.gen(function* () {
      const refs = refsUpTo(30)
      for (const [n, ref] of refs.entries()) {
        if (n === 3) continue
        yield* add(ref, {
          content: patterned(100),
          ...(n === 5 ? { blobFaults: [{ fault: "expire" }, { fault: "expire" }] } : {}),
          ...(n === 7 ? { blobFaults: [{ fault: "status", status: 404, code: "BlobNotFound" }] } : {}),
        })
      }
      const { events, exit } = yield* runAll(refs)
      assert.deepStrictEqual(exit, Exit.void)
      assert.deepInclude(summaryOf(events), { completed: 27, failed: 3 })
      const failed = new Map(
        events.flatMap((event) =>
          event.event === "failed" && "reason" in event.error
            ? [[event.index, { tag: event.error.reason._tag, links: event.links, attempts: event.attempts }] as const]
            : [],
        ),
      )
      assert.deepStrictEqual(failed.get(3), { tag: "NotFound", links: 0, attempts: 1 })
      assert.deepStrictEqual(failed.get(5), { tag: "LinkRefused", links: 2, attempts: 2 })
      assert.deepStrictEqual(failed.get(7), { tag: "Refused", links: 1, attempts: 1 })
      const manifest = yield* Manifest.Manifest
      assert.strictEqual((yield* manifest.failed).length, 3)
    }).pipe(Effect.provide(world)),
  )

  it.effect.each<{ readonly name: string; readonly error: DefenderError | CredentialError }>([
    { name: "Forbidden", error: apiError(new Forbidden({ status: 403 })) },
    { name: "Unauthorized", error: apiError(new Unauthorized({ status: 401 })) },
    { name: "CredentialError", error: new CredentialError({ reason: new Missing() }) },
  ])("ends with an error that concerns every target, after a summary: $name", ({ error }) =>
    Effect.gen(function* () {
      const { events, exit } = yield* runAll(refsUpTo(1000), { concurrency: 2 })
      assert.strictEqual(yield* failureOf(exit), error)
      assert.deepInclude(summaryOf(events), { completed: 10, failed: 0 })
      assert.isFalse(names(events).includes("failed"))
      // The target is not recorded as failed, because it may succeed in another run.
      const manifest = yield* Manifest.Manifest
      assert.deepStrictEqual(yield* manifest.failed, [])
    }).pipe(
      Effect.provide(
        layerOver((ref) =>
          String(ref) === String(refAt(10))
            ? Effect.delay(Effect.fail(error), "500 millis")
            : Effect.delay(Effect.succeed(utf8("a")), "1 second"),
        ),
      ),
    ),
  )

  it.effect.each<{ readonly name: string; readonly error: DownloadError }>([
    { name: "NotFound", error: apiError(new NotFound({ status: 404 })) },
    { name: "Unavailable", error: apiError(new Unavailable({ status: 503 })) },
    {
      name: "Mismatch",
      error: new TransferError({
        result: "a",
        reason: new Mismatch({ what: "md5", expected: "a", actual: "b" }),
      }),
    },
  ])("continues after an error that concerns one target: $name", ({ error }) =>
    Effect.gen(function* () {
      const { events, exit } = yield* runAll(refsUpTo(10))
      assert.deepStrictEqual(exit, Exit.void)
      assert.deepInclude(summaryOf(events), { completed: 0, failed: 10 })
      for (const event of events) if (event.event === "failed") assert.strictEqual(event.message, error.message)
    }).pipe(Effect.provide(layerOver(() => Effect.fail(error)))),
  )

  describe("with results that the API forbids", () => {
    const forbid = { fault: "status", status: 403, code: "Forbidden" } as const
    const disallow = { fault: "status", status: 403, code: "DisallowedOperation" } as const

    /** Adds `count` results, of which the API forbids some. */
    const addAll = (refs: ReadonlyArray<ResultRefs.ResultRef>, faultOf: (n: number) => Simulator.Fault | undefined) =>
      Effect.forEach(refs, (ref, n) => {
        const fault = faultOf(n)
        return add(ref, { content: utf8("a"), ...(fault === undefined ? {} : { linkFaults: [fault] }) })
      })

    /** The results that failed, by their errors. */
    const failures = (events: ReadonlyArray<BatchEvent.BatchEvent>) =>
      events.flatMap((event) =>
        event.event === "failed" && event.error._tag === "DefenderError"
          ? [`${event.machineActionId}:${event.index} ${event.error.reason._tag}`]
          : [],
      )

    it.effect.each([{ concurrency: 1 }, { concurrency: 8 }, { concurrency: 256 }])(
      "continues if one among others is forbidden: $concurrency at once",
      ({ concurrency }) =>
        Effect.gen(function* () {
          const refs = refsUpTo(40)
          yield* addAll(refs, (n) => (n === 20 ? forbid : undefined))
          const { events, exit } = yield* runAll(refs, { concurrency })
          assert.deepStrictEqual(exit, Exit.void)
          assert.deepInclude(summaryOf(events), { completed: 39, failed: 1 })
          assert.deepStrictEqual(failures(events), [`${refAt(20)} Forbidden`])
          const manifest = yield* Manifest.Manifest
          assert.deepStrictEqual((yield* manifest.failed).map(String), [String(refAt(20))])
        }).pipe(Effect.provide(world)),
    )

    it.effect("ends if the first one is forbidden", () =>
      Effect.gen(function* () {
        const refs = refsUpTo(40)
        yield* addAll(refs, (n) => (n === 0 ? forbid : undefined))
        const { events, exit } = yield* runAll(refs, { concurrency: 1 })
        assert.deepInclude(yield* failureOf(exit), { _tag: "DefenderError" })
        assert.deepInclude(summaryOf(events), { completed: 0, failed: 0 })
        assert.strictEqual((yield* calls).length, 1)
      }).pipe(Effect.provide(world)),
    )

    it.effect("ends after eight forbidden results in a row, even if one was permitted before", () =>
      Effect.gen(function* () {
        const refs = refsUpTo(40)
        yield* addAll(refs, (n) => (n === 0 ? undefined : forbid))
        const { events, exit } = yield* runAll(refs, { concurrency: 1 })
        const error = yield* failureOf(exit)
        assert.strictEqual(error._tag === "DefenderError" ? error.reason._tag : error._tag, "Forbidden")
        assert.deepInclude(summaryOf(events), { completed: 1, failed: 7 })
        assert.strictEqual((yield* calls).filter(({ kind }) => kind === "link").length, 1 + 8)
      }).pipe(Effect.provide(world)),
    )

    it.effect("continues after seven forbidden results in a row, several times", () =>
      Effect.gen(function* () {
        const refs = refsUpTo(40)
        yield* addAll(refs, (n) => (n % 8 === 0 ? undefined : forbid))
        const { events, exit } = yield* runAll(refs, { concurrency: 1 })
        assert.deepStrictEqual(exit, Exit.void)
        assert.deepInclude(summaryOf(events), { completed: 5, failed: 35 })
      }).pipe(Effect.provide(world)),
    )

    it.effect("continues if the operation is not allowed for a result, whether for the first or for all", () =>
      Effect.gen(function* () {
        const refs = refsUpTo(40)
        yield* addAll(refs, (n) => (n < 20 ? disallow : undefined))
        const { events, exit } = yield* runAll(refs, { concurrency: 1 })
        assert.deepStrictEqual(exit, Exit.void)
        assert.deepInclude(summaryOf(events), { completed: 20, failed: 20 })
        assert.deepStrictEqual(
          failures(events),
          refsUpTo(20).map((ref) => `${ref} Refused`),
        )
      }).pipe(Effect.provide(world)),
    )

    it.effect.each([
      { name: "answers at once", latency: undefined },
      { name: "answers after a while", latency: Effect.sleep("200 millis") },
    ])("makes few calls if all results are forbidden, at any concurrency: $name", ({ latency }) => {
      let startedCalls = 0
      const counted = Effect.suspend(() => {
        startedCalls++
        return latency ?? Effect.void
      })
      return Effect.gen(function* () {
        const refs = refsUpTo(300)
        yield* addAll(refs, () => forbid)
        const { events, exit } = yield* runAll(refs, { concurrency: 256 })
        const error = yield* failureOf(exit)
        assert.strictEqual(error._tag === "DefenderError" ? error.reason._tag : error._tag, "Forbidden")
        assert.deepInclude(summaryOf(events), { completed: 0 })
        assert.isAtLeast(startedCalls, 1)
        assert.isAtMost(startedCalls, 16)
      }).pipe(Effect.provide(LiveResponseTest.layer({ latency: counted })))
    })

    it.effect("downloads all results once calls are permitted, at any concurrency", () =>
      Effect.gen(function* () {
        const refs = refsUpTo(300)
        yield* addAll(refs, () => undefined)
        const { events, exit } = yield* runAll(refs, { concurrency: 256 })
        assert.deepStrictEqual(exit, Exit.void)
        assert.deepInclude(summaryOf(events), { completed: 300, failed: 0 })
      }).pipe(Effect.provide(LiveResponseTest.layer({ latency: Effect.sleep("200 millis") }))),
    )
  })

  const unreachable = apiError(new Unreachable({ description: "connect ECONNREFUSED" }))
  const noStorage = new TransferError({
    result: "a",
    reason: new Broken({ offset: 0, description: "ENOTFOUND", kind: "name" }),
  })

  it.effect.each([{ error: unreachable }, { error: noStorage }])(
    "ends after ten results in a row without a connection: $error._tag",
    ({ error }) =>
      Effect.gen(function* () {
        const { events, exit } = yield* runAll(refsUpTo(1000), { concurrency: 2 })
        const outage = yield* failureOf(exit)
        assert.deepInclude(outage, { _tag: "NetworkDown", failures: 10, last: error })
        assert.include(String(outage), "10 targets in a row failed in this way")
        assert.isAtMost(summaryOf(events).failed, 11)
      }).pipe(Effect.provide(layerOver(() => Effect.delay(Effect.fail(error), "1 second")))),
  )

  describe("with a storage that refuses fresh links", () => {
    const closed = new TransferError({
      result: "a",
      reason: new LinkRefused({ status: 403, code: "AuthorizationFailure" }),
    })
    const disabled = new TransferError({ result: "a", reason: new Refused({ status: 403, code: "AccountIsDisabled" }) })

    it.effect.each([
      { name: "closed to this network", error: closed, targets: 3 },
      { name: "disabled", error: disabled, targets: 5 },
    ])("ends if no link ever worked: $name", ({ error, targets }) =>
      Effect.gen(function* () {
        const { events, exit } = yield* runAll(refsUpTo(1000), { concurrency: 1 })
        const refused = yield* failureOf(exit)
        assert.deepInclude(refused, { _tag: "StorageRefused", last: error })
        assert.include(String(refused), "from a network that the storage account allows")
        assert.strictEqual(summaryOf(events).failed, targets)
      }).pipe(Effect.provide(layerOver(() => Effect.fail(error)))),
    )

    it.effect("never ends after a link that worked", () =>
      Effect.gen(function* () {
        const { events, exit } = yield* runAll(refsUpTo(100), { concurrency: 1 })
        assert.deepStrictEqual(exit, Exit.void)
        assert.deepInclude(summaryOf(events), { completed: 1, failed: 99 })
      }).pipe(
        Effect.provide(
          layerOver((ref) => (String(ref) === String(refAt(0)) ? Effect.succeed(utf8("a")) : Effect.fail(closed))),
        ),
      ),
    )
  })

  it.effect("ends after ten answers in a row that are not from the storage", () => {
    const gateway = new TransferError({ result: "a", reason: new NotFromStorage({ status: 200 }) })
    return Effect.gen(function* () {
      const { exit } = yield* runAll(refsUpTo(1000), { concurrency: 1 })
      assert.deepInclude(yield* failureOf(exit), { _tag: "NetworkDown", failures: 10, last: gateway })
    }).pipe(Effect.provide(layerOver(() => Effect.fail(gateway))))
  })

  it.effect("has the time of each event", () =>
    Effect.gen(function* () {
      const content = patterned(5000)
      for (const ref of refsUpTo(150)) yield* add(ref, { content, blobFaults: [{ fault: "cut", after: 2000 }] })
      const { events } = yield* runAll([...refsUpTo(150), refAt(0)])
      const kinds = new Set(names(events))
      for (const kind of ["linked", "retrying", "completed", "waiting", "skipped", "summary"] as const) {
        assert.isTrue(kinds.has(kind), kind)
      }
      const times = events.map(({ at }) => at.epochMilliseconds)
      assert.deepStrictEqual(
        times,
        times.toSorted((a, b) => a - b),
      )
      assert.isAtLeast((times.at(-1) ?? 0) - (times[0] ?? 0), 60_000)
    }).pipe(Effect.provide(world)),
  )

  it.effect("continues while some results reach a server, whatever its answer", () =>
    Effect.gen(function* () {
      const { events, exit } = yield* runAll(refsUpTo(200), { concurrency: 3 })
      assert.deepStrictEqual(exit, Exit.void)
      assert.deepInclude(summaryOf(events), { completed: 10, failed: 190 })
    }).pipe(
      Effect.provide(
        layerOver((ref) => {
          if (ref.index !== 7) return Effect.fail(unreachable)
          return Number.parseInt(ref.machineActionId.slice(-2), 16) % 2 === 0
            ? Effect.succeed(utf8("a"))
            : Effect.fail(apiError(new NotFound({ status: 404 })))
        }),
      ),
    ),
  )

  it.effect("ends if results can't be stored", () => {
    const full = Layer.succeed(ResultStore.ResultStore, {
      open: () =>
        Effect.succeed({
          resume: undefined,
          write: () => Effect.fail(diskFull),
          complete: Effect.fail(diskFull),
          discard: Effect.void,
        }),
      has: () => Effect.succeed(false),
      read: () => Stream.empty,
      write: () => Effect.fail(diskFull),
    })
    return Effect.gen(function* () {
      const { events, exit } = yield* runAll(refsUpTo(100))
      assert.strictEqual(yield* failureOf(exit), diskFull)
      assert.deepInclude(summaryOf(events), { completed: 0, failed: 0 })
    }).pipe(Effect.provide(layerOver(() => Effect.succeed(utf8("a")), Layer.merge(full, Manifest.layerMemory))))
  })

  it.effect("counts a stored result even if another target ends the batch before its event was emitted", () => {
    const written: Array<string> = []
    const refused = apiError(new Unauthorized({ status: 401 }))
    const slow = Layer.succeed(Manifest.Manifest, {
      find: () => Effect.succeedNone,
      // The bytes are written, and then flushed.
      append: (outcome) =>
        Effect.andThen(
          Effect.sync(() => written.push(outcome.event)),
          Effect.sleep("1 second"),
        ),
      failed: Effect.succeed([]),
    })
    return Effect.gen(function* () {
      const { events, exit } = yield* runAll(refsUpTo(3), { concurrency: 3 })
      assert.strictEqual(yield* failureOf(exit), refused)
      assert.deepStrictEqual(written, ["completed", "completed"])
      assert.deepInclude(summaryOf(events), { completed: 2 })
      assert.deepStrictEqual(names(events), ["completed", "completed", "summary"])
    }).pipe(
      Effect.provide(
        layerOver(
          (ref) =>
            String(ref) !== String(refAt(2))
              ? Effect.succeed(utf8("a"))
              : Effect.andThen(Effect.sleep("500 millis"), Effect.fail(refused)),
          Layer.merge(ResultStore.layerMemory, slow),
        ),
      ),
    )
  })

  it.effect("ends if the manifest can't be written", () => {
    const full = Layer.succeed(Manifest.Manifest, {
      find: () => Effect.succeedNone,
      append: () => Effect.fail(diskFull),
      failed: Effect.succeed([]),
    })
    return Effect.gen(function* () {
      const { events, exit } = yield* runAll(refsUpTo(100))
      assert.strictEqual(yield* failureOf(exit), diskFull)
      assert.strictEqual(summaryOf(events).event, "summary")
    }).pipe(Effect.provide(layerOver(() => Effect.succeed(utf8("a")), Layer.merge(ResultStore.layerMemory, full))))
  })

  it.effect("ends with the error of the stream of targets, after a summary", () =>
    Effect.gen(function* () {
      const { events, exit } = yield* run(
        Stream.concat(Stream.fromIterable(refsUpTo(5)), Stream.fail("the list can't be read" as const)),
      )
      assert.strictEqual(yield* failureOf(exit), "the list can't be read")
      assert.isAtMost(summaryOf(events).completed, 5)
    }).pipe(Effect.provide(layerOver(() => Effect.succeed(utf8("a"))))),
  )

  it.effect("emits the summary to a reader that is late", () =>
    Effect.gen(function* () {
      const live = yield* LiveResponse.LiveResponse
      const refs = Stream.concat(Stream.fromIterable(refsUpTo(200)), Stream.fail("broken" as const))
      const events: Array<BatchEvent.BatchEvent> = []
      const exit = yield* live.saveAll(refs).pipe(
        Stream.runForEach((event) =>
          Effect.andThen(
            Effect.sleep("1 minute"),
            Effect.sync(() => events.push(event)),
          ),
        ),
        Effect.exit,
        inVirtualTime,
      )
      assert.strictEqual(yield* failureOf(exit), "broken")
      const summary = summaryOf(events)
      assert.strictEqual(events.filter(({ event }) => event === "completed").length, summary.completed)
    }).pipe(Effect.provide(layerOver(() => Effect.succeed(utf8("a"))))),
  )

  it.effect("pulls targets no faster than it downloads them", () => {
    let pulled = 0
    const refs = Stream.range(0, 999_999).pipe(
      Stream.rechunk(1),
      Stream.map((n) => {
        pulled++
        return refAt(n)
      }),
    )
    return Effect.gen(function* () {
      const live = yield* LiveResponse.LiveResponse
      let heard = 0
      const reader = live.saveAll(refs, { concurrency: 4 }).pipe(
        Stream.runForEach(() =>
          Effect.andThen(
            Effect.sync(() => heard++),
            Effect.sleep("1 hour"),
          ),
        ),
      )
      yield* inVirtualTime(Effect.timeoutOption(reader, "150 minutes"))
      assert.strictEqual(heard, 3)
      assert.isAbove(pulled, 3)
      assert.isAtMost(pulled, 150)
    }).pipe(Effect.provide(layerOver(() => Effect.succeed(utf8("a")))))
  })

  it.effect("accepts an endless stream of targets", () =>
    Effect.gen(function* () {
      const live = yield* LiveResponse.LiveResponse
      let n = 0
      const endless = Stream.map(Stream.fromEffectRepeat(Effect.sync(() => n++)), refAt)
      const events = yield* inVirtualTime(Stream.runCollect(Stream.take(live.saveAll(endless), 500)))
      assert.strictEqual(events.length, 500)
    }).pipe(Effect.provide(layerOver(() => Effect.succeed(utf8("a"))))),
  )

  it.effect.each([
    { concurrency: 1, most: 1 },
    { concurrency: 3, most: 3 },
    { concurrency: undefined, most: 8 },
  ])("downloads as many results at once as the options say: $concurrency", ({ concurrency, most }) => {
    let now = 0
    let peak = 0
    const download = Effect.acquireUseRelease(
      Effect.sync(() => {
        now++
        peak = Math.max(peak, now)
      }),
      () => Effect.delay(Effect.succeed(utf8("a")), "1 second"),
      () => Effect.sync(() => now--),
    )
    return Effect.gen(function* () {
      const { events } = yield* runAll(refsUpTo(40), { concurrency })
      assert.strictEqual(summaryOf(events).completed, 40)
      assert.strictEqual(peak, most)
    }).pipe(Effect.provide(layerOver(() => download)))
  })

  it.effect("does not wait for the slowest result", () =>
    Effect.gen(function* () {
      const { events } = yield* runAll(refsUpTo(20), { concurrency: 2 })
      const completed = events.flatMap((event) =>
        event.event === "completed" ? [event.machineActionId + event.index] : [],
      )
      assert.strictEqual(completed.length, 20)
      assert.strictEqual(completed.at(-1), `${refAt(0).machineActionId}0`)
    }).pipe(
      Effect.provide(
        layerOver((ref) =>
          Effect.delay(Effect.succeed(utf8("a")), String(ref) === String(refAt(0)) ? "1 hour" : "1 second"),
        ),
      ),
    ),
  )

  it.effect("emits each wait for the quota, and when it ends", () =>
    Effect.gen(function* () {
      const refs = refsUpTo(250)
      for (const ref of refs) yield* add(ref, { content: utf8("a") })
      const { events } = yield* runAll(refs)
      assert.strictEqual(summaryOf(events).completed, 250)
      const waiting = events.flatMap((event) => (event.event === "waiting" ? [event] : []))
      const startedAt = (yield* calls)[0]?.at ?? 0
      assert.deepStrictEqual(
        waiting.map(({ until }) => (until.epochMilliseconds - startedAt) / 1000),
        [60, 120],
      )
    }).pipe(Effect.provide(world)),
  )

  it.effect("emits the summary last, even if other programs use the quota and the reader is slow", () =>
    Effect.gen(function* () {
      const live = yield* LiveResponse.LiveResponse
      const quota = yield* Quota.Quota
      const other = Effect.forever(Effect.andThen(quota.withPermit(Effect.void), Effect.sleep("1 second")))
      // With one of these counts the batch ends when the queue of events is full.
      let waited = 0
      for (let count = 124; count <= 132; count++) {
        const events: Array<BatchEvent.BatchEvent> = []
        const reader = live.saveAll(Stream.fromIterable(Array.from({ length: count }, (_, n) => refAt(1000 + n)))).pipe(
          Stream.runForEach((event) =>
            Effect.andThen(
              Effect.sync(() => events.push(event)),
              Effect.sleep("1 minute"),
            ),
          ),
        )
        yield* inVirtualTime(Effect.raceFirst(reader, other), "1 day")
        assert.strictEqual(events.at(-1)?.event, "summary", `${count} targets`)
        if (names(events).includes("waiting")) waited++
      }
      assert.isAbove(waited, 0)
    }).pipe(
      Effect.provide(
        layerOver(
          () => Effect.succeed(utf8("a")),
          Layer.merge(ResultStore.layerMemory, Manifest.layerMemory),
          Quota.linkWindows({ perMinute: 1, perHour: 60 }),
        ),
      ),
    ),
  )

  it.effect("emits no link and no token", () =>
    Effect.gen(function* () {
      const refs = refsUpTo(5)
      for (const [n, ref] of refs.entries()) {
        yield* add(ref, {
          content: patterned(100),
          blobFaults: n % 2 === 0 ? [{ fault: "expire" }, { fault: "expire" }] : [{ fault: "cut", after: 3 }],
        })
      }
      const { events } = yield* runAll(refs)
      const encode = Schema.encodeEffect(Schema.fromJsonString(BatchEvent.BatchEvent))
      const lines = yield* Effect.forEach(events, (event) => encode(event))
      assert.isAbove(lines.length, 10)
      for (const line of lines) {
        assert.notMatch(line, /sig=|a-token-for-tests|Bearer/)
      }
    }).pipe(Effect.provide(world)),
  )
})

describe("LiveResponse.saveAll over the API", () => {
  /** A store that is slow. */
  const slow = writing(({ write }) => ({ write: (chunk: ResultChunk) => Effect.delay(write(chunk), "20 minutes") }))

  it.effect("requests a link only when its download can start, so no link expires unused", () =>
    Effect.gen(function* () {
      const simulator = yield* Simulator.Simulator
      const refs = refsUpTo(30)
      yield* Effect.forEach(refs, (ref) => simulator.add(ref, { content: utf8("hello") }), { discard: true })
      const live = yield* LiveResponse.make
      const counted = live.saveAll(Stream.fromIterable(refs), { concurrency: 3 }).pipe(
        Stream.scan(
          () => 0,
          (open, { event }) => open + (event === "linked" ? 1 : event === "completed" ? -1 : 0),
        ),
        Stream.runFold(
          () => 0,
          (most, open) => Math.max(most, open),
        ),
      )
      assert.strictEqual(yield* inVirtualTime(counted), 3)
      const calls = yield* simulator.calls
      assert.deepStrictEqual(
        calls.map(({ status }) => status),
        calls.map(() => 200),
      )
      const at = (kind: string) => calls.filter((call) => call.kind === kind).map(({ at }) => at)
      assert.strictEqual(at("link").length, refs.length)
      assert.deepStrictEqual(at("blob"), at("link"))
    }).pipe(Effect.provide(slow.pipe(Layer.provideMerge(LiveResponseTest.layer())))),
  )
})

describe("LiveResponse.saveAll, when it is interrupted", () => {
  it.effect("ends at once, and stores what it received", () =>
    Effect.gen(function* () {
      const live = yield* LiveResponse.LiveResponse
      const manifest = yield* Manifest.Manifest
      const events: Array<BatchEvent.BatchEvent> = []
      const batch = Effect.gen(function* () {
        const fiber = yield* live.saveAll(Stream.fromIterable(refsUpTo(1000)), { concurrency: 2 }).pipe(
          Stream.runForEach((event) => Effect.sync(() => events.push(event))),
          Effect.forkChild,
        )
        yield* Effect.sleep("10500 millis")
        yield* Fiber.interrupt(fiber)
      })
      yield* inVirtualTime(batch, "1 hour")
      const completed = events.filter(({ event }) => event === "completed")
      assert.strictEqual(completed.length, 20)
      for (const n of [0, 19]) assert.isTrue(Option.isSome(yield* manifest.find(refAt(n))))
      assert.isTrue(Option.isNone(yield* manifest.find(refAt(20))))
    }).pipe(Effect.provide(layerOver(() => Effect.delay(Effect.succeed(utf8("a")), "1 second")))),
  )

  it.effect("records a result that is being completed", () =>
    Effect.gen(function* () {
      const live = yield* LiveResponse.LiveResponse
      const manifest = yield* Manifest.Manifest
      const batch = Effect.gen(function* () {
        const fiber = yield* Effect.forkChild(Stream.runDrain(live.saveAll(Stream.make(refAt(0)))))
        yield* Effect.sleep("500 millis")
        yield* Fiber.interrupt(fiber)
      })
      yield* inVirtualTime(batch, "1 minute")
      assert.isTrue(Option.isSome(yield* manifest.find(refAt(0))))
    }).pipe(Effect.provide(layerOver(() => Effect.succeed(utf8("a")), flushing))),
  )

  it.effect("records and reports a result that is being completed when another one ends the batch", () =>
    Effect.gen(function* () {
      const manifest = yield* Manifest.Manifest
      const { events, exit } = yield* runAll([refAt(0), refAt(1)])
      assert.strictEqual((yield* failureOf(exit))._tag, "CredentialError")
      assert.include(names(events), "completed")
      assert.deepInclude(summaryOf(events), { completed: 1 })
      assert.isTrue(Option.isSome(yield* manifest.find(refAt(0))))
    }).pipe(
      Effect.provide(
        layerOver(
          ({ index, machineActionId }) =>
            machineActionId === refAt(0).machineActionId && index === refAt(0).index
              ? Effect.succeed(utf8("a"))
              : Effect.delay(Effect.fail(new CredentialError({ reason: new Missing({}) })), "500 millis"),
          flushing,
        ),
      ),
    ),
  )

  it.effect.each(["0 millis", "2 seconds"] as const)(
    "reports all that it stored when it is stopped in order, to a reader that takes %s for each event",
    (pause) =>
      Effect.gen(function* () {
        const live = yield* LiveResponse.LiveResponse
        const manifest = yield* Manifest.Manifest
        const refs = refsUpTo(1000)
        const options = { concurrency: 200, stop: Effect.sleep("1500 millis") }
        const events: Array<BatchEvent.BatchEvent> = []
        yield* live.saveAll(Stream.fromIterable(refs), options).pipe(
          Stream.runForEach((event) =>
            Effect.andThen(
              Effect.sleep(pause),
              Effect.sync(() => events.push(event)),
            ),
          ),
          (effect) => inVirtualTime(effect, "1 day"),
        )
        const stored = (yield* Effect.forEach(refs, manifest.find)).filter(Option.isSome).length
        assert.isAtLeast(stored, 200)
        assert.isBelow(stored, 1000)
        assert.strictEqual(events.filter(({ event }) => event === "completed").length, stored)
        assert.strictEqual(summaryOf(events).completed, stored)
      }).pipe(Effect.provide(layerOver(() => Effect.succeed(utf8("a")), flushing))),
  )

  it.effect.each([1, 10, 64, 65, 100])("ends when its reader leaves with events unread, after %i", (taken) =>
    Effect.gen(function* () {
      const live = yield* LiveResponse.LiveResponse
      // The reader is slow, so the batch waits for it.
      const events = live.saveAll(Stream.fromIterable(refsUpTo(1000))).pipe(
        Stream.tap(() => Effect.sleep("1 second")),
        Stream.take(taken),
        Stream.runCollect,
      )
      assert.strictEqual((yield* inVirtualTime(events, "1 hour")).length, taken)
    }).pipe(Effect.provide(layerOver(() => Effect.succeed(utf8("a"))))),
  )

  it.effect("resumes in the next run with the stored bytes", () =>
    Effect.gen(function* () {
      const live = yield* LiveResponse.LiveResponse
      const content = patterned(50_000)
      yield* add(exampleRef, { content, blobFaults: [{ fault: "stall", after: 32_768 }] })
      const batch = Effect.gen(function* () {
        const fiber = yield* Effect.forkChild(Stream.runDrain(live.saveAll(Stream.make(exampleRef))))
        yield* Effect.sleep("5 seconds")
        yield* Fiber.interrupt(fiber)
      })
      yield* inVirtualTime(batch, "1 minute")
      const { events } = yield* runAll([exampleRef])
      assert.strictEqual(summaryOf(events).completed, 1)
      const blobs = (yield* calls).filter(({ kind }) => kind === "blob")
      assert.deepStrictEqual(
        blobs.map(({ headers }) => headers.range),
        [undefined, "bytes=32768-"],
      )
      const store = yield* ResultStore.ResultStore
      const kept = yield* Stream.runCollect(store.read(`${exampleRef.machineActionId}/0.bin`))
      assert.deepStrictEqual(joined(kept), joined([content]))
    }).pipe(Effect.provide(world)),
  )
})

describe("LiveResponse, one result", () => {
  it.effect("decodes the script result of Microsoft's documentation", () =>
    Effect.gen(function* () {
      const live = yield* LiveResponse.LiveResponse
      yield* add(exampleRef, {
        content: readFileSync(new URL("fixtures/script-result.txt", import.meta.url)),
        blobFaults: [{ fault: "cut", after: 100 }],
      })
      const script = yield* inVirtualTime(live.script(exampleRef))
      assert.strictEqual(script.scriptName, "minidump.ps1")
      assert.match(script.output, /\n51 MB\n$/)
    }).pipe(Effect.provide(world)),
  )

  it.effect("decodes a script result that is gzip", () =>
    Effect.gen(function* () {
      const live = yield* LiveResponse.LiveResponse
      yield* add(exampleRef, { content: gzipSync('{"script_name":"a.ps1","exit_code":"3","script_output":"packed"}') })
      const { exitCode, output } = yield* inVirtualTime(live.script(exampleRef))
      assert.deepStrictEqual([exitCode, output], [3, "packed"])
    }).pipe(Effect.provide(world)),
  )

  it.effect("fails if a result is not of a script", () =>
    Effect.gen(function* () {
      const live = yield* LiveResponse.LiveResponse
      yield* add(exampleRef, { content: Uint8Array.of(0x1f, 0x8b, 8, 0) })
      const error = yield* Effect.flip(inVirtualTime(live.script(exampleRef)))
      assert.strictEqual(error._tag, "ScriptResultError")
    }).pipe(Effect.provide(world)),
  )

  it.effect("emits the bytes of a result", () =>
    Effect.gen(function* () {
      const live = yield* LiveResponse.LiveResponse
      yield* add(exampleRef, { content: patterned(40_000) })
      assert.deepStrictEqual(
        joined(yield* inVirtualTime(Stream.runCollect(live.bytes(exampleRef)))),
        joined([patterned(40_000)]),
      )
    }).pipe(Effect.provide(world)),
  )

  it.effect("saves a result, and resumes after a failure with the stored bytes", () =>
    Effect.gen(function* () {
      const live = yield* LiveResponse.LiveResponse
      const content = patterned(50_000)
      yield* add(exampleRef, {
        content,
        blobFaults: [
          { fault: "cut", after: 20_000 },
          { fault: "status", status: 409, code: "BlobArchived" },
        ],
      })
      const error = yield* Effect.flip(inVirtualTime(live.save(exampleRef)))
      assert.strictEqual(error._tag, "TransferError")
      const stored = yield* inVirtualTime(live.save(exampleRef))
      assert.strictEqual(stored.bytes, content.length)
      assert.strictEqual(stored.sha256, createHash("sha256").update(content).digest("hex"))
      const blobs = (yield* calls).filter(({ kind }) => kind === "blob")
      assert.deepStrictEqual(
        blobs.map(({ headers }) => headers.range),
        [undefined, "bytes=20000-", "bytes=20000-"],
      )
    }).pipe(Effect.provide(world)),
  )
})

describe("LiveResponse, results with an origin", () => {
  const action = Schema.decodeUnknownSync(MachineAction.FromApi)({
    id: exampleRef.machineActionId,
    type: "LiveResponse",
    status: "Succeeded",
    machineId: "1e5bc9d7e413ddd7902c2932e418702b84d0cc07",
    computerDnsName: "C-Lab-31",
    commands: [
      {
        index: 0,
        commandStatus: "Completed",
        command: { type: "RunScript", params: [{ key: "ScriptName", value: "collect.ps1" }] },
      },
      {
        index: 1,
        commandStatus: "Completed",
        command: { type: "GetFile", params: [{ key: "Path", value: "C:\\Temp\\out.zip" }] },
      },
    ],
  })
  const machine = { machineId: "1e5bc9d7e413ddd7902c2932e418702b84d0cc07", machineName: "C-Lab-31" }
  const origins = [
    { ...machine, script: "collect.ps1" },
    { ...machine, sourcePath: "C:\\Temp\\out.zip" },
  ]

  const originOf = (event: BatchEvent.BatchEvent) => {
    if (event.event !== "completed" && event.event !== "failed") return []
    const { machineId, machineName, script, sourcePath } = event
    return [{ machineId, machineName, script, sourcePath }]
  }

  it.effect("have their origin in their events, whether they are completed or failed", () =>
    Effect.gen(function* () {
      yield* add(exampleRef, { content: utf8("{}") })
      const { events } = yield* runAll(ResultRefs.ofAction(action))
      assert.sameDeepMembers(
        events.flatMap(originOf),
        origins.map((origin) => ({ script: undefined, sourcePath: undefined, ...origin })),
      )
      assert.sameMembers(
        names(events).filter((name) => name === "completed" || name === "failed"),
        ["completed", "failed"],
      )
    }).pipe(Effect.provide(world)),
  )
})
