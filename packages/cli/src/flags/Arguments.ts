/**
 * Arguments that several commands have.
 */
import { FromString } from "@live-response/core/ResultRef"
import * as Argument from "effect/cli/Argument"
import * as Schema from "effect/Schema"

/** One result. */
export const result = Argument.String("result").pipe(
  Argument.filterMap(
    Schema.decodeOption(FromString),
    () => "one result, <machine action id>:<index>, such as 988cc94e-7a8f-4b28-ab65-54970c5d5018:0",
  ),
  Argument.withMetavar("ID:INDEX"),
  Argument.withDescription("One result: <machine action id>:<index>"),
)

/** A directory of results, which `--out` may name as well. */
export const directory = Argument.String("directory").pipe(
  Argument.optional,
  Argument.withMetavar("DIR"),
  Argument.withDescription("The directory of results; the same as --out"),
)
