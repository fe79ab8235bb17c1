/**
 * Flags for what a command prints.
 */
import * as Flag from "effect/cli/Flag"
import * as FlagTypes from "./FlagTypes.ts"

/** For commands that print events. */
export const flags = {
  json: FlagTypes.toggle("json", "Print events as JSON lines on standard output; the last line is the summary"),
  quiet: FlagTypes.toggle("quiet", "Print only errors").pipe(Flag.withAlias("q")),
}

/** For commands that print one answer. */
export const json = FlagTypes.toggle("json", "Print one JSON object")
