/**
 * How a user starts this program.
 */
import { isSea } from "node:sea"
import packageJson from "../../package.json" with { type: "json" }

/** What to type: a one-file binary has a name of its own, and needs no Node. */
export const programName = isSea() ? "live-response" : "npx @live-response/cli"

/** What wrote a file or a message, for programs that read it. */
export const nameAndVersion = `live-response ${packageJson.version}`
