// Builds the site from its pages, or serves what was built.
//
//     node docs-site/site.mjs build
//     node docs-site/site.mjs serve
//
// Astro would send telemetry, unless this variable is set before it is loaded.
import { fileURLToPath } from "node:url"

process.env.ASTRO_TELEMETRY_DISABLED = "1"
const { build, preview } = await import("astro")

const root = fileURLToPath(new URL(".", import.meta.url))

/** Serves the site on this machine only. `port` 0 is any port that is free. */
export const serve = (port) => preview({ root, logLevel: "error", server: { host: "127.0.0.1", port } })

switch (process.argv[2]) {
  case "build":
    await build({ root, logLevel: "warn" })
    break
  case "serve": {
    const { port } = await serve(4321)
    process.stderr.write(`The documentation is at http://127.0.0.1:${port} until Ctrl-C.\n`)
    break
  }
}
