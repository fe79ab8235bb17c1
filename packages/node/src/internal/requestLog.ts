/** The lines of the debug log: one for each request. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import type { HttpClientError } from "effect/http/HttpClientError"
import type { HttpClientRequest } from "effect/http/HttpClientRequest"
import type { HttpClientResponse } from "effect/http/HttpClientResponse"
import * as LogLevel from "effect/LogLevel"

/** A line of the log has no query and no header, because they hold secrets. The range of a transfer is not one. */
const describe = ({ headers, method, url }: HttpClientRequest): string => {
  const address = URL.parse(url)
  const range = headers.range === undefined ? "" : ` ${headers.range}`
  return `${method} ${address === null ? "an address that is not a URL" : `${address.origin}${address.pathname}`}${range}`
}

const describeAnswer = ({ headers, status }: HttpClientResponse, time: Duration.Duration): string => {
  const length = headers["content-length"]
  return `${status} in ${Math.round(Duration.toMillis(time))} ms${length === undefined ? "" : `, ${length} bytes`}`
}

const logged = <E extends HttpClientError, R>(
  answer: Effect.Effect<HttpClientResponse, E, R>,
  request: HttpClientRequest,
): Effect.Effect<HttpClientResponse, E, R> =>
  Effect.timed(answer).pipe(
    Effect.tap(([time, response]) => Effect.logDebug(`${describe(request)}: ${describeAnswer(response, time)}`)),
    Effect.tapError(({ reason }) => Effect.logDebug(`${describe(request)}: no answer (${reason._tag})`)),
    Effect.map(([, response]) => response),
  )

/** A line that nobody reads is not written: its address would be parsed for every file. */
export const withDebugLog = (client: HttpClient.HttpClient): HttpClient.HttpClient =>
  HttpClient.transform(client, (answer, request) =>
    Effect.flatMap(LogLevel.isEnabled("Debug"), (isEnabled) => (isEnabled ? logged(answer, request) : answer)),
  )
