/** What an answer of the API that is not a success means. Every decision here is pure. */
import type * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import type { HttpClientRequest } from "effect/http/HttpClientRequest"
import type { HttpClientResponse } from "effect/http/HttpClientResponse"
import * as Option from "effect/Option"
import type * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as AccessToken from "../AccessToken.ts"
import * as DefenderError from "../DefenderError.ts"
import { MachineActionId } from "../MachineAction.ts"
import * as Permission from "../Permission.ts"
import * as ClaimsChallenge from "./claimsChallenge.ts"
import * as Connection from "./connectionFailure.ts"
import * as ErrorDocument from "./errorDocument.ts"
import { foreignText, foreignTexts, type Secrets } from "./foreignText.ts"
import * as RetryAfter from "./retryAfter.ts"

export const hasReason =
  (tag: DefenderError.Reason["_tag"]) =>
  (error: unknown): error is DefenderError.DefenderError =>
    error instanceof DefenderError.DefenderError && error.reason._tag === tag

export const unexpected = (
  operation: string,
  description: string,
  /** Whether the API reported the success of a call that must not be repeated. */
  hasSucceeded = false,
): DefenderError.DefenderError =>
  new DefenderError.DefenderError({
    operation,
    reason: new DefenderError.UnexpectedAnswer({
      description: foreignText(description),
      ...(hasSucceeded ? { hasSucceeded } : {}),
    }),
  })

/** What can't be read of an answer is the failure of the call. */
export const orUnexpected = <A>(
  operation: string,
  result: Result.Result<A, string>,
  hasSucceeded = false,
): Effect.Effect<A, DefenderError.DefenderError> =>
  Effect.mapError(Effect.fromResult(result), (problem) => unexpected(operation, problem, hasSucceeded))

/** The call as far as it decides what a connection error means. */
export interface Sent {
  readonly operation: string
  readonly request: HttpClientRequest
  readonly isOnce?: boolean
}

export const unreachable =
  ({ isOnce, operation, request }: Sent) =>
  (trouble: Connection.Trouble): DefenderError.DefenderError => {
    const { cause, ...rest } = trouble
    // Over http a proxy forwards requests without a tunnel: its refusal may be the server's, which has the request then.
    const isUncertain = cause === "proxy" && isOnce === true && !request.url.startsWith("https:")
    return new DefenderError.DefenderError({
      operation,
      reason: new DefenderError.Unreachable(Connection.fieldsOf(isUncertain ? rest : trouble)),
    })
  }

/** The head of the answer came, and its body did not come whole. */
export const broken = (operation: string, trouble: Connection.Trouble): DefenderError.DefenderError =>
  new DefenderError.DefenderError({ operation, reason: new DefenderError.Unreachable(Connection.fieldsOf(trouble)) })

/** What a call adds to the reason of its failure. */
export interface Context {
  readonly permission: Permission.Permission
  /** The claims of the token that was sent, if it can be read. */
  readonly claims?: AccessToken.Claims | undefined
  /** Whether the call must not be repeated where it may have reached the API. */
  readonly isOnce?: boolean
  /** What to do about a 404. */
  readonly ifMissing?: string
  readonly now: DateTime.Utc
  /** What was sent, and must not be in the error although the answer may repeat it. */
  readonly secrets: Secrets
}

/** The reason that an answer gives. `body` is what came of its body. */
export const reasonOf = (response: HttpClientResponse, body: string, context: Context): DefenderError.Reason => {
  const { status } = response
  const error = ErrorDocument.parse(body)
  if (error?.code === undefined && ErrorDocument.isRequired(response, { isOnce: context.isOnce === true })) {
    return new DefenderError.UnexpectedAnswer({
      description: ErrorDocument.describeForeign(response, context.secrets),
    })
  }
  const texts = { code: error?.code, detail: error?.message, correlationId: error?.target }
  const answer = { status, ...foreignTexts(texts, context.secrets) }
  const retryAfter = RetryAfter.parse({
    header: response.headers["retry-after"],
    detail: error?.message,
    now: context.now,
  })
  const busy = { ...answer, ...(Option.isSome(retryAfter) ? { retryAfter: retryAfter.value } : {}) }
  switch (status) {
    case 401: {
      const isChallenge = Option.isSome(ClaimsChallenge.parse(response.headers["www-authenticate"]))
      return new DefenderError.Unauthorized({ ...answer, ...(isChallenge ? { challenge: "insufficient_claims" } : {}) })
    }
    case 403:
      return answer.code === "DisallowedOperation" ? new DefenderError.Refused(answer) : forbidden(answer, context)
    case 404:
      return new DefenderError.NotFound({
        ...answer,
        ...(context.ifMissing === undefined ? {} : { advice: context.ifMissing }),
      })
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

/** A permission that the token has is not what is missing. */
const forbidden = (answer: Omit<typeof DefenderError.Forbidden.Encoded, "_tag">, { claims, permission }: Context) => {
  const held = claims === undefined ? undefined : Permission.held(claims, permission)
  return held === undefined
    ? new DefenderError.Forbidden({ ...answer, permission: Permission.describe(permission) })
    : new DefenderError.Forbidden({ ...answer, permission: held, isHeld: true })
}

/** The action that is in the way: only the message of the error names it. */
const activeAction = (detail = ""): Option.Option<MachineActionId> =>
  decodeId(/active action id: *([0-9a-f-]{36})/i.exec(detail)?.[1])

const decodeId = Schema.decodeUnknownOption(MachineActionId)
