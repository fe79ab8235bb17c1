import { assert, describe, it } from "@effect/vitest"
import * as PrivateDirectory from "@live-response/core/PrivateDirectory"
import * as AtomicFile from "@live-response/core/AtomicFile"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Stream from "effect/Stream"
import { utf8 } from "./support/bytes.ts"
import { type Disk, type Fault, makeDisk } from "./support/disk.ts"

const path = "/there/table.csv"

const write = (disk: Disk, bytes: Stream.Stream<Uint8Array>) =>
  Effect.flatMap(PrivateDirectory.open("/there"), (directory) => AtomicFile.write(directory, "table.csv", bytes)).pipe(
    Effect.provide(disk.layer),
  )

describe("AtomicFile.write", () => {
  it.effect.each([0.1, 0.9])("leaves the complete file and no other, also after a power cut: %d", (roll) =>
    Effect.gen(function* () {
      const disk = makeDisk()
      assert.strictEqual(yield* write(disk, Stream.make(utf8("a,b"), utf8("\n1,2\n"))), 8)
      assert.deepStrictEqual(disk.files.get(path), utf8("a,b\n1,2\n"))
      disk.powerCut(() => roll)
      assert.deepStrictEqual(disk.paths(), [path])
      assert.deepStrictEqual(disk.files.get(path), utf8("a,b\n1,2\n"))
    }),
  )

  it.effect.each<{ readonly method: string; readonly fault: Fault; readonly problem: string }>([
    { method: "write", fault: "short", problem: "DiskFull" },
    { method: "sync", fault: "EIO", problem: "Failed" },
    { method: "rename", fault: "EACCES", problem: "NotWritable" },
  ])("leaves the earlier file if it fails: $method $fault", ({ fault, method, problem }) =>
    Effect.gen(function* () {
      const disk = makeDisk()
      disk.files.set(path, utf8("before"))
      disk.fault = (operation) => (operation.method === method ? fault : "none")
      assert.strictEqual((yield* Effect.flip(write(disk, Stream.make(utf8("after"))))).problem, problem)
      assert.deepStrictEqual(disk.paths(), [path])
      assert.deepStrictEqual(disk.files.get(path), utf8("before"))
    }),
  )

  it.effect("fails if another program writes to the same file, and does not rename it", () =>
    Effect.gen(function* () {
      const disk = makeDisk()
      const other = Effect.gen(function* () {
        const fs = yield* FileSystem.FileSystem
        const file = yield* fs.open(`${path}.part`, { flag: "a" })
        yield* file.writeAll(utf8("other"))
        return utf8("after")
      }).pipe(Effect.scoped, Effect.provide(disk.layer), Effect.orDie)
      const error = yield* Effect.flip(write(disk, Stream.fromEffect(other)))
      assert.include(error.message, "the file has 10 bytes but 5 were written")
      assert.deepStrictEqual(disk.paths(), [])
    }),
  )
})
