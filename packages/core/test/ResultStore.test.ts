/** The store in memory. Both stores are put through their paces together in `packages/node/test/ResultStore.test.ts`. */
import { createHash } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import { ResultHead } from "@live-response/core/ResultChunk"
import * as ResultStore from "@live-response/core/ResultStore"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Stream from "effect/Stream"
import { joined, patterned, utf8 } from "./support/bytes.ts"
import { failureOf } from "./support/events.ts"
import { exampleRef } from "./support/refs.ts"

const content = patterned(1000)
const head = ResultHead.make({ length: content.length, etag: `"0x1"` })

const open = Effect.flatMap(ResultStore.ResultStore, (store) => store.open(exampleRef))
const readAll = (path: string) =>
  Effect.flatMap(ResultStore.ResultStore, (store) => Effect.map(Stream.runCollect(store.read(path)), joined))

describe("ResultStore.layerMemory", () => {
  it.effect("keeps a result by what it is", () =>
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

  it.effect("goes on with what an earlier writer left", () =>
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

  it.effect("keeps nothing of what is not what was announced", () =>
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

  it.effect("does not read what it has not", () =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(readAll("nothing/0.bin"))
      assert.isTrue(Exit.isFailure(exit))
    }).pipe(Effect.provide(ResultStore.layerMemory)),
  )
})
