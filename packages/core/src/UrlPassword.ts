/**
 * Passwords in URLs.
 *
 * @since 0.1.0
 */

/**
 * Whether the host of a URL may be the start of a password, because an `@` comes after the host.
 *
 * **When to use**
 *
 * Use it before the host is connected to or shown. A password with a `/`, `?` or `#` that is not encoded ends the host, and its `@` is then
 * a part of the path, the query or the fragment.
 *
 * @example
 * ```ts
 * import * as UrlPassword from "@live-response/core/UrlPassword"
 *
 * console.log(UrlPassword.mayBeHost(new URL("https://user:12/34@proxy.contoso.com"))) // true
 * console.log(UrlPassword.mayBeHost(new URL("https://user:12%2F34@proxy.contoso.com"))) // false
 * ```
 *
 * @since 0.1.0
 * @category predicates
 */
export const mayBeHost = ({ hash, pathname, search }: URL): boolean => `${pathname}${search}${hash}`.includes("@")
