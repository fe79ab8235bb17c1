import { AsyncLocalStorage } from "node:async_hooks"
import type { TokenCredential } from "@live-response/core/Credential"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { noAnswer } from "./azureError.ts"

/** The signal that the requests of a sign-in end with: MSAL passes none on. */
export const deadline = new AsyncLocalStorage<AbortSignal>()

/**
 * A credential that does not wait for ever. A server that takes a connection and says nothing holds `@azure/identity` for
 * as long as it likes, and one that asks for two minutes of patience is given them without a word.
 */
export const inTime = (credential: TokenCredential, patience: Duration.Duration): TokenCredential => ({
  getToken: (scopes, options) =>
    Effect.runPromise(
      Effect.promise((signal) => deadline.run(signal, () => credential.getToken(scopes, options))).pipe(
        Effect.timeoutOrElse({ duration: patience, orElse: () => Effect.die(noAnswer(patience)) }),
      ),
      options?.abortSignal === undefined ? {} : { signal: options.abortSignal },
    ),
})
