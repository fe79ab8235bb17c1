// A release, without anybody typing it. The workflow `release.yml` runs these steps:
//
//     node scripts/release.mjs plan         prints the version, and what is next: to version, to release, or nothing
//     node scripts/release.mjs version      gives the packages and CHANGELOG.md the next version
//     node scripts/release.mjs assemble     the archives of the packages, the binaries that are in dist, install.sh, SHA256SUMS
//     node scripts/release.mjs publish      publishes what is in dist at npm, core first
//     node scripts/release.mjs notes        prints what CHANGELOG.md says of this version
//     node scripts/release.mjs dry          all of it here, with a binary for this machine, and nothing is published or changed
import { execFileSync, spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { fileURLToPath } from "node:url"
import { sectionOf, withVersion } from "./changelog.mjs"
import { writeChecksums } from "./checksums.mjs"
import { packAll, packages } from "./pack.mjs"

const repository = fileURLToPath(new URL("..", import.meta.url))
const versionIn = (directory) => JSON.parse(readFileSync(join(directory, "packages/cli/package.json"), "utf8")).version
const archiveOf = (name, version) => `live-response-${name}-${version}.tgz`

/** install.sh that installs this release. Without a repository, it asks for the address. */
export function installerOf(script, version, repository) {
  if (repository === undefined) return script
  const address = `https://github.com/${repository}/releases/download/v${version}`
  const installer = script.replace(/^release=$/m, `release=${address}`)
  if (installer === script) throw new Error("install.sh has no line `release=` for the address of the release.")
  return installer
}

/** Why an archive can't be published from this repository, if it can't: npm compares the provenance with the manifest. */
export function obstacle(manifest, repository) {
  const url = manifest.repository?.url ?? ""
  return new RegExp(`github\\.com/${RegExp.escape(repository)}(\\.git)?$`).test(url)
    ? undefined
    : `${manifest.name} names ${url || "no repository"} in its package.json, and npm refuses a provenance of github.com/${repository}; set repository.url to git+https://github.com/${repository}.git.`
}

/** Whether there are files that say how large a change is. */
const hasChangesets = (directory) =>
  readdirSync(join(directory, ".changeset")).some((name) => name.endsWith(".md") && name !== "README.md")

/** What is next for a directory in which these tags are known. */
export function nextStep(directory, tags) {
  if (hasChangesets(directory)) return "version"
  const version = versionIn(directory)
  const isDescribed = sectionOf(readFileSync(join(directory, "CHANGELOG.md"), "utf8"), version) !== undefined
  return isDescribed && !tags.includes(`v${version}`) ? "release" : "nothing"
}

/** Gives the packages of a directory the next version, and the changelog a section for it. Without a changeset the version stays. */
export function version(directory) {
  const changeset = join(repository, "node_modules/.bin/changeset")
  if (hasChangesets(directory)) execFileSync(changeset, ["version"], { cwd: directory, stdio: ["ignore", 2, 2] })
  const file = join(directory, "CHANGELOG.md")
  const date = new Date().toISOString().slice(0, 10)
  writeFileSync(file, withVersion(readFileSync(file, "utf8"), versionIn(directory), date))
}

/** Copies what has versions to a directory, which becomes a repository of its own. */
export function copyVersions(directory) {
  const manifests = packages.map((name) => `packages/${name}/package.json`)
  for (const path of [".changeset", "CHANGELOG.md", "package.json", "pnpm-workspace.yaml", ...manifests]) {
    cpSync(join(repository, path), join(directory, path), { recursive: true })
  }
  execFileSync("git", ["init", "-q", "-b", "main"], { cwd: directory })
}

function plan() {
  const tags = execFileSync("git", ["tag", "--list"], { encoding: "utf8" }).split("\n")
  console.log(`version=${versionIn(".")}\nnext=${nextStep(".", tags)}`)
}

const notesOf = (directory) =>
  sectionOf(readFileSync(join(directory, "CHANGELOG.md"), "utf8"), versionIn(directory)) ?? ""

async function assemble() {
  mkdirSync("dist", { recursive: true })
  await packAll(resolve("dist"))
  const script = readFileSync("install.sh", "utf8")
  writeFileSync("dist/install.sh", installerOf(script, versionIn("."), process.env.GITHUB_REPOSITORY))
  chmodSync("dist/install.sh", 0o755)
  writeChecksums("dist")
}

/** Whether npm has an archive already, by the integrity that it gives for the version: none if it has no such version. */
export function isPublished(spec, archive, integrity) {
  if (integrity === "") return false
  if (integrity === `sha512-${createHash("sha512").update(archive).digest("base64")}`) return true
  throw new Error(
    `npm has another ${spec} than this release (${integrity}); nothing more was published. Give the packages a new version.`,
  )
}

const integrityAtNpm = (spec) => {
  const { status, stderr, stdout } = spawnSync("npm", ["view", spec, "dist.integrity"], { encoding: "utf8" })
  if (status !== 0 && !stderr.includes("E404"))
    throw new Error(`npm does not say whether it has ${spec}: ${stderr.trim()}`)
  return stdout.trim()
}

function publish(flags, integrityOf = () => "") {
  for (const name of packages) {
    const archive = `./dist/${archiveOf(name, versionIn("."))}`
    const spec = `@live-response/${name}@${versionIn(".")}`
    // A run that failed half-way is repeated.
    if (isPublished(spec, readFileSync(archive), integrityOf(spec))) continue
    execFileSync("npm", ["publish", archive, "--access", "public", "--ignore-scripts", ...flags], { stdio: "inherit" })
  }
}

function requireRepository() {
  for (const name of packages) {
    const manifest = JSON.parse(readFileSync(`packages/${name}/package.json`, "utf8"))
    const problem = obstacle(manifest, process.env.GITHUB_REPOSITORY ?? "")
    if (problem !== undefined) throw new Error(problem)
  }
}

async function dry() {
  rmSync("dist", { recursive: true, force: true })
  mkdirSync("dist")
  const copy = mkdtempSync(join(tmpdir(), "live-response-release-"))
  try {
    copyVersions(copy)
    version(copy)
    console.log(`The next release is ${versionIn(copy)}:\n\n${notesOf(copy)}\n`)
  } finally {
    rmSync(copy, { recursive: true, force: true })
  }
  // Only this step needs what is installed.
  const { buildAll, host } = await import("./binary.mjs")
  await buildAll([host], "dist")
  await assemble()
  // Without a network: a registry's answer is not a part of what is checked here.
  publish(["--dry-run", "--offline", "--loglevel=error"])
  execFileSync("sha256sum", ["--check", "--quiet", "SHA256SUMS"], { cwd: "dist", stdio: "inherit" })
  console.log(`dist has what would be released:\n  ${readdirSync("dist").join("\n  ")}`)
}

const commands = {
  plan,
  version: () => version("."),
  assemble,
  publish: () => {
    requireRepository()
    publish(["--provenance"], integrityAtNpm)
  },
  notes: () => console.log(notesOf(".")),
  dry,
}

if (resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  process.chdir(repository)
  const command = commands[process.argv[2]]
  try {
    if (command === undefined) throw new Error(`Name one of ${Object.keys(commands).join(", ")}.`)
    await command()
  } catch (error) {
    console.error(error.message)
    process.exitCode = 1
  }
}
