/** Searches the list of actions for sessions on machines: one call serves many searches. */
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Request from "effect/Request"
import * as RequestResolver from "effect/RequestResolver"
import * as Stream from "effect/Stream"
import * as ActionFilter from "../ActionFilter.ts"
import type { ApiError } from "../ApiError.ts"
import type { Service as DefenderApi, Unreadable } from "../DefenderApi.ts"
import type { MachineAction } from "../MachineAction.ts"
import * as ApiErrors from "./apiErrors.ts"
import * as RecordList from "./recordList.ts"
import * as SessionOwner from "./sessionOwner.ts"

export interface Criteria {
  readonly matches: (action: MachineAction) => boolean
  /** Whether an action that does not match may still be the one. Then the search fails instead of finding none. */
  readonly mayMatch?: ((action: MachineAction) => boolean) | undefined
}

class Search extends Request.Class<{ readonly machineId: string } & Criteria, Option.Option<MachineAction>, ApiError> {}

type Entry = Request.Entry<Search>

/** With the type, an expression of 20 machines stays below the 100 nodes that an OData service accepts. */
const machinesInOneCall = 20

/** Searches that start within this time share a call. */
const gathering = "1 second"

/** Whether an action is in progress on a machine. */
export const isInProgressOn =
  (machineId: string) =>
  (action: MachineAction): boolean =>
    action.machineId?.toLowerCase() === machineId && !action.isFinal

/** A missing action counts as non-existent only if every record of the list could be read. */
const notFound = (unreadable: ReadonlyArray<Unreadable>): Exit.Exit<Option.Option<MachineAction>, ApiError> =>
  unreadable.length === 0
    ? Exit.succeed(Option.none())
    : Exit.fail(ApiErrors.unexpected("list of machine actions", RecordList.describe(unreadable)))

/** The searches of one call that have no result yet. */
interface Open {
  readonly entries: Set<Entry>
  /** The actions that match, but are on another machine. */
  readonly onWrongMachine: Map<Entry, MachineAction>
  /** The actions on the machine that may match. */
  readonly doubtful: Map<Entry, MachineAction>
}

/** Completes the searches whose action is on a page. */
const completeFound = ({ doubtful, entries, onWrongMachine }: Open, actions: ReadonlyArray<MachineAction>) => {
  for (const action of actions) {
    for (const entry of entries) {
      const { machineId, matches, mayMatch } = entry.request
      const isOnMachine = SessionOwner.isOn(action, machineId)
      if (!matches(action)) {
        if (isOnMachine && mayMatch?.(action) === true) doubtful.set(entry, action)
        continue
      }
      if (!isOnMachine) {
        onWrongMachine.set(entry, action)
        continue
      }
      entries.delete(entry)
      entry.completeUnsafe(Exit.succeed(Option.some(action)))
    }
  }
}

/** The exit of a search that has no result after the last page. */
const exitOf = (entry: Entry, { doubtful, onWrongMachine }: Open, unreadable: ReadonlyArray<Unreadable>) => {
  const other = onWrongMachine.get(entry)
  if (other !== undefined) return Exit.fail(SessionOwner.wrongMachine(other, entry.request.machineId))
  const similar = doubtful.get(entry)
  if (similar === undefined) return notFound(unreadable)
  const problem = `machine action ${similar.id} may be the session: its comment is missing or cut off`
  return Exit.fail(ApiErrors.unexpected("list of machine actions", problem))
}

/**
 * Makes the function that searches once for an action of this type on a machine, and returns the first match. Without a
 * match it fails where one of the records can't be read, where an action on another machine matches, or where an action may
 * match.
 */
export const make = (api: DefenderApi, type: string) => {
  const resolver = RequestResolver.make<Search>((entries) => {
    const machines = Arr.dedupe(Arr.map(entries, ({ request }) => request.machineId))
    const filter = ActionFilter.all(ActionFilter.is("type", type), ActionFilter.is("machineId", ...machines))
    const open: Open = { entries: new Set(entries), onWrongMachine: new Map(), doubtful: new Map() }
    const unreadable: Array<Unreadable> = []
    return Stream.runForEach(api.pages({ filter }), (page) =>
      Effect.sync(() => {
        unreadable.push(...page.unreadable)
        completeFound(open, page.actions)
      }),
    ).pipe(
      Effect.andThen(
        Effect.sync(() => {
          for (const entry of open.entries) entry.completeUnsafe(exitOf(entry, open, unreadable))
        }),
      ),
    )
  }).pipe(RequestResolver.setDelay(gathering), RequestResolver.batchN(machinesInOneCall))

  return (
    machineId: string,
    matches: Criteria["matches"],
    mayMatch?: Criteria["mayMatch"],
  ): Effect.Effect<Option.Option<MachineAction>, ApiError> =>
    Effect.request(new Search({ machineId, matches, mayMatch }), resolver)
}

export type Find = ReturnType<typeof make>
