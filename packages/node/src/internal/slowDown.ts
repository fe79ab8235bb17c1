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

/** The error of an answer, with what Entra says about it: MSAL passes on no more than the name. */
const withDescription = ({ error, error_description }: Option.Option.Value<ReturnType<typeof decode>>) =>
  error_description === undefined ? error : `${error}: ${error_description}`

const isAskingForCode = (url: string): boolean => /\/devicecode(\?|$)/.test(url)

/**
 * Entra asks whoever polls for a device code too often to slow down, by five seconds each time. MSAL (7.2) takes that for
 * a refusal, and the sign-in is lost: here it becomes the answer that MSAL knows, and the pause is kept. Of a real refusal
 * MSAL drops the description, and one of the code itself it does not see: it polls with no code, and is refused here.
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
