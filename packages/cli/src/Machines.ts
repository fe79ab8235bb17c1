/**
 * Machines, as the command line and lists of them name them.
 */
import * as Result from "effect/Result"
import * as Lists from "./Lists.ts"
import { printable } from "./Printable.ts"

/** As the API has it. */
export const isId = (text: string): boolean => /^[0-9a-f]{40}$/i.test(text)

/** A machine's id, in the API's own letters; else what is wrong. */
const parse = (text: string): Result.Result<ReadonlyArray<string>, string> =>
  isId(text.trim())
    ? Result.succeed([text.trim().toLowerCase()])
    : Result.fail(
        `"${printable(text.slice(0, 80))}" is no machine; a machine is its id of 40 hexadecimal digits, such as 1e5bc9d7e413ddd7902c2932e418702b84d0cc07`,
      )

/** The machines that are arguments. */
export const fromArguments = Lists.argumentsAs(parse)

/** The machines of a list, read as they are needed. */
export const fromList = Lists.reader<string>({
  plain: parse,
  columns: ["machineId"],
  record: (value) => parse(value("machineId")),
})
