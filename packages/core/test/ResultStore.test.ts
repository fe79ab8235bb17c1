/**
 * The store in memory, and the store on a disk that fails. `packages/node/test/ResultStore.test.ts` tests what both do
 * alike.
 */
import { createHash } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import { ResultHead } from "@live-response/core/ResultChunk"
import * as ResultStore from "@live-response/core/ResultStore"
import * as Arbitrary from "effect/Arbitrary"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { MaxOpsBeforeYield } from "effect/Scheduler"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { joined, patterned, utf8 } from "./support/bytes.ts"
import { seededRandom } from "./support/seededRandom.ts"
import { type Disk, failOnce, type Fault, makeDisk } from "./support/disk.ts"
import { failureOf } from "./support/events.ts"
import { exampleRef } from "./support/refs.ts"

const content = patterned(1000)
const head = ResultHead.make({ length: content.length, etag: `"0x1"` })

const open = Effect.flatMap(ResultStore.ResultStore, (store) => store.open(exampleRef))
const readAll = (path: string) =>
  Effect.flatMap(ResultStore.ResultStore, (store) => Effect.map(Stream.runCollect(store.read(path)), joined))

describe("ResultStore.layerMemory", () => {
  it.effect("stores a result by its kind", () =>
    Effect.gen(function* () {
      const store = yield* ResultStore.ResultStore
      for (const [bytes, extension] of [
        [utf8(`{"a":1}`), "json"],
        [Uint8Array.of(0x1f, 0x8b, 8), "gz"],
        [utf8("plain"), "bin"],
      ] as const) {
        const writer = yield* open
        yield* writer.write({ head: ResultHead.make({}), offset: 0, bytes })
        const stored = yield* writer.complete
        assert.deepStrictEqual(stored, {
          path: `${exampleRef.machineActionId}/0.${extension}`,
          bytes: bytes.length,
          sha256: createHash("sha256").update(bytes).digest("hex"),
        })
        assert.isTrue(yield* store.has(stored))
        assert.deepStrictEqual(yield* readAll(stored.path), joined([bytes]))
      }
    }).pipe(Effect.provide(ResultStore.layerMemory)),
  )

  it.effect("resumes what an earlier writer left", () =>
    Effect.gen(function* () {
      const left = Effect.gen(function* () {
        const writer = yield* open
        assert.isUndefined(writer.resume)
        yield* writer.write({ head, offset: 0, bytes: content.subarray(0, 400) })
      })
      yield* Effect.scoped(left)
      const writer = yield* open
      assert.strictEqual(writer.resume?.offset, 400)
      assert.deepStrictEqual({ ...writer.resume?.head }, { ...head })
      yield* writer.write({ head, offset: 400, bytes: content.subarray(400) })
      const stored = yield* writer.complete
      assert.deepStrictEqual(yield* readAll(stored.path), joined([content]))
    }).pipe(Effect.provide(ResultStore.layerMemory)),
  )

  it.effect("stores nothing if the bytes are not what was announced", () =>
    Effect.gen(function* () {
      const attempt = Effect.gen(function* () {
        const writer = yield* open
        yield* writer.write({ head, offset: 0, bytes: content.subarray(1) })
        return yield* writer.complete
      })
      const error = yield* failureOf(yield* Effect.exit(Effect.scoped(attempt)))
      assert.strictEqual(error._tag === "TransferError" && error.reason._tag, "Mismatch")
      assert.isUndefined((yield* open).resume)
    }).pipe(Effect.provide(ResultStore.layerMemory)),
  )

  it.effect("fails to read a file that it does not have", () =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(readAll("nothing/0.bin"))
      assert.isTrue(Exit.isFailure(exit))
    }).pipe(Effect.provide(ResultStore.layerMemory)),
  )
})

const directory = "/results"
const partPath = `${directory}/${exampleRef.machineActionId}/0.part`
const recordPath = `${partPath}.json`
const binPath = `${directory}/${exampleRef.machineActionId}/0.bin`

interface Temporary {
  readonly isTemporary: boolean
  readonly held?: Map<string, Uint8Array>
}

const onDisk = (disk: Disk, options?: Temporary) =>
  ResultStore.layerFileSystem({ directory, ...options }).pipe(Layer.provide(disk.layer))

/** One program with a store and one open writer, until its scope closes or it crashes. */
const inWriter = <A, E>(
  disk: Disk,
  use: (writer: ResultStore.ResultWriter) => Effect.Effect<A, E, Scope.Scope>,
  options?: Temporary,
) => Effect.scoped(Effect.flatMap(open, use)).pipe(Effect.provide(onDisk(disk, options), { local: true }))

const recordOf = (disk: Disk): unknown => JSON.parse(new TextDecoder().decode(disk.files.get(recordPath)))

const countOf = (disk: Disk, ...methods: ReadonlyArray<string>) =>
  disk.operations.filter(({ method }) => methods.includes(method)).length

const large = patterned(9_500_000)
const largeHead = ResultHead.make({ length: large.length, etag: `"0x9"` })

const writeFrom = Effect.fnUntraced(function* (writer: ResultStore.ResultWriter, from: number, to: number) {
  for (let offset = from; offset < to; offset += 100_000) {
    const bytes = large.subarray(offset, Math.min(to, offset + 100_000))
    yield* writer.write({ head: largeHead, offset, bytes })
  }
})

describe("ResultStore.layerFileSystem: what a resume may trust", () => {
  it.effect("ignores a record that is too large, and starts over", () =>
    Effect.gen(function* () {
      const disk = makeDisk()
      yield* inWriter(disk, (writer) => writeFrom(writer, 0, 2_000_000))
      const json = JSON.stringify(recordOf(disk))
      const resumed = inWriter(disk, (writer) => Effect.succeed(writer.resume?.offset))
      assert.strictEqual(yield* resumed, 2_000_000)
      disk.files.set(recordPath, new TextEncoder().encode(`${json.slice(0, -1)}${" ".repeat(70_000)}}`))
      assert.isUndefined(yield* resumed)
    }),
  )

  it.effect("flushes a small result once, and needs no record of it", () =>
    Effect.gen(function* () {
      const disk = makeDisk()
      yield* inWriter(disk, (writer) =>
        Effect.andThen(writer.write({ head, offset: 0, bytes: content }), writer.complete),
      )
      assert.strictEqual(countOf(disk, "sync"), 1)
      // The directory of results for the one of the action, and that one for the result.
      assert.strictEqual(countOf(disk, "syncDirectory"), 2)
      assert.isFalse(disk.operations.some(({ method, path }) => method === "open" && path.startsWith(recordPath)))
      assert.deepStrictEqual(disk.paths(), [binPath])
    }),
  )

  it.effect("searches a directory for what is older than a result only if it was there before", () =>
    Effect.gen(function* () {
      const disk = makeDisk()
      const looks = Effect.gen(function* () {
        disk.operations.length = 0
        yield* inWriter(disk, (writer) =>
          Effect.andThen(writer.write({ head, offset: 0, bytes: content }), writer.complete),
        )
        return disk.operations.flatMap(({ method, path }) =>
          /^l?stat$/.test(method) && path.startsWith(partPath.slice(0, -"0.part".length))
            ? [`${method} ${path.slice(path.lastIndexOf("/") + 1)}`]
            : [],
        )
      })
      assert.deepStrictEqual(yield* looks, ["stat 0.part", "lstat 0.part", "lstat 0.bin"])
      assert.includeMembers([...(yield* looks)], ["lstat 0.part.json", "lstat 0.unpacked"])
    }),
  )

  it.effect("looks at what leads to a file once for each step: opening a result, its first bytes, its name", () =>
    Effect.gen(function* () {
      const disk = makeDisk()
      const looks: Array<number> = []
      const look = Effect.sync(() => {
        looks.push(countOf(disk, "lstat"))
        disk.operations.length = 0
      })
      yield* Effect.gen(function* () {
        const { open } = yield* ResultStore.ResultStore
        yield* look
        const writer = yield* open(exampleRef)
        yield* look
        yield* writer.write({ head, offset: 0, bytes: content })
        yield* look
        yield* writer.complete
        yield* look
      }).pipe(Effect.scoped, Effect.provide(onDisk(disk)))
      // The directory of results and that of the action, which is created with the first bytes; and both names of the file.
      assert.deepStrictEqual(looks.slice(1), [2, 3, 4])
    }),
  )

  it.effect(
    "writes a short result of which bytes are held to the disk when it pauses, and when its writer leaves",
    () =>
      Effect.gen(function* () {
        const disk = makeDisk()
        const held = new Map<string, Uint8Array>()
        const temporary = { isTemporary: true, held }
        const first = { head, offset: 0, bytes: content.subarray(0, 400) }
        yield* inWriter(disk, ({ write }) => write(first), temporary)
        assert.strictEqual(disk.flushed.get(partPath), 400)
        const rest = { head, offset: 400, bytes: content.subarray(400) }
        const resume = (writer: ResultStore.ResultWriter) => Effect.andThen(writer.write(rest), writer.complete)
        yield* inWriter(disk, resume, temporary)
        assert.deepStrictEqual(disk.files.get(binPath), content)
        const paused = makeDisk()
        yield* inWriter(
          paused,
          (writer) =>
            Effect.gen(function* () {
              yield* writer.write(first)
              yield* TestClock.adjust("1100 millis")
              assert.strictEqual(paused.flushed.get(partPath), 400)
              yield* resume(writer)
            }),
          temporary,
        )
        assert.deepStrictEqual(paused.paths(), [binPath])
        assert.strictEqual(held.size, 0)
      }),
  )

  it.effect("holds a result of 64 KiB, also where its length is not announced, and no longer one", () =>
    Effect.gen(function* () {
      const longest = 64 * 1024
      for (const announced of [true, false]) {
        for (const length of [0, longest, longest + 1]) {
          const disk = makeDisk()
          const held = new Map<string, Uint8Array>()
          const all = large.subarray(0, length)
          const announcedHead = ResultHead.make(announced ? { length } : {})
          const { path } = yield* inWriter(
            disk,
            (writer) =>
              Effect.gen(function* () {
                for (let offset = 0; offset <= length; offset += 30_000) {
                  yield* writer.write({ head: announcedHead, offset, bytes: all.subarray(offset, offset + 30_000) })
                }
                return yield* writer.complete
              }),
            { isTemporary: true, held },
          )
          const isHeld = length <= longest
          assert.deepStrictEqual(disk.paths(), isHeld ? [] : [binPath])
          assert.deepStrictEqual(isHeld ? held.get(path) : disk.files.get(binPath), Uint8Array.from(all))
        }
      }
    }),
  )

  it.effect("flushes no complete result of a temporary directory, but what a resume trusts", () =>
    Effect.gen(function* () {
      const disk = makeDisk()
      const temporary = { isTemporary: true }
      yield* inWriter(disk, ({ write }) => write({ head, offset: 0, bytes: content.subarray(0, 400) }), temporary)
      assert.deepInclude(recordOf(disk), { durable: 400 })
      assert.strictEqual(disk.flushed.get(partPath), 400)
      const before = countOf(disk, "sync")
      const rest = content.subarray(400)
      const complete = (writer: ResultStore.ResultWriter) =>
        Effect.andThen(writer.write({ head, offset: 400, bytes: rest }), writer.complete)
      yield* inWriter(disk, complete, temporary)
      assert.strictEqual(countOf(disk, "sync"), before)
      assert.deepStrictEqual(disk.files.get(binPath), content)
      const small = makeDisk()
      const all = { head, offset: 0, bytes: content }
      yield* inWriter(small, (writer) => Effect.andThen(writer.write(all), writer.complete), temporary)
      assert.strictEqual(countOf(small, "sync", "syncDirectory"), 0)
    }),
  )

  it.effect("records bytes a second later, and nothing while none arrive", () =>
    Effect.gen(function* () {
      const disk = makeDisk()
      yield* inWriter(disk, (writer) =>
        Effect.gen(function* () {
          yield* writer.write({ head, offset: 0, bytes: content.subarray(0, 400) })
          yield* TestClock.adjust("900 millis")
          assert.deepStrictEqual(disk.paths(), [])
          yield* TestClock.adjust("200 millis")
          assert.deepStrictEqual(recordOf(disk), { ...head, durable: 400 })
          assert.strictEqual(disk.flushed.get(partPath), 400)
          const syncs = countOf(disk, "sync")
          yield* TestClock.adjust("1 hour")
          assert.strictEqual(countOf(disk, "sync"), syncs)
        }),
      )
    }),
  )

  it.effect("flushes each 8 MiB and not each chunk, and a crash leaves the flushed bytes", () =>
    Effect.gen(function* () {
      const disk = makeDisk()
      const crashed = yield* Scope.make()
      yield* open.pipe(
        Effect.flatMap((writer) => writeFrom(writer, 0, large.length)),
        Scope.provide(crashed),
        Effect.provide(onDisk(disk), { local: true }),
      )
      disk.restart()
      assert.strictEqual(countOf(disk, "sync"), 2)
      yield* inWriter(disk, (writer) =>
        Effect.gen(function* () {
          const from = writer.resume?.offset ?? 0
          assert.isAtLeast(from, 8 * 1024 * 1024)
          assert.isBelow(from, large.length - 1000)
          yield* writeFrom(writer, from, large.length)
          const { sha256 } = yield* writer.complete
          assert.strictEqual(sha256, createHash("sha256").update(large).digest("hex"))
        }),
      )
      assert.deepStrictEqual(disk.paths(), [binPath])
    }),
  )

  it.effect("cuts off bytes that were written and never flushed", () =>
    Effect.gen(function* () {
      const disk = makeDisk()
      disk.files.set(partPath, Uint8Array.from([...content.subarray(0, 300), ...new Uint8Array(200)]))
      disk.files.set(recordPath, utf8(JSON.stringify({ ...head, durable: 300 })))
      const stored = yield* inWriter(disk, (writer) =>
        Effect.gen(function* () {
          assert.strictEqual(writer.resume?.offset, 300)
          yield* writer.write({ head, offset: 300, bytes: content.subarray(300) })
          return yield* writer.complete
        }),
      )
      assert.strictEqual(stored.sha256, createHash("sha256").update(content).digest("hex"))
      assert.deepStrictEqual(disk.files.get(binPath), content)
    }),
  )

  for (const [what, bytes, record] of [
    ["a record of an earlier version, which did not flush", content.subarray(0, 300), { ...head }],
    ["less than what was flushed", content.subarray(0, 299), { ...head, durable: 300 }],
  ] as const) {
    it.effect(`trusts nothing of a part with ${what}`, () =>
      Effect.gen(function* () {
        const disk = makeDisk()
        disk.files.set(partPath, new Uint8Array(bytes))
        disk.files.set(recordPath, utf8(JSON.stringify(record)))
        yield* inWriter(disk, ({ resume }) => Effect.sync(() => assert.isUndefined(resume)))
        assert.deepStrictEqual(disk.paths(), [])
      }),
    )
  }

  it.effect("writes no record that is too long to be read back, and the result starts over", () =>
    Effect.gen(function* () {
      const disk = makeDisk()
      const long = ResultHead.make({ ...head, etag: "\u200b".repeat(20_000) })
      yield* inWriter(disk, ({ write }) => write({ head: long, offset: 0, bytes: content.subarray(0, 400) }))
      assert.isFalse(disk.files.has(recordPath))
      yield* inWriter(disk, ({ resume }) => Effect.sync(() => assert.isUndefined(resume)))
      assert.deepStrictEqual(disk.paths(), [])
    }),
  )

  for (const [method, path] of [
    ["read", recordPath],
    ["lstat", partPath],
    ["read", partPath],
  ] as const) {
    it.effect(`removes nothing for an error that it can't interpret: ${method} ${path.slice(-10)}`, () =>
      Effect.gen(function* () {
        const disk = makeDisk()
        yield* inWriter(disk, ({ write }) => write({ head, offset: 0, bytes: content.subarray(0, 400) }))
        disk.fault = (operation) => (operation.method === method && operation.path === path ? "EMFILE" : "none")
        const error = yield* Effect.flip(inWriter(disk, () => Effect.void))
        assert.deepInclude(error, { path, problem: "TooManyOpenFiles" })
        disk.fault = () => "none"
        const resume = yield* inWriter(disk, (writer) => Effect.succeed(writer.resume))
        assert.strictEqual(resume?.offset, 400)
      }),
    )
  }

  it.effect("never resumes other content with a record that a power cut restored", () =>
    Effect.gen(function* () {
      const disk = makeDisk()
      yield* inWriter(disk, ({ write }) => write({ head, offset: 0, bytes: content.subarray(0, 400) }))
      assert.deepInclude(recordOf(disk), { durable: 400 })
      const crashed = yield* Scope.make()
      const writer = yield* open.pipe(Scope.provide(crashed), Effect.provide(onDisk(disk), { local: true }))
      yield* writer.write({ head: largeHead, offset: 0, bytes: large.subarray(0, 2_000_000) })
      assert.strictEqual(disk.files.get(partPath)?.length, 2_000_000)
      // The names are those that were flushed, and the bytes those that were written.
      disk.powerCut(() => 0.9)
      assert.strictEqual(disk.files.get(partPath)?.length, 2_000_000)
      yield* inWriter(disk, ({ resume }) => Effect.sync(() => assert.isUndefined(resume)))
    }),
  )

  it.effect("releases a result that could not be opened", () =>
    Effect.gen(function* () {
      const disk = makeDisk()
      yield* inWriter(disk, ({ write }) => write({ head, offset: 0, bytes: content.subarray(0, 400) }))
      disk.fault = failOnce("read", "EMFILE")
      const opened = Effect.gen(function* () {
        assert.strictEqual((yield* Effect.flip(open)).problem, "TooManyOpenFiles")
        const writer = yield* open
        yield* writer.write({ head, offset: 0, bytes: content })
        return yield* writer.complete
      })
      const stored = yield* Effect.scoped(opened).pipe(Effect.provide(onDisk(disk)))
      assert.strictEqual(stored.bytes, content.length)
    }),
  )

  it.effect("fails if another program wrote to the file, and stores nothing", () =>
    Effect.gen(function* () {
      const disk = makeDisk()
      const error = yield* inWriter(disk, (writer) =>
        Effect.gen(function* () {
          yield* writer.write({ head, offset: 0, bytes: content })
          yield* TestClock.adjust("1 second")
          const other = yield* Effect.flatMap(FileSystem.FileSystem, (fs) => fs.open(partPath, { flag: "a" })).pipe(
            Effect.provide(disk.layer),
          )
          yield* other.writeAll(content)
          return yield* Effect.flip(writer.complete)
        }),
      )
      assert.strictEqual(error._tag === "TransferError" && error.reason._tag, "Mismatch")
      assert.include(error.message, "the file has 2000 bytes but 1000 bytes were written")
      assert.deepStrictEqual(disk.paths(), [])
    }),
  )
})

describe("ResultStore.layerFileSystem: after a failed write", () => {
  it.effect("writes nothing more, and leaves the flushed bytes", () =>
    Effect.gen(function* () {
      const disk = makeDisk()
      yield* inWriter(disk, (writer) =>
        Effect.gen(function* () {
          yield* writer.write({ head, offset: 0, bytes: content.subarray(0, 400) })
          yield* TestClock.adjust("1 second")
          disk.fault = failOnce("write", "short")
          yield* writer.write({ head, offset: 400, bytes: content.subarray(400, 600) })
          yield* TestClock.adjust("1 second")
          const chunk = { head, offset: 600, bytes: content.subarray(600) }
          assert.strictEqual((yield* Effect.flip(writer.write(chunk))).problem, "DiskFull")
          assert.strictEqual((yield* Effect.flip(writer.complete))._tag, "StoreError")
        }),
      )
      assert.deepStrictEqual(disk.files.get(partPath), content.slice(0, 400))
      const resume = yield* inWriter(disk, (writer) => Effect.succeed(writer.resume))
      assert.strictEqual(resume?.offset, 400)
    }),
  )

  it.effect("leaves no record if a flush is due while it completes", () =>
    Effect.gen(function* () {
      const disk = makeDisk()
      yield* inWriter(disk, (writer) =>
        Effect.gen(function* () {
          yield* writer.write({ head, offset: 0, bytes: content })
          const completing = yield* Effect.forkChild(writer.complete, { startImmediately: true })
          yield* TestClock.adjust("1 second")
          yield* Fiber.join(completing)
        }),
      )
      assert.deepStrictEqual(disk.paths(), [binPath])
    }),
  )

  it.effect("accepts no chunk after it has finished", () =>
    Effect.gen(function* () {
      const disk = makeDisk()
      yield* inWriter(disk, (writer) =>
        Effect.gen(function* () {
          yield* writer.write({ head, offset: 0, bytes: content })
          yield* writer.complete
          const chunk = { head, offset: 0, bytes: content }
          assert.include((yield* Effect.flip(writer.write(chunk))).message, "this writer has finished")
          assert.include((yield* Effect.flip(writer.complete)).message, "this writer has finished")
          assert.strictEqual(disk.openFiles(), 0)
        }),
      )
      assert.deepStrictEqual(disk.files.get(binPath), content)
    }),
  )

  it.effect("stores the result even if its record can't be removed", () =>
    Effect.gen(function* () {
      const disk = makeDisk()
      const complete = (writer: ResultStore.ResultWriter) =>
        Effect.gen(function* () {
          yield* writer.write({ head, offset: 0, bytes: content })
          yield* TestClock.adjust("1 second")
          disk.fault = failOnce("remove", "EIO")
          return yield* writer.complete
        })
      assert.strictEqual((yield* inWriter(disk, complete)).bytes, content.length)
      assert.deepStrictEqual(disk.files.get(binPath), content)
      yield* inWriter(disk, ({ resume }) => Effect.sync(() => assert.isUndefined(resume)))
      assert.deepStrictEqual(disk.paths(), [binPath])
    }),
  )
})

const faults: ReadonlyArray<Fault> = ["short", "ENOSPC", "EIO", "EMFILE", "crash", "crash"]

const isSame = (file: Uint8Array | undefined, bytes: Uint8Array) =>
  file !== undefined && Buffer.compare(file, bytes) === 0

/** Two contents that the storage may have, of the same length or not. */
const contentsOf = (roll: () => number) =>
  [0, 1].map((version) => {
    const length = roll() < 0.03 ? 1_200_000 + Math.floor(1_000_000 * roll()) : Math.floor(3000 * roll())
    const bytes = patterned(length, version * 100)
    return { bytes, head: ResultHead.make({ length, etag: `"${version}"` }) }
  })

/** Downloads as `Transfer` does: resumes the same content, and starts over with another. */
const download = Effect.fnUntraced(function* (
  writer: ResultStore.ResultWriter,
  { bytes, head }: { readonly bytes: Uint8Array; readonly head: ResultHead },
  roll: () => number,
) {
  const { resume } = writer
  let offset = resume?.head.etag === head.etag ? (resume?.offset ?? 0) : 0
  const most = 1 + bytes.length * roll()
  if (offset === 0 && bytes.length === 0) yield* writer.write({ head, offset, bytes })
  while (offset < bytes.length) {
    const length = Math.ceil(most * roll())
    yield* writer.write({ head, offset, bytes: bytes.subarray(offset, offset + length) })
    offset = Math.min(bytes.length, offset + length)
    if (roll() < 0.3) yield* TestClock.adjust("700 millis")
  }
})

describe("ResultStore.layerFileSystem: on a disk that fails", () => {
  it.effect.prop(
    "stores the right bytes or fails, through any failed write, crash or power cut",
    [
      Arbitrary.schema(Schema.Literals(["lasting", "temporary", "held"])),
      Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 2 ** 31 }))),
    ],
    ([kind, seed]) =>
      Effect.gen(function* () {
        const isTemporary = kind !== "lasting"
        const holds = kind === "held"
        const roll = seededRandom(seed)
        const disk = makeDisk()
        const contents = contentsOf(roll)
        let isStored = false
        const succeeded: Array<{
          readonly sha256: string
          readonly bytes: Uint8Array | undefined
          readonly content: Uint8Array
        }> = []
        /** A program that fails may have replaced the result with the whole other content. */
        const assertStored = (when: string) => {
          // What a power cut leaves of a complete file there is removed, or replaced by the next download.
          if (isTemporary) return
          const file = disk.files.get(binPath)
          const isWhole = contents.some(({ bytes }) => isSame(file, bytes))
          assert.isTrue(isWhole || (file === undefined && !isStored), `${when}: ${file?.length} bytes`)
        }
        for (let program = 0; program < 8; program++) {
          const isLast = program === 7
          const every = 3 + 60 * roll()
          const content = contents[roll() < 0.7 ? 0 : 1]
          if (content === undefined) return
          disk.fault = () =>
            !isLast && roll() * every < 1 ? (faults[Math.floor(roll() * faults.length)] ?? "none") : "none"
          const held = new Map<string, Uint8Array>()
          const work = inWriter(
            disk,
            (writer) =>
              Effect.gen(function* () {
                yield* download(writer, content, roll)
                const { path, sha256 } = yield* writer.complete
                const bytes = held.get(path) ?? disk.files.get(binPath)
                succeeded.push({ sha256, bytes, content: content.bytes })
                isStored = true
              }),
            { isTemporary, ...(holds ? { held } : {}) },
          )
          const running = yield* Effect.forkChild(
            Effect.provideService(work, MaxOpsBeforeYield, roll() < 0.5 ? 8 : 2048),
          )
          if (!isLast && roll() < 0.5) for (let n = 0; n < 100 * roll(); n++) yield* Effect.yieldNow
          if (!isLast && roll() < 0.5) yield* Fiber.interrupt(running)
          const exit = yield* Fiber.await(running)
          disk.fault = () => "none"
          if (isLast) {
            assert.isTrue(Exit.isSuccess(exit))
            if (held.size === 0) assert.deepStrictEqual(disk.paths(), [binPath])
          }
          for (const { bytes, content, sha256 } of succeeded.splice(0)) {
            assert.isTrue(isSame(bytes, content), "the result has other bytes")
            assert.strictEqual(sha256, createHash("sha256").update(content).digest("hex"))
          }
          assertStored("after the program")
          if (roll() < 0.5) disk.powerCut(roll)
          else disk.restart()
          assertStored("after the power cut")
        }
      }),
    { arbitrary: { runs: 200 } },
  )
})
