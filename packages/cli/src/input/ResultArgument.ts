/**
 * One result as an argument: `<machine action id>:<index>`.
 */
import { FromString } from "@live-response/core/ResultRef"
import * as Argument from "effect/cli/Argument"
import * as Schema from "effect/Schema"

export const argument = Argument.String("result").pipe(
  Argument.filterMap(
    Schema.decodeOption(FromString),
    () => "one result, <machine action id>:<index>, such as 988cc94e-7a8f-4b28-ab65-54970c5d5018:0",
  ),
  Argument.withMetavar("ID:INDEX"),
  Argument.withDescription("One result: <machine action id>:<index>"),
)
