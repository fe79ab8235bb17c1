/** The address of a Redis, read as a whole before anything connects: what the client can't read, it throws. */
import * as UrlPassword from "@live-response/core/UrlPassword"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"

export interface RedisAddress {
  readonly host: string
  readonly port: number
  readonly tls: boolean
  readonly database: number
  readonly username: string | undefined
  readonly password: Redacted.Redacted<string> | undefined
}

/** What a text that can't be read is to be, without what it is. */
export const expected = "an address of Redis, such as redis://:password@host:6379/0"

const decode = Option.liftThrowable(decodeURIComponent)

/** A part that is absent is an empty text in a URL. */
const nonEmpty = (text: string): string | undefined => (text === "" ? undefined : text)

export const parse = (text: Redacted.Redacted<string>): Option.Option<RedisAddress> => {
  const url = /^rediss?:\/\/\S+$/.test(Redacted.value(text)) ? URL.parse(Redacted.value(text)) : null
  const database = /^(?:\/(\d{0,5}))?$/.exec(url?.pathname ?? "-")
  if (url === null || url.hostname === "" || database === null) return Option.none()
  if (UrlPassword.mayBeHost(url)) return Option.none()
  const { hostname, port, protocol } = url
  return Option.map(Option.all([decode(url.username), decode(url.password)]), ([username, password]) => ({
    host: hostname.replace(/^\[(.*)\]$/, "$1"),
    port: port === "" ? 6379 : Number(port),
    tls: protocol === "rediss:",
    database: Number(database[1] ?? 0),
    username: nonEmpty(username),
    password: password === "" ? undefined : Redacted.make(password),
  }))
}
