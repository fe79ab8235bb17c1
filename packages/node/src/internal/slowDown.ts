import type { DeviceCodeCredentialOptions } from "@azure/identity"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"

type Policy = NonNullable<DeviceCodeCredentialOptions["additionalPolicies"]>[number]["policy"]

type Response = Awaited<ReturnType<Policy["sendRequest"]>>

const isPoll = (body: unknown): boolean => typeof body === "string" && body.includes("device_code=")

const decode = Schema.decodeUnknownOption(
  Schema.fromJsonString(Schema.Struct({ error: Schema.String, error_description: Schema.optional(Schema.String) })),
)

/** The error of an answer together with its description, because MSAL passes on the error alone. */
const withDescription = ({ error, error_description }: Option.Option.Value<ReturnType<typeof decode>>) =>
  error_description === undefined ? error : `${error}: ${error_description}`

const isAskingForCode = (url: string): boolean => /\/devicecode(\?|$)/.test(url)

/**
 * Corrects what MSAL (7.2) makes of three answers to a sign-in by device code.
 *
 * - `slow_down`: Entra asks for five more seconds between polls. MSAL takes it for a refusal. It becomes
 *   `authorization_pending`, and the polls wait longer.
 * - A refusal: MSAL drops its description, which becomes a part of the error.
 * - A refusal of the code itself: MSAL does not notice it and polls without a code. The polls get that refusal.
 *
 * @see https://www.rfc-editor.org/rfc/rfc8628#section-3.5
 */
export const slowDownPolicy = (): Policy => {
  let seconds = 0
  let withoutCode: Response | undefined
  const refusedOr = (response: Response): Response => {
    const answer = Option.getOrUndefined(decode(response.bodyAsText ?? ""))
    if (answer === undefined || answer.error === "authorization_pending") return response
    if (answer.error !== "slow_down") {
      return { ...response, bodyAsText: JSON.stringify({ error: withDescription(answer) }) }
    }
    seconds += 5
    return { ...response, bodyAsText: '{"error":"authorization_pending"}' }
  }
  const poll: Policy["sendRequest"] = (request, next) =>
    Effect.sleep(seconds * 1000).pipe(
      Effect.andThen(Effect.tryPromise(() => next(request))),
      Effect.map(refusedOr),
      Effect.runPromise,
    )
  const askForCode: Policy["sendRequest"] = (request, next) =>
    next(request).then((response) => {
      withoutCode = Option.isSome(decode(response.bodyAsText ?? "")) ? refusedOr(response) : undefined
      return response
    })
  return {
    name: "deviceCodeSlowDown",
    sendRequest: (request, next) => {
      if (isAskingForCode(request.url)) return askForCode(request, next)
      if (!isPoll(request.body)) return next(request)
      return withoutCode === undefined ? poll(request, next) : Promise.resolve(withoutCode)
    },
  }
}
