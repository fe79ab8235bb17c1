/**
 * The file systems with cheaper calls do what Effect's does: every operation has the same outcome on all.
 */
import { existsSync, linkSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import { DirectFiles } from "@live-response/core/DirectFiles"
import * as NodeDirectFileSystem from "@live-response/node/NodeDirectFileSystem"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import type { PlatformError } from "effect/PlatformError"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { tempDirectory } from "./support/samples.ts"

const text = (written: string) => new TextEncoder().encode(written)

/** What is in each directory before an operation. */
const prepare = (directory: string) => {
  writeFileSync(join(directory, "file"), "0123456789", { mode: 0o640 })
  mkdirSync(join(directory, "directory"))
  symlinkSync("file", join(directory, "link"))
  linkSync(join(directory, "file"), join(directory, "second"))
}

type Operation = (
  fs: FileSystem.FileSystem,
  at: (name: string) => string,
) => Effect.Effect<unknown, PlatformError, Scope.Scope>

/** What does not depend on the directory or the time. */
const lasting = ({ gid, mode, nlink, size, type, uid }: FileSystem.File.Info) => ({ gid, mode, nlink, size, type, uid })

const names = ["file", "directory", "link", "second", "missing", "missing/file", "file/below"]

const flags: ReadonlyArray<FileSystem.OpenFlag> = ["r", "r+", "w", "wx", "w+", "wx+", "a", "ax", "a+", "ax+"]

const operations: Record<string, Operation> = {
  ...Object.fromEntries(
    names.flatMap((name): ReadonlyArray<readonly [string, Operation]> => [
      [`lstat ${name}`, (fs, at) => Effect.map(fs.lstat(at(name)), lasting)],
      [`makeDirectory ${name}`, (fs, at) => fs.makeDirectory(at(name), { mode: 0o700 })],
      [`rename ${name}`, (fs, at) => fs.rename(at(name), at("renamed"))],
      [`rename to ${name}`, (fs, at) => fs.rename(at("second"), at(name))],
      ...[{}, { force: true }, { recursive: true }, { recursive: true, force: true }].map(
        (options): readonly [string, Operation] => [
          `remove ${name} ${JSON.stringify(options)}`,
          (fs, at) => Effect.map(fs.remove(at(name), options), () => readdirSync(at(""))),
        ],
      ),
      ...flags.flatMap((flag) =>
        [true, false].map((noFollow): readonly [string, Operation] => [
          `open ${name} ${flag}${noFollow ? " without links" : ""}`,
          (fs, at) =>
            Effect.flatMap(fs.open(at(name), { flag, mode: 0o600, noFollow }), (file) =>
              Effect.map(file.stat, lasting),
            ),
        ]),
      ),
    ]),
  ),
  "write a new file": (fs, at) =>
    Effect.gen(function* () {
      const file = yield* fs.open(at("new"), { flag: "wx", mode: 0o600 })
      const written = [yield* file.write(text("ab")), yield* file.writeAll(text("cdef"))]
      yield* file.sync
      yield* file.writeAll(new Uint8Array(200_000).fill(65))
      yield* file.writeAll(new Uint8Array())
      return [written, readFileSync(at("new"), "utf8"), lasting(yield* file.stat)]
    }),
  "append and read": (fs, at) =>
    Effect.gen(function* () {
      const file = yield* fs.open(at("file"), { flag: "a+" })
      yield* file.writeAll(text("abc"))
      const buffer = new Uint8Array(4)
      const read = [yield* file.read(buffer), new TextDecoder().decode(buffer)]
      const second = Option.map(yield* file.readAlloc(100), (bytes) => new TextDecoder().decode(bytes))
      const end = yield* file.readAlloc(100)
      const there = Option.map(yield* file.readAlloc(3, { position: 1n }), (bytes) => new TextDecoder().decode(bytes))
      yield* file.truncate(2)
      yield* file.writeAll(text("xyz"))
      return [read, second, end, there, readFileSync(at("file"), "utf8"), yield* file.seek(1n, "start")]
    }),
  "write after truncating": (fs, at) =>
    Effect.gen(function* () {
      const file = yield* fs.open(at("new"), { flag: "wx" })
      yield* file.writeAll(text("abcdef"))
      yield* file.truncate()
      yield* file.writeAll(text("xy"))
      return readFileSync(at("new"), "utf8")
    }),
  "write to a directory": (fs, at) =>
    Effect.flatMap(fs.open(at("directory"), { flag: "r" }), (file) => file.writeAll(text("a"))),
  "flush a directory": (fs, at) => Effect.flatMap(fs.open(at("directory"), { flag: "r" }), (file) => file.sync),
  "make directories above": (fs, at) => Effect.asVoid(fs.makeDirectory(at("a/b/c"), { recursive: true })),
}

/** That a file is missing says its tag alone. */
const problemOf = ({ reason }: PlatformError, directory: string) =>
  reason._tag === "NotFound" ? reason._tag : [reason._tag, String(reason.cause).replaceAll(directory, "…")]

const outcome = (operation: Operation) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const directory = yield* tempDirectory
    prepare(directory)
    const result = yield* Effect.result(operation(fs, (name) => join(directory, name)))
    return Result.isSuccess(result) ? result.success : problemOf(result.failure, directory)
  }).pipe(Effect.scoped)

/** What both layers stream. */
const streamed = (path: string, options?: Parameters<FileSystem.FileSystem["stream"]>[1]) =>
  Effect.all(
    [NodeFileSystem.layer, NodeDirectFileSystem.layerBatch].map((layer) =>
      FileSystem.FileSystem.pipe(
        Effect.flatMap((fs) => Stream.runCollect(fs.stream(path, options))),
        Effect.map((chunks) => Buffer.concat(chunks).toString("hex")),
        Effect.exit,
        Effect.provide(layer),
      ),
    ),
  )

describe("NodeDirectFileSystem", () => {
  it.effect("reads as Effect's file system does, directly or in pieces", () =>
    Effect.gen(function* () {
      const directory = yield* tempDirectory
      const at = (name: string) => join(directory, name)
      for (const length of [0, 1, 65_536, 65_537, 300_000])
        writeFileSync(at(`f${length}`), Buffer.alloc(length, length))
      symlinkSync("f1", at("link"))
      symlinkSync("nowhere", at("dangling"))
      for (const name of ["f0", "f1", "f65536", "f65537", "f300000", "link", "dangling", "missing", "f1/x", "."]) {
        const [expected, actual] = yield* streamed(at(name))
        assert.deepStrictEqual(actual, expected, name)
      }
      for (const options of [
        { offset: 70_000, bytesToRead: 10 },
        { bytesToRead: 10 },
        { bytesToRead: 70_000 },
        { bytesToRead: 400_000 },
        { chunkSize: 7 },
      ]) {
        const [expected, actual] = yield* streamed(at("f300000"), options)
        assert.deepStrictEqual(actual, expected)
      }
    }),
  )

  it.live("says at once what is at a path, reads no file at once, and flushes a directory in one step", () =>
    Effect.gen(function* () {
      const directory = yield* tempDirectory
      prepare(directory)
      const direct = yield* DirectFiles
      const kindOf = (name: string) => {
        const found = direct?.lstat(join(directory, name))
        return typeof found === "object" ? found.type : found
      }
      assert.deepStrictEqual(["file", "directory", "link", "missing", "file/below", "no\0path"].map(kindOf), [
        "File",
        "Directory",
        "SymbolicLink",
        "missing",
        undefined,
        undefined,
      ])
      assert.isUndefined(direct?.read(join(directory, "file"), 10))
      const flush = direct?.flushDirectory ?? (() => Effect.die("it flushes none"))
      const descriptors = () => (existsSync("/proc/self/fd") ? readdirSync("/proc/self/fd").length : 0)
      const before = descriptors()
      assert.isTrue(yield* flush(join(directory, "directory")))
      assert.isFalse(yield* flush(join(directory, "missing")))
      assert.strictEqual(descriptors(), before)
    }).pipe(Effect.scoped, Effect.provide(NodeDirectFileSystem.layer)),
  )

  it.effect.each(Object.keys(operations))("does what Effect's file system does: %s", (name) =>
    Effect.gen(function* () {
      const operation = operations[name] ?? (() => Effect.die("no operation"))
      const effects = yield* Effect.provide(outcome(operation), NodeFileSystem.layer)
      for (const layer of [NodeDirectFileSystem.layer, NodeDirectFileSystem.layerShared]) {
        assert.deepStrictEqual(yield* Effect.provide(outcome(operation), layer), effects)
      }
    }),
  )
})
