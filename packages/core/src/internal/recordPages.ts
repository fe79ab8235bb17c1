/** A list of the API, page by page. */
import * as Arr from "effect/Array"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import type { ApiError } from "../ApiError.ts"
import { DefenderError, EndlessList } from "../DefenderError.ts"
import type { Permission } from "../Permission.ts"
import * as ApiCall from "./apiCall.ts"
import * as ApiErrors from "./apiErrors.ts"
import * as PageWalk from "./pageWalk.ts"
import * as RecordList from "./recordList.ts"

export interface Page<A> {
  /** The records that no earlier page of the walk had. */
  readonly records: ReadonlyArray<A>
  readonly unreadable: ReadonlyArray<RecordList.Unreadable>
  /** The address of the following page, where there is one. */
  readonly next?: string
}

export interface Options<A> extends PageWalk.Location {
  readonly call: ApiCall.Client
  readonly endpoint: Effect.Effect<ApiCall.Endpoint, ApiError>
  /** What errors name. */
  readonly operation: string
  readonly permission: Permission
  /** What to do about a 404. */
  readonly ifMissing?: string | undefined
  readonly fromApi: (value: unknown) => Result.Result<A, string>
}

export interface Query {
  /** The parameters of the first page, encoded. */
  readonly parameters: ReadonlyArray<string>
  /** The address to resume from. */
  readonly from?: string | undefined
}

export const pages = <A extends { readonly id: string }>(
  options: Options<A>,
  { from, parameters }: Query,
): Stream.Stream<Page<A>, ApiError> =>
  Stream.suspend(() => {
    const walk = new PageWalk.PageWalk(options)
    const first = PageWalk.firstAddress(options, parameters)
    const start = from === undefined ? Result.succeed(first) : PageWalk.resolve(from, options, first)
    return Stream.paginate(start, (address) =>
      Effect.flatMap(ApiErrors.orUnexpected(options.operation, address), (address) => page(options, walk, address)),
    )
  })

const page = Effect.fn("DefenderApi.page")(function* <A extends { readonly id: string }>(
  { call, endpoint, fromApi, ifMissing, operation, permission }: Options<A>,
  walk: PageWalk.PageWalk,
  address: string,
) {
  const endless = () => new DefenderError({ operation, reason: new EndlessList({ pages: walk.pages }) })
  if (!walk.enter(address)) return yield* endless()
  const request = HttpClientRequest.get(address, { acceptJson: true })
  const of = {
    ...(yield* endpoint),
    ...(ifMissing === undefined ? {} : { ifMissing }),
    operation,
    request,
    permission,
    onRetry: warnOfLongWait,
  }
  const step = walk.take(address, yield* ApiCall.records(call, of, fromApi))
  if (step === undefined) return yield* endless()
  const [records, unreadable] = Arr.partition(step.fresh, ({ record }) => record)
  const next = Option.getOrUndefined(Option.flatMap(step.next, Result.getSuccess))
  const page: Page<A> = { records, unreadable, ...(next === undefined ? {} : { next }) }
  // A next address that can't be used fails after this page, which is not lost.
  return [[page], step.next] as const
})

/** The records of pages, with a warning of those that can't be read. */
export const recordsOf = <A, E, R>(pages: Stream.Stream<Page<A>, E, R>): Stream.Stream<A, E, R> =>
  pages.pipe(
    Stream.tap(({ unreadable }) =>
      unreadable.length === 0 ? Effect.void : Effect.logWarning(RecordList.describe(unreadable)),
    ),
    Stream.flatMap(({ records }) => Stream.fromIterable(records)),
  )

/** A list emits no events, so that a wait of some length is logged. */
const warnOfLongWait = (error: DefenderError, delay: Duration.Duration) =>
  Duration.isLessThan(delay, Duration.seconds(5))
    ? Effect.void
    : Effect.logWarning(`again in ${Math.round(Duration.toSeconds(delay))} s: ${error.message}`)
