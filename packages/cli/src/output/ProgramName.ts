/**
 * How a user starts this program.
 */
import { isSea } from "node:sea"

/** What to type: a one-file binary has a name of its own, and needs no Node. */
export const programName = isSea() ? "live-response" : "npx @live-response/cli"
