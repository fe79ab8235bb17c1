/**
 * The client of the API: it signs each call in, keeps it within its quota, retries it, and gives its failure a type. This
 * is the one place where 401, 429 and 5xx are handled.
 */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import type { HttpClientResponse } from "effect/http/HttpClientResponse"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import * as AccessToken from "../AccessToken.ts"
import type { ApiError } from "../ApiError.ts"
import { Credential } from "../Credential.ts"
import { CredentialError, Unusable } from "../CredentialError.ts"
import { DefenderError, Unreachable } from "../DefenderError.ts"
import type { Permission } from "../Permission.ts"
import type { Service as Quota } from "../Quota.ts"
import type { QuotaStoreError } from "../QuotaStoreError.ts"
import { RequestAge } from "../RequestProgress.ts"
import * as Timing from "../Timing.ts"
import * as Admission from "./tokenAdmission.ts"
import * as ApiErrors from "./apiErrors.ts"
import { recordDuration } from "./apiMetrics.ts"
import * as ClaimsChallenge from "./claimsChallenge.ts"
import { withoutSecrets } from "./foreignText.ts"
import * as Http from "./httpExchange.ts"
import * as JsonBounds from "./jsonBounds.ts"
import { monotonicMillis } from "./monotonic.ts"
import * as NetworkGate from "./networkGate.ts"
import * as PageText from "./pageText.ts"
import * as RecordList from "./recordList.ts"
import { either, onceItFails, only } from "./scheduleCombinators.ts"
import { SentTokens } from "./sentTokens.ts"

/** A kind of call, as Microsoft limits them. */
export interface Endpoint {
  /** What metrics name, such as `GetMachineAction`. */
  readonly name: string
  readonly quota: Quota
}

export interface Call<E = never> extends Endpoint {
  /** What errors name, such as `machine action 988cc94e-…`. */
  readonly operation: string

  readonly request: HttpClientRequest.HttpClientRequest
  readonly permission: Permission

  /** How many bytes of the answer are read. */
  readonly bodyLimit: number

  /** The answer is decoded record by record, each within its own bounds: a record that exceeds them costs no other. */
  readonly isRecordList?: boolean

  /** Every 2xx is a success. By default 200 and 201 are. */
  readonly acceptsAny2xx?: boolean

  /** The call goes before those that wait for the quota already. */
  readonly isUrgent?: boolean

  /** The call is not repeated where no answer came: the API may have done what it asks for. */
  readonly isOnce?: boolean

  /** Runs right before the call is sent. Where it fails nothing is sent. */
  readonly beforeSend?: Effect.Effect<void, E> | undefined

  /** Runs after an attempt that has certainly done nothing. The call may be sent again. */
  readonly onNothingDone?: Effect.Effect<void> | undefined

  /** The `RequestAge` of the request. */
  readonly age?: (() => number) | undefined

  /** What to do about a 404. */
  readonly ifMissing?: string

  /** Runs before each wait for a retry. */
  readonly onRetry?: (error: DefenderError, delay: Duration.Duration) => Effect.Effect<void>
}

export interface Answer extends RecordList.Source {
  readonly response: HttpClientResponse
}

/** The whole text of an answer, and what removes the secrets from the values in it. */
export const textOf = ({
  parts,
  secrets,
}: Answer): { readonly body: string; readonly redact: (value: unknown) => unknown } => {
  const body = parts.join("")
  return { body, redact: withoutSecrets(secrets, body) }
}

export type Client = <E = never>(call: Call<E>) => Effect.Effect<Answer, ApiError | E>

/** What the calls of one API share. */
interface Api {
  readonly client: HttpClient.HttpClient
  readonly sendsTraceHeaders: boolean
  readonly invalidate: Credential["Service"]["invalidate"]
  readonly token: Effect.Effect<Redacted.Redacted<string>, CredentialError>
  readonly sentTokens: SentTokens
  readonly admission: Admission.Admission
  readonly gate: NetworkGate.Gate<Disconnectable>
}

/** Whether the attempt was not sent, or the API refused it before it looked at what it asks for. */
const hasDoneNothing = (error: unknown): boolean => {
  if (!(error instanceof DefenderError)) return false
  const { reason } = error
  if (reason._tag === "Unreachable") return reason.kind !== undefined
  return reason._tag === "Unauthorized" || reason._tag === "TooManyRequests"
}

/** Fails where the gate before the API was closed while a call was waiting. */
type Check = Effect.Effect<void, Disconnectable>

export const make = Effect.fnUntraced(function* (
  client: HttpClient.HttpClient,
  options?: { readonly sendsTraceHeaders?: boolean | undefined },
): Effect.fn.Return<Client, never, Credential> {
  const credential = yield* Credential
  const timing = yield* Timing.perCall
  const api: Api = {
    client,
    sendsTraceHeaders: options?.sendsTraceHeaders === true,
    invalidate: credential.invalidate,
    token: Effect.filterOrFail(credential.token, isSendable, () => unsendable),
    sentTokens: new SentTokens(),
    admission: yield* Admission.make,
    gate: yield* NetworkGate.make<Disconnectable>({ isMine: isDisconnectable, says, summary }),
  }
  return (call) =>
    Effect.flatMap(timing, (settings) => {
      let attempts = 0
      return api.gate
        .through(
          (check) =>
            Effect.annotateCurrentSpan("live_response.attempt", ++attempts).pipe(
              Effect.andThen(api.admission.limit(call.permission, attempt(api, call, settings, check))),
              Effect.tapError((error) => (hasDoneNothing(error) ? (call.onNothingDone ?? Effect.void) : Effect.void)),
            ),
          gaveUp(call.operation),
        )
        .pipe(withRetries(call, settings))
    })
})

/** Makes a call whose answer is a list of records, and decodes it. */
export const records = Effect.fnUntraced(function* <A extends { readonly id: string }>(
  call: Client,
  of: Omit<Call, "bodyLimit" | "isRecordList">,
  fromApi: (value: unknown) => Result.Result<A, string>,
) {
  const answer = yield* call({ ...of, bodyLimit: PageText.pageLimit, isRecordList: true })
  return yield* Effect.mapError(RecordList.decode(answer, fromApi), (problem) =>
    ApiErrors.unexpected(of.operation, problem),
  )
})

/** Retries in three layers: a renewed token, the quota's wait, and trouble on the way or at the API. */
const withRetries =
  <E>(call: Call<E>, settings: Timing.Settings) =>
  <A, E2>(effect: Effect.Effect<A, E2>): Effect.Effect<A, E2 | QuotaStoreError> =>
    onceItFails(effect, (effect) => {
      const report = Schedule.tap(
        ({ duration, input }: Schedule.Metadata<unknown, DefenderError>) =>
          call.onRetry?.(input, duration) ?? Effect.void,
      )
      // The delay holds up the quota, and with it every call. This call then waits for a permit like the others.
      const throttled = settings.throttled.pipe(
        report,
        Schedule.tap(({ duration }) => call.quota.throttled(duration)),
        Schedule.modifyDelay(() => Effect.succeed(Duration.zero)),
      )
      const trouble = either(settings.api, settings.busy, isBusy).pipe(report)
      return effect.pipe(
        Effect.retry({ while: ApiErrors.hasReason("Unauthorized"), times: 1 }),
        Effect.retry(only(throttled, ApiErrors.hasReason("TooManyRequests"))),
        Effect.retry(only(trouble, isRepeatable(call))),
      )
    })

/** One attempt, from the permit of its quota to its answer. */
const attempt = Effect.fnUntraced(function* <E>(api: Api, call: Call<E>, settings: Timing.Settings, check: Check) {
  // Signs in before it waits for a permit: a call that can't sign in needs none, and a slow sign-in holds none.
  yield* api.admission.warn(yield* api.token, call.permission)
  const { bearer, response, sentAt } = yield* call.quota.withPermit(send(api, call, settings, check), {
    priority: call.isUrgent === true,
    isSent,
  })
  const bounds = { size: call.bodyLimit, stall: settings.stallTimeout, total: settings.bodyTimeout }
  const { isComplete, parts } = yield* Http.body(response, bounds).pipe(
    Effect.mapError((trouble) => ApiErrors.broken(call.operation, trouble)),
    Effect.ensuring(recordDuration(call, sentAt, response.status)),
  )
  if (response.status < 300) yield* api.admission.accepted(call.permission)
  if (isSuccess(call, response.status)) {
    const problem = isComplete ? excessOf(call, parts) : `it is longer than ${call.bodyLimit} bytes`
    if (problem !== undefined) return yield* ApiErrors.unexpected(call.operation, problem, call.isOnce)
    return { response, parts, secrets: api.sentTokens.secrets } satisfies Answer
  }
  return yield* failure(api, call, { bearer, response, text: parts.join("") })
})

/** Sends the call and waits for the head of the answer: by then the API has counted it. */
const send = Effect.fnUntraced(function* <E>(api: Api, call: Call<E>, settings: Timing.Settings, check: Check) {
  const bearer = yield* api.token
  api.sentTokens.add(bearer)
  yield* check
  if (call.beforeSend !== undefined) yield* call.beforeSend
  const sentAt = yield* monotonicMillis
  const request = HttpClientRequest.bearerToken(call.request, bearer)
  const response = yield* Http.execute(api.client, request, settings.headTimeout, api).pipe(
    // For this request alone: a sign-in, or what hears of a retry, may send others.
    Effect.provideService(RequestAge, call.age),
    Effect.mapError(ApiErrors.unreachable(call)),
    Effect.tapError(() => recordDuration(call, sentAt, undefined)),
  )
  return { bearer, response, sentAt }
})

const isSuccess = <E>({ acceptsAny2xx }: Call<E>, status: number): boolean =>
  acceptsAny2xx === true ? status >= 200 && status < 300 : status === 200 || status === 201

const excessOf = <E>({ isRecordList }: Call<E>, parts: ReadonlyArray<string>): string | undefined =>
  isRecordList === true ? undefined : JsonBounds.excess(parts.join(""))

/** Fails with what the answer means. A token that the API refused is not used again. */
const failure = Effect.fnUntraced(function* <E>(
  api: Api,
  call: Call<E>,
  {
    bearer,
    response,
    text,
  }: {
    readonly bearer: Redacted.Redacted<string>
    readonly response: HttpClientResponse
    readonly text: string
  },
): Effect.fn.Return<never, DefenderError> {
  const body = JsonBounds.excess(text) === undefined ? text : ""
  const now = yield* DateTime.now
  const claims = Option.getOrUndefined(AccessToken.claims(bearer))
  const reason = ApiErrors.reasonOf(response, body, { ...call, claims, now, secrets: api.sentTokens.secrets })
  if (reason._tag === "NotFound") yield* api.admission.accepted(call.permission)
  if (reason._tag === "Unauthorized") {
    const claims = Option.getOrUndefined(ClaimsChallenge.parse(response.headers["www-authenticate"]))
    yield* api.invalidate(bearer, claims === undefined ? {} : { claims })
  }
  return yield* new DefenderError({ operation: call.operation, reason })
})

/** The errors of a call that may not have reached the API. */
type Disconnectable = DefenderError | CredentialError

const isDisconnectable = (error: unknown): error is Disconnectable =>
  error instanceof DefenderError || error instanceof CredentialError

/**
 * What an error says of the connection. A sign-in server that can't be reached counts as an outage once the API has
 * answered; before that its name may be mistyped.
 */
const says: NetworkGate.Options<Disconnectable>["says"] = (error, { hasAnswered }) => {
  if (error._tag === "CredentialError") return error.isRetryable && hasAnswered ? "connection" : undefined
  return error.reason._tag === "Unreachable" ? error.reason.kind : "answered"
}

const summary = ({ _tag, reason }: Disconnectable): string => {
  const server = _tag === "DefenderError" ? "the API" : "the sign-in server"
  const why = "description" in reason ? ` (${reason.description})` : ""
  const hasAnswered = reason._tag === "Unreachable" && reason.hasAnswered === true
  return hasAnswered ? `${server}'s answer did not arrive whole${why}` : `${server} can't be reached${why}`
}

const gaveUp =
  (operation: string) =>
  (last: Disconnectable, waited: Duration.Duration): Disconnectable =>
    last._tag === "DefenderError" && last.reason._tag === "Unreachable"
      ? new DefenderError({ operation, reason: new Unreachable({ ...last.reason, waited }) })
      : last

/** The request was not sent where no connection could be opened. */
const isUnsent = ({ reason }: DefenderError): boolean => reason._tag === "Unreachable" && reason.kind !== undefined

/** Whether the API may have received the call. It has not where there was no token, no connection, or no leave to send it. */
const isSent = <A, E>(exit: Exit.Exit<A, E>): boolean =>
  Option.match(Exit.findErrorOption(exit), {
    onNone: () => true,
    onSome: (error) => error instanceof DefenderError && !isUnsent(error),
  })

/** The gate has waited for a connection already, so that a call without one is not repeated here. */
const isRepeatable =
  <E>({ isOnce }: Call<E>) =>
  (error: unknown): error is DefenderError =>
    isOnce !== true && error instanceof DefenderError && error.isRetryable && !isUnsent(error)

const isBusy = ({ reason }: DefenderError): boolean => reason._tag === "Unavailable" && reason.retryAfter !== undefined

/** A token that was copied with a line break in it is not one, and no retry makes it one. */
const isSendable = (token: Redacted.Redacted<string>) => /^[\x21-\x7e]+$/.test(Redacted.value(token))

const unsendable = new CredentialError({
  reason: new Unusable({ description: "it holds spaces, line breaks or other characters that a token never has" }),
})
