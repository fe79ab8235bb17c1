// pnpm as package.json pins it: by its version, and by the SHA-512 of its archive, which is checked before anything of it
// runs. Version 10, because it is one archive for every platform: from 11 on pnpm needs Node 22, and from 12 on it is a
// binary in a second package, which no hash in package.json covers.
import { spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

/** Runs the pinned pnpm in this directory. Gives its exit code, and its standard output where `stdio` asks for it. */
export function pnpm(args, options) {
  const directory = mkdtempSync(join(tmpdir(), "live-response-pnpm-"))
  try {
    const archive = download(directory)
    // A name without its directory: some tars take `C:` for the name of a host.
    succeed(spawnSync("tar", ["-xzf", archive], { cwd: directory, stdio: ["ignore", 2, 2] }), "tar")
    return spawnSync(process.execPath, [join(directory, "package/bin/pnpm.cjs"), ...args], options)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

/** Downloads the archive into the directory, and gives its name there. Fails where it is not the pinned one. */
function download(directory) {
  const { packageManager } = JSON.parse(readFileSync("package.json", "utf8"))
  const [spec, pin] = packageManager.split("+sha512.")
  const answer = npm("pack", spec, "--json", "--ignore-scripts", "--pack-destination", directory)
  succeed(answer, `npm pack ${spec}`)
  const archive = JSON.parse(answer.stdout)[0].filename
  const found = createHash("sha512")
    .update(readFileSync(join(directory, archive)))
    .digest("hex")
  if (found !== pin) {
    throw new Error(
      `the registry's ${spec} is not the one that package.json pins, so nothing of it was run (SHA-512 ${found}). ` +
        "Check the registry that `npm config get registry` prints.",
    )
  }
  return archive
}

/** The npm that runs this script, else the one on the path. */
function npm(...args) {
  const cli = process.env.npm_execpath ?? ""
  const [command, first] = cli.endsWith("npm-cli.js") ? [process.execPath, [cli]] : ["npm", []]
  return spawnSync(command, [...first, ...args], { encoding: "utf8", stdio: ["ignore", "pipe", 2] })
}

function succeed({ error, status }, name) {
  if (status !== 0) throw new Error(`${name} failed (${error?.message ?? `exit code ${status}`}).`)
}
