/**
 * How this program signs in.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Ref from "effect/Ref"
import * as Semaphore from "effect/Semaphore"
import { CredentialError, Missing, Refused } from "./CredentialError.ts"

/**
 * @since 0.1.0
 * @category services
 */
export interface Service {
  /** A bearer token for the API. Cheap to ask for: a token is kept until shortly before it expires. */
  readonly token: Effect.Effect<Redacted.Redacted<string>, CredentialError>

  /** Forgets the token, so that the next one is new. For a token that the API refused. */
  readonly invalidate: Effect.Effect<void>
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
  Layer.succeed(Credential, { token: Effect.succeed(token), invalidate: Effect.void })

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
      Effect.mapError(token, () => new CredentialError({ reason: new Missing() })),
      layerToken,
    ),
  )

/**
 * What `@azure/identity` and others call a token credential. `getToken` rejects, or gives null, where there is no token.
 *
 * @since 0.1.0
 * @category models
 */
export interface TokenCredential {
  readonly getToken: (
    scopes: string | Array<string>,
    options?: { readonly abortSignal?: AbortSignal },
  ) => Promise<{ readonly token: string; readonly expiresOnTimestamp: number } | null>
}

/**
 * Makes a credential of anything with `getToken(scopes)`. One request at a time asks for a token; it is kept until two
 * minutes before it expires.
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
export const fromTokenCredential = Effect.fnUntraced(function* (options: {
  readonly credential: TokenCredential
  /** The audience with `/.default` behind it. */
  readonly scope: string
  /** Says what a rejection means. By default it is a refusal, with the first line of the rejection. */
  readonly onError?: (cause: unknown) => CredentialError
}): Effect.fn.Return<Service> {
  const kept = yield* Ref.make<{ readonly token: Redacted.Redacted<string>; readonly expires: number } | undefined>(
    undefined,
  )
  const oneAtATime = yield* Semaphore.make(1)

  const renew = Effect.tryPromise({
    try: (abortSignal) => options.credential.getToken(options.scope, { abortSignal }),
    catch: options.onError ?? refused,
  }).pipe(
    Effect.flatMap((answer) =>
      answer === null
        ? Effect.fail(new CredentialError({ reason: new Missing() }))
        : Effect.succeed({ token: Redacted.make(answer.token), expires: answer.expiresOnTimestamp }),
    ),
    Effect.tap((token) => Ref.set(kept, token)),
  )

  const token = Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    const current = yield* Ref.get(kept)
    return current !== undefined && current.expires - now > margin ? current : yield* renew
  }).pipe(
    oneAtATime.withPermits(1),
    Effect.map((current) => current.token),
  )

  return { token, invalidate: Ref.set(kept, undefined) }
})

const margin = 2 * 60 * 1000

const refused = (cause: unknown) =>
  new CredentialError({
    reason: new Refused({
      description: (cause instanceof Error ? cause.message : String(cause)).split("\n", 1).join(),
    }),
  })

/**
 * {@link fromTokenCredential} as a layer.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerTokenCredential = (options: Parameters<typeof fromTokenCredential>[0]): Layer.Layer<Credential> =>
  Layer.effect(Credential, fromTokenCredential(options))
