/**
 * The Defender for Endpoint API, as far as live response results need it.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import * as HttpClient from "effect/http/HttpClient"
import type * as HttpClientRequest from "effect/http/HttpClientRequest"
import type { HttpClientResponse } from "effect/http/HttpClientResponse"
import * as Layer from "effect/Layer"
import type * as Result from "effect/Result"
import type * as Stream from "effect/Stream"
import type * as ActionFilter from "./ActionFilter.ts"
import type { ApiError } from "./ApiError.ts"
import * as Cloud from "./Cloud.ts"
import type { Credential } from "./Credential.ts"
import * as DownloadLink from "./DownloadLink.ts"
import * as ActionCalls from "./internal/actionCalls.ts"
import * as ActionPages from "./internal/actionPages.ts"
import * as ApiCall from "./internal/apiCall.ts"
import * as ApiMetrics from "./internal/apiMetrics.ts"
import { type Api, make as makeEndpoints } from "./internal/apiEndpoints.ts"
import * as LinkCalls from "./internal/linkCalls.ts"
import * as CustomRequest from "./internal/customRequest.ts"
import { bodyWithoutSecrets } from "./internal/foreignText.ts"
import * as RecordList from "./internal/recordList.ts"
import * as RecordPages from "./internal/recordPages.ts"
import type * as Machine from "./Machine.ts"
import type * as MachineAction from "./MachineAction.ts"
import type * as Permission from "./Permission.ts"
import { Quota, type Service as QuotaService } from "./Quota.ts"
import type * as QuotaRule from "./QuotaRule.ts"
import type { ResultRef } from "./ResultRef.ts"
import type * as Session from "./Session.ts"
import * as Timing from "./Timing.ts"

/**
 * What happens around the call that starts a session.
 *
 * **Details**
 *
 * `beforeSend` runs once the quota has a permit, right before the call is sent. Where it fails nothing is sent. `onNothingDone` runs
 * after an attempt that has certainly started nothing, because it was not sent, or because the API refused it with 401 or 429: it may be
 * sent again, after `beforeSend`. `age` is the `RequestProgress.RequestAge` of the request: a transport may refuse to send it late.
 *
 * @since 0.1.0
 * @category options
 */
export interface RunOptions<E> {
  readonly beforeSend?: Effect.Effect<void, E> | undefined
  readonly onNothingDone?: Effect.Effect<void> | undefined
  readonly age?: (() => number) | undefined
}

/**
 * The calls. Each one signs in, waits for its quota, and is retried as `Timing` says: after a 429 as long as the API asks
 * for, after a 401 with a new token, and after trouble on the way or at the API.
 *
 * @since 0.1.0
 * @category services
 */
export interface Service {
  /**
   * Creates a download link for a result, or for an investigation package, which has a quota of its own: 2 calls a minute and
   * 120 an hour.
   *
   * **Details**
   *
   * `ActionResult.isPackage` says that it is a package. Of a `ResultRef` with index 0 nobody knows: where the API refuses a link
   * to it, the action is read, and the link of its package requested if it has one.
   *
   * `isRenewal` says that an earlier link was lost, so that the call goes before those for first links.
   *
   * @see https://learn.microsoft.com/en-us/defender-endpoint/api/get-live-response-result
   * @see https://learn.microsoft.com/en-us/defender-endpoint/api/get-package-sas-uri
   */
  readonly downloadLink: (
    ref: ResultRef,
    options?: { readonly isRenewal?: boolean | undefined },
  ) => Effect.Effect<DownloadLink.DownloadLink, ApiError>

  /**
   * Lists machine actions, page by page. Each page is one call, which is sent when the page is asked for.
   *
   * **Details**
   *
   * Pages shift while actions are added, so that an action of an earlier page of the same walk is left out. A record that
   * can't be read is in `unreadable`, and costs the others nothing. `next` is the address of the following page, from which
   * a later call resumes; it is always on this API's own server. Where `pageSize` is set and the API names no page after a
   * full one, the next page is requested by `$skip`.
   *
   * **Gotchas**
   *
   * A walk whose next page brings nothing new fails with reason `EndlessList`, after everything that came until then.
   *
   * @see https://learn.microsoft.com/en-us/defender-endpoint/api/get-machineactions-collection
   */
  readonly pages: (query?: ListQuery) => Stream.Stream<Page, ApiError>

  /** Lists machine actions, one by one. Records that can't be read are logged as warnings, once each. */
  readonly list: (query?: ListQuery) => Stream.Stream<MachineAction.MachineAction, ApiError>

  /**
   * Reads a machine action as it is now.
   *
   * @see https://learn.microsoft.com/en-us/defender-endpoint/api/get-machineaction-object
   */
  readonly get: (id: MachineAction.MachineActionId) => Effect.Effect<MachineAction.MachineAction, ApiError>

  /**
   * Finds the machines with this DNS name (FQDN): none, one, or several where a machine was set up again.
   *
   * **Details**
   *
   * The API compares names with their case. The name is sent as it is written and, where no machine has it, once more in lower
   * case, in upper case, and with its first part alone in upper case.
   *
   * @see https://learn.microsoft.com/en-us/defender-endpoint/api/get-machines
   */
  readonly machinesOf: (name: string) => Effect.Effect<ReadonlyArray<Machine.Machine>, ApiError>

  /**
   * Polls a machine action until it is final, or until `Timing.poll` stops, and returns it as it is then. A new action may
   * be unknown to the API for two minutes.
   */
  readonly wait: (id: MachineAction.MachineActionId) => Effect.Effect<MachineAction.MachineAction, ApiError>

  /**
   * Runs the commands of a session on a machine.
   *
   * **Details**
   *
   * See `RunOptions` for what runs before it is sent, and after an attempt that has started nothing.
   *
   * **Gotchas**
   *
   * Where no answer comes the session may have started, so that the call is not repeated.
   *
   * @see https://learn.microsoft.com/en-us/defender-endpoint/api/run-live-response
   */
  readonly run: <E = never>(
    machineId: string,
    session: Session.Session,
    options?: RunOptions<E>,
  ) => Effect.Effect<MachineAction.MachineAction, ApiError | E>

  /**
   * Cancels a machine action that is not final.
   *
   * @see https://learn.microsoft.com/en-us/defender-endpoint/api/cancel-machine-action
   */
  readonly cancel: (
    id: MachineAction.MachineActionId,
    comment: string,
  ) => Effect.Effect<MachineAction.MachineAction, ApiError>

  /**
   * Sends a request that this library has no call for, with everything that its own calls have: the token, a quota, the
   * retries, and typed errors without secrets.
   *
   * **Details**
   *
   * The address of the request is a path of the API (`/api/alerts`) or an address on its server. The answer's body is read
   * as text before the effect succeeds, up to `bodyLimit`. Any 2xx is a success; everything else is a `DefenderError`.
   * Where no answer comes `GET`, `HEAD` and `OPTIONS` are repeated, and other methods only with `isRepeatable`.
   *
   * **Gotchas**
   *
   * The token is sent to the API's own server alone. A request for another server fails with reason `OtherServer`, and a
   * redirect is not followed.
   *
   * @example
   * ```ts
   * import { DefenderApi } from "@live-response/core/DefenderApi"
   * import * as MachineAction from "@live-response/core/MachineAction"
   * import { Quota } from "@live-response/core/Quota"
   * import * as QuotaRule from "@live-response/core/QuotaRule"
   * import * as LiveResponseTest from "@live-response/core/testing/LiveResponseTest"
   * import * as Effect from "effect/Effect"
   * import * as HttpClientRequest from "effect/http/HttpClientRequest"
   * import * as HttpClientResponse from "effect/http/HttpClientResponse"
   *
   * const machineId = "1e5bc9d7e413ddd7902c2932e418702b84d0cc07"
   *
   * const scan = Effect.gen(function* () {
   *   const api = yield* DefenderApi
   *   const quota = yield* (yield* Quota).ofApi({
   *     name: "RunAntiVirusScan",
   *     windows: QuotaRule.windowsOf({ perMinute: 100, perHour: 1500 }),
   *   })
   *   const request = HttpClientRequest.post(`/api/machines/${machineId}/runAntiVirusScan`).pipe(
   *     HttpClientRequest.bodyJsonUnsafe({ Comment: "case 4711", ScanType: "Quick" }),
   *   )
   *   const response = yield* api.execute(request, {
   *     operation: "RunAntiVirusScan",
   *     permission: { application: ["Machine.Scan"], delegated: ["Machine.Scan"] },
   *     quota,
   *   })
   *   return yield* HttpClientResponse.schemaBodyJson(MachineAction.FromApi)(response)
   * })
   *
   * const simulator = LiveResponseTest.layer({ machines: [{ id: machineId }] })
   * console.log((await Effect.runPromise(Effect.provide(scan, simulator))).type) // RunAntiVirusScan
   * ```
   */
  readonly execute: (
    request: HttpClientRequest.HttpClientRequest,
    options: ExecuteOptions,
  ) => Effect.Effect<HttpClientResponse, ApiError>

  /**
   * Lists records that this library has no call for, page by page, as `pages` lists machine actions: each record is decoded
   * by itself, and one that can't be read is in `unreadable`.
   *
   * @see `execute` for a call whose answer is not a list
   */
  readonly records: <A extends { readonly id: string }>(
    list: RecordsOptions<A>,
    query?: ListQuery,
  ) => Stream.Stream<RecordPage<A>, ApiError>

  /** The HTTP client that the calls are sent with, without the token. */
  readonly client: HttpClient.HttpClient
}

/**
 * @since 0.1.0
 * @category options
 */
export interface ListQuery {
  readonly filter?: ActionFilter.ActionFilter | undefined

  /** How many actions a page has at most. Microsoft's limit is 10,000. By default the API decides. */
  readonly pageSize?: number | undefined

  /** The `next` of an earlier page, to resume from there. It includes the filter. */
  readonly from?: string | undefined
}

/**
 * @since 0.1.0
 * @category options
 */
export interface ExecuteOptions {
  /** The name of the call for metrics: one of a few, without ids, such as `ListAlerts`. */
  readonly operation: string

  /** What errors name, such as `alert da637`. By default the operation. */
  readonly subject?: string | undefined

  /** What to do about a 404, for its error. */
  readonly ifMissing?: string | undefined

  /** What the token must permit. A warning is logged where its claims do not, and a 403 names it. */
  readonly permission: Permission.Permission

  /** The quota that counts the call. The quota of another API comes from `Quota.ofApi`. */
  readonly quota: QuotaService

  /** How many bytes the answer may have. By default 1 MiB. */
  readonly bodyLimit?: number | undefined

  /** Whether the call may be repeated where no answer came. By default `GET`, `HEAD` and `OPTIONS` are. */
  readonly isRepeatable?: boolean | undefined
}

/**
 * A list of the API, and how its records are read.
 *
 * @since 0.1.0
 * @category options
 */
export interface RecordsOptions<A> extends Pick<
  ExecuteOptions,
  "operation" | "subject" | "ifMissing" | "permission" | "quota"
> {
  /** The path of the list, such as `/api/alerts`. */
  readonly path: string

  /** Parameters of the list other than `$filter` and `$top`. */
  readonly parameters?: Readonly<Record<string, string>> | undefined

  /** Decodes a record, or says in a few words why it can't be read. */
  readonly fromApi: (value: unknown) => Result.Result<A, string>
}

/**
 * A page of records: those that no earlier page had, those that can't be read, and the address of the following page (`next`)
 * where there is one.
 *
 * @since 0.1.0
 * @category models
 */
export interface RecordPage<A> extends RecordPages.Page<A> {}

/**
 * A record of a list that can't be read: its position in the page, counted from 0, its id where it has one, and what is
 * wrong with it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Unreadable extends RecordList.Unreadable {}

/**
 * Describes a record that can't be read, in a sentence for a person.
 *
 * @since 0.1.0
 * @category formatting
 */
export const describeUnreadable: (record: Unreadable) => string = RecordList.describeOne

/**
 * A page of machine actions: those that no earlier page had, the records that can't be read, and the address of the
 * following page (`next`) where there is one.
 *
 * @since 0.1.0
 * @category models
 */
export interface Page extends ActionPages.Page {}

/**
 * The API as typed calls. This is the one place where 401, 429 and 5xx are handled.
 *
 * @since 0.1.0
 * @category services
 */
export class DefenderApi extends Context.Service<DefenderApi, Service>()("@live-response/core/DefenderApi") {}

/**
 * @since 0.1.0
 * @category options
 */
export interface Options {
  /** Base of the API's addresses. By default that of the commercial cloud. */
  readonly base?: string | undefined

  /**
   * The hosts that links may lead to, each with all hosts under it, or `any`. By default `DownloadLink.storageHosts`. The
   * links of an API in a private network may also lead into that network.
   */
  readonly storageHosts?: ReadonlyArray<string> | "any" | undefined

  /** How many sessions may start. By default 10 a minute, which is Microsoft's limit. */
  readonly runWindows?: ReadonlyArray<QuotaRule.Window> | undefined

  /**
   * Changes the HTTP client, for instance to add a header. It runs before the token is set.
   *
   * **Gotchas**
   *
   * Each attempt of a call takes a permit of the quota. A client that sends requests again by itself, as with
   * `HttpClient.retryTransient`, exceeds the quota, and may start a session twice.
   */
  readonly transformClient?: ((client: HttpClient.HttpClient) => HttpClient.HttpClient) | undefined

  /** Sends the headers that name the trace (`traceparent`, `b3`) to the API. By default no server gets them. */
  readonly sendsTraceHeaders?: boolean | undefined
}

/**
 * The metrics of API calls, as OpenTelemetry names them.
 *
 * **Details**
 *
 * `duration` (`live_response.api.duration`) is a histogram in seconds, from the request of each attempt to the end of its
 * answer. It has the attributes `operation`, such as `GetMachineAction`, and `status`: the HTTP status, or `none` where no
 * answer came.
 *
 * @since 0.1.0
 * @category metrics
 */
export const metrics = ApiMetrics.metrics

/**
 * Creates the service from explicit options.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = Effect.fnUntraced(function* (
  options?: Options,
): Effect.fn.Return<Service, never, HttpClient.HttpClient | Credential | Quota> {
  const client = (options?.transformClient ?? identity)(yield* HttpClient.HttpClient)
  const api: Api = {
    base: Cloud.apiBase(options?.base ?? Cloud.commercial.base),
    call: yield* ApiCall.make(client, options),
    endpoints: yield* makeEndpoints(yield* Quota, options?.runWindows),
    timing: yield* Timing.perCall,
  }
  const pages: Service["pages"] = (query) =>
    ActionPages.pages(api, { parameters: parametersOf(query), from: query?.from })
  const actionsOf = ActionPages.actionsOf()
  return {
    client,
    pages,
    list: (query) => actionsOf(pages(query)),
    get: ActionCalls.get(api),
    machinesOf: ActionCalls.machinesOf(api),
    wait: ActionCalls.wait(api),
    run: ActionCalls.run(api),
    cancel: ActionCalls.cancel(api),
    downloadLink: LinkCalls.downloadLink(api, options?.storageHosts ?? DownloadLink.storageHosts),
    execute: execute(api),
    records: records(api),
  }
})

const defaultBodyLimit = 1024 * 1024

const execute = (api: Api): Service["execute"] =>
  Effect.fn("DefenderApi.execute")(function* (request, options) {
    const { ifMissing, operation, permission, quota, subject = operation } = options
    const { parts, response, secrets } = yield* api.call({
      name: operation,
      operation: subject,
      request: yield* CustomRequest.resolve(subject, request, api.base),
      permission,
      quota,
      ...(ifMissing === undefined ? {} : { ifMissing }),
      bodyLimit: options.bodyLimit ?? defaultBodyLimit,
      acceptsAny2xx: true,
      isOnce: !(options.isRepeatable ?? CustomRequest.isSafe(request)),
    })
    return CustomRequest.responseOf(request, response, bodyWithoutSecrets(secrets, parts.join("")))
  })

const records =
  (api: Api): Service["records"] =>
  ({ operation, parameters = {}, quota, subject = operation, ...list }, query) =>
    RecordPages.pages(
      { ...api, ...list, operation: subject, endpoint: Effect.succeed({ name: operation, quota }) },
      {
        parameters: [
          ...Object.entries(parameters).map(([name, value]) => `${name}=${encodeURIComponent(value)}`),
          ...parametersOf(query),
        ],
        from: query?.from,
      },
    )

const parametersOf = (query: ListQuery | undefined): ReadonlyArray<string> => [
  ...(query?.filter === undefined ? [] : [`$filter=${encodeURIComponent(query.filter.expression)}`]),
  ...(query?.pageSize === undefined ? [] : [`$top=${query.pageSize}`]),
]

/**
 * The service from explicit options.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options?: Options): Layer.Layer<DefenderApi, never, HttpClient.HttpClient | Credential | Quota> =>
  Layer.effect(DefenderApi, make(options))

/**
 * The service with its address from `LIVE_RESPONSE_ENDPOINT`. By default that of the commercial cloud.
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
