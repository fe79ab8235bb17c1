/** Reads members of answers whose types drift. No function throws: what it can't read is absent. */
import * as DateTime from "effect/DateTime"
import * as Predicate from "effect/Predicate"
import { shorten } from "./recordText.ts"

/** An own member of an object, not an inherited one. */
export const member = (value: unknown, key: string): unknown =>
  Predicate.isReadonlyObject(value) && Object.hasOwn(value, key) ? value[key] : undefined

/** The items of a list; of what is not a list, none. */
export const items = (value: unknown): ReadonlyArray<unknown> => (Array.isArray(value) ? value : [])

/** A text, or a number or a boolean as text. A text that is longer than any of a person is shortened. */
export const text = (value: unknown): string | undefined =>
  typeof value === "string"
    ? shorten(value)
    : typeof value === "number" || typeof value === "boolean"
      ? `${value}`
      : undefined

/** A text, or an object's own scalars: `{ code: 5, message: "denied" }` is `code: 5, message: denied`. */
export const flatText = (value: unknown): string | undefined =>
  Predicate.isReadonlyObject(value)
    ? shorten(
        Object.entries(value)
          .flatMap(([key, inner]) => (text(inner) === undefined ? [] : [`${key}: ${text(inner)}`]))
          .join(", "),
      )
    : text(value)

/** A finite number, or a text that holds one in decimal or hexadecimal digits, such as `-5` and `0x80004005`. 0 has no sign. */
export const number = (value: unknown): number | undefined => {
  const parsed =
    typeof value === "string" && /^\s{0,9}(0x[0-9a-f]{1,12}|-?\d{1,15})\s{0,9}$/i.test(value) ? Number(value) : value
  return typeof parsed === "number" && Number.isFinite(parsed) ? parsed + 0 : undefined
}

/** A number that is whole. */
export const wholeNumber = (value: unknown): number | undefined => {
  const parsed = number(value)
  return Number.isSafeInteger(parsed) ? parsed : undefined
}

/**
 * An instant with up to seven digits of a second. Without a time zone it is UTC. Its year has four digits, so that what is
 * computed from it is an instant as well.
 */
export const instant = (value: unknown): DateTime.Utc | undefined => {
  if (typeof value !== "string") return undefined
  const hasZone = value.endsWith("Z") || /[+-]\d\d:\d\d$/.test(value)
  const millis = Date.parse(hasZone ? value : `${value}Z`)
  return millis >= firstInstant && millis < endOfYears ? DateTime.makeUnsafe(millis) : undefined
}

/** The years from 1 to 9999, in milliseconds since 1970. */
const firstInstant = -62_135_596_800_000
const endOfYears = 253_402_300_800_000

/** The members that are neither null nor undefined. */
export const present = <A extends Readonly<Record<string, unknown>>>(
  fields: A,
): { readonly [K in keyof A]?: NonNullable<A[K]> } => {
  const kept: { [K in keyof A]?: NonNullable<A[K]> } = {}
  for (const key in fields) {
    const value = fields[key]
    if (value !== null && value !== undefined) kept[key] = value
  }
  return kept
}
