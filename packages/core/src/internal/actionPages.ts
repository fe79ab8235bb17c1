/** The list of machine actions, page by page. */
import * as Arr from "effect/Array"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import type { ApiError } from "../ApiError.ts"
import { DefenderError, EndlessList } from "../DefenderError.ts"
import * as MachineAction from "../MachineAction.ts"
import * as Permission from "../Permission.ts"
import * as ApiCall from "./apiCall.ts"
import * as ApiErrors from "./apiErrors.ts"
import * as PageWalk from "./pageWalk.ts"
import * as RecordList from "./recordList.ts"

export interface Page {
  /** The actions that no earlier page of the walk had. */
  readonly actions: ReadonlyArray<MachineAction.MachineAction>
  readonly unreadable: ReadonlyArray<RecordList.Unreadable>
  /** The address of the following page, where there is one. */
  readonly next?: string
}

export interface Options {
  readonly base: string
  readonly call: ApiCall.Client
  readonly endpoint: Effect.Effect<ApiCall.Endpoint, ApiError>
}

export interface Query {
  /** The parameters of the first page, encoded. */
  readonly parameters: ReadonlyArray<string>
  /** The address to resume from. */
  readonly from: string | undefined
}

const operation = "list of machine actions"

export const pages = (options: Options, { from, parameters }: Query): Stream.Stream<Page, ApiError> =>
  Stream.suspend(() => {
    const walk = new PageWalk.PageWalk(options.base)
    const first = PageWalk.firstAddress(options.base, parameters)
    const start = from === undefined ? Result.succeed(first) : PageWalk.resolve(from, options.base, first)
    return Stream.paginate(start, (address) =>
      Effect.flatMap(ApiErrors.orUnexpected(operation, address), (address) => page(options, walk, address)),
    )
  })

const page = Effect.fn("DefenderApi.page")(function* (
  { call, endpoint }: Options,
  walk: PageWalk.PageWalk,
  address: string,
) {
  const endless = () => new DefenderError({ operation, reason: new EndlessList({ pages: walk.pages }) })
  if (!walk.enter(address)) return yield* endless()
  const request = HttpClientRequest.get(address, { acceptJson: true })
  const of = { ...(yield* endpoint), operation, request, permission: Permission.actions, onRetry: warnOfLongWait }
  const step = walk.take(address, yield* ApiCall.records(call, of, MachineAction.fromApi))
  if (step === undefined) return yield* endless()
  const [actions, unreadable] = Arr.partition(step.fresh, ({ record }) => record)
  const next = Option.getOrUndefined(Option.flatMap(step.next, Result.getSuccess))
  const page: Page = { actions, unreadable, ...(next === undefined ? {} : { next }) }
  // A next address that can't be used fails after this page, which is not lost.
  return [[page], step.next] as const
})

/** A list emits no events, so that a wait of some length is logged. */
const warnOfLongWait = (error: DefenderError, delay: Duration.Duration) =>
  Duration.isLessThan(delay, Duration.seconds(5))
    ? Effect.void
    : Effect.logWarning(`again in ${Math.round(Duration.toSeconds(delay))} s: ${error.message}`)

/** The actions of pages. A record that can't be read is warned of once, however often the list is read. */
export const actionsOf = () => {
  const reported = new Set<string>()
  const warn = ({ unreadable }: Page) => {
    const fresh = unreadable.filter(({ description, id }) => !reported.has(id ?? description))
    if (fresh.length === 0) return Effect.void
    if (reported.size > 10_000) reported.clear()
    for (const { description, id } of fresh) reported.add(id ?? description)
    return Effect.logWarning(RecordList.describe(fresh))
  }
  return (pages: Stream.Stream<Page, ApiError>): Stream.Stream<MachineAction.MachineAction, ApiError> =>
    Stream.flatMap(Stream.tap(pages, warn), ({ actions }) => Stream.fromIterable(actions))
}
