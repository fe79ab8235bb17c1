/**
 * Machine actions in words.
 */
import { styleText } from "node:util"
import type * as MachineAction from "@live-response/core/MachineAction"
import type * as DateTime from "effect/DateTime"
import * as Format from "./Format.ts"
import * as MachineNames from "./MachineNames.ts"
import { printable } from "./Printable.ts"
import type * as Table from "./Table.ts"

type Colour = "green" | "red" | "yellow" | "gray"

const colours: Readonly<Record<string, Colour>> = {
  Succeeded: "green",
  Failed: "red",
  TimeOut: "red",
  Cancelled: "gray",
  Pending: "yellow",
  InProgress: "yellow",
}

/** Colours a status, unless standard output is not a terminal, or colours are turned off (NO_COLOR). */
export const paintStatus = (status: string, text: string): string => {
  const colour = colours[status]
  return colour === undefined ? text : styleText(colour, text, { stream: process.stdout })
}

export const instantOf = (instant: DateTime.Utc | undefined): string =>
  instant === undefined ? "" : Format.dateAndTime(instant)

export const nameOf = ({ computerDnsName, machineId }: MachineAction.MachineAction): string =>
  printable(computerDnsName ?? machineId ?? "")

export const whatItDoes = ({ params, type }: MachineAction.Command): string =>
  printable(`${type} ${params["ScriptName"] ?? params["Path"] ?? params["FileName"] ?? ""}`)

export const describeCommand = (command: MachineAction.Command): string =>
  `${whatItDoes(command)}${command.status === "Failed" ? " (failed)" : ""}`

const commandsOf = ({ commands, type }: MachineAction.MachineAction): string =>
  commands.length === 0 ? printable(type) : commands.map(describeCommand).join(", ")

/** The first columns of every table of actions. */
export const idAndStatus: ReadonlyArray<Table.Column<{ readonly id: string; readonly status: string }>> = [
  { title: "ID", width: 36, text: ({ id }) => id },
  {
    title: "STATUS",
    width: 10,
    text: ({ status }) => printable(status),
    paint: ({ status }, text) => paintStatus(status, text),
  },
]

export const columns: ReadonlyArray<Table.Column<MachineAction.MachineAction>> = [
  ...idAndStatus,
  {
    title: "MACHINE",
    width: 20,
    leastWidth: 12,
    text: nameOf,
    short: (action) => MachineNames.shorten(nameOf(action)),
  },
  { title: "CREATED", width: 28, text: ({ created }) => instantOf(created) },
  { title: "COMMANDS", width: 16, isEssential: true, text: commandsOf },
]
