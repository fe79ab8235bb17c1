/**
 * The Defender for Endpoint API, as far as live response results need it.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import type { HttpClientResponse } from "effect/http/HttpClientResponse"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Semaphore from "effect/Semaphore"
import * as AccessToken from "./AccessToken.ts"
import { Retrying } from "./BatchEvent.ts"
import * as Cloud from "./Cloud.ts"
import { Credential } from "./Credential.ts"
import { CredentialError, Unusable } from "./CredentialError.ts"
import * as DefenderError from "./DefenderError.ts"
import * as DownloadLink from "./DownloadLink.ts"
import * as Http from "./internal/http.ts"
import * as RetryAfter from "./internal/retryAfter.ts"
import { only } from "./internal/schedule.ts"
import * as Permission from "./Permission.ts"
import { Quota } from "./Quota.ts"
import type { QuotaStoreError } from "./QuotaStoreError.ts"
import { report } from "./Reporter.ts"
import type { ResultRef } from "./ResultRef.ts"
import { RetryPolicy } from "./RetryPolicy.ts"

/**
 * Everything that a call can fail with: no token, no place in the quota's log, or what the API says.
 *
 * @since 0.1.0
 * @category errors
 */
export type ApiError = DefenderError.DefenderError | CredentialError | QuotaStoreError

/**
 * @since 0.1.0
 * @category services
 */
export interface Service {
  /**
   * Makes a link to a result. It waits for the quota, and calls again where that may help: after a 429 as long as the
   * API asks for, after a 401 with a new token, after trouble on the way or at the API. `again` says that an earlier
   * link was lost, so that this call goes before those for new links.
   *
   * @see https://learn.microsoft.com/en-us/defender-endpoint/api/get-live-response-result
   */
  readonly downloadLink: (
    ref: ResultRef,
    options?: { readonly again?: boolean },
  ) => Effect.Effect<DownloadLink.DownloadLink, ApiError>

  /** The HTTP client as it is, without the bearer: the way out for what this service does not have. */
  readonly client: HttpClient.HttpClient
}

/**
 * The API as typed calls. Each call keeps within its quota, and is the one place where 401, 429 and 5xx are handled.
 *
 * @since 0.1.0
 * @category services
 */
export class DefenderApi extends Context.Service<DefenderApi, Service>()("@live-response/core/DefenderApi") {}

const decodeLinkAnswer = Schema.decodeUnknownEffect(Schema.fromJsonString(Schema.Struct({ value: Schema.String })))

const decodeErrorAnswer = Schema.decodeUnknownOption(
  Schema.fromJsonString(
    Schema.Struct({
      error: Schema.Struct({
        code: Schema.optional(Schema.String),
        message: Schema.optional(Schema.String),
        target: Schema.optional(Schema.String),
      }),
    }),
  ),
)

/** What an answer may hold at most: a link is some hundred bytes, an error a few thousand. */
const bodyLimit = 64 * 1024

/**
 * @since 0.1.0
 * @category options
 */
export interface Options {
  /** Base of the API's addresses. By default that of the commercial cloud. */
  readonly base?: string | undefined

  /** Changes the HTTP client, for instance to add a header. The bearer is not set yet when it runs. */
  readonly transformClient?: ((client: HttpClient.HttpClient) => HttpClient.HttpClient) | undefined
}

/**
 * Makes the service from explicit options.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = Effect.fnUntraced(function* (
  options?: Options,
): Effect.fn.Return<Service, never, HttpClient.HttpClient | Credential | Quota> {
  const client = (options?.transformClient ?? identity)(yield* HttpClient.HttpClient)
  const credential = yield* Credential
  const quota = yield* Quota
  const policy = yield* RetryPolicy
  const base = (options?.base ?? Cloud.commercial.base).replace(/\/+$/, "")

  const token = Effect.filterOrFail(credential.token, isSendable, () => unsendable)
  const admission = yield* makeAdmission

  const send = Effect.fnUntraced(function* (operation: string, request: HttpClientRequest.HttpClientRequest) {
    const bearer = yield* token
    return yield* Http.execute(client, HttpClientRequest.bearerToken(request, bearer)).pipe(
      Effect.flatMap((response) =>
        Effect.map(Http.boundedText(response, bodyLimit), (body) => ({ response, body, bearer })),
      ),
      Effect.mapError((error) => unreachable(operation, Http.describe(error))),
      Effect.timeoutOrElse({
        duration: policy.headTimeout,
        orElse: () => Effect.fail(unreachable(operation, "no answer in time")),
      }),
    )
  })

  /** One call, from the place in the quota to the answer's body. */
  const call = Effect.fnUntraced(function* (
    operation: string,
    request: HttpClientRequest.HttpClientRequest,
    permission: Permission.Permission,
    first: boolean,
  ) {
    // Signed in before there is a place: who can't sign in needs none, and a sign-in that takes its time holds none.
    yield* admission.warn(yield* token, permission)
    const { bearer, body, response } = yield* quota.withPlace(send(operation, request), { first })
    if (response.status === 200 || response.status === 404) admission.prove()
    if (response.status === 200) return { body, date: response.headers.date }
    const reason = refusal(response, body, yield* DateTime.now)
    if (reason._tag === "Unauthorized") yield* credential.invalidate(bearer)
    return yield* new DefenderError.DefenderError({ operation, reason })
  })

  /** The policy's delay holds up the quota, and with it every call; this one then queues like the others. */
  const throttled = (ref: ResultRef) =>
    policy.throttled.pipe(
      tellRetrying(ref),
      Schedule.tap(({ duration }) => quota.refused(duration)),
      Schedule.modifyDelay(() => Effect.succeed(Duration.zero)),
    )

  return {
    client,
    downloadLink: Effect.fn("DefenderApi.downloadLink")(function* (ref, options) {
      const operation = `link of ${ref}`
      const request = HttpClientRequest.get(
        `${base}/api/machineactions/${ref.machineActionId}/GetLiveResponseResultDownloadLink(index=${ref.index})`,
        { acceptJson: true },
      )
      const { body, date } = yield* call(operation, request, Permission.results, options?.again === true).pipe(
        admission.limit,
        Effect.retry({ while: hasReason("Unauthorized"), times: 1 }),
        Effect.retry(only(throttled(ref), hasReason("TooManyRequests"))),
        Effect.retry(only(policy.api.pipe(tellRetrying(ref)), isRetryable)),
      )
      const answer = yield* Effect.mapError(decodeLinkAnswer(body), () => unexpected(operation, "no link in the body"))
      const issuedAt = Option.flatMap(Option.fromNullishOr(date), DateTime.make)
      return yield* Effect.mapError(
        Effect.fromOption(DownloadLink.fromString(answer.value, { issuedAt, from: base })),
        () => unexpected(operation, unsafeLink),
      )
    }),
  }
})

/** So many calls may be under way before any was let in: who lacks the permission makes no more of them. */
const unproven = 4

/** What is known of the token: hints before the first call, and then the API's own word. */
const makeAdmission = Effect.gen(function* () {
  const gate = yield* Semaphore.make(unproven)
  const warned = new Set<Permission.Permission>()
  let isProven = false
  return {
    /** Says, once for each permission, what speaks against the token. */
    warn: Effect.fnUntraced(function* (bearer: Redacted.Redacted<string>, permission: Permission.Permission) {
      if (warned.has(permission)) return
      warned.add(permission)
      const claims = AccessToken.claims(bearer)
      if (Option.isNone(claims)) return
      const doubts = warned.size > 1 ? [] : AccessToken.doubts(claims.value, yield* DateTime.now)
      const missing = Permission.missing(claims.value, permission)
      for (const doubt of missing === undefined ? doubts : [...doubts, missing]) yield* Effect.logWarning(doubt)
    }),

    /** The API let a call in. */
    prove: () => {
      isProven = true
    },

    limit: <A, R>(call: Effect.Effect<A, ApiError, R>): Effect.Effect<A, ApiError, R> =>
      Effect.suspend(() => (isProven ? call : gate.withPermits(1)(call))),
  }
})

const tellRetrying = (ref: ResultRef) =>
  Schedule.tap(({ duration, input: error }: Schedule.Metadata<unknown, DefenderError.DefenderError>) =>
    report(Retrying.make({ ...ref, delay: duration, message: error.message, error })),
  )

const hasReason =
  (tag: DefenderError.Reason["_tag"]) =>
  (error: ApiError): error is DefenderError.DefenderError =>
    error._tag === "DefenderError" && error.reason._tag === tag

const isRetryable = (error: ApiError): error is DefenderError.DefenderError =>
  error._tag === "DefenderError" && error.isRetryable

/** A token that was copied with a line break in it is none, and is not worth a retry. */
const isSendable = (token: Redacted.Redacted<string>) => /^[\x21-\x7e]+$/.test(Redacted.value(token))

const unsendable = new CredentialError({
  reason: new Unusable({ description: "it holds spaces, line breaks or other characters that none has" }),
})

const unsafeLink =
  "the link is not https, or leads to this machine or a private network where the API is not; such links are not followed"

const unreachable = (operation: string, description: string) =>
  new DefenderError.DefenderError({ operation, reason: new DefenderError.Unreachable({ description }) })

const unexpected = (operation: string, description: string) =>
  new DefenderError.DefenderError({ operation, reason: new DefenderError.UnexpectedAnswer({ description }) })

/** What an answer that is not 200 means. */
const refusal = (response: HttpClientResponse, body: string, now: DateTime.Utc): DefenderError.Reason => {
  const { status } = response
  const error = Option.getOrUndefined(decodeErrorAnswer(body))?.error
  const answer = {
    status,
    ...(error?.code === undefined ? {} : { code: error.code }),
    ...(error?.message === undefined ? {} : { detail: error.message }),
    ...(error?.target === undefined ? {} : { correlationId: error.target }),
  }
  switch (status) {
    case 401:
      return new DefenderError.Unauthorized(answer)
    case 403:
      return answer.code === "DisallowedOperation"
        ? new DefenderError.Refused(answer)
        : new DefenderError.Forbidden(answer)
    case 404:
      return new DefenderError.NotFound(answer)
    case 429: {
      const retryAfter = RetryAfter.parse({ header: response.headers["retry-after"], detail: answer.detail, now })
      return new DefenderError.TooManyRequests({
        ...answer,
        ...(Option.isSome(retryAfter) ? { retryAfter: retryAfter.value } : {}),
      })
    }
    case 408:
      return new DefenderError.Unavailable(answer)
  }
  if (status >= 500) return new DefenderError.Unavailable(answer)
  if (status >= 400) return new DefenderError.Refused(answer)
  return new DefenderError.UnexpectedAnswer({ description: `HTTP ${status}` })
}

/**
 * The service from explicit options.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options?: Options): Layer.Layer<DefenderApi, never, HttpClient.HttpClient | Credential | Quota> =>
  Layer.effect(DefenderApi, make(options))

/**
 * The service with its address from `LIVE_RESPONSE_ENDPOINT`, where that is set.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig = (
  base: Config.Config<string> = Config.schema(Cloud.Endpoint, "LIVE_RESPONSE_ENDPOINT").pipe(
    Config.withDefault(Cloud.commercial.base),
  ),
): Layer.Layer<DefenderApi, Config.ConfigError, HttpClient.HttpClient | Credential | Quota> =>
  Layer.unwrap(Effect.map(base, (base) => layer({ base })))
