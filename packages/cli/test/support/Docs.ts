/** The documentation, and the sources that it is about, as text. */
import { globSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

export const root = fileURLToPath(new URL("../../../../", import.meta.url))

export const read = (path: string): string => readFileSync(join(root, path), "utf8")

export const find = (...patterns: ReadonlyArray<string>): ReadonlyArray<string> =>
  globSync(patterns, { cwd: root })
    .map((path) => path.replaceAll("\\", "/"))
    .toSorted()

/** Every page that people read. The changelog names what there was. */
export const pages = find("README.md", "SECURITY.md", "CONTRIBUTING.md", "AGENTS.md", "docs/*.md")

export const sources = find("packages/*/src/**/*.ts")

/** The differing matches of a pattern, of its first group where it has one. */
export const matches = (text: string, pattern: RegExp): ReadonlyArray<string> =>
  Array.from(new Set(Array.from(text.matchAll(pattern), (match) => match[1] ?? match[0]))).toSorted()

/** What is in one list and not in the other. */
export const missing = (from: Iterable<string>, other: Iterable<string>): ReadonlyArray<string> => {
  const known = new Set(other)
  return Array.from(from).filter((each) => !known.has(each))
}

export const withoutComments = (source: string): string =>
  source.replaceAll(/\/\*[\s\S]*?\*\//g, "").replaceAll(/^\s*\/\/.*$/gm, "")

export interface Literal {
  /** The texts between the parts that differ. */
  readonly fixed: ReadonlyArray<string>
  readonly end: number
}

/** The index behind the `}` that closes a placeholder. Literals in it may have braces of their own. */
const endOfPlaceholder = (source: string, start: number): number => {
  let depth = 1
  let i = start
  while (depth > 0 && i < source.length) {
    const character = source[i]
    if (character === '"' || character === "`") {
      i = literalAt(source, i)?.end ?? i + 1
      continue
    }
    if (character === "{") depth++
    if (character === "}") depth--
    i++
  }
  return i
}

/** The string or template that starts at an index. */
export const literalAt = (source: string, start: number): Literal | undefined => {
  const quote = source[start]
  if (quote !== '"' && quote !== "`") return undefined
  const fixed = [""]
  const add = (text: string) => fixed.push((fixed.pop() ?? "") + text)
  let i = start + 1
  while (i < source.length && source[i] !== quote) {
    if (quote === "`" && source.startsWith("${", i)) {
      i = endOfPlaceholder(source, i + 2)
      fixed.push("")
    } else if (source[i] === "\\") {
      add(source[i + 1] ?? "")
      i += 2
    } else {
      add(source[i] ?? "")
      i++
    }
  }
  return { fixed, end: i + 1 }
}

/** All strings and templates, except those in placeholders. */
export const literals = (source: string): ReadonlyArray<Literal> =>
  Array.from(source.matchAll(/["`]/g)).reduce<{ readonly end: number; readonly found: ReadonlyArray<Literal> }>(
    ({ end, found }, { index }) => {
      const literal = index < end ? undefined : literalAt(source, index)
      return literal === undefined ? { end, found } : { end: literal.end, found: [...found, literal] }
    },
    { end: 0, found: [] },
  ).found
