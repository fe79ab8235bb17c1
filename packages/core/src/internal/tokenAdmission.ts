/** What is known of the token before the API has accepted it: hints from its claims, and a limit on calls in flight. */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import * as Semaphore from "effect/Semaphore"
import * as AccessToken from "../AccessToken.ts"
import * as Permission from "../Permission.ts"

/**
 * How many calls of a permission may be in flight until the API has accepted one. A token without the permission costs no more
 * of them. That it may read the library says nothing of sessions.
 */
const callsBeforeAccepted = 4

export interface Admission {
  /** Warns, once for each permission, of what the token's claims say against it. */
  readonly warn: (bearer: Redacted.Redacted<string>, permission: Permission.Permission) => Effect.Effect<void>

  /** The API accepted a call of this permission, so that its limit falls away. */
  readonly accepted: (permission: Permission.Permission) => Effect.Effect<void>

  /** Runs a call within the limit of its permission. */
  readonly limit: <A, E, R>(permission: Permission.Permission, call: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

export const make: Effect.Effect<Admission> = Effect.sync(() => {
  const warned = new Set<Permission.Permission>()
  const limits = new Map<Permission.Permission, { readonly semaphore: Semaphore.Semaphore; isAccepted: boolean }>()
  const limitOf = (permission: Permission.Permission) => {
    const known = limits.get(permission)
    if (known !== undefined) return known
    const limit = { semaphore: Semaphore.makeUnsafe(callsBeforeAccepted), isAccepted: false }
    limits.set(permission, limit)
    return limit
  }
  const warnOnce = Effect.fnUntraced(function* (bearer: Redacted.Redacted<string>, permission: Permission.Permission) {
    warned.add(permission)
    const claims = AccessToken.claims(bearer)
    if (Option.isNone(claims)) return
    const doubts = warned.size > 1 ? [] : AccessToken.doubts(claims.value, yield* DateTime.now)
    const problem = Permission.missing(claims.value, permission) ?? Permission.doubt(claims.value, permission)
    for (const doubt of problem === undefined ? doubts : [...doubts, problem]) yield* Effect.logWarning(doubt)
  })
  return {
    warn: (bearer, permission) =>
      Effect.suspend(() => (warned.has(permission) ? Effect.void : warnOnce(bearer, permission))),

    accepted: (permission) =>
      Effect.suspend(() => {
        const limit = limitOf(permission)
        if (limit.isAccepted) return Effect.void
        limit.isAccepted = true
        return limit.semaphore.resize(Number.MAX_SAFE_INTEGER)
      }),

    limit: (permission, call) =>
      Effect.suspend(() => {
        const { isAccepted, semaphore } = limitOf(permission)
        return isAccepted ? call : semaphore.withPermits(1)(call)
      }),
  }
})
