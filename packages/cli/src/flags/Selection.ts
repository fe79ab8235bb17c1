/**
 * The flags that select machine actions, and the selection that they make.
 */
import type * as ActionFilter from "@live-response/core/ActionFilter"
import * as ActionSelection from "@live-response/core/ActionSelection"
import type { MachineAction } from "@live-response/core/MachineAction"
import type * as Command from "effect/cli/Command"
import type * as DateTime from "effect/DateTime"
import * as Option from "effect/Option"
import * as Struct from "effect/Struct"
import * as TimeArgument from "../input/TimeArgument.ts"
import * as FlagTypes from "./FlagTypes.ts"

export const flags = {
  since: FlagTypes.past("since", "Only actions created since then"),
  status: FlagTypes.known("status", "STATUS", "Only actions with this status; may be repeated"),
  type: FlagTypes.known("type", "TYPE", "Only actions of this type; may be repeated"),
  machine: FlagTypes.texts("machine", "MACHINE", "Only actions on this machine, by id or name; may be repeated"),
  requestor: FlagTypes.texts("requestor", "USER", "Only actions requested by this user or app; may be repeated"),
  filter: FlagTypes.odata("filter", "actions"),
}

export type Selection = Command.Command.Config.Infer<typeof flags>

/** The selection by all flags but `since`, which is relative to a time. */
const timeless = ({ filter, ...selection }: Selection): ActionSelection.ActionSelection => ({
  ...Struct.omit(selection, ["since"]),
  ...Option.match(filter, { onNone: () => ({}), onSome: (filter) => ({ filter }) }),
})

/** The selection as of `now`. */
export const resolve = (selection: Selection, now: DateTime.Utc): ActionSelection.ActionSelection => ({
  ...timeless(selection),
  ...Option.match(selection.since, {
    onNone: () => ({}),
    onSome: (since) => ({ since: TimeArgument.instantOf(since, now) }),
  }),
})

/** Whether any of the flags was given. */
export const isSelecting = (selection: Selection): boolean =>
  Option.isSome(selection.since) || ActionSelection.isSelecting(timeless(selection))

/** What identifies the selection among those that are followed into one directory, for `FollowPosition.makeKey`. */
export const valuesOf = (selection: Selection) => ActionSelection.valuesOf(timeless(selection))

/** The API's filter; none if all actions are selected. */
export const filterOf = (selection: Selection, now: DateTime.Utc): ActionFilter.ActionFilter | undefined =>
  ActionSelection.filterOf(resolve(selection, now))

/** Whether an action is an answer to the API's filter, as far as that can be checked: `--filter` can't be. */
export const passes = (selection: Selection, action: MachineAction, now: DateTime.Utc): boolean =>
  ActionSelection.passes(resolve(selection, now), action)

/** Whether an action that passes the API's filter is selected. */
export const matches = (selection: Selection, action: MachineAction): boolean =>
  ActionSelection.matches(timeless(selection), action)

/** The selection of live response sessions, unless it names other types: no other actions have results. */
export const ofSessions: (selection: Selection) => Selection = ActionSelection.ofSessions

/** Whether a filter compares the status. Quoted texts of the filter don't count. */
const namesStatus = (filter: string): boolean => /\bstatus\b/i.test(filter.replaceAll(/'[^']*'/g, ""))

const isInProgress = (status: string): boolean => /^(pending|inprogress)$/i.test(status)

/** Why a selection can't be followed, if it can't. */
export const problemOfFollowing = ({ filter, status }: Selection): string | undefined => {
  if (status.some(isInProgress)) {
    return "results of finished actions are downloaded; leave out --status Pending and --status InProgress"
  }
  return Option.exists(filter, namesStatus)
    ? "select a status with --status, because a --filter would hide actions that have not finished yet"
    : undefined
}

/** The selection for `--follow`. */
export const toFollow = (selection: Selection) => ActionSelection.toFollow(timeless(selection))
