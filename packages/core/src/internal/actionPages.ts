/** The list of machine actions, page by page. */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { ApiError } from "../ApiError.ts"
import * as MachineAction from "../MachineAction.ts"
import * as Permission from "../Permission.ts"
import type { Api } from "./apiEndpoints.ts"
import * as RecordList from "./recordList.ts"
import * as RecordPages from "./recordPages.ts"

export interface Page extends Omit<RecordPages.Page<never>, "records"> {
  /** The actions that no earlier page of the walk had. */
  readonly actions: ReadonlyArray<MachineAction.MachineAction>
}

export const pages = ({ base, call, endpoints }: Api, query: RecordPages.Query): Stream.Stream<Page, ApiError> =>
  RecordPages.pages(
    {
      base,
      call,
      path: "/api/machineactions",
      endpoint: endpoints.list,
      operation: "list of machine actions",
      permission: Permission.actions,
      fromApi: MachineAction.fromApi,
    },
    query,
  ).pipe(Stream.map(({ records, ...page }) => ({ ...page, actions: records })))

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
