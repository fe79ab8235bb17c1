/** The manifest in memory. The one in a file is in `packages/node/test/Manifest.test.ts`. */
import { assert, describe, it } from "@effect/vitest"
import { Completed, Failed } from "@live-response/core/ResultEvent"
import { DefenderError, NotFound } from "@live-response/core/DefenderError"
import * as Manifest from "@live-response/core/Manifest"
import { ActionResult, type ResultRef } from "@live-response/core/ResultRef"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { refAt } from "./support/refs.ts"

const at = DateTime.makeUnsafe("2026-11-01T00:00:00Z")

const completed = (ref: ResultRef, bytes = 5) =>
  Completed.make({
    at,
    ...ref,
    path: `${ref.machineActionId}/${ref.index}.bin`,
    bytes,
    sha256: "ab",
    links: 1,
    attempts: 1,
  })
const error = new DefenderError({ operation: "link", reason: new NotFound({ status: 404 }) })
const failed = (ref: ResultRef) => Failed.make({ at, ...ref, message: error.message, error, links: 0, attempts: 1 })

describe("Manifest.layerMemory", () => {
  it.effect("knows nothing at first", () =>
    Effect.gen(function* () {
      const manifest = yield* Manifest.Manifest
      assert.isTrue(Option.isNone(yield* manifest.find(refAt(0))))
      assert.deepStrictEqual(yield* manifest.failed, [])
    }).pipe(Effect.provide(Manifest.layerMemory)),
  )

  it.effect("remembers the last that became of each target", () =>
    Effect.gen(function* () {
      const manifest = yield* Manifest.Manifest
      yield* manifest.append(completed(refAt(0)))
      yield* manifest.append(failed(refAt(1)))
      yield* manifest.append(failed(refAt(2)))
      yield* manifest.append(completed(refAt(2), 7))
      yield* manifest.append(completed(refAt(3)))
      yield* manifest.append(failed(refAt(3)))
      assert.deepStrictEqual(
        yield* manifest.find(refAt(0)),
        Option.some({ status: "completed", kind: "bin", bytes: 5, sha256: "ab" }),
      )
      assert.deepStrictEqual(yield* manifest.find(refAt(1)), Option.some({ status: "failed" }))
      assert.deepStrictEqual(
        yield* manifest.find(refAt(2)),
        Option.some({ status: "completed", kind: "bin", bytes: 7, sha256: "ab" }),
      )
      assert.deepStrictEqual((yield* manifest.failed).map(String), [String(refAt(1)), String(refAt(3))])
    }).pipe(Effect.provide(Manifest.layerMemory)),
  )
})

describe("Manifest.Entry", () => {
  it.effect("is read from a line of an older version, which does not say when", () =>
    Effect.gen(function* () {
      const line = {
        status: "completed",
        machineActionId: refAt(0).machineActionId,
        index: 0,
        path: `${refAt(0).machineActionId}/0.bin`,
        bytes: 5,
        sha256: "ab",
        links: 1,
        attempts: 1,
      }
      const entry = yield* Schema.decodeUnknownEffect(Manifest.Entry)(line)
      assert.isUndefined(entry.at)
      const now = yield* Schema.decodeUnknownEffect(Manifest.Entry)({ ...line, at: "2026-11-01T00:00:00.000Z" })
      assert.deepStrictEqual(now.at, at)
    }),
  )

  it.effect("is the line that the README promises", () =>
    Effect.gen(function* () {
      const encode = Schema.encodeEffect(Manifest.Entry)
      const done = yield* encode({ status: "completed", ...completed(refAt(0)) })
      assert.deepStrictEqual(
        new Set(Object.keys(done)),
        new Set(["status", "at", "machineActionId", "index", "path", "bytes", "sha256", "links", "attempts"]),
      )
      const undone = yield* encode({ status: "failed", ...failed(refAt(0)) })
      assert.deepStrictEqual(
        new Set(Object.keys(undone)),
        new Set(["status", "at", "machineActionId", "index", "message", "error", "links", "attempts"]),
      )
      assert.notInclude(Object.keys(done), "event")
    }),
  )

  it.effect("names where the result comes from, where that is known", () =>
    Effect.gen(function* () {
      const origin = {
        machineId: "1e5b",
        machineName: "C-Lab-31",
        script: "collect.ps1",
        sourcePath: "C:\\Temp\\a.log",
      }
      const encode = Schema.encodeEffect(Manifest.Entry)
      const ref = ActionResult.make({ ...refAt(0), ...origin })
      assert.include(yield* encode({ status: "completed", ...completed(ref) }), origin)
      assert.include(yield* encode({ status: "failed", ...failed(ref) }), origin)
    }),
  )
})
