// Tries what would be published on this machine, with the Node that runs this script, which needs nothing else of this project:
//
//     node scripts/smoke.mjs DIRECTORY     the archives of the packages and the binary for this machine, those that are there
import { execFileSync } from "node:child_process"
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"

const isWindows = process.platform === "win32"
const directory = resolve(process.argv[2] ?? "dist")
const root = mkdtempSync(join(tmpdir(), "live-response-smoke-"))
process.on("exit", () => rmSync(root, { recursive: true, force: true }))

const host = `${isWindows ? "win" : process.platform}-${process.arch}`
const files = readdirSync(directory).map((name) => join(directory, name))
const packages = files.filter((path) => path.endsWith(".tgz"))
const binary = files.find((path) => path.endsWith(`live-response-${host}.tar.gz`))
if (packages.length === 0 && binary === undefined) throw new Error(`${directory} has nothing for ${host}.`)

const run = (program, args, options) =>
  execFileSync(program, args, { stdio: ["ignore", "ignore", "inherit"], ...options })

const demo = (name, program, args) => {
  const cwd = join(root, name)
  mkdirSync(cwd)
  run(program, [...args, "demo"], { cwd })
  const manifest = readFileSync(join(cwd, "live-response-results/manifest.jsonl"), "utf8")
  if (!manifest.includes('"completed"')) throw new Error(`${name}: the demo downloaded nothing.`)
  console.log(`${name}: the demo works on ${host}`)
}

if (packages.length > 0) {
  const cwd = join(root, "packages")
  mkdirSync(cwd)
  writeFileSync(join(cwd, "package.json"), JSON.stringify({ private: true, type: "module" }))
  // npm is a batch file on Windows, which only a shell starts.
  const args = ["install", "--ignore-scripts", "--no-audit", "--no-fund", ...packages.map((path) => `"${path}"`)]
  run(`npm ${args.join(" ")}`, [], { cwd, shell: true })
  demo(`Node ${process.versions.node}`, process.execPath, [join(cwd, "node_modules/@live-response/cli/dist/bin.js")])
  const program = 'import("@live-response/core").then((core) => process.exit("LiveResponse" in core ? 0 : 1))'
  run(process.execPath, ["-e", program], { cwd })
}
if (binary !== undefined) {
  // The name without its directory, because some versions of tar read `C:` as the name of a host.
  run("tar", ["-xzf", `live-response-${host}.tar.gz`, "-C", root], { cwd: directory })
  demo("binary", join(root, `live-response-${host}`, isWindows ? "live-response.exe" : "live-response"), [])
}
