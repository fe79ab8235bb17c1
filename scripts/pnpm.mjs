// Runs the pnpm that package.json pins by its version and by the SHA-512 of its archive. The hash is checked before any of its
// code runs. pnpm 10 is one archive for every platform; pnpm 11 needs Node 22, and pnpm 12 is a binary in a second package,
// which no hash in package.json covers.
import { spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

/** Runs the pinned pnpm in this directory. Returns its exit code, and its standard output if `stdio` asks for it. */
export function pnpm(args, options) {
  const directory = mkdtempSync(join(tmpdir(), "live-response-pnpm-"))
  try {
    const archive = download(directory)
    // The name without its directory, because some versions of tar read `C:` as the name of a host.
    requireSuccess(spawnSync("tar", ["-xzf", archive], { cwd: directory, stdio: ["ignore", 2, 2] }), "tar")
    return spawnSync(process.execPath, [join(directory, "package/bin/pnpm.cjs"), ...args], options)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

/** Downloads the archive into the directory and returns its name. Fails if it is not the pinned one. */
function download(directory) {
  const { packageManager } = JSON.parse(readFileSync("package.json", "utf8"))
  const [spec, pin] = packageManager.split("+sha512.")
  const packed = npm("pack", spec, "--json", "--ignore-scripts", "--pack-destination", directory)
  requireSuccess(packed, `npm pack ${spec}`)
  const archive = JSON.parse(packed.stdout)[0].filename
  const found = createHash("sha512")
    .update(readFileSync(join(directory, archive)))
    .digest("hex")
  if (found !== pin) {
    throw new Error(
      `the registry's ${spec} is not the archive that package.json pins, so it was not run (its SHA-512 is ${found}). ` +
        "Check the registry that `npm config get registry` prints.",
    )
  }
  return archive
}

/** Runs the npm that runs this script, else the one on the path. */
function npm(...args) {
  const cli = process.env.npm_execpath ?? ""
  const [command, first] = cli.endsWith("npm-cli.js") ? [process.execPath, [cli]] : ["npm", []]
  return spawnSync(command, [...first, ...args], { encoding: "utf8", stdio: ["ignore", "pipe", 2] })
}

function requireSuccess({ error, status }, name) {
  if (status !== 0) throw new Error(`${name} failed: ${error?.message ?? `exit code ${status}`}.`)
}
