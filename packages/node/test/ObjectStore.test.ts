/** Stores of objects on this machine, and results that are spooled for one. */
import { chmodSync, linkSync, mkdirSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs"
import { basename, join } from "node:path"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodePath from "@effect/platform-node/NodePath"
import { assert, describe, it } from "@effect/vitest"
import * as DirectoryObjectStore from "@live-response/core/DirectoryObjectStore"
import * as ObjectStore from "@live-response/core/ObjectStore"
import * as NodeHasher from "@live-response/node/NodeHasher"
import * as NodePlatform from "@live-response/node/NodePlatform"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { contentOf, readAll, suite } from "./support/ObjectStoreSuite.ts"
import { patterned, tempDirectory } from "./support/samples.ts"

const storeIn = (directory: string, files: Layer.Layer<FileSystem.FileSystem> = NodeFileSystem.layer) =>
  DirectoryObjectStore.layer({ directory }).pipe(
    Layer.provide([files, NodePath.layer, NodeHasher.layer, NodePlatform.layer]),
  )

suite("ObjectStore.layerMemory", ObjectStore.layerMemory)
suite("DirectoryObjectStore.layer", Layer.unwrap(Effect.map(tempDirectory, (directory) => storeIn(directory))), {
  sizes: [0, 1, 5000, 5_000_000],
})

const content = contentOf(patterned(5000))

/** Parts have random names. */
const names = (looks: ReadonlyArray<string>) => looks.map((name) => (name.endsWith(".part") ? "part" : name))

describe("DirectoryObjectStore.layer: files", () => {
  it.live("are accessible to their owner alone, and nothing else is left", () =>
    Effect.gen(function* () {
      const directory = yield* tempDirectory
      yield* Effect.provide(
        ObjectStore.ObjectStore.use(({ put }) =>
          Effect.andThen(put("tenants/one/a/0.bin", content), put("tenants/one/a/0.bin", content)),
        ),
        storeIn(directory),
      )
      const ofAction = join(directory, "tenants", "one", "a")
      assert.deepStrictEqual(readdirSync(ofAction), ["0.bin"])
      assert.strictEqual(statSync(ofAction).mode & 0o777, 0o700)
      assert.strictEqual(statSync(join(ofAction, "0.bin")).mode & 0o777, 0o600)
      assert.strictEqual(statSync(join(ofAction, "0.bin")).nlink, 1)
    }),
  )

  it.live("that killed programs left are removed by who stores the object: parts, and its second name", () =>
    Effect.gen(function* () {
      const directory = yield* tempDirectory
      const ofAction = join(directory, "a")
      mkdirSync(ofAction, { mode: 0o700 })
      const put = (name: string) =>
        ObjectStore.ObjectStore.use(({ put }) => put(`a/${name}`, content)).pipe(
          Effect.provide(Layer.fresh(storeIn(directory))),
        )
      for (const name of ["0.bin.00.part", "1.bin.11.part"])
        writeFileSync(join(ofAction, name), "part", { mode: 0o600 })
      assert.strictEqual(yield* put("0.bin"), "stored")
      assert.deepStrictEqual(readdirSync(ofAction).toSorted(), ["0.bin", "1.bin.11.part"])
      linkSync(join(ofAction, "0.bin"), join(ofAction, "0.bin.22.part"))
      assert.strictEqual(yield* put("0.bin"), "same")
      assert.strictEqual(yield* put("1.bin"), "stored")
      assert.deepStrictEqual(readdirSync(ofAction).toSorted(), ["0.bin", "1.bin"])
      assert.isTrue(readFileSync(join(ofAction, "0.bin")).equals(Buffer.from(patterned(5000))))
    }),
  )

  it.live("that another program stores meanwhile, and whose part it removes, are found to be there", () =>
    Effect.gen(function* () {
      const directory = yield* tempDirectory
      const other = ObjectStore.ObjectStore.use(({ put }) => put("a/0.bin", content)).pipe(
        Effect.provide(Layer.fresh(storeIn(directory))),
      )
      const slow = { ...content, stream: Stream.concat(content.stream, Stream.drain(Stream.fromEffect(other))) }
      assert.strictEqual(
        yield* ObjectStore.ObjectStore.use(({ put }) => put("a/0.bin", slow)).pipe(Effect.provide(storeIn(directory))),
        "same",
      )
      assert.deepStrictEqual(readdirSync(join(directory, "a")), ["0.bin"])
    }),
  )

  it.live(
    "are looked at once for each step, because each look is a call of its own where the directory is on a network",
    () =>
      Effect.gen(function* () {
        const directory = yield* tempDirectory
        const looks: Array<string> = []
        const counting = Layer.effect(
          FileSystem.FileSystem,
          Effect.map(FileSystem.FileSystem, (fs) => ({
            ...fs,
            lstat: (path: string) =>
              Effect.andThen(
                Effect.sync(() => looks.push(basename(path))),
                fs.lstat(path),
              ),
            readDirectory: (...args: Parameters<typeof fs.readDirectory>) =>
              Effect.andThen(
                Effect.sync(() => looks.push("list")),
                fs.readDirectory(...args),
              ),
          })),
        ).pipe(Layer.provide(NodeFileSystem.layer))
        yield* Effect.gen(function* () {
          const { put } = yield* ObjectStore.ObjectStore
          yield* put("tenant/b/0.bin", content)
          looks.length = 0
          yield* put("tenant/a/0.bin", content)
          const step = ["tenant", "a"]
          assert.deepStrictEqual(names(looks.splice(0)), [...step, "a", ...step, "part"])
          yield* put("tenant/a/1.bin", content)
          // What is older in a directory is searched only where it was there before.
          assert.deepStrictEqual(names(looks), [...step, ...step, "part", ...step, "list"])
        }).pipe(Effect.provide(storeIn(directory, counting)))
      }),
  )

  it.live("are flushed before they get their names, and then their directories are", () =>
    Effect.gen(function* () {
      const directory = yield* tempDirectory
      const changes: Array<string> = []
      const change = (method: string, path: string) =>
        Effect.sync(() => changes.push(`${method} ${names([basename(path)]).join("")}`))
      const watching = Layer.effect(
        FileSystem.FileSystem,
        Effect.map(FileSystem.FileSystem, (fs) => ({
          ...fs,
          makeDirectory: (path: string, options?: Parameters<typeof fs.makeDirectory>[1]) =>
            Effect.andThen(change("make", path), fs.makeDirectory(path, options)),
          open: (path: string, options?: Parameters<typeof fs.open>[1]) =>
            Effect.map(fs.open(path, options), (file): FileSystem.File => ({
              ...file,
              stat: file.stat,
              writeAll: (bytes) => Effect.andThen(change("write", path), file.writeAll(bytes)),
              sync: Effect.tap(file.sync, change("flush", path)),
            })),
          link: (from: string, to: string) => Effect.andThen(change("link", to), fs.link(from, to)),
          remove: (path: string, options?: Parameters<typeof fs.remove>[1]) =>
            Effect.andThen(change("remove", path), fs.remove(path, options)),
        })),
      ).pipe(Layer.provide(NodeFileSystem.layer))
      yield* Effect.gen(function* () {
        const { put } = yield* ObjectStore.ObjectStore
        yield* put("tenant/b/0.bin", content)
        changes.length = 0
        yield* put("tenant/a/0.bin", content)
        const named = ["flush part", "link 0.bin", "remove part", "flush a"]
        assert.deepStrictEqual(changes.splice(0), ["make a", "flush tenant", "write part", ...named])
        // One that is there may not have been flushed by who has created it.
        assert.strictEqual(yield* put("tenant/a/0.bin", content), "same")
        assert.deepStrictEqual(changes, ["flush tenant", "write part", ...named])
      }).pipe(Effect.provide(storeIn(directory, watching)))
    }),
  )

  it.live("are refused where others may change them", () =>
    Effect.gen(function* () {
      const directory = yield* tempDirectory
      mkdirSync(join(directory, "a"))
      chmodSync(join(directory, "a"), 0o777)
      const { info, put } = yield* ObjectStore.ObjectStore.pipe(Effect.provide(storeIn(directory)))
      for (const use of [Effect.asVoid(put("a/0.bin", content)), Effect.asVoid(info("a/0.bin"))]) {
        const { message, reason } = yield* Effect.flip(use)
        assert.strictEqual(reason._tag === "Files" ? reason.problem : reason._tag, "Untrusted")
        assert.match(message, /^file:\/\/\S+\/a\/0\.bin: other users may write to it \(mode 777\)/)
      }
    }),
  )

  it.live("are refused where a directory has the name of one", () =>
    Effect.gen(function* () {
      const directory = yield* tempDirectory
      mkdirSync(join(directory, "a", "0.bin"), { recursive: true, mode: 0o700 })
      const { put } = yield* ObjectStore.ObjectStore.pipe(Effect.provide(storeIn(directory)))
      assert.include(
        (yield* Effect.flip(put("a/0.bin", content))).message,
        "a file is needed here, and there is a directory",
      )
      assert.deepStrictEqual(readdirSync(join(directory, "a")), ["0.bin"])
    }),
  )

  it.live("are found after the directory of a prefix was replaced, as by a new mount", () =>
    Effect.gen(function* () {
      const directory = yield* tempDirectory
      yield* Effect.gen(function* () {
        const { put } = yield* ObjectStore.ObjectStore
        yield* put("tenant/a/0.bin", content)
        renameSync(join(directory, "tenant"), join(directory, "elsewhere"))
        assert.strictEqual((yield* Effect.flip(put("tenant/a/0.bin", content))).reason._tag, "Files")
        assert.strictEqual(yield* put("tenant/a/0.bin", content), "stored")
        assert.strictEqual((yield* readAll("tenant/a/0.bin")).length, 5000)
        yield* Stream.runDrain((yield* ObjectStore.ObjectStore).read("elsewhere/a/0.bin"))
      }).pipe(Effect.provide(storeIn(directory)))
    }),
  )
})
