import * as Array from "effect/Array"
import * as Bytes from "effect/Bytes"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpClient from "effect/http/HttpClient"
import type { HttpClientError } from "effect/http/HttpClientError"
import type { HttpClientRequest } from "effect/http/HttpClientRequest"
import type { HttpClientResponse } from "effect/http/HttpClientResponse"
import * as References from "effect/References"
import * as Scope from "effect/Scope"
import * as BorrowedBody from "../BorrowedBody.ts"
import * as RequestProgress from "../RequestProgress.ts"
import { type Trouble, troubleOf } from "./connectionFailure.ts"
import { monotonicMillisUnsafe } from "./monotonic.ts"
import * as TimeLimit from "./timeLimit.ts"
import { Utf8Decoder } from "./utf8Decoder.ts"

/** `fetch` follows redirects by default; other transports ignore the setting. */
const withoutRedirects: (typeof FetchHttpClient.RequestInit)["Service"] = { redirect: "manual" }

const isDisabled = () => true

/** Settings of the client. They are added one by one, because `Effect.provideContext` copies all services. */
const withSettings = <R>(
  context: Context.Context<R>,
  isTraced: boolean,
  sendsTraceHeaders: boolean,
): Context.Context<R> => {
  const added = Context.add(
    Context.add(context, FetchHttpClient.RequestInit, withoutRedirects),
    HttpClient.TracerPropagationEnabled,
    isTraced && sendsTraceHeaders,
  )
  // The client describes each request and answer in a span before it sees that nobody traces.
  return isTraced ? added : Context.add(added, HttpClient.TracerDisabledWhen, isDisabled)
}

/** Where no connection was opened in time nothing was sent, if the transport says so. */
const lateHead = (progress: RequestProgress.Progress, headTimeout: Duration.Input): Trouble =>
  progress.isUnsent
    ? { description: `no connection within ${formatted(headTimeout)}`, cause: "connection" }
    : { description: "no answer in time" }

/** What is late is interrupted before its progress is read: a request that was not sent by then is never sent. */
const withinTime =
  (headTimeout: Duration.Input) =>
  <A, R>(effect: Effect.Effect<A, Trouble, R>): Effect.Effect<A, Trouble, R> =>
    Effect.suspend(() => {
      const progress = new RequestProgress.Progress()
      return Effect.updateContext(effect, (context: Context.Context<R>) =>
        Context.add(context, RequestProgress.RequestProgress, progress),
      ).pipe(TimeLimit.limited({ duration: headTimeout, orElse: () => lateHead(progress, headTimeout) }))
    })

/**
 * Sends a request to exactly the host that it names, and waits for the head of the answer.
 *
 * A redirect is an answer and not a new request, so that no secret is sent to another host. Headers that name the trace
 * (`b3`, `traceparent`) are sent only where they are asked for.
 */
export const execute = <R>(
  client: HttpClient.HttpClient.With<HttpClientError, R>,
  request: HttpClientRequest,
  headTimeout: Duration.Input,
  options?: { readonly sendsTraceHeaders: boolean },
): Effect.Effect<HttpClientResponse, Trouble, R> =>
  Effect.flatMap(References.TracerEnabled, (isTraced) => {
    // Nobody closes it. If nobody reads it either, its transport does when its memory is freed, as for that of `execute`.
    const opened = isTraced ? undefined : BorrowedBody.open(client, request)
    return opened === undefined
      ? Effect.updateContext(client.execute(request), (context: Context.Context<R>) =>
          withSettings(context, isTraced, options?.sendsTraceHeaders === true),
        )
      : Effect.map(opened, ({ response }) => response)
  }).pipe(Effect.catch(answerOf), withinTime(headTimeout))

/** A client of the caller's own may fail for a status, as with `HttpClient.filterStatusOk`: that is an answer as well. */
const answerOf = (error: HttpClientError): Effect.Effect<HttpClientResponse, Trouble> =>
  error.reason._tag === "StatusCodeError" ? Effect.succeed(error.reason.response) : Effect.fail(troubleOf(error))

/** An answer, and what opens its body: in another scope than that of the connection, which closes under a read. */
export interface Opened {
  readonly response: HttpClientResponse
  readonly read: Effect.Effect<BorrowedBody.ChunksPull, never, Scope.Scope>
}

/**
 * As `execute`, for an answer whose chunks are borrowed, or copied one by one. Its connection is closed with the scope, also
 * while a chunk is waited for.
 */
export const opener = (client: HttpClient.HttpClient) => {
  const scoped = HttpClient.withScope(client)
  return (
    request: HttpClientRequest,
    { borrowed, headTimeout }: { readonly borrowed: boolean; readonly headTimeout: Duration.Input },
  ): Effect.Effect<Opened, Trouble, Scope.Scope> =>
    Effect.flatMap(References.TracerEnabled, (isTraced) => {
      const opened = isTraced ? undefined : BorrowedBody.open(client, request)
      return opened === undefined
        ? Effect.map(execute(scoped, request, headTimeout), (response) => ({
            response,
            read: BorrowedBody.pullOf(response, { borrowed }),
          }))
        : closedWithScope(opened).pipe(
            Effect.mapError(troubleOf),
            withinTime(headTimeout),
            Effect.map(({ pull, response }) => ({ response, read: Effect.succeed(borrowed ? pull : copied(pull)) })),
          )
    })
}

const copied = (pull: BorrowedBody.ChunksPull): BorrowedBody.ChunksPull =>
  Effect.map(
    pull,
    Array.map((bytes) => bytes.slice()),
  )

const closedWithScope = <E>(
  opened: Effect.Effect<BorrowedBody.OpenedBody, E>,
): Effect.Effect<BorrowedBody.OpenedBody, E, Scope.Scope> =>
  Effect.flatMap(Effect.scope, (scope) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.tap(restore(opened), ({ close }) => Scope.addFinalizer(scope, close)),
    ),
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

/** How far a body was read, also where reading fails. */
interface Reading {
  /** Keeps bytes within the limit, which are borrowed. */
  readonly keep: (bytes: Uint8Array) => void
  left: number
  /** When the last bytes came, by the monotonic clock. */
  lastAt: number
}

const startReading = ({ size }: Bounds, keep: Reading["keep"]): Reading => ({ keep, left: size, lastAt: 0 })

const isComplete = ({ left }: Reading): boolean => left >= 0

/** Starts to read text. */
const startText = (bounds: Bounds): { readonly reading: Reading; readonly body: () => Body } => {
  const parts: Array<string> = []
  const decoder = new Utf8Decoder()
  const reading = startReading(bounds, (bytes) => parts.push(decoder.decode(bytes)))
  return { reading, body: () => ({ parts: [...parts, decoder.end()], isComplete: isComplete(reading) }) }
}

/** Takes the next bytes. Returns whether more are wanted. */
const take = (reading: Reading, clock: Clock.Clock, bytes: Uint8Array): boolean => {
  reading.keep(bytes.subarray(0, Math.max(reading.left, 0)))
  reading.left -= bytes.length
  reading.lastAt = monotonicMillisUnsafe(clock)
  return isComplete(reading)
}

const millisOf = (duration: Duration.Input): number => Duration.toMillis(Duration.fromInputUnsafe(duration))

/** Fails once nothing came for too long, or all of it takes too long. One timer watches the whole body. */
const withinBounds = (reading: Reading, { stall, total }: Bounds) => {
  let isStalled = false
  return TimeLimit.limitedBy({
    left: (clock) => {
      reading.lastAt = monotonicMillisUnsafe(clock)
      const totalAt = reading.lastAt + millisOf(total)
      return () => {
        const stallAt = reading.lastAt + millisOf(stall)
        isStalled = stallAt <= totalAt
        return Math.min(stallAt, totalAt) - monotonicMillisUnsafe(clock)
      }
    },
    orElse: (): Trouble => ({
      description: isStalled
        ? `nothing came for ${formatted(stall)}`
        : `the answer took longer than ${formatted(total)}`,
    }),
  })
}

/** Reads a body within its bounds, and lets its connection go, also where the body has more. */
const read = (reading: Reading, response: HttpClientResponse, bounds: Bounds): Effect.Effect<void, Trouble> =>
  Effect.flatMap(Clock.Clock, (clock) =>
    BorrowedBody.forEachWhile(response, (bytes) => take(reading, clock, bytes)).pipe(
      Effect.mapError(troubleOf),
      withinBounds(reading, bounds),
    ),
  )

const formatted = (duration: Duration.Input) => Duration.format(Duration.fromInputUnsafe(duration))

/** The head of the answer has come, so that nothing else is said of the connection. */
const whole = (reading: Reading, response: HttpClientResponse, bounds: Bounds): Effect.Effect<void, Trouble> =>
  Effect.mapError(read(reading, response, bounds), ({ description }) => ({ description, hasAnswered: true }))

/** All of a body within its bounds, or why it can't be read. */
const wholeBody = (response: HttpClientResponse, bounds: Bounds): Effect.Effect<Body, Trouble> =>
  Effect.suspend(() => {
    const { body, reading } = startText(bounds)
    return Effect.map(whole(reading, response, bounds), body)
  })

/** The bytes of a body, and whether they are all of it, or why they can't be read. */
export const bytes = (
  response: HttpClientResponse,
  bounds: Bounds,
): Effect.Effect<{ readonly bytes: Uint8Array; readonly isComplete: boolean }, Trouble> =>
  Effect.suspend(() => {
    const chunks: Array<Uint8Array> = []
    const reading = startReading(bounds, (bytes) => chunks.push(bytes.slice()))
    return Effect.map(whole(reading, response, bounds), () => ({
      bytes: Bytes.concat(chunks),
      isComplete: isComplete(reading),
    }))
  })

/** As much of an error's body as arrives soon. A body that nobody reads would hold its connection. */
const errorBody = (response: HttpClientResponse): Effect.Effect<Body> =>
  Effect.suspend(() => {
    const { body, reading } = startText(errorBounds)
    return Effect.map(Effect.ignore(read(reading, response, errorBounds)), body)
  })

export const errorText = (response: HttpClientResponse): Effect.Effect<string> =>
  Effect.map(errorBody(response), ({ parts }) => parts.join(""))

/** The body of any answer: of an error as much as arrives soon, else all of it within the bounds. */
export const body = (response: HttpClientResponse, bounds: Bounds): Effect.Effect<Body, Trouble> =>
  response.status < 300 ? wholeBody(response, bounds) : errorBody(response)

/** Sends a request and reads its answer within bounds. Its errors are a few words that hold nothing secret. */
export const exchange = (
  client: HttpClient.HttpClient,
  request: HttpClientRequest,
  options: { readonly headTimeout: Duration.Input; readonly bounds: Bounds },
): Effect.Effect<{ readonly response: HttpClientResponse; readonly body: string }, Trouble> =>
  Effect.flatMap(execute(client, request, options.headTimeout), (response) =>
    Effect.map(body(response, options.bounds), ({ parts }) => ({ response, body: parts.join("") })),
  )
