import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as KnownWords from "../src/input/KnownWords.ts"

describe("a word of the API", () => {
  it("is known in any case, and is sent as the API spells it", () => {
    for (const field of ["status", "type"] as const) {
      for (const word of KnownWords.knownWords[field]) {
        for (const typed of [word, word.toLowerCase(), word.toUpperCase()]) {
          assert.deepStrictEqual(KnownWords.canonical(field, typed), Result.succeed(word))
        }
      }
    }
  })

  it("that is unknown is refused, with the known words and the way for newer ones", () =>
    assert.deepStrictEqual(
      KnownWords.canonical("status", "Suceeded"),
      Result.fail(
        "one of Pending, InProgress, Succeeded, Failed, TimeOut, Cancelled (for a newer one: --filter \"status eq 'WORD'\")",
      ),
    ))

  it.each(["Ubuntu", "RedHatEnterpriseLinux", "Debian", "SLES"])(
    "is a system that Microsoft lists nowhere: %s",
    (system) => assert.deepStrictEqual(KnownWords.canonical("os", system), Result.succeed(system)),
  )

  it.each(["windows-11", "WindowsServer2002", "Linus"])("is most likely a mistyped system: %s", (system) =>
    assert.isTrue(Result.isFailure(KnownWords.canonical("os", system))),
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
    assert.strictEqual(KnownWords.close(KnownWords.knownWords[field], text)[0], word),
  )
})
