import { assert, describe, it } from "@effect/vitest"
import * as FileName from "@live-response/core/FileName"
import * as Platform from "@live-response/core/Platform"
import * as Effect from "effect/Effect"
import { refAt } from "./support/refs.ts"

const ours = FileName.all(refAt(0), 4711)

describe("names on Windows", () => {
  const { problemOfName } = Platform.windows

  it.each(["con", "NUL", "nul.json", "Aux.tar.gz", "COM1", "lpt9.txt", "com¹", "CONIN$", "con .txt"])(
    "%j is a device",
    (name) => assert.strictEqual(problemOfName(name), "Windows reserves that name for a device"),
  )

  it.each(["results.", "results ", "..."])("%j loses its end", (name) =>
    assert.strictEqual(problemOfName(name), "on Windows, no name ends with a dot or a space"),
  )

  it.each(["a:b", "a?", "a*", "a|b", '"a"', "<a>", "a\tb", "a\u0000"])("%j has a forbidden character", (name) =>
    assert.include(problemOfName(name), "control character"),
  )

  it.each(["console.log", "case-4711", "com10", "nul-1.json", "..zip", ".lock", "ü ß.csv", "prn1"])(
    "%j is a name",
    (name) => assert.isUndefined(problemOfName(name)),
  )
})

describe.each([
  { name: "Linux", platform: Platform.posix(1000) },
  { name: "macOS", platform: Platform.macos(501) },
  { name: "Windows", platform: Platform.windows },
])("on $name", ({ platform }) => {
  it("every name of a file of ours is possible", () => {
    const segments = ours.flatMap((name) => name.split("/"))
    assert.deepStrictEqual(
      segments.filter((name) => platform.problemOfName(name) !== undefined),
      [],
    )
  })

  it("no two files of ours have the same canonical name, and each name is canonical", () => {
    assert.deepStrictEqual(ours.map(platform.canonicalName), ours)
    assert.strictEqual(new Set(ours).size, ours.length)
  })
})

it("case and the form of Unicode distinguish names on Linux only", () => {
  const composed = "\u00fc.csv"
  const decomposed = "U\u0308.CSV"
  for (const { canonicalName } of [Platform.macos(), Platform.windows]) {
    assert.strictEqual(canonicalName(composed), canonicalName(decomposed))
    assert.strictEqual(canonicalName("Manifest.JSONL"), "manifest.jsonl")
  }
  const { canonicalName } = Platform.posix()
  assert.notStrictEqual(canonicalName(composed), canonicalName(decomposed))
})

it("no name in a directory of results is longer than FileName.longest", () => {
  const lengths = [0, 999].flatMap((index) =>
    FileName.all({ ...refAt(0), index }, 4_194_304).map(({ length }) => length),
  )
  assert.strictEqual(Math.max(...lengths), FileName.longest)
})

it.effect("is POSIX without a user where nothing provides it", () =>
  Effect.gen(function* () {
    const { hasModes, hasNoFollow, user } = yield* Platform.Platform
    assert.deepStrictEqual({ hasModes, hasNoFollow, user }, { hasModes: true, hasNoFollow: false, user: undefined })
  }),
)
