/**
 * How this program signs in.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import type * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { CredentialError, fromEntra, Missing } from "./CredentialError.ts"
import * as ForeignNumber from "./internal/foreignNumber.ts"
import { only } from "./internal/schedule.ts"
import { Timing } from "./Timing.ts"
import * as SecretFile from "./SecretFile.ts"

/**
 * @since 0.1.0
 * @category services
 */
export interface Service {
  /** A bearer token for the API. Cheap to ask for: a token is kept until shortly before it expires. */
  readonly token: Effect.Effect<Redacted.Redacted<string>, CredentialError>

  /**
   * Forgets this token where it is still the one that is given out, so that the next one is new. For a token that the
   * API refused: many calls may say so of the same one, and the first of them has it renewed. `claims` is what the next
   * one must have, where the API says so (a claims challenge), as JSON text.
   */
  readonly invalidate: (
    refused: Redacted.Redacted<string>,
    options?: { readonly claims?: string },
  ) => Effect.Effect<void>
}

/**
 * Gives the bearer token that the API wants. core has layers that need no dependency; `@live-response/node` has the
 * rest through `@azure/identity`.
 *
 * @since 0.1.0
 * @category services
 */
export class Credential extends Context.Service<Credential, Service>()("@live-response/core/Credential") {}

/**
 * A token as it is, from wherever it was had. It can't be renewed: after an hour the batch ends.
 *
 * @example
 * ```ts
 * import * as Credential from "@live-response/core/Credential"
 * import * as Redacted from "effect/Redacted"
 *
 * export const signIn = Credential.layerToken(Redacted.make("eyJ0eXAi..."))
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layerToken = (token: Redacted.Redacted<string>): Layer.Layer<Credential> =>
  Layer.succeed(Credential, { token: Effect.succeed(token), invalidate: () => Effect.void })

/**
 * A token from `Config`, by default from `LIVE_RESPONSE_TOKEN`. Fails with reason `Missing` where there is none.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerTokenConfig = (
  token: Config.Config<Redacted.Redacted<string>> = Config.Redacted("LIVE_RESPONSE_TOKEN"),
): Layer.Layer<Credential, CredentialError> =>
  Layer.unwrap(
    Effect.map(
      Effect.mapError(token, () => missing()),
      layerToken,
    ),
  )

/**
 * A token from a file that somebody else keeps fresh: it is read for every call, so that a new one is used at once. The
 * file may be UTF-8 or UTF-16, as PowerShell writes it. Logs a warning if others on this machine may open the file.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerTokenFile = (path: string): Layer.Layer<Credential, never, FileSystem.FileSystem> =>
  Layer.effect(
    Credential,
    Effect.map(
      Effect.tap(FileSystem.FileSystem, () => SecretFile.warnIfShared(path)),
      (fs) => ({
        token: SecretFile.read(path).pipe(
          Effect.provideService(FileSystem.FileSystem, fs),
          Effect.mapError((error) => missing(`can't read the token file ${path} (${error.reason._tag})`)),
          Effect.filterOrFail(
            (text) => text !== "",
            () => missing(`the token file ${path} is empty`),
          ),
          Effect.map((text) => Redacted.make(text)),
        ),
        invalidate: () => Effect.void,
      }),
    ),
  )

const missing = (description?: string) =>
  new CredentialError({ reason: new Missing(description === undefined ? {} : { description }) })

/**
 * A token that was issued, and until when it is good, in milliseconds since 1970.
 *
 * @since 0.1.0
 * @category models
 */
export interface Issued {
  readonly token: Redacted.Redacted<string>
  readonly expires: number
}

/** Renewed in the background from here on, and waited for a little before the end. */
const ahead = 5 * 60 * 1000
const margin = 2 * 60 * 1000

/** How long a token is used in any case: where this machine's clock is wrong, it seems to be old at once. */
const shortestUse = 60 * 1000

/** So long after a renewal in the background comes the next one, where the token is still the old one. */
const pause = 30 * 1000

/** How long a call waits for a new token while the old one is still good. */
const patienceOfCall = 10 * 1000

interface Kept extends Issued {
  readonly usableUntil: number
  readonly renewAt: number
}

const keep = ({ token, ...issued }: Issued, now: number): Kept => {
  const expires = ForeignNumber.instant(issued.expires)
  const life = Math.max(0, expires - now)
  return {
    token,
    expires,
    usableUntil: Math.max(expires - Math.min(margin, life / 4), now + shortestUse),
    renewAt: Math.max(expires - ahead, now + Math.max(life / 2, pause)),
  }
}

/**
 * A credential that keeps what `issue` gives. One request at a time asks for a token. Five minutes before it expires it
 * is renewed in the background, so that no call waits; two minutes before, calls wait for the new one. A sign-in server
 * that is out of reach is asked again as `Timing` says. The first failure of a renewal is logged as a warning.
 * `issue` hears whether the API refused the last token, which is not to be given again, and which claims the next one
 * must have.
 *
 * @example
 * ```ts
 * import * as Credential from "@live-response/core/Credential"
 * import * as Effect from "effect/Effect"
 * import * as Layer from "effect/Layer"
 * import * as Redacted from "effect/Redacted"
 *
 * // A vault of one's own.
 * export const signIn = Layer.effect(
 *   Credential.Credential,
 *   Credential.make(() => Effect.succeed({ token: Redacted.make("eyJ0eXAi..."), expires: Number.MAX_SAFE_INTEGER })),
 * )
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = Effect.fnUntraced(function* (
  issue: (last: {
    readonly refused: boolean
    readonly claims?: string | undefined
  }) => Effect.Effect<Issued, CredentialError>,
): Effect.fn.Return<Service, never, Scope.Scope> {
  const scope = yield* Effect.scope
  const policy = yield* Timing
  let kept: Kept | undefined
  let refused: { readonly token: string; readonly claims: string | undefined } | undefined
  let isWarned = false
  let underWay: Deferred.Deferred<Kept, CredentialError> | undefined

  /** Warns once until a renewal succeeds, and only while the old token serves: after that the calls fail. */
  const warn = Effect.fnUntraced(function* (error: CredentialError) {
    if (isWarned || kept === undefined || (yield* Clock.currentTimeMillis) >= kept.expires) return
    isWarned = true
    const end = DateTime.formatIso(DateTime.makeUnsafe(kept.expires))
    yield* Effect.logWarning(`the token could not be renewed yet, the current one expires at ${end}: ${error.message}`)
  })

  const ask = (last: Parameters<typeof issue>[0], policy: Schedule.Schedule<unknown, CredentialError>) =>
    Effect.suspend(() => issue(last)).pipe(Effect.tapError(warn), Effect.retry(only(policy, isRetryable)))

  const renew = Effect.gen(function* () {
    // Who was signed in once is worth more patience than who may have mistyped the server's name.
    const patience = kept === undefined && refused === undefined ? policy.signIn : policy.renewal
    const first = yield* ask({ refused: refused !== undefined, claims: refused?.claims }, patience)
    // Refused meanwhile, it would be given again out of a cache.
    const isRefused = Redacted.value(first.token) === refused?.token
    const issued = isRefused ? yield* ask({ refused: true, claims: refused?.claims }, patience) : first
    kept = keep(issued, yield* Clock.currentTimeMillis)
    refused = undefined
    isWarned = false
    return kept
  })

  /** One request at a time, for all who ask: it belongs to none of them, and ends with the scope. */
  const renewal = Effect.suspend(() => {
    if (underWay !== undefined) return Effect.succeed(underWay)
    const answer = Deferred.makeUnsafe<Kept, CredentialError>()
    underWay = answer
    return Effect.map(Effect.forkIn(renew, scope), (fiber) => {
      // Also where the scope has ended, and the fiber never starts.
      fiber.addObserver((exit) => {
        underWay = undefined
        Deferred.doneUnsafe(answer, exit)
      })
      return answer
    })
  }).pipe(Effect.uninterruptible)

  /** Until its very end the old token is better than none; who could not renew it now is not asked by every call. */
  const waitShortly = (old: Kept, now: number) => {
    const goOn = Effect.sync(() => {
      if (kept === old) kept = { ...old, usableUntil: Math.min(old.expires, now + pause) }
      return old
    })
    return renewal.pipe(
      Effect.flatMap(Deferred.await),
      Effect.timeoutOrElse({ duration: Math.min(patienceOfCall, old.expires - now), orElse: () => goOn }),
      Effect.catch(() => goOn),
    )
  }

  return {
    token: Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      if (kept === undefined || now >= Math.max(kept.expires, kept.usableUntil)) {
        return (yield* Effect.flatMap(renewal, Deferred.await)).token
      }
      if (now >= kept.usableUntil) return (yield* waitShortly(kept, now)).token
      if (now >= kept.renewAt) {
        kept = { ...kept, renewAt: now + pause }
        yield* renewal
      }
      return kept.token
    }),
    invalidate: (token, options) =>
      Effect.sync(() => {
        if (kept === undefined || Redacted.value(kept.token) !== Redacted.value(token)) return
        kept = undefined
        refused = { token: Redacted.value(token), claims: options?.claims }
      }),
  }
})

const isRetryable = (error: CredentialError): error is CredentialError => error.isRetryable

/**
 * What `@azure/identity` and others call a token credential. `getToken` rejects, or gives null, where there is no token.
 *
 * @since 0.1.0
 * @category models
 */
export interface TokenCredential {
  readonly getToken: (
    scopes: string | Array<string>,
    options?: { readonly abortSignal?: AbortSignal; readonly claims?: string },
  ) => Promise<{ readonly token: string; readonly expiresOnTimestamp: number } | null>
}

/**
 * @since 0.1.0
 * @category options
 */
export interface TokenCredentialOptions {
  readonly credential: TokenCredential

  /** The audience with `/.default` behind it. */
  readonly scope: string

  /** Says what a rejection means. By default it is a refusal, with the first line of the rejection. */
  readonly onError?: ((cause: unknown) => CredentialError) | undefined

  /**
   * Used once the API refused a token: a credential that does not give it again out of a cache of its own. By default
   * the same one.
   */
  readonly afterRefusal?: (() => TokenCredential) | undefined
}

/**
 * Makes a credential of anything with `getToken(scopes)`; it is kept and renewed as {@link make} does it.
 *
 * @example
 * ```ts
 * import * as Credential from "@live-response/core/Credential"
 *
 * const workload: Credential.TokenCredential = {
 *   getToken: () => Promise.resolve({ token: "eyJ0eXAi...", expiresOnTimestamp: Number.MAX_SAFE_INTEGER }),
 * }
 *
 * export const signIn = Credential.layerTokenCredential({
 *   credential: workload,
 *   scope: "https://api.securitycenter.microsoft.com/.default",
 * })
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromTokenCredential = (options: TokenCredentialOptions): Effect.Effect<Service, never, Scope.Scope> => {
  let { credential } = options
  return make(({ claims, refused }) =>
    Effect.tryPromise({
      try: (abortSignal) => {
        if (refused && options.afterRefusal !== undefined) credential = options.afterRefusal()
        return credential.getToken(options.scope, { abortSignal, ...(claims === undefined ? {} : { claims }) })
      },
      catch: options.onError ?? rejection,
    }).pipe(
      Effect.flatMap((answer) =>
        answer === null
          ? Effect.fail(missing())
          : Effect.succeed({ token: Redacted.make(answer.token), expires: answer.expiresOnTimestamp }),
      ),
    ),
  )
}

const rejection = (cause: unknown) =>
  fromEntra({ error: "unknown_error", description: cause instanceof Error ? cause.message : String(cause) })

/**
 * {@link fromTokenCredential} as a layer.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerTokenCredential = (options: TokenCredentialOptions): Layer.Layer<Credential> =>
  Layer.effect(Credential, fromTokenCredential(options))
