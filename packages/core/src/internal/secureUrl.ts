import * as Option from "effect/Option"

const loopback = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/

/** Parses a URL that a secret may be sent to: https anywhere, plain http on this machine alone. */
export const parse = (input: string): Option.Option<URL> => {
  const url = URL.parse(input)
  if (url === null) return Option.none()
  const allowed = url.protocol === "https:" || (url.protocol === "http:" && loopback.test(url.hostname))
  return allowed ? Option.some(url) : Option.none()
}

/** The IPv4 address that an address of either kind means, as `URL` writes them. */
const ipv4 = (hostname: string): ReadonlyArray<number> | undefined => {
  if (/^\d+(\.\d+){3}$/.test(hostname)) return hostname.split(".").map(Number)
  const [, high, low] = /^\[::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})\]$/.exec(hostname) ?? []
  return high === undefined || low === undefined
    ? undefined
    : [high, low].flatMap((half) => [Number.parseInt(half, 16) >> 8, Number.parseInt(half, 16) & 255])
}

/**
 * Whether a host is on this machine or in a network of its own, as far as its name tells: loopback, private, link-local
 * and unspecified addresses, and names for this machine.
 */
export const isPrivate = ({ hostname }: URL): boolean => {
  const [a = -1, b = -1] = ipv4(hostname) ?? []
  return (
    [0, 10, 127].includes(a) ||
    (a === 100 && b >= 64 && b < 128) ||
    (a === 169 && b === 254) ||
    (a === 172 && b >= 16 && b < 32) ||
    (a === 192 && b === 168) ||
    /^\[(::1?|f[cd][0-9a-f]{2}:.*|fe[89ab][0-9a-f]:.*)\]$/.test(hostname) ||
    /(^|\.)(localhost|local|internal)\.?$/.test(hostname)
  )
}
