/**
 * The service, as far as its public documentation tells: the API, its sign-in and its blob storage behind one handler. It
 * refuses what the service refuses: a call over the limit, a link that is dead, a range of another content. Programs that
 * use this library test themselves with it, as this library does.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpBody from "effect/http/HttpBody"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as SimulatedActions from "../internal/simulator/actions.ts"
import { randomHex } from "../internal/randomHex.ts"
import { apiError, outage, tooManyRequests } from "../internal/simulator/errors.ts"
import * as SimulatedBlobs from "../internal/simulator/blobs.ts"
import * as SimulatedEntra from "../internal/simulator/entra.ts"
import { makeLimiter, vendorWindows } from "../internal/simulator/limits.ts"
import type { ResultRef } from "../ResultRef.ts"

/**
 * What goes wrong with one request. Each fault of a result is used up by one request for its link or for its bytes.
 *
 * - `throttle`: 429, with `Retry-After` in seconds if given, else with the seconds in the message alone
 * - `status`: an answer with this status and, from the storage, this error code
 * - `expire`: the link is dead already
 * - `cut`: the connection breaks after so many bytes
 * - `stall`: nothing comes any more after so many bytes, and the connection stays open
 * - `ignoreRange`: the whole content, whatever was asked for
 * - `lost`: what was asked for is done, and no more than a gateway's page with a 504 says so
 * - `none`: this request is answered as it should be
 *
 * @since 0.1.0
 * @category models
 */
export type Fault =
  | { readonly fault: "throttle"; readonly retryAfter?: number }
  | { readonly fault: "status"; readonly status: number; readonly code?: string }
  | { readonly fault: "expire" }
  | { readonly fault: "cut"; readonly after: number }
  | { readonly fault: "stall"; readonly after: number }
  | { readonly fault: "ignoreRange" }
  | { readonly fault: "lost" }
  | { readonly fault: "none" }

/**
 * Content that is generated as it is read, so that results of any size and number need no memory.
 *
 * **Details**
 *
 * `read` gives the bytes from `start` to before `end`, in pieces of any length: the same ones each time, and exactly
 * `end - start` of them. The first request for the content reads all of it, for its MD5.
 *
 * @since 0.1.0
 * @category models
 */
export interface GeneratedContent {
  readonly length: number
  readonly read: (start: number, end: number) => Stream.Stream<Uint8Array>
}

/**
 * A result that the service holds.
 *
 * @since 0.1.0
 * @category models
 */
export interface Result {
  readonly content: Uint8Array | GeneratedContent

  /** Whether the storage announces the content's MD5. By default it does. */
  readonly md5?: boolean

  /** What goes wrong with the requests for its link, in order. */
  readonly linkFaults?: ReadonlyArray<Fault>

  /** What goes wrong with the requests for its bytes, in order. */
  readonly blobFaults?: ReadonlyArray<Fault>
}

/**
 * An app that may sign in, by any of the proofs that it has.
 *
 * @since 0.1.0
 * @category models
 */
export type App = SimulatedEntra.App

/**
 * How a user who is shown a device code behaves.
 *
 * @since 0.1.0
 * @category models
 */
export type DeviceUser = SimulatedEntra.DeviceUser

/**
 * A machine that sessions can run on.
 *
 * @since 0.1.0
 * @category models
 */
export type Machine = SimulatedActions.Machine

/**
 * A machine action in the API's own shape.
 *
 * @since 0.1.0
 * @category models
 */
export type ActionRecord = SimulatedActions.ActionRecord

/**
 * A request that the simulator saw.
 *
 * @since 0.1.0
 * @category models
 */
export interface Call {
  readonly kind: "link" | "blob" | "token" | "list" | "action" | "run" | "cancel" | "machines" | "other"
  readonly at: number
  readonly status: number
  readonly url: string
  readonly headers: Readonly<Record<string, string | undefined>>
}

/**
 * @since 0.1.0
 * @category options
 */
export interface Options {
  /** Calls for links that are accepted in any minute. By default 100. */
  readonly perMinute?: number | undefined

  /** Calls for links that are accepted in any hour. By default 1,500. */
  readonly perHour?: number | undefined

  /** How long a link is good. By default 30 minutes. */
  readonly linkLifetime?: Duration.Input | undefined

  /** How long a token is good. By default an hour. */
  readonly tokenLifetime?: Duration.Input | undefined

  /** Tokens that are accepted without having been issued here. By default none. */
  readonly tokens?: ReadonlyArray<string> | undefined

  /** The app that may sign in. By default any, with any secret. */
  readonly app?: App | undefined

  /** How a user behaves who is shown a device code. By default the first poll has the token. */
  readonly deviceUser?: DeviceUser | undefined

  /** What tokens of apps permit. By default `Machine.Read.All` and `Machine.LiveResponse`. */
  readonly roles?: ReadonlyArray<string> | undefined

  /** What tokens of users permit. By default `Machine.Read` and `Machine.LiveResponse`. */
  readonly scopes?: ReadonlyArray<string> | undefined

  /**
   * What goes wrong with the requests for tokens, in order: `throttle`; a `status`, with a code as Entra's own error and
   * without one as a gateway's page; `stall`, whose body never comes; or `none`.
   */
  readonly tokenFaults?: ReadonlyArray<Fault> | undefined

  /** The machines that sessions can run on. By default none. */
  readonly machines?: ReadonlyArray<Machine> | undefined

  /** How long a command of a session runs. By default 30 seconds. */
  readonly commandTime?: Duration.Input | undefined

  /** Sessions that may be begun in any minute. By default 10. */
  readonly runsPerMinute?: number | undefined

  /** How many sessions may run at once. By default 25. */
  readonly sessions?: number | undefined

  /** What goes wrong with the requests to run a session, in order: `throttle`, `status`, `lost` or `none`. */
  readonly runFaults?: ReadonlyArray<Fault> | undefined

  /** How soon a new action can be looked at. By default after 2 seconds. */
  readonly visibleAfter?: Duration.Input | undefined

  /** How many actions a page of the list has at most. By default 10,000. */
  readonly pageSize?: number | undefined

  /** The origin of the links, where blobs are served from another address than the API. */
  readonly blobOrigin?: string | undefined

  /** Runs before each answer, for instance `Effect.sleep("200 millis")`. */
  readonly latency?: Effect.Effect<void> | undefined
}

/**
 * @since 0.1.0
 * @category services
 */
export interface Service {
  /** Answers one request. `HttpEffect.toWebHandler` makes a handler of it for Deno, Bun and workers. */
  readonly handler: Effect.Effect<HttpServerResponse.HttpServerResponse, never, HttpServerRequest.HttpServerRequest>

  /** Puts a result there. */
  readonly add: (ref: ResultRef, result: Result) => Effect.Effect<void>

  /** Puts a machine action there that is as it is. */
  readonly addAction: (action: ActionRecord) => Effect.Effect<void>

  /** Whether a gateway answers everything with 503, because the service is not there. */
  readonly outage: (isOut: boolean) => Effect.Effect<void>

  /** All machine actions as they are now, also those that can't be looked at yet. */
  readonly actions: Effect.Effect<ReadonlyArray<ActionRecord>>

  /** All requests so far, in the order in which they were answered. */
  readonly calls: Effect.Effect<ReadonlyArray<Call>>
}

/**
 * The simulated service.
 *
 * @since 0.1.0
 * @category services
 */
export class Simulator extends Context.Service<Simulator, Service>()("@live-response/core/testing/Simulator") {}

const linkPath = /^\/api\/machineactions\/([^/]+)\/GetLiveResponseResultDownloadLink\(index=(\d+)\)$/i

const decodeJson = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Unknown))

const decodeCancellation = Schema.decodeUnknownOption(Schema.Struct({ Comment: Schema.String }))

const decodeComment = (body: unknown): string =>
  Option.match(decodeCancellation(body), { onNone: () => "", onSome: ({ Comment }) => Comment })

interface Answer {
  readonly kind: Call["kind"]
  readonly response: HttpServerResponse.HttpServerResponse
}

/**
 * Makes a simulator.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = Effect.fnUntraced(function* (options?: Options): Effect.fn.Return<Service> {
  const tokenLifetime = Duration.toMillis(options?.tokenLifetime ?? "1 hour")
  const limiter = makeLimiter(vendorWindows(options?.perMinute ?? 100, options?.perHour ?? 1500))
  const blobs = SimulatedBlobs.make(Duration.toMillis(options?.linkLifetime ?? "30 minutes"))
  const tokens = new Map<string, number>((options?.tokens ?? []).map((token) => [token, Infinity]))
  const calls: Array<Call> = []
  const limitersOf = {
    list: makeLimiter(vendorWindows(100, 1500)),
    action: makeLimiter(vendorWindows(100, 1500)),
    run: makeLimiter([{ limit: options?.runsPerMinute ?? 10, millis: 60_000, text: "00:01:00" }]),
    cancel: makeLimiter(vendorWindows(100, 1500)),
    machines: makeLimiter(vendorWindows(100, 1500)),
  }
  let isOut = false
  const runFaults = [...(options?.runFaults ?? [])]
  const actions = SimulatedActions.make({
    commandTime: Duration.toMillis(options?.commandTime ?? "30 seconds"),
    sessions: options?.sessions ?? 25,
    visibleAfter: Duration.toMillis(options?.visibleAfter ?? "2 seconds"),
    pageSize: options?.pageSize ?? 10_000,
  })
  const began = yield* Clock.currentTimeMillis
  for (const machine of options?.machines ?? []) yield* actions.addMachine(machine, began)

  /** What was put there, or what a session that ran here has left. */
  const blobOf = Effect.fnUntraced(function* (id: string, index: number, now: number) {
    const blob = blobs.find(id, index)
    const content = blob === undefined ? actions.resultOf(id, index, now) : undefined
    return content === undefined ? blob : yield* blobs.add(id, index, { content })
  })

  const signIn = SimulatedEntra.make({
    app: options?.app,
    deviceUser: options?.deviceUser,
    roles: options?.roles ?? ["Machine.Read.All", "Machine.LiveResponse"],
    scopes: options?.scopes ?? ["Machine.Read", "Machine.LiveResponse"],
    tokenLifetime,
    faults: options?.tokenFaults ?? [],
    issued: (token, expires) => void tokens.set(token, expires),
    randomHex,
  })

  const makeLink = Effect.fnUntraced(function* (id: string, index: string, origin: string, now: number) {
    const over = limiter.check(now)
    if (over !== undefined) return tooManyRequests(over.limit, over.text, over.seconds, true)
    const blob = yield* blobOf(id.toLowerCase(), Number(index), now)
    const fault = blob?.linkFaults.shift()
    if (fault?.fault === "throttle")
      return tooManyRequests(30, "00:01:00", fault.retryAfter ?? 8, fault.retryAfter !== undefined)
    if (fault?.fault === "status") return apiError(fault.status, fault.code ?? "InternalError", "An error occurred.")
    if (blob === undefined) return apiError(404, "ResourceNotFound", `Machine action ${id} was not found`)

    return HttpServerResponse.jsonUnsafe({
      "@odata.context": `${origin}/api/$metadata#Edm.String`,
      value: yield* blobs.link(blob, options?.blobOrigin ?? origin, now),
    })
  })

  const api = Effect.fnUntraced(function* (request: HttpServerRequest.HttpServerRequest, url: URL, now: number) {
    const token = request.headers.authorization?.replace(/^Bearer /, "") ?? ""
    if ((tokens.get(token) ?? 0) <= now) {
      return apiError(401, "Unauthorized", "The token is missing, invalid or expired.")
    }
    const [, id, index] = linkPath.exec(url.pathname) ?? []
    if (id !== undefined && index !== undefined) return yield* makeLink(id, index, url.origin, now)
    const kind = SimulatedActions.kindOf(request.method, url.pathname)
    if (kind === undefined) return apiError(404, "NotFound", "No such resource.")
    const over = limitersOf[kind].check(now)
    if (over !== undefined) return tooManyRequests(over.limit, over.text, over.seconds, true)
    const fault = kind === "run" ? runFaults.shift() : undefined
    if (fault?.fault === "throttle") return tooManyRequests(10, "00:01:00", fault.retryAfter ?? 8, true)
    if (fault?.fault === "status") return apiError(fault.status, fault.code ?? "InternalError", "An error occurred.")
    const answer = yield* ofAction(kind, request, url, now)
    if (fault?.fault === "lost") return outage(504)
    return answer instanceof SimulatedActions.Refusal
      ? apiError(answer.status, answer.code, answer.message)
      : HttpServerResponse.jsonUnsafe(answer, { status: kind === "run" ? 201 : 200 })
  })

  const ofAction = Effect.fnUntraced(function* (
    kind: SimulatedActions.Kind,
    request: HttpServerRequest.HttpServerRequest,
    url: URL,
    now: number,
  ) {
    const [id = ""] = /(?<=machines\/|machineactions\/)[^/]+/i.exec(decodeURIComponent(url.pathname)) ?? []
    const body = Option.getOrUndefined(decodeJson(yield* Effect.orElseSucceed(request.text, () => "")))
    switch (kind) {
      case "list": {
        const page = actions.list(url.searchParams, now)
        if (page instanceof SimulatedActions.Refusal || page.skip === undefined) return page
        const next = new URL(url)
        next.searchParams.set("$skip", String(page.skip))
        return { value: page.value, "@odata.nextLink": next.href }
      }
      case "action":
        return actions.get(id.toLowerCase(), now)
      case "run":
        return yield* actions.run(id, body, now)
      case "machines":
        return actions.machines(url.searchParams)
      case "cancel":
        return actions.cancel(id.toLowerCase(), decodeComment(body), now)
    }
  })

  const answer = Effect.fnUntraced(function* (
    request: HttpServerRequest.HttpServerRequest,
    url: URL,
  ): Effect.fn.Return<Answer> {
    const now = yield* Clock.currentTimeMillis
    if (isOut) return { kind: "other", response: outage(503) }
    if (SimulatedEntra.path.test(url.pathname)) {
      return { kind: request.method === "POST" ? "token" : "other", response: yield* signIn(request, url, now) }
    }
    if (SimulatedBlobs.isBlob(url.pathname)) return { kind: "blob", response: yield* blobs.serve(request, url, now) }
    const kind = linkPath.test(url.pathname)
      ? "link"
      : (SimulatedActions.kindOf(request.method, url.pathname) ?? "other")
    return { kind, response: yield* api(request, url, now) }
  })

  return {
    add: (ref, result) => Effect.asVoid(blobs.add(ref.machineActionId, ref.index, result)),
    addAction: (action) => Effect.sync(() => actions.add(action)),
    outage: (out) =>
      Effect.sync(() => {
        isOut = out
      }),
    actions: Effect.map(Clock.currentTimeMillis, actions.all),
    calls: Effect.sync(() => [...calls]),
    handler: Effect.gen(function* () {
      const request = yield* HttpServerRequest.HttpServerRequest
      const scheme = request.headers["x-forwarded-proto"] ?? "http"
      const url = new URL(request.url, `${scheme}://${request.headers.host ?? "localhost"}`)
      yield* options?.latency ?? Effect.void
      const { kind, response } = yield* answer(request, url)
      const at = yield* Clock.currentTimeMillis
      calls.push({ kind, at, status: response.status, url: url.href, headers: { ...request.headers } })
      return HttpServerResponse.setHeader(response, "date", DateTime.toDateUtc(DateTime.makeUnsafe(at)).toUTCString())
    }),
  }
})

/**
 * A simulator.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options?: Options): Layer.Layer<Simulator> => Layer.effect(Simulator, make(options))

/**
 * An `HttpClient` that asks the simulator in context, on the caller's fiber and without a socket: under a `TestClock`
 * hours pass in milliseconds.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerHttpClient: Layer.Layer<HttpClient.HttpClient, never, Simulator> = Layer.effect(
  HttpClient.HttpClient,
  Effect.map(Simulator, (simulator) =>
    HttpClient.make((request, url, signal) =>
      simulator.handler.pipe(
        Effect.provideService(
          HttpServerRequest.HttpServerRequest,
          HttpServerRequest.fromClientRequest(HttpClientRequest.setHeader(request, "host", url.host)),
        ),
        Effect.map((response) => HttpServerResponse.toClientResponse(endedBy(response, signal), { request })),
      ),
    ),
  ),
)

/** A body that breaks when its request is given up, as it does on a socket. */
const endedBy = (response: HttpServerResponse.HttpServerResponse, signal: AbortSignal) => {
  const { body } = response
  if (body._tag !== "Stream") return response
  const givenUp = Effect.callback<never, string>((resume) => {
    const fail = () => resume(Effect.fail("given up"))
    if (signal.aborted) return fail()
    signal.addEventListener("abort", fail, { once: true })
    return Effect.sync(() => signal.removeEventListener("abort", fail))
  })
  return HttpServerResponse.setBody(
    response,
    HttpBody.stream(Stream.interruptWhen(body.stream, givenUp), body.contentType, body.contentLength),
  )
}
