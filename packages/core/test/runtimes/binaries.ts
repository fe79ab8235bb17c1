import { existsSync, realpathSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

/**
 * The paths of the binaries. The packages `deno` and `bun` have none: their install scripts, which do not run here, would
 * link or download it. The lockfile pins a package with the binary for each platform.
 */
const binaries = {
  deno: [
    "@deno/darwin-arm64/deno",
    "@deno/darwin-x64/deno",
    "@deno/linux-arm64-glibc/deno",
    "@deno/linux-x64-glibc/deno",
    "@deno/win32-arm64/deno.exe",
    "@deno/win32-x64/deno.exe",
  ],
  bun: [
    "@oven/bun-darwin-aarch64/bin/bun",
    "@oven/bun-darwin-x64/bin/bun",
    "@oven/bun-linux-aarch64/bin/bun",
    "@oven/bun-linux-x64/bin/bun",
    "@oven/bun-windows-aarch64/bin/bun.exe",
    "@oven/bun-windows-x64/bin/bun.exe",
  ],
} as const

export type Runtime = keyof typeof binaries

/** The path of a runtime, if it is installed for this platform. */
export const binaryOf = (runtime: Runtime): string | undefined => {
  const installed = fileURLToPath(new URL(`../../node_modules/${runtime}`, import.meta.url))
  const directory = join(realpathSync(installed), "..")
  return binaries[runtime].map((path) => join(directory, path)).find((path) => existsSync(path))
}
