// Only code that the lockfile and package.json pin gets onto this machine, whatever a registry serves.
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
import { packagesOf, resolutionsOf } from "./lockfile.mjs"

const repository = fileURLToPath(new URL("..", import.meta.url))
const read = (path) => readFileSync(join(repository, path), "utf8")
const manifest = JSON.parse(read("package.json"))

describe("the lockfile", () => {
  const hasHash = (resolution) => /^\{integrity: sha512-[A-Za-z0-9+/]{86}==\}$/.test(resolution ?? "")

  test.each([
    { path: "pnpm-lock.yaml", least: 400 },
    { path: "docs-site/pnpm-lock.yaml", least: 250 },
  ])("has a SHA-512 for every package, and takes packages from a registry only: $path", ({ least, path }) => {
    const lockfile = read(path)
    const resolutions = resolutionsOf(lockfile)
    assert.isAbove(resolutions.size, least)
    assert.strictEqual(resolutions.size, packagesOf(lockfile).match(/^  \S/gm)?.length)
    assert.deepStrictEqual(
      Array.from(resolutions).filter(([, resolution]) => !hasHash(resolution)),
      [],
    )
  })

  test("pins the binaries of Node, Bun and Deno for each platform", () => {
    const resolutions = resolutionsOf(read("pnpm-lock.yaml"))
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
  const allowedIn = (path) => {
    const [, list = ""] = /\nallowBuilds:\n((?:  .*\n)*)/.exec(read(path)) ?? []
    return new Map(Array.from(list.matchAll(/^  "?([^\s"]+)"?: (.*)$/gm), ([, name, value]) => [name, value]))
  }

  test.each(["pnpm-workspace.yaml", "docs-site/pnpm-workspace.yaml"])(
    "never run, and one that is not listed fails the set-up: %s",
    (path) => {
      assert.deepStrictEqual(new Set(allowedIn(path).values()), new Set(["false"]))
      assert.match(read(path), /^strictDepBuilds: true$/m)
    },
  )

  test("are listed for every installed package that has one", () => {
    const manifests = globSync("node_modules/.pnpm/*/node_modules/{*,@*/*}/package.json", { cwd: repository })
    assert.isAbove(manifests.length, 400)
    const withScript = manifests.flatMap((path) => {
      const { name, scripts = {} } = JSON.parse(read(path))
      const runs = ["preinstall", "install", "postinstall"].some((script) => script in scripts)
      return runs || existsSync(join(repository, dirname(path), "binding.gyp")) ? [name] : []
    })
    assert.deepStrictEqual(new Set(withScript), new Set(allowedIn("pnpm-workspace.yaml").keys()))
  })
})

describe("a registry that serves another archive than the pinned one", () => {
  const [spec] = manifest.packageManager.split("+")
  const trace = () => join(directory, "ran")
  let directory
  let registry
  /** The archives of the registry, by name and version. */
  let archives

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), "live-response-registry-"))
    archives = new Map()
    registry = createServer((request, response) => serve(request, response)).listen(0, "127.0.0.1")
    await once(registry, "listening")
  })
  afterEach(() => {
    registry.close()
    rmSync(directory, { recursive: true, force: true })
  })

  /** Serves each archive together with its own hash, so that only a pinned hash can reveal it. */
  const serve = ({ headers, url }, response) => {
    const [, name, version] = /^\/([^/]+)(?:\/-\/\1-(.*)\.tgz)?$/.exec(url) ?? []
    const archive = archives.get(`${name}@${version}`)
    if (archive !== undefined) return response.end(archive)
    const versions = Array.from(archives).flatMap(([spec, bytes]) => {
      const [of, version] = spec.split("@")
      const integrity = `sha512-${createHash("sha512").update(bytes).digest("base64")}`
      const dist = { tarball: `http://${headers.host}/${name}/-/${name}-${version}.tgz`, integrity }
      return of === name ? [[version, { name, version, dist }]] : []
    })
    const [latest] = versions.at(-1) ?? []
    response.setHeader("content-type", "application/json")
    response.statusCode = latest === undefined ? 404 : 200
    response.end(JSON.stringify({ name, "dist-tags": { latest }, versions: Object.fromEntries(versions) }))
  }

  /** Adds a package to the registry that leaves a trace when its file runs. */
  const forge = (spec, file, program) => {
    const [name, version] = spec.split("@")
    mkdirSync(dirname(join(directory, "package", file)), { recursive: true })
    writeFileSync(join(directory, "package", file), program, { mode: 0o755 })
    const scripts = { preinstall: file, install: file, postinstall: file, prepare: file }
    writeFileSync(join(directory, "package/package.json"), JSON.stringify({ name, version, scripts }))
    execFileSync("tar", ["-czf", "forged.tgz", "package"], { cwd: directory })
    archives.set(spec, readFileSync(join(directory, "forged.tgz")))
  }

  /** Runs the set-up in a clone with these files and with empty caches. */
  const setUp = (files) => {
    const clone = join(directory, "clone")
    mkdirSync(join(clone, "packages"), { recursive: true })
    cpSync(join(repository, "scripts"), join(clone, "scripts"), { recursive: true })
    for (const [path, text] of Object.entries(files)) writeFileSync(join(clone, path), text)
    const env = {
      ...process.env,
      HOME: directory,
      XDG_DATA_HOME: join(directory, "data"),
      XDG_CACHE_HOME: join(directory, "cache"),
      npm_config_cache: join(directory, "npm"),
      npm_config_fetch_retries: "1",
      npm_config_fetch_retry_mintimeout: "1",
      npm_config_registry: `http://127.0.0.1:${registry.address().port}`,
    }
    return new Promise((resolve) => {
      execFile(process.execPath, [join(clone, "scripts/setup.mjs"), "run"], { env }, (error, stdout, stderr) =>
        resolve({ exitCode: error?.code ?? 0, stderr: stdout + stderr }),
      )
    })
  }

  test("fails the set-up before any code of a forged pnpm runs", async () => {
    forge(spec, "bin/pnpm.cjs", `require("node:fs").writeFileSync(${JSON.stringify(trace())}, "")`)
    const files = ["package.json", "pnpm-workspace.yaml", "pnpm-lock.yaml"].map((path) => [path, read(path)])
    const { exitCode, stderr } = await setUp(Object.fromEntries(files))
    assert.strictEqual(exitCode, 1, stderr)
    assert.include(stderr, `the registry's ${spec} is not the archive that package.json pins, so it was not run`)
    assert.isFalse(existsSync(trace()))
  })

  test("fails the set-up before any code of a forged Node runs", async () => {
    execFileSync("npm", ["pack", spec, "--pack-destination", directory], { stdio: "ignore" })
    archives.set(spec, readFileSync(join(directory, `${spec.replace("@", "-")}.tgz`)))
    const platform = `-${process.platform.replace("win32", "win")}-${process.arch}`
    const name = Object.keys(manifest.optionalDependencies).find((name) => name.endsWith(platform))
    const [, version] = new RegExp(`^  ${name}@(\\S+):$`, "m").exec(read("pnpm-lock.yaml")) ?? []
    const [, resolution] = new RegExp(`^  ${name}@.*:\n    (resolution: .*)$`, "m").exec(read("pnpm-lock.yaml")) ?? []
    forge(`${name}@${version}`, "bin/node", `#!/bin/sh\ntouch ${trace()}\n`)
    const { exitCode, stderr } = await setUp({
      "package.json": JSON.stringify({
        packageManager: manifest.packageManager,
        optionalDependencies: { [name]: version },
      }),
      "pnpm-workspace.yaml": "packages: []\nmanagePackageManagerVersions: false\n",
      "pnpm-lock.yaml": [
        "lockfileVersion: '9.0'",
        "importers:",
        "  .:",
        "    optionalDependencies:",
        `      ${name}: { specifier: ${version}, version: ${version} }`,
        "packages:",
        `  ${name}@${version}:`,
        `    ${resolution}`,
        "snapshots:",
        `  ${name}@${version}: { optional: true }`,
        "",
      ].join("\n"),
    })
    assert.strictEqual(exitCode, 1, stderr)
    assert.include(stderr, "ERR_PNPM_TARBALL_INTEGRITY")
    assert.include(stderr, `${name} could not be installed as the lockfile pins it`)
    assert.isFalse(existsSync(trace()))
  })
})

describe("npm's scripts", () => {
  test("run on the Node that the set-up has just installed", () => {
    // A shell that has started a `node` starts the same one again, although another one is now first on its path.
    const scripts = Object.entries(manifest.scripts).filter(([name]) => name !== "setup")
    assert.deepStrictEqual(
      scripts.filter(([, script]) => script.includes("setup.mjs")),
      [],
    )
  })
})

describe("the set-up on a machine without redis-server", () => {
  /** Runs the set-up with an `apt-get` that only prints how it was called. */
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
    "The tests of the quota in Redis need redis-server. Install it (apt-get install redis-server), then run the same command again."

  test("installs it for root only, after it has said what and why", () => {
    const { lines, status } = setUp({})
    assert.strictEqual(status, 1)
    assert.strictEqual(lines.at(-1), advice)
    if (process.getuid() !== 0) return assert.lengthOf(lines, 1)
    assert.match(
      lines[0],
      /tests of the quota .* Because you are root, .* installs .*LIVE_RESPONSE_SETUP_APT=0 prevents that/i,
    )
    assert.deepStrictEqual(lines.slice(1, -1), ["called: apt-get update", "called: apt-get install"])
  })

  test("installs nothing if LIVE_RESPONSE_SETUP_APT=0", () => {
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

  test("fails for a vulnerability that is high or critical, and names it", () => {
    const found = verdict(JSON.stringify({ advisories: { 1: advisory("high"), 2: advisory("low") } }))
    assert.isTrue(found.isFailure)
    assert.include(found.message, "Known vulnerabilities in the dependencies: 2, of which 1 are high or critical")
    assert.include(found.message, "high: left-pad: Pads right (https://example.com/1)")
  })

  test("passes for a lower severity, and for a registry without an audit service, which it reports", () => {
    assert.isFalse(verdict(JSON.stringify({ advisories: { 1: advisory("moderate") } })).isFailure)
    const without = verdict(
      JSON.stringify({ error: { code: "ERR_PNPM_AUDIT_BAD_RESPONSE", message: "responded with 405" } }),
    )
    assert.deepStrictEqual(without, {
      isFailure: false,
      message: "The registry did not audit the dependencies: responded with 405",
    })
  })

  test("fails if it could not run for another reason", () => {
    assert.isTrue(
      verdict(JSON.stringify({ error: { code: "ERR_PNPM_AUDIT_NO_LOCKFILE", message: "no lockfile" } })).isFailure,
    )
  })
})
