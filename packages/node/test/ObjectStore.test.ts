/** Stores of objects on this machine, and results that are spooled for one. */
import {
  chmodSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs"
import { join } from "node:path"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as DirectoryObjectStore from "@live-response/core/DirectoryObjectStore"
import * as ObjectStore from "@live-response/core/ObjectStore"
import * as NodeHasher from "@live-response/node/NodeHasher"
import * as NodePlatform from "@live-response/node/NodePlatform"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { contentOf, readAll, suite } from "./support/ObjectStoreSuite.ts"
import { patterned, tempDirectory } from "./support/samples.ts"

const storeIn = (directory: string) =>
  DirectoryObjectStore.layer({ directory }).pipe(
    Layer.provide([NodeServices.layer, NodeHasher.layer, NodePlatform.layer]),
  )

suite("ObjectStore.layerMemory", ObjectStore.layerMemory)
suite("DirectoryObjectStore.layer", Layer.unwrap(Effect.map(tempDirectory, storeIn)), {
  sizes: [0, 1, 5000, 5_000_000],
})

/** In seconds since 1970. */
const longAgo = 1_500_000_000

const content = contentOf(patterned(5000))

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

  it.live("that crashed programs left are removed after a day: a part, and the second name of an object", () =>
    Effect.gen(function* () {
      const directory = yield* tempDirectory
      const layer = storeIn(directory)
      const ofAction = join(directory, "a")
      const put = ObjectStore.ObjectStore.use(({ put }) => put("a/0.bin", content)).pipe(
        Effect.provide(Layer.fresh(layer)),
      )
      yield* put
      const [old, recent, second] = ["0.bin.00.part", "0.bin.11.part", "0.bin.22.part"].map((name) =>
        join(ofAction, name),
      )
      assert.isDefined(old)
      writeFileSync(old ?? "", "part", { mode: 0o600 })
      writeFileSync(recent ?? "", "part", { mode: 0o600 })
      linkSync(join(ofAction, "0.bin"), second ?? "")
      assert.strictEqual(yield* put, "same")
      assert.deepStrictEqual(readdirSync(ofAction).length, 4)
      for (const path of [old, second]) utimesSync(path ?? "", longAgo, longAgo)
      assert.strictEqual(yield* put, "same")
      assert.deepStrictEqual(readdirSync(ofAction).toSorted(), ["0.bin", "0.bin.11.part"])
      assert.isTrue(readFileSync(join(ofAction, "0.bin")).equals(Buffer.from(patterned(5000))))
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
