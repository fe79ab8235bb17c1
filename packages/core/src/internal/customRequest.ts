/** Requests of the program that uses this library: where they may go, and what they get back. */
import * as Effect from "effect/Effect"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import { DefenderError, OtherServer } from "../DefenderError.ts"

/** A request for a path of the API, or for an address on its server. Another server must not get the token. */
export const resolve = (
  operation: string,
  request: HttpClientRequest.HttpClientRequest,
  base: string,
): Effect.Effect<HttpClientRequest.HttpClientRequest, DefenderError> => {
  const server = URL.parse(base)
  const url = URL.parse(request.url)
  if (url === null) return Effect.succeed(HttpClientRequest.prependUrl(request, base))
  return url.origin === server?.origin && url.username === "" && url.password === ""
    ? Effect.succeed(request)
    : Effect.fail(new DefenderError({ operation, reason: new OtherServer({ host: url.host }) }))
}

/** Whether a request changes nothing, so that it may be sent twice. */
export const isSafe = ({ method }: HttpClientRequest.HttpClientRequest): boolean =>
  method === "GET" || method === "HEAD" || method === "OPTIONS"

/** The answer with the body that was read. It has the request without the token. */
export const responseOf = (
  request: HttpClientRequest.HttpClientRequest,
  { headers, status }: HttpClientResponse.HttpClientResponse,
  body: string,
): HttpClientResponse.HttpClientResponse =>
  HttpClientResponse.fromWeb(request, new Response(isBodiless(status) ? null : body, { status, headers }))

/** The statuses of a success that a `Response` takes no body with. */
const isBodiless = (status: number): boolean => status === 204 || status === 205
