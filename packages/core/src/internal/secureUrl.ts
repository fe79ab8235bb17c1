import * as Option from "effect/Option"
import * as PrivateHost from "../PrivateHost.ts"

/**
 * Parses a URL that a secret may be sent to: https anywhere, plain http on this machine and `plainHosts` alone, which are as a URL
 * writes its host. A URL with a user or a password is not one, because it would be shown in messages.
 */
export const parse = (input: string, plainHosts: ReadonlyArray<string> = []): Option.Option<URL> => {
  const url = URL.parse(input)
  if (url === null || url.username !== "" || url.password !== "") return Option.none()
  const isPlainAllowed = PrivateHost.isLoopback(url) || plainHosts.includes(url.hostname)
  const isAllowed = url.protocol === "https:" || (url.protocol === "http:" && isPlainAllowed)
  return isAllowed ? Option.some(url) : Option.none()
}
