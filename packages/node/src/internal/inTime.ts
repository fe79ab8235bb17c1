import type { TokenCredential } from "@live-response/core/Credential"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { noAnswer } from "./azureError.ts"

/**
 * Limits how long a credential waits. `@azure/identity` has no limit for a server that accepts a connection and sends
 * nothing, and waits for as long as a server asks, without reporting it.
 */
export const inTime = (credential: TokenCredential, patience: Duration.Duration): TokenCredential => ({
  getToken: (scopes, options) =>
    Effect.runPromise(
      Effect.promise(() => credential.getToken(scopes, options)).pipe(
        Effect.timeoutOrElse({ duration: patience, orElse: () => Effect.die(noAnswer(patience)) }),
      ),
      options?.abortSignal === undefined ? {} : { signal: options.abortSignal },
    ),
})
