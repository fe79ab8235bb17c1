import { createHash } from "node:crypto"
import { chmodSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { ResultHead } from "@live-response/core/ResultChunk"
import * as ResultStore from "@live-response/core/ResultStore"
import * as NodeHasher from "@live-response/node/NodeHasher"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { suite } from "./support/ResultStoreSuite.ts"
import { patterned, refAt, tempDirectory } from "./support/samples.ts"

const storeIn = (directory: string) =>
  ResultStore.layerFileSystem({ directory }).pipe(Layer.provide([NodeServices.layer, NodeHasher.layer]))

suite("ResultStore.layerMemory", ResultStore.layerMemory)
suite("ResultStore.layerFileSystem", Layer.unwrap(Effect.map(tempDirectory, storeIn)))

const ref = refAt(0)
const content = patterned(5000)
const head = ResultHead.make({ length: content.length, etag: `"0x1"` })
/** The record of what an earlier writer flushed of this content. */
const recordOf = (durable: number) => JSON.stringify({ ...head, durable })
const headJson = recordOf(content.length)
const open = Effect.flatMap(ResultStore.ResultStore, (store) => store.open(ref))

const modeOf = (path: string) => (statSync(path).mode & 0o777).toString(8)

/** A directory with these files of the result, as a crash may leave them. */
const leftOver = (files: Record<string, Uint8Array | string>) =>
  Effect.map(tempDirectory, (directory) => {
    const ofAction = join(directory, ref.machineActionId)
    mkdirSync(ofAction)
    for (const [name, bytes] of Object.entries(files)) writeFileSync(join(ofAction, name), bytes)
    return { directory, ofAction }
  })

describe("ResultStore.layerFileSystem: files", () => {
  it.live("are accessible to their owner alone", () =>
    Effect.gen(function* () {
      const directory = join(yield* tempDirectory, "a", "b")
      const ofAction = join(directory, ref.machineActionId)
      const before = process.umask(0o000)
      yield* Effect.addFinalizer(() => Effect.sync(() => process.umask(before)))
      yield* Effect.gen(function* () {
        const writer = yield* open
        yield* writer.write({ head, offset: 0, bytes: content.subarray(0, 1000) })
      }).pipe(Effect.scoped, Effect.provide(storeIn(directory)))
      assert.deepStrictEqual(readdirSync(ofAction).toSorted(), ["0.part", "0.part.json"])
      assert.strictEqual(modeOf(join(directory, "..")), "700")
      assert.strictEqual(modeOf(directory), "700")
      assert.strictEqual(modeOf(ofAction), "700")
      assert.strictEqual(modeOf(join(ofAction, "0.part")), "600")
      assert.strictEqual(modeOf(join(ofAction, "0.part.json")), "600")
      yield* Effect.gen(function* () {
        const writer = yield* open
        yield* writer.write({ head, offset: 1000, bytes: content.subarray(1000) })
        yield* writer.complete
      }).pipe(Effect.scoped, Effect.provide(storeIn(directory)))
      assert.deepStrictEqual(readdirSync(ofAction), ["0.bin"])
      assert.strictEqual(modeOf(join(ofAction, "0.bin")), "600")
    }),
  )

  it.live("are the bytes exactly as served, and the only files", () =>
    Effect.gen(function* () {
      const directory = yield* tempDirectory
      yield* Effect.gen(function* () {
        const writer = yield* open
        yield* writer.write({ head: ResultHead.make({}), offset: 0, bytes: content })
        const stored = yield* writer.complete
        assert.isTrue(readFileSync(join(directory, stored.path)).equals(content))
      }).pipe(Effect.scoped, Effect.provide(storeIn(directory)))
      assert.deepStrictEqual(readdirSync(directory), [ref.machineActionId])
      assert.deepStrictEqual(readdirSync(join(directory, ref.machineActionId)), ["0.bin"])
    }),
  )

  it.live("are safe to print on a terminal if they contain text of the storage", () =>
    Effect.gen(function* () {
      const directory = yield* tempDirectory
      const hostile = ResultHead.make({ length: content.length, etag: '"\u009b2J\u202E"' })
      const layer = storeIn(directory)
      yield* Effect.gen(function* () {
        const writer = yield* open
        yield* writer.write({ head: hostile, offset: 0, bytes: content.subarray(0, 1000) })
      }).pipe(Effect.scoped, Effect.provide(layer))
      assert.notMatch(readFileSync(join(directory, ref.machineActionId, "0.part.json"), "utf8"), /[\p{Cc}\p{Cf}]/u)
      const resume = yield* open.pipe(
        Effect.map((writer) => writer.resume),
        Effect.scoped,
        Effect.provide(layer),
      )
      assert.strictEqual(resume?.head.etag, hostile.etag)
    }),
  )

  it.live("get their name only when they are complete", () =>
    Effect.gen(function* () {
      const directory = yield* tempDirectory
      yield* Effect.gen(function* () {
        const writer = yield* open
        yield* writer.write({ head, offset: 0, bytes: patterned(3_000_000) })
        assert.notInclude(readdirSync(join(directory, ref.machineActionId)), "0.bin")
      }).pipe(Effect.scoped, Effect.provide(storeIn(directory)))
    }),
  )

  it.live("are removed after a mismatch, even those of earlier writers", () =>
    Effect.gen(function* () {
      const { directory, ofAction } = yield* leftOver({ "0.part": content, "0.part.json": headJson })
      const writer = yield* open.pipe(Effect.provide(storeIn(directory)))
      yield* writer.write({ head, offset: 0, bytes: content.subarray(0, 10) })
      assert.strictEqual((yield* Effect.flip(writer.complete))._tag, "TransferError")
      assert.deepStrictEqual(readdirSync(ofAction), [])
    }),
  )
})

describe("ResultStore.layerFileSystem: a crash", () => {
  it.live("leaves the flushed bytes, and the next run resumes them", () =>
    Effect.gen(function* () {
      const directory = yield* tempDirectory
      const large = patterned(9_500_000)
      const announced = ResultHead.make({ length: large.length, etag: `"0x1"` })
      // The scope is never closed, so nothing is cleaned up, as if the process were killed.
      const crashed = yield* Scope.make()
      const before = yield* open.pipe(Scope.provide(crashed), Effect.provide(storeIn(directory)))
      for (let offset = 0; offset < 9_000_000; offset += 100_000) {
        yield* before.write({ head: announced, offset, bytes: large.subarray(offset, offset + 100_000) })
      }
      const writer = yield* open.pipe(Effect.provide(storeIn(directory)))
      const from = writer.resume?.offset ?? 0
      assert.isAtLeast(from, 8 * 1024 * 1024)
      assert.isAtMost(from, 9_000_000)
      assert.strictEqual(writer.resume?.head.etag, `"0x1"`)
      yield* writer.write({ head: announced, offset: from, bytes: large.subarray(from) })
      const stored = yield* writer.complete
      assert.strictEqual(stored.sha256, createHash("sha256").update(large).digest("hex"))
      assert.isTrue(readFileSync(join(directory, stored.path)).equals(large))
    }),
  )

  it.live("after the last byte and before the name costs no download", () =>
    Effect.gen(function* () {
      const { directory, ofAction } = yield* leftOver({ "0.part": content, "0.part.json": headJson })
      const writer = yield* open.pipe(Effect.provide(storeIn(directory)))
      assert.strictEqual(writer.resume?.offset, content.length)
      const stored = yield* writer.complete
      assert.strictEqual(stored.sha256, createHash("sha256").update(content).digest("hex"))
      assert.deepStrictEqual(readdirSync(ofAction), ["0.bin"])
    }),
  )

  it.live("after the name and before the record is removed does no harm", () =>
    Effect.gen(function* () {
      const { directory, ofAction } = yield* leftOver({ "0.bin": content, "0.part.json": headJson })
      const writer = yield* open.pipe(Effect.provide(storeIn(directory)))
      assert.isUndefined(writer.resume)
      assert.deepStrictEqual(readdirSync(ofAction), ["0.bin"])
    }),
  )

  it.live.each<{ readonly name: string; readonly files: Record<string, Uint8Array | string> }>([
    { name: "bytes without a record", files: { "0.part": content } },
    { name: "a record without bytes", files: { "0.part.json": headJson } },
    { name: "more bytes than were announced", files: { "0.part": patterned(5001), "0.part.json": recordOf(5001) } },
    { name: "fewer bytes than were flushed", files: { "0.part": content.subarray(1), "0.part.json": headJson } },
    { name: "a record of an earlier version", files: { "0.part": content, "0.part.json": JSON.stringify(head) } },
    { name: "a record that was cut short", files: { "0.part": content, "0.part.json": headJson.slice(0, 12) } },
    { name: "a record with other fields", files: { "0.part": content, "0.part.json": `{"length":"many"}` } },
    { name: "an empty record", files: { "0.part": content, "0.part.json": "" } },
  ])("may leave files that can't be resumed, and the result starts over: $name", ({ files }) =>
    Effect.gen(function* () {
      const { directory, ofAction } = yield* leftOver(files)
      const writer = yield* open.pipe(Effect.provide(storeIn(directory)))
      assert.isUndefined(writer.resume)
      assert.deepStrictEqual(readdirSync(ofAction), [])
      yield* writer.write({ head, offset: 0, bytes: content.subarray(0, 3000) })
      yield* writer.write({ head, offset: 3000, bytes: content.subarray(3000) })
      const stored = yield* writer.complete
      assert.isTrue(readFileSync(join(directory, stored.path)).equals(content))
      assert.deepStrictEqual(readdirSync(ofAction), ["0.bin"])
    }),
  )
})

describe("ResultStore.layerFileSystem: a directory that can't be used", () => {
  const failureIn = (directory: string) => ResultStore.ResultStore.pipe(Effect.provide(storeIn(directory)), Effect.flip)

  it.live("fails if it is a file", () =>
    Effect.gen(function* () {
      const directory = yield* tempDirectory
      writeFileSync(join(directory, "file"), "")
      for (const path of [join(directory, "file"), join(directory, "file", "below")]) {
        const error = yield* failureIn(path)
        assert.strictEqual(error._tag, "StoreError")
        assert.strictEqual(error.problem, "NotADirectory")
        assert.strictEqual(error.path, path)
      }
    }),
  )

  it.live("fails if it can't be created", () =>
    Effect.gen(function* () {
      const error = yield* failureIn("/proc/live-response/results")
      assert.strictEqual(error._tag, "StoreError")
      assert.include(error.message, "/proc/live-response")
    }),
  )

  it.live("fails if it was replaced before a result arrives", () =>
    Effect.gen(function* () {
      const directory = yield* tempDirectory
      const error = yield* Effect.gen(function* () {
        const writer = yield* open
        // There is a file where the directory of the machine action is needed.
        writeFileSync(join(directory, ref.machineActionId), "")
        yield* writer.write({ head, offset: 0, bytes: patterned(2_000_000) })
      }).pipe(Effect.scoped, Effect.provide(storeIn(directory)), Effect.flip)
      assert.strictEqual(error.problem, "NotADirectory")
    }),
  )

  it.live("fails if it is not writable", () =>
    Effect.gen(function* () {
      const directory = yield* tempDirectory
      const closed = join(directory, "closed")
      mkdirSync(closed, { mode: 0o500 })
      yield* Effect.addFinalizer(() => Effect.sync(() => chmodSync(closed, 0o700)))
      const result = yield* Effect.result(
        ResultStore.ResultStore.pipe(Effect.provide(storeIn(join(closed, "results")))),
      )
      // Root may write to every directory.
      if (process.getuid?.() === 0) assert.strictEqual(result._tag, "Success")
      else assert.strictEqual(result._tag === "Failure" && result.failure.problem, "NotWritable")
    }),
  )
})
