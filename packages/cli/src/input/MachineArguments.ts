/**
 * Machines, as arguments and lists name them: by id or by DNS name.
 */
import * as Data from "effect/Data"
import * as Result from "effect/Result"
import { printable } from "../output/Printable.ts"
import * as Lists from "./Lists.ts"

/** A machine by its DNS name. `api/Lookup.ts` finds its id. */
export class Named extends Data.TaggedClass("Named")<{ readonly name: string }> {}

/** A machine by its id, or by its name. */
export type Machine = string | Named

/** Why a name leads to no machine: none has it, or several do. */
export type Problem = "unknown" | "ambiguous"

/** A machine whose id could not be found. */
export interface BadMachine {
  readonly message: string
  readonly machineName: string
  /** Absent if the API did not say: then another run may find it. */
  readonly problem?: Problem
}

/** Whether a text is a machine's id, as the API writes it. */
export const isId = (text: string): boolean => /^[0-9a-f]{40}$/i.test(text)

const isName = (text: string): boolean => /^(?=.*[a-z])[a-z0-9]([a-z0-9_.-]{0,253}[a-z0-9])?$/i.test(text)

const parse = (text: string): Result.Result<ReadonlyArray<Machine>, string> => {
  const machine = text.trim()
  if (isId(machine)) return Result.succeed([machine.toLowerCase()])
  if (isName(machine)) return Result.succeed([new Named({ name: machine })])
  return Result.fail(
    `"${printable(text.slice(0, 80))}" is not a machine; use its id of 40 hexadecimal digits, such as 1e5bc9d7e413ddd7902c2932e418702b84d0cc07, or its full DNS name, such as ws-1.contoso.com`,
  )
}

/** Parses machines that are arguments. */
export const fromArguments = Lists.argumentsAs("machine", "--machines", parse)

/** Reads the machines of a list, as they are needed. */
export const fromList = Lists.reader<Machine>({
  what: "machine",
  plain: parse,
  columns: ["machineId"],
  record: (value) => parse(value("machineId")),
})
