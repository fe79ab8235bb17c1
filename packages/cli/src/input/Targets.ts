/**
 * Targets of a download, as arguments and lists name them: machine actions, or some of their results.
 */
import { MachineActionId } from "@live-response/core/MachineAction"
import { ResultRef } from "@live-response/core/ResultRef"
import * as Data from "effect/Data"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { printable } from "../output/Printable.ts"
import * as Lists from "./Lists.ts"

/** What should name a result and does not: a line of a list, a machine action, or a record that can't be read. */
export type BadTarget = Lists.BadLine | { readonly message: string; readonly machineActionId?: string }

/** All results of one machine action. `api/Lookup.ts` finds them. */
export class WholeAction extends Data.TaggedClass("WholeAction")<{ readonly id: MachineActionId }> {}

export type Target = ResultRef | WholeAction

const decodeId = Schema.decodeUnknownOption(MachineActionId)

const decodeRef = Schema.decodeUnknownOption(ResultRef)

const notATarget = (text: string) =>
  `"${printable(text.slice(0, 80))}" is not a target; use <machine action id> or <machine action id>:<index>, such as 988cc94e-7a8f-4b28-ab65-54970c5d5018:0`

const notIndexes = (text: string) =>
  `"${printable(text.slice(0, 80))}" is not a target; an index is from 0 to 999: add one (:0), a range (:0-5) or several (:0,3)`

/** Parses `<id>`, `<id>:<index>`, `<id>:<a>-<b>`, `<id>:<a>,<b>`, or a mix of the last two; fails with what is wrong. */
export const parse = (text: string): Result.Result<ReadonlyArray<Target>, string> => {
  // A decoder that fails describes why, for every line of a list.
  const id = text.includes(":") ? Option.none() : decodeId(text.trim())
  if (Option.isSome(id)) return Result.succeed([new WholeAction({ id: id.value })])
  const match = /^([^:]+):(\d{1,3}(?:-\d{1,3})?(?:,\d{1,3}(?:-\d{1,3})?)*)$/.exec(text.trim())
  const indexes = (match?.[2] ?? "").split(",").flatMap((part) => {
    const [first = NaN, last = first] = part.split("-").map(Number)
    return Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => first + i)
  })
  const refs = indexes.map((index) => decodeRef({ machineActionId: match?.[1], index }))
  return refs.length > 0 && refs.every(Option.isSome)
    ? Result.succeed(refs.map((ref) => ref.value))
    : Result.fail(Option.isSome(decodeId(text.split(":")[0]?.trim())) ? notIndexes(text) : notATarget(text))
}

/** Parses targets that are arguments. */
export const fromArguments = Lists.argumentsAs("target", "--from", parse)

/** Reads the targets of a list, as they are needed. */
export const fromList = Lists.reader<Target>({
  what: "target",
  plain: parse,
  columns: ["machineActionId", "index"],
  record: (value) => parse(`${value("machineActionId")}:${value("index")}`),
})

export const isBadTarget = (target: Target | BadTarget): target is BadTarget => "message" in target

export const isWholeAction = (target: Target | BadTarget): target is WholeAction => target instanceof WholeAction
