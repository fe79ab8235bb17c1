/**
 * The machines of a tenant: lists them by what they are, and reads one.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import type { ApiError } from "./ApiError.ts"
import { DefenderApi, type RecordPage, type Service as Api } from "./DefenderApi.ts"
import { endpoint } from "./internal/apiEndpoints.ts"
import * as ApiErrors from "./internal/apiErrors.ts"
import * as PageText from "./internal/pageText.ts"
import * as RecordPages from "./internal/recordPages.ts"
import * as Machine from "./Machine.ts"
import type { MachineFilter } from "./MachineFilter.ts"
import * as Permission from "./Permission.ts"
import { Quota } from "./Quota.ts"

/**
 * @since 0.1.0
 * @category options
 */
export interface Query {
  readonly filter?: MachineFilter | undefined

  /** How many machines a page has at most. Microsoft's limit is 10,000. By default the API decides. */
  readonly pageSize?: number | undefined
}

/**
 * The calls. Each needs the permission `Machine.Read.All`, has a quota of its own, and is retried as `Timing` says.
 *
 * @since 0.1.0
 * @category services
 */
export interface Service {
  /**
   * Lists the machines that reported to Defender in the last 30 days, page by page. Each page is one call, which is sent when
   * the page is asked for. A record that can't be read is in `unreadable`.
   *
   * @see https://learn.microsoft.com/en-us/defender-endpoint/api/get-machines
   */
  readonly pages: (query?: Query) => Stream.Stream<RecordPage<Machine.Machine>, ApiError>

  /** Lists machines one by one. Records that can't be read are logged as warnings. */
  readonly list: (query?: Query) => Stream.Stream<Machine.Machine, ApiError>

  /**
   * Reads one machine.
   *
   * @see https://learn.microsoft.com/en-us/defender-endpoint/api/get-machine-by-id
   */
  readonly get: (id: string) => Effect.Effect<Machine.Machine, ApiError>

  /**
   * Lists the machines with this tag, or whose tag begins with it.
   *
   * @see https://learn.microsoft.com/en-us/defender-endpoint/api/find-machines-by-tag
   */
  readonly findByTag: (
    tag: string,
    options?: { readonly startsWith?: boolean | undefined },
  ) => Stream.Stream<Machine.Machine, ApiError>
}

/**
 * The machines of a tenant.
 *
 * @example
 * ```ts
 * import { Machines } from "@live-response/core/Machines"
 * import * as MachineFilter from "@live-response/core/MachineFilter"
 * import * as LiveResponseTest from "@live-response/core/testing/LiveResponseTest"
 * import * as Effect from "effect/Effect"
 * import * as Stream from "effect/Stream"
 *
 * const filter = MachineFilter.startsWith("computerDnsName", "ws-")
 * const names = Machines.use((machines) =>
 *   Stream.runCollect(Stream.map(machines.list({ filter }), ({ computerDnsName }) => computerDnsName)),
 * )
 *
 * const simulator = LiveResponseTest.layer({
 *   machines: [{ id: "1e5bc9d7e413ddd7902c2932e418702b84d0cc07", name: "ws-1.contoso.com" }],
 * })
 * console.log(await Effect.runPromise(Effect.provide(names, simulator))) // [ 'ws-1.contoso.com' ]
 * ```
 *
 * @since 0.1.0
 * @category services
 */
export class Machines extends Context.Service<Machines, Service>()("@live-response/core/Machines") {}

const makeQuotas = (quota: Quota["Service"]) =>
  Effect.all({
    list: endpoint(quota, "ListMachines"),
    get: endpoint(quota, "GetMachine"),
    findByTag: endpoint(quota, "FindMachinesByTag"),
  })

type Endpoint = Effect.Success<ReturnType<typeof makeQuotas>>["list"]

/** The pages of a list. The API answers 404 where no machine matches. */
const pagesOf = (
  api: Api,
  endpoint: Endpoint,
  list: { readonly path: string; readonly parameters?: Readonly<Record<string, string>> },
  query?: Query,
): Stream.Stream<RecordPage<Machine.Machine>, ApiError> =>
  Stream.unwrap(
    Effect.map(endpoint, ({ name, quota }) =>
      api.records(
        {
          ...list,
          operation: name,
          subject: "list of machines",
          permission: Permission.machines,
          quota,
          fromApi: Machine.fromApi,
        },
        query,
      ),
    ),
  ).pipe(Stream.catchIf(ApiErrors.hasReason("NotFound"), () => Stream.empty))

/**
 * Makes the service.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: Effect.Effect<Service, never, DefenderApi | Quota> = Effect.gen(function* () {
  const api = yield* DefenderApi
  const quotas = yield* makeQuotas(yield* Quota)
  const pages: Service["pages"] = (query) => pagesOf(api, quotas.list, { path: "/api/machines" }, query)

  const get = Effect.fn("Machines.get")(function* (id: string) {
    yield* Effect.annotateCurrentSpan("live_response.machine.id", id)
    const { name: operation, quota } = yield* quotas.get
    const subject = `machine ${id}`
    const response = yield* api.execute(
      HttpClientRequest.get(`/api/machines/${encodeURIComponent(id)}`, { acceptJson: true }),
      {
        operation,
        subject,
        permission: Permission.machines,
        quota,
        ifMissing: "check the machine's id: this tenant has no such machine, or you may not see it",
      },
    )
    const text = yield* Effect.orDie(response.text)
    return yield* ApiErrors.orUnexpected(subject, Result.flatMap(PageText.readWhole(text), Machine.fromApi))
  })

  return {
    pages,
    list: (query) => RecordPages.recordsOf(pages(query)),
    get,
    findByTag: (tag, options) => {
      const parameters = { tag, useStartsWithFilter: String(options?.startsWith === true) }
      return RecordPages.recordsOf(pagesOf(api, quotas.findByTag, { path: "/api/machines/findbytag", parameters }))
    },
  }
})

/**
 * The service over the API and the quota in context.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<Machines, never, DefenderApi | Quota> = Layer.effect(Machines, make)
