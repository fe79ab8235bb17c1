/**
 * Machines, as the command line and lists of them name them.
 */
import * as Data from "effect/Data"
import * as Result from "effect/Result"
import * as Lists from "./Lists.ts"
import { printable } from "../output/Printable.ts"

/** A machine by its DNS name, as the user writes it: which one that is is looked up. */
export class Named extends Data.TaggedClass("Named")<{ readonly name: string }> {}

/** By its id, or by its name. */
export type Machine = string | Named

/** Not a machine, or not one alone. */
export interface BadMachine {
  readonly message: string
  readonly machineName: string
}

/** As the API has it. */
export const isId = (text: string): boolean => /^[0-9a-f]{40}$/i.test(text)

const isName = (text: string): boolean => /^(?=.*[a-z])[a-z0-9]([a-z0-9_.-]{0,253}[a-z0-9])?$/i.test(text)

const parse = (text: string): Result.Result<ReadonlyArray<Machine>, string> => {
  const machine = text.trim()
  if (isId(machine)) return Result.succeed([machine.toLowerCase()])
  if (isName(machine)) return Result.succeed([new Named({ name: machine })])
  return Result.fail(
    `"${printable(text.slice(0, 80))}" is no machine; a machine is its id of 40 hexadecimal digits, such as 1e5bc9d7e413ddd7902c2932e418702b84d0cc07, or its name in full, such as ws-1.contoso.com`,
  )
}

/** The machines that are arguments. */
export const fromArguments = Lists.argumentsAs(parse)

/** The machines of a list, read as they are needed. */
export const fromList = Lists.reader<Machine>({
  what: "machine",
  plain: parse,
  columns: ["machineId"],
  record: (value) => parse(value("machineId")),
})
