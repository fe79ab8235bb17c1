/** One call of the API, from the place in its quota to its answer: the one place where 401, 429 and 5xx are handled. */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
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
import { Timing } from "../Timing.ts"
import * as ClaimsChallenge from "./claimsChallenge.ts"
import type { Trouble } from "./connection.ts"
import { foreignText, foreignTexts, type Secrets, withoutSecrets } from "./foreignText.ts"
import * as Http from "./http.ts"
import * as JsonBounds from "./jsonBounds.ts"
import * as NetworkGate from "./networkGate.ts"
import * as RetryAfter from "./retryAfter.ts"
import { either, only } from "./schedule.ts"

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

  /** The answer is read record by record, each within bounds of its own: one that exceeds them costs no other. */
  readonly isRecordList?: boolean

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
  /** Removes the tokens that were sent from a value that was read from the body: the API may repeat them in any member. */
  readonly clean: (value: unknown) => unknown
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

/** A token that was replaced is good until it expires, so that the API may still repeat it. */
const mostTokens = 8

/** The tokens that were sent last. */
const makeSent = () => {
  const tokens = new Map<string, Redacted.Redacted<string>>()
  return {
    add: (token: Redacted.Redacted<string>): void => {
      tokens.delete(Redacted.value(token))
      tokens.set(Redacted.value(token), token)
      for (const oldest of Array.from(tokens.keys()).slice(0, -mostTokens)) tokens.delete(oldest)
    },
    secrets: (): Secrets => Array.from(tokens.values()),
  }
}

/** Makes the function that calls. */
export const make = Effect.fnUntraced(function* (client: HttpClient.HttpClient) {
  const credential = yield* Credential
  const policy = yield* Timing
  const admission = yield* makeAdmission
  const sent = makeSent()
  const gate = yield* NetworkGate.make<Disconnectable>({ isMine: isDisconnectable, says, summary: summaryOf })

  const token = Effect.filterOrFail(credential.token, isSendable, () => unsendable)

  /** Sends the call, as far as the head of its answer: the API has counted it by then. */
  const send = Effect.fnUntraced(function* <E>(call: Call<E>, check: Effect.Effect<void, Disconnectable>) {
    const bearer = yield* token
    sent.add(bearer)
    yield* check
    if (call.begin !== undefined) yield* call.begin
    const request = HttpClientRequest.bearerToken(call.request, bearer)
    const response = yield* Effect.mapError(Http.execute(client, request, policy.headTimeout), unreachable(call))
    return { response, bearer }
  })

  const bodyOf = <E>(call: Call<E>, response: HttpClientResponse) =>
    Http.body(response, { size: call.bodyLimit, stall: policy.stallTimeout, total: policy.bodyTimeout }).pipe(
      Effect.mapError(({ description }) => unreachable(call)({ description })),
    )

  const once = Effect.fnUntraced(function* <E>(call: Call<E>, check: Effect.Effect<void, Disconnectable>) {
    const { operation, quota } = call
    // Signed in before there is a place: who can't sign in needs none, and a sign-in that takes its time holds none.
    yield* admission.warn(yield* token, call.permission)
    const { bearer, response } = yield* quota.withPermit(send(call, check), { priority: call.first === true, isSent })
    const body = yield* bodyOf(call, response)
    if (response.status < 300 || response.status === 404) yield* admission.prove
    const isDone = response.status === 200 || response.status === 201
    const excess = isDone && call.isRecordList === true ? undefined : JsonBounds.excess(body)
    if (isDone) {
      if (excess !== undefined) return yield* unexpected(operation, excess)
      const date = Option.flatMap(Option.fromNullishOr(response.headers.date), DateTime.make)
      return { body, clean: withoutSecrets(sent.secrets(), body), date } satisfies Answer
    }
    const reason = refusal(
      response,
      excess === undefined ? body : "",
      { now: yield* DateTime.now, secrets: sent.secrets() },
      call,
    )
    if (reason._tag === "Unauthorized") {
      const claims = Option.getOrUndefined(ClaimsChallenge.parse(response.headers["www-authenticate"]))
      yield* credential.invalidate(bearer, claims === undefined ? {} : { claims })
    }
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
      Schedule.tap(({ duration }) => call.quota.throttled(duration)),
      Schedule.modifyDelay(() => Effect.succeed(Duration.zero)),
    )
    const gaveUp = (last: Disconnectable, waited: Duration.Duration): Disconnectable =>
      last._tag === "DefenderError" && last.reason._tag === "Unreachable"
        ? new DefenderError.DefenderError({
            operation: call.operation,
            reason: new DefenderError.Unreachable({ ...last.reason, waited }),
          })
        : last
    return gate
      .through((check) => admission.limit(once(call, check)), gaveUp)
      .pipe(
        Effect.retry({ while: hasReason("Unauthorized"), times: 1 }),
        Effect.retry(only(throttled, hasReason("TooManyRequests"))),
        Effect.retry(only(either(policy.api, policy.busy, isBusy).pipe(told), isRepeatable(call))),
      )
  }
})

export const hasReason =
  (tag: DefenderError.Reason["_tag"]) =>
  (error: unknown): error is DefenderError.DefenderError =>
    error instanceof DefenderError.DefenderError && error.reason._tag === tag

/** What a call fails with that did not get as far as the API. */
type Disconnectable = DefenderError.DefenderError | CredentialError

const isDisconnectable = (error: unknown): error is Disconnectable =>
  error instanceof DefenderError.DefenderError || error instanceof CredentialError

/** A sign-in server out of reach is a network that is gone, but for who never signed in and may have mistyped its name. */
const says: NetworkGate.Options<Disconnectable>["says"] = (error, { hasAnswered }) => {
  if (error._tag === "CredentialError") return error.isRetryable && hasAnswered ? "connection" : undefined
  return error.reason._tag === "Unreachable" ? error.reason.kind : "answered"
}

const summaryOf = ({ _tag, reason }: Disconnectable): string => {
  const who = _tag === "DefenderError" ? "the API" : "the sign-in server"
  return `${who} can't be reached${"description" in reason ? ` (${reason.description})` : ""}`
}

/** Whether the API may have the call: it has not where there was no token, no connection, or no leave to send it. */
const isSent = <A, E>(exit: Exit.Exit<A, E>): boolean =>
  Option.match(Exit.findErrorOption(exit), {
    onNone: () => true,
    onSome: (error) =>
      error instanceof DefenderError.DefenderError &&
      (error.reason._tag !== "Unreachable" || error.reason.kind === undefined),
  })

/** Where there is no connection the call has waited for one already. */
const isRepeatable =
  ({ isOnce }: Pick<Call, "isOnce">) =>
  (error: unknown): error is DefenderError.DefenderError =>
    isOnce !== true &&
    error instanceof DefenderError.DefenderError &&
    error.isRetryable &&
    (error.reason._tag !== "Unreachable" || error.reason.kind === undefined)

const isBusy = ({ reason }: DefenderError.DefenderError): boolean =>
  reason._tag === "Unavailable" && reason.retryAfter !== undefined

/** A token that was copied with a line break in it is none, and is not worth a retry. */
const isSendable = (token: Redacted.Redacted<string>) => /^[\x21-\x7e]+$/.test(Redacted.value(token))

const unsendable = new CredentialError({
  reason: new Unusable({ description: "it holds spaces, line breaks or other characters that none has" }),
})

/** What an answer that is not 200 means. */
const refusal = (
  response: HttpClientResponse,
  body: string,
  { now, secrets }: { readonly now: DateTime.Utc; readonly secrets: Secrets },
  { ifMissing, permission }: Pick<Call, "ifMissing" | "permission">,
): DefenderError.Reason => {
  const { status } = response
  const error = Option.getOrUndefined(decodeErrorAnswer(body))?.error
  const texts = { code: error?.code, detail: error?.message, correlationId: error?.target }
  const answer = { status, ...foreignTexts(texts, secrets) }
  const retryAfter = RetryAfter.parse({ header: response.headers["retry-after"], detail: error?.message, now })
  const busy = { ...answer, ...(Option.isSome(retryAfter) ? { retryAfter: retryAfter.value } : {}) }
  switch (status) {
    case 401: {
      const isChallenge = Option.isSome(ClaimsChallenge.parse(response.headers["www-authenticate"]))
      return new DefenderError.Unauthorized({ ...answer, ...(isChallenge ? { challenge: "insufficient_claims" } : {}) })
    }
    case 403:
      return answer.code === "DisallowedOperation"
        ? new DefenderError.Refused(answer)
        : new DefenderError.Forbidden({ ...answer, permission: Permission.describe(permission) })
    case 404:
      return new DefenderError.NotFound({ ...answer, ...(ifMissing === undefined ? {} : { advice: ifMissing }) })
    case 407:
      return new DefenderError.Unreachable({ description: "the proxy answered HTTP 407", kind: "proxy" })
    case 408:
      return new DefenderError.Unavailable(busy)
    case 429:
      return new DefenderError.TooManyRequests(busy)
  }
  if (answer.code === "ActiveRequestAlreadyExists") {
    const machineActionId = activeAction(error?.message)
    return new DefenderError.ActiveRequestAlreadyExists({
      ...answer,
      ...(Option.isSome(machineActionId) ? { machineActionId: machineActionId.value } : {}),
    })
  }
  if (status >= 500) return new DefenderError.Unavailable(busy)
  if (status >= 400) return new DefenderError.Refused(answer)
  return new DefenderError.UnexpectedAnswer({ description: `HTTP ${status}` })
}

/** The message alone names the action that is in the way. */
const activeAction = (detail = ""): Option.Option<MachineActionId> =>
  decodeId(/active action id: *([0-9a-f-]{36})/i.exec(detail)?.[1])

const decodeId = Schema.decodeUnknownOption(MachineActionId)

const unreachable =
  <E>({ operation }: Call<E>) =>
  ({ cause, description }: Trouble) =>
    new DefenderError.DefenderError({
      operation,
      reason: new DefenderError.Unreachable({ description, ...(cause === undefined ? {} : { kind: cause }) }),
    })

export const unexpected = (operation: string, description: string): DefenderError.DefenderError =>
  new DefenderError.DefenderError({
    operation,
    reason: new DefenderError.UnexpectedAnswer({ description: foreignText(description) }),
  })
