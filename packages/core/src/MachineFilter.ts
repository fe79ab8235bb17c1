/**
 * Selects machines by the API's `$filter`. Values are quoted, so that none of them can become a part of the expression.
 *
 * @since 0.1.0
 */
import type * as DateTime from "effect/DateTime"
import * as OData from "./internal/odataExpression.ts"

/**
 * An OData expression over the fields that Microsoft documents.
 *
 * @see https://learn.microsoft.com/en-us/defender-endpoint/api/get-machines
 * @since 0.1.0
 * @category models
 */
export interface MachineFilter {
  readonly expression: string
}

/**
 * The fields that can be compared with text.
 *
 * @since 0.1.0
 * @category models
 */
export type Field =
  | "id"
  | "computerDnsName"
  | "osPlatform"
  | "version"
  | "healthStatus"
  | "onboardingStatus"
  | "riskScore"
  | "exposureLevel"
  | "deviceValue"
  | "lastIpAddress"
  | "aadDeviceId"

/**
 * An expression that is sent unchanged, for what the other functions can't express. Nothing in it is escaped.
 *
 * @since 0.1.0
 * @category constructors
 */
export const raw = (expression: string): MachineFilter => ({ expression })

/**
 * Matches machines whose field has this value, or one of these.
 *
 * **Gotchas**
 *
 * The API compares DNS names with their case, and has names in mixed case.
 *
 * @example
 * ```ts
 * import * as MachineFilter from "@live-response/core/MachineFilter"
 *
 * console.log(MachineFilter.is("riskScore", "High", "Medium").expression) // (riskScore eq 'High' or riskScore eq 'Medium')
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const is = (field: Field, ...values: OData.Values): MachineFilter => raw(OData.equals(field, values))

/**
 * Matches machines whose field begins with this text, or one of these, in this case.
 *
 * @example
 * ```ts
 * import * as MachineFilter from "@live-response/core/MachineFilter"
 *
 * console.log(MachineFilter.startsWith("computerDnsName", "ws-").expression) // startswith(computerDnsName,'ws-')
 * ```
 *
 * @see https://learn.microsoft.com/en-us/defender-endpoint/api/exposed-apis-odata-samples
 * @since 0.1.0
 * @category constructors
 */
export const startsWith = (field: Field, ...values: OData.Values): MachineFilter =>
  raw(OData.anyOf(values.map((value) => `startswith(${field},${OData.quoted(value)})`)))

/** An OData service accepts expressions of some 100 nodes. Each text of `startsWith` needs four. */
const mostSpellings = 16

/** The beginning of a text with this many letters, in every case. Only letters whose other case is one character count. */
const spellingsOf = (text: string, letters: number): ReadonlyArray<string> => {
  let spellings: ReadonlyArray<string> = [""]
  let left = letters
  for (const character of /^[\x20-\x7e]*/.exec(text)?.[0] ?? "") {
    const cases = new Set([character.toLowerCase(), character.toUpperCase()])
    if (cases.size > 1 && left-- === 0) break
    spellings = spellings.flatMap((spelling) => Array.from(cases, (one) => spelling + one))
  }
  return spellings
}

/**
 * Beginnings of names such that each name, in any case, begins with one of them. None if that would be too many, or a name
 * begins with anything but ASCII.
 *
 * **When to use**
 *
 * Use it with `startsWith` to find names whose case is not known: the API compares case, and has names in mixed case.
 *
 * **Gotchas**
 *
 * Other names have these beginnings too: compare what the API lists.
 *
 * @example
 * ```ts
 * import * as MachineFilter from "@live-response/core/MachineFilter"
 *
 * console.log(MachineFilter.spellings("ws-1")) // [ 'ws-1', 'wS-1', 'Ws-1', 'WS-1' ]
 * ```
 *
 * @since 0.1.0
 * @category values
 */
export const spellings = (...names: ReadonlyArray<string>): ReadonlyArray<string> => {
  for (const letters of [4, 3, 2, 1, 0]) {
    const all = new Set(names.flatMap((name) => spellingsOf(name, letters)))
    if (all.has("")) return []
    if (all.size <= mostSpellings) return Array.from(all)
  }
  return []
}

/**
 * Matches machines that have this tag, or one of these.
 *
 * @example
 * ```ts
 * import * as MachineFilter from "@live-response/core/MachineFilter"
 *
 * console.log(MachineFilter.hasTag("incident-42").expression) // machineTags/any(tag: tag eq 'incident-42')
 * ```
 *
 * @see https://learn.microsoft.com/en-us/defender-endpoint/api/exposed-apis-odata-samples
 * @since 0.1.0
 * @category constructors
 */
export const hasTag = (...tags: OData.Values): MachineFilter =>
  raw(OData.anyOf(tags.map((tag) => `machineTags/any(tag: tag eq ${OData.quoted(tag)})`)))

/**
 * Matches the machines of a device group, or of one of these, by its number.
 *
 * @since 0.1.0
 * @category constructors
 */
export const inGroup = (...ids: readonly [number, ...ReadonlyArray<number>]): MachineFilter =>
  raw(OData.anyOf(ids.map((id) => `rbacGroupId eq ${Math.trunc(id)}`)))

/**
 * Matches machines that reported to Defender at this instant or later.
 *
 * @since 0.1.0
 * @category constructors
 */
export const seenSince = (instant: DateTime.DateTime): MachineFilter => raw(OData.atLeast("lastSeen", instant))

/**
 * Matches machines that match all of these. Each expression stands in brackets of its own.
 *
 * @since 0.1.0
 * @category combinators
 */
export const all = (...filters: readonly [MachineFilter, ...ReadonlyArray<MachineFilter>]): MachineFilter =>
  OData.allOf(filters)
