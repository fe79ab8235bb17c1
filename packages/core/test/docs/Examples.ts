/** Extracts the examples of the documentation, each into its own file in the package it belongs to. */
import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { basename, join } from "node:path"
import { fileURLToPath } from "node:url"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

export const root = fileURLToPath(new URL("../../../../", import.meta.url))

/** A block of code. Its lines have the same numbers as in `source`. */
export interface Example {
  readonly source: string
  readonly code: string
  /** The text that each line says it prints, by line number. */
  readonly prints: ReadonlyMap<number, string>
}

/** A comment that starts with an article describes the output. Any other comment is the output. */
const isProse = (comment: string) => /^(the|a|an) /i.test(comment)

/** Examples may use the console. This replaces the first line, which is never code in the source. */
const firstLine = "// @effect-diagnostics globalConsole:off"

const makeExample = (source: string, start: number, lines: ReadonlyArray<string>): Example => ({
  source,
  code: [firstLine, ...Array.from({ length: start - 1 }, () => ""), ...lines, ""].join("\n"),
  prints: new Map(
    lines.flatMap((line, i) => {
      const comment = /^\s*console\.log\(.*\) \/\/ (.+)$/.exec(line)?.[1]
      return comment === undefined || isProse(comment) ? [] : [[start + i + 1, comment]]
    }),
  ),
})

/** The blocks of a Markdown page, or those after an `@example` in a TypeScript file. */
const examplesOf = (source: string): ReadonlyArray<Example> => {
  const found: Array<Example> = []
  let isExample = source.endsWith(".md")
  let block: { readonly start: number; readonly lines: Array<string> } | undefined
  for (const [i, raw] of readFileSync(join(root, source), "utf8").split("\n").entries()) {
    const line = source.endsWith(".md") ? raw : raw.replace(/^\s*\* ?/, "")
    if (block !== undefined) {
      if (!line.startsWith("```")) block.lines.push(line)
      else {
        found.push(makeExample(source, block.start, block.lines))
        block = undefined
      }
    } else if (/^\s*\/\*\*/.test(raw)) isExample = false
    else if (line.startsWith("@example")) isExample = true
    else if (isExample && /^```ts\b/.test(line)) block = { start: i + 1, lines: [] }
  }
  return found
}

/** The directories in which the examples of each source are written, so that package names resolve as for a user. */
const directoryOf = {
  "packages/core/": "packages/core/test/docs",
  "packages/node/": "packages/node/test",
  "packages/cluster/": "packages/cluster/test",
  "packages/cli/": "packages/cli/test",
  "docs/": "packages/core/test/docs",
  "README.md": "packages/cli/test",
}

const write = () => {
  const sources = globSync(["packages/*/src/**/*.ts", "docs/*.md", "README.md"], { cwd: root }).sort()
  const examples = sources.flatMap(examplesOf)
  const directories: Array<string> = []
  const files = new Map<string, Example>()
  for (const [prefix, parent] of Object.entries(directoryOf)) {
    const own = examples.filter(({ source }) => source.startsWith(prefix))
    if (own.length === 0) continue
    mkdirSync(join(root, parent), { recursive: true })
    const directory = mkdtempSync(join(root, parent, ".generated-"))
    directories.push(directory)
    own.forEach((example, i) => {
      const file = join(directory, `${i}-${basename(example.source, ".ts")}.ts`)
      writeFileSync(file, example.code)
      files.set(file, example)
    })
  }
  return { directories, files }
}

/** The examples by the paths of their files, which are removed with the scope. */
export class Examples extends Context.Service<Examples, ReadonlyMap<string, Example>>()(
  "@live-response/core/test/docs/Examples",
) {
  static readonly layer = Layer.effect(
    Examples,
    Effect.acquireRelease(Effect.sync(write), ({ directories }) =>
      Effect.sync(() => {
        for (const directory of directories) rmSync(directory, { recursive: true })
      }),
    ).pipe(Effect.map(({ files }) => files)),
  )
}
