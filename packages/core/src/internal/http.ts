import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import type * as HttpClient from "effect/http/HttpClient"
import type { HttpClientError } from "effect/http/HttpClientError"
import type { HttpClientRequest } from "effect/http/HttpClientRequest"
import type { HttpClientResponse } from "effect/http/HttpClientResponse"
import * as Stream from "effect/Stream"

/**
 * Sends a request to exactly the host that it names: a redirect is an answer, not a new request, so that no secret
 * travels on. `fetch` would follow; other transports ignore the setting.
 */
export const execute = <R>(
  client: HttpClient.HttpClient.With<HttpClientError, R>,
  request: HttpClientRequest,
): Effect.Effect<HttpClientResponse, HttpClientError, R> =>
  client.execute(request).pipe(Effect.provideService(FetchHttpClient.RequestInit, { redirect: "manual" }))

/**
 * The first bytes of a body as text. The rest is not read, and the connection is let go: an error body that nobody reads
 * holds its socket.
 */
export const boundedText = (response: HttpClientResponse, limit: number): Effect.Effect<string, HttpClientError> =>
  Effect.suspend(() => {
    let room = limit
    return response.stream.pipe(
      Stream.map((bytes) => {
        const kept = bytes.subarray(0, room)
        room -= kept.length
        return kept
      }),
      Stream.takeUntil(() => room === 0),
      Stream.decodeText(),
      Stream.mkString,
    )
  })

/** Sends a request and reads its answer within bounds. What it fails with is a few words, which hold nothing secret. */
export const exchange = (
  client: HttpClient.HttpClient,
  request: HttpClientRequest,
  options: { readonly bodyLimit: number; readonly timeout: Duration.Input },
): Effect.Effect<{ readonly response: HttpClientResponse; readonly body: string }, string> =>
  execute(client, request).pipe(
    Effect.flatMap((response) => Effect.map(boundedText(response, options.bodyLimit), (body) => ({ response, body }))),
    Effect.mapError(describe),
    Effect.timeoutOrElse({ duration: options.timeout, orElse: () => Effect.fail("no answer in time") }),
  )

/**
 * What a transport error means, in a few words. Nothing of the request is in it: its URL may be a secret.
 */
export const describe = (error: HttpClientError): string => {
  const cause = error.reason.cause
  return innermost(cause) ?? error.reason._tag
}

const innermost = (cause: unknown): string | undefined => {
  if (!(cause instanceof Error)) return undefined
  const inner = cause instanceof AggregateError ? cause.errors[0] : cause.cause
  return innermost(inner) ?? withoutUrls(cause.message.split("\n", 1).join() || cause.name)
}

const withoutUrls = (text: string): string => text.replaceAll(/\bhttps?:\/\/\S+/g, "<url>")
