/** Man pages and completions: the programs that read them accept them. No package of Debian has PowerShell. */
import { execFileSync, spawnSync } from "node:child_process"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import packageJson from "../package.json" with { type: "json" }
import * as HelpPages from "../src/HelpPages.ts"
import { command } from "../src/Main.ts"
import * as Manual from "../src/Manual.ts"

const root = mkdtempSync(join(tmpdir(), "live-response-manual-"))
afterAll(() => rmSync(root, { recursive: true, force: true }))

const files: Array<Manual.File> = []

const writeFiles = Effect.map(Manual.files, (made) => {
  files.push(...made)
  for (const { path, text } of files) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }
  mkdirSync(join(root, "work/folder"), { recursive: true })
  writeFileSync(join(root, "work/file.txt"), "")
})

beforeAll(() => Effect.runPromise(writeFiles))

const manPages = () => files.filter(({ path }) => path.startsWith("man/")).map(({ path }) => join(root, path))

describe("man pages", () => {
  it.effect("there is one for each command, with each flag of its help", () =>
    Effect.gen(function* () {
      for (const { doc, path } of yield* HelpPages.all(command)) {
        const page = files.find((file) => file.path === `man/${path.join("-")}.1`)
        for (const { name } of [...doc.flags, ...(doc.globalFlags ?? [])]) {
          assert.include(page?.text, `\\fB\\-\\-${name.replaceAll("-", "\\-")}`, path.join(" "))
        }
      }
      assert.isAbove(files.length, 20)
    }),
  )

  it("npm installs all of them", () => {
    const pages = files.flatMap(({ path }) => (path.startsWith("man/") ? [`./dist/${path}`] : []))
    assert.deepStrictEqual(packageJson.man, pages.toSorted())
  })

  it("mandoc and groff find nothing wrong", () => {
    const { stdout } = spawnSync("mandoc", ["-T", "lint", "-W", "warning", ...manPages()], { encoding: "utf8" })
    // A page has no date, so that the same sources give the same bytes.
    const problems = stdout.split("\n").filter((line) => line !== "" && !line.includes("missing date"))
    assert.deepStrictEqual(problems, [])
    const { status, stderr } = spawnSync("groff", ["-man", "-ww", "-Tascii", "-z", ...manPages()], { encoding: "utf8" })
    assert.deepStrictEqual({ status, stderr }, { status: 0, stderr: "" })
  })

  it("show examples and placeholders as they are typed", () => {
    const text = execFileSync("mandoc", ["-T", "ascii", join(root, "man/live-response-run.1")], { encoding: "utf8" })
    // Bold is a letter over itself.
    const plain = text.replaceAll(/.\x08/g, "")
    assert.include(plain, "--get-file 'C:\\Temp\\a.log' --wait")
    assert.include(plain, "--cancel-blocking")
  })
})

const shells = fileURLToPath(new URL("support/shells/", import.meta.url))

const folder = () => join(root, "work")

/** What each line is completed with. */
const expected: ReadonlyArray<readonly [string, string]> = [
  ["live-response downl", "download"],
  ["live-response download --verb", "--verbose"],
  ["live-response download --from fi", "file.txt"],
  ["live-response download --out fo", "folder"],
  ["live-response actions list --status Su", "Succeeded"],
  ["live-response library upload fi", "file.txt"],
]

const lines = expected.map(([line]) => line)

/** Directories have a slash in fish. */
const completed = (stdout: string) =>
  stdout
    .trimEnd()
    .split("\n")
    .map((line) => line.replace(/\/$/, ""))

const wanted = expected.map(([line, completion]) => `${line} => ${completion}`)

describe("completions", () => {
  it.each([
    ["bash", ["--norc"]],
    ["zsh", ["-f"]],
    ["fish", ["--no-config"]],
  ])("%s completes commands, flags, files, directories and known words", (shell, flags) => {
    const script = join(shells, `completions.${shell}`)
    const args = [...flags, script, join(root, "completions", shell), ...lines]
    const { stderr, stdout } = spawnSync(shell, args, { cwd: folder(), encoding: "utf8", timeout: 120_000 })
    assert.deepStrictEqual({ completed: completed(stdout), stderr }, { completed: wanted, stderr: "" })
  })

  it("PowerShell gets the same commands and flags", () => {
    const script = files.find(({ path }) => path === "completions/powershell/live-response.ps1")?.text
    for (const word of ["download", "--from", "Succeeded", "--verbose"]) assert.include(script, word)
  })
})
