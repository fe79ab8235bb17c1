import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import { type HttpClient, TracerPropagationEnabled } from "effect/http/HttpClient"
import type { HttpClientError } from "effect/http/HttpClientError"
import type { HttpClientRequest } from "effect/http/HttpClientRequest"
import type { HttpClientResponse } from "effect/http/HttpClientResponse"
import * as Stream from "effect/Stream"
import { type Trouble, troubleOf } from "./connection.ts"
import { Utf8Decoder } from "./utf8Decoder.ts"

/** `fetch` follows redirects by default; other transports ignore the setting. */
const withoutRedirects = Context.make(FetchHttpClient.RequestInit, { redirect: "manual" })

const withTraceHeaders = Context.add(withoutRedirects, TracerPropagationEnabled, true)
const withoutTraceHeaders = Context.add(withoutRedirects, TracerPropagationEnabled, false)

/**
 * Sends a request to exactly the host that it names, and waits for the head of the answer.
 *
 * A redirect is an answer and not a new request, so that no secret is sent to another host. Headers that name the trace
 * (`b3`, `traceparent`) are sent only where they are asked for.
 */
export const execute = <R>(
  client: HttpClient.With<HttpClientError, R>,
  request: HttpClientRequest,
  headTimeout: Duration.Input,
  options?: { readonly sendsTraceHeaders: boolean },
): Effect.Effect<HttpClientResponse, Trouble, R> =>
  client.execute(request).pipe(
    Effect.provideContext(options?.sendsTraceHeaders === true ? withTraceHeaders : withoutTraceHeaders),
    Effect.mapError(troubleOf),
    Effect.timeoutOrElse({
      duration: headTimeout,
      orElse: () => Effect.fail<Trouble>({ description: "no answer in time" }),
    }),
  )

/** The limits of a body. */
export interface Bounds {
  /** In bytes. What is longer is not read to its end. */
  readonly size: number
  /** How long it may go without a byte. */
  readonly stall: Duration.Input
  /** How long all of it may take. */
  readonly total: Duration.Input
}

export interface Body {
  /** The text in the pieces in which it came: a long one is never joined. */
  readonly parts: ReadonlyArray<string>
  /** Whether this is all of it: a body may be longer than its limit. */
  readonly isComplete: boolean
}

/** The body of an error says what it has to say at once; else the status has to do. */
const errorBounds: Bounds = { size: 16 * 1024, stall: "5 seconds", total: "5 seconds" }

/** What was read so far, also where reading fails. */
interface Reading {
  readonly parts: Array<string>
  readonly decoder: Utf8Decoder
  left: number
}

const startReading = ({ size }: Bounds): Reading => ({ parts: [], decoder: new Utf8Decoder(), left: size })

const bodyOf = ({ left, parts }: Reading): Body => ({ parts, isComplete: left >= 0 })

/** Reads a body within its bounds, and lets its connection go, also where the body has more. */
const read = (
  reading: Reading,
  { stream }: HttpClientResponse,
  { stall, total }: Bounds,
): Effect.Effect<void, Trouble> =>
  stream.pipe(
    Stream.mapError(troubleOf),
    Stream.timeoutOrElse({
      duration: stall,
      orElse: () => Stream.fail<Trouble>({ description: `nothing came for ${formatted(stall)}` }),
    }),
    Stream.map((bytes) => {
      const kept = bytes.subarray(0, Math.max(reading.left, 0))
      reading.left -= bytes.length
      return kept
    }),
    Stream.takeUntil(() => reading.left < 0),
    Stream.runForEach((bytes) => Effect.sync(() => reading.parts.push(reading.decoder.decode(bytes)))),
    Effect.andThen(Effect.sync(() => reading.parts.push(reading.decoder.end()))),
    Effect.timeoutOrElse({
      duration: total,
      orElse: () => Effect.fail<Trouble>({ description: `the answer took longer than ${formatted(total)}` }),
    }),
  )

const formatted = (duration: Duration.Input) => Duration.format(Duration.fromInputUnsafe(duration))

/** All of a body within its bounds, or why it can't be read. */
const wholeBody = (response: HttpClientResponse, bounds: Bounds): Effect.Effect<Body, Trouble> =>
  Effect.suspend(() => {
    const reading = startReading(bounds)
    return Effect.map(read(reading, response, bounds), () => bodyOf(reading))
  })

/** As much of an error's body as arrives soon. A body that nobody reads would hold its connection. */
const errorBody = (response: HttpClientResponse): Effect.Effect<Body> =>
  Effect.suspend(() => {
    const reading = startReading(errorBounds)
    return Effect.map(Effect.ignore(read(reading, response, errorBounds)), () => bodyOf(reading))
  })

export const errorText = (response: HttpClientResponse): Effect.Effect<string> =>
  Effect.map(errorBody(response), ({ parts }) => parts.join(""))

/** The body of any answer: of an error as much as arrives soon, else all of it within the bounds. */
export const body = (response: HttpClientResponse, bounds: Bounds): Effect.Effect<Body, Trouble> =>
  response.status < 300 ? wholeBody(response, bounds) : errorBody(response)

/** Sends a request and reads its answer within bounds. Its errors are a few words that hold nothing secret. */
export const exchange = (
  client: HttpClient,
  request: HttpClientRequest,
  options: { readonly headTimeout: Duration.Input; readonly bounds: Bounds },
): Effect.Effect<{ readonly response: HttpClientResponse; readonly body: string }, Trouble> =>
  Effect.flatMap(execute(client, request, options.headTimeout), (response) =>
    Effect.map(body(response, options.bounds), ({ parts }) => ({ response, body: parts.join("") })),
  )
