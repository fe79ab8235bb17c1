// What the lockfile pins.
import { readFileSync } from "node:fs"

/** The packages of a lockfile as text: two lines a package. */
export function packagesOf(lockfile) {
  const [, packages = ""] = /\npackages:\n(.*)\nsnapshots:\n/s.exec(lockfile) ?? []
  return packages
}

/** The resolution of each package, by name and version. */
export function resolutionsOf(lockfile) {
  const lines = packagesOf(lockfile).matchAll(/^  '?([^\s:']+)'?:\n    resolution: (.*)$/gm)
  return new Map(Array.from(lines, ([, name, resolution]) => [name, resolution]))
}

/** A function that gives the SHA-512 of a package, such as `undici@8.1.0`, in hexadecimal digits. */
export function readHashes() {
  const resolutions = resolutionsOf(readFileSync("pnpm-lock.yaml", "utf8"))
  return (spec) => {
    const [, hash] = /^\{integrity: sha512-([A-Za-z0-9+/]{86}==)\}$/.exec(resolutions.get(spec) ?? "") ?? []
    if (hash === undefined) throw new Error(`pnpm-lock.yaml does not pin ${spec}: run pnpm install.`)
    return Buffer.from(hash, "base64").toString("hex")
  }
}
