/** What every manifest does. */
import { assert, describe, it } from "@effect/vitest"
import { Completed, Failed } from "@live-response/core/ResultEvent"
import { DefenderError, NotFound } from "@live-response/core/DefenderError"
import * as Manifest from "@live-response/core/Manifest"
import type { ResultRef } from "@live-response/core/ResultRef"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { refAt } from "./refs.ts"

const at = DateTime.makeUnsafe("2026-11-01T00:00:00Z")

export const completed = (ref: ResultRef, bytes = 5) =>
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
export const failed = (ref: ResultRef) =>
  Failed.make({ at, ...ref, message: error.message, error, links: 0, attempts: 1 })

/** `layer` makes an empty manifest. `clock` is `real` for that of a server. */
export const manifestSuite = <E>(
  name: string,
  layer: () => Layer.Layer<Manifest.Manifest, E>,
  clock: "virtual" | "real",
) => {
  const test = clock === "virtual" ? it.effect : it.live
  describe(name, () => {
    test("starts empty", () =>
      Effect.gen(function* () {
        const manifest = yield* Manifest.Manifest
        assert.isTrue(Option.isNone(yield* manifest.find(refAt(0))))
        assert.deepStrictEqual(yield* manifest.failed, [])
      }).pipe(Effect.provide(layer())))

    test("returns the last outcome of each result", () =>
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
      }).pipe(Effect.provide(layer())))
  })
}
