import * as BorrowedBody from "@live-response/core/BorrowedBody"
import * as Effect from "effect/Effect"
import * as Cookies from "effect/http/Cookies"
import * as Headers from "effect/http/Headers"
import { DecodeError, HttpClientError, StatusCodeError } from "effect/http/HttpClientError"
import type { HttpClientRequest } from "effect/http/HttpClientRequest"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as HttpIncomingMessage from "effect/http/HttpIncomingMessage"
import * as UrlParams from "effect/http/UrlParams"
import * as Inspectable from "effect/Inspectable"
import * as Option from "effect/Option"
import * as Pipeable from "effect/Pipeable"
import type * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { ResponseBody } from "./responseBody.ts"

interface Source {
  readonly request: HttpClientRequest
  readonly url: string
  readonly status: number
  readonly headers: Readonly<Record<string, string | ReadonlyArray<string> | undefined>>
  readonly body: ResponseBody
}

/** An answer in the form that Effect's clients give it. Its body is read once. */
export class GetResponse
  extends Pipeable.Class
  implements HttpClientResponse.HttpClientResponse, BorrowedBody.BorrowedBody
{
  readonly [HttpIncomingMessage.TypeId]: typeof HttpIncomingMessage.TypeId = HttpIncomingMessage.TypeId
  readonly [HttpClientResponse.TypeId]: typeof HttpClientResponse.TypeId = HttpClientResponse.TypeId
  readonly request: HttpClientRequest
  readonly url: string
  readonly status: number
  readonly headers: Headers.Headers
  readonly remoteAddress = Option.none<string>()
  private readonly source: Source

  constructor(source: Source) {
    super()
    this.source = source
    this.request = source.request
    this.url = source.url
    this.status = source.status
    this.headers = Headers.fromInput(source.headers)
  }

  get pull(): BorrowedBody.ChunksPull {
    return this.source.body.pullWith((cause) => this.unreadable(cause))
  }

  get close(): Effect.Effect<void> {
    return this.source.body.close
  }

  get [BorrowedBody.TypeId](): BorrowedBody.Reading {
    return this
  }

  get stream(): Stream.Stream<Uint8Array, HttpClientError> {
    const borrowed = Stream.ensuring(Stream.fromPull(Effect.succeed(this.pull)), this.close)
    return Stream.map(borrowed, (bytes) => bytes.slice())
  }

  get cookies(): Cookies.Cookies {
    const cookies = this.source.headers["set-cookie"]
    return cookies === undefined ? Cookies.empty : Cookies.fromSetCookie(cookies)
  }

  /** Kept, because a body is read once. A short one has often arrived with its head. */
  private kept: Effect.Effect<ArrayBuffer, HttpClientError> | undefined
  private keep(): Effect.Effect<ArrayBuffer, HttpClientError> {
    const whole = this.source.body.whole()
    return whole === undefined
      ? Effect.runSync(Effect.cached(Stream.mkArrayBuffer(this.stream)))
      : Effect.succeed(whole.buffer)
  }

  get arrayBuffer(): Effect.Effect<ArrayBuffer, HttpClientError> {
    return Effect.suspend(() => (this.kept ??= this.keep()))
  }

  get text(): Effect.Effect<string, HttpClientError> {
    return Effect.map(this.arrayBuffer, (bytes) => new TextDecoder().decode(bytes))
  }

  get json(): Effect.Effect<Schema.Json, HttpClientError> {
    return this.parsed(this.text, (text) => (text === "" ? null : JSON.parse(text)))
  }

  get urlParamsBody(): Effect.Effect<UrlParams.UrlParams, HttpClientError> {
    return this.parsed(this.text, (text) => UrlParams.fromInput(new URLSearchParams(text)))
  }

  get formData(): Effect.Effect<FormData, HttpClientError> {
    return Effect.flatMap(this.arrayBuffer, (bytes) =>
      Effect.tryPromise({
        try: () => new Response(bytes, { headers: this.headers }).formData(),
        catch: (cause) => this.unreadable(cause),
      }),
    )
  }

  /** A request of this client does not ask for it. */
  get upgrade() {
    const reason = new StatusCodeError({ request: this.request, response: this })
    return Effect.fail(new HttpClientError({ reason }))
  }

  toJSON(): unknown {
    const { request, status } = this
    return HttpIncomingMessage.inspect(this, {
      _id: "effect/http/HttpClientResponse",
      request: request.toJSON(),
      status,
    })
  }

  override toString(): string {
    return Inspectable.toStringUnknown(this.toJSON())
  }

  [Inspectable.NodeInspectSymbol](): unknown {
    return this.toJSON()
  }

  private unreadable(cause: unknown): HttpClientError {
    return new HttpClientError({ reason: new DecodeError({ request: this.request, response: this, cause }) })
  }

  private parsed<A>(text: Effect.Effect<string, HttpClientError>, parse: (text: string) => A) {
    return Effect.flatMap(text, (text) =>
      Effect.try({ try: () => parse(text), catch: (cause) => this.unreadable(cause) }),
    )
  }
}
