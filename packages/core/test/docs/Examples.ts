/** Extracts the examples of the documentation, each into its own file in the package it belongs to. */
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
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

/** The blocks of a Markdown page, or those in the comments of a TypeScript file. */
const examplesOf = (source: string): ReadonlyArray<Example> => {
  const found: Array<Example> = []
  let block: { readonly start: number; readonly lines: Array<string> } | undefined
  for (const [i, raw] of readFileSync(join(root, source), "utf8").split("\n").entries()) {
    const line = source.endsWith(".md") ? raw : raw.replace(/^\s*\* ?/, "")
    if (block !== undefined) {
      if (!line.startsWith("```")) block.lines.push(line)
      else {
        found.push(makeExample(source, block.start, block.lines))
        block = undefined
      }
    } else if (/^```ts\b/.test(line)) block = { start: i + 1, lines: [] }
  }
  return found
}

/** The directory in which the examples of a source are written, so that the names of packages resolve as for a user. */
const directoryOf = (source: string) => `${/^packages\/[^/]+/.exec(source)?.[0] ?? "packages/cli"}/test`

const write = () => {
  const sources = globSync(["packages/*/src/**/*.ts", "packages/*/README.md", "docs/*.md", "README.md"], { cwd: root })
  const directories: Array<string> = []
  const files = new Map<string, Example>()
  for (const [parent, examples] of Map.groupBy(sources.sort().flatMap(examplesOf), ({ source }) =>
    directoryOf(source),
  )) {
    const directory = mkdtempSync(join(root, parent, ".generated-"))
    directories.push(directory)
    examples.forEach((example, i) => {
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
