/**
 * Machine actions, to look at and to act on.
 */
import { styleText } from "node:util"
import * as Cloud from "@live-response/core/Cloud"
import * as DefenderApi from "@live-response/core/DefenderApi"
import * as MachineAction from "@live-response/core/MachineAction"
import * as NodeCredential from "@live-response/node/NodeCredential"
import * as NodeLiveResponse from "@live-response/node/NodeLiveResponse"
import * as NodeQuotaStore from "@live-response/node/NodeQuotaStore"
import * as Console from "effect/Console"
import type * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Discovery from "./Discovery.ts"
import * as Failure from "./Failure.ts"
import type { Selection } from "./Flags.ts"
import * as Format from "./output/Format.ts"
import * as Table from "./output/Table.ts"
import { printable, printableJson } from "./Printable.ts"

const encode = Schema.encodeEffect(Schema.fromJsonString(MachineAction.MachineAction))

/** One action as a line of JSON. */
const toJson = (action: MachineAction.MachineAction) => Effect.map(Effect.orDie(encode(action)), printableJson)

type Colour = "green" | "red" | "yellow" | "gray"

const colours: Readonly<Record<string, Colour>> = {
  Succeeded: "green",
  Failed: "red",
  TimeOut: "red",
  Cancelled: "gray",
  Pending: "yellow",
  InProgress: "yellow",
}

/** Where there is no terminal, or nobody wants colours, there are none. */
const paintStatus = (status: string, text: string): string => {
  const colour = colours[status]
  return colour === undefined ? text : styleText(colour, text, { stream: process.stdout })
}

const instantOf = (instant: DateTime.Utc | undefined): string =>
  instant === undefined ? "" : `${Format.date(instant)} ${Format.timeOfDay(instant)}`

const nameOf = ({ computerDnsName, machineId }: MachineAction.MachineAction): string =>
  printable(computerDnsName ?? machineId ?? "")

const describeCommand = ({ params, status, type }: MachineAction.Command): string =>
  printable(
    `${type} ${params["ScriptName"] ?? params["Path"] ?? params["FileName"] ?? ""}${status === "Failed" ? " (failed)" : ""}`,
  )

const commandsOf = ({ commands, type }: MachineAction.MachineAction): string =>
  commands.length === 0 ? printable(type) : commands.map(describeCommand).join(", ")

const columns: ReadonlyArray<Table.Column<MachineAction.MachineAction>> = [
  { title: "ID", width: 36, text: ({ id }) => id },
  {
    title: "STATUS",
    width: 10,
    text: ({ status }) => printable(status),
    paint: ({ status }, text) => paintStatus(status, text),
  },
  { title: "MACHINE", width: 20, text: nameOf },
  { title: "CREATED", width: 19, text: ({ created }) => instantOf(created) },
  { title: "COMMANDS", width: 20, text: commandsOf },
]

/** On a terminal a table that fits it; elsewhere all columns, parted by tabs. */
export const list = Effect.fnUntraced(function* (
  selection: Selection,
  options: { readonly limit: Option.Option<number>; readonly json: boolean },
) {
  const actions = Discovery.select(selection)
  const some = Option.match(options.limit, { onNone: () => actions, onSome: (limit) => Stream.take(actions, limit) })
  if (options.json) return yield* Stream.runForEach(some, (action) => Effect.flatMap(toJson(action), Console.log))
  if (!process.stdout.isTTY) {
    return yield* Stream.runForEach(some, (action) =>
      Console.log(columns.map(({ text }) => text(action).replaceAll("\t", " ")).join("\t")),
    )
  }
  const shown = Table.fitting(columns, process.stdout.columns)
  yield* Console.log(Table.header(shown))
  yield* Stream.runForEach(some, (action) => Console.log(Table.row(shown, action)))
})

/** Everything that there is to say of one. */
const show = (action: MachineAction.MachineAction, json: boolean) =>
  json
    ? Effect.flatMap(toJson(action), Console.log)
    : Console.log(
        [
          ["id", action.id],
          ["type", printable(action.type)],
          ["status", paintStatus(action.status, printable(action.status))],
          ["machine", [nameOf(action), ...(action.computerDnsName === undefined ? [] : [action.machineId])].join("  ")],
          ["requested by", printable(action.requestor ?? "")],
          ["comment", printable(action.requestorComment ?? "")],
          ["cancelled by", printable(action.cancellationRequestor ?? "")],
          ["because", printable(action.cancellationComment ?? "")],
          ["created", instantOf(action.created)],
          ["updated", instantOf(action.updated)],
          ...action.commands.map((command) => [
            `command ${command.index}`,
            `${describeCommand(command)}, ${printable(command.status)}${resultOf(action, command)}${command.errors.map((error) => `; ${printable(error)}`).join("")}`,
          ]),
        ]
          .filter(([, value]) => value !== "")
          .map(([name = "", value = ""]) => `${name.padEnd(12)} ${value}`)
          .join("\n"),
      )

const resultOf = (action: MachineAction.MachineAction, command: MachineAction.Command): string =>
  MachineAction.hasResult(action, command) === "yes" ? `: download ${action.id}:${command.index}` : ""

export const get = Effect.fnUntraced(function* (id: MachineAction.MachineActionId, json: boolean) {
  yield* show(yield* (yield* DefenderApi.DefenderApi).get(id), json)
})

/** Ends well where the action did. */
export const wait = Effect.fnUntraced(function* (id: MachineAction.MachineActionId, json: boolean) {
  const action = yield* (yield* DefenderApi.DefenderApi).wait(id)
  yield* show(action, json)
  if (action.status !== "Succeeded") return yield* Failure.someFailed
})

export const cancel = Effect.fnUntraced(function* (
  id: MachineAction.MachineActionId,
  options: { readonly comment: string; readonly json: boolean },
) {
  yield* show(yield* (yield* DefenderApi.DefenderApi).cancel(id, options.comment), options.json)
})

/** The API of the environment's cloud, with its sign-in. */
export const layer = Layer.unwrap(
  Effect.gen(function* () {
    const { base } = yield* Cloud.config
    return NodeLiveResponse.layerApi({ endpoint: base, owner: yield* NodeCredential.owner })
  }),
).pipe(Layer.provide([NodeCredential.layerConfig, NodeQuotaStore.layerConfig]))
