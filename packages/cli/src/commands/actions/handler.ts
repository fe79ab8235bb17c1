/**
 * What `live-response actions` does: lists, shows, waits for and cancels machine actions.
 */
import * as DefenderApi from "@live-response/core/DefenderApi"
import * as MachineAction from "@live-response/core/MachineAction"
import * as ResultRefs from "@live-response/core/ResultRef"
import * as Session from "@live-response/core/Session"
import * as Timing from "@live-response/core/Timing"
import * as NodeLiveResponse from "@live-response/node/NodeLiveResponse"
import * as Console from "effect/Console"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as ActionSearch from "../../api/ActionSearch.ts"
import * as IgnoredFilter from "../../api/IgnoredFilter.ts"
import * as Failure from "../../Failure.ts"
import * as Selection from "../../flags/Selection.ts"
import * as Confirmation from "../../input/Confirmation.ts"
import * as ActionText from "../../output/ActionText.ts"
import * as Format from "../../output/Format.ts"
import * as StandardError from "../../output/StandardError.ts"
import { printable, printableJson } from "../../output/Printable.ts"
import * as RowPrinter from "../../output/RowPrinter.ts"

const encode = Schema.encodeEffect(Schema.fromJsonString(MachineAction.MachineAction))

const toJson = (action: MachineAction.MachineAction) => Effect.map(Effect.orDie(encode(action)), printableJson)

/**
 * Fails at the end if a record could not be read.
 */
export const list = Effect.fnUntraced(function* (
  selection: Selection.Selection,
  options: { readonly limit: Option.Option<number>; readonly format: RowPrinter.Format | undefined },
) {
  let unreadable = 0
  const actions = ActionSearch.search(selection, ({ message }) => {
    unreadable++
    return StandardError.write(`live-response: ${printable(message)}`)
  })
  const listed = Option.match(options.limit, { onNone: () => actions, onSome: (limit) => Stream.take(actions, limit) })
  const printer = { columns: ActionText.columns, toJson, format: options.format }
  yield* Stream.runForEach(listed, yield* RowPrinter.make(printer))
  if (unreadable > 0) return yield* Failure.someFailed
})

/** Prints everything that is known of an action. */
const show = (action: MachineAction.MachineAction, json: boolean) =>
  json ? Effect.flatMap(toJson(action), Console.log) : Console.log(details(action))

const details = (action: MachineAction.MachineAction): string =>
  [
    ["id", action.id],
    ["type", printable(action.type)],
    ["status", ActionText.paintStatus(action.status, printable(action.status))],
    [
      "machine",
      [
        ActionText.nameOf(action),
        ...(action.computerDnsName === undefined ? [] : [printable(action.machineId ?? "")]),
      ].join("  "),
    ],
    ["requested by", printable(action.requestor ?? "")],
    ["comment", printable(action.requestorComment ?? "")],
    ["title", printable(action.title ?? "")],
    ["source", printable(action.requestSource ?? "")],
    ["external id", printable(action.externalID ?? "")],
    ["scope", printable(action.scope ?? "")],
    ["file", printable(Object.values(action.relatedFileInfo ?? {}).join(" "))],
    ["trouble", printable(action.troubleshootInfo ?? "")],
    ["cancelled by", printable(action.cancellationRequestor ?? "")],
    ["because", printable(action.cancellationComment ?? "")],
    ["cancelled", ActionText.instantOf(action.cancelled)],
    ["created", ActionText.instantOf(action.created)],
    ["updated", ActionText.instantOf(action.updated)],
    ...ResultRefs.ofAction(action).flatMap((ref) => (ref.isPackage === true ? [["package", `download ${ref}`]] : [])),
    ...action.commands.map((command) => [
      `command ${command.index}`,
      `${ActionText.describeCommand(command)}, ${printable(command.status)}${resultOf(action, command)}${command.errors.map((error) => `; ${printable(error)}`).join("")}`,
    ]),
  ]
    .filter(([, value]) => value !== "")
    .map(([name = "", value = ""]) => `${name.padEnd(12)} ${value}`)
    .join("\n")

const resultOf = (action: MachineAction.MachineAction, command: MachineAction.Command): string => {
  const result = MachineAction.hasResult(action, command)
  return result === "yes" || result === "maybe" ? `: download ${action.id}:${command.index}` : ""
}

export const get = Effect.fnUntraced(function* (id: MachineAction.MachineActionId, json: boolean) {
  yield* show(yield* (yield* DefenderApi.DefenderApi).get(id), json)
})

/** What is waited for, and for how long; none if the action has finished. */
const describeWait = Effect.fnUntraced(function* (id: MachineAction.MachineActionId) {
  const action = yield* Effect.flatMap(DefenderApi.DefenderApi, (api) => api.get(id)).pipe(
    Effect.catchReason("DefenderError", "NotFound", () => Effect.succeed(undefined)),
  )
  if (action === undefined) {
    const { visibleWithin = Timing.defaultVisibleWithin } = yield* NodeLiveResponse.environment
    const patience = Format.duration(Duration.fromInputUnsafe(visibleWithin))
    return `the API does not know ${id}; a new action may take a while to appear, so it is searched for ${patience}`
  }
  if (action.isFinal) return undefined
  const machine = ActionText.nameOf(action)
  const { offlineFor = Session.limits.offlineFor } = yield* NodeLiveResponse.environment
  const longest = Format.duration(Timing.longestWait(offlineFor))
  return `${id} is ${printable(action.status)}${machine === "" ? "" : ` on ${machine}`}; waiting until it has finished, for up to ${longest}`
})

/** Waits until an action has finished. Fails unless it succeeded. */
export const wait = Effect.fnUntraced(function* (id: MachineAction.MachineActionId, json: boolean) {
  const waiting = yield* describeWait(id)
  if (waiting !== undefined) yield* StandardError.write(`live-response: ${waiting}`)
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

/** The actions of a selection that have not finished: live response sessions that are pending, unless the flags say otherwise. */
const unfinished = (selection: Selection.Selection): Selection.Selection => ({
  ...Selection.ofSessions(selection),
  status: selection.status.length === 0 ? ["Pending"] : selection.status,
})

/** Shows what would be cancelled, and asks for a yes. */
const confirmCancellation = Effect.fnUntraced(function* (
  found: ReadonlyArray<MachineAction.MachineAction>,
  options: { readonly yes: boolean },
) {
  if (options.yes) return
  const printRow = yield* RowPrinter.make({ columns: ActionText.columns, toJson, print: StandardError.write })
  yield* Effect.forEach(found, printRow, { discard: true })
  const requestors = new Set(found.map(({ requestor = "" }) => requestor.toLowerCase())).size
  const what = `cancel ${Format.counted(found.length, "machine action")} of ${Format.counted(requestors, "requestor")}`
  yield* Confirmation.confirm(what, options)
})

/** Cancels every selected action that has not finished, after a yes. Fails at the end if one could not be cancelled. */
export const cancelAll = Effect.fnUntraced(function* (
  selection: Selection.Selection,
  options: { readonly comment: string; readonly json: boolean; readonly yes: boolean },
) {
  let failures = 0
  const report = (message: string) => {
    failures++
    return StandardError.write(`failed: ${printable(message)}`)
  }
  yield* ActionSearch.checkFilter(selection)
  const found = yield* Stream.runCollect(
    ActionSearch.search(unfinished(selection), ({ message }) => report(message), IgnoredFilter.refuse(selection)).pipe(
      Stream.filter((action) => !action.isFinal),
    ),
  )
  if (found.length === 0) yield* StandardError.write("no selected machine action is pending")
  else yield* confirmCancellation(found, options)
  const { cancel } = yield* DefenderApi.DefenderApi
  const print = yield* RowPrinter.make({
    columns: ActionText.columns,
    toJson,
    format: options.json ? "json" : undefined,
  })
  for (const { id } of found) {
    const cancelled = yield* Effect.result(cancel(id, options.comment))
    if (Result.isSuccess(cancelled)) yield* print(cancelled.success)
    else if (cancelled.failure._tag !== "DefenderError" || cancelled.failure.isDenied) return yield* cancelled.failure
    else yield* report(cancelled.failure.message)
  }
  if (failures > 0) return yield* Failure.someFailed
})
