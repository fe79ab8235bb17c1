/** When a token is renewed, and how long it is used. */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import * as ForeignNumber from "./foreignNumber.ts"

/** How long before its end a token is renewed in the background, in milliseconds. */
const renewAhead = 5 * 60 * 1000

/** How long before the end calls wait for the new token. */
const margin = 2 * 60 * 1000

/** How long a call waits for a new token while the old one is still valid, in milliseconds. */
export const callPatience = 10 * 1000

/** A token is used at least this long: if this machine's clock is wrong, it seems to be expired at once. */
const shortestUse = 60 * 1000

/** The time between two renewals in the background, while the token is still the old one. */
export const renewalPause = 30 * 1000

/** A token, and when it expires in milliseconds since 1970. */
interface Issued {
  readonly token: Redacted.Redacted<string>
  readonly expires: number
}

export interface Cached extends Issued {
  readonly usableUntil: number
  readonly renewAt: number
}

/** Warns that the token could not be renewed. */
export const warn = ({ expires }: Cached, why: string): Effect.Effect<void> => {
  const end = DateTime.formatIso(DateTime.makeUnsafe(expires))
  return Effect.logWarning(`the token could not be renewed yet, the current one expires at ${end}: ${why}`)
}

export const cached = ({ token, ...issued }: Issued, now: number): Cached => {
  const expires = ForeignNumber.instant(issued.expires)
  const life = Math.max(0, expires - now)
  return {
    token,
    expires,
    usableUntil: Math.max(expires - Math.min(margin, life / 4), now + shortestUse),
    renewAt: Math.max(expires - renewAhead, now + Math.max(life / 2, renewalPause)),
  }
}
