import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import type * as HttpClient from "effect/http/HttpClient"
import type { HttpClientError } from "effect/http/HttpClientError"
import type { HttpClientRequest } from "effect/http/HttpClientRequest"
import type { HttpClientResponse } from "effect/http/HttpClientResponse"
import * as Stream from "effect/Stream"
import { type Trouble, troubleOf } from "./connection.ts"

/**
 * Sends a request to exactly the host that it names, and waits for the head of the answer. A redirect is an answer, not a
 * new request, so that no secret travels on: `fetch` would follow; other transports ignore the setting.
 */
export const execute = <R>(
  client: HttpClient.HttpClient.With<HttpClientError, R>,
  request: HttpClientRequest,
  headTimeout: Duration.Input,
): Effect.Effect<HttpClientResponse, Trouble, R> =>
  client.execute(request).pipe(
    Effect.provideService(FetchHttpClient.RequestInit, { redirect: "manual" }),
    Effect.mapError(troubleOf),
    Effect.timeoutOrElse({
      duration: headTimeout,
      orElse: () => Effect.fail<Trouble>({ description: "no answer in time" }),
    }),
  )

/** What a body may take at most. */
export interface Bounds {
  /** In bytes. The rest is not read. */
  readonly size: number
  /** The time without a byte. */
  readonly stall: Duration.Input
  /** The time of all of it. */
  readonly total: Duration.Input
}

/** An error says what it has to say at once, or the status alone has to do. */
const errorBounds: Bounds = { size: 16 * 1024, stall: "5 seconds", total: "5 seconds" }

/** Reads the text of a body into `parts`, within bounds. The connection is let go, also where the body goes on. */
const readInto = (
  parts: Array<string>,
  { stream }: HttpClientResponse,
  { size, stall, total }: Bounds,
): Effect.Effect<void, Trouble> =>
  Effect.suspend(() => {
    let left = size
    return stream.pipe(
      Stream.mapError(troubleOf),
      Stream.timeoutOrElse({
        duration: stall,
        orElse: () => Stream.fail<Trouble>({ description: `nothing came for ${formatted(stall)}` }),
      }),
      Stream.map((bytes) => {
        const kept = bytes.subarray(0, left)
        left -= kept.length
        return kept
      }),
      Stream.takeUntil(() => left === 0),
      Stream.decodeText(),
      Stream.runForEach((text) => Effect.sync(() => parts.push(text))),
      Effect.timeoutOrElse({
        duration: total,
        orElse: () => Effect.fail<Trouble>({ description: `the answer took longer than ${formatted(total)}` }),
      }),
    )
  })

const formatted = (duration: Duration.Input) => Duration.format(Duration.fromInputUnsafe(duration))

/** A body as text. */
const text = (response: HttpClientResponse, bounds: Bounds): Effect.Effect<string, Trouble> =>
  Effect.suspend(() => {
    const parts: Array<string> = []
    return Effect.map(readInto(parts, response, bounds), () => parts.join(""))
  })

/** As much of an error's body as comes soon: one that nobody reads would hold its connection. */
export const errorText = (response: HttpClientResponse): Effect.Effect<string> =>
  Effect.suspend(() => {
    const parts: Array<string> = []
    return Effect.map(Effect.ignore(readInto(parts, response, errorBounds)), () => parts.join(""))
  })

/** The body of an answer of any kind: of an error what comes soon, of anything else all of it within the bounds. */
export const body = (response: HttpClientResponse, bounds: Bounds): Effect.Effect<string, Trouble> =>
  response.status < 300 ? text(response, bounds) : errorText(response)

/** Sends a request and reads its answer within bounds. What it fails with is a few words, which hold nothing secret. */
export const exchange = (
  client: HttpClient.HttpClient,
  request: HttpClientRequest,
  options: { readonly headTimeout: Duration.Input; readonly bounds: Bounds },
): Effect.Effect<{ readonly response: HttpClientResponse; readonly body: string }, Trouble> =>
  Effect.flatMap(execute(client, request, options.headTimeout), (response) =>
    Effect.map(body(response, options.bounds), (body) => ({ response, body })),
  )
