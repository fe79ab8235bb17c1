/**
 * The Defender for Endpoint API, as far as live response results need it.
 *
 * @since 0.1.0
 */
import * as Arr from "effect/Array"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { Retrying } from "./ResultEvent.ts"
import type * as ActionFilter from "./ActionFilter.ts"
import * as Cloud from "./Cloud.ts"
import type { Credential } from "./Credential.ts"
import { DefenderError, EndlessList, LinkNotFollowed } from "./DefenderError.ts"
import * as DownloadLink from "./DownloadLink.ts"
import * as ApiCall from "./internal/apiCall.ts"
import { cachedSuccess } from "./internal/cachedSuccess.ts"
import * as PageText from "./internal/pageText.ts"
import * as PageWalk from "./internal/pageWalk.ts"
import * as RecordList from "./internal/recordList.ts"
import * as Permission from "./Permission.ts"
import * as Machine from "./Machine.ts"
import * as MachineAction from "./MachineAction.ts"
import { Quota } from "./Quota.ts"
import * as QuotaRule from "./QuotaRule.ts"
import { reportNow } from "./Reporter.ts"
import type { ResultRef } from "./ResultRef.ts"
import { Timing } from "./Timing.ts"
import * as Session from "./Session.ts"
import { only } from "./internal/schedule.ts"
import { quoted } from "./internal/text.ts"

/**
 * Everything that a call can fail with: no token, no place in the quota's log, or what the API says.
 *
 * @since 0.1.0
 * @category errors
 */
export type ApiError = ApiCall.ApiError

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

  /**
   * Machine actions, page by page. Each page is one call, which is made when the page is asked for.
   *
   * **Details**
   *
   * An action that an earlier page of the same walk had is left out: pages shift while actions are added. A record that
   * can't be read is in `unreadable`, and costs the others nothing. `next` is the address of the following page, with
   * which a later call resumes from there; it is always on this API's own server. Where `pageSize` is given and the API
   * names no next page behind a full one, the next page is asked for by `$skip`.
   *
   * **Gotchas**
   *
   * A walk whose next page brings nothing new fails with reason `EndlessList`, after everything that came until then.
   *
   * @see https://learn.microsoft.com/en-us/defender-endpoint/api/get-machineactions-collection
   */
  readonly pages: (query?: ListQuery) => Stream.Stream<Page, ApiError>

  /** The same, action by action. Records that can't be read are reported in a warning, once each. */
  readonly list: (query?: ListQuery) => Stream.Stream<MachineAction.MachineAction, ApiError>

  /**
   * A machine action as it is now.
   *
   * @see https://learn.microsoft.com/en-us/defender-endpoint/api/get-machineaction-object
   */
  readonly get: (id: MachineAction.MachineActionId) => Effect.Effect<MachineAction.MachineAction, ApiError>

  /**
   * The machines of a name, which is a DNS name (FQDN): none, one, or several where a machine was set up again. The name is
   * sent as it is written and, where there is no such machine, once more in lower case; answers are compared without
   * regard to case.
   *
   * @see https://learn.microsoft.com/en-us/defender-endpoint/api/get-machines
   */
  readonly machinesOf: (name: string) => Effect.Effect<ReadonlyArray<Machine.Machine>, ApiError>

  /**
   * Waits until a machine action is over, and gives it; or gives it as it is when the policy for that ends. One that was
   * just made may be unknown for two minutes.
   */
  readonly wait: (id: MachineAction.MachineActionId) => Effect.Effect<MachineAction.MachineAction, ApiError>

  /**
   * Runs a session's commands on a machine. Where no answer comes nobody knows whether it was begun, so it is not asked
   * for twice. `begin` is done when its turn has come, right before it is sent; where that fails nothing is sent.
   *
   * @see https://learn.microsoft.com/en-us/defender-endpoint/api/run-live-response
   */
  readonly run: <E = never>(
    machineId: string,
    session: Session.Session,
    options?: { readonly begin?: Effect.Effect<void, E> },
  ) => Effect.Effect<MachineAction.MachineAction, ApiError | E>

  /**
   * Cancels a machine action that is not over.
   *
   * @see https://learn.microsoft.com/en-us/defender-endpoint/api/cancel-machine-action
   */
  readonly cancel: (
    id: MachineAction.MachineActionId,
    comment: string,
  ) => Effect.Effect<MachineAction.MachineAction, ApiError>

  /** The HTTP client as it is, without the bearer: the way out for what this service does not have. */
  readonly client: HttpClient.HttpClient
}

/**
 * @since 0.1.0
 * @category options
 */
export interface ListQuery {
  readonly filter?: ActionFilter.ActionFilter | undefined

  /** How many actions a page has at most: 10,000 is the vendor's limit. By default the API decides. */
  readonly pageSize?: number | undefined

  /** The `next` of an earlier page, to go on from there. It holds the filter as well. */
  readonly from?: string | undefined
}

/**
 * A record of a list that can't be read: its place in the page, counted from 0, its id where it has one, and what is
 * wrong with it.
 *
 * @since 0.1.0
 * @category models
 */
export type Unreadable = RecordList.Unreadable

/**
 * In a sentence for a person.
 *
 * @since 0.1.0
 * @category formatting
 */
export const describeUnreadable: (record: Unreadable) => string = RecordList.describeOne

/**
 * @since 0.1.0
 * @category models
 */
export interface Page {
  readonly actions: ReadonlyArray<MachineAction.MachineAction>
  readonly unreadable: ReadonlyArray<Unreadable>
  readonly next?: string
}

/**
 * The API as typed calls. Each call keeps within its quota, and is the one place where 401, 429 and 5xx are handled.
 *
 * @since 0.1.0
 * @category services
 */
export class DefenderApi extends Context.Service<DefenderApi, Service>()("@live-response/core/DefenderApi") {}

const decodeJson = Schema.decodeUnknownEffect(Schema.fromJsonString(Schema.Unknown))

const decodeLinkAnswer = Schema.decodeUnknownEffect(Schema.Struct({ value: Schema.String }))

/** A page holds 10,000 actions at most, of some two thousand bytes each. */
const pageLimit = 64 * 1024 * 1024

/** One action: its commands may have many errors. */
const actionLimit = 1024 * 1024

/** Microsoft's limits for each of the other APIs. */
const windows = QuotaRule.windowsOf({ perMinute: 100, perHour: 1500 })
const runWindow = QuotaRule.Window.make({ limit: Session.limits.perMinute, duration: Duration.minutes(1) })
const limits = {
  list: { name: "ListMachineActions", windows },
  get: { name: "GetMachineAction", windows },
  machines: { name: "ListMachines", windows },
  run: { name: "RunLiveResponse", windows: [runWindow] },
  cancel: { name: "CancelMachineAction", windows },
}

/** What an answer may hold at most: a link is some hundred bytes, an error a few thousand. */
const bodyLimit = 64 * 1024

/**
 * @since 0.1.0
 * @category options
 */
export interface Options {
  /** Base of the API's addresses. By default that of the commercial cloud. */
  readonly base?: string | undefined

  /**
   * The hosts that links may lead to, each with all hosts under it, or `any`. By default `DownloadLink.storageHosts`. An API
   * in a private network may also give links there.
   */
  readonly storageHosts?: ReadonlyArray<string> | "any" | undefined

  /** How many sessions may be begun. By default the vendor's limit, ten a minute. */
  readonly runWindows?: ReadonlyArray<QuotaRule.Window> | undefined

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
  const base = Cloud.withoutTrailingSlash(options?.base ?? Cloud.commercial.base)
  const hosts = options?.storageHosts ?? DownloadLink.storageHosts
  const quota = yield* Quota
  const call = yield* ApiCall.make(client)
  const { creation, poll } = yield* Timing
  const quotas = {
    list: yield* cachedSuccess(quota.ofApi(limits.list)),
    get: yield* cachedSuccess(quota.ofApi(limits.get)),
    machines: yield* cachedSuccess(quota.ofApi(limits.machines)),
    run: yield* cachedSuccess(quota.ofApi({ ...limits.run, windows: options?.runWindows ?? limits.run.windows })),
    cancel: yield* cachedSuccess(quota.ofApi(limits.cancel)),
  }
  const actionUrl = (id: MachineAction.MachineActionId) => `${base}/api/machineactions/${id}`

  /** One call whose answer is a list. */
  const listOf = Effect.fnUntraced(function* <A extends { readonly id: string }>(
    of: Omit<ApiCall.Call, "bodyLimit" | "permission">,
    fromApi: (value: unknown) => Result.Result<A, string>,
  ) {
    const answer = yield* call({ ...of, permission: Permission.actions, bodyLimit: pageLimit, isRecordList: true })
    return yield* Effect.mapError(RecordList.decode(answer, fromApi), (problem) =>
      ApiCall.unexpected(of.operation, problem),
    )
  })

  const page = Effect.fn("DefenderApi.page")(function* (walk: PageWalk.PageWalk, address: string) {
    const operation = "list of machine actions"
    const endless = () => new DefenderError({ operation, reason: new EndlessList({ pages: walk.pages }) })
    if (!walk.enter(address)) return yield* endless()
    const list = yield* listOf(
      {
        operation,
        request: HttpClientRequest.get(address, { acceptJson: true }),
        quota: yield* quotas.list,
        retrying: tellLong,
      },
      MachineAction.fromApi,
    )
    const step = walk.take(address, list)
    if (step === undefined) return yield* endless()
    const [actions, unreadable] = Arr.partition(step.fresh, ({ record }) => record)
    const next = Option.getOrUndefined(Option.flatMap(step.next, Result.getSuccess))
    const page: Page = { actions, unreadable, ...(next === undefined ? {} : { next }) }
    // What is wrong with the next address is no reason to lose this page.
    return [[page], step.next] as const
  })

  const pages: Service["pages"] = (query) =>
    Stream.suspend(() => {
      const walk = new PageWalk.PageWalk(base)
      const first = PageWalk.firstAddress(base, paramsOf(query))
      const start = query?.from === undefined ? Result.succeed(first) : PageWalk.resolve(query.from, base, first)
      return Stream.paginate(start, (address) =>
        Effect.flatMap(unexpectedly("list of machine actions", address), (address) => page(walk, address)),
      )
    })

  /** Records that can't be read are reported once: whoever watches asks for the same list every few seconds. */
  const reported = new Set<string>()
  const reportUnreadable = ({ unreadable }: Page) => {
    const fresh = unreadable.filter(({ description, id }) => !reported.has(id ?? description))
    if (fresh.length === 0) return Effect.void
    if (reported.size > 10_000) reported.clear()
    for (const { description, id } of fresh) reported.add(id ?? description)
    return Effect.logWarning(RecordList.describe(fresh))
  }

  /** One call whose answer is a machine action. */
  const action = Effect.fnUntraced(function* <E = never>(of: Omit<ApiCall.Call<E>, "bodyLimit">) {
    const { body, clean } = yield* call({ ...of, bodyLimit: actionLimit })
    const value = Result.map(PageText.readWhole(body), clean)
    return yield* unexpectedly(of.operation, Result.flatMap(value, MachineAction.fromApi))
  })

  const machinesNamed = Effect.fnUntraced(
    function* (name: string) {
      const operation = `machine ${name}`
      const filter = encodeURIComponent(`computerDnsName eq ${quoted(name)}`)
      const { items } = yield* listOf(
        {
          operation,
          request: HttpClientRequest.get(`${base}/api/machines?$filter=${filter}`, { acceptJson: true }),
          quota: yield* quotas.machines,
        },
        Machine.fromApi,
      )
      const [machines, unreadable] = Arr.partition(items, ({ record }) => record)
      if (unreadable.length > 0) return yield* ApiCall.unexpected(operation, RecordList.describe(unreadable))
      return machines.filter(({ computerDnsName }) => computerDnsName === undefined || isSame(computerDnsName, name))
    },
    Effect.catchReason("DefenderError", "NotFound", () => Effect.succeed<ReadonlyArray<Machine.Machine>>([])),
  )

  const get: Service["get"] = Effect.fn("DefenderApi.get")(function* (id) {
    return yield* action({
      operation: `machine action ${id}`,
      request: HttpClientRequest.get(actionUrl(id), { acceptJson: true }),
      permission: Permission.actions,
      quota: yield* quotas.get,
      ifMissing: "check the id",
    })
  })

  return {
    client,
    pages,
    list: (query) =>
      Stream.flatMap(Stream.tap(pages(query), reportUnreadable), ({ actions }) => Stream.fromIterable(actions)),
    get,
    machinesOf: Effect.fn("DefenderApi.machinesOf")(function* (name) {
      const machines = yield* machinesNamed(name)
      const lower = name.toLowerCase()
      return machines.length > 0 || lower === name ? machines : yield* machinesNamed(lower)
    }),
    wait: Effect.fn("DefenderApi.wait")((id) =>
      get(id).pipe(
        Effect.retry(only(creation, ApiCall.hasReason("NotFound"))),
        Effect.repeat({ schedule: Schedule.passthrough(poll), until: ({ isFinal }) => isFinal }),
      ),
    ),
    run: Effect.fn("DefenderApi.run")(function* <E = never>(
      machineId: string,
      session: Session.Session,
      options?: { readonly begin?: Effect.Effect<void, E> },
    ) {
      return yield* action<E>({
        operation: `live response on ${machineId}`,
        request: HttpClientRequest.post(`${base}/api/machines/${encodeURIComponent(machineId)}/runliveresponse`, {
          acceptJson: true,
        }).pipe(HttpClientRequest.bodyJsonUnsafe(Session.toApi(session))),
        permission: Permission.run,
        quota: yield* quotas.run,
        isOnce: true,
        begin: options?.begin,
        ifMissing: "check the machine's id: this tenant has no such machine, or it is not to be seen",
      })
    }),
    cancel: Effect.fn("DefenderApi.cancel")(function* (id, comment) {
      return yield* action({
        operation: `cancellation of ${id}`,
        request: HttpClientRequest.post(`${actionUrl(id)}/cancel`, { acceptJson: true }).pipe(
          HttpClientRequest.bodyJsonUnsafe({ Comment: comment }),
        ),
        permission: Permission.run,
        quota: yield* quotas.cancel,
        ifMissing: "check the id",
      })
    }),
    downloadLink: Effect.fn("DefenderApi.downloadLink")(function* (ref, options) {
      const operation = `link of ${ref}`
      const {
        body,
        clean,
        date: issuedAt,
      } = yield* call({
        operation,
        request: HttpClientRequest.get(
          `${base}/api/machineactions/${ref.machineActionId}/GetLiveResponseResultDownloadLink(index=${ref.index})`,
          { acceptJson: true },
        ),
        permission: Permission.results,
        quota,
        bodyLimit,
        first: options?.again === true,
        retrying: (error, delay) =>
          reportNow((at) => Retrying.make({ at, ...ref, delay, message: error.message, error })),
      })
      const answer = yield* decodeJson(body).pipe(
        Effect.flatMap((value) => decodeLinkAnswer(clean(value))),
        Effect.mapError(() => ApiCall.unexpected(operation, "no link in the body")),
      )
      const link = DownloadLink.read(answer.value, { issuedAt, from: base, hosts })
      return yield* Effect.mapError(
        Effect.fromResult(link),
        (why) => new DefenderError({ operation, reason: new LinkNotFollowed(why) }),
      )
    }),
  }
})

/** A list has no listener of its own: whoever waits for it is told why. */
const tellLong = (error: DefenderError, delay: Duration.Duration) =>
  Duration.isLessThan(delay, Duration.seconds(5))
    ? Effect.void
    : Effect.logWarning(`again in ${Math.round(Duration.toSeconds(delay))} s: ${error.message}`)

const unexpectedly = <A>(operation: string, result: Result.Result<A, string>): Effect.Effect<A, DefenderError> =>
  Effect.mapError(Effect.fromResult(result), (problem) => ApiCall.unexpected(operation, problem))

const isSame = (left: string, right: string): boolean => left.toLowerCase() === right.toLowerCase()

const paramsOf = (query: ListQuery | undefined): ReadonlyArray<string> => [
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
