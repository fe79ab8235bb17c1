/**
 * The directories of results under the rules of each system, on the files of this machine.
 */
import { chmodSync, existsSync, mkdirSync, readdirSync } from "node:fs"
import { join } from "node:path"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as AtomicFile from "@live-response/core/AtomicFile"
import * as FileName from "@live-response/core/FileName"
import * as Platform from "@live-response/core/Platform"
import * as PrivateDirectory from "@live-response/core/PrivateDirectory"
import * as NodeDirectoryLock from "@live-response/node/NodeDirectoryLock"
import * as NodePlatform from "@live-response/node/NodePlatform"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { type PlatformError, type SystemErrorTag, systemError } from "effect/PlatformError"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { tempDirectory } from "./support/samples.ts"

/** Windows, which tries a file that is open elsewhere three times and does not wait. */
const windows: Platform.Service = { ...Platform.windows, whileOpenElsewhere: Schedule.recurs(2) }

const posix = Platform.posix(process.geteuid?.())

/** The files of this machine, of which some calls do something else. */
const filesWith = (change: (fs: FileSystem.FileSystem) => Partial<FileSystem.FileSystem>) =>
  Layer.effect(
    FileSystem.FileSystem,
    Effect.map(FileSystem.FileSystem, (fs) => ({ ...fs, ...change(fs) })),
  ).pipe(Layer.provideMerge(NodeServices.layer))

const on =
  (platform: Platform.Service, files: Layer.Layer<NodeServices.NodeServices> = NodeServices.layer) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    effect.pipe(Effect.provideService(Platform.Platform, platform), Effect.provide(files))

const write = Effect.fnUntraced(function* (path: string, name: string) {
  const directory = yield* PrivateDirectory.open(path)
  return yield* AtomicFile.write(directory, name, Stream.succeed(new Uint8Array(3)))
})

describe("NodePlatform", () => {
  it("has the rules of the system that Node names", () => {
    assert.strictEqual(NodePlatform.of("win32", undefined), Platform.windows)
    assert.strictEqual(NodePlatform.of("darwin", 501).opener, "open")
    assert.strictEqual(NodePlatform.of("linux", 1000).user, 1000)
    assert.strictEqual(NodePlatform.current().user, process.geteuid?.())
  })
})

describe("on Windows", () => {
  it.live.each(["results.", "CON", "nul.d/results"])("a directory is not created as %j", (name) =>
    Effect.gen(function* () {
      const root = yield* tempDirectory
      const error = yield* Effect.flip(on(windows)(PrivateDirectory.open(join(root, name))))
      assert.strictEqual(error.problem, "Failed")
      assert.match(error.message, /Windows.*; choose another name$/)
      assert.deepStrictEqual(readdirSync(root), [])
      yield* on(posix)(PrivateDirectory.open(join(root, name)))
      assert.isTrue(existsSync(join(root, name)))
    }),
  )

  it.live("a file is not created with the name of a device", () =>
    Effect.gen(function* () {
      const root = yield* tempDirectory
      const error = yield* Effect.flip(on(windows)(write(root, "nul.html")))
      assert.strictEqual(error.path, join(root, "nul.html.part"))
      assert.deepStrictEqual(readdirSync(root), [])
    }),
  )

  it.live("a directory with a path that is too long for its files is refused", () =>
    Effect.gen(function* () {
      const root = yield* tempDirectory
      const most = 259 - 1 - FileName.longest
      const path = join(root, "x".repeat(most - root.length - 1))
      yield* on(windows)(PrivateDirectory.open(path))
      const error = yield* Effect.flip(on(windows)(PrivateDirectory.open(`${path}y`)))
      assert.include(
        error.message,
        `has ${most + 1} characters, and with more than ${most} the paths of its files are too long;`,
      )
      assert.isFalse(existsSync(`${path}y`))
      // What is there can be read.
      mkdirSync(`${path}y`, { mode: 0o700 })
      assert.isTrue(Option.isSome(yield* on(windows)(PrivateDirectory.find(`${path}y`))))
    }),
  )

  it.live("modes mean nothing", () =>
    Effect.gen(function* () {
      const root = yield* tempDirectory
      const path = join(root, "results")
      mkdirSync(path)
      chmodSync(path, 0o777)
      assert.strictEqual(yield* on(windows)(write(path, "results.csv")), 3)
      if (posix.user === undefined) return
      assert.strictEqual((yield* Effect.flip(on(posix)(write(path, "results.csv")))).problem, "Untrusted")
    }),
  )

  it.live("no directory is flushed, and on POSIX it is", () =>
    Effect.gen(function* () {
      const root = yield* tempDirectory
      let opened = 0
      const files = filesWith((fs) => ({
        open: (path, options) => {
          if (options?.flag === "r") opened++
          return fs.open(path, options)
        },
      }))
      yield* on(windows, files)(write(root, "results.csv"))
      assert.strictEqual(opened, 0)
      yield* on(posix, files)(write(root, "results.csv"))
      assert.strictEqual(opened, 1)
    }),
  )
})

describe("the lock of a directory", () => {
  const as = (name: NodeJS.Platform) => {
    const before = process.platform
    const set = (value: NodeJS.Platform) => Effect.sync(() => Object.defineProperty(process, "platform", { value }))
    return Effect.acquireRelease(set(name), () => set(before))
  }

  it.live.each([
    { name: "win32", left: [".lock"] },
    { name: "linux", left: [] },
  ] as const)("is released on $name, where $left stays", ({ left, name }) =>
    Effect.gen(function* () {
      const root = yield* tempDirectory
      yield* as(name)
      const removed: Array<string> = []
      const files = filesWith((fs) => ({
        remove: (path, options) => {
          removed.push(path)
          return fs.remove(path, options)
        },
      }))
      const locked = Effect.scoped(Layer.build(NodeDirectoryLock.layer({ directory: root })))
      yield* Effect.provide(Effect.repeat(locked, { times: 1 }), files)
      assert.deepStrictEqual<ReadonlyArray<string>>(readdirSync(root), left)
      assert.strictEqual(removed.length, name === "win32" ? 0 : 2)
    }),
  )
})

describe("a file that another program has open", () => {
  const failing = (method: "remove" | "rename", tag: SystemErrorTag, times: number) => {
    let calls = 0
    const attempt = <A>(call: Effect.Effect<A, PlatformError>) =>
      Effect.suspend(() =>
        ++calls > times
          ? call
          : Effect.fail(systemError({ _tag: tag, module: "FileSystem", method, description: "EPERM: not permitted" })),
      )
    const files = filesWith((fs) =>
      method === "rename"
        ? { rename: (from, to) => attempt(fs.rename(from, to)) }
        : { remove: (path, options) => attempt(fs.remove(path, options)) },
    )
    return { files, calls: () => calls }
  }

  it.live.each(["Busy", "PermissionDenied"] as const)("is replaced on Windows once it is closed: %s", (tag) =>
    Effect.gen(function* () {
      const root = yield* tempDirectory
      const { calls, files } = failing("rename", tag, 2)
      assert.strictEqual(yield* on(windows, files)(write(root, "results.csv")), 3)
      assert.strictEqual(calls(), 3)
      assert.deepStrictEqual(readdirSync(root), ["results.csv"])
    }),
  )

  it.live("fails on Windows if it stays open, and says so", () =>
    Effect.gen(function* () {
      const root = yield* tempDirectory
      const { calls, files } = failing("rename", "Busy", Infinity)
      const error = yield* Effect.flip(on(windows, files)(write(root, "results.csv")))
      assert.strictEqual(
        error.message,
        `${join(root, "results.csv")}: in use by another program; wait until it has finished, or choose another directory`,
      )
      assert.strictEqual(calls(), 3)
    }),
  )

  it.live("is removed on Windows once it is closed", () =>
    Effect.gen(function* () {
      const root = yield* tempDirectory
      const { calls, files } = failing("remove", "PermissionDenied", 1)
      yield* on(
        windows,
        files,
      )(
        Effect.gen(function* () {
          const directory = yield* PrivateDirectory.open(root)
          yield* directory.prepare("results.csv")
          yield* directory.remove("results.csv")
        }),
      )
      assert.strictEqual(calls(), 2)
      assert.deepStrictEqual(readdirSync(root), [])
    }),
  )

  it.live("is a failure at once elsewhere, and so is any other error on Windows", () =>
    Effect.gen(function* () {
      const root = yield* tempDirectory
      const denied = failing("rename", "PermissionDenied", 1)
      assert.strictEqual((yield* Effect.flip(on(posix, denied.files)(write(root, "a.csv")))).problem, "NotWritable")
      const missing = failing("rename", "NotFound", 1)
      yield* Effect.flip(on(windows, missing.files)(write(root, "b.csv")))
      assert.deepStrictEqual([denied.calls(), missing.calls()], [1, 1])
    }),
  )
})
