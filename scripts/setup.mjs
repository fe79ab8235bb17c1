// Installs what is missing: `run` what the program needs, `test` also what its tests need. Plain JavaScript, because it
// runs on whatever Node (20 or later) there is before ours is installed.
import { spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs"
import { relative, resolve } from "node:path"
import { fileURLToPath } from "node:url"
import { pnpm } from "./pnpm.mjs"

process.chdir(fileURLToPath(new URL("..", import.meta.url)))

const wanted = process.argv[2] === "test" ? "test" : "run"
const stamp = "node_modules/.live-response-setup.json"
const isWindows = process.platform === "win32"

install()
if (wanted === "test") requireRedis()

function install() {
  const wants = hashOfManifests()
  const installed = existsSync(stamp) ? JSON.parse(readFileSync(stamp, "utf8")) : {}
  if (installed.wants === wants && (installed.scope === wanted || installed.scope === "test")) return
  // What tests need is not taken away again by a start.
  const scope = installed.scope === "test" ? "test" : wanted
  const args = ["install", "--frozen-lockfile", ...(scope === "run" ? ["--prod"] : [])]
  console.error(`Setting up, once: pnpm ${args.join(" ")}`)
  try {
    const { error, status } = pnpm(args, { stdio: ["ignore", 2, 2], env: { ...process.env, CI: "true" } })
    if (status !== 0) throw error ?? new Error("what is above says why; it needs the npm registry.")
    linkNode()
  } catch (error) {
    fail(`The set-up failed: ${error.message} Then run the same command again.`)
  }
  mkdirSync("node_modules", { recursive: true })
  writeFileSync(stamp, JSON.stringify({ wants, scope }))
}

function hashOfManifests() {
  const hash = createHash("sha256")
  const ofPackages = readdirSync("packages").map((name) => `packages/${name}/package.json`)
  for (const file of ["package.json", "pnpm-workspace.yaml", "pnpm-lock.yaml", ...ofPackages])
    hash.update(readFileSync(file))
  return hash.digest("hex")
}

/**
 * The Node that npm's scripts and `live-response` find first. Its package is a platform's binary and no script; pnpm wraps
 * a binary in a script of its own, which signals do not pass.
 */
function linkNode() {
  const platform = `${isWindows ? "win" : process.platform}-${process.arch}`
  const { optionalDependencies } = JSON.parse(readFileSync("package.json", "utf8"))
  const name = Object.keys(optionalDependencies).find((name) => name.endsWith(`-${platform}`))
  const binary = name && resolve("node_modules", name, isWindows ? "bin/node.exe" : "bin/node")
  // pnpm leaves out an optional package whose hash is another one, and goes on.
  if (binary && !existsSync(binary)) {
    throw new Error(`${name} could not be installed as the lockfile pins it; what is above says why.`)
  }
  const own = Number.parseInt(process.versions.node) >= 24 ? process.execPath : undefined
  const node = binary && has(binary) ? binary : own
  if (node === undefined) {
    throw new Error(`no Node that runs on this machine (${platform}) is packaged: install Node 24 or later yourself.`)
  }
  const link = `node_modules/.bin/node${isWindows ? ".exe" : ""}`
  rmSync(link, { force: true })
  if (isWindows) copyFileSync(node, link)
  else symlinkSync(relative("node_modules/.bin", node), link)
}

/** The tests of the quota in Redis start a server of their own. It is Debian's: no npm package holds one. */
function requireRedis() {
  if (has("redis-server")) return
  const isAllowed = process.env.LIVE_RESPONSE_SETUP_APT !== "0"
  if (isAllowed && process.getuid?.() === 0 && has("apt-get")) {
    console.error(
      "Setting up, once: the tests of the quota in Redis start a redis-server, and there is none. As root, this installs " +
        "Debian's package on this machine: apt-get install redis-server (LIVE_RESPONSE_SETUP_APT=0 forbids it).",
    )
    apt("update", "-q")
    apt("install", "-y", "-q", "--no-install-recommends", "redis-server")
    if (has("redis-server")) return
  }
  fail("The tests need redis-server. Install it (apt-get install redis-server), and run the same command again.")
}

function has(program) {
  return spawnSync(program, ["--version"], { stdio: "ignore" }).status === 0
}

function apt(...args) {
  spawnSync("apt-get", args, { stdio: ["ignore", 2, 2], env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" } })
}

function fail(message) {
  console.error(message)
  process.exit(1)
}
