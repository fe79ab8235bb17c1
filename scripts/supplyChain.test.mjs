// What code gets onto this machine is what the lockfile and package.json pin, whatever a registry serves.
import { execFile, execFileSync, spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import { once } from "node:events"
import { cpSync, existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:http"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterEach, assert, beforeEach, describe, test } from "vitest"
import { verdict } from "./audit.mjs"

const repository = fileURLToPath(new URL("..", import.meta.url))
const read = (path) => readFileSync(join(repository, path), "utf8")
const manifest = JSON.parse(read("package.json"))

describe("the lockfile", () => {
  const [, packages = ""] = /\npackages:\n(.*)\nsnapshots:\n/s.exec(read("pnpm-lock.yaml")) ?? []
  /** Each package with how it is found: two lines a package. */
  const resolutions = new Map(
    Array.from(packages.matchAll(/^  '?([^\s:']+)'?:\n    resolution: (.*)$/gm), ([, name, resolution]) => [
      name,
      resolution,
    ]),
  )
  const hasHash = (resolution) => /^\{integrity: sha512-[A-Za-z0-9+/]{86}==\}$/.test(resolution ?? "")

  test("has the SHA-512 of every package, and no package from anywhere but a registry", () => {
    assert.isAbove(resolutions.size, 400)
    assert.strictEqual(resolutions.size, packages.match(/^  \S/gm)?.length)
    assert.deepStrictEqual(
      Array.from(resolutions).filter(([, resolution]) => !hasHash(resolution)),
      [],
    )
  })

  test("has the binaries of Node, Bun and Deno for each platform", () => {
    const catalog = read("pnpm-workspace.yaml")
    const nodes = Object.keys(manifest.optionalDependencies).map(
      (name) => `${name}@${new RegExp(`^  ${name}: (\\d+\\.\\d+\\.\\d+)$`, "m").exec(catalog)?.[1]}`,
    )
    const ofRuntimes = ["bun", "deno"].flatMap((name) => {
      const { optionalDependencies } = JSON.parse(read(`packages/core/node_modules/${name}/package.json`))
      return Object.entries(optionalDependencies).map(([binary, version]) => `${binary}@${version}`)
    })
    assert.isAtLeast(nodes.length, 6)
    assert.isAtLeast(ofRuntimes.length, 10)
    for (const name of [...nodes, ...ofRuntimes]) assert.isTrue(hasHash(resolutions.get(name)), name)
  })
})

describe("install scripts", () => {
  const [, list = ""] = /\nallowBuilds:\n((?:  .*\n)*)/.exec(read("pnpm-workspace.yaml")) ?? []
  const allowed = new Map(Array.from(list.matchAll(/^  "?([^\s"]+)"?: (.*)$/gm), ([, name, value]) => [name, value]))

  test("none may run, and one that is not listed fails the set-up", () => {
    assert.deepStrictEqual(new Set(allowed.values()), new Set(["false"]))
    assert.match(read("pnpm-workspace.yaml"), /^strictDepBuilds: true$/m)
  })

  test("of all that is installed are listed", () => {
    const manifests = globSync("node_modules/.pnpm/*/node_modules/{*,@*/*}/package.json", { cwd: repository })
    assert.isAbove(manifests.length, 400)
    const withScript = manifests.flatMap((path) => {
      const { name, scripts = {} } = JSON.parse(read(path))
      const runs = ["preinstall", "install", "postinstall"].some((script) => script in scripts)
      return runs || existsSync(join(repository, dirname(path), "binding.gyp")) ? [name] : []
    })
    assert.deepStrictEqual(new Set(withScript), new Set(allowed.keys()))
  })
})

describe("a registry that serves another pnpm than the pinned one", () => {
  let directory
  let registry

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), "live-response-registry-"))
    registry = createServer((request, response) => serve(request, response)).listen(0, "127.0.0.1")
    await once(registry, "listening")
  })
  afterEach(() => {
    registry.close()
    rmSync(directory, { recursive: true, force: true })
  })

  const [spec] = manifest.packageManager.split("+")
  const version = spec.split("@")[1]

  /** The archive of a pnpm that leaves a mark when it runs. */
  const archive = () => {
    const main = join(directory, "package/bin/pnpm.cjs")
    mkdirSync(dirname(main), { recursive: true })
    writeFileSync(main, `require("node:fs").writeFileSync(${JSON.stringify(join(directory, "ran"))}, "")`)
    writeFileSync(
      join(directory, "package/package.json"),
      JSON.stringify({
        name: "pnpm",
        version,
        scripts: { preinstall: "node bin/pnpm.cjs", prepare: "node bin/pnpm.cjs" },
      }),
    )
    execFileSync("tar", ["-czf", "pnpm.tgz", "package"], { cwd: directory })
    return readFileSync(join(directory, "pnpm.tgz"))
  }

  const serve = (request, response) => {
    if (request.url?.endsWith(".tgz")) return response.end(archive())
    const integrity = `sha512-${createHash("sha512").update(archive()).digest("base64")}`
    const tarball = `http://${request.headers.host}/pnpm.tgz`
    response.setHeader("content-type", "application/json")
    response.end(
      JSON.stringify({
        name: "pnpm",
        "dist-tags": { latest: version },
        versions: { [version]: { name: "pnpm", version, dist: { tarball, integrity } } },
      }),
    )
  }

  /** The set-up of a fresh clone, with nothing in npm's cache. */
  const setUp = () => {
    const clone = join(directory, "clone")
    for (const path of ["scripts", "package.json", "pnpm-workspace.yaml", "pnpm-lock.yaml"]) {
      cpSync(join(repository, path), join(clone, path), { recursive: true })
    }
    for (const path of globSync("packages/*/package.json", { cwd: repository })) {
      cpSync(join(repository, path), join(clone, path))
    }
    const env = {
      ...process.env,
      HOME: directory,
      npm_config_cache: join(directory, "cache"),
      npm_config_registry: `http://127.0.0.1:${registry.address().port}`,
    }
    return new Promise((resolve) => {
      execFile(process.execPath, [join(clone, "scripts/setup.mjs"), "run"], { env }, (error, _, stderr) =>
        resolve({ exitCode: error?.code ?? 0, stderr }),
      )
    })
  }

  test("is refused before anything of that pnpm runs", async () => {
    const { exitCode, stderr } = await setUp()
    assert.strictEqual(exitCode, 1, stderr)
    assert.include(stderr, `the registry's ${spec} is not the one that package.json pins, so nothing of it was run`)
    assert.isFalse(existsSync(join(directory, "ran")))
  })
})

describe("redis-server, where there is none", () => {
  /** The set-up on a machine with an `apt-get` that only says that it was called. */
  const setUp = (env) => {
    const path = mkdtempSync(join(tmpdir(), "live-response-path-"))
    writeFileSync(join(path, "apt-get"), "#!/bin/sh\necho called: apt-get $1 >&2\n", { mode: 0o755 })
    const { status, stderr } = spawnSync(process.execPath, [join(repository, "scripts/setup.mjs"), "test"], {
      env: { ...env, PATH: path },
      encoding: "utf8",
    })
    rmSync(path, { recursive: true, force: true })
    return { status, lines: stderr.trim().split("\n") }
  }
  const advice =
    "The tests need redis-server. Install it (apt-get install redis-server), and run the same command again."

  test("is installed for root alone, after the set-up said what and why", () => {
    const { lines, status } = setUp({})
    assert.strictEqual(status, 1)
    assert.strictEqual(lines.at(-1), advice)
    if (process.getuid() !== 0) return assert.lengthOf(lines, 1)
    assert.match(lines[0], /the tests of the quota .* As root, this installs .*LIVE_RESPONSE_SETUP_APT=0 forbids it/)
    assert.deepStrictEqual(lines.slice(1, -1), ["called: apt-get update", "called: apt-get install"])
  })

  test("is not installed where LIVE_RESPONSE_SETUP_APT=0", () => {
    assert.deepStrictEqual(setUp({ LIVE_RESPONSE_SETUP_APT: "0" }), { status: 1, lines: [advice] })
  })
})

describe("the audit", () => {
  const advisory = (severity) => ({
    severity,
    module_name: "left-pad",
    title: "Pads right",
    url: "https://example.com/1",
  })

  test("fails for what is high or critical, and names it", () => {
    const found = verdict(JSON.stringify({ advisories: { 1: advisory("high"), 2: advisory("low") } }))
    assert.isTrue(found.isFailure)
    assert.include(found.message, "2 known vulnerabilities, 1 of them high or critical")
    assert.include(found.message, "high: left-pad: Pads right (https://example.com/1)")
  })

  test("passes for less, and for a registry without an audit service, which it reports", () => {
    assert.isFalse(verdict(JSON.stringify({ advisories: { 1: advisory("moderate") } })).isFailure)
    const without = verdict(
      JSON.stringify({ error: { code: "ERR_PNPM_AUDIT_BAD_RESPONSE", message: "responded with 405" } }),
    )
    assert.deepStrictEqual(without, { isFailure: false, message: "No audit: responded with 405" })
  })

  test("fails where it failed for another reason", () => {
    assert.isTrue(
      verdict(JSON.stringify({ error: { code: "ERR_PNPM_AUDIT_NO_LOCKFILE", message: "no lockfile" } })).isFailure,
    )
  })
})
