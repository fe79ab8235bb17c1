/** What the pages mention exists, and what exists is on a page. */
import { existsSync } from "node:fs"
import { dirname, join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as FileName from "@live-response/core/FileName"
import * as ManifestEntry from "@live-response/core/ManifestEntry"
import * as Effect from "effect/Effect"
import * as Columns from "../src/commands/results/columns.ts"
import * as Docs from "./support/Docs.ts"
import * as InProcess from "./support/InProcess.ts"

const { find, matches, missing, pages, read, sources } = Docs

const everyPage = pages.map(read).join("\n")
const everySource = [...sources, ...find("scripts/*.mjs")].map(read).join("\n")

/** Each page's own problems, with its name. */
const inPages = (problemsOf: (text: string, page: string) => ReadonlyArray<string>): ReadonlyArray<string> =>
  pages.flatMap((page) => problemsOf(read(page), page).map((problem) => `${page}: ${problem}`))

/** The anchors of a page, as GitHub makes them from its headings. */
const anchorsOf = (page: string): ReadonlyArray<string> =>
  matches(read(page).replaceAll(/```.*?```/gs, ""), /^#+ (.*)$/gm).map((heading) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
      .replaceAll(" ", "-"),
  )

/** What is wrong with a link of a page. */
const problemOfLink = (page: string, link: string): string | undefined => {
  const [path = "", anchor] = link.split("#")
  const target = path === "" ? page : join(dirname(page), path)
  if (!existsSync(join(Docs.root, target))) return `${link} leads nowhere`
  return anchor === undefined || anchorsOf(target).includes(anchor) ? undefined : `${link}: there is no such heading`
}

describe("the pages", () => {
  it("link to pages and headings that exist", () => {
    const problems = inPages((text, page) =>
      matches(text, /\]\((?!https?:)([^)\s]+)\)/g).flatMap((link) => problemOfLink(page, link) ?? []),
    )
    assert.deepStrictEqual(problems, [])
  })

  it("name files that exist", () => {
    const problems = inPages((text) =>
      matches(text, /(?<![\w/.@-])((?:packages|scripts|docs|\.ci)\/[\w./*<>-]*[\w/>*])/g).filter(
        (path) => find(path.replaceAll(/<\w+>/g, "*")).length === 0,
      ),
    )
    assert.deepStrictEqual(problems, [])
  })

  it("name commands of package.json that exist", () => {
    const named = matches(everyPage, /\bnpm run ([\w:]+)/g)
    assert.deepStrictEqual(missing(named, matches(read("package.json"), /^ {4}"([\w:]+)": "/gm)), [])
  })

  it("name modules of the packages that exist", () => {
    const problems = inPages((text) =>
      matches(text, /@live-response\/(\w+\/(?:testing\/)?[A-Z]\w*)/g).filter((module) => {
        const [name = "", ...path] = module.split("/")
        return !existsSync(join(Docs.root, "packages", name, "src", `${path.join("/")}.ts`))
      }),
    )
    assert.deepStrictEqual(problems, [])
  })

  it("name members of modules that exist", () => {
    const problems = inPages((text) =>
      matches(text, /`((?:[A-Z]\w+)\.\w+)[^`\w]?[^`]*`/g).filter((name) => {
        const [module = "", member = ""] = name.split(".")
        const files = sources.filter((path) => path.endsWith(`/${module}.ts`))
        const isMember = files.some((path) => read(path).includes(member))
        // Spans and permissions look the same.
        return files.length > 0 && member !== "ts" && !isMember && !everySource.includes(`"${name}"`)
      }),
    )
    assert.deepStrictEqual(problems, [])
  })

  it("have a README of one screen", () => {
    assert.isAtMost(read("README.md").trimEnd().split("\n").length, 120)
  })
})

describe("variables", () => {
  const pattern = /\b((?:LIVE_RESPONSE|AZURE)_[A-Z_]*[A-Z])\b/g

  it("on a page are read by the program", () => {
    assert.deepStrictEqual(missing(matches(everyPage, pattern), matches(everySource, pattern)), [])
  })

  it("that the program reads are on a page", () => {
    assert.deepStrictEqual(missing(matches(everySource, pattern), matches(everyPage, pattern)), [])
  })
})

/** The help of a command and of those below it. */
const helpOf = (command: ReadonlyArray<string>): Effect.Effect<string> =>
  Effect.gen(function* () {
    const { exitCode, stdout } = yield* InProcess.run([...command, "--help"])
    assert.strictEqual(exitCode, 0, command.join(" "))
    const [, listed = ""] = stdout.split("SUBCOMMANDS\n")
    const below = yield* Effect.forEach(matches(listed, /^ {2}(\w+) /gm), (name) => helpOf([...command, name]))
    return [stdout, ...below].join("\n")
  })

const flags = Effect.map(helpOf([]), (help) => matches(help, /(?<![\w-])(--[a-z][a-z-]*)/g))

describe("flags", () => {
  it.effect("on a page are flags of the program, and each flag of the program is on a page", () =>
    Effect.gen(function* () {
      // Lines that start another program have flags of that program.
      const others =
        /^.*\b(?:npm run|NODE_OPTIONS=|npx vitest|npx changeset|git|gh|sh install\.sh|systemctl|pg_dump|install -|docker(?:.*\\\n)*) ?.*$/gm
      const text = everyPage.replaceAll(others, "")
      const documented = matches(text, /(?<![\w-])(--[a-z][a-z-]*)/g)
      const known = yield* flags
      assert.deepStrictEqual(missing(documented, known), [])
      assert.deepStrictEqual(missing(known, documented), [])
    }),
  )
})

/** The public modules of a package. */
const modulesOf = (name: string): ReadonlyArray<string> =>
  find(`packages/${name}/src/*.ts`)
    .map((path) => path.replace(/^.*\/|\.ts$/g, ""))
    .filter((module) => module !== "index")

describe("the root export of a package", () => {
  it.each(["core", "node", "cluster"])("has each public module by its name: %s", (name) => {
    const exported = Array.from(
      read(`packages/${name}/src/index.ts`).matchAll(/^export \* as (\w+) from "\.\/(\w+)\.ts"$/gm),
      ([, as, module]) => [as, module],
    )
    assert.deepStrictEqual(
      exported,
      modulesOf(name).map((module) => [module, module]),
    )
  })
})

describe("docs/architecture.md", () => {
  const page = read("docs/architecture.md")

  it("has a row for each module of core, and no other row", () => {
    const modules = modulesOf("core")
    const core = page.slice(page.indexOf("## Core\n"), page.indexOf("## Cluster\n"))
    const rows = Array.from(core.matchAll(/^\| `(\w+)` +\|/gm), ([, name = ""]) => name)
    assert.deepStrictEqual(rows.toSorted(), modules.toSorted())
  })

  it("has a row for each module of cluster, and no other row", () => {
    const cluster = page.slice(page.indexOf("## Cluster\n"), page.indexOf("## Decisions\n"))
    const rows = Array.from(cluster.matchAll(/^\| `(\w+)` +\|/gm), ([, name = ""]) => name)
    assert.deepStrictEqual(rows.toSorted(), modulesOf("cluster").toSorted())
  })

  it("follows download --from through at most twelve files, each imported by one before it", () => {
    const way = Array.from(page.matchAll(/^\d+\. `(packages\/[^`]+)`/gm), ([, path = ""]) => path)
    assert.isAtMost(way.length, 12)
    assert.isAbove(way.length, 5)
    const imports = (path: string, other: string) => {
      const name = other.replace(/^.*\//, "")
      const specifiers = matches(read(path), /(?:from |import\()"([^"]+)"/g)
      return specifiers.some((specifier) => {
        const [core] = matches(specifier, /^@live-response\/core\/(.*)$/g)
        return core === undefined
          ? specifier.endsWith(name) && join(dirname(path), specifier) === other
          : other === `packages/core/src/${core}.ts`
      })
    }
    const unlinked = way.slice(1).filter((path, i) => !way.slice(0, i + 1).some((before) => imports(before, path)))
    assert.deepStrictEqual(unlinked, [])
  })
})

describe("docs/embedding.md", () => {
  const page = read("docs/embedding.md")
  // The tables of the cluster are in a schema of PostgreSQL that has the name of the metrics.
  const measured = sources.filter((path) => !path.startsWith("packages/cluster/"))
  const text = measured.map((path) => Docs.withoutComments(read(path))).join("\n")

  it("has every metric and attribute, and no other", () => {
    const pattern = /(live_response\.[a-z_.]+[a-z])/g
    assert.deepStrictEqual(matches(page, pattern), matches(text, pattern))
  })

  it("has every span, and no other", () => {
    const spans = matches(text, /(?:withSpan|inSpan|Effect\.fn)\(\s*"([^"]+)"/g)
    const section = page.slice(page.indexOf("### Spans"), page.indexOf("## Deno"))
    assert.deepStrictEqual(matches(section, /`([A-Z]\w+\.\w+)`/g), spans)
  })
})

describe("docs/simulator.md", () => {
  const page = read("docs/simulator.md")

  it("names every kind of request that can have faults, every fault and every action", () => {
    const routes = read("packages/core/src/internal/simulator/routes.ts")
    const operations = /operations = \[([^\]]+)\]/.exec(routes)?.[1]?.match(/\w+/g) ?? []
    assert.isAtLeast(operations.length, 13)
    const models = read("packages/core/src/internal/simulator/models.ts")
    const faults = [...models.matchAll(/readonly fault: "(\w+)"/g)].map(([, fault]) => fault)
    assert.isAtLeast(faults.length, 8)
    const requests = read("packages/core/src/internal/simulator/actionRequests.ts")
    const kinds = [...requests.matchAll(/^ {4}"(\w+)",$|^ {2}\["(\w+)", \{/gm)].map(([, a, b]) => a ?? b)
    assert.isAtLeast(kinds.length, 6)
    const words = new Set(page.toLowerCase().match(/\w+/g))
    for (const word of [...operations, ...faults, ...kinds]) assert.isTrue(words.has(word?.toLowerCase() ?? ""), word)
  })
})

describe("docs/files.md", () => {
  const page = read("docs/files.md")
  const section = (heading: string) => page.split(/^#+ /m).find((part) => part.startsWith(heading)) ?? ""

  it("has a section for each file of a directory", () => {
    const headings = matches(page, /^#+ (.*)$/gm).join("\n")
    assert.deepStrictEqual(
      Object.values(FileName.single).filter((name) => !headings.includes(name)),
      [],
    )
    const endings = matches(section("Results"), /^\| `([\w.]+)` +\|/gm)
    assert.deepStrictEqual(endings, FileName.endings.toSorted())
  })

  it("has the fields and the version of a line of the manifest", () => {
    const fields = [ManifestEntry.Completed, ManifestEntry.Failed].flatMap(({ fields }) => Object.keys(fields))
    const rows = matches(section("manifest.jsonl"), /^\| ((?:`\w+`(?:, )?)+) +\|/gm).flatMap((cell) =>
      matches(cell, /`(\w+)`/g),
    )
    assert.deepStrictEqual(rows.toSorted(), Array.from(new Set(fields)).toSorted())
  })

  it("has the columns of results.csv, in their order", () => {
    const rows = Array.from(section("results.csv").matchAll(/^\| `(\w+)` +\|/gm), ([, name = ""]) => name)
    assert.deepStrictEqual(rows, Columns.columns)
  })

  it("has the kinds of lines of the journal", () => {
    const kinds = matches(read("packages/core/src/FleetJournal.ts"), /entry: Schema\.tag\("(\w+)"\)/g)
    assert.isAbove(kinds.length, 3)
    assert.deepStrictEqual(missing(matches(section("sessions.jsonl"), /^\| `(\w+)` +\|/gm), ["entry"]), kinds)
  })

  it("has the version of each format", () => {
    const formats = [
      ["manifest.jsonl", "packages/core/src/ManifestEntry.ts"],
      ["sessions.jsonl", "packages/core/src/FleetJournal.ts"],
      ["follow.json", "packages/core/src/FollowPosition.ts"],
      ["actions.jsonl", "packages/core/src/StoredAction.ts"],
    ] as const
    const stated = formats.map(([name]) => {
      const row = page.split("\n").find((line) => line.startsWith(`| \`${name}\``)) ?? ""
      return [name, ...matches(row.split("|")[2] ?? "", /^ (\d+)/g)]
    })
    assert.deepStrictEqual(
      stated,
      formats.map(([name, path]) => [name, ...matches(read(path), /^(?:export )?const version = (\d+)$/gm)]),
    )
  })
})
