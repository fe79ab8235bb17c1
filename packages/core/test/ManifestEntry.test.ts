/** The format of a line of the manifest. Lines on disk are in `packages/node/test/Manifest.test.ts`. */
import { assert, describe, it } from "@effect/vitest"
import { DefenderError, NotFound } from "@live-response/core/DefenderError"
import * as ManifestEntry from "@live-response/core/ManifestEntry"
import { Completed, Failed } from "@live-response/core/ResultEvent"
import { ActionResult, type ResultRef } from "@live-response/core/ResultRef"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { refAt } from "./support/refs.ts"

const at = DateTime.makeUnsafe("2026-11-01T00:00:00Z")

const completed = (ref: ResultRef) =>
  Completed.make({
    at,
    ...ref,
    path: `${ref.machineActionId}/${ref.index}.bin`,
    bytes: 5,
    sha256: "ab",
    links: 1,
    attempts: 1,
  })
const error = new DefenderError({ operation: "link", reason: new NotFound({ status: 404 }) })
const failed = (ref: ResultRef) => Failed.make({ at, ...ref, message: error.message, error, links: 0, attempts: 1 })

const encode = Schema.encodeEffect(ManifestEntry.ManifestEntry)
const decode = Schema.decodeUnknownEffect(ManifestEntry.ManifestEntry)

/** A line of the first release, which wrote neither a version nor the time. */
const firstLine = {
  status: "completed",
  machineActionId: refAt(0).machineActionId,
  index: 0,
  path: `${refAt(0).machineActionId}/0.bin`,
  bytes: 5,
  sha256: "ab",
  links: 1,
  attempts: 1,
}

describe("ManifestEntry", () => {
  it.effect("reads a line without a time or a version", () =>
    Effect.gen(function* () {
      const entry = yield* decode(firstLine)
      assert.isUndefined(entry.at)
      const now = yield* decode({ ...firstLine, at: "2026-11-01T00:00:00.000Z" })
      assert.deepStrictEqual(now.at, at)
    }),
  )

  it.effect("writes the documented fields", () =>
    Effect.gen(function* () {
      const done = yield* encode(ManifestEntry.fromEvent(completed(refAt(0))))
      assert.deepStrictEqual(
        new Set(Object.keys(done)),
        new Set([
          "status",
          "version",
          "at",
          "machineActionId",
          "index",
          "path",
          "bytes",
          "sha256",
          "links",
          "attempts",
        ]),
      )
      const undone = yield* encode(ManifestEntry.fromEvent(failed(refAt(0))))
      assert.deepStrictEqual(
        new Set(Object.keys(undone)),
        new Set(["status", "version", "at", "machineActionId", "index", "message", "error", "links", "attempts"]),
      )
      assert.notInclude(Object.keys(done), "event")
    }),
  )

  it.effect("names the origin of a result, if it is known", () =>
    Effect.gen(function* () {
      const origin = {
        machineId: "1e5b",
        machineName: "C-Lab-31",
        script: "collect.ps1",
        sourcePath: "C:\\Temp\\a.log",
      }
      const ref = ActionResult.make({ ...refAt(0), ...origin })
      assert.include(yield* encode(ManifestEntry.fromEvent(completed(ref))), origin)
      assert.include(yield* encode(ManifestEntry.fromEvent(failed(ref))), origin)
    }),
  )

  it.effect("reads back what it wrote", () =>
    Effect.gen(function* () {
      for (const event of [completed(refAt(0)), failed(refAt(1))]) {
        const entry = ManifestEntry.fromEvent(event)
        assert.deepStrictEqual(yield* decode(yield* encode(entry)), entry)
      }
    }),
  )

  it.effect("ignores fields that it does not know", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* decode({ ...firstLine, compression: "zstd" }), yield* decode(firstLine))
    }),
  )

  it.effect("reads a failure whose error it does not know, and writes it unchanged", () =>
    Effect.gen(function* () {
      const line = {
        ...(yield* encode(ManifestEntry.fromEvent(failed(refAt(0))))),
        error: { _tag: "QuantumError", n: 1 },
      }
      const entry = yield* decode(line)
      assert.strictEqual(entry.status, "failed")
      assert.deepStrictEqual(yield* encode(entry), line)
    }),
  )

  it.effect.each([
    { name: "a path outside the directory", change: { path: "../../etc/passwd" } },
    { name: "the path of another result", change: { path: `${refAt(0).machineActionId}/1.bin` } },
    { name: "a size that is not a number", change: { bytes: "5" } },
    { name: "a version that is not a number", change: { version: "1" } },
    { name: "a newer version", change: { version: 2 } },
  ])("does not read a line with $name", ({ change }) => Effect.flip(decode({ ...firstLine, ...change })))

  it("knows a line of a newer version", () => {
    assert.deepStrictEqual(ManifestEntry.newerVersion({ version: 2 }), Option.some(2))
    assert.deepStrictEqual(ManifestEntry.newerVersion({ ...firstLine, version: 7 }), Option.some(7))
    for (const line of [firstLine, { version: 1 }, { version: 0 }, { version: "2" }, { version: 2.5 }, null, []]) {
      assert.deepStrictEqual(ManifestEntry.newerVersion(line), Option.none())
    }
  })
})
