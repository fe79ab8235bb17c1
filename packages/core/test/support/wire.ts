import { RequestProgress } from "@live-response/core/RequestProgress"
import * as Simulator from "@live-response/core/testing/Simulator"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientError from "effect/http/HttpClientError"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"

/** How a connection fails: the runtime's error code, or never, as where a server accepts connections and says nothing. */
export type Trouble = { readonly code: string; readonly message?: string } | "silence"

/** A request, and when it was sent. */
export interface Attempt {
  readonly at: number
  readonly isStorage: boolean
}

/** A connection to the simulator that fails where `trouble` says so. `attempts` contains every request. */
export const wire = (trouble: (attempt: Attempt, nth: number) => Trouble | undefined) => {
  const attempts: Array<Attempt> = []
  const layer = Layer.effect(
    HttpClient.HttpClient,
    Effect.map(Simulator.Simulator, (simulator) =>
      HttpClient.make((request, url, _, fiber) =>
        Effect.gen(function* () {
          const attempt = { at: yield* Clock.currentTimeMillis, isStorage: !url.pathname.startsWith("/api/") }
          const cut = trouble(attempt, attempts.length)
          attempts.push(attempt)
          if (cut === "silence") {
            fiber.getRef(RequestProgress)?.connecting()
            return yield* Effect.never
          }
          if (cut !== undefined) return yield* broken(request, cut)
          const answer = yield* Effect.provideService(
            simulator.handler,
            HttpServerRequest.HttpServerRequest,
            HttpServerRequest.fromClientRequest(request),
          )
          return HttpServerResponse.toClientResponse(answer, { request })
        }),
      ),
    ),
  )
  return { layer, attempts }
}

const broken = (
  request: HttpClientError.HttpClientError["request"],
  { code, message = `connect ${code}` }: Exclude<Trouble, string>,
) =>
  new HttpClientError.HttpClientError({
    reason: new HttpClientError.TransportError({ request, cause: Object.assign(new Error(message), { code }) }),
  })
