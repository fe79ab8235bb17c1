// Checks the dependencies of the program for known vulnerabilities with the registry's audit service. A high or critical one
// fails the check. A registry without an audit service is reported, and does not fail it.
import { resolve } from "node:path"
import { fileURLToPath } from "node:url"
import { pnpm } from "./pnpm.mjs"

/** The meaning of an answer of `pnpm audit --json`. */
export function verdict(answer) {
  const { advisories = {}, error } = JSON.parse(answer)
  if (error !== undefined) {
    // Any other error fails the check: an audit that did not run is not one without findings.
    const isMissing = /^ERR_PNPM_AUDIT_(BAD_RESPONSE|ENDPOINT_NOT_EXISTS)$/.test(error.code)
    return { isFailure: !isMissing, message: `The registry did not audit the dependencies: ${error.message}` }
  }
  const all = Object.values(advisories)
  const severe = all.filter(({ severity }) => severity === "high" || severity === "critical")
  const lines = severe.map(({ module_name, severity, title, url }) => `${severity}: ${module_name}: ${title} (${url})`)
  return {
    isFailure: severe.length > 0,
    message: [
      `Known vulnerabilities in the dependencies: ${all.length}, of which ${severe.length} are high or critical.`,
      ...lines,
    ].join("\n"),
  }
}

if (resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  process.chdir(fileURLToPath(new URL("..", import.meta.url)))
  const { stdout } = pnpm(["audit", "--prod", "--json"], { encoding: "utf8", stdio: ["ignore", "pipe", 2] })
  const { isFailure, message } = verdict(stdout)
  console.error(message)
  process.exit(isFailure ? 1 : 0)
}
