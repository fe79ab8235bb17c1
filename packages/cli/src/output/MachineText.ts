/**
 * Machines in words.
 */
import * as Machine from "@live-response/core/Machine"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as ActionText from "./ActionText.ts"
import * as MachineNames from "./MachineNames.ts"
import { printable, printableJson } from "./Printable.ts"
import type * as Table from "./Table.ts"

export const nameOf = ({ computerDnsName, id }: Machine.Machine): string => printable(computerDnsName ?? id)

const healthOf = (machine: Machine.Machine): string =>
  Machine.readiness(machine) === "not onboarded" ? "not onboarded" : printable(machine.healthStatus ?? "")

export const columns: ReadonlyArray<Table.Column<Machine.Machine>> = [
  { title: "ID", width: 40, leastWidth: 12, isLast: true, text: ({ id }) => printable(id) },
  {
    title: "NAME",
    width: 28,
    leastWidth: 15,
    text: nameOf,
    short: (machine) => MachineNames.shorten(nameOf(machine)),
    data: ({ computerDnsName = "" }) => printable(computerDnsName),
  },
  { title: "OS", width: 17, text: ({ osPlatform = "" }) => printable(osPlatform) },
  { title: "HEALTH", width: 13, text: healthOf },
  { title: "LAST SEEN", width: 28, text: ({ lastSeen }) => ActionText.instantOf(lastSeen) },
  { title: "RISK", width: 8, text: ({ riskScore = "" }) => printable(riskScore) },
  { title: "GROUP", width: 16, text: ({ rbacGroupName = "" }) => printable(rbacGroupName) },
  { title: "TAGS", width: 20, text: ({ machineTags = [] }) => printable(machineTags.join(", ")) },
]

const encode = Schema.encodeEffect(Schema.fromJsonString(Machine.Machine))

export const toJson = (machine: Machine.Machine) => Effect.map(Effect.orDie(encode(machine)), printableJson)
