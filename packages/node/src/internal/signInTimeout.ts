/** A limit on how long a credential of `@azure/identity` may take to sign in. */
import { AsyncLocalStorage } from "node:async_hooks"
import type { TokenCredential } from "@live-response/core/Credential"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { noAnswer } from "./azureError.ts"

/** For a sign-in that asks no user. */
export const signInTimeout = Duration.seconds(10)

/** The signal that the requests of a sign-in end with: MSAL passes none on. */
export const deadline = new AsyncLocalStorage<AbortSignal>()

/**
 * Limits how long a credential waits. `@azure/identity` has no limit for a server that accepts a connection and sends
 * nothing, and waits for as long as a server asks, without reporting it.
 */
export const withTimeout = (credential: TokenCredential, timeout: Duration.Duration): TokenCredential => ({
  getToken: (scopes, options) =>
    Effect.runPromise(
      Effect.promise((signal) => deadline.run(signal, () => credential.getToken(scopes, options))).pipe(
        Effect.timeoutOrElse({ duration: timeout, orElse: () => Effect.die(noAnswer(timeout)) }),
      ),
      options?.abortSignal === undefined ? {} : { signal: options.abortSignal },
    ),
})
