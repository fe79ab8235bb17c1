/**
 * Microsoft's service as its public documentation describes it: the API, the sign-in and the blob storage behind one handler.
 *
 * **When to use**
 *
 * To test a program that uses this library without a tenant. `LiveResponseTest` provides the whole library on top of it.
 *
 * **Details**
 *
 * It rejects what the service rejects: a call over the limit, an expired link, a range of other content, a second session on a
 * machine.
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
import * as Stream from "effect/Stream"
import * as CallLimits from "../internal/callLimits.ts"
import * as Actions from "../internal/simulator/actions.ts"
import * as Api from "../internal/simulator/api.ts"
import * as BlobAnswer from "../internal/simulator/blobAnswer.ts"
import * as Blobs from "../internal/simulator/blobs.ts"
import * as Control from "../internal/simulator/control.ts"
import * as DeviceCodes from "../internal/simulator/deviceCodes.ts"
import * as Entra from "../internal/simulator/entra.ts"
import type { AccessToken } from "../internal/simulator/entraTokens.ts"
import { outage } from "../internal/simulator/errors.ts"
import * as Faults from "../internal/simulator/faults.ts"
import * as Library from "../internal/simulator/library.ts"
import type {
  ActionRecord,
  App,
  DeviceUser,
  Fault,
  GeneratedContent,
  LibraryFile,
  Machine,
  MachineRecord,
  Result,
} from "../internal/simulator/inputs.ts"
import * as Packages from "../internal/simulator/packages.ts"
import * as ResultActions from "../internal/simulator/resultActions.ts"
import * as Routes from "../internal/simulator/routes.ts"
import type { ResultRef } from "../ResultRef.ts"
import { limits } from "../Session.ts"

export type { ActionRecord, App, DeviceUser, Fault, GeneratedContent, LibraryFile, Machine, MachineRecord, Result }

/**
 * What a request asked for: a call of the API, bytes of the storage, or a token.
 *
 * **Details**
 *
 * - `link`, `list`, `action`, `run`, `cancel`: results, machine actions and sessions
 * - `respond`: other actions on a machine, such as isolating it
 * - `packageLink`, `package`: investigation packages
 * - `machines`, `machine`, `machinesByTag`: machines
 * - `library`, `upload`, `delete`: the files of the live response library
 * - `other`: anything else, and every request during an outage
 *
 * @since 0.1.0
 * @category models
 */
export type Kind = FaultTarget | "package" | "other"

/**
 * The kinds of requests that can have faults.
 *
 * **Details**
 *
 * A call of the API can have any fault but `expire` and `ignoreRange`, a `token` none but `throttle`, `status`, `stall` and
 * `none`, and a `blob` any but `throttle` and `lost`.
 *
 * @since 0.1.0
 * @category models
 */
export type FaultTarget = Faults.Target

/**
 * A request that the simulator answered.
 *
 * **Details**
 *
 * `at` is the instant of the answer, in milliseconds since 1970.
 *
 * @since 0.1.0
 * @category models
 */
export interface Call {
  readonly kind: Kind
  readonly at: number
  readonly status: number
  readonly url: string
  readonly headers: Readonly<Record<string, string | undefined>>
}

/**
 * What the simulated service holds and how it behaves.
 *
 * @since 0.1.0
 * @category options
 */
export interface Options {
  /** The limit of requests for links in any minute. Default: 100, as the service has it. */
  readonly perMinute?: number | undefined

  /** The limit of requests for links in any hour. Default: 1,500, as the service has it. */
  readonly perHour?: number | undefined

  /** How long a link is valid. Default: 30 minutes. */
  readonly linkLifetime?: Duration.Input | undefined

  /** How long an access token is valid. Default: 1 hour. */
  readonly tokenLifetime?: Duration.Input | undefined

  /** Access tokens that are valid without a sign-in, and never expire. Default: none. */
  readonly tokens?: ReadonlyArray<string> | undefined

  /** The only app that may sign in. Default: any app, with any secret. */
  readonly app?: App | undefined

  /** How a user behaves who is shown a device code. Default: the first poll gets the token. */
  readonly deviceUser?: DeviceUser | undefined

  /**
   * The permissions in tokens of apps. Default: `Machine.ReadWrite.All`, `Machine.LiveResponse`,
   * `Machine.CollectForensics` and `Library.Manage`.
   */
  readonly roles?: ReadonlyArray<string> | undefined

  /**
   * The permissions in tokens of users. Default: `Machine.ReadWrite`, `Machine.LiveResponse`,
   * `Machine.CollectForensics` and `Library.Manage`.
   */
  readonly scopes?: ReadonlyArray<string> | undefined

  /**
   * What goes wrong with the requests for tokens, in order: `throttle`, `status`, `stall` or `none`. A `status` with a `code` is
   * an error of Entra; without one it is a page of a gateway. After `stall` the body never arrives.
   */
  readonly tokenFaults?: ReadonlyArray<Fault> | undefined

  /** The machines that sessions can run on. Default: none. */
  readonly machines?: ReadonlyArray<Machine> | undefined

  /**
   * The files of the live response library. Sessions can run and put only these, and those that are uploaded. Default:
   * `collect.ps1` alone, which the examples of this library run.
   */
  readonly library?: ReadonlyArray<LibraryFile> | undefined

  /** How long each command of a session runs. Default: 30 seconds. */
  readonly commandTime?: Duration.Input | undefined

  /** The limit of sessions that start in any minute. Default: 10, as the service has it. */
  readonly runsPerMinute?: number | undefined

  /** The limit of sessions in progress at once. Default: 50, as the service has it. */
  readonly sessions?: number | undefined

  /** How long an action waits for a machine that is offline, before it times out. Default: 2 hours, as the service has it. */
  readonly offlineTimeout?: Duration.Input | undefined

  /** What goes wrong with the requests to run a session, in order: `throttle`, `status`, `lost` or `none`. */
  readonly runFaults?: ReadonlyArray<Fault> | undefined

  /** How long after its start a session appears in lists and can be read. Default: 2 seconds. */
  readonly visibleAfter?: Duration.Input | undefined

  /** The largest number of actions on a page of the list. Default: 10,000, as the service has it. */
  readonly pageSize?: number | undefined

  /** The origin of links, if blobs are served from another address than the API. Default: the origin of the request. */
  readonly blobOrigin?: string | undefined

  /** Runs before each answer, for instance `Effect.sleep("200 millis")`. Default: nothing. */
  readonly latency?: Effect.Effect<void> | undefined
}

/**
 * @since 0.1.0
 * @category services
 */
export interface Service {
  /** Answers one request. `HttpEffect.toWebHandler` turns it into a handler for Deno, Bun and workers. */
  readonly handler: Effect.Effect<HttpServerResponse.HttpServerResponse, never, HttpServerRequest.HttpServerRequest>

  /** Adds a result, and the command that left it to the action of its id, unless `addAction` adds that one. */
  readonly add: (ref: ResultRef, result: Result) => Effect.Effect<void>

  /** Adds a machine action. It does not change over time. */
  readonly addAction: (action: ActionRecord) => Effect.Effect<void>

  /**
   * Adds faults for the coming requests of this kind, in order. The storage's are for requests for results that have no faults of
   * their own left.
   */
  readonly addFaults: (on: FaultTarget, faults: ReadonlyArray<Fault>) => Effect.Effect<void>

  /** Starts an outage, in which every request is answered with 503 by a gateway, or ends it. */
  readonly outage: (isOut: boolean) => Effect.Effect<void>

  /** All machine actions as they are now, also those that are not visible to clients yet. */
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

interface State {
  readonly api: Api.Api
  readonly entra: Entra.Entra
  readonly calls: Array<Call>
  readonly latency: Effect.Effect<void>
  readonly control: Control.Control
}

const defaultLibrary: ReadonlyArray<LibraryFile> = [
  { name: "collect.ps1", content: "Get-Process\r\n", description: "Lists the processes of the machine" },
]

const makeState = Effect.fnUntraced(function* (options: Options): Effect.fn.Return<State> {
  const now = yield* Clock.currentTimeMillis
  const tokens = new Map<string, AccessToken>((options.tokens ?? []).map((token) => [token, { expiresAt: Infinity }]))
  const actions = Actions.make({
    commandMillis: Duration.toMillis(options.commandTime ?? "30 seconds"),
    maxSessions: options.sessions ?? limits.atOnce,
    offlineTimeout: Duration.toMillis(options.offlineTimeout ?? limits.offlineFor),
    visibleAfter: Duration.toMillis(options.visibleAfter ?? "2 seconds"),
    pageSize: options.pageSize ?? 10_000,
  })
  for (const machine of options.machines ?? []) yield* Actions.addMachine(actions, machine, now)
  for (const file of options.library ?? defaultLibrary) yield* Library.add(actions.library, file, now)
  const control: Control.Control = { faults: new Map(), isOut: false }
  Faults.add(control.faults, "run", options.runFaults ?? [])
  Faults.add(control.faults, "token", options.tokenFaults ?? [])
  const {
    perHour: linksPerHour = CallLimits.links.perHour,
    perMinute: linksPerMinute = CallLimits.links.perMinute,
    runsPerMinute = limits.perMinute,
  } = options
  return {
    api: {
      actions,
      blobs: Blobs.make(Duration.toMillis(options.linkLifetime ?? "30 minutes")),
      packages: new Map(),
      tokens,
      limiters: Api.makeLimiters({ linksPerMinute, linksPerHour, runsPerMinute }),
      faults: control.faults,
      blobOrigin: options.blobOrigin,
    },
    entra: {
      app: options.app,
      deviceCodes: DeviceCodes.make(options.deviceUser),
      tokens: {
        roles: options.roles ?? [
          "Machine.ReadWrite.All",
          "Machine.LiveResponse",
          "Machine.CollectForensics",
          "Library.Manage",
        ],
        scopes: options.scopes ?? [
          "Machine.ReadWrite",
          "Machine.LiveResponse",
          "Machine.CollectForensics",
          "Library.Manage",
        ],
        lifetime: Duration.toMillis(options.tokenLifetime ?? "1 hour"),
        accessTokens: tokens,
        refreshTokens: new Set(),
      },
      faults: control.faults,
    },
    calls: [],
    latency: options.latency ?? Effect.void,
    control,
  }
})

/** Answers a request by its path, and says which kind of call it is. */
const answer = Effect.fnUntraced(function* (
  { api, control, entra }: State,
  request: HttpServerRequest.HttpServerRequest,
  url: URL,
): Effect.fn.Return<{ readonly kind: Call["kind"]; readonly response: HttpServerResponse.HttpServerResponse }> {
  const now = yield* Clock.currentTimeMillis
  if (Control.isControlPath(url.pathname)) {
    return { kind: "other", response: yield* Control.handle(control, request, url) }
  }
  if (control.isOut) return { kind: "other", response: outage(503) }
  if (Entra.isEntraPath(url.pathname)) {
    const kind = request.method === "POST" ? "token" : "other"
    return { kind, response: yield* Entra.handle(entra, request, url, now) }
  }
  if (Blobs.isBlobPath(url.pathname)) {
    return { kind: "blob", response: yield* BlobAnswer.serve(api.blobs, control.faults, request, url, now) }
  }
  if (Packages.isPackagePath(url.pathname)) {
    return { kind: "package", response: Packages.serve(api.packages, url, now) }
  }
  const route = Routes.routeOf(request.method, url.pathname)
  return { kind: route?.operation ?? "other", response: yield* Api.handle(api, route, request, url, now) }
})

const handle = Effect.fnUntraced(function* (state: State) {
  const request = yield* HttpServerRequest.HttpServerRequest
  const scheme = request.headers["x-forwarded-proto"] ?? "http"
  const url = new URL(request.url, `${scheme}://${request.headers.host ?? "localhost"}`)
  yield* state.latency
  const { kind, response } = yield* answer(state, request, url)
  const at = yield* Clock.currentTimeMillis
  state.calls.push({ kind, at, status: response.status, url: url.href, headers: { ...request.headers } })
  return HttpServerResponse.setHeader(response, "date", DateTime.toDateUtc(DateTime.makeUnsafe(at)).toUTCString())
})

/**
 * Makes a simulator.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = Effect.fnUntraced(function* (options?: Options): Effect.fn.Return<Service> {
  const state = yield* makeState(options ?? {})
  const { actions, blobs } = state.api
  return {
    add: Effect.fnUntraced(function* ({ index, machineActionId }, result) {
      const now = yield* Clock.currentTimeMillis
      ResultActions.add(actions.ofResults, machineActionId, index, result.fileName, now)
      yield* Blobs.add(blobs, machineActionId, index, result, now)
    }),
    addAction: (action) => Effect.sync(() => Actions.add(actions, action)),
    addFaults: (on, faults) => Effect.sync(() => Faults.add(state.control.faults, on, faults)),
    outage: (isOut) => Effect.sync(() => void (state.control.isOut = isOut)),
    actions: Effect.map(Clock.currentTimeMillis, (now) => Actions.all(actions, now)),
    calls: Effect.sync(() => [...state.calls]),
    handler: handle(state),
  }
})

/**
 * Provides a simulator.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options?: Options): Layer.Layer<Simulator> => Layer.effect(Simulator, make(options))

/**
 * An `HttpClient` that sends every request to the simulator in context, without a socket.
 *
 * **Details**
 *
 * Requests are answered on the fiber of the caller: under a `TestClock` hours pass in milliseconds.
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
          HttpServerRequest.fromClientRequest(HttpClientRequest.setHeaders(request, originOf(url))),
        ),
        Effect.map((response) => HttpServerResponse.toClientResponse(abortable(response, signal), { request })),
      ),
    ),
  ),
)

/** What a server of this address sees of it: an API that is called over https gives links that are https. */
const originOf = ({ host, protocol }: URL) => ({ host, "x-forwarded-proto": protocol.slice(0, -1) })

/** Fails the body when the client aborts the request, as on a socket. */
const abortable = (response: HttpServerResponse.HttpServerResponse, signal: AbortSignal) => {
  const { body } = response
  if (body._tag !== "Stream") return response
  const aborted = Effect.callback<never, string>((resume) => {
    const fail = () => resume(Effect.fail("aborted"))
    if (signal.aborted) return fail()
    signal.addEventListener("abort", fail, { once: true })
    return Effect.sync(() => signal.removeEventListener("abort", fail))
  })
  return HttpServerResponse.setBody(
    response,
    HttpBody.stream(Stream.interruptWhen(body.stream, aborted), body.contentType, body.contentLength),
  )
}
