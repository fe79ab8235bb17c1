// What is in `deploy`, as far as it can be checked without the systems that it is for.
import { spawnSync } from "node:child_process"
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { basename, join } from "node:path"
import { fileURLToPath } from "node:url"
import { validate } from "dockerfile-utils"
import { afterAll, assert, beforeAll, describe, test } from "vitest"

const repository = fileURLToPath(new URL("..", import.meta.url))
// A bundle: scripts/testBundle.mjs.
const bin = process.env.LIVE_RESPONSE_TEST_BIN ?? join(repository, "packages/cli/src/bin.ts")
const read = (path) => readFileSync(join(repository, path), "utf8")
const run = (program, ...args) => spawnSync(program, args, { encoding: "utf8" })
const hasSystemd = run("systemd-analyze", "--version").status === 0

describe("the units of systemd", () => {
  const units = globSync("deploy/systemd/*.{service,timer}", { cwd: repository })
  const services = units.filter((unit) => unit.endsWith(".service")).map((unit) => basename(unit))
  let directory

  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), "live-response-units-"))
    // systemd refuses a program that is not installed.
    for (const unit of units) {
      writeFileSync(join(directory, basename(unit)), read(unit).replace("/usr/local/bin/live-response", "/bin/true"))
    }
  })
  afterAll(() => rmSync(directory, { recursive: true, force: true }))

  test.skipIf(!hasSystemd)("are valid", () => {
    assert.lengthOf(units, 4)
    const { status, stderr } = run("systemd-analyze", "verify", ...units.map((unit) => join(directory, basename(unit))))
    assert.deepStrictEqual({ status, stderr }, { status: 0, stderr: "" })
  })

  test.skipIf(!hasSystemd).each(services)("leave little open: %s", (name) => {
    const flags = ["security", "--offline=true", "--threshold=15", "--no-pager"]
    const { status, stdout } = run("systemd-analyze", ...flags, join(directory, name))
    assert.strictEqual(status, 0, stdout)
  })

  test("have the same sandbox", () => {
    const sandboxes = services.map((name) =>
      read(`deploy/systemd/${name}`).split("# The service reads its own")[1].split("\n\n")[0].trim(),
    )
    assert.lengthOf(new Set(sandboxes), 1)
  })
})

describe("the commands", () => {
  const directory = mkdtempSync(join(tmpdir(), "live-response-deploy-"))
  afterAll(() => rmSync(directory, { recursive: true, force: true }))

  const argsOf = (path, pattern) => pattern.exec(read(path))[1].split(" ")
  const exec = /^ExecStart=\/usr\/local\/bin\/live-response (.*)$/m
  test.each([
    ["live-response-follow.service", argsOf("deploy/systemd/live-response-follow.service", exec)],
    ["live-response-download.service", argsOf("deploy/systemd/live-response-download.service", exec)],
    ["live-response.task.xml", argsOf("deploy/windows/live-response.task.xml", /<Arguments>(.*)<\/Arguments>/)],
  ])("are commands of the program: %s", (_, args) => {
    const { status, stderr } = spawnSync(
      join(repository, "node_modules/.bin/node"),
      [bin, ...args.map((arg) => arg.replace("/var/lib/live-response", directory))],
      { cwd: directory, encoding: "utf8", env: { HOME: directory, LIVE_RESPONSE_AUTH: "token" } },
    )
    // What is missing is the sign-in alone.
    assert.strictEqual(status, 3, stderr)
    assert.match(stderr, /LIVE_RESPONSE_TOKEN/)
  })
})

describe("the command of a runner", () => {
  test("is one of the program, with a file of its own", () => {
    const directory = mkdtempSync(join(tmpdir(), "live-response-deploy-"))
    writeFileSync(join(directory, "serve.toml"), 'LIVE_RESPONSE_OBJECT_STORE = "file:///results"\n', { mode: 0o400 })
    const unit = read("deploy/systemd/live-response-serve.service")
    const [, args] = /^ExecStart=\/usr\/local\/bin\/live-response (.*)$/m.exec(unit)
    const { status, stderr } = spawnSync(
      join(repository, "node_modules/.bin/node"),
      [bin, ...args.split(" ").map((arg) => arg.replace("%d", directory).replace("/var/lib/live-response", directory))],
      { cwd: directory, encoding: "utf8", env: { HOME: directory } },
    )
    rmSync(directory, { recursive: true, force: true })
    // What is missing is the database alone.
    assert.strictEqual(status, 2, stderr)
    assert.match(stderr, /set LIVE_RESPONSE_DATABASE_URL to the PostgreSQL of the cluster/)
  })
})

describe("the Dockerfile", () => {
  const text = read("deploy/container/Dockerfile")

  test("is valid", () => {
    assert.deepStrictEqual(validate(text), [])
    assert.isNotEmpty(validate(text.replace("ENTRYPOINT [", "ENTRYPOINTS [")))
  })

  test("ends as a user without rights, in an image without a shell, with nothing but what it has checked", () => {
    const [unpacked, last] = text.split(/^FROM /m).slice(1)
    assert.match(last, /^gcr\.io\/distroless\/cc-debian12:nonroot\n/)
    assert.match(last, /^USER 65532:65532$/m)
    assert.match(last, /^ENTRYPOINT \["/m)
    assert.notMatch(last, /^(RUN|ADD) /m)
    assert.match(unpacked, /sha256sum --check --strict[\s\S]*tar -xzf/)
  })
})
