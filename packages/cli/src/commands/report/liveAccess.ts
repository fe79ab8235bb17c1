/**
 * Who may read a live page: everybody on this machine where it is on loopback, and else who has the token.
 */
import { createHash, timingSafeEqual } from "node:crypto"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"

import * as Failure from "../../Failure.ts"
import type { Listen } from "../../flags/Listen.ts"

export interface Access {
  /** Without one, only requests to a name of this machine are answered. */
  readonly token: Redacted.Redacted<string> | undefined
}

/** What is known of a request. */
export interface Request {
  readonly host: string
  readonly authorization: string
  /** The value of our cookie. */
  readonly cookie: string
  /** The token in the address. */
  readonly query: string
}

export type Decision = "allowed" | "foreign host" | "no token" | "signs in"

/** The cookie in which a browser keeps the token. */
export const cookieName = "live_response"

const loopbackHosts = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d{1,5})?$/i

export const isLoopback = (host: string): boolean => loopbackHosts.test(host.includes(":") ? `[${host}]` : host)

/**
 * Whether a browser asks for a page of another site. The browser does not give that page the answer, but each answer is work.
 * A link may lead here.
 */
export const isOfOtherSite = (site = "none", mode: string | undefined): boolean =>
  site !== "none" && site !== "same-origin" && mode !== "navigate"

/** In characters. */
const shortestToken = 16

/** Who may read what is served at this address, by the environment. What is public needs no token. */
export const accessOf = Effect.fnUntraced(function* ({ host, text }: Listen, isPublic: boolean) {
  const token = Option.getOrUndefined(yield* Config.option(Config.Redacted("LIVE_RESPONSE_LISTEN_TOKEN")))
  if (token !== undefined && Redacted.value(token).length < shortestToken) {
    return yield* Failure.usage(`LIVE_RESPONSE_LISTEN_TOKEN must have at least ${shortestToken} characters`)
  }
  if (token === undefined && !isPublic && !isLoopback(host)) {
    return yield* Failure.usage(
      `--listen ${text} can be reached from other machines; set LIVE_RESPONSE_LISTEN_TOKEN to a secret that its readers send, or listen on 127.0.0.1`,
    )
  }
  return { token } satisfies Access
})

const hashOf = (text: string) => createHash("sha256").update(text).digest()

/** Takes the same time wherever the texts differ. */
const isSame = (given: string, token: Redacted.Redacted<string>): boolean =>
  timingSafeEqual(hashOf(given), hashOf(Redacted.value(token)))

/**
 * Decides about a request. Without a token, the name that a browser asked for must be one of this machine: a page of somebody else,
 * whose name leads here for a moment, must not read results.
 */
export const decide = ({ token }: Access, { authorization, cookie, host, query }: Request): Decision => {
  if (token === undefined) return loopbackHosts.test(host) ? "allowed" : "foreign host"
  if (isSame(authorization.replace(/^Bearer /i, ""), token) || isSame(cookie, token)) return "allowed"
  return isSame(query, token) ? "signs in" : "no token"
}
