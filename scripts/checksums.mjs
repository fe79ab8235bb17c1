// The checksums of a release.
import { createHash } from "node:crypto"
import { readFileSync, readdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"

/** Lists the SHA-256 of each file of a directory, as `sha256sum --check` reads it. */
export function writeChecksums(directory) {
  const names = readdirSync(directory, { withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name !== "SHA256SUMS")
    .map(({ name }) => name)
  const lines = names.toSorted().map((name) => `${sha256(readFileSync(join(directory, name)))}  ${name}\n`)
  writeFileSync(join(directory, "SHA256SUMS"), lines.join(""))
}

const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex")
