/**
 * The permissions that API calls need. The claims of a token are a hint whether it has them; the API decides.
 *
 * @since 0.1.0
 */
import * as AccessToken from "./AccessToken.ts"

/**
 * The permissions for one kind of call. One of them suffices: of `application` for an app, of `delegated` for an app that
 * acts on behalf of a user.
 *
 * @since 0.1.0
 * @category models
 */
export interface Permission {
  readonly application: ReadonlyArray<string>
  readonly delegated: ReadonlyArray<string>
}

/**
 * To create download links for results.
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
 * To list and read machine actions, and to find machines by name.
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
 * To list and read machines.
 *
 * @see https://learn.microsoft.com/en-us/defender-endpoint/api/get-machines
 * @since 0.1.0
 * @category permissions
 */
export const machines: Permission = {
  application: ["Machine.Read.All", "Machine.ReadWrite.All"],
  delegated: ["Machine.Read", "Machine.ReadWrite"],
}

/**
 * To list, upload and delete files of the live response library.
 *
 * @see https://learn.microsoft.com/en-us/defender-endpoint/api/list-library-files
 * @since 0.1.0
 * @category permissions
 */
export const library: Permission = { application: ["Library.Manage"], delegated: ["Library.Manage"] }

/**
 * Describes a permission for a person.
 *
 * @since 0.1.0
 * @category formatting
 */
export const describe = ({ application, delegated }: Permission): string => {
  const [apps, users] = [application.join(" or "), delegated.join(" or ")]
  return apps === users ? apps : `${apps} (apps), or ${users} (users)`
}

/**
 * Says which permission a token lacks, and where it is granted. `undefined` where the token has enough.
 *
 * **Gotchas**
 *
 * The claims are a hint: the API may decide otherwise.
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
 * @category predicates
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
