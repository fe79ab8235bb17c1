// Installs what is missing.
//
//     node scripts/setup.mjs [run]    what the program needs
//     node scripts/setup.mjs build    what a build needs as well
//     node scripts/setup.mjs test     what the tests need as well
//     node scripts/setup.mjs cluster  what a cluster on this machine needs: packages of a build, and PostgreSQL
//     node scripts/setup.mjs docs     and what builds the site of the documentation, which has a lockfile of its own
//
// It is JavaScript, because it runs on the Node of the machine (20 or later) before the project's own Node is installed.
// Scripts of package.json start it with `npm run setup`: a shell remembers where it found `node`, and would start the machine's
// again after the project's was installed.
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

const isForDocs = process.argv[2] === "docs"
const isForTests = isForDocs || process.argv[2] === "test"
const isForCluster = process.argv[2] === "cluster"
const wanted = isForTests || isForCluster || process.argv[2] === "build" ? "test" : "run"
const stamp = "node_modules/.live-response-setup.json"
const isWindows = process.platform === "win32"

install()
if (isForTests) requirePrograms()
if (isForCluster) requirePostgres("Clusters on this machine")
if (isForDocs) installDocs()

function install() {
  const packages = readdirSync("packages").map((name) => `packages/${name}/package.json`)
  const hash = hashOf("package.json", "pnpm-workspace.yaml", "pnpm-lock.yaml", ...packages)
  const installed = existsSync(stamp) ? JSON.parse(readFileSync(stamp, "utf8")) : {}
  if (installed.wants === hash && (installed.scope === wanted || installed.scope === "test")) return
  // Starting the program does not remove what an earlier set-up installed for the tests.
  const scope = installed.scope === "test" ? "test" : wanted
  installWith(scope === "run" ? ["--prod"] : [], linkNode)
  mkdirSync("node_modules", { recursive: true })
  writeFileSync(stamp, JSON.stringify({ wants: hash, scope }))
}

/** The site's packages are some three hundred, so only the commands that build it install them. */
function installDocs() {
  const hash = hashOf(...["package.json", "pnpm-workspace.yaml", "pnpm-lock.yaml"].map((file) => `docs-site/${file}`))
  const docsStamp = `docs-site/${stamp}`
  if (existsSync(docsStamp) && readFileSync(docsStamp, "utf8") === hash) return
  installWith(["-C", "docs-site"])
  writeFileSync(docsStamp, hash)
}

function installWith(options, andThen = () => {}) {
  const args = ["install", "--frozen-lockfile", ...options]
  console.error(`Installing dependencies: pnpm ${args.join(" ")}`)
  try {
    const { error, status } = pnpm(args, { stdio: ["ignore", 2, 2], env: { ...process.env, CI: "true" } })
    if (status !== 0) throw error ?? new Error("pnpm printed the reason above. It needs the npm registry.")
    andThen()
  } catch (error) {
    fail(`The set-up failed: ${error.message} Fix the cause, then run the same command again.`)
  }
}

function hashOf(...files) {
  const hash = createHash("sha256")
  for (const file of files) hash.update(readFileSync(file))
  return hash.digest("hex")
}

/**
 * Puts the project's Node where npm's scripts and `live-response` find it first. pnpm would put a shell script there, which does
 * not pass signals on.
 */
function linkNode() {
  const platform = `${isWindows ? "win" : process.platform}-${process.arch}`
  const { optionalDependencies } = JSON.parse(readFileSync("package.json", "utf8"))
  const name = Object.keys(optionalDependencies).find((name) => name.endsWith(`-${platform}`))
  const binary = name && resolve("node_modules", name, isWindows ? "bin/node.exe" : "bin/node")
  // pnpm skips an optional package whose hash is wrong, and reports success.
  if (binary && !existsSync(binary)) {
    throw new Error(`${name} could not be installed as the lockfile pins it. pnpm printed the reason above.`)
  }
  const current = Number.parseInt(process.versions.node) >= 24 ? process.execPath : undefined
  const node = binary && runs(binary) ? binary : current
  if (node === undefined) {
    throw new Error(`there is no package of Node that runs on this machine (${platform}). Install Node 24 or later.`)
  }
  const link = `node_modules/.bin/node${isWindows ? ".exe" : ""}`
  rmSync(link, { force: true })
  if (isWindows) copyFileSync(node, link)
  else symlinkSync(relative("node_modules/.bin", node), link)
}

/** Programs that tests start, and that no npm package contains. They are Debian's. */
function requirePrograms() {
  requireProgram("redis-server", "The tests of the quota in Redis", () => runs("redis-server"))
  requireProgram("zsh", "The tests of completions", () => runs("zsh"))
  requireProgram("fish", "The tests of completions", () => runs("fish"))
  requireProgram("groff", "The tests of man pages", () => runs("groff"))
  // It has no flag for its version.
  requireProgram("mandoc", "The tests of man pages", () => spawnSync("which", ["mandoc"]).status === 0)
  requirePostgres("The tests of the cluster")
  // It takes long to print its version.
  requireProgram("chromium", "The tests of the report", () => spawnSync("which", ["chromium"]).status === 0)
}

/** Its programs are not on the path. */
function requirePostgres(users) {
  requireProgram("postgresql", users, () => existsSync("/usr/lib/postgresql"))
}

function requireProgram(program, users, isThere) {
  if (isThere()) return
  const isAllowed = process.env.LIVE_RESPONSE_SETUP_APT !== "0"
  if (isAllowed && process.getuid?.() === 0 && runs("apt-get")) {
    console.error(
      `${users} need ${program}, which is not installed. Because you are root, the set-up now ` +
        `installs Debian's package: apt-get install ${program} (LIVE_RESPONSE_SETUP_APT=0 prevents that).`,
    )
    apt("update", "-q")
    apt("install", "-y", "-q", "--no-install-recommends", program)
    if (isThere()) return
  }
  fail(`${users} need ${program}. Install it (apt-get install ${program}), then run the same command again.`)
}

function runs(program) {
  return spawnSync(program, ["--version"], { stdio: "ignore" }).status === 0
}

function apt(...args) {
  spawnSync("apt-get", args, { stdio: ["ignore", 2, 2], env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" } })
}

function fail(message) {
  console.error(message)
  process.exit(1)
}
