import type { DeviceCodeCredentialOptions } from "@azure/identity"
import * as Effect from "effect/Effect"

type Policy = NonNullable<DeviceCodeCredentialOptions["additionalPolicies"]>[number]["policy"]

const isPoll = (body: unknown): boolean => typeof body === "string" && body.includes("device_code=")

/**
 * Entra asks whoever polls for a device code too often to slow down, by five seconds each time. MSAL (7.2) takes that for
 * a refusal, and the sign-in is lost: here it becomes the answer that MSAL knows, and the pause is kept.
 *
 * @see https://www.rfc-editor.org/rfc/rfc8628#section-3.5
 */
export const slowDownPolicy = (): Policy => {
  let seconds = 0
  return {
    name: "deviceCodeSlowDown",
    sendRequest: (request, next) =>
      isPoll(request.body)
        ? Effect.runPromise(
            Effect.gen(function* () {
              yield* Effect.sleep(seconds * 1000)
              const response = yield* Effect.tryPromise(() => next(request))
              if (!/"error"\s*:\s*"slow_down"/.test(response.bodyAsText ?? "")) return response
              seconds += 5
              return { ...response, bodyAsText: '{"error":"authorization_pending"}' }
            }),
          )
        : next(request),
  }
}
