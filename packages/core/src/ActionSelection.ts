/**
 * Which machine actions are selected: what the API filters by, and what is checked on each action.
 *
 * @since 0.1.0
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as ActionFilter from "./ActionFilter.ts"
import type { MachineAction } from "./MachineAction.ts"

const Values = Schema.Array(Schema.NonEmptyString).pipe(Schema.withDecodingDefaultKey(Effect.succeed([])))

/**
 * A selection. Several values of one field select any of them; several fields select what matches all of them.
 *
 * **Details**
 *
 * `machine` has ids and DNS names, and `filter` is an OData expression that is sent unchanged. A field that is missing selects
 * everything. It encodes to JSON.
 *
 * @since 0.1.0
 * @category models
 */
export const ActionSelection = Schema.Struct({
  since: Schema.optionalKey(Schema.DateTimeUtcFromString),
  status: Values,
  type: Values,
  machine: Values,
  requestor: Values,
  filter: Schema.optionalKey(Schema.NonEmptyString),
})

/**
 * @since 0.1.0
 * @category models
 */
export type ActionSelection = typeof ActionSelection.Type

/**
 * A field of a selection.
 *
 * @since 0.1.0
 * @category models
 */
export type Field = keyof ActionSelection

/**
 * The selection of every action.
 *
 * @since 0.1.0
 * @category constructors
 */
export const everything: ActionSelection = { status: [], type: [], machine: [], requestor: [] }

/** What a field means. Each is stated for every field, so that none can be forgotten. */
interface Meaning {
  readonly isGiven: boolean
  /** How the API filters by it. */
  readonly filters: ReadonlyArray<ActionFilter.ActionFilter>
  /** Whether an action matches that filter, which a gateway may remove or another server may ignore. */
  readonly passes: (action: MachineAction) => boolean
  /** What the API can't filter by, and is checked on each action. */
  readonly matches: (action: MachineAction) => boolean
  /** Its values in the key. Files hold keys: the same value is always written in the same way. */
  readonly key: ReadonlyArray<string>
}

const matchesAll = () => true

/** Actions with one of the values in a field. Whether the API compares case is not documented. */
const oneOf = (field: ActionFilter.Field, values: ReadonlyArray<string>): Meaning => ({
  isGiven: values.length > 0,
  filters: filterBy(field, values),
  passes: ({ [field]: actual = "" }) =>
    values.length === 0 || values.some((value) => value.toLowerCase() === actual.toLowerCase()),
  matches: matchesAll,
  key: values,
})

const filterBy = (field: ActionFilter.Field, [first, ...rest]: ReadonlyArray<string>) =>
  first === undefined ? [] : [ActionFilter.is(field, first, ...rest)]

/** Whether a text is a machine's id, as the API writes it. */
const isMachineId = (text: string): boolean => /^[0-9a-f]{40}$/i.test(text)

/** The API filters by a machine's id, but not by its name. */
const onMachine = (machines: ReadonlyArray<string>): Meaning => ({
  ...oneOf("machineId", machines),
  filters: machines.every(isMachineId)
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

const createdSince = (since: DateTime.Utc | undefined): Meaning => ({
  isGiven: since !== undefined,
  filters: since === undefined ? [] : [ActionFilter.since(since)],
  passes: ({ created }) =>
    since === undefined || (created !== undefined && DateTime.isGreaterThanOrEqualTo(created, since)),
  matches: matchesAll,
  key: [],
})

/** Only the API knows what the expression means. */
const byExpression = (filter: string | undefined): Meaning => ({
  isGiven: filter !== undefined,
  filters: filter === undefined ? [] : [ActionFilter.raw(filter)],
  passes: matchesAll,
  matches: matchesAll,
  key: filter === undefined ? [] : [filter],
})

const meanings = ({ filter, machine, requestor, since, status, type }: ActionSelection): Record<Field, Meaning> => ({
  since: createdSince(since),
  status: oneOf("status", status),
  type: oneOf("type", type),
  machine: onMachine(machine),
  requestor: oneOf("requestor", requestor),
  filter: byExpression(filter),
})

const each = (selection: ActionSelection): ReadonlyArray<Meaning> => Object.values(meanings(selection))

/**
 * Whether any field is given.
 *
 * @since 0.1.0
 * @category checking
 */
export const isSelecting = (selection: ActionSelection): boolean => each(selection).some(({ isGiven }) => isGiven)

/**
 * The values of each field, for `FollowPosition.makeKey`: they identify the selection where it is followed.
 *
 * **Details**
 *
 * `since` has none. It says where a first run starts; the stored position says where the next one does.
 *
 * @example
 * ```ts
 * import * as ActionSelection from "@live-response/core/ActionSelection"
 * import * as FollowPosition from "@live-response/core/FollowPosition"
 *
 * const sessions = ActionSelection.ofSessions(ActionSelection.everything)
 * console.log(FollowPosition.makeKey(ActionSelection.valuesOf(sessions)).join(", ")) // type LiveResponse
 * ```
 *
 * @since 0.1.0
 * @category following
 */
export const valuesOf = (selection: ActionSelection): Record<Field, ReadonlyArray<string>> => {
  const { filter, machine, requestor, since, status, type } = meanings(selection)
  return {
    since: since.key,
    status: status.key,
    type: type.key,
    machine: machine.key,
    requestor: requestor.key,
    filter: filter.key,
  }
}

/**
 * The API's filter; none if all actions are selected.
 *
 * @since 0.1.0
 * @category conversions
 */
export const filterOf = (selection: ActionSelection): ActionFilter.ActionFilter | undefined => {
  const [first, ...rest] = each(selection).flatMap(({ filters }) => filters)
  return first === undefined ? undefined : ActionFilter.all(first, ...rest)
}

/**
 * Whether an action is an answer to the API's filter, as far as that can be checked: `filter` can't be.
 *
 * @since 0.1.0
 * @category checking
 */
export const passes = (selection: ActionSelection, action: MachineAction): boolean =>
  each(selection).every(({ passes }) => passes(action))

/**
 * Whether an action that passes the API's filter is selected.
 *
 * @since 0.1.0
 * @category checking
 */
export const matches = (selection: ActionSelection, action: MachineAction): boolean =>
  each(selection).every(({ matches }) => matches(action))

/**
 * The selection of live response sessions, unless it names other types: no other actions have results.
 *
 * @since 0.1.0
 * @category following
 */
export const ofSessions = <S extends Pick<ActionSelection, "type">>(selection: S): S => ({
  ...selection,
  type: selection.type.length === 0 ? ["LiveResponse"] : selection.type,
})

/**
 * What `Follow` needs of a selection: the filter and the checks.
 *
 * **Details**
 *
 * The API is not asked for a status, because an action must be seen before it has its final one; and not for a time, because the
 * position has it. `passes` says whether an action is an answer to that filter: of a server that ignores it, not all are.
 *
 * @since 0.1.0
 * @category following
 */
export const toFollow = (selection: ActionSelection) => {
  const { since: _, ...followed } = selection
  const asked = { ...followed, status: [] }
  return {
    filter: filterOf(asked),
    passes: (action: MachineAction): boolean => passes(asked, action),
    isSelected: (action: MachineAction): boolean => passes(followed, action) && matches(followed, action),
  }
}
