/**
 * What the API asks of who calls it. What a token says of itself tells beforehand whether that is there; the API has the
 * last word.
 *
 * @since 0.1.0
 */
import * as AccessToken from "./AccessToken.ts"

/**
 * The permissions for one kind of call. Any one of them suffices: an app needs one of `application`, an app that acts for
 * a user one of `delegated`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Permission {
  readonly application: ReadonlyArray<string>
  readonly delegated: ReadonlyArray<string>
}

/**
 * To make links to results.
 *
 * @see https://learn.microsoft.com/en-us/defender-endpoint/api/get-live-response-result
 * @since 0.1.0
 * @category permissions
 */
export const results: Permission = {
  application: ["Machine.Read.All", "Machine.ReadWrite.All"],
  delegated: ["Machine.LiveResponse"],
}

/**
 * To list machine actions, and to look at one; and to find machines by their names.
 *
 * @see https://learn.microsoft.com/en-us/defender-endpoint/api/get-machineactions-collection
 * @since 0.1.0
 * @category permissions
 */
export const actions: Permission = {
  application: ["Machine.Read.All", "Machine.ReadWrite.All"],
  delegated: ["Machine.Read", "Machine.ReadWrite"],
}

/**
 * To run live response commands, and to cancel them.
 *
 * @see https://learn.microsoft.com/en-us/defender-endpoint/api/run-live-response
 * @see https://learn.microsoft.com/en-us/defender-endpoint/api/cancel-machine-action
 * @since 0.1.0
 * @category permissions
 */
export const run: Permission = { application: ["Machine.LiveResponse"], delegated: ["Machine.LiveResponse"] }

/**
 * In words, for a person.
 *
 * @since 0.1.0
 * @category formatting
 */
export const describe = ({ application, delegated }: Permission): string => {
  const [apps, users] = [application.join(" or "), delegated.join(" or ")]
  return apps === users ? apps : `${apps} (apps), or ${users} (users)`
}

/**
 * What a token lacks, in a sentence that says where it is granted; nothing where it has enough. The claims are a hint: the
 * API may see it otherwise.
 *
 * @example
 * ```ts
 * import * as Permission from "@live-response/core/Permission"
 *
 * console.log(Permission.missing({ roles: ["Machine.Read.All"] }, Permission.results)) // undefined
 * console.log(Permission.missing({ scp: "Machine.Read" }, Permission.results)?.includes("Machine.LiveResponse")) // true
 * ```
 *
 * @since 0.1.0
 * @category checking
 */
export const missing = (claims: AccessToken.Claims, permission: Permission): string | undefined => {
  const granted = AccessToken.permissions(claims)
  const [needed, holder, type] =
    AccessToken.kind(claims) === "app-only"
      ? [permission.application, "app", "application"]
      : [permission.delegated, "user", "delegated"]
  if (needed.some((name) => granted.includes(name))) return undefined
  return `the ${holder}'s token lacks ${needed.join(" or ")}; grant it in Entra (app registrations, API permissions, WindowsDefenderATP, as ${type} permission, with admin consent)`
}
