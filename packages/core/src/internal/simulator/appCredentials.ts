/** How the simulated Entra checks the credential of an app: a secret, a certificate or the token of another issuer. */
import * as Effect from "effect/Effect"
import * as Base64Url from "effect/encoding/Base64Url"
import type * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { entraError, missingCredential } from "./errors.ts"
import type { App } from "./inputs.ts"

const jwtBearer = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

const decodeHeader = Schema.decodeUnknownOption(
  Schema.fromJsonString(
    Schema.Struct({
      alg: Schema.Literals(["RS256", "PS256"]),
      x5t: Schema.optional(Schema.String),
      "x5t#S256": Schema.optional(Schema.String),
    }),
  ),
)

const decodePayload = Schema.decodeUnknownOption(
  Schema.fromJsonString(Schema.Struct({ aud: Schema.String, iss: Schema.String, exp: Schema.Finite })),
)

const decodePart = (part: string) => Result.getOrElse(Base64Url.decodeString(part), () => "")

const algorithms = {
  RS256: { importing: { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" }, verifying: { name: "RSASSA-PKCS1-v1_5" } },
  PS256: { importing: { name: "RSA-PSS", hash: "SHA-256" }, verifying: { name: "RSA-PSS", saltLength: 32 } },
}

/** Whether an assertion is signed with the app's certificate, is meant for this endpoint and has not expired. */
const isValidAssertion = Effect.fnUntraced(function* (app: App, assertion: string, endpoint: string, now: number) {
  const [head = "", body = "", signature = ""] = assertion.split(".")
  const header = Option.getOrUndefined(decodeHeader(decodePart(head)))
  const payload = Option.getOrUndefined(decodePayload(decodePart(body)))
  const bytes = Result.getOrElse(Base64Url.decode(signature), () => new Uint8Array())
  if (header === undefined || payload === undefined || app.certificateKey === undefined) return false
  if ((header.x5t ?? header["x5t#S256"]) === undefined) return false
  if (payload.aud !== endpoint || payload.iss !== app.clientId || payload.exp * 1000 <= now) return false
  const { importing, verifying } = algorithms[header.alg]
  const { certificateKey } = app
  const signed = new TextEncoder().encode(`${head}.${body}`)
  return yield* Effect.promise(() =>
    crypto.subtle
      .importKey("spki", certificateKey, importing, false, ["verify"])
      .then((key) => crypto.subtle.verify(verifying, key, new Uint8Array(bytes), signed)),
  )
})

const checkAssertion = Effect.fnUntraced(function* (app: App, assertion: string, endpoint: string, now: number) {
  if (app.federatedToken !== undefined) {
    return assertion === app.federatedToken
      ? undefined
      : entraError(
          401,
          "invalid_client",
          700213,
          "No matching federated identity record found for presented assertion.",
        )
  }
  return (yield* isValidAssertion(app, assertion, endpoint, now))
    ? undefined
    : entraError(
        401,
        "invalid_client",
        700027,
        "The certificate with identifier used to sign the client assertion is not registered on application.",
      )
})

const checkSecret = (app: App, secret: string | null) => {
  if (secret === null) return missingCredential()
  if (secret !== app.clientSecret) {
    return entraError(
      401,
      "invalid_client",
      7000215,
      "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value.",
    )
  }
  return app.secretExpired === true
    ? entraError(401, "invalid_client", 7000222, "The provided client secret keys for app are expired.")
    : undefined
}

/** Returns the error for a request without a valid credential of the app, else nothing. */
export const check = Effect.fnUntraced(function* (
  app: App,
  form: URLSearchParams,
  endpoint: string,
  now: number,
): Effect.fn.Return<HttpServerResponse.HttpServerResponse | undefined> {
  const assertion = form.get("client_assertion")
  return assertion !== null && form.get("client_assertion_type") === jwtBearer
    ? yield* checkAssertion(app, assertion, endpoint, now)
    : checkSecret(app, form.get("client_secret"))
})
