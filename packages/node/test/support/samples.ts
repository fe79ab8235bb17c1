import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { FromString, type ResultRef } from "@live-response/core/ResultRef"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as Schema from "effect/Schema"

const decode = Schema.decodeSync(FromString)

/** As many different results as a test wants, ten to a machine action. */
export const refAt = (n: number): ResultRef =>
  decode(
    `00000000-0000-4000-8000-${Math.floor(n / 10)
      .toString(16)
      .padStart(12, "0")}:${n % 10}`,
  )

export const refsUpTo = (count: number): ReadonlyArray<ResultRef> => Array.from({ length: count }, (_, n) => refAt(n))

export const utf8 = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text)

/** Bytes in which no two places near each other are alike, so that a gap or a repeat shows. */
export const patterned = (length: number, seed = 0): Uint8Array<ArrayBuffer> =>
  Uint8Array.from({ length }, (_, i) => (i * 31 + (i >>> 8) * 7 + seed) % 251)

/** A directory of its own for a test, gone after it. */
export const tempDirectory = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "live-response-test-"))),
  (directory) => Effect.sync(() => rmSync(directory, { recursive: true, force: true })),
)

/** Runs an effect and gives what was warned of. */
export const warningsOf = Effect.fnUntraced(function* <A, E, R>(effect: Effect.Effect<A, E, R>) {
  const warnings: Array<string> = []
  const logger = Logger.make(({ message }) => warnings.push(String(message)))
  yield* Effect.provide(effect, Logger.layer([logger]))
  return warnings
})
