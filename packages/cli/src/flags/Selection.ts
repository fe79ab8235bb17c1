/**
 * Which machine actions are selected: the flags, the API's filter, and the key under which `--follow` stores its position.
 * Several values of one flag select any of them; several flags select what matches all of them.
 */
import * as ActionFilter from "@live-response/core/ActionFilter"
import type { MachineAction } from "@live-response/core/MachineAction"
import type * as Command from "effect/cli/Command"
import * as DateTime from "effect/DateTime"
import * as Option from "effect/Option"
import * as Machines from "../input/MachineArguments.ts"
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

/** What a field means. Each is stated for every field, so that none can be forgotten. */
interface Meaning {
  readonly isGiven: boolean
  /** How the API filters by it. */
  readonly filters: (now: DateTime.Utc) => ReadonlyArray<ActionFilter.ActionFilter>
  /** Whether an action matches that filter, which a gateway may remove or another server may ignore. */
  readonly passes: (action: MachineAction, now: DateTime.Utc) => boolean
  /** What the API can't filter by, and is checked on each action. */
  readonly matches: (action: MachineAction) => boolean
  /** How it is written in the key. Files hold keys: the same value is always written in the same way. */
  readonly key: ReadonlyArray<string>
}

const matchesAll = () => true

/** Actions with one of the values in a field. Whether the API compares case is not documented. */
const oneOf = (name: keyof Selection, field: ActionFilter.Field, values: ReadonlyArray<string>): Meaning => ({
  isGiven: values.length > 0,
  filters: () => filterBy(field, values),
  passes: ({ [field]: actual = "" }) =>
    values.length === 0 || values.some((value) => value.toLowerCase() === actual.toLowerCase()),
  matches: matchesAll,
  key: values.map((value) => `${name} ${value}`),
})

const filterBy = (field: ActionFilter.Field, [first, ...rest]: ReadonlyArray<string>) =>
  first === undefined ? [] : [ActionFilter.is(field, first, ...rest)]

/** The API filters by a machine's id, but not by its name. */
const onMachine = (machines: ReadonlyArray<string>): Meaning => ({
  ...oneOf("machine", "machineId", machines),
  filters: () =>
    machines.every(Machines.isId)
      ? filterBy(
          "machineId",
          machines.map((id) => id.toLowerCase()),
        )
      : [],
  // `matches` compares the id too.
  passes: matchesAll,
  matches: ({ computerDnsName = "", machineId = "" }) => {
    const [id, dnsName] = [machineId.toLowerCase(), computerDnsName.toLowerCase()]
    return (
      machines.length === 0 ||
      machines.some((text) => {
        const name = text.toLowerCase()
        return name === id || name === dnsName || dnsName.startsWith(`${name}.`)
      })
    )
  },
})

const meanings = ({
  filter,
  machine,
  requestor,
  since,
  status,
  type,
}: Selection): Readonly<Record<keyof Selection, Meaning>> => ({
  since: {
    isGiven: Option.isSome(since),
    filters: (now) =>
      Option.toArray(Option.map(since, (since) => ActionFilter.since(TimeArgument.instantOf(since, now)))),
    passes: ({ created }, now) =>
      Option.match(since, {
        onNone: () => true,
        onSome: (since) =>
          created !== undefined && DateTime.isGreaterThanOrEqualTo(created, TimeArgument.instantOf(since, now)),
      }),
    matches: matchesAll,
    // It is where a first run starts. The position says where the next one starts, so the key is the same with any since.
    key: [],
  },
  status: oneOf("status", "status", status),
  type: oneOf("type", "type", type),
  machine: onMachine(machine),
  requestor: oneOf("requestor", "requestor", requestor),
  // Only the API knows what the expression means.
  filter: {
    isGiven: Option.isSome(filter),
    filters: () => Option.toArray(Option.map(filter, ActionFilter.raw)),
    passes: matchesAll,
    matches: matchesAll,
    key: Option.toArray(Option.map(filter, (text) => `filter ${text}`)),
  },
})

const each = (selection: Selection): ReadonlyArray<Meaning> => Object.values(meanings(selection))

/** Whether any of the flags was given. */
export const isSelecting = (selection: Selection): boolean => each(selection).some(({ isGiven }) => isGiven)

/** What identifies the selection among those that are followed into one directory: the same for any order of its flags. */
export const keyOf = (selection: Selection): ReadonlyArray<string> =>
  each(selection)
    .flatMap(({ key }) => key)
    .toSorted()

/** The API's filter; none if all actions are selected. */
export const filterOf = (selection: Selection, now: DateTime.Utc): ActionFilter.ActionFilter | undefined => {
  const [first, ...rest] = each(selection).flatMap(({ filters }) => filters(now))
  return first === undefined ? undefined : ActionFilter.all(first, ...rest)
}

/** Whether an action is an answer to the API's filter, as far as that can be checked: `--filter` can't be. */
export const passes = (selection: Selection, action: MachineAction, now: DateTime.Utc): boolean =>
  each(selection).every(({ passes }) => passes(action, now))

/** Whether an action that passes the API's filter is selected. */
export const matches = (selection: Selection, action: MachineAction): boolean =>
  each(selection).every(({ matches }) => matches(action))

/** The selection of live response sessions, unless it names other types: no other actions have results. */
export const ofSessions = (selection: Selection): Selection => ({
  ...selection,
  type: selection.type.length === 0 ? ["LiveResponse"] : selection.type,
})

/**
 * The selection for `--follow`. The API is not asked for a status, because an action must be seen before it has its final
 * one; and not for a time, because the position has it.
 */
export const toFollow = (selection: Selection, now: DateTime.Utc) => {
  const asked = { ...selection, since: Option.none(), status: [] }
  return {
    filter: filterOf(asked, now),
    passes: (action: MachineAction): boolean => passes(asked, action, now),
    isSelected: (action: MachineAction): boolean =>
      passes({ ...selection, since: Option.none() }, action, now) && matches(selection, action),
  }
}
