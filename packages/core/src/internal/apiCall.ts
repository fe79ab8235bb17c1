/** One call of the API, from the place in its quota to its answer: the one place where 401, 429 and 5xx are handled. */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import type { HttpClientResponse } from "effect/http/HttpClientResponse"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Semaphore from "effect/Semaphore"
import * as AccessToken from "../AccessToken.ts"
import { Credential } from "../Credential.ts"
import { CredentialError, Unusable } from "../CredentialError.ts"
import * as DefenderError from "../DefenderError.ts"
import { MachineActionId } from "../MachineAction.ts"
import * as Permission from "../Permission.ts"
import type { Service as Quota } from "../Quota.ts"
import type { QuotaStoreError } from "../QuotaStoreError.ts"
import { RetryPolicy } from "../RetryPolicy.ts"
import * as Http from "./http.ts"
import * as JsonBounds from "./jsonBounds.ts"
import * as RetryAfter from "./retryAfter.ts"
import { only } from "./schedule.ts"

/** Everything that a call can fail with: no token, no place in the quota's log, or what the API says. */
export type ApiError = DefenderError.DefenderError | CredentialError | QuotaStoreError

export interface Call<E = never> {
  /** What it is for, as errors name it. */
  readonly operation: string
  readonly request: HttpClientRequest.HttpClientRequest
  readonly permission: Permission.Permission
  readonly quota: Quota

  /** How many bytes of the answer are read. */
  readonly bodyLimit: number

  /** It goes before those that wait already. */
  readonly first?: boolean

  /** What was asked for may have been done although no answer came: it is not asked for twice. */
  readonly isOnce?: boolean

  /** Done when the call's turn has come, right before it is sent. Where it fails nothing is sent. */
  readonly begin?: Effect.Effect<void, E> | undefined

  /** What to do about a 404. */
  readonly ifMissing?: string

  /** Hears of every wait before the call is made again. */
  readonly retrying?: (error: DefenderError.DefenderError, delay: Duration.Duration) => Effect.Effect<void>
}

export interface Answer {
  readonly body: string
  /** The server's clock. */
  readonly date: Option.Option<DateTime.Utc>
}

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

    /** The API let a call in: whoever waits at the gate goes on. */
    prove: Effect.suspend(() => {
      if (isProven) return Effect.void
      isProven = true
      return gate.resize(Number.MAX_SAFE_INTEGER)
    }),

    limit: <A, E, R>(call: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
      Effect.suspend(() => (isProven ? call : gate.withPermits(1)(call))),
  }
})

/** Makes the function that calls. */
export const make = Effect.fnUntraced(function* (client: HttpClient.HttpClient) {
  const credential = yield* Credential
  const policy = yield* RetryPolicy
  const admission = yield* makeAdmission

  const token = Effect.filterOrFail(credential.token, isSendable, () => unsendable)

  const send = Effect.fnUntraced(function* <E>({ begin, bodyLimit, operation, request }: Call<E>) {
    const bearer = yield* token
    if (begin !== undefined) yield* begin
    const { body, response } = yield* Http.exchange(client, HttpClientRequest.bearerToken(request, bearer), {
      bodyLimit,
      timeout: policy.headTimeout,
    }).pipe(Effect.mapError((description) => unreachable(operation, description)))
    return { body, response, bearer }
  })

  const once = Effect.fnUntraced(function* <E>(call: Call<E>) {
    const { operation, quota } = call
    // Signed in before there is a place: who can't sign in needs none, and a sign-in that takes its time holds none.
    yield* admission.warn(yield* token, call.permission)
    const { bearer, body, response } = yield* quota.withPlace(send(call), { first: call.first === true })
    if (response.status < 300 || response.status === 404) yield* admission.prove
    const excess = JsonBounds.excess(body)
    if (response.status === 200 || response.status === 201) {
      if (excess !== undefined) return yield* unexpected(operation, excess)
      const date = Option.flatMap(Option.fromNullishOr(response.headers.date), DateTime.make)
      return { body, date } satisfies Answer
    }
    const reason = refusal(response, excess === undefined ? body : "", yield* DateTime.now, call)
    if (reason._tag === "Unauthorized") yield* credential.invalidate(bearer)
    return yield* new DefenderError.DefenderError({ operation, reason })
  })

  return <E = never>(call: Call<E>): Effect.Effect<Answer, ApiError | E> => {
    const told = Schedule.tap(
      ({ duration, input: error }: Schedule.Metadata<unknown, DefenderError.DefenderError>) =>
        call.retrying?.(error, duration) ?? Effect.void,
    )
    /** The policy's delay holds up the quota, and with it every call; this one then queues like the others. */
    const throttled = policy.throttled.pipe(
      told,
      Schedule.tap(({ duration }) => call.quota.refused(duration)),
      Schedule.modifyDelay(() => Effect.succeed(Duration.zero)),
    )
    return once(call).pipe(
      admission.limit,
      Effect.retry({ while: hasReason("Unauthorized"), times: 1 }),
      Effect.retry(only(throttled, hasReason("TooManyRequests"))),
      Effect.retry(only(policy.api.pipe(told), isRepeatable(call))),
    )
  }
})

export const hasReason =
  (tag: DefenderError.Reason["_tag"]) =>
  (error: unknown): error is DefenderError.DefenderError =>
    error instanceof DefenderError.DefenderError && error.reason._tag === tag

const isRepeatable =
  ({ isOnce }: Pick<Call, "isOnce">) =>
  (error: unknown): error is DefenderError.DefenderError =>
    isOnce !== true && error instanceof DefenderError.DefenderError && error.isRetryable

/** A token that was copied with a line break in it is none, and is not worth a retry. */
const isSendable = (token: Redacted.Redacted<string>) => /^[\x21-\x7e]+$/.test(Redacted.value(token))

const unsendable = new CredentialError({
  reason: new Unusable({ description: "it holds spaces, line breaks or other characters that none has" }),
})

/** What an answer that is not 200 means. */
const refusal = (
  response: HttpClientResponse,
  body: string,
  now: DateTime.Utc,
  { ifMissing, permission }: Pick<Call, "ifMissing" | "permission">,
): DefenderError.Reason => {
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
        : new DefenderError.Forbidden({ ...answer, permission: Permission.describe(permission) })
    case 404:
      return new DefenderError.NotFound({ ...answer, ...(ifMissing === undefined ? {} : { advice: ifMissing }) })
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
  if (answer.code === "ActiveRequestAlreadyExists") {
    const machineActionId = activeAction(answer.detail)
    return new DefenderError.ActiveRequestAlreadyExists({
      ...answer,
      ...(Option.isSome(machineActionId) ? { machineActionId: machineActionId.value } : {}),
    })
  }
  if (status >= 500) return new DefenderError.Unavailable(answer)
  if (status >= 400) return new DefenderError.Refused(answer)
  return new DefenderError.UnexpectedAnswer({ description: `HTTP ${status}` })
}

/** The message alone names the action that is in the way. */
const activeAction = (detail = ""): Option.Option<MachineActionId> =>
  decodeId(/active action id: *([0-9a-f-]{36})/i.exec(detail)?.[1])

const decodeId = Schema.decodeUnknownOption(MachineActionId)

const unreachable = (operation: string, description: string) =>
  new DefenderError.DefenderError({ operation, reason: new DefenderError.Unreachable({ description }) })

export const unexpected = (operation: string, description: string): DefenderError.DefenderError =>
  new DefenderError.DefenderError({ operation, reason: new DefenderError.UnexpectedAnswer({ description }) })
