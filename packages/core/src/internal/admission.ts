/** What is known of the token before the API has accepted it: hints from its claims, and a limit on calls in flight. */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import * as Semaphore from "effect/Semaphore"
import * as AccessToken from "../AccessToken.ts"
import * as Permission from "../Permission.ts"

/** How many calls may be in flight until the API has accepted one. A token without the permission costs no more of them. */
const callsBeforeAccepted = 4

export interface Admission {
  /** Warns, once for each permission, of what the token's claims say against it. */
  readonly warn: (bearer: Redacted.Redacted<string>, permission: Permission.Permission) => Effect.Effect<void>

  /** The API accepted a call, so that the limit falls away. */
  readonly accepted: Effect.Effect<void>

  /** Runs a call within the limit. */
  readonly limit: <A, E, R>(call: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

export const make: Effect.Effect<Admission> = Effect.gen(function* () {
  const semaphore = yield* Semaphore.make(callsBeforeAccepted)
  const warned = new Set<Permission.Permission>()
  let isAccepted = false
  return {
    warn: Effect.fnUntraced(function* (bearer, permission) {
      if (warned.has(permission)) return
      warned.add(permission)
      const claims = AccessToken.claims(bearer)
      if (Option.isNone(claims)) return
      const doubts = warned.size > 1 ? [] : AccessToken.doubts(claims.value, yield* DateTime.now)
      const problem = Permission.missing(claims.value, permission) ?? Permission.doubt(claims.value, permission)
      for (const doubt of problem === undefined ? doubts : [...doubts, problem]) yield* Effect.logWarning(doubt)
    }),

    accepted: Effect.suspend(() => {
      if (isAccepted) return Effect.void
      isAccepted = true
      return semaphore.resize(Number.MAX_SAFE_INTEGER)
    }),

    limit: (call) => Effect.suspend(() => (isAccepted ? call : semaphore.withPermits(1)(call))),
  }
})
