import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as KnownWords from "../src/input/KnownWords.ts"

/** The word, and the warnings about it. */
const canonical = (field: KnownWords.Field, text: string) =>
  Effect.gen(function* () {
    const warnings: Array<string> = []
    const logger = Logger.make<unknown, void>(({ message }) => void warnings.push(String(message)))
    const word = yield* Effect.provide(KnownWords.canonical(field, text), Logger.layer([logger]))
    return { word, warnings }
  })

describe("a word of the API", () => {
  it.effect("is known in any case, and is sent as the API spells it", () =>
    Effect.gen(function* () {
      for (const field of ["status", "type"] as const) {
        for (const word of KnownWords.knownWords[field]) {
          for (const typed of [word, word.toLowerCase(), word.toUpperCase()]) {
            assert.deepStrictEqual(yield* canonical(field, typed), { word, warnings: [] })
          }
        }
      }
    }),
  )

  it.effect("that is unknown is sent unchanged, with a warning that suggests a word and lists the known words", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* canonical("status", "Suceeded"), {
        word: "Suceeded",
        warnings: [
          'unknown status "Suceeded": nothing may match. Did you mean Succeeded? Known: Pending, InProgress, Succeeded, Failed, TimeOut, Cancelled',
        ],
      })
      const { warnings } = yield* canonical("type", "GetLogs\u001b[2J")
      assert.lengthOf(warnings, 1)
      assert.match(
        warnings[0] ?? "",
        /^unknown type "GetLogs\uFFFD\[2J": nothing may match\. Known: RunAntiVirusScan, /,
      )
    }),
  )

  it.each([
    ["s.ps1", []],
    ["colect.ps1", ["collect.ps1"]],
  ])("does not suggest a file for its extension alone: %s", (text, files) =>
    assert.deepStrictEqual(KnownWords.close(["a.ps1", "collect.ps1", ".env"], text), files),
  )

  it.each([
    ["status", "canceled", "Cancelled"],
    ["status", "timed out", "TimeOut"],
    ["status", "in progress", "InProgress"],
    ["type", "live response", "LiveResponse"],
    ["type", "Unisolated", "Unisolate"],
    ["status", "done", undefined],
    ["type", "x".repeat(100_000), undefined],
  ] as const)("suggests for %s %s: %s", (field, text, word) =>
    assert.strictEqual(KnownWords.nearest(field, text), word),
  )
})
