// What a release would do: its version, its changelog, its workflows.
import { execFileSync } from "node:child_process"
import { globSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { registerHooks } from "node:module"
import { basename, join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterEach, assert, beforeEach, describe, test } from "vitest"
import { sectionOf, withVersion } from "./changelog.mjs"
import { packages, withSortedDependencies } from "./pack.mjs"
import { copyVersions, isPublished, nextStep, obstacle, version } from "./release.mjs"

// GitHub's parser imports JSON in a way that Node refuses.
registerHooks({
  resolve: (specifier, context, next) => {
    const found = next(specifier, context)
    return found.url.endsWith(".json") ? { ...found, importAttributes: { type: "json" } } : found
  },
})
const { convertWorkflowTemplate, NoOperationTraceWriter, parseWorkflow } = await import("@actions/workflow-parser")

const repository = fileURLToPath(new URL("..", import.meta.url))
const read = (path) => readFileSync(join(repository, path), "utf8")

describe("the changelog", () => {
  const text = "# Changelog\n\n## [Unreleased]\n\n### Added\n\n- A flag.\n\n## [0.1.0] - 2026-11-01\n\n- First.\n"

  test("gives what is unreleased the version", () => {
    const released = withVersion(text, "0.2.0", "2026-12-01")
    assert.include(released, "## [Unreleased]\n\n## [0.2.0] - 2026-12-01\n\n### Added\n\n- A flag.\n\n## [0.1.0]")
    assert.strictEqual(sectionOf(released, "0.2.0"), "### Added\n\n- A flag.")
    assert.strictEqual(withVersion(released, "0.2.0", "2027-01-01"), released)
  })

  test("refuses a release of nothing", () => {
    const empty = text.replace("### Added\n\n- A flag.\n", "")
    assert.throws(() => withVersion(empty, "0.2.0", "2026-12-01"), "CHANGELOG.md has nothing under Unreleased")
    assert.throws(
      () => withVersion("# Changelog\n", "0.2.0", "2026-12-01"),
      "CHANGELOG.md has nothing under Unreleased",
    )
  })
})

describe("a version", () => {
  let root
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "live-response-version-"))
  })
  afterEach(() => rmSync(root, { recursive: true, force: true }))

  const versions = () =>
    packages.map((name) => JSON.parse(readFileSync(join(root, `packages/${name}/package.json`), "utf8")).version)
  const [current] = packages.map((name) => JSON.parse(read(`packages/${name}/package.json`)).version)

  test("is the same for all packages, is in the changelog, and is released once", () => {
    copyVersions(root)
    writeFileSync(join(root, ".changeset/a.md"), '---\n"@live-response/core": minor\n---\n\nA flag.\n')
    assert.strictEqual(nextStep(root, []), "version")
    version(root)
    const [major, minor] = current.split(".")
    const next = `${major}.${Number(minor) + 1}.0`
    assert.deepStrictEqual(new Set(versions()), new Set([next]))
    assert.match(sectionOf(readFileSync(join(root, "CHANGELOG.md"), "utf8"), next), /^### Added/)
    assert.strictEqual(nextStep(root, [`v${current}`]), "release")
    assert.strictEqual(nextStep(root, [`v${next}`]), "nothing")
  })

  test("stays without a changeset, as the first one does", () => {
    copyVersions(root)
    for (const file of readdirSync(join(root, ".changeset")))
      if (file !== "config.json") rmSync(join(root, ".changeset", file))
    version(root)
    assert.deepStrictEqual(new Set(versions()), new Set([current]))
    assert.strictEqual(nextStep(root, []), "release")
  })

  test("is published again only where npm has not the same archive, and fails where it has another", () => {
    const spec = "@live-response/core@1.0.0"
    // printf archive | openssl dgst -sha512 -binary | base64
    const integrity = `sha512-${execFileSync("openssl", ["dgst", "-sha512", "-binary"], { input: "archive" }).toString("base64")}`
    assert.isFalse(isPublished(spec, "archive", ""))
    assert.isTrue(isPublished(spec, "archive", integrity))
    assert.throws(() => isPublished(spec, "another", integrity), `npm has another ${spec} than this release`)
  })

  test("is published only from the repository that the packages name", () => {
    const manifest = {
      name: "@live-response/core",
      repository: { url: "git+https://github.com/contoso/live-response.git" },
    }
    assert.isUndefined(obstacle(manifest, "contoso/live-response"))
    assert.match(obstacle(manifest, "mallory/live-response"), /npm refuses a provenance of github\.com\/mallory/)
    assert.match(obstacle({ name: "@live-response/core" }, "contoso/live-response"), /names no repository/)
  })
})

describe("the workflows", () => {
  const workflows = globSync(".github/workflows/*.yml", { cwd: repository })

  test.each(workflows)("are valid by GitHub's own parser: %s", async (path) => {
    const file = { name: basename(path), content: read(path) }
    const { context, value } = parseWorkflow(file, new NoOperationTraceWriter())
    assert.deepStrictEqual(
      context.errors.getErrors().map(({ message }) => message),
      [],
    )
    const { errors, jobs } = await convertWorkflowTemplate(context, value)
    assert.deepStrictEqual(errors ?? [], [])
    assert.isNotEmpty(jobs)
  })

  test("that are wrong are refused", () => {
    const content = read(workflows[0]).replace("runs-on:", "runs-om:")
    const { context } = parseWorkflow({ name: "wrong.yml", content }, new NoOperationTraceWriter())
    assert.isNotEmpty(context.errors.getErrors())
  })

  test.each(workflows)("have no permission that a job does not name, and no action that can change: %s", (path) => {
    const text = read(path)
    assert.match(text, /^permissions: \{\}$/m)
    const jobs = text
      .split(/^jobs:$/m)[1]
      .split(/^  (?=\w+:$)/m)
      .slice(1)
    assert.isNotEmpty(jobs)
    for (const job of jobs) assert.match(job, /^    permissions:$/m, job)
    const uses = Array.from(text.matchAll(/uses: (?!\.\/)(.*)$/gm), ([, action]) => action)
    for (const action of uses) assert.match(action, /^[\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/)
    const checkouts = text.match(/uses: actions\/checkout@/g) ?? []
    assert.lengthOf(text.match(/persist-credentials: false/g) ?? [], checkouts.length)
    // What others write, such as the name of a branch, never becomes part of a command.
    for (const [, command] of text.matchAll(/^ +(?:- )?run: (.*(?:\n {10,}.*)*)/gm)) assert.notInclude(command, "${{")
    assert.notMatch(text, /pull_request_target|workflow_run|secrets\./)
  })

  test("give the identity that npm trusts only to the job that publishes, which installs nothing", () => {
    const jobs = read(".github/workflows/release.yml").split(/^  (?=\w+:$)/m)
    const withIdentity = jobs.filter((job) => job.includes("id-token: write")).map((job) => job.split(":")[0])
    assert.deepStrictEqual(withIdentity, ["publish", "github"])
    const publish = jobs.find((job) => job.startsWith("publish:"))
    assert.deepStrictEqual(
      Array.from(publish.matchAll(/run: (.*)/g), ([, command]) => command),
      ["node scripts/release.mjs publish"],
    )
    // Its imports are Node's and this project's own files.
    const files = ["release", "changelog", "checksums", "pack", "pnpm", "pinned"].map((name) =>
      read(`scripts/${name}.mjs`),
    )
    const imports = files.flatMap((text) => Array.from(text.matchAll(/^import .* from "(.*)"$/gm), ([, from]) => from))
    assert.deepStrictEqual(
      imports.filter((from) => !/^node:|^\.\/(changelog|checksums|pack|pnpm|pinned)\.mjs$/.test(from)),
      [],
    )
  })
})

describe("the archives", () => {
  test("have the same bytes in whichever order pnpm wrote the dependencies", () => {
    const manifest = (names) => ({ name: "x", dependencies: Object.fromEntries(names.map((name) => [name, "1.0.0"])) })
    const written = (names) => JSON.stringify(withSortedDependencies(manifest(names)))
    assert.strictEqual(written(["node", "core"]), written(["core", "node"]))
    assert.deepEqual(withSortedDependencies(manifest(["node", "core"])), manifest(["core", "node"]))
  })
})
