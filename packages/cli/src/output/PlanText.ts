/**
 * What a run would do, in words: the preview of `--dry-run`, and the machines that a selection leaves out.
 */
import * as Machine from "@live-response/core/Machine"
import type * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Format from "./Format.ts"
import * as MachineText from "./MachineText.ts"
import { printable } from "./Printable.ts"

export interface Plan {
  /** How many machines were named, as arguments or in lists. */
  readonly named: number
  readonly ready: ReadonlyArray<Machine.Machine>
  readonly leftOut: ReadonlyArray<Machine.Machine>
  /** The files that would be uploaded. */
  readonly uploads: ReadonlyArray<string>
  /** The files whose content is not what an earlier run had: each machine would get another session. */
  readonly changed: ReadonlyArray<string>
  /** How many download links the results need, if they are downloaded. */
  readonly links: number
  /** How long it takes at least until the last session may start, by the quota as it is now. */
  readonly starting: Duration.Duration
  /** How long the links take at least, by the quota as it is now. */
  readonly linking: Duration.Duration
}

const countOf = (machines: ReadonlyArray<Machine.Machine>, readiness: Machine.Readiness): ReadonlyArray<string> => {
  const count = machines.filter((machine) => Machine.readiness(machine) === readiness).length
  return count === 0 ? [] : [`${Format.count(count)} ${readiness}`]
}

/** How many machines are left out, and why. */
export const leftOut = (machines: ReadonlyArray<Machine.Machine>): string =>
  `${Format.counted(machines.length, "selected machine")} can't run live response, and will be left out: ${[
    ...countOf(machines, "offline"),
    ...countOf(machines, "not onboarded"),
  ].join(", ")}`

/** A file was replaced in the library during a run. */
export const replaced = (file: {
  readonly fileName: string
  readonly before: string
  readonly now: string
  readonly since: DateTime.Utc
}): string =>
  `failed: somebody replaced ${printable(file.fileName)} in the library during this run (SHA-256 was ${file.before}, is ${file.now}): sessions that started after ${Format.timeOfDay(file.since)} may have used the other content`

const sessionsOf = ({ named, ready }: Plan): number => named + ready.length

/** How long the quota delays links, if it does. */
const delayOfLinks = (linking: Duration.Duration): ReadonlyArray<string> =>
  Duration.isZero(linking) ? [] : [`The quota delays the last link by ${Format.duration(linking)} or more.`]

/** The lines of the preview. */
export const lines = (plan: Plan): ReadonlyArray<string> => [
  `${Format.counted(sessionsOf(plan), "machine")} would get a session: ${Format.count(plan.ready.length)} selected, ${Format.count(plan.named)} named.`,
  ...plan.ready.map((machine) => `  ready          ${machine.id}  ${MachineText.nameOf(machine)}`),
  ...(plan.leftOut.length === 0 ? [] : [`${leftOut(plan.leftOut)}.`]),
  ...plan.leftOut.map(
    (machine) => `  ${Machine.readiness(machine).padEnd(13)}  ${printable(machine.id)}  ${MachineText.nameOf(machine)}`,
  ),
  ...plan.uploads.map((name) => `${printable(name)} would be uploaded to the library.`),
  ...plan.changed.map(
    (name) =>
      `The content of ${printable(name)} is not that of the earlier run: every machine would get a session again.`,
  ),
  `Starting ${Format.counted(sessionsOf(plan), "session")} takes ${Format.duration(plan.starting)} or more.`,
  ...(plan.links === 0
    ? []
    : [`Their results need ${Format.counted(plan.links, "link")}.`, ...delayOfLinks(plan.linking)]),
  "This is a dry run: nothing was uploaded or started.",
]

/** What a download would do. */
export interface DownloadPlan {
  /** The results that are not there, as targets. */
  readonly missing: ReadonlyArray<string>
  readonly present: number
  /** How long their links take at least, by the quota as it is now. */
  readonly linking: Duration.Duration
}

/** What is said of a download besides its targets. */
export const ofDownload = ({ linking, missing, present }: DownloadPlan): ReadonlyArray<string> => [
  `${Format.counted(missing.length, "result")} would be downloaded, and ${Format.count(present)} ${present === 1 ? "is" : "are"} there already.`,
  ...delayOfLinks(linking),
  "This is a dry run: nothing was downloaded.",
]

/** The fields of a machine in an event. */
export const machineFields = (machine: Machine.Machine) => ({
  machineId: machine.id,
  machineName: machine.computerDnsName,
  readiness: Machine.readiness(machine),
})

/** The fields of the preview as an event. */
export const fields = (plan: Plan) => ({
  sessions: sessionsOf(plan),
  named: plan.named,
  selected: plan.ready.map(machineFields),
  leftOut: plan.leftOut.map(machineFields),
  uploads: plan.uploads,
  changed: plan.changed,
  links: plan.links,
  startingSeconds: Math.ceil(Duration.toSeconds(plan.starting)),
  linkingSeconds: Math.ceil(Duration.toSeconds(plan.linking)),
})
