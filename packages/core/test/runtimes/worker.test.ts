import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { basename, join } from "node:path"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Process from "./process.ts"

const here = fileURLToPath(new URL(".", import.meta.url))
const page = readFileSync(join(here, "../../../../docs/embedding.md"), "utf8")

/** The block of the page's last section. */
const worker = /## Deno, Bun and workers.*?```ts\n(.*?)```/s.exec(page)?.[1] ?? ""

const main = `import * as Effect from "effect/Effect"
import { callWorker } from "../callWorker.ts"
import worker from "./worker.ts"

await Effect.runPromise(callWorker(worker))
`

/** A program that calls the worker, in a directory of its own until the scope closes. */
const program = Effect.acquireRelease(
  Effect.sync(() => {
    const directory = mkdtempSync(join(here, ".generated-"))
    writeFileSync(join(directory, "worker.ts"), worker)
    writeFileSync(join(directory, "main.ts"), main)
    return directory
  }),
  (directory) => Effect.sync(() => rmSync(directory, { recursive: true })),
).pipe(Effect.map((directory) => `${basename(directory)}/main.ts`))

describe("the worker of docs/embedding.md", () => {
  for (const runtime of Process.runtimes) {
    it.live(
      `streams results in ${runtime}, through an expired link and a cut, and answers 404 to what is not a target`,
      () =>
        Effect.gen(function* () {
          const line = yield* Process.firstLine(runtime, yield* program, [])
          assert.strictEqual(line, "200 777, 200 20000, 200 500000, 404 12")
        }).pipe(Effect.scoped),
    )
  }
})
