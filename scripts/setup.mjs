// Installs what is missing: `run` what the program needs, `test` also what its tests need. Plain JavaScript, because it
// runs on whatever Node (20 or later) there is before ours is installed.
import { spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

process.chdir(fileURLToPath(new URL("..", import.meta.url)))

const wanted = process.argv[2] === "test" ? "test" : "run"
const stamp = "node_modules/.live-response-setup.json"

const manifests = ["package.json", "pnpm-workspace.yaml", "pnpm-lock.yaml"].concat(
  readdirSync("packages").map((name) => `packages/${name}/package.json`),
)
const hash = createHash("sha256")
for (const file of manifests) hash.update(readFileSync(file))
const wants = hash.digest("hex")

const installed = (() => {
  try {
    return JSON.parse(readFileSync(stamp, "utf8"))
  } catch {
    return {}
  }
})()

if (installed.wants !== wants || (installed.scope !== wanted && installed.scope !== "test")) {
  const { packageManager } = JSON.parse(readFileSync("package.json", "utf8"))
  // What tests need is not taken away again by a start.
  const scope = installed.scope === "test" ? "test" : wanted
  const args = ["-y", packageManager, "install", "--frozen-lockfile", ...(scope === "run" ? ["--prod"] : [])]
  console.error(`Setting up, once: npx ${args.join(" ")}`)
  const { status } = spawnSync("npx", args, { stdio: ["ignore", 2, 2], env: { ...process.env, CI: "true" } })
  if (status !== 0) {
    console.error("The set-up failed; what is above says why. It needs the npm registry. Run the same command again.")
    process.exit(status ?? 1)
  }
  mkdirSync("node_modules", { recursive: true })
  writeFileSync(stamp, JSON.stringify({ wants, scope }))
}

// The tests of the quota in Redis start a server of their own. It is Debian's: no npm package holds one.
if (wanted === "test" && !has("redis-server")) {
  if (process.getuid?.() === 0 && has("apt-get")) {
    console.error("Setting up, once: apt-get install redis-server")
    apt("update", "-q")
    apt("install", "-y", "-q", "--no-install-recommends", "redis-server")
  }
  if (!has("redis-server")) {
    console.error(
      "The tests need redis-server. Install it (apt-get install redis-server), and run the same command again.",
    )
    process.exit(1)
  }
}

function has(program) {
  return spawnSync(program, ["--version"], { stdio: "ignore" }).error === undefined
}

function apt(...args) {
  spawnSync("apt-get", args, { stdio: ["ignore", 2, 2], env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" } })
}
