/**
 * What `--listen` does: serves a page of the directory that shows results as they arrive, and the health and the metrics of the
 * program. Nothing of it can be changed.
 */
import { createServer } from "node:http"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as FileName from "@live-response/core/FileName"
import { MachineActionId } from "@live-response/core/MachineAction"
import * as PrivateDirectory from "@live-response/core/PrivateDirectory"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as FileSystem from "effect/FileSystem"
import * as HttpServer from "effect/http/HttpServer"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as PrometheusMetrics from "effect/observability/PrometheusMetrics"
import * as Option from "effect/Option"
import type * as Path from "effect/Path"
import * as References from "effect/References"
import * as Schema from "effect/Schema"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import * as Failure from "../../Failure.ts"
import type { Listen } from "../../flags/Listen.ts"
import * as StandardError from "../../output/StandardError.ts"
import { nameAndVersion } from "../../output/ProgramName.ts"
import * as LiveAccess from "./liveAccess.ts"
import * as LiveCollector from "./liveCollector.ts"
import * as LiveHealth from "./liveHealth.ts"
import * as Page from "./page.ts"

/** What a command reports to the page. */
export interface Live {
  readonly observe: (observed: LiveHealth.Observed, changes: boolean) => Effect.Effect<void>
}

/** In milliseconds: results that arrive together are shown together. */
const pause = 200

/** The data of the page. Nothing is read before somebody looks at it. */
const makeData = Effect.fnUntraced(function* (directory: string) {
  const changes = yield* SubscriptionRef.make(0)
  const one = yield* Semaphore.make(1)
  const scope = yield* Effect.scope
  interface State {
    /** How often something changed, and how much of that was read. */
    changed: number
    read: number
    collector: LiveCollector.LiveCollector | undefined
  }
  const state: State = { changed: 0, read: -1, collector: undefined }
  const open = Effect.suspend(() =>
    state.collector === undefined
      ? Effect.tap(LiveCollector.open(directory), (collector) => Effect.sync(() => (state.collector = collector)))
      : Effect.succeed(state.collector),
  )
  const refresh = Effect.gen(function* () {
    const collector = yield* open
    if (state.read === state.changed) return collector
    const { changed } = state
    if (yield* collector.refresh) state.read = changed
    return collector
  })
  /** One reads at a time. A damaged line is reported by the command itself, and not each time the page is shown. */
  const alone = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    one.withPermit(Effect.provideService(effect, References.MinimumLogLevel, "None"))
  const read = Effect.fnUntraced(function* (cursor: string) {
    const { answer } = yield* refresh
    const written = yield* Clock.currentTimeMillis
    const about = { program: nameAndVersion, directory, written, base: "files/" }
    return yield* Stream.runCollect(Page.data(answer(cursor, about)))
  }, alone)
  const publish = Effect.gen(function* () {
    yield* Effect.sleep(pause)
    const { changed, collector } = state
    const isPublished = (yield* SubscriptionRef.get(changes)) === changed
    if (isPublished && (collector === undefined || state.read === changed)) return
    // What can't be read is reported to the page, which asks for it.
    if (collector !== undefined) yield* Effect.ignore(alone(refresh))
    if (!isPublished || state.read === changed) yield* SubscriptionRef.set(changes, changed)
  })
  yield* Effect.forkScoped(Effect.forever(publish))
  return {
    change: Effect.sync(() => state.changed++),
    changes: SubscriptionRef.changes(changes),
    // A reader that goes away does not end what all others need too.
    read: (cursor: string) => Effect.flatMap(Effect.forkIn(read(cursor), scope), Fiber.join),
  }
})

type Data = Effect.Success<ReturnType<typeof makeData>>

const secureHeaders = {
  "cache-control": "no-store",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
}

const plain = (text: string, status: number) => HttpServerResponse.text(`${text}\n`, { status, headers: secureHeaders })

/** Server-sent events: one at once, then one after each change, and comments in between that keep the connection. */
const events = ({ changes }: Data) => {
  const changed = Stream.map(changes, (n) => `event: changed\ndata: ${n}\n\n`)
  const comments = Stream.map(Stream.tick("15 seconds"), () => ": still here\n\n")
  return HttpServerResponse.stream(
    Stream.encodeText(Stream.concat(Stream.succeed("retry: 1000\n\n"), Stream.merge(changed, comments))),
    { contentType: "text/event-stream", headers: secureHeaders },
  )
}

const isActionId = Schema.is(MachineActionId)

/** A result, for a link of the page. A browser saves it and never shows it: it is of other machines. */
const file = Effect.fnUntraced(function* (directory: string, path: string) {
  const [id = "", name = "", ...more] = path.split("/")
  if (!isActionId(id) || !FileName.isResult(name) || more.length > 0) return plain("not found", 404)
  const files = yield* PrivateDirectory.open(directory)
  const info = yield* files.info(path)
  if (Option.isNone(info)) return plain("not found", 404)
  return HttpServerResponse.stream(files.read(path), {
    contentType: "application/octet-stream",
    headers: { ...secureHeaders, "content-disposition": `attachment; filename="${id}-${name}"` },
  })
})

interface Served {
  readonly directory: string
  readonly access: LiveAccess.Access
  readonly looks: LiveHealth.Looks
  readonly data: Data
  readonly page: { readonly policy: string; readonly html: string }
}

const healthOf = (looks: LiveHealth.Looks) =>
  Effect.map(Clock.currentTimeMillis, (now) =>
    LiveHealth.healthOf(looks, now, (millis) => DateTime.formatIso(DateTime.makeUnsafe(millis))),
  )

const json = (value: LiveHealth.Health, isGood: boolean) =>
  HttpServerResponse.text(`${JSON.stringify(value)}\n`, {
    status: isGood ? 200 : 503,
    contentType: "application/json",
    headers: secureHeaders,
  })

/** Answers a request that is allowed. */
const route = Effect.fnUntraced(function* (
  { data, directory, looks, page }: Served,
  path: string,
  query: URLSearchParams,
) {
  switch (path) {
    case "/":
      return HttpServerResponse.text(page.html, {
        contentType: "text/html; charset=utf-8",
        headers: { ...secureHeaders, "content-security-policy": `${page.policy}; frame-ancestors 'none'` },
      })
    case "/data":
      return HttpServerResponse.stream(Stream.fromIterable(yield* data.read(query.get("after") ?? "")), {
        contentType: "text/plain; charset=utf-8",
        headers: secureHeaders,
      })
    case "/events":
      return events(data)
    case "/health": {
      const health = yield* healthOf(looks)
      return json(health, health.status !== "stale")
    }
    case "/ready": {
      const health = yield* healthOf(looks)
      return json(health, health.status === "ok")
    }
    case "/metrics":
      return HttpServerResponse.text(yield* PrometheusMetrics.format(), {
        contentType: "text/plain; version=0.0.4; charset=utf-8",
        headers: secureHeaders,
      })
    default:
      return path.startsWith("/files/") ? yield* file(directory, path.slice("/files/".length)) : plain("not found", 404)
  }
})

/** Puts the token of an address into a cookie, so that it stays in no history. */
const signIn = (token: string) =>
  HttpServerResponse.redirect("/", { status: 303, headers: secureHeaders }).pipe(
    HttpServerResponse.setCookieUnsafe(LiveAccess.cookieName, token, { httpOnly: true, sameSite: "strict", path: "/" }),
  )

const answer = Effect.fnUntraced(function* (served: Served) {
  const request = yield* HttpServerRequest.HttpServerRequest
  const [path = "/", search = ""] = request.url.split("?", 2)
  const query = new URLSearchParams(search)
  const token = query.get("token") ?? ""
  const { authorization = "", host = "" } = request.headers
  const cookie = request.cookies[LiveAccess.cookieName] ?? ""
  if (request.method !== "GET" && request.method !== "HEAD") return plain("this page can only be read", 405)
  switch (LiveAccess.decide(served.access, { host, authorization, cookie, query: token })) {
    case "allowed":
      return yield* route(served, path, query)
    case "signs in":
      return signIn(token)
    case "foreign host":
      return plain("only names of this machine are answered, such as 127.0.0.1", 403)
    case "no token":
      return plain(`the token is missing: send it as Authorization: Bearer, or open /?token=…`, 401)
  }
})

/** Serves an application until the scope closes, and returns its address. */
const listen = Effect.fnUntraced(function* <R>(
  { host, port, text }: Listen,
  app: Effect.Effect<HttpServerResponse.HttpServerResponse, never, R | HttpServerRequest.HttpServerRequest>,
) {
  const server = createServer({ maxHeaderSize: 16_384 })
  server.maxConnections = 256
  const context = yield* Layer.build(
    HttpServer.serve(app).pipe(
      Layer.provideMerge(NodeHttpServer.layer(() => server, { host, port, disablePreemptiveShutdown: true })),
    ),
  ).pipe(
    Effect.mapError(({ cause }) => {
      const code = typeof cause === "object" && cause !== null && "code" in cause ? String(cause.code) : String(cause)
      const why = code === "EADDRINUSE" ? "the port is in use" : code === "EACCES" ? "it is not allowed" : code
      return Failure.machine(`can't listen on ${text}: ${why}; choose another port, or 0 for any free one`)
    }),
  )
  // Pages stay connected, and closing would wait for them.
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      server.close()
      server.closeAllConnections()
    }),
  )
  return HttpServer.formatAddress(Context.get(context, HttpServer.HttpServer).address)
})

/** Serves the page of a directory until the scope closes. */
export const serve = Effect.fnUntraced(function* (at: Listen, directory: string) {
  const access = yield* LiveAccess.accessOf(at)
  const looks: LiveHealth.Looks = {
    startedAt: yield* Clock.currentTimeMillis,
    last: undefined,
    every: undefined,
    problem: undefined,
  }
  const data = yield* makeData(directory)
  const served = { directory, access, looks, data, page: yield* Page.live }
  const context = yield* Effect.context<FileSystem.FileSystem | Path.Path>()
  const address = yield* listen(
    at,
    answer(served).pipe(
      Effect.provideContext(context),
      Effect.catch((error) => Effect.succeed(plain(error.message, 500))),
    ),
  )
  const isPublic = !LiveAccess.isLoopback(at.host)
  yield* StandardError.write(`live page: ${address}${access.token === undefined ? "" : "/?token=…"}`)
  if (isPublic) {
    yield* Effect.logWarning(
      `${address} is not encrypted, so others on the network can read the token and the results; put a proxy with TLS before it`,
    )
  }
  return {
    observe: (observed, changes) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => {
        LiveHealth.observe(looks, observed, now)
        return changes ? data.change : Effect.void
      }),
  } satisfies Live
})
