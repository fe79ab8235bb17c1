/**
 * The server of `--listen`: who may read what it serves, and the probes and metrics that each page has. Nothing of it can be
 * changed.
 */
import { createServer } from "node:http"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpMiddleware from "effect/http/HttpMiddleware"
import * as HttpServer from "effect/http/HttpServer"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as UrlParams from "effect/http/UrlParams"
import * as Layer from "effect/Layer"
import * as PrometheusMetrics from "effect/observability/PrometheusMetrics"
import * as Failure from "../../Failure.ts"
import type { Listen } from "../../flags/Listen.ts"
import * as StandardError from "../../output/StandardError.ts"
import * as LiveAccess from "./liveAccess.ts"

export const secureHeaders = {
  "cache-control": "no-store",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
}

export const plain = (text: string, status: number) =>
  HttpServerResponse.text(`${text}\n`, { status, headers: secureHeaders })

/** An object, with the status that a probe decides by. */
export const json = (value: object, isGood: boolean) =>
  HttpServerResponse.text(`${JSON.stringify(value)}\n`, {
    status: isGood ? 200 : 503,
    contentType: "application/json",
    headers: secureHeaders,
  })

/** The metrics of the program, for Prometheus. */
export const metrics = Effect.map(PrometheusMetrics.format(), (text) =>
  HttpServerResponse.text(text, { contentType: "text/plain; version=0.0.4; charset=utf-8", headers: secureHeaders }),
)

/** Puts the token of an address into a cookie, so that it stays in no history. */
const signIn = (token: string) =>
  HttpServerResponse.redirect("/", { status: 303, headers: secureHeaders }).pipe(
    HttpServerResponse.setCookieUnsafe(LiveAccess.cookieName, token, { httpOnly: true, sameSite: "strict", path: "/" }),
  )

type Response = HttpServerResponse.HttpServerResponse

export interface App<E, R> {
  /** What its address is printed as. */
  readonly title: string
  /** Whether it has nothing of results: then it needs no token, and with one, probes still need none. By default it has. */
  readonly isPublic?: boolean
  /** Answers a request that is allowed. */
  readonly route: (path: string, query: URLSearchParams) => Effect.Effect<Response, E, R>
}

const probes = new Set(["/health", "/ready"])

const answer = Effect.fnUntraced(function* <E, R>({ isPublic = false, route }: App<E, R>, access: LiveAccess.Access) {
  const request = yield* HttpServerRequest.HttpServerRequest
  const [path = "/", search = ""] = request.url.split("?", 2)
  const query = new URLSearchParams(search)
  const token = query.get("token") ?? ""
  const { authorization = "", host = "", "sec-fetch-mode": mode, "sec-fetch-site": site } = request.headers
  const cookie = request.cookies[LiveAccess.cookieName] ?? ""
  if (request.method !== "GET" && request.method !== "HEAD") return plain("this page can only be read", 405)
  if (LiveAccess.isOfOtherSite(site, mode)) return plain("pages of other sites are not answered", 403)
  if (isPublic && (access.token === undefined || probes.has(path))) return yield* route(path, query)
  switch (LiveAccess.decide(access, { host, authorization, cookie, query: token })) {
    case "allowed":
      return yield* route(path, query)
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
      // Each page that is open asks twice a second, which is nothing that a trace should have.
      Layer.provide(HttpMiddleware.layerTracerDisabledForUrls(["/version"])),
      // A browser sends the token in an address, which a trace has.
      Layer.provide(Layer.succeed(UrlParams.CurrentRedactedNames, ["token"])),
      Layer.provideMerge(NodeHttpServer.layerServer(() => server, { host, port, disablePreemptiveShutdown: true })),
    ),
  ).pipe(Effect.mapError(({ cause }) => Failure.portProblem(text, cause)))
  // Pages stay connected, and closing would wait for them.
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      server.close()
      server.closeAllConnections()
    }),
  )
  return HttpServer.formatAddress(Context.get(context, HttpServer.HttpServer).address)
})

/** Serves an application until the scope closes, and prints its address. */
export const serve = Effect.fnUntraced(function* <E extends { readonly message: string }, R>(
  at: Listen,
  app: App<E, R>,
) {
  const { isPublic = false, title } = app
  const access = yield* LiveAccess.accessOf(at, isPublic)
  const context = yield* Effect.context<R>()
  const address = yield* listen(
    at,
    answer(app, access).pipe(
      Effect.catch((error) => Effect.succeed(plain(error.message, 500))),
      Effect.provideContext(context),
    ),
  )
  yield* StandardError.write(`${title}: ${address}${access.token === undefined || isPublic ? "" : "/?token=…"}`)
  if (isPublic || LiveAccess.isLoopback(at.host)) return
  yield* Effect.logWarning(
    `${address} is not encrypted, so others on the network can read the token and the results; put a proxy with TLS before it`,
  )
})
