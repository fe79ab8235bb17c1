/**
 * The `HttpClient` of requests without a body. It reads answers with memory that is used again, where Effect's own client
 * passes them through Node's streams.
 */
import type { Dispatcher } from "@effect/platform-node/Undici"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import { HttpClientError, TransportError } from "effect/http/HttpClientError"
import type { HttpClientRequest } from "effect/http/HttpClientRequest"
import type { HttpClientResponse } from "effect/http/HttpClientResponse"
import { GetResponse } from "./httpGetResponse.ts"
import { type BodyMemory, ResponseBody } from "./responseBody.ts"

/** Whether this client sends a request. */
export const isFor = ({ body, headers, method }: HttpClientRequest): boolean =>
  method === "GET" && body._tag === "Empty" && headers.upgrade === undefined

/** The library has time-outs of its own. */
const noTimeouts = { headersTimeout: 0, bodyTimeout: 0 }

/** A request that was sent. */
interface Exchange {
  readonly request: HttpClientRequest
  readonly url: URL
  readonly memory: BodyMemory
  readonly signal: AbortSignal
  readonly answer: (answer: Effect.Effect<HttpClientResponse, HttpClientError>) => void
}

/** The callbacks of undici. */
const handlerOf = ({ answer, memory, request, signal, url }: Exchange): Dispatcher.DispatchHandler => {
  let body: ResponseBody | undefined
  let abort: (() => void) | undefined
  const finish = (error?: Error) => {
    if (abort !== undefined) signal.removeEventListener("abort", abort)
    body?.finish(error)
  }
  return {
    onRequestStart: (controller) => {
      const onAbort = () => controller.abort(new Error("the request was interrupted"))
      abort = onAbort
      if (signal.aborted) onAbort()
      else signal.addEventListener("abort", onAbort, { once: true })
    },
    onResponseStart: (controller, status, headers) => {
      // Only the final answer counts, and not one that says that it comes.
      if (status < 200) return
      body = new ResponseBody(memory, controller)
      const { borrowedChunks } = body
      const address = url.href.split("#", 1).join()
      const response = new GetResponse({ request, url: address, status, headers, borrowedChunks })
      // Undici is parsing: what the answer leads to waits until it has finished.
      queueMicrotask(() => answer(Effect.succeed(response)))
    },
    onResponseData: (_, bytes) => body?.push(bytes),
    onResponseEnd: () => finish(),
    onResponseError: (_, cause) => {
      finish(cause)
      if (body === undefined) {
        answer(Effect.fail(new HttpClientError({ reason: new TransportError({ request, cause }) })))
      }
    },
  }
}

/** The client over the connections of a dispatcher, whose sockets read into `memory.reads`. */
export const make = (dispatcher: Dispatcher, memory: BodyMemory): HttpClient.HttpClient =>
  HttpClient.make((request, url, signal) =>
    Effect.callback((answer) => {
      const { headers, method } = request
      const target = { method, headers, origin: url.origin, path: url.pathname + url.search }
      dispatcher.dispatch({ ...target, ...noTimeouts }, handlerOf({ answer, memory, request, signal, url }))
    }),
  )
