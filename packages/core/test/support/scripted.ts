import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import type { HttpClientRequest } from "effect/http/HttpClientRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"

export interface Scripted {
  readonly layer: Layer.Layer<HttpClient.HttpClient>
  /** The requests so far, with their URLs. */
  readonly requests: ReadonlyArray<{ readonly request: HttpClientRequest; readonly url: string }>
}

/** A transport without a socket that returns these answers in order, and then repeats the last one. */
export const scripted = (...answers: ReadonlyArray<HttpServerResponse.HttpServerResponse>): Scripted => {
  const requests: Array<{ readonly request: HttpClientRequest; readonly url: string }> = []
  const client = HttpClient.make((request, url) =>
    Effect.sync(() => {
      requests.push({ request, url: url.href })
      const answer = answers[Math.min(requests.length, answers.length) - 1] ?? HttpServerResponse.empty({ status: 500 })
      return HttpServerResponse.toClientResponse(answer, { request })
    }),
  )
  return { layer: Layer.succeed(HttpClient.HttpClient, client), requests }
}
