/**
 * What a live response session is to do on a machine.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * Puts a file of the library on the machine.
 *
 * @since 0.1.0
 * @category commands
 */
export class PutFile extends Schema.TaggedClass<PutFile>("@live-response/core/Session/PutFile")("PutFile", {
  fileName: Schema.NonEmptyString,
}) {}

/**
 * Runs a script of the library, with the arguments as one text.
 *
 * @since 0.1.0
 * @category commands
 */
export class RunScript extends Schema.TaggedClass<RunScript>("@live-response/core/Session/RunScript")("RunScript", {
  scriptName: Schema.NonEmptyString,
  args: Schema.optionalKey(Schema.String),
}) {}

/**
 * Collects a file of the machine, by its full path there.
 *
 * @since 0.1.0
 * @category commands
 */
export class GetFile extends Schema.TaggedClass<GetFile>("@live-response/core/Session/GetFile")("GetFile", {
  path: Schema.NonEmptyString,
}) {}

/**
 * @since 0.1.0
 * @category commands
 */
export const Command = Schema.Union([PutFile, RunScript, GetFile])

/**
 * @since 0.1.0
 * @category commands
 */
export type Command = typeof Command.Type

const order: ReadonlyArray<Command["_tag"]> = ["PutFile", "RunScript", "GetFile"]

const isInOrder = (commands: ReadonlyArray<Command>): boolean =>
  commands.every(({ _tag }, i) => i === 0 || order.indexOf(_tag) >= order.indexOf(commands[i - 1]?._tag ?? _tag))

/**
 * The commands of a session, one at least, in the order in which the API takes them: files are put, then scripts run, then
 * files collected; what fails stops what follows. The comment is kept with the machine action.
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
    Schema.makeFilter(isInOrder, { expected: "commands in the order PutFile, RunScript, GetFile" }),
  ),
  comment: Schema.NonEmptyString,
}) {}

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
  }
}

/**
 * The body that the API takes.
 *
 * @since 0.1.0
 * @category encoding
 */
export const toApi = ({ commands, comment }: Session) => ({
  Commands: commands.map((command) => ({ type: command._tag, params: paramsOf(command) })),
  Comment: comment,
})

/**
 * What a machine must run for the service to begin a session on it, as the vendor's page has it; what has a KB needs it.
 *
 * @see https://learn.microsoft.com/en-us/defender-endpoint/api/get-live-response-result
 * @since 0.1.0
 * @category requirements
 */
export const supportedWindows: ReadonlyArray<string> = [
  "Windows 11",
  "Windows 10 1909 or later",
  "Windows 10 1903 with KB4515384",
  "Windows 10 1809 with KB4537818",
  "Windows 10 1803 with KB4537795",
  "Windows 10 1709 with KB4537816",
  "Windows Server 2022",
  "Windows Server 2019 (in public preview) 1903 with KB4515384, or later",
  "Windows Server 2019 (in public preview) 1809 with KB4537818",
]
