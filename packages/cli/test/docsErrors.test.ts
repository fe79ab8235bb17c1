/** docs/errors.md has every message, and no message that the program does not have. */
import { assert, describe, it } from "@effect/vitest"
import * as StoreError from "@live-response/core/StoreError"
import * as Docs from "./support/Docs.ts"

const { find, matches, missing, read } = Docs

const page = read("docs/errors.md")

/** In the page, what differs is in angle brackets. */
const text = page.replaceAll(/\s+/g, " ")

const isSentence = (part: string): boolean => part.trim().split(/\s+/).length >= 3

/** The texts of at least three words. The page says once that every message starts with the name of the program. */
const sentences = (parts: ReadonlyArray<Docs.Literal>): ReadonlyArray<string> =>
  parts.flatMap(({ fixed }) => fixed.map((part) => part.replace(/^live-response: /, "").trim())).filter(isSentence)

const absent = (parts: Iterable<string>) => Array.from(new Set(parts)).filter((part) => !text.includes(part))

/** The modules whose every sentence is a message. */
const errorModules = find(
  "packages/core/src/{Defender,Transfer,Credential,Store,ObjectStore,QuotaStore,Batch,Defect}Error.ts",
).concat("packages/core/src/internal/connectionFailure.ts")

/** The modules whose every sentence is a part of a message. */
const adviceModules = ["packages/core/src/internal/entraErrors.ts", "packages/core/src/internal/pathPermissions.ts"]

/** Sentences of code that are not shown: schema ids, or words that a program decides by. */
const isShown = (part: string) => !part.startsWith("@") && !/^(Proxy Authentication Required)/.test(part)

/** Functions that return a message. */
const messageFunctions = /\bconst (?:problemOf|notATarget|noScript|reasonOf) =/g

/** Calls with a message. */
const messageCalls = /\b(?:usage|signIn|machine|failed|bad|unreadable|reportMissing|Result\.fail)\(\s*(?=["`])/g

const cliMessages = (path: string): ReadonlyArray<string> => {
  const source = Docs.withoutComments(read(path))
  const functions = Array.from(source.matchAll(messageFunctions), ({ index }) => {
    const rest = source.slice(index)
    const end = rest.search(/\n(?=(?:export |const |interface |type |class ))/)
    return Docs.literals(end < 0 ? rest : rest.slice(0, end))
  })
  const calls = Array.from(source.matchAll(messageCalls), ({ 0: call, index }) =>
    Docs.literalAt(source, index + call.length),
  )
  return sentences([...functions.flat(), ...calls.filter((literal) => literal !== undefined)])
}

describe("docs/errors.md", () => {
  it("has every reason of every typed error, in its section", () => {
    const problems = errorModules.flatMap((path) => {
      const [name = ""] = matches(path, /(\w+)\.ts$/g)
      const section = page.split(/^## /m).find((part) => part.startsWith(`${name}\n`)) ?? page
      const tags = matches(read(path), new RegExp(`TaggedError<\\w+>\\(\\s*"@live-response/core/\\w+/(\\w+)"`, "g"))
      return tags.filter((tag) => !section.includes(`| \`${tag}\``)).map((tag) => `${name} ${tag}`)
    })
    assert.deepStrictEqual(problems, [])
    const known = matches(errorModules.map(read).join("\n"), /class (\w+) extends Schema\.TaggedError/g)
    assert.isAbove(known.length, 25)
    const tops = find("packages/core/src/*.ts").flatMap((path) =>
      matches(read(path), /TaggedError<\w+>\(\s*"@live-response\/core\/(\w+)"/g),
    )
    assert.deepStrictEqual(
      tops.filter((name) => !page.includes(name)),
      [],
    )
  })

  it("has every problem of a file", () => {
    assert.deepStrictEqual(missing(StoreError.Problem.literals, matches(page, /^\| `(\w+)`/gm)), [])
  })

  it("has every message of a typed error", () => {
    const parts = [...errorModules, ...adviceModules].flatMap((path) =>
      sentences(Docs.literals(Docs.withoutComments(read(path)))),
    )
    assert.isAbove(parts.length, 60)
    assert.deepStrictEqual(absent(parts.filter(isShown)), [])
  })

  it("has every message of the command line", () => {
    const parts = find("packages/cli/src/**/*.ts").flatMap(cliMessages)
    assert.isAbove(parts.length, 30)
    assert.deepStrictEqual(absent(parts), [])
  })

  it("has every warning, every other message, and what each way to sign in needs", () => {
    const places =
      /\b(?:logWarning\(|failed\(|write\(|printable\(|hint:|operation:|inDoubt =|untrusted\(\w+,|missing\()\s*(?=["`])/g
    const parts = Docs.sources.flatMap((path) => {
      const source = Docs.withoutComments(read(path))
      return sentences(
        Array.from(source.matchAll(places), ({ 0: place, index }) =>
          Docs.literalAt(source, index + place.length),
        ).filter((literal) => literal !== undefined),
      )
    })
    assert.isAbove(parts.length, 15)
    assert.deepStrictEqual(absent(parts), [])
  })

  it("has no message that the program does not have", () => {
    const paths = [...Docs.sources, "node_modules/effect/src/cli/CliError.ts"]
    const source = paths.map((path) => read(path).replaceAll(/\s+/g, " ")).join("\n")
    const messages = matches(page, /`([^`\n]+)`/g).filter((code) => code.split(" ").length >= 5)
    const stale = messages.flatMap((message) =>
      message
        .split(/<[^>]*>|…/)
        .map((part) => part.trim())
        .filter((part) => part.split(" ").length >= 3 && !source.includes(part)),
    )
    assert.isAbove(messages.length, 80)
    assert.deepStrictEqual(stale, [])
  })

  it("has the exit codes of the program", () => {
    const codes = matches(read("packages/cli/src/ExitCode.ts"), /: (\d+),/g)
    const section = page.slice(page.indexOf("## Exit codes"), page.indexOf("## DefenderError"))
    assert.deepStrictEqual(matches(section, /^\| +(\d+) \|/gm), codes)
  })
})
