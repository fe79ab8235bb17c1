import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Warnings from "../src/NodeWarnings.ts"

const nextWarning = Effect.callback<string>((resume) => {
  process.once("warning", ({ message }) => resume(Effect.succeed(message)))
})

it.live("hides that SQLite is experimental, and no other warning", () =>
  Effect.gen(function* () {
    const { emitWarning } = process
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        process.emitWarning = emitWarning
      }),
    )
    Warnings.hideSqlite()
    const next = yield* Effect.forkChild(nextWarning, { startImmediately: true })
    process.emitWarning("SQLite is an experimental feature and might change at any time", "ExperimentalWarning")
    process.emitWarning("another feature", "ExperimentalWarning")
    assert.strictEqual(yield* Fiber.join(next), "another feature")
  }),
)
