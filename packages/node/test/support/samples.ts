import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"

export { patterned, utf8 } from "../../../core/test/support/bytes.ts"
export { refAt, refsUpTo } from "../../../core/test/support/refs.ts"

/** A new directory that is deleted when the scope closes. */
export const tempDirectory = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "live-response-test-"))),
  (directory) => Effect.sync(() => rmSync(directory, { recursive: true, force: true })),
)

/** Runs an effect and returns the warnings that it logged. */
export const warningsOf = Effect.fnUntraced(function* <A, E, R>(effect: Effect.Effect<A, E, R>) {
  const warnings: Array<string> = []
  const logger = Logger.make(({ message }) => warnings.push(String(message)))
  yield* Effect.provide(effect, Logger.layer([logger]))
  return warnings
})
