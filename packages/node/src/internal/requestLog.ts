/** The lines of the debug log: one for each request. */
import * as BorrowedBody from "@live-response/core/BorrowedBody"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
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

const logged = <A, E extends HttpClientError, R>(
  answer: Effect.Effect<A, E, R>,
  request: HttpClientRequest,
  responseOf: (answer: A) => HttpClientResponse,
): Effect.Effect<A, E, R> =>
  Effect.timed(answer).pipe(
    Effect.tap(([time, answer]) =>
      Effect.logDebug(`${describe(request)}: ${describeAnswer(responseOf(answer), time)}`),
    ),
    Effect.tapError(({ reason }) => Effect.logDebug(`${describe(request)}: no answer (${reason._tag})`)),
    Effect.map(([, answer]) => answer),
  )

/** A line that nobody reads is not written: its address would be parsed for every file. */
const unlessUnread = <A, E extends HttpClientError, R>(
  answer: Effect.Effect<A, E, R>,
  request: HttpClientRequest,
  responseOf: (answer: A) => HttpClientResponse,
) =>
  Effect.flatMap(LogLevel.isEnabled("Debug"), (isEnabled) => (isEnabled ? logged(answer, request, responseOf) : answer))

export const withDebugLog = (client: HttpClient.HttpClient & BorrowedBody.LendingClient): HttpClient.HttpClient =>
  BorrowedBody.lending(
    HttpClient.transform(client, (answer, request) => unlessUnread(answer, request, identity)),
    (request) => {
      const opened = BorrowedBody.open(client, request)
      return opened && unlessUnread(opened, request, ({ response }) => response)
    },
  )
