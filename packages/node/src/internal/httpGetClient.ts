/**
 * The `HttpClient` of requests without a body. It reads answers with memory that is used again, where Effect's own client
 * passes them through Node's streams.
 */
import type { Dispatcher } from "@effect/platform-node/Undici"
import * as BorrowedBody from "@live-response/core/BorrowedBody"
import { type Progress, RequestProgress } from "@live-response/core/RequestProgress"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as HttpClient from "effect/http/HttpClient"
import { HttpClientError, InvalidUrlError, TransportError } from "effect/http/HttpClientError"
import type { HttpClientRequest } from "effect/http/HttpClientRequest"
import * as Url from "effect/http/Url"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import { GetResponse } from "./httpGetResponse.ts"
import { type BodyMemory, ResponseBody } from "./responseBody.ts"

/** Whether this client sends a request. */
export const isFor = ({ body, headers, method }: HttpClientRequest): boolean =>
  method === "GET" && body._tag === "Empty" && headers.upgrade === undefined

/** The library has time-outs of its own. */
const noTimeouts = { headersTimeout: 0, bodyTimeout: 0 }

/**
 * Ends a request whose answer is not in use any more, and whose body was not read. It holds the exchange, as undici does: so
 * the exchange must hold neither the answer nor who waited for it.
 *
 * What is registered survives until V8 collects all garbage, which it does late. So an exchange leaves once it has finished:
 * otherwise the memory of a batch would grow with the number of its results.
 */
const unread = new FinalizationRegistry<() => void>((abort) => abort())

type Answer = (answer: Exit.Exit<GetResponse, HttpClientError>) => void

/** It is a constant of the module: a function made in place would hold what the functions beside it hold. */
const answered: Answer = () => {}

/** A request that was sent, with the callbacks of undici. */
class Exchange implements Dispatcher.DispatchHandler {
  private readonly request: HttpClientRequest
  private readonly url: URL
  private readonly memory: BodyMemory
  private answer: Answer
  private readonly progress: Progress | undefined
  private body: ResponseBody | undefined
  private controller: Dispatcher.DispatchController | undefined
  private isAborted = false
  private hasFinished = false

  constructor(
    request: HttpClientRequest,
    url: URL,
    memory: BodyMemory,
    progress: Progress | undefined,
    answer: Answer,
  ) {
    this.progress = progress
    this.request = request
    this.url = url
    this.memory = memory
    this.answer = answer
  }

  /** Ends the request, unless it has finished. */
  readonly abort = (): void => {
    this.isAborted = true
    this.controller?.abort(new Error("the request was interrupted"))
  }

  /** Ends the request once its answer is garbage, unless it has finished by then. */
  abortWith(response: GetResponse): void {
    if (!this.hasFinished) unread.register(response, this.abort, this)
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.controller = controller
    if (this.isAborted) this.abort()
    else this.progress?.sending()
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    headers: Record<string, string | Array<string> | undefined>,
  ): void {
    // Only the final answer counts, and not one that says that it comes.
    if (status < 200) return
    const body = new ResponseBody(this.memory, controller)
    this.body = body
    // Undici is parsing: what the answer leads to waits until it has finished.
    queueMicrotask(() => {
      const url = this.url.href.split("#", 1).join()
      this.answerWith(Exit.succeed(new GetResponse({ request: this.request, url, status, headers, body })))
    })
  }

  onResponseData(_: Dispatcher.DispatchController, bytes: Uint8Array): void {
    this.body?.push(bytes)
  }

  onResponseEnd(): void {
    this.finish()
  }

  onResponseError(_: Dispatcher.DispatchController, cause: Error): void {
    this.finish(cause)
    if (this.body !== undefined) return
    this.answerWith(Exit.fail(new HttpClientError({ reason: new TransportError({ request: this.request, cause }) })))
  }

  private answerWith(exit: Exit.Exit<GetResponse, HttpClientError>): void {
    const { answer } = this
    this.answer = answered
    answer(exit)
  }

  private finish(error?: Error): void {
    // Undici ignores what is aborted later.
    this.controller = undefined
    this.hasFinished = true
    unread.unregister(this)
    this.body?.finish(error)
  }
}

/** The client over the connections of a dispatcher, whose sockets read into `memory.reads`. */
export const make = (
  dispatcher: Dispatcher,
  memory: BodyMemory,
): HttpClient.HttpClient & BorrowedBody.LendingClient => {
  const start = (request: HttpClientRequest, url: URL, progress: Progress | undefined, answer: Answer): Exchange => {
    progress?.connecting()
    const { headers, method } = request
    const exchange = new Exchange(request, url, memory, progress, answer)
    const target = { method, headers, origin: url.origin, path: url.pathname + url.search }
    dispatcher.dispatch({ ...target, ...noTimeouts }, exchange)
    return exchange
  }

  const client = HttpClient.make((request, url, signal, fiber) =>
    Effect.callback((answer) => {
      const { abort } = start(request, url, fiber.getRef(RequestProgress), answer)
      if (signal.aborted) abort()
      else signal.addEventListener("abort", abort, { once: true })
    }),
  )

  const open = (request: HttpClientRequest) =>
    Effect.flatMap(RequestProgress, (progress) => {
      const url = Url.make(request.url, request.urlParams, Option.getOrUndefined(request.hash))
      if (Result.isFailure(url)) {
        return Effect.fail(new HttpClientError({ reason: new InvalidUrlError({ request, cause: url.failure }) }))
      }
      return Effect.callback<BorrowedBody.OpenedBody, HttpClientError>((answer) => {
        const exchange = start(request, url.success, progress, (exit) =>
          // It is an exit, so that no interruption comes between the answer and who closes it.
          answer(
            Exit.map(exit, (response) => {
              exchange.abortWith(response)
              return { response, pull: response.pull, close: response.close }
            }),
          ),
        )
        return Effect.sync(exchange.abort)
      })
    })

  return BorrowedBody.lending(client, (request) => (isFor(request) ? open(request) : undefined))
}
