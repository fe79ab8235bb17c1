import { globSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"

const source = fileURLToPath(new URL("../../src/", import.meta.url))

/** Blanks a text, and leaves its line feeds so that line numbers stay correct. */
const blank = (text: string) => text.replaceAll(/[^\n]+/g, "")

const code = (text: string) => text.replaceAll(/\/\*[\s\S]*?\*\/|(?<=^|\s)\/\/.*/gm, blank)
const strings = /"(?:\\.|[^"\\\n])*"/g

/** All of `effect/testing` together imports `node:assert`, which no bundle for a browser or a worker has. */
const platformModule = /["'](node:|bun\b|deno\b|@effect\/|@azure\/|effect\/testing["'])/
const platformName = /(?<![\w.$])(globalThis\.)?(process|Buffer|Deno|Bun)\b/

it.effect("core uses no module and no global of Node, Deno or Bun", () =>
  Effect.sync(() => {
    const files = globSync("**/*.ts", { cwd: source })
    assert.isAbove(files.length, 20)
    const found = files.flatMap((file) =>
      code(readFileSync(`${source}${file}`, "utf8"))
        .split("\n")
        .flatMap((line, i) =>
          platformModule.test(line) || platformName.test(line.replaceAll(strings, '""'))
            ? [`${file}:${i + 1}: ${line.trim()}`]
            : [],
        ),
    )
    assert.deepStrictEqual(found, [])
  }),
)
