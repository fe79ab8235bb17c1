/** Requests to a store of objects: signed, repeated while the store is away or busy, and with its errors understood. */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpBody from "effect/http/HttpBody"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import type { HttpClientError } from "effect/http/HttpClientError"
import type { HttpClientResponse } from "effect/http/HttpClientResponse"
import type { HttpMethod } from "effect/http/HttpMethod"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as ObjectStore from "../ObjectStore.ts"
import {
  type ObjectStoreError,
  type Reason,
  Refused,
  SignIn,
  Unavailable,
  Unexpected,
  Unreachable,
} from "../ObjectStoreError.ts"
import type { CredentialError } from "../CredentialError.ts"
import * as Outage from "../Outage.ts"
import { Timing } from "../Timing.ts"
import { fieldsOf, type Trouble } from "./connectionFailure.ts"
import { foreignText, type Secrets } from "./foreignText.ts"
import * as Http from "./httpExchange.ts"
import * as RetryAfter from "./retryAfter.ts"
import * as WebPage from "./webPage.ts"

/** A request of which nothing is encoded yet. */
export interface Request {
  readonly method: HttpMethod
  /** The name of the object, for messages. */
  readonly object: string
  /** The path of the address: the names of objects need no escapes. */
  readonly pathname: string
  readonly query?: Readonly<Record<string, string>>
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array
}

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | undefined>>
  /** What an error or a short document says, within bounds. Empty for `bytes`. */
  readonly text: string
  readonly code: string | undefined
}

/** A request with its signature, as it is sent. */
export interface Signed {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  /** What the server may repeat, and no message may have. */
  readonly secrets: Secrets
  /** Called where the server refused the credential (401): another one may be accepted. */
  readonly refused?: Effect.Effect<void>
}

/** What differs between kinds of stores. */
export interface Kind {
  /** For messages. */
  readonly address: string
  readonly sign: (request: Request) => Effect.Effect<Signed, CredentialError>
  /** Codes of errors that a retry may cure although their status says otherwise. */
  readonly isTransient?: (code: string) => boolean
  /** Whether the credential was refused, and another one may be accepted. By default where the status is 401. */
  readonly refusesCredential?: (answer: Answer) => boolean
}

/** Answers of which no more is read: an error, a list of a few elements. */
const longestText = 256 * 1024

/** In bytes: what is sent within the time-out of one head. A longer body has more time. */
const quickLength = 4 * 1024 * 1024

const unavailable = new Set([408, 429, 500, 502, 503, 504, 507])

/** What services with the API of S3 say, with 403 or 400, where a bucket or its disks are full: such as `QuotaExceeded`. */
const isFull = (code: string): boolean => {
  const has = (words: string) => code.toLowerCase().includes(words)
  return (has("quota") && has("exceed")) || has("storagefull") || has("insufficientstorage")
}

/** The first element of this name in a document of a store, whose names and texts have no entities that matter here. */
export const elementOf = (document: string, name: string): string | undefined => {
  const [opening, closing] = [`<${name}>`, `</${name}>`]
  const start = document.indexOf(opening)
  if (start === -1) return undefined
  const end = document.indexOf("<", start + opening.length)
  return document.startsWith(closing, end) ? document.slice(start + opening.length, end) : undefined
}

const decodedEntity: Record<string, string> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" }

export const unescapeXml = (text: string): string =>
  text.replaceAll(/&(amp|lt|gt|quot|apos);/g, (_, name: string) => decodedEntity[name] ?? "")

const requestOf = (request: Request, { headers, url }: Signed) =>
  HttpClientRequest.make(request.method)(url, {
    headers,
    ...(request.body === undefined
      ? {}
      : { body: HttpBody.uint8Array(request.body, headers["content-type"] ?? "application/octet-stream") }),
  })

const codeOf = ({ headers }: HttpClientResponse, text: string): string | undefined =>
  headers["x-ms-error-code"] ?? elementOf(text, "Code")

const isError = (text: string) => /^\s*(<\?xml[^>]*>\s*)?<Error>/.test(text)

const unreachable = (trouble: Trouble) => new Unreachable(fieldsOf(trouble))

export interface Client {
  readonly address: string

  /** Sends a request until the store answers, and returns an answer of these statuses or codes. Any other one is an error. */
  readonly send: (request: Request, accepts: (answer: Answer) => boolean) => Effect.Effect<Answer, ObjectStoreError>

  /** The same for an answer with at most `length` bytes. */
  readonly fetch: (
    request: Request,
    length: number,
    accepts: (answer: Answer) => boolean,
  ) => Effect.Effect<Answer & { readonly bytes: Uint8Array }, ObjectStoreError>
}

/** What an answer means that was not expected. */
const reasonOf = Effect.fnUntraced(function* (kind: Kind, answer: Answer, { secrets }: Signed) {
  const { headers, status, text } = answer
  const code = answer.code === undefined ? undefined : foreignText(answer.code, secrets, 80)
  const known = { status, ...(code === undefined ? {} : { code }) }
  if (unavailable.has(status) || (code !== undefined && (isFull(code) || kind.isTransient?.(code) === true))) {
    const retryAfter = RetryAfter.parse({ header: headers["retry-after"], now: yield* DateTime.now })
    return new Unavailable({ ...known, ...(Option.isSome(retryAfter) ? { retryAfter: retryAfter.value } : {}) })
  }
  if (code === undefined && (status < 400 || /^text\/html/i.test(headers["content-type"] ?? ""))) {
    return new Unexpected({ description: `status ${status}` })
  }
  // Azure appends the id and the time of the request, in lines of their own.
  const [sentence = ""] = unescapeXml(elementOf(text, "Message") ?? "").split("RequestId:", 1)
  const message = foreignText(sentence.trimEnd(), secrets, 200)
  return new Refused({ ...known, ...(message === "" ? {} : { description: message }) })
})

type Read<A> = (response: HttpClientResponse, answer: Answer) => Effect.Effect<A, Reason>

/** One attempt, which sends a request again with a new token where the first one is refused. */
const makeAttempt = (
  kind: Kind,
  client: HttpClient.HttpClient.With<HttpClientError, Scope.Scope>,
  headTimeout: Duration.Input,
) => {
  const open = (request: Request, signed: Signed) => {
    const length = request.body?.length ?? 0
    const timeout = Duration.times(Duration.fromInputUnsafe(headTimeout), Math.ceil((length + 1) / quickLength))
    return Effect.mapError(Http.execute(client, requestOf(request, signed), timeout), unreachable)
  }
  const exchange = Effect.fnUntraced(function* <A extends Answer>(
    request: Request,
    accepts: (answer: Answer) => boolean,
    read: Read<A>,
    isFirst: boolean,
  ): Effect.fn.Return<A, Reason, Scope.Scope> {
    const signed = yield* Effect.mapError(kind.sign(request), (error) => new SignIn({ error }))
    const response = yield* open(request, signed)
    const { headers, status } = response
    const early = { status, headers, text: "", code: codeOf(response, "") }
    if (status < 300 && accepts(early)) {
      const answer = yield* read(response, early)
      // S3 answers 200 before it has completed an upload, and says in the body that it failed.
      return accepts(answer) ? answer : yield* yield* reasonOf(kind, answer, signed)
    }
    const text = request.method === "HEAD" ? "" : yield* Http.errorText(response)
    const answer = { ...early, text, code: codeOf(response, text) }
    if (accepts(answer)) return yield* read(response, answer)
    const isRefused = kind.refusesCredential?.(answer) ?? status === 401
    if (!isRefused || signed.refused === undefined || !isFirst) return yield* yield* reasonOf(kind, answer, signed)
    yield* signed.refused
    return yield* exchange(request, accepts, read, false)
  })
  return <A extends Answer>(request: Request, accepts: (answer: Answer) => boolean, read: Read<A>) =>
    Effect.scoped(exchange(request, accepts, read, true)).pipe(
      Effect.mapError((reason) => ObjectStore.failed(kind.address, request.object, reason)),
    )
}

export const make = Effect.fnUntraced(function* (kind: Kind): Effect.fn.Return<Client, never, HttpClient.HttpClient> {
  const timing = yield* Timing
  // However many requests wait for it.
  const away = Outage.makeLogged(`${kind.address} answers again`)
  const bounds = { size: longestText, stall: timing.stallTimeout, total: timing.bodyTimeout }
  const attempt = makeAttempt(kind, HttpClient.withScope(yield* HttpClient.HttpClient), timing.headTimeout)

  /** The first failure of a request is not worth a warning: connections break every day. */
  const patiently = <A>(effect: Effect.Effect<A, ObjectStoreError>): Effect.Effect<A, ObjectStoreError> =>
    Effect.suspend(() => {
      let failures = 0
      return effect.pipe(
        Effect.tapError(({ isRetryable, message }) =>
          isRetryable && ++failures > 1 ? away.failed(`${message}; what needs it waits`) : Effect.void,
        ),
        Effect.retry({ schedule: timing.objectStore, while: ({ isRetryable }) => isRetryable }),
        Effect.tap(() => away.works),
      )
    })

  const textOf = (response: HttpClientResponse, answer: Answer) =>
    Http.body(response, bounds).pipe(
      Effect.mapError(unreachable),
      Effect.map(({ parts }) => ({ ...answer, text: parts.join("") })),
      Effect.map((answer) => (isError(answer.text) ? { ...answer, code: elementOf(answer.text, "Code") } : answer)),
      // A gateway that answers 200 with its page has stored nothing.
      Effect.filterOrFail(
        ({ text }) => !WebPage.isHtml(text),
        ({ status }) => new Unexpected({ description: `status ${status} with a web page` }),
      ),
    )
  const bytesOf = (response: HttpClientResponse, answer: Answer, length: number) =>
    Effect.flatMap(
      Effect.mapError(Http.bytes(response, { ...bounds, size: length }), unreachable),
      ({ bytes, isComplete }) =>
        isComplete
          ? Effect.succeed({ ...answer, bytes })
          : Effect.fail(new Unexpected({ description: "a longer answer" })),
    )
  return {
    address: kind.address,
    send: (request, accepts) =>
      patiently(
        attempt(request, accepts, (response, answer) =>
          answer.status >= 300 || request.method === "HEAD" ? Effect.succeed(answer) : textOf(response, answer),
        ),
      ),
    fetch: (request, length, accepts) =>
      patiently(
        attempt(request, accepts, (response, answer) =>
          answer.status >= 300
            ? Effect.succeed({ ...answer, bytes: new Uint8Array() })
            : bytesOf(response, answer, length),
        ),
      ),
  }
})
