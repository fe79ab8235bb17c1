/**
 * Which machines are selected: the flags, and the API's filter. Several values of one flag select any of them; several flags
 * select what matches all of them.
 */
import type { Machine } from "@live-response/core/Machine"
import * as MachineFilter from "@live-response/core/MachineFilter"
import type * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as DateTime from "effect/DateTime"
import * as Option from "effect/Option"
import * as TimeArgument from "../input/TimeArgument.ts"
import * as FlagTypes from "./FlagTypes.ts"

/** A name, or the beginning of one with a `*` after it. A star alone would select every machine. */
const isName = (text: string): boolean => /^[^*\s]{1,255}\*?$/.test(text)

export const flags = {
  tag: FlagTypes.texts("tag", "TAG", "Only machines with this tag; may be repeated"),
  group: FlagTypes.texts(
    "group",
    "GROUP",
    "Only machines of this device group, by its name or number; may be repeated",
  ),
  os: FlagTypes.known("os", "OS", "Only machines with this operating system; may be repeated"),
  health: FlagTypes.known("health", "HEALTH", "Only machines whose sensor has this health; may be repeated"),
  risk: FlagTypes.known("risk", "RISK", "Only machines with this risk; may be repeated"),
  name: Flag.String("name").pipe(
    Flag.filter(isName, () => "a DNS name, its first part, or a beginning such as 'ws-*'"),
    Flag.atLeast(0),
    Flag.withMetavar("NAME"),
    FlagTypes.describe("Only machines with this name; may be repeated", {
      values: "ws-1.contoso.com, its first part ws-1, or a beginning such as 'ws-*'",
    }),
  ),
  lastSeen: FlagTypes.past("last-seen", "Only machines that have reported to Defender since then"),
  filter: FlagTypes.odata("filter", "machines"),
}

export type MachineSelection = Command.Command.Config.Infer<typeof flags>

/** What a field means. Each is stated for every field, so that none can be forgotten. */
interface Meaning {
  readonly isGiven: boolean
  /** How the API filters by it. */
  readonly filters: (now: DateTime.Utc) => ReadonlyArray<MachineFilter.MachineFilter>
  /** Whether a machine matches that filter, which a gateway may remove or another server may ignore. */
  readonly passes: (machine: Machine, now: DateTime.Utc) => boolean
  /** What the API can't filter by, and is checked on each machine. */
  readonly matches: (machine: Machine) => boolean
}

const matchesAll = () => true

/**
 * A filter for values, if there are any. `has` is whether a machine has one of them. Case does not matter there: how a service
 * compares it is its own affair, and no sign that it ignores the filter.
 */
const ofValues = <A>(
  values: ReadonlyArray<A>,
  filter: (...values: readonly [A, ...ReadonlyArray<A>]) => MachineFilter.MachineFilter,
  has: (machine: Machine, value: A) => boolean,
): Meaning => {
  const [first, ...rest] = values
  return {
    isGiven: values.length > 0,
    filters: () => (first === undefined ? [] : [filter(first, ...rest)]),
    passes: (machine) => values.length === 0 || values.some((value) => has(machine, value)),
    matches: matchesAll,
  }
}

const ofField = (field: "osPlatform" | "healthStatus" | "riskScore", values: ReadonlyArray<string>): Meaning =>
  ofValues(
    values,
    (...values) => MachineFilter.is(field, ...values),
    (machine, value) => machine[field]?.toLowerCase() === value.toLowerCase(),
  )

const ofTags = (tags: ReadonlyArray<string>): Meaning =>
  ofValues(tags, MachineFilter.hasTag, ({ machineTags = [] }, tag) =>
    machineTags.some((each) => each.toLowerCase() === tag.toLowerCase()),
  )

/** The API filters by a group's number, but not by its name, and a group may be named `42`. */
const ofGroups = (groups: ReadonlyArray<string>): Meaning => ({
  isGiven: groups.length > 0,
  filters: () => [],
  passes: matchesAll,
  matches: ({ rbacGroupId, rbacGroupName = "" }) =>
    groups.length === 0 ||
    groups.some((group) => group.toLowerCase() === rbacGroupName.toLowerCase() || group === String(rbacGroupId)),
})

const beginningOf = (name: string): string => name.replace(/\*$/, "")

/** The API filters by the beginning of a name, in the case that it has there. Another case is still the same name. */
const ofNames = (names: ReadonlyArray<string>): Meaning => ({
  ...ofValues(
    MachineFilter.spellings(...names.map(beginningOf)),
    (...values) => MachineFilter.startsWith("computerDnsName", ...values),
    ({ computerDnsName = "" }, beginning) => computerDnsName.toLowerCase().startsWith(beginning.toLowerCase()),
  ),
  isGiven: names.length > 0,
  matches: ({ computerDnsName = "" }) => {
    const dnsName = computerDnsName.toLowerCase()
    return (
      names.length === 0 ||
      names.some((text) => {
        const name = beginningOf(text).toLowerCase()
        return text.endsWith("*") ? dnsName.startsWith(name) : dnsName === name || dnsName.startsWith(`${name}.`)
      })
    )
  },
})

const meanings = (selection: MachineSelection): Readonly<Record<keyof MachineSelection, Meaning>> => ({
  tag: ofTags(selection.tag),
  group: ofGroups(selection.group),
  os: ofField("osPlatform", selection.os),
  health: ofField("healthStatus", selection.health),
  risk: ofField("riskScore", selection.risk),
  name: ofNames(selection.name),
  lastSeen: {
    isGiven: Option.isSome(selection.lastSeen),
    filters: (now) =>
      Option.toArray(
        Option.map(selection.lastSeen, (since) => MachineFilter.seenSince(TimeArgument.instantOf(since, now))),
      ),
    passes: ({ lastSeen }, now) =>
      Option.match(selection.lastSeen, {
        onNone: () => true,
        onSome: (since) =>
          lastSeen === undefined || DateTime.isGreaterThanOrEqualTo(lastSeen, TimeArgument.instantOf(since, now)),
      }),
    // A record without the time does not match, and says nothing of the filter.
    matches: ({ lastSeen }) => Option.isNone(selection.lastSeen) || lastSeen !== undefined,
  },
  // Only the API knows what the expression means.
  filter: {
    isGiven: Option.isSome(selection.filter),
    filters: () => Option.toArray(Option.map(selection.filter, MachineFilter.raw)),
    passes: matchesAll,
    matches: matchesAll,
  },
})

const each = (selection: MachineSelection): ReadonlyArray<Meaning> => Object.values(meanings(selection))

/** Whether any of the flags was given. */
export const isSelecting = (selection: MachineSelection): boolean => each(selection).some(({ isGiven }) => isGiven)

/** The API's filter; none if all machines are selected. */
export const filterOf = (selection: MachineSelection, now: DateTime.Utc): MachineFilter.MachineFilter | undefined => {
  const [first, ...rest] = each(selection).flatMap(({ filters }) => filters(now))
  return first === undefined ? undefined : MachineFilter.all(first, ...rest)
}

/** Whether a machine is an answer to the API's filter, as far as that can be checked: `--filter` can't be. */
export const passes = (selection: MachineSelection, machine: Machine, now: DateTime.Utc): boolean =>
  each(selection).every(({ passes }) => passes(machine, now))

/** Whether a machine that passes the API's filter is selected. */
export const matches = (selection: MachineSelection, machine: Machine): boolean =>
  each(selection).every(({ matches }) => matches(machine))
