import { execFileSync } from "node:child_process"
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import * as NodeBatchFileSystem from "@live-response/node/NodeBatchFileSystem"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Stream from "effect/Stream"

const directory = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "live-response-batch-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true })),
)

/** What both file systems say of each path. */
const both = <A, E>(use: (fs: FileSystem.FileSystem) => Effect.Effect<A, E>) =>
  Effect.all(
    [NodeFileSystem.layer, NodeBatchFileSystem.layer].map((layer) =>
      Effect.exit(Effect.provide(Effect.flatMap(FileSystem.FileSystem, use), layer)),
    ),
  )

const bytesOf = (chunks: ReadonlyArray<Uint8Array>) => Buffer.concat(chunks).toString("hex")

describe("NodeBatchFileSystem", () => {
  it.live("inspects and reads as Effect's file system does", () =>
    Effect.gen(function* () {
      const path = yield* directory
      const at = (name: string) => join(path, name)
      for (const length of [0, 1, 65_536, 65_537, 300_000])
        writeFileSync(at(`f${length}`), Buffer.alloc(length, length))
      symlinkSync("f1", at("link"))
      symlinkSync("nowhere", at("dangling"))
      execFileSync("mkfifo", [at("pipe")])
      for (const name of [
        "f0",
        "f1",
        "f65536",
        "f65537",
        "f300000",
        "link",
        "dangling",
        "pipe",
        "missing",
        "f1/x",
        ".",
      ]) {
        const [expected, actual] = yield* both((fs) => fs.lstat(at(name)))
        assert.deepStrictEqual(actual, expected, name)
        // A read of a pipe waits for its writer.
        if (name === "pipe") continue
        const [expectedBytes, actualBytes] = yield* both((fs) =>
          Effect.map(Stream.runCollect(fs.stream(at(name))), bytesOf),
        )
        assert.deepStrictEqual(actualBytes, expectedBytes, name)
      }
      for (const options of [
        { offset: 70_000, bytesToRead: 10 },
        { bytesToRead: 10 },
        { bytesToRead: 70_000 },
        { bytesToRead: 400_000 },
        { chunkSize: 7 },
      ]) {
        const [expected, actual] = yield* both((fs) =>
          Effect.map(Stream.runCollect(fs.stream(at("f300000"), options)), bytesOf),
        )
        assert.deepStrictEqual(actual, expected)
      }
    }).pipe(Effect.scoped),
  )
})
