// Known vulnerabilities of what the program runs on, as the registry's audit service knows them. High and critical ones
// fail; a registry without that service is reported, and fails nothing.
import { resolve } from "node:path"
import { fileURLToPath } from "node:url"
import { pnpm } from "./pnpm.mjs"

/** What an answer of `pnpm audit --json` means. */
export function verdict(answer) {
  const { advisories = {}, error } = JSON.parse(answer)
  if (error !== undefined) {
    // Whatever else goes wrong is a failure: an audit that can't be had is not one that found nothing.
    const isMissing = /^ERR_PNPM_AUDIT_(BAD_RESPONSE|ENDPOINT_NOT_EXISTS)$/.test(error.code)
    return { isFailure: !isMissing, message: `No audit: ${error.message}` }
  }
  const all = Object.values(advisories)
  const grave = all.filter(({ severity }) => severity === "high" || severity === "critical")
  const lines = grave.map((found) => `${found.severity}: ${found.module_name}: ${found.title} (${found.url})`)
  return {
    isFailure: grave.length > 0,
    message: [`Audit: ${all.length} known vulnerabilities, ${grave.length} of them high or critical.`, ...lines].join(
      "\n",
    ),
  }
}

if (resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  process.chdir(fileURLToPath(new URL("..", import.meta.url)))
  const { stdout } = pnpm(["audit", "--prod", "--json"], { encoding: "utf8", stdio: ["ignore", "pipe", 2] })
  const { isFailure, message } = verdict(stdout)
  console.error(message)
  process.exit(isFailure ? 1 : 0)
}
