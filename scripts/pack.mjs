// The archives of the packages, as they are published.
import { pnpm } from "./pnpm.mjs"

/** In the order in which they are published: each needs those before it. */
export const packages = ["core", "node", "cluster", "cli"]

/** Packs each package into the directory. Returns the path of each archive by the name of its package. */
export function packAll(directory) {
  return Object.fromEntries(packages.map((name) => [name, pack(name, directory)]))
}

function pack(name, directory) {
  const args = ["-C", `packages/${name}`, "pack", "--json", "--pack-destination", directory]
  const { status, stdout } = pnpm(args, { encoding: "utf8", stdio: ["ignore", "pipe", 2] })
  if (status !== 0) throw new Error(`pnpm pack failed for ${name}; it printed the reason above.`)
  return JSON.parse(stdout).filename
}
