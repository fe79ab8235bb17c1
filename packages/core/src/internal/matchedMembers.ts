/** Reads members of JSON that a form has matched. */
import * as DateTime from "effect/DateTime"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import { parseJson } from "./parseJson.ts"

const decoder = new TextDecoder("utf-8", { ignoreBOM: true })

export type Value = Readonly<Record<PropertyKey, unknown>>

/** The object in a line. */
export const objectIn = (line: Uint8Array): Value | undefined => {
  const value = Option.getOrUndefined(parseJson(decoder.decode(line)))
  return Predicate.isReadonlyObject(value) ? value : undefined
}

export const text = (value: Value, name: string): string | undefined => {
  const text = value[name]
  return typeof text === "string" ? text : undefined
}

export const number = (value: Value, name: string): number | undefined => {
  const number = value[name]
  return typeof number === "number" ? number : undefined
}

export const instant = (value: Value, name: string): DateTime.Utc | undefined => {
  const time = text(value, name)
  return time === undefined ? undefined : Option.getOrUndefined(Option.map(DateTime.make(time), DateTime.toUtc))
}
