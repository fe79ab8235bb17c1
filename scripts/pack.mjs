// The archives of the packages, as they are published.
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { pnpm } from "./pnpm.mjs"

/** In the order in which they are published: each needs those before it. */
export const packages = ["core", "node", "cluster", "cli"]

/** Packs each package into the directory. Returns the path of each archive by the name of its package. */
export async function packAll(directory) {
  const archives = {}
  for (const name of packages) archives[name] = await pack(name, directory)
  return archives
}

async function pack(name, directory) {
  const args = ["-C", `packages/${name}`, "pack", "--json", "--pack-destination", directory]
  const { status, stdout } = pnpm(args, { encoding: "utf8", stdio: ["ignore", "pipe", 2] })
  if (status !== 0) throw new Error(`pnpm pack failed for ${name}; it printed the reason above.`)
  const { filename } = JSON.parse(stdout)
  await sortDependencies(filename)
  return filename
}

/**
 * pnpm looks up the versions of this project's own packages at the same time, and writes them in the order in which it finds them.
 * The same sources give the same bytes only if they are sorted.
 */
async function sortDependencies(archive) {
  // Most steps of a release run before anything is installed.
  const { create, extract } = await import("tar")
  const work = mkdtempSync(join(tmpdir(), "live-response-pack-"))
  try {
    extract({ file: archive, cwd: work, sync: true })
    const file = join(work, "package/package.json")
    writeFileSync(file, `${JSON.stringify(withSortedDependencies(JSON.parse(readFileSync(file, "utf8"))), null, 2)}\n`)
    const files = readdirSync(work, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(work.length + 1))
      .toSorted()
    // The time that npm gives the files of its archives.
    const mtime = new Date("1985-10-26T08:15:00Z")
    create({ file: archive, cwd: work, gzip: { level: 9 }, portable: true, mtime, sync: true }, files)
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

/** The manifest with its dependencies of each kind by name. */
export function withSortedDependencies(manifest) {
  return Object.fromEntries(
    Object.entries(manifest).map(([key, value]) => [
      key,
      /dependencies$/i.test(key)
        ? Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)))
        : value,
    ]),
  )
}
