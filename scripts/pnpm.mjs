// Runs the pnpm that package.json pins by its version and by the SHA-512 of its archive. The hash is checked before any of its
// code runs. pnpm 10 is one archive for every platform; pnpm 11 needs Node 22, and pnpm 12 is a binary in a second package,
// which no hash in package.json covers.
import { spawnSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { unpack } from "./pinned.mjs"

/** Runs the pinned pnpm in this directory. Returns its exit code, and its standard output if `stdio` asks for it. */
export function pnpm(args, options) {
  const directory = mkdtempSync(join(tmpdir(), "live-response-pnpm-"))
  try {
    const { packageManager } = JSON.parse(readFileSync("package.json", "utf8"))
    const [spec, pin] = packageManager.split("+sha512.")
    unpack(spec, pin, "package.json", directory)
    return spawnSync(process.execPath, [join(directory, "package/bin/pnpm.cjs"), ...args], options)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}
