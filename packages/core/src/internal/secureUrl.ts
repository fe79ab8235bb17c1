import * as Option from "effect/Option"

const loopback = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/

/** Parses a URL that a secret may be sent to: https anywhere, plain http on this machine alone. */
export const parse = (input: string): Option.Option<URL> => {
  const url = URL.parse(input)
  if (url === null) return Option.none()
  const allowed = url.protocol === "https:" || (url.protocol === "http:" && loopback.test(url.hostname))
  return allowed ? Option.some(url) : Option.none()
}
