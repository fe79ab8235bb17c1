/**
 * A live response session: what it does on a machine, and what Microsoft allows.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { sessionLimits } from "./internal/sessionLimits.ts"
import * as SupportedSystems from "./internal/supportedSystems.ts"

/** Not sent: the sessions of two files with one name differ in it. */
const ofFile = { sha256: Schema.optionalKey(Schema.String) }

/**
 * Copies a file of the live response library to the machine.
 *
 * **Details**
 *
 * `sha256`, in lower-case hexadecimal digits, says which content the file has, and is not sent. For `FleetJournal`, a session
 * with another content is another session.
 *
 * @since 0.1.0
 * @category commands
 */
export class PutFile extends Schema.TaggedClass<PutFile>("@live-response/core/Session/PutFile")("PutFile", {
  fileName: Schema.NonEmptyString,
  ...ofFile,
}) {}

/**
 * Runs a script of the live response library. `args` is one string, as on a command line.
 *
 * **Details**
 *
 * `sha256` says which content the script has, as in `PutFile`.
 *
 * @since 0.1.0
 * @category commands
 */
export class RunScript extends Schema.TaggedClass<RunScript>("@live-response/core/Session/RunScript")("RunScript", {
  scriptName: Schema.NonEmptyString,
  args: Schema.optionalKey(Schema.String),
  ...ofFile,
}) {}

/**
 * Collects a file from the machine. `path` is its full path there.
 *
 * @since 0.1.0
 * @category commands
 */
export class GetFile extends Schema.TaggedClass<GetFile>("@live-response/core/Session/GetFile")("GetFile", {
  path: Schema.NonEmptyString,
}) {}

/**
 * Collects an investigation package. It is an action of its own, so that it stands alone in its session.
 *
 * @see https://learn.microsoft.com/en-us/defender-endpoint/api/collect-investigation-package
 * @since 0.1.0
 * @category commands
 */
export class CollectPackage extends Schema.TaggedClass<CollectPackage>("@live-response/core/Session/CollectPackage")(
  "CollectPackage",
  {},
) {}

/**
 * Any command of a session.
 *
 * @since 0.1.0
 * @category commands
 */
export const Command = Schema.Union([PutFile, RunScript, GetFile, CollectPackage])

/**
 * @since 0.1.0
 * @category commands
 */
export type Command = typeof Command.Type

const order: ReadonlyArray<Command["_tag"]> = ["PutFile", "RunScript", "GetFile"]

const isInOrder = (commands: ReadonlyArray<Command>): boolean =>
  (commands.length === 1 || commands.every(({ _tag }) => _tag !== "CollectPackage")) &&
  commands.every(({ _tag }, i) => i === 0 || order.indexOf(_tag) >= order.indexOf(commands[i - 1]?._tag ?? _tag))

/**
 * The commands of a session, at least one, and the comment that Microsoft stores with the machine action.
 *
 * **Details**
 *
 * The API takes the commands in this order: `PutFile`, `RunScript`, `GetFile`. A command that fails stops those after it.
 *
 * @example
 * ```ts
 * import * as Session from "@live-response/core/Session"
 *
 * const session = Session.Session.make({
 *   commands: [
 *     Session.PutFile.make({ fileName: "collect.exe" }),
 *     Session.RunScript.make({ scriptName: "collect.ps1", args: "-Quick" }),
 *     Session.GetFile.make({ path: "C:\\\\windows\\\\TEMP\\\\collect.zip" }),
 *   ],
 *   comment: "case 4711",
 * })
 * console.log(session.commands.length) // 3
 * ```
 *
 * @see https://learn.microsoft.com/en-us/defender-endpoint/api/run-live-response
 * @since 0.1.0
 * @category models
 */
export class Session extends Schema.Class<Session>("@live-response/core/Session")({
  commands: Schema.NonEmptyArray(Command).check(
    Schema.makeFilter(isInOrder, {
      expected: "commands in the order PutFile, RunScript, GetFile, or CollectPackage alone",
    }),
  ),
  comment: Schema.NonEmptyString,
}) {}

/**
 * Microsoft's limits for the sessions of a tenant: 50 in progress at once, and 10 started in a minute. The session of a machine
 * that is offline is queued for two hours.
 *
 * **Details**
 *
 * They are those of Microsoft's page of 2025-12-31. Older pages say 25 at once, and three days.
 *
 * @see https://learn.microsoft.com/en-us/defender-endpoint/api/run-live-response
 * @since 0.1.0
 * @category limits
 */
export const limits = sessionLimits

const param = (key: string, value: string) => ({ key, value })

const paramsOf = (command: Command) => {
  switch (command._tag) {
    case "PutFile":
      return [param("FileName", command.fileName)]
    case "RunScript":
      return [
        param("ScriptName", command.scriptName),
        ...(command.args === undefined ? [] : [param("Args", command.args)]),
      ]
    case "GetFile":
      return [param("Path", command.path)]
    case "CollectPackage":
      return []
  }
}

/**
 * The type of the machine action that the session is.
 *
 * @since 0.1.0
 * @category encoding
 */
export const actionType = ({ commands }: Session): "LiveResponse" | "CollectInvestigationPackage" =>
  commands.some(({ _tag }) => _tag === "CollectPackage") ? "CollectInvestigationPackage" : "LiveResponse"

/**
 * The body of the request that starts a live response session.
 *
 * @since 0.1.0
 * @category encoding
 */
export const toApi = ({ commands, comment }: Session) => ({
  Commands: commands.map((command) => ({ type: command._tag, params: paramsOf(command) })),
  Comment: comment,
})

/**
 * The operating systems on which Microsoft supports live response sessions, with the update that each needs.
 *
 * @see https://learn.microsoft.com/en-us/defender-endpoint/live-response
 * @see https://learn.microsoft.com/en-us/defender-endpoint/api/run-live-response
 * @since 0.1.0
 * @category requirements
 */
export const supportedSystems: ReadonlyArray<string> = SupportedSystems.supportedSystems
