import * as Option from "effect/Option"

const loopback = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/

/**
 * Parses a URL that a secret may be sent to: https anywhere, plain http on this machine alone. One with a user or a password
 * in it is not one: it would be shown wherever the address is.
 */
export const parse = (input: string): Option.Option<URL> => {
  const url = URL.parse(input)
  if (url === null || url.username !== "" || url.password !== "") return Option.none()
  const allowed = url.protocol === "https:" || (url.protocol === "http:" && loopback.test(url.hostname))
  return allowed ? Option.some(url) : Option.none()
}
