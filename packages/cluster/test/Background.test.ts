import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as TestClock from "effect/testing/TestClock"
import * as Background from "../src/internal/background.ts"

describe("Background.repeat", () => {
  it.effect("continues after a bug, which is logged, until its scope closes", () => {
    const lines: Array<string> = []
    const logger = Logger.make(({ logLevel, message }) => lines.push(`${logLevel}: ${String(message)}`))
    return Effect.gen(function* () {
      let times = 0
      const work = Effect.suspend(() => (++times === 2 ? Effect.die("a bug") : Effect.void))
      yield* Effect.scoped(
        Effect.andThen(Background.repeat("the search", work, "2 seconds"), TestClock.adjust("7 seconds")),
      )
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(times, 4)
      assert.deepStrictEqual(lines, ["Error: the search failed and is repeated"])
    }).pipe(Effect.provide(Logger.layer([logger])))
  })
})
