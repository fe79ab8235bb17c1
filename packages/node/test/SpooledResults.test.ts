/** Results that are downloaded to a spool and uploaded to an object store, whatever happens in between. */
import { existsSync, mkdirSync, readdirSync, utimesSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as ObjectStore from "@live-response/core/ObjectStore"
import { DiskSpace } from "@live-response/core/DiskSpace"
import { type Report, Reporter } from "@live-response/core/Reporter"
import { LinkGate } from "@live-response/core/LinkGate"
import { Files, ObjectStoreError, Refused } from "@live-response/core/ObjectStoreError"
import { ResultHead } from "@live-response/core/ResultChunk"
import { ResultRef } from "@live-response/core/ResultRef"
import * as ResultStore from "@live-response/core/ResultStore"
import * as SpooledResults from "@live-response/core/SpooledResults"
import * as NodeHasher from "@live-response/node/NodeHasher"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Path from "effect/Path"
import * as Queue from "effect/Queue"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import { contentOf } from "./support/ObjectStoreSuite.ts"
import { suite } from "./support/ResultStoreSuite.ts"
import { patterned, refAt, tempDirectory } from "./support/samples.ts"

const spooledIn = (spool: string, files: Layer.Layer<FileSystem.FileSystem | Path.Path> = NodeServices.layer) =>
  SpooledResults.layer({ spool, prefix: "tenants/one" }).pipe(Layer.provide([files, NodeHasher.layer]))

/** The file system of Node, which says what is done to files. */
const changesOf = (calls: Array<string>) =>
  Layer.merge(
    NodeServices.layer,
    Layer.effect(
      FileSystem.FileSystem,
      Effect.map(FileSystem.FileSystem, (fs) => {
        const said =
          <A extends ReadonlyArray<unknown>, B>(method: string, call: (...args: A) => B) =>
          (...args: A): B => {
            calls.push(method)
            return call(...args)
          }
        return {
          ...fs,
          makeDirectory: said("makeDirectory", fs.makeDirectory),
          open: said("open", fs.open),
          rename: said("rename", fs.rename),
          remove: said("remove", fs.remove),
          stream: said("stream", fs.stream),
          readDirectory: said("readDirectory", fs.readDirectory),
        }
      }),
    ).pipe(Layer.provide(NodeServices.layer)),
  )

suite(
  "SpooledResults.layer",
  Layer.unwrap(Effect.map(tempDirectory, (spool) => spooledIn(spool).pipe(Layer.provide(ObjectStore.layerMemory)))),
  { replaces: false },
)

const ref = refAt(0)
const bytes = patterned(5000)
/** Too long to stay in memory. */
const longBytes = patterned(70_000)
const head = ResultHead.make({ length: bytes.length, etag: `"0x1"` })
const name = `tenants/one/${ref.machineActionId}/0.bin`
const action = ref.machineActionId

const store = (content = bytes, of = ref) =>
  Effect.gen(function* () {
    const writer = yield* (yield* ResultStore.ResultStore).open(of)
    yield* writer.write({ head: ResultHead.make({ length: content.length }), offset: 0, bytes: content })
    return yield* writer.complete
  }).pipe(Effect.scoped)

/** A store in memory, and one in front of it that does as `change` says. */
const objects = (change: (store: ObjectStore.Service) => Partial<ObjectStore.Service> = () => ({})) =>
  Effect.gen(function* () {
    const memory = yield* ObjectStore.ObjectStore.pipe(Effect.provide(ObjectStore.layerMemory))
    return { memory, layer: Layer.succeed(ObjectStore.ObjectStore, { ...memory, ...change(memory) }) }
  })

const broken = new ObjectStoreError({ object: name, reason: new Refused({ status: 403, code: "Denied" }) })
const full = new ObjectStoreError({ object: name, reason: new Files({ problem: "DiskFull", detail: "ENOSPC" }) })

describe("SpooledResults.layer", () => {
  it.live.each([bytes, longBytes])("leaves nothing in the spool, and everything in the object store", (content) =>
    Effect.gen(function* () {
      const spool = yield* tempDirectory
      const { layer, memory } = yield* objects()
      yield* Effect.gen(function* () {
        const results = yield* ResultStore.ResultStore
        const stored = yield* store(content)
        const unpacked = `${action}/0.unpacked`
        assert.strictEqual(yield* results.write(unpacked, Stream.make(bytes, bytes)), 10_000)
        assert.isTrue(yield* results.has({ path: unpacked, bytes: 10_000 }))
        assert.deepStrictEqual(readdirSync(spool), [])
        const info = Option.getOrThrow(yield* memory.info(`tenants/one/${stored.path}`))
        assert.strictEqual(info.bytes, stored.bytes)
      }).pipe(Effect.provide(spooledIn(spool).pipe(Layer.provide(layer))))
    }).pipe(Effect.scoped),
  )

  it.live(
    "keeps results while the store is full, tries one at a time, and lets no link be requested until there is space",
    () =>
      Effect.gen(function* () {
        const spool = yield* tempDirectory
        let isFull = true
        const uploads = { failed: 0, now: 0, most: 0 }
        const { layer } = yield* objects(({ put }) => ({
          put: (path, content) =>
            Effect.suspend(() => {
              if (!isFull) return put(path, content)
              uploads.failed++
              uploads.most = Math.max(uploads.most, ++uploads.now)
              return Effect.andThen(Effect.yieldNow, Effect.fail(full)).pipe(
                Effect.ensuring(Effect.sync(() => uploads.now--)),
              )
            }),
        }))
        yield* Effect.gen(function* () {
          const gate = yield* LinkGate
          yield* gate(ref)
          const waiting = yield* Effect.forkChild(store())
          yield* Effect.repeat(Effect.sleep("5 millis"), { until: () => uploads.failed > 1 })
          const link = yield* Effect.forkChild(gate({ ...ref, index: 1 }))
          const others = yield* Effect.forEach([2, 3, 4], (index) => Effect.forkChild(store(bytes, { ...ref, index })))
          yield* Effect.repeat(Effect.sleep("5 millis"), { until: () => uploads.failed > 2 })
          assert.deepStrictEqual(
            [link, waiting, ...others].map((fiber) => fiber.pollUnsafe()),
            Array(5).fill(undefined),
          )
          assert.strictEqual(uploads.most, 1)
          isFull = false
          assert.strictEqual((yield* Fiber.join(waiting)).bytes, bytes.length)
          yield* Fiber.joinAll([link, ...others])
        }).pipe(Effect.provide(spooledIn(spool).pipe(Layer.provide(layer))))
      }).pipe(Effect.scoped),
  )

  it.effect("stores other results where the store refuses the only one that waits, such as by its size", () =>
    Effect.gen(function* () {
      const spool = yield* tempDirectory
      const waits = yield* Deferred.make<void>()
      const { layer } = yield* objects(({ put }) => ({
        put: (path, content) => (content.bytes > 4000 ? Effect.fail(full) : put(path, content)),
      }))
      const report: Report = (event) =>
        event.event === "retrying" ? Effect.asVoid(Deferred.succeed(waits, undefined)) : Effect.void
      yield* Effect.gen(function* () {
        const gate = yield* LinkGate
        /** As a call does it: one that is not let through gives its permit back, and comes again. */
        const link = (index: number) =>
          Effect.forkChild(Effect.eventually(gate({ ...ref, index })), { startImmediately: true })
        yield* Effect.forkScoped(Effect.provideService(store(), Reporter, report))
        yield* Deferred.await(waits)
        const first = yield* link(1)
        assert.isUndefined(first.pollUnsafe())
        yield* Effect.repeat(TestClock.adjust("30 seconds"), { times: 12 })
        assert.isDefined(first.pollUnsafe())
        assert.strictEqual((yield* store(patterned(100), { ...ref, index: 1 })).bytes, 100)
        for (const index of [2, 3]) assert.isDefined((yield* link(index)).pollUnsafe())
      }).pipe(Effect.provide(spooledIn(spool).pipe(Layer.provide(layer))))
    }).pipe(Effect.scoped),
  )

  it.live("says why links wait to a tenant that has nothing to upload", () =>
    Effect.gen(function* () {
      const tried = yield* Deferred.make<void>()
      const reported = yield* Deferred.make<string>()
      let tries = 0
      const { layer } = yield* objects(() => ({
        put: () =>
          Effect.suspend(() =>
            Effect.andThen(tries++ > 0 ? Deferred.succeed(tried, undefined) : Effect.void, Effect.fail(full)),
          ),
      }))
      const ofTenant = <A, E>(use: Effect.Effect<A, E, ResultStore.ResultStore>) =>
        Effect.gen(function* () {
          const spool = yield* tempDirectory
          return yield* Effect.provide(use, spooledIn(spool).pipe(Layer.provide(layer)))
        })
      const report: Report = (event) =>
        event.event === "retrying" ? Effect.asVoid(Deferred.succeed(reported, event.message)) : Effect.void
      yield* Effect.forkScoped(ofTenant(store()))
      yield* Deferred.await(tried)
      const link = Effect.flatMap(LinkGate, (gate) => gate({ ...ref, index: 1 }))
      yield* Effect.forkScoped(Effect.provideService(ofTenant(link), Reporter, report))
      assert.match(yield* Deferred.await(reported), /the disk is full/)
    }).pipe(Effect.scoped),
  )

  it.effect("says again why results wait once another one is stored, which ends what was said", () =>
    Effect.gen(function* () {
      const spool = yield* tempDirectory
      const tries = yield* Queue.unbounded<void>()
      const { layer } = yield* objects(({ put }) => ({
        put: (path, content) =>
          content.bytes > 4000 ? Effect.andThen(Queue.offer(tries, undefined), Effect.fail(full)) : put(path, content),
      }))
      let reported = 0
      const report: Report = ({ event }) =>
        Effect.sync(() => {
          if (event === "retrying") reported++
        })
      yield* Effect.gen(function* () {
        yield* Effect.forkScoped(Effect.provideService(store(), Reporter, report))
        yield* Queue.take(tries)
        yield* store(patterned(100), { ...ref, index: 1 })
        // It is tried after 1 and 3 seconds, which is too early, and after 7.
        for (const [after, count] of [
          [1, 1],
          [2, 1],
          [4, 2],
          [8, 2],
        ] as const) {
          yield* TestClock.adjust(`${after} seconds`)
          yield* Queue.take(tries)
          assert.strictEqual(reported, count)
        }
      }).pipe(Effect.provide(spooledIn(spool).pipe(Layer.provide(layer))))
    }).pipe(Effect.scoped),
  )

  it.effect("lets no link be requested while the disk of the spool is full, and says so", () =>
    Effect.gen(function* () {
      const spool = yield* tempDirectory
      const { layer } = yield* objects()
      let free = 0
      const disk = { of: () => Effect.sync(() => Option.some({ free, total: 100e9 })) }
      const events: Array<string> = []
      const report = (event: { readonly event: string }) => Effect.sync(() => void events.push(event.event))
      yield* Effect.gen(function* () {
        const gate = yield* LinkGate
        const [first, second] = [
          yield* Effect.forkChild(gate(ref), { startImmediately: true }),
          yield* Effect.forkChild(gate({ ...ref, index: 1 }), { startImmediately: true }),
        ]
        yield* TestClock.adjust("20 seconds")
        assert.deepStrictEqual([first.pollUnsafe(), second.pollUnsafe(), events], [undefined, undefined, ["retrying"]])
        free = 50e9
        yield* TestClock.adjust("5 seconds")
        yield* Fiber.joinAll([first, second])
      }).pipe(
        Effect.provideService(Reporter, report),
        Effect.provide(spooledIn(spool).pipe(Layer.provide([layer, Layer.succeed(DiskSpace, disk)]))),
      )
    }).pipe(Effect.scoped),
  )

  it.effect("spends one link on a store that refuses its credential, whatever the number of tenants", () =>
    Effect.gen(function* () {
      let isRefused = true
      const { layer } = yield* objects(({ info, put }) => ({
        info: (path) => (isRefused ? Effect.fail(broken) : info(path)),
        put: (path, content) => (isRefused ? Effect.fail(broken) : put(path, content)),
      }))
      let links = 0
      /** Downloads results of a tenant side by side, again and again until they are stored. */
      const tenant = Effect.fnUntraced(function* (prefix: string) {
        const services = yield* Layer.build(
          Layer.fresh(
            SpooledResults.layer({ spool: yield* tempDirectory, prefix }).pipe(
              Layer.provide([NodeServices.layer, NodeHasher.layer, layer]),
            ),
          ),
        )
        const download = (index: number) =>
          Effect.gen(function* () {
            yield* yield* Effect.map(LinkGate, (gate) => gate({ ...ref, index }))
            links++
            yield* store(bytes, refAt(index))
          }).pipe(Effect.provideContext(services), Effect.retry(Schedule.spaced("1 second")))
        yield* Effect.forEach([0, 1, 2, 3], download, { concurrency: "unbounded", discard: true })
      })
      const tenants = yield* Effect.forkChild(
        Effect.forEach(["tenants/one", "tenants/two", "tenants/three"], tenant, { concurrency: "unbounded" }),
      )
      const passes = (until: () => boolean) =>
        Effect.repeat(Effect.andThen(TestClock.adjust("1 second"), TestClock.withLive(Effect.sleep("5 millis"))), {
          until,
        })
      let seconds = 0
      yield* passes(() => ++seconds > 120)
      assert.strictEqual(links, 1)
      isRefused = false
      yield* passes(() => tenants.pollUnsafe() !== undefined)
      yield* Fiber.join(tenants)
      assert.strictEqual(links, 1 + 12)
    }).pipe(Effect.scoped),
  )

  it.effect(
    "lets links wait for a store that refuses its credential, although it still stores what it accepted before",
    () =>
      Effect.gen(function* () {
        let isRefused = false
        const uploading = yield* Deferred.make<void>()
        const isAccepted = yield* Deferred.make<void>()
        const { layer } = yield* objects(({ info, put }) => ({
          info: (path) => (isRefused ? Effect.fail(broken) : info(path)),
          put: (path, content) => {
            if (isRefused) return Effect.fail(broken)
            const taken = Effect.andThen(Deferred.succeed(uploading, undefined), Deferred.await(isAccepted))
            return Effect.andThen(taken, put(path, content))
          },
        }))
        yield* Effect.gen(function* () {
          const gate = yield* LinkGate
          yield* gate(ref)
          const first = yield* Effect.forkChild(store())
          yield* Deferred.await(uploading)
          isRefused = true
          yield* Effect.flip(store(bytes, refAt(1)))
          // A credential may permit to write alone: one link is requested.
          yield* gate(refAt(2))
          yield* Deferred.succeed(isAccepted, undefined)
          yield* Fiber.join(first)
          const link = yield* Effect.forkChild(Effect.exit(gate(refAt(3))), { startImmediately: true })
          yield* TestClock.adjust("30 seconds")
          assert.isTrue(Exit.isFailure(yield* Fiber.join(link)))
        }).pipe(Effect.provide(spooledIn(yield* tempDirectory).pipe(Layer.provide(layer))))
      }).pipe(Effect.scoped),
  )

  it.live("lets one link at a time be requested after a failure, also once the work is started again", () =>
    Effect.gen(function* () {
      let isBroken = true
      const { layer } = yield* objects(({ put }) => ({
        put: (path, content) => (isBroken ? Effect.fail(broken) : put(path, content)),
      }))
      const restarted = <A, E>(use: Effect.Effect<A, E, ResultStore.ResultStore | Scope.Scope>) =>
        Effect.gen(function* () {
          const spool = yield* tempDirectory
          return yield* Effect.provide(use, spooledIn(spool).pipe(Layer.provide(layer)))
        })
      yield* Effect.exit(restarted(store()))
      yield* restarted(
        Effect.gen(function* () {
          const gate = yield* LinkGate
          const { open } = yield* ResultStore.ResultStore
          // One that is not stored here is not held up, and holds up nothing.
          yield* gate({ ...ref, index: 9 })
          /** Opens a result, and requests its link. `finish` stores it. */
          const download = Effect.fnUntraced(function* (index: number) {
            const scope = yield* Scope.fork(yield* Effect.scope)
            const result = ResultRef.make({ ...ref, index })
            const writer = yield* Scope.provide(open(result), scope)
            const link = yield* Effect.forkChild(gate(result), { startImmediately: true })
            const finish = Effect.andThen(writer.write({ head, offset: 0, bytes }), writer.complete).pipe(
              Effect.onExit((exit) => Scope.close(scope, exit)),
            )
            return { link, finish, scope, writer }
          })
          // What is only opened, or discarded, gives its turn back, and does not count as stored.
          const [opened, discarded] = [yield* download(7), yield* download(8)]
          const [first, second, third] = [yield* download(0), yield* download(1), yield* download(2)]
          yield* Fiber.join(opened.link)
          assert.isUndefined(discarded.link.pollUnsafe())
          yield* Scope.close(opened.scope, Exit.void)
          yield* Fiber.join(discarded.link)
          assert.isUndefined(first.link.pollUnsafe())
          yield* discarded.writer.discard
          yield* Fiber.join(first.link)
          assert.deepStrictEqual([second.link.pollUnsafe(), third.link.pollUnsafe()], [undefined, undefined])
          yield* Effect.exit(first.finish)
          yield* Fiber.join(second.link)
          assert.isUndefined(third.link.pollUnsafe())
          isBroken = false
          yield* second.finish
          yield* Fiber.join(third.link)
          yield* Fiber.join((yield* download(3)).link)
        }).pipe(Effect.scoped),
      )
    }).pipe(Effect.scoped),
  )

  it.live("keeps the directory of an action for as long as one of its results is written", () =>
    Effect.gen(function* () {
      const spool = yield* tempDirectory
      const { layer } = yield* objects()
      yield* Effect.gen(function* () {
        const results = yield* ResultStore.ResultStore
        const other = yield* results.open({ ...ref, index: 1 })
        yield* other.write({ head: ResultHead.make({}), offset: 0, bytes: patterned(100_000) })
        yield* store()
        assert.deepStrictEqual(readdirSync(spool), [action])
        yield* other.complete
        assert.deepStrictEqual(readdirSync(spool), [])
      }).pipe(Effect.scoped, Effect.provide(spooledIn(spool).pipe(Layer.provide(layer))))
    }).pipe(Effect.scoped),
  )

  it.live(
    "loses and doubles nothing when the program ends between the upload and the removal, or before its record",
    () =>
      Effect.gen(function* () {
        const spool = yield* tempDirectory
        const uploaded = yield* Deferred.make<void>()
        const { layer, memory } = yield* objects((memory) => ({
          put: (path, content) =>
            Effect.andThen(Effect.tap(memory.put(path, content), Deferred.succeed(uploaded, undefined)), Effect.never),
        }))
        const first = yield* Effect.forkChild(Effect.provide(store(), spooledIn(spool).pipe(Layer.provide(layer))))
        yield* Deferred.await(uploaded)
        yield* Fiber.interrupt(first)
        // The file as a killed program leaves it.
        mkdirSync(join(spool, action), { recursive: true })
        writeFileSync(join(spool, action, "0.bin"), bytes, { mode: 0o600 })
        const again = spooledIn(spool).pipe(Layer.provide(Layer.succeed(ObjectStore.ObjectStore, memory)))
        const stored = yield* Effect.provide(store(), Layer.fresh(again))
        assert.strictEqual(stored.sha256, contentOf(bytes).sha256)
        assert.deepStrictEqual(readdirSync(spool), [])
        assert.strictEqual(yield* memory.put(name, contentOf(bytes)), "same")
      }).pipe(Effect.scoped),
  )

  it.live(
    "accepts what a stale owner of the tenant uploads again, and refuses other content of this result alone",
    () =>
      Effect.gen(function* () {
        const { layer, memory } = yield* objects()
        yield* memory.put(name, contentOf(bytes))
        const spool = yield* tempDirectory
        yield* Effect.gen(function* () {
          assert.strictEqual((yield* store()).bytes, bytes.length)
          const error = yield* Effect.flip(store(patterned(5000, 1)))
          assert.strictEqual(error._tag === "StoreError" && error.ofResult, true)
          assert.match(error.message, /: an object with other content has this name \(5000 bytes with SHA-256/)
          assert.strictEqual(error._tag === "StoreError" && error.path, `memory:/${name}`)
        }).pipe(Effect.provide(spooledIn(spool).pipe(Layer.provide(layer))))
      }).pipe(Effect.scoped),
  )

  it.live("touches no file for a short result, and reads a longer one from the spool", () =>
    Effect.gen(function* () {
      const spool = yield* tempDirectory
      const { layer, memory } = yield* objects()
      const calls: Array<string> = []
      yield* Effect.gen(function* () {
        calls.length = 0
        yield* store()
        assert.deepStrictEqual(calls.splice(0), [])
        yield* store(longBytes, { ...ref, index: 1 })
        assert.includeMembers(calls.splice(0), ["makeDirectory", "open", "rename", "stream", "remove"])
        // What arrives in pieces is gathered, and the writer's own bytes may be used again.
        const writer = yield* (yield* ResultStore.ResultStore).open({ ...ref, index: 2 })
        for (const offset of [0, 1000, 4999]) {
          const piece = Uint8Array.from(bytes.subarray(offset, offset === 0 ? 1000 : offset + 3999))
          yield* writer.write({ head, offset, bytes: piece })
          piece.fill(0)
        }
        assert.strictEqual((yield* writer.complete).sha256, contentOf(bytes).sha256)
        assert.deepStrictEqual(calls, [])
      }).pipe(Effect.scoped, Effect.provide(spooledIn(spool, changesOf(calls)).pipe(Layer.provide(layer))))
      for (const [index, content] of [bytes, longBytes, bytes].entries()) {
        const path = `tenants/one/${action}/${index}.bin`
        assert.strictEqual(yield* memory.put(path, contentOf(content)), "same")
      }
    }).pipe(Effect.scoped),
  )

  it.live("forgets a short result that can't be stored, or whose upload is interrupted", () =>
    Effect.gen(function* () {
      const spool = yield* tempDirectory
      const uploading = yield* Deferred.make<void>()
      const puts = [Effect.fail(broken), Effect.andThen(Deferred.succeed(uploading, undefined), Effect.never)]
      const { layer } = yield* objects(({ put }) => ({ put: (path, content) => puts.shift() ?? put(path, content) }))
      yield* Effect.gen(function* () {
        yield* Effect.flip(store())
        const interrupted = yield* Effect.forkChild(store())
        yield* Deferred.await(uploading)
        yield* Fiber.interrupt(interrupted)
        // Its bytes would be uploaded instead of those of the spool.
        assert.strictEqual((yield* store(longBytes)).bytes, longBytes.length)
      }).pipe(Effect.provide(spooledIn(spool).pipe(Layer.provide(layer))))
    }).pipe(Effect.scoped),
  )

  it.live("leaves no file of what is written and interrupted before its upload", () =>
    Effect.gen(function* () {
      const spool = yield* tempDirectory
      const { layer } = yield* objects()
      const renamed = yield* Deferred.make<void>()
      const files = Layer.merge(
        NodeServices.layer,
        Layer.effect(
          FileSystem.FileSystem,
          Effect.map(FileSystem.FileSystem, (fs) => ({
            ...fs,
            rename: (from: string, to: string) =>
              Effect.andThen(Effect.tap(fs.rename(from, to), Deferred.succeed(renamed, undefined)), Effect.never),
          })),
        ).pipe(Layer.provide(NodeServices.layer)),
      )
      yield* Effect.gen(function* () {
        const results = yield* ResultStore.ResultStore
        const writing = yield* Effect.forkChild(results.write(`${action}/0.unpacked`, Stream.make(bytes)))
        yield* Deferred.await(renamed)
        assert.deepStrictEqual(readdirSync(join(spool, action)), ["0.unpacked"])
        yield* Fiber.interrupt(writing)
        assert.deepStrictEqual(readdirSync(spool), [])
      }).pipe(Effect.provide(spooledIn(spool, files).pipe(Layer.provide(layer))))
    }).pipe(Effect.scoped),
  )

  it.live.each([bytes, longBytes])("ends a batch where the object store refuses everything", (content) =>
    Effect.gen(function* () {
      const spool = yield* tempDirectory
      const { layer } = yield* objects(() => ({ put: () => Effect.fail(broken), info: () => Effect.fail(broken) }))
      yield* Effect.gen(function* () {
        const results = yield* ResultStore.ResultStore
        const path = `${action}/0.unpacked`
        const errors = [
          yield* Effect.flip(store(content)),
          yield* Effect.flip(results.has({ path })),
          yield* Effect.flip(results.write(path, Stream.make(bytes))),
        ]
        for (const error of errors) {
          assert.strictEqual(error._tag === "StoreError" ? error.problem : error._tag, "Failed")
          assert.notProperty(error, "ofResult")
        }
        assert.deepStrictEqual(readdirSync(spool), [])
      }).pipe(Effect.provide(spooledIn(spool).pipe(Layer.provide(layer))))
    }).pipe(Effect.scoped),
  )

  it.live("removes what an earlier program left when it starts, and resumes parts of the last day", () =>
    Effect.gen(function* () {
      const spool = yield* tempDirectory
      const { layer } = yield* objects()
      const longAgo = 1_500_000_000
      for (const one of [action, "11111111-7a8f-4b28-ab65-54970c5d5018"]) {
        mkdirSync(join(spool, one))
        for (const file of ["1.bin", "2.unpacked", "2.unpacked.part", "3.part", "3.part.json"]) {
          writeFileSync(join(spool, one, file), "left", { mode: 0o600 })
          if (one !== action) utimesSync(join(spool, one, file), longAgo, longAgo)
        }
      }
      writeFileSync(join(spool, action, "0.part"), bytes.subarray(0, 2000), { mode: 0o600 })
      writeFileSync(join(spool, action, "0.part.json"), JSON.stringify({ ...head, durable: 2000 }), { mode: 0o600 })
      writeFileSync(join(spool, "not-a-result.txt"), "of somebody else", { mode: 0o600 })
      yield* Effect.gen(function* () {
        assert.deepStrictEqual(readdirSync(spool).toSorted(), [action, "not-a-result.txt"])
        assert.deepStrictEqual(readdirSync(join(spool, action)).toSorted(), [
          "0.part",
          "0.part.json",
          "3.part",
          "3.part.json",
        ])
        const writer = yield* (yield* ResultStore.ResultStore).open(ref)
        assert.strictEqual(writer.resume?.offset, 2000)
        yield* writer.write({ head, offset: 2000, bytes: bytes.subarray(2000) })
        yield* writer.complete
        assert.isFalse(existsSync(join(spool, action, "0.bin")))
      }).pipe(Effect.scoped, Effect.provide(spooledIn(spool).pipe(Layer.provide(layer))))
    }).pipe(Effect.scoped),
  )

  it.live("cleans the spools of tenants that another machine has by now", () =>
    Effect.gen(function* () {
      const root = yield* tempDirectory
      const [moved, resumed, other] = ["7e4a0000", "7e4a0001", "notes"].map((name, i) =>
        i < 2 ? `${name}-0000-4000-8000-000000000000` : name,
      )
      for (const tenant of [moved, resumed, other]) {
        const ofAction = join(root, tenant ?? "", action)
        mkdirSync(ofAction, { recursive: true, mode: 0o700 })
        for (const file of ["0.bin", "1.part", "1.part.json"]) {
          writeFileSync(join(ofAction, file), "left", { mode: 0o600 })
          if (tenant === moved) utimesSync(join(ofAction, file), 1_500_000_000, 1_500_000_000)
        }
      }
      yield* SpooledResults.clean(root)
      assert.deepStrictEqual(readdirSync(root).toSorted(), [resumed, other])
      assert.deepStrictEqual(readdirSync(join(root, resumed ?? "", action)), ["1.part", "1.part.json"])
      assert.strictEqual(readdirSync(join(root, other ?? "", action)).length, 3)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)),
  )
})
