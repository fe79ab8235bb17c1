/**
 * What `actions.jsonl` says of the machine actions whose results are in a directory.
 */
import type * as JsonLines from "@live-response/core/JsonLines"
import type { Brief, MachineActionId } from "@live-response/core/MachineAction"
import type { PrivateDirectory } from "@live-response/core/PrivateDirectory"
import * as StoredAction from "@live-response/core/StoredAction"
import * as TerminalText from "@live-response/core/TerminalText"
import * as DateTime from "effect/DateTime"
import { identity } from "effect/Function"
import * as Stream from "effect/Stream"
import type * as Damage from "./Damage.ts"

export interface KnownCommand {
  readonly index: number
  readonly type: string
  /** The script that ran, or the file that was collected. */
  readonly source: string
  readonly errors: ReadonlyArray<string>
}

/** What is unknown is `""`. Times are milliseconds since 1970. */
export interface KnownAction {
  readonly id: MachineActionId
  readonly machineId: string
  readonly machineName: string
  readonly status: string
  readonly requestor: string
  readonly comment: string
  readonly created: number | undefined
  readonly updated: number | undefined
  readonly commands: ReadonlyArray<KnownCommand>
}

const millis = (time: DateTime.Utc | undefined) => (time === undefined ? undefined : DateTime.toEpochMillis(time))

type Commands = KnownAction["commands"]

/** Returns the same text, and the same commands, for equal ones: thousands of actions have the same requestor and script. */
interface Shared {
  readonly once: (text: string) => string
  readonly commands: (commands: Commands) => Commands
}

const unshared: Shared = { once: identity, commands: identity }

/** What most commands have, once for all of them. */
const noErrors: ReadonlyArray<string> = []

/**
 * What is shown of an action. In a prepared file, texts may have any length.
 */
export const ofAction = (action: Brief, { commands, once }: Shared = unshared): KnownAction => {
  const text = (value = "") => once(TerminalText.shorten(value))
  return {
    id: action.id,
    machineId: TerminalText.shorten(action.machineId ?? ""),
    machineName: TerminalText.shorten(action.computerDnsName ?? ""),
    status: text(action.status),
    requestor: text(action.requestor),
    comment: text(action.requestorComment),
    created: millis(action.created),
    updated: millis(action.updated),
    commands: commands(
      action.commands.map(({ errors, index, params, type }) => ({
        index,
        type: once(type),
        source: text(params["ScriptName"] ?? params["Path"]),
        errors: errors.length === 0 ? noErrors : errors.map((error) => text(error)),
      })),
    ),
  }
}

const makeShared = (): Shared => {
  const texts = new Map<string, string>()
  const lists = new Map<string, Commands>()
  const once = (text: string) => {
    const known = texts.get(text)
    if (known === undefined) texts.set(text, text)
    return known ?? text
  }
  const commands = (commands: Commands) => {
    if (commands.some(({ errors }) => errors.length > 0)) return commands
    const key = JSON.stringify(commands)
    const known = lists.get(key)
    if (known === undefined) lists.set(key, commands)
    return known ?? commands
  }
  return { once, commands }
}

/** The actions by their ids, of a part of the file. `onDamaged` receives each line that can't be read. */
export const read = (files: PrivateDirectory, onDamaged: Damage.OnDamaged, part?: JsonLines.Part) =>
  Stream.suspend(() => {
    const shared = makeShared()
    return Stream.map(StoredAction.readBrief(files, { ...part, onDamaged }), (action) => ofAction(action, shared))
  }).pipe(
    Stream.runFold(
      () => new Map<MachineActionId, KnownAction>(),
      (known, action) => known.set(action.id, action),
    ),
  )
