// Downloads archives from the registry and checks their SHA-512 before anything in them is used.
import { spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import { readFileSync } from "node:fs"
import { join } from "node:path"

/** Unpacks an archive into `package` in the directory. Fails if its SHA-512, in hexadecimal digits, is not the pinned one. */
export function unpack(spec, sha512, pinnedBy, directory) {
  const packed = npm("pack", spec, "--json", "--ignore-scripts", "--pack-destination", directory)
  requireSuccess(packed, `npm pack ${spec}`)
  const archive = JSON.parse(packed.stdout)[0].filename
  const found = createHash("sha512")
    .update(readFileSync(join(directory, archive)))
    .digest("hex")
  if (found !== sha512) {
    throw new Error(
      `the registry's ${spec} is not the archive that ${pinnedBy} pins, so it was not run (its SHA-512 is ${found}). ` +
        "Check the registry that `npm config get registry` prints.",
    )
  }
  // The name without its directory, because some versions of tar read `C:` as the name of a host.
  requireSuccess(spawnSync("tar", ["-xzf", archive], { cwd: directory, stdio: ["ignore", 2, 2] }), "tar")
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
