/** Reads a script result that is exactly as documented, which nearly all are, at a fraction of what the lenient reader costs. */
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import { parseJson } from "./parseJson.ts"

export interface StrictScript {
  readonly scriptName: string
  readonly exitCode: number | undefined
  readonly output: string
  readonly errors: string
}

const fields = new Set(["script_name", "exit_code", "script_output", "script_errors"])

const decoder = new TextDecoder()

/** A text, or `undefined` where the lenient reader decides: it is not text, or has a NUL. */
const textOf = (value: unknown): string | undefined => {
  if (value === undefined) return ""
  return typeof value === "string" && !value.includes("\u0000") ? value : undefined
}

/** The result, or `undefined` if it is not strict JSON with the documented fields alone: then the lenient reader decides. */
export const read = (bytes: Uint8Array): StrictScript | undefined => {
  const value = Option.getOrUndefined(parseJson(decoder.decode(bytes)))
  if (!Predicate.isReadonlyObject(value)) return undefined
  const keys = Object.keys(value)
  if (keys.length === 0 || !keys.every((key) => fields.has(key))) return undefined
  const { exit_code: exitCode } = value
  const [scriptName, output, errors] = [value["script_name"], value["script_output"], value["script_errors"]].map(
    textOf,
  )
  if (scriptName === undefined || output === undefined || errors === undefined) return undefined
  if (exitCode !== undefined && (typeof exitCode !== "number" || !Number.isSafeInteger(exitCode))) return undefined
  return { scriptName, exitCode, output, errors }
}
