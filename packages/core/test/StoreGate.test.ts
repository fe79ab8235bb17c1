import { assert, describe, it } from "@effect/vitest"
import * as ObjectStore from "@live-response/core/ObjectStore"
import { Files, ObjectStoreError } from "@live-response/core/ObjectStoreError"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import * as StoreGate from "../src/internal/storeGate.ts"

const full = new ObjectStoreError({ object: "a", reason: new Files({ problem: "DiskFull", detail: "ENOSPC" }) })

const silent = () => Effect.void

/** The uploads to a store that nothing else uses. */
const makeUploads = Effect.map(
  ObjectStore.ObjectStore.pipe(Effect.provide(ObjectStore.layerMemory, { local: true })),
  (store) => StoreGate.gatesOf(store).uploads,
)

describe("the uploads to a store that is full", () => {
  it.effect("succeed where the store refuses another one alone, and links are requested again", () =>
    Effect.gen(function* () {
      const uploads = yield* makeUploads
      yield* Effect.forkScoped(uploads.through(Effect.fail(full), silent), { startImmediately: true })
      const link = yield* Effect.forkChild(uploads.untilOpen(silent), { startImmediately: true })
      assert.isUndefined(link.pollUnsafe())
      const small = yield* Effect.forkChild(uploads.through(Effect.succeed("stored"), silent))
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(small.pollUnsafe()?._tag, "Success")
      yield* Fiber.join(link)
    }).pipe(Effect.scoped),
  )

  it.effect("say each minute why they wait, and so do links", () =>
    Effect.gen(function* () {
      const uploads = yield* makeUploads
      const said = { trying: 0, waiting: 0, link: 0 }
      const count = (who: keyof typeof said) => () => Effect.sync(() => void said[who]++)
      const slow = Effect.andThen(Effect.sleep("1 hour"), Effect.fail(full))
      yield* Effect.forkScoped(uploads.through(Effect.fail(full), count("trying")), { startImmediately: true })
      // It takes its turn, and does not give it back for an hour.
      yield* Effect.forkScoped(uploads.through(slow, count("waiting")), { startImmediately: true })
      yield* TestClock.adjust("5 minutes")
      assert.isAtLeast(said.trying, 5)
      assert.isAtLeast(said.waiting, 5)
      yield* Effect.forkScoped(uploads.untilOpen(count("link")), { startImmediately: true })
      assert.strictEqual(said.link, 1)
    }).pipe(Effect.scoped),
  )
})
