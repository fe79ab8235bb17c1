/** The calls for download links. The kind of the action decides which of them is sent. */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { ApiError } from "../ApiError.ts"
import { DefenderError, LinkNotFollowed } from "../DefenderError.ts"
import * as DownloadLink from "../DownloadLink.ts"
import type { MachineActionId } from "../MachineAction.ts"
import { LinkGate, type NotNow } from "../LinkGate.ts"
import * as Permission from "../Permission.ts"
import { reportNow } from "../Reporter.ts"
import { Retrying } from "../ResultEvent.ts"
import { ActionResult, ofAction, type ResultRef } from "../ResultRef.ts"
import * as ActionCalls from "./actionCalls.ts"
import * as ApiCall from "./apiCall.ts"
import type { Api } from "./apiEndpoints.ts"
import * as ApiErrors from "./apiErrors.ts"
import { onceItFails } from "./scheduleCombinators.ts"
import { inSpan } from "./span.ts"

type Hosts = ReadonlyArray<string> | "any"

/** A link is some hundred bytes, and an error a few thousand. */
const linkLimit = 64 * 1024

const decodeJson = Schema.decodeUnknownEffect(Schema.fromJsonString(Schema.Unknown))

const decodeAnswer = Schema.decodeUnknownEffect(Schema.Struct({ value: Schema.String }))

const isNotNow = (error: ApiError | NotNow): error is NotNow => error._tag === "NotNow"

/** Requests the link of a result, or of an investigation package. */
const request = Effect.fnUntraced(function* (
  api: Api,
  hosts: Hosts,
  ref: ResultRef,
  { isPackage, isRenewal }: { readonly isPackage: boolean; readonly isRenewal: boolean },
) {
  const operation = `link of ${ref}`
  const path = isPackage ? "getPackageUri" : `GetLiveResponseResultDownloadLink(index=${ref.index})`
  const gate = yield* LinkGate
  const call = api.call({
    ...(isPackage ? yield* api.endpoints.package : api.endpoints.link),
    operation,
    request: HttpClientRequest.get(`${api.base}/api/machineactions/${ref.machineActionId}/${path}`, {
      acceptJson: true,
    }),
    permission: isPackage ? Permission.packageLinks : Permission.results,
    bodyLimit: linkLimit,
    isUrgent: isRenewal,
    beforeSend: gate(ref),
    onRetry: (error, delay) => reportNow((at) => Retrying.make({ at, ...ref, delay, message: error.message, error })),
  })
  const answer = yield* onceItFails(call, Effect.retry({ while: isNotNow }))
  const { body, redact } = ApiCall.textOf(answer)
  const { value } = yield* decodeJson(body).pipe(
    Effect.flatMap((json) => decodeAnswer(redact(json))),
    Effect.mapError(() => ApiErrors.unexpected(operation, "no link in the body")),
  )
  const issuedAt = Option.flatMap(Option.fromNullishOr(answer.response.headers.date), DateTime.make)
  const link = DownloadLink.read(value, { issuedAt, from: api.base, hosts })
  return yield* Effect.mapError(
    Effect.fromResult(link),
    (problem) => new DefenderError({ operation, reason: new LinkNotFollowed(problem) }),
  )
})

/**
 * What the API may answer where a package is asked for as the result of a session. A missing permission is not among it: it ends
 * a batch after one call.
 */
const isRefusal = (error: ApiError): boolean =>
  ApiErrors.hasReason("NotFound")(error) || ApiErrors.hasReason("Refused")(error)

/** Whether a result that is known by its name alone may be a package, which is the result 0 of its action. */
const mayBePackage = (ref: ResultRef): boolean => !(ref instanceof ActionResult) && ref.index === 0

export const downloadLink = (api: Api, hosts: Hosts) => {
  /** The actions that turned out to be packages: a link that is renewed is not asked for twice. */
  const packages = new Set<MachineActionId>()

  const isPackage = (ref: ResultRef) =>
    packages.has(ref.machineActionId) || (ref instanceof ActionResult && ref.isPackage === true)

  /** Reads the kind of the action. An action that can't be read does not count as a package. */
  const turnsOutPackage = ({ machineActionId }: ResultRef) =>
    ActionCalls.get(api)(machineActionId).pipe(
      Effect.map((action) => ofAction(action).some(({ isPackage }) => isPackage === true)),
      Effect.tap((isPackage) => Effect.sync(() => void (isPackage && packages.add(machineActionId)))),
      Effect.orElseSucceed(() => false),
    )

  return Effect.fnUntraced(function* (ref: ResultRef, options?: { readonly isRenewal?: boolean | undefined }) {
    yield* Effect.annotateCurrentSpan({
      "live_response.action.id": ref.machineActionId,
      "live_response.command.index": ref.index,
    })
    const isRenewal = options?.isRenewal === true
    if (isPackage(ref)) return yield* request(api, hosts, ref, { isPackage: true, isRenewal })
    return yield* request(api, hosts, ref, { isPackage: false, isRenewal }).pipe(
      Effect.catchIf(
        (error) => mayBePackage(ref) && isRefusal(error),
        (error) =>
          Effect.flatMap(turnsOutPackage(ref), (isPackage) =>
            isPackage ? request(api, hosts, ref, { isPackage, isRenewal }) : Effect.fail(error),
          ),
      ),
    )
  }, inSpan("DefenderApi.downloadLink"))
}
