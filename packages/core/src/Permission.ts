/**
 * The permissions that API calls need. The claims of a token are a hint whether it has them; the API decides.
 *
 * @since 0.1.0
 */
import * as AccessToken from "./AccessToken.ts"

/**
 * Permissions by the kind of token: of `application` for an app, of `delegated` for an app that acts on behalf of a user.
 *
 * @since 0.1.0
 * @category models
 */
export interface Names {
  readonly application: ReadonlyArray<string>
  readonly delegated: ReadonlyArray<string>
}

/**
 * The permissions for one kind of call, of which one suffices.
 *
 * **Details**
 *
 * `formerly` are those that suffice by older pages of Microsoft, but not by the newest: they may be refused.
 *
 * @since 0.1.0
 * @category models
 */
export interface Permission extends Names {
  readonly formerly?: Names | undefined
}

/**
 * To create download links for results.
 *
 * @see https://learn.microsoft.com/en-us/defender-endpoint/api/get-live-response-result
 * @since 0.1.0
 * @category permissions
 */
export const results: Permission = {
  application: ["Machine.ReadWrite.All"],
  delegated: ["Machine.LiveResponse"],
  formerly: { application: ["Machine.Read.All"], delegated: [] },
}

/**
 * To list and read machine actions.
 *
 * @see https://learn.microsoft.com/en-us/defender-endpoint/api/get-machineactions-collection
 * @since 0.1.0
 * @category permissions
 */
export const actions: Permission = {
  application: ["Machine.ReadWrite.All"],
  delegated: ["Machine.ReadWrite"],
  formerly: { application: ["Machine.Read.All"], delegated: ["Machine.Read"] },
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
 * To collect investigation packages.
 *
 * @see https://learn.microsoft.com/en-us/defender-endpoint/api/collect-investigation-package
 * @since 0.1.0
 * @category permissions
 */
export const packages: Permission = {
  application: ["Machine.CollectForensics"],
  delegated: ["Machine.CollectForensics"],
}

/**
 * To create download links for investigation packages.
 *
 * @see https://learn.microsoft.com/en-us/defender-endpoint/api/get-package-sas-uri
 * @since 0.1.0
 * @category permissions
 */
export const packageLinks: Permission = {
  application: ["Machine.Read.All", "Machine.ReadWrite.All"],
  delegated: ["Machine.CollectForensics"],
}

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
  const needed = lacking(claims, permission)
  if (needed.length === 0) return undefined
  const { holder, type } = ofToken(claims, permission)
  return `the ${holder}'s token lacks ${needed.join(" or ")}; grant it in Entra (${where(type)})`
}

/**
 * The permissions of which a token needs one for a call, because it has none of them: neither of these nor of those of Microsoft's
 * older pages. Empty where it has enough.
 *
 * @since 0.1.0
 * @category predicates
 */
export const lacking = (claims: AccessToken.Claims, permission: Permission): ReadonlyArray<string> => {
  const { formerly, needed } = ofToken(claims, permission)
  return isGranted(claims, needed) || isGranted(claims, formerly) ? [] : needed
}

/**
 * The permissions of Microsoft's newest page, of which a token has none, though one of an older page. Empty otherwise.
 *
 * @since 0.1.0
 * @category predicates
 */
export const doubtful = (claims: AccessToken.Claims, permission: Permission): ReadonlyArray<string> => {
  const { formerly, needed } = ofToken(claims, permission)
  return !isGranted(claims, needed) && isGranted(claims, formerly) ? needed : []
}

/**
 * Where in Entra a permission for such a token is granted.
 *
 * @since 0.1.0
 * @category formatting
 */
export const whereToGrant = (claims: AccessToken.Claims): string => `Entra (${where(ofToken(claims, run).type)})`

/**
 * Says that a token has only a permission that may no longer suffice. `undefined` where it has one that does, or none.
 *
 * @example
 * ```ts
 * import * as Permission from "@live-response/core/Permission"
 *
 * console.log(Permission.doubt({ roles: ["Machine.ReadWrite.All"] }, Permission.results)) // undefined
 * console.log(Permission.doubt({ roles: ["Machine.Read.All"] }, Permission.results)?.includes("may not suffice")) // true
 * ```
 *
 * @since 0.1.0
 * @category predicates
 */
export const doubt = (claims: AccessToken.Claims, permission: Permission): string | undefined => {
  const needed = doubtful(claims, permission)
  if (needed.length === 0) return undefined
  const { formerly, holder, type } = ofToken(claims, permission)
  return `the ${holder}'s token has ${formerly.join(" or ")}, which may not suffice any more: Microsoft's newest page names ${needed.join(" or ")}; if the API refuses the call, grant it in Entra (${where(type)})`
}

/**
 * The permission that a token has for a call, if any.
 *
 * @since 0.1.0
 * @category predicates
 */
export const held = (claims: AccessToken.Claims, permission: Permission): string | undefined =>
  ofToken(claims, permission).needed.find((name) => isGranted(claims, [name]))

const ofToken = (claims: AccessToken.Claims, { application, delegated, formerly }: Permission) =>
  AccessToken.kind(claims) === "app-only"
    ? { needed: application, formerly: formerly?.application ?? [], holder: "app", type: "application" }
    : { needed: delegated, formerly: formerly?.delegated ?? [], holder: "user", type: "delegated" }

const isGranted = (claims: AccessToken.Claims, names: ReadonlyArray<string>): boolean => {
  const granted = AccessToken.permissions(claims)
  return names.some((name) => granted.includes(name))
}

const where = (type: string): string =>
  `app registrations, API permissions, WindowsDefenderATP, as ${type} permission, with admin consent`
