import * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import * as Result from "effect/Result"

/** Whether a host is this machine. A URL has its IPv6 addresses in brackets. */
const isLoopback = (hostname: string): boolean =>
  hostname === "localhost" ||
  Result.match(NetAddress.ipFromString(hostname.replace(/^\[(.*)\]$/, "$1")), {
    onFailure: () => false,
    onSuccess: NetAddress.isLoopback,
  })

/**
 * Parses a URL that a secret may be sent to: https anywhere, plain http on this machine and `plainHosts` alone, which are as a URL
 * writes its host. A URL with a user or a password is not one, because it would be shown in messages.
 */
export const parse = (input: string, plainHosts: ReadonlyArray<string> = []): Option.Option<URL> => {
  const url = URL.parse(input)
  if (url === null || url.username !== "" || url.password !== "") return Option.none()
  const isPlainAllowed = isLoopback(url.hostname) || plainHosts.includes(url.hostname)
  const isAllowed = url.protocol === "https:" || (url.protocol === "http:" && isPlainAllowed)
  return isAllowed ? Option.some(url) : Option.none()
}
