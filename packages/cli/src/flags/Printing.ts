/**
 * Flags for what a command prints.
 */
import type * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { usage } from "../Failure.ts"
import * as FlagTypes from "./FlagTypes.ts"

/** For commands that print events. */
export const flags = {
  json: FlagTypes.toggle("json", "Print events as JSON lines on standard output; the last line is the summary"),
  quiet: FlagTypes.toggle("quiet", "Print only errors").pipe(Flag.withAlias("q")),
}

/** For commands that show progress. */
export const progress = {
  noProgress: FlagTypes.toggle("no-progress", "Print no progress; messages and the summary are printed"),
}

/** For commands that print rows, each of which is one of these. */
export const rows = (what: string, usual = "table on a terminal, else columns separated by tabs") => ({
  format: Flag.Literals("format", ["table", "json", "csv"]).pipe(
    Flag.optional,
    Flag.withMetavar("FORMAT"),
    FlagTypes.describe("How rows are printed; csv is safe for spreadsheets, json has the exact texts", {
      default: usual,
    }),
  ),
  json: FlagTypes.toggle("json", `Print a line of JSON for each ${what}; the same as --format json`),
})

/** How rows are printed; none for what suits the terminal or the pipe. */
export const formatOf = ({ format, json }: Command.Command.Config.Infer<ReturnType<typeof rows>>) =>
  json && Option.exists(format, (format) => format !== "json")
    ? Effect.fail(usage("choose either --json or another --format"))
    : Effect.succeed(json ? "json" : Option.getOrUndefined(format))

/** For commands that print one answer. */
export const json = FlagTypes.toggle("json", "Print one JSON object")
