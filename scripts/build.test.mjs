// The bundle of the command line does what the sources do, and starts without what it does not need.
import { execFile, spawn } from "node:child_process"
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
  symlinkSync,
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { afterAll, assert, beforeAll, describe, test } from "vitest"
import { bundle } from "./build.mjs"

const repository = fileURLToPath(new URL("..", import.meta.url))
const node = join(repository, "node_modules/.bin/node")
const sources = join(repository, "packages/cli/src/bin.ts")
const { version } = JSON.parse(readFileSync(join(repository, "packages/cli/package.json"), "utf8"))

let root
let dist
let home

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), "live-response-build-"))
  dist = join(root, "dist")
  home = join(root, "home")
  mkdirSync(home)
  writeFileSync(join(root, "package.json"), JSON.stringify({ type: "module" }))
  await bundle(join(repository, "packages/cli/src"), dist)
})
afterAll(() => rmSync(root, { recursive: true, force: true }))

const environment = (more) => ({ PATH: process.env.PATH, HOME: home, LANG: "C.UTF-8", ...more })

/** Runs a program of this project to its end. */
const run = (bin, args, { env, nodeOptions = [] } = {}) =>
  new Promise((resolve) => {
    const options = { cwd: root, env: environment(env) }
    execFile(node, [...nodeOptions, bin, ...args], options, (error, stdout, stderr) =>
      resolve({ code: error?.code ?? 0, stdout, stderr }),
    )
  })

const bin = () => join(dist, "bin.js")

describe("the bundle", () => {
  test.each([
    ["the keys of Amazon", "AssumeRoleWithWebIdentity"],
    ["PostgreSQL", "pg_advisory"],
  ])("does not read %s at each start", (_, text) => {
    const files = readdirSync(dist).filter((name) => name.endsWith(".js"))
    const having = files.filter((name) => readFileSync(join(dist, name), "utf8").includes(text))
    assert.isNotEmpty(having)
    assert.notInclude(having, "Process.js")
  })

  test.each([[["--help"]], [["help", "download"]], [["download"]]])(
    "prints what the sources print: %j",
    async (args) => {
      assert.deepStrictEqual(await run(bin(), args), await run(sources, args))
    },
  )

  test("downloads results of a simulated service", async () => {
    const service = spawn(node, [bin(), "simulate"], {
      cwd: root,
      env: environment(),
      stdio: ["ignore", "pipe", "inherit"],
    })
    try {
      let exported
      let command
      for await (const line of createInterface({ input: service.stdout })) {
        exported ??= /export (\S+)=(\S+) (\S+)=(\S+)/.exec(line)
        command ??= /npx @live-response\/cli (download \S+)/.exec(line)
        if (line.includes("Ctrl-C")) break
      }
      const [, endpointName, endpoint, tokenName, token] = exported
      const ended = await run(bin(), [...command[1].split(" "), "--out", "results", "--json"], {
        env: { [endpointName]: endpoint, [tokenName]: token },
      })
      const events = ended.stdout
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line))
      assert.deepStrictEqual({ code: ended.code, stderr: ended.stderr }, { code: 0, stderr: "" })
      const completed = events.filter(({ event }) => event === "completed")
      assert.strictEqual(completed.length, 6)
      for (const { bytes, path } of completed) assert.strictEqual(statSync(join(root, "results", path)).size, bytes)
    } finally {
      service.kill("SIGKILL")
    }
  })

  test("has the licence of each package in it", () => {
    const notices = readFileSync(join(dist, "THIRD-PARTY.txt"), "utf8")
    for (const name of [
      "effect",
      "@effect/platform-node",
      "@azure/identity",
      "@redis/client",
      "undici",
      "string-width",
    ]) {
      assert.match(notices, new RegExp(`^${name} \\d+\\.\\d+\\.\\d+ \\(`, "m"))
    }
    assert.isAbove(notices.match(/Permission is hereby granted/g)?.length ?? 0, 20)
    assert.notMatch(notices, /undefined/)
  })

  test("is the same, byte for byte, when it is built again", async () => {
    const other = join(root, "again")
    await bundle(join(repository, "packages/cli/src"), other)
    assert.deepStrictEqual(readdirSync(other), readdirSync(dist))
    for (const file of readdirSync(dist)) {
      assert.isTrue(readFileSync(join(other, file)).equals(readFileSync(join(dist, file))), file)
    }
  })
})

describe("the entry", () => {
  /** The entry without the program. */
  const alone = () => {
    const directory = join(root, "alone")
    mkdirSync(directory, { recursive: true })
    cpSync(bin(), join(directory, "bin.js"))
    return join(directory, "bin.js")
  }

  test.each(["--version", "-V", "version"])("answers %s without the program", async (arg) => {
    assert.deepStrictEqual(await run(alone(), [arg]), { code: 0, stdout: `live-response v${version}\n`, stderr: "" })
  })

  test("gives the program's own answer where more is asked", async () => {
    const { stdout } = await run(bin(), ["download", "--version"])
    assert.strictEqual(stdout, `live-response v${version}\n`)
  })

  test.each([
    ["20.19.0", true],
    ["22.18.9", true],
    ["22.19.0", false],
    ["26.0.0", false],
  ])("refuses an old Node (%s: %s)", async (installed, isRefused) => {
    const pretend = `Object.defineProperty(process, "versions", { value: { ...process.versions, node: "${installed}" } })`
    const ended = await run(alone(), ["--version"], { nodeOptions: ["--import", `data:text/javascript,${pretend}`] })
    assert.deepStrictEqual(
      ended,
      isRefused
        ? {
            code: 4,
            stdout: "",
            stderr: `live-response: needs Node 22.19.0 or later, and this is Node ${installed}; install a newer one from https://nodejs.org\n`,
          }
        : { code: 0, stdout: `live-response v${version}\n`, stderr: "" },
    )
  })
})

describe("the cache of compiled code", () => {
  const cache = (home) => join(home, ".cache/live-response")
  const startIn = async (prepare) => {
    const home = mkdtempSync(join(root, "home-"))
    prepare(home)
    const ended = await run(bin(), ["--help"], { env: { HOME: home } })
    assert.deepStrictEqual({ code: ended.code, stderr: ended.stderr }, { code: 0, stderr: "" })
    return home
  }

  test("is in the user's directory, which nobody else can read", async () => {
    const home = await startIn(() => {})
    assert.strictEqual(statSync(cache(home)).mode & 0o777, 0o700)
    assert.isNotEmpty(readdirSync(cache(home)))
  })

  test("is not used where others could write to it", async () => {
    const home = await startIn((home) => {
      mkdirSync(cache(home), { recursive: true })
      chmodSync(cache(home), 0o777)
    })
    assert.isEmpty(readdirSync(cache(home)))
  })

  test("is not used where a symbolic link leads elsewhere", async () => {
    const home = await startIn((home) => {
      mkdirSync(join(home, ".cache"))
      mkdirSync(join(home, "elsewhere"), { mode: 0o700 })
      symlinkSync(join(home, "elsewhere"), cache(home))
    })
    assert.isEmpty(readdirSync(join(home, "elsewhere")))
  })

  test("is not used where others could write to what is in it, or rename it", async () => {
    const inside = await startIn((home) => {
      mkdirSync(join(cache(home), "v24"), { recursive: true, mode: 0o700 })
      chmodSync(join(cache(home), "v24"), 0o777)
    })
    assert.deepStrictEqual(readdirSync(cache(inside)), ["v24"])
    const above = await startIn((home) => {
      mkdirSync(cache(home), { recursive: true, mode: 0o700 })
      chmodSync(join(home, ".cache"), 0o777)
    })
    assert.isEmpty(readdirSync(cache(above)))
  })

  test("is not needed, and no directory is created where there can be none", async () => {
    if (process.platform === "linux") await run(bin(), ["--help"], { env: { HOME: "/proc" } })
    const home = await startIn((home) => writeFileSync(join(home, ".cache"), "not a directory"))
    assert.deepStrictEqual(readdirSync(home), [".cache"])
  })
})
