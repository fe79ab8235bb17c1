/**
 * The credential that this program signs in with.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { CredentialError, fromEntra, Missing, Unusable } from "./CredentialError.ts"
import * as TokenRenewal from "./internal/tokenRenewal.ts"
import { only } from "./internal/scheduleCombinators.ts"
import * as Outage from "./Outage.ts"
import { type Settings, Timing } from "./Timing.ts"
import * as SecretFile from "./SecretFile.ts"
import * as StoreError from "./StoreError.ts"

/**
 * Provides and renews bearer tokens.
 *
 * @since 0.1.0
 * @category services
 */
export interface Service {
  /** A bearer token for the API. Reading it is cheap: a token is cached until shortly before it expires. */
  readonly token: Effect.Effect<Redacted.Redacted<string>, CredentialError>

  /**
   * Drops a token that the API refused, so that the next one is new.
   *
   * **Details**
   *
   * Many calls may report the same token, and only the first report counts. `claims` are the claims that the next token
   * must have, as JSON text, where the API says so (a claims challenge).
   */
  readonly invalidate: (
    refused: Redacted.Redacted<string>,
    options?: { readonly claims?: string },
  ) => Effect.Effect<void>
}

/**
 * The credential that this program signs in with. The layers of this package need no dependency; `@live-response/node` has
 * every other way to sign in through `@azure/identity`.
 *
 * @since 0.1.0
 * @category services
 */
export class Credential extends Context.Service<Credential, Service>()("@live-response/core/Credential") {}

/**
 * A fixed token, from any source.
 *
 * **Gotchas**
 *
 * It can't be renewed, so that a batch stops when it expires, usually after an hour.
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
 * A fixed token from `Config`, by default from `LIVE_RESPONSE_TOKEN`. Fails with reason `Missing` where it is not set.
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
 * A token from a file that another program renews.
 *
 * **Details**
 *
 * The file is read for every call, so that a new token is used at once. It may be UTF-8 or UTF-16, as PowerShell writes it.
 * A warning is logged if others on this machine may open the file.
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
          Effect.mapError((error) =>
            missing(`can't read the token file ${SecretFile.nameOf(path)} (${StoreError.describe(error)})`),
          ),
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
 * A token, and when it expires in milliseconds since 1970.
 *
 * @since 0.1.0
 * @category models
 */
export interface Issued {
  readonly token: Redacted.Redacted<string>
  readonly expires: number
}

/**
 * What is known of the token before: whether the API refused it, so that it must not be issued again, and the claims that
 * the next one must have.
 *
 * @since 0.1.0
 * @category models
 */
export interface Previous {
  readonly refused: boolean
  readonly claims?: string | undefined
}

/** What a credential knows. One renewal runs at a time. */
interface State {
  cached: TokenRenewal.Cached | undefined
  refused: { readonly token: string; readonly claims: string | undefined } | undefined
  /** Of renewals, while the old token is valid. */
  readonly outage: Outage.Outage<readonly [TokenRenewal.Cached, CredentialError]>
  renewal: Deferred.Deferred<TokenRenewal.Cached, CredentialError> | undefined
}

/**
 * Creates a credential that caches and renews what `issue` returns.
 *
 * **Details**
 *
 * One request for a token runs at a time. Five minutes before a token expires it is renewed in the background; two minutes
 * before, calls wait for the new one. While the sign-in server can't be reached it is asked again as `Timing.signIn` and
 * `Timing.renewal` say. The first failure of a renewal is logged as a warning, and the success after it.
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
  issue: (previous: Previous) => Effect.Effect<Issued, CredentialError>,
): Effect.fn.Return<Service, never, Scope.Scope> {
  const scope = yield* Effect.scope
  const timing = yield* Timing
  const outage = Outage.make<readonly [TokenRenewal.Cached, CredentialError]>({
    onStart: ([cached, { message }]) => TokenRenewal.warn(cached, message),
    onEnd: Effect.logInfo("the token was renewed"),
  })
  const state: State = { cached: undefined, refused: undefined, outage, renewal: undefined }
  const renewal = sharedRenewal(state, renew(state, issue, timing), scope)
  const renewed = Effect.flatMap(renewal, Deferred.await)
  return {
    token: Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      const { cached } = state
      if (cached === undefined || now >= Math.max(cached.expires, cached.usableUntil)) return (yield* renewed).token
      if (now >= cached.usableUntil) return (yield* renewedOrCached(state, renewed, cached, now)).token
      if (now >= cached.renewAt) {
        state.cached = { ...cached, renewAt: now + TokenRenewal.renewalPause }
        yield* renewal
      }
      return cached.token
    }),
    invalidate: (token, options) =>
      Effect.sync(() => {
        if (state.cached === undefined || Redacted.value(state.cached.token) !== Redacted.value(token)) return
        state.cached = undefined
        state.refused = { token: Redacted.value(token), claims: options?.claims }
      }),
  }
})

/** Requests a token and caches it. */
const renew = Effect.fnUntraced(function* (
  state: State,
  issue: (previous: Previous) => Effect.Effect<Issued, CredentialError>,
  timing: Pick<Settings, "signIn" | "renewal">,
) {
  // A credential that has signed in once is worth more patience than one whose server may be mistyped.
  const schedule = state.cached === undefined && state.refused === undefined ? timing.signIn : timing.renewal
  const request = (previous: Previous) =>
    Effect.suspend(() => issue(previous)).pipe(
      Effect.tapError((error) => warn(state, error)),
      Effect.retry(only(schedule, isRetryable)),
    )
  const first = yield* request({ refused: state.refused !== undefined, claims: state.refused?.claims })
  // A token that the API refused in the meantime comes again from a cache of the credential.
  const isRefused = Redacted.value(first.token) === state.refused?.token
  const issued = isRefused ? yield* request({ refused: true, claims: state.refused?.claims }) : first
  const cached = TokenRenewal.cached(issued, yield* Clock.currentTimeMillis)
  state.cached = cached
  state.refused = undefined
  yield* state.outage.works
  return cached
})

/** Warns only while the old token is valid: after that the calls fail. */
const warn = Effect.fnUntraced(function* ({ cached, outage }: State, error: CredentialError) {
  if (cached === undefined || (yield* Clock.currentTimeMillis) >= cached.expires) return
  yield* outage.failed([cached, error])
})

/** Starts a renewal, or joins the one in progress. It belongs to no call, and stops with the scope. */
const sharedRenewal = (state: State, renew: Effect.Effect<TokenRenewal.Cached, CredentialError>, scope: Scope.Scope) =>
  Effect.suspend(() => {
    if (state.renewal !== undefined) return Effect.succeed(state.renewal)
    const answer = Deferred.makeUnsafe<TokenRenewal.Cached, CredentialError>()
    state.renewal = answer
    return Effect.map(Effect.forkIn(renew, scope), (fiber) => {
      // An observer also hears of a fiber that never starts, because the scope was closed.
      fiber.addObserver((exit) => {
        state.renewal = undefined
        Deferred.doneUnsafe(answer, exit)
      })
      return answer
    })
  }).pipe(Effect.uninterruptible)

/** The new token where it comes soon, else the old one: it is valid to its end. Calls then wait again after a pause. */
const renewedOrCached = (
  state: State,
  renewed: Effect.Effect<TokenRenewal.Cached, CredentialError>,
  cached: TokenRenewal.Cached,
  now: number,
): Effect.Effect<TokenRenewal.Cached> => {
  const useCached = Effect.sync(() => {
    if (state.cached === cached) {
      state.cached = { ...cached, usableUntil: Math.min(cached.expires, now + TokenRenewal.renewalPause) }
    }
    return cached
  })
  return renewed.pipe(
    Effect.timeoutOrElse({
      duration: Math.min(TokenRenewal.callPatience, cached.expires - now),
      orElse: () => useCached,
    }),
    Effect.catch(() => useCached),
  )
}

const isRetryable = (error: CredentialError): error is CredentialError => error.isRetryable

/**
 * A token credential of `@azure/identity`, or of anything with the same shape. `getToken` rejects, or resolves to null,
 * where there is no token.
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

  /** The audience, followed by `/.default`. */
  readonly scope: string

  /** Maps a rejection to an error. By default it is a refusal, with the first line of the rejection. */
  readonly onError?: ((cause: unknown) => CredentialError) | undefined

  /**
   * Creates the credential that is used after the API refused a token. It must not return that token from a cache of its
   * own. By default the same credential is used.
   */
  readonly afterRefusal?: (() => TokenCredential) | undefined
}

/**
 * Creates a credential from anything with `getToken(scopes)`. Its tokens are cached and renewed as {@link make} does it.
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
        answer === null ? Effect.fail(missing()) : Effect.mapError(decodeAnswer(answer), () => unreadable),
      ),
      Effect.map(({ expiresOnTimestamp, token }) => ({ token: Redacted.make(token), expires: expiresOnTimestamp })),
    ),
  )
}

/** The credential is code of others, which the compiler may not have checked. */
const decodeAnswer = Schema.decodeUnknownEffect(
  Schema.Struct({ token: Schema.String, expiresOnTimestamp: Schema.Number }),
)

const unreadable = new CredentialError({
  reason: new Unusable({ description: "getToken did not resolve to { token, expiresOnTimestamp }" }),
})

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
