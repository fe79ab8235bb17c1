/**
 * Selects machine actions by the API's `$filter`. Values are quoted, so that none of them can become a part of the
 * expression.
 *
 * @since 0.1.0
 */
import type * as DateTime from "effect/DateTime"
import * as OData from "./internal/odataExpression.ts"

/**
 * An OData expression over the fields that Microsoft documents.
 *
 * @see https://learn.microsoft.com/en-us/defender-endpoint/api/exposed-apis-odata-samples
 * @since 0.1.0
 * @category models
 */
export interface ActionFilter {
  readonly expression: string
}

/**
 * The fields that can be compared with text.
 *
 * @see https://learn.microsoft.com/en-us/defender-endpoint/api/get-machineactions-collection
 * @since 0.1.0
 * @category models
 */
export type Field = "id" | "status" | "machineId" | "type" | "requestor"

/**
 * An expression that is sent unchanged, for what the other functions can't express. Nothing in it is escaped.
 *
 * @since 0.1.0
 * @category constructors
 */
export const raw = (expression: string): ActionFilter => ({ expression })

/**
 * Matches actions whose field has this value, or one of these.
 *
 * @example
 * ```ts
 * import * as ActionFilter from "@live-response/core/ActionFilter"
 *
 * console.log(ActionFilter.is("requestor", "o'brien@contoso.com").expression) // requestor eq 'o''brien@contoso.com'
 * console.log(ActionFilter.is("status", "Failed", "TimeOut").expression) // (status eq 'Failed' or status eq 'TimeOut')
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const is = (field: Field, ...values: OData.Values): ActionFilter => raw(OData.equals(field, values))

/**
 * Matches actions that were created at this instant or later.
 *
 * @since 0.1.0
 * @category constructors
 */
export const since = (instant: DateTime.DateTime): ActionFilter => raw(OData.atLeast("creationDateTimeUtc", instant))

/**
 * Matches actions that were created before this instant.
 *
 * @since 0.1.0
 * @category constructors
 */
export const before = (instant: DateTime.DateTime): ActionFilter => raw(OData.lessThan("creationDateTimeUtc", instant))

/**
 * Matches actions that match all of these. Each expression stands in brackets of its own.
 *
 * @example
 * ```ts
 * import * as ActionFilter from "@live-response/core/ActionFilter"
 * import * as DateTime from "effect/DateTime"
 *
 * const filter = ActionFilter.all(
 *   ActionFilter.is("type", "LiveResponse"),
 *   ActionFilter.since(DateTime.makeUnsafe("2026-11-01T00:00:00Z")),
 * )
 * console.log(filter.expression) // (type eq 'LiveResponse') and (creationDateTimeUtc ge 2026-11-01T00:00:00.000Z)
 * ```
 *
 * @since 0.1.0
 * @category combinators
 */
export const all = (...filters: readonly [ActionFilter, ...ReadonlyArray<ActionFilter>]): ActionFilter =>
  OData.allOf(filters)
