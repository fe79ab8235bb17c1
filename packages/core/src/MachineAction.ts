/**
 * Machine actions: what Defender for Endpoint does on a machine. A live response session is one, and each of its commands
 * may have a result.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaTransformation from "effect/SchemaTransformation"
import * as ApiSchema from "./internal/apiSchema.ts"
import * as CommandIndex from "./internal/commandIndex.ts"
import * as Lenient from "./internal/lenientFields.ts"
import * as TrustedInstance from "./internal/trustedInstance.ts"

/**
 * The id of a machine action, which is a GUID. Decoding puts it in lower case, so that one action has one directory and one
 * manifest entry, however its id was typed.
 *
 * @example
 * ```ts
 * import * as MachineAction from "@live-response/core/MachineAction"
 * import * as Schema from "effect/Schema"
 *
 * const id = Schema.decodeSync(MachineAction.MachineActionId)("988CC94E-7A8F-4B28-AB65-54970C5D5018")
 * console.log(id) // 988cc94e-7a8f-4b28-ab65-54970c5d5018
 * ```
 *
 * @since 0.1.0
 * @category schemas
 */
export const MachineActionId = Schema.String.pipe(
  Schema.decode(SchemaTransformation.toLowerCase()),
  Schema.check(Schema.isGUID(), Schema.isLowercased()),
  Schema.brand("MachineActionId"),
)

/**
 * The id of a machine action.
 *
 * @since 0.1.0
 * @category models
 */
export type MachineActionId = typeof MachineActionId.Type

/**
 * One command of a live response session.
 *
 * **Details**
 *
 * `type` is `RunScript`, `GetFile` or `PutFile`, and `status` is `Created`, `Completed` or `Failed`. Words that Microsoft adds
 * later pass unchanged; a missing one is `""`. `params` are the parameters of the command, such as `ScriptName`, `Args` and
 * `Path`.
 *
 * @see https://learn.microsoft.com/en-us/defender-endpoint/api/run-live-response
 * @since 0.1.0
 * @category models
 */
export class Command extends Schema.Class<Command>("@live-response/core/MachineAction/Command")({
  index: Schema.Int,
  type: Schema.String,
  status: Schema.String,
  params: Schema.Record(Schema.String, Schema.String),
  startTime: Schema.optionalKey(Schema.DateTimeUtcFromString),
  endTime: Schema.optionalKey(Schema.DateTimeUtcFromString),
  errors: Schema.Array(Schema.String),
}) {}

/**
 * The file that an action is about, such as one that is stopped and quarantined. `fileIdentifierType` says which hash
 * `fileIdentifier` is.
 *
 * @since 0.1.0
 * @category schemas
 */
export const RelatedFile = Schema.Struct({
  fileIdentifier: Schema.optionalKey(Schema.String),
  fileIdentifierType: Schema.optionalKey(Schema.String),
})

/**
 * A machine action.
 *
 * **Details**
 *
 * `created`, `updated` and `cancelled` are the API's `creationDateTimeUtc`, `lastUpdateDateTimeUtc` and
 * `cancellationDateTimeUtc`. Words of `type` and `status` that Microsoft adds later pass unchanged; a missing one is `""`. Any other member that the
 * API leaves out or sends as null is absent.
 *
 * @see https://learn.microsoft.com/en-us/defender-endpoint/api/machineaction
 * @since 0.1.0
 * @category models
 */
export class MachineAction extends Schema.Class<MachineAction>("@live-response/core/MachineAction")({
  id: MachineActionId,
  type: Schema.String,
  status: Schema.String,
  machineId: Schema.optionalKey(Schema.String),
  computerDnsName: Schema.optionalKey(Schema.String),
  requestor: Schema.optionalKey(Schema.String),
  requestorComment: Schema.optionalKey(Schema.String),
  title: Schema.optionalKey(Schema.String),
  scope: Schema.optionalKey(Schema.String),
  externalID: Schema.optionalKey(Schema.String),
  requestSource: Schema.optionalKey(Schema.String),
  cancellationRequestor: Schema.optionalKey(Schema.String),
  cancellationComment: Schema.optionalKey(Schema.String),
  cancelled: Schema.optionalKey(Schema.DateTimeUtcFromString),
  created: Schema.optionalKey(Schema.DateTimeUtcFromString),
  updated: Schema.optionalKey(Schema.DateTimeUtcFromString),
  errorHResult: Schema.optionalKey(Schema.Finite),
  troubleshootInfo: Schema.optionalKey(Schema.String),
  relatedFileInfo: Schema.optionalKey(RelatedFile),
  commands: Schema.Array(Command),
}) {
  /**
   * Whether the action has finished: it is `Succeeded`, `Failed`, `TimeOut` or `Cancelled`. With an unknown status it is
   * final once each of its commands has finished.
   */
  get isFinal(): boolean {
    if (statuses.final.has(this.status)) return true
    return !isInProgress(this) && this.commands.length > 0 && this.commands.every(isFinished)
  }
}

/**
 * What people are shown of a machine action.
 *
 * @since 0.1.0
 * @category models
 */
export interface Brief extends Pick<
  MachineAction,
  "id" | "status" | "machineId" | "computerDnsName" | "requestor" | "requestorComment" | "created" | "updated"
> {
  readonly commands: ReadonlyArray<Pick<Command, "index" | "type" | "params" | "errors">>
}

const statuses = {
  inProgress: new Set(["Pending", "InProgress"]),
  final: new Set(["Succeeded", "Failed", "TimeOut", "Cancelled"]),
}

const isInProgress = ({ status }: MachineAction): boolean => statuses.inProgress.has(status)

const isFinished = ({ status }: Command): boolean => status === "Completed" || status === "Failed"

/**
 * Whether a command has a result:
 *
 * - `yes`: the command has finished. A script that failed has a result too, which says why.
 * - `not yet`: the command may have one when it has finished
 * - `never`: the command put a file on the machine, did not run, or failed to get a file
 * - `maybe`: the action is not in progress, and the API describes the command in unknown words. Request the link: a 404
 *   means that there is no result.
 *
 * **Details**
 *
 * An action without a type counts as a live response session.
 *
 * @since 0.1.0
 * @category results
 */
export const hasResult = (action: MachineAction, command: Command): "yes" | "not yet" | "never" | "maybe" => {
  if ((action.type !== "LiveResponse" && action.type !== "") || command.type === "PutFile") return "never"
  switch (command.status) {
    case "Completed":
      return "yes"
    case "Failed":
      return command.type === "RunScript" ? "yes" : command.type === "GetFile" ? "never" : "maybe"
    case "Created":
      return action.isFinal ? "never" : "not yet"
    default:
      return isInProgress(action) ? "not yet" : "maybe"
  }
}

/** A command of which nothing is known: the API left the commands of its session out. */
const unknownCommand = Command.make({ index: 0, type: "", status: "", params: {}, errors: [] })

/**
 * The commands of an action, as far as they are known. A live response session has at least one, also where the API lists none:
 * once the action is not in progress, `hasResult` says `maybe` of it.
 *
 * @since 0.1.0
 * @category results
 */
export const commandsOf = (action: MachineAction): ReadonlyArray<Command> =>
  action.commands.length === 0 && action.type === "LiveResponse" ? [unknownCommand] : action.commands

/** Puts a word into Microsoft's own spelling, whatever its case. An unknown word passes unchanged. */
const spelled = (...words: ReadonlyArray<string>) => {
  const known = new Map(words.map((word) => [word.toLowerCase(), word]))
  return (value: unknown): string => {
    const word = Lenient.text(value) ?? ""
    return known.get(word.toLowerCase()) ?? word
  }
}

const typeOf = spelled("LiveResponse", "CollectInvestigationPackage")
const statusOf = spelled(...statuses.inProgress, ...statuses.final)
const commandTypeOf = spelled("RunScript", "GetFile", "PutFile")
const commandStatusOf = spelled("Created", "Completed", "Failed")

const decodeId = Schema.decodeUnknownOption(MachineActionId)

const paramsOf = (value: unknown): Record<string, string> => {
  const params: Array<readonly [string, string]> = []
  for (const param of Lenient.items(value)) {
    const key = Lenient.text(Lenient.member(param, "key"))
    if (key !== undefined) params.push([key, Lenient.flatText(Lenient.member(param, "value")) ?? ""])
  }
  return Object.fromEntries(params)
}

const errorsOf = (value: unknown): ReadonlyArray<string> =>
  (typeof value === "string" ? [value] : Lenient.items(value)).flatMap((error) => Lenient.flatText(error) ?? [])

const relatedFileOf = (value: unknown): typeof RelatedFile.Type | undefined => {
  const file = Lenient.present({
    fileIdentifier: Lenient.text(Lenient.member(value, "fileIdentifier")),
    fileIdentifierType: Lenient.text(Lenient.member(value, "fileIdentifierType")),
  })
  return Object.keys(file).length === 0 ? undefined : file
}

/** A session has a few commands. 60 MB of the shortest ones need gigabytes as objects. */
const mostCommands = 200

/** Commands in the API's own shape, or why the results of one of them could not be named. */
const commandsFromApi = (value: unknown): Result.Result<ReadonlyArray<Command>, string> => {
  if (!Array.isArray(value)) return Result.fail("its commands are not a list")
  if (value.length > mostCommands) return Result.fail(`it has more than ${mostCommands} commands`)
  const commands = value.map(commandFromApi)
  const beyond = commands.find(({ index }) => index > CommandIndex.most)
  return beyond === undefined
    ? Result.succeed(commands)
    : Result.fail(`one of its commands has the index ${beyond.index}, and ${CommandIndex.most} is the largest`)
}

/** A command that can't be read still has a position in the list, by which its result can be requested. */
const commandFromApi = (value: unknown, position: number): Command => {
  const index = Lenient.wholeNumber(Lenient.member(value, "index"))
  const command = Lenient.member(value, "command")
  return TrustedInstance.make(Command, {
    index: index === undefined || index < 0 ? position : index,
    type: commandTypeOf(Lenient.member(command, "type")),
    status: commandStatusOf(Lenient.member(value, "commandStatus")),
    params: paramsOf(Lenient.member(command, "params")),
    ...Lenient.present({
      startTime: Lenient.instant(Lenient.member(value, "startTime")),
      endTime: Lenient.instant(Lenient.member(value, "endTime")),
    }),
    errors: errorsOf(Lenient.member(value, "errors")),
  })
}

/**
 * Decodes a machine action in the API's own shape, or says in a few words why it can't be read. It never throws.
 *
 * **Details**
 *
 * Only `id` is required. Known words are put into Microsoft's own spelling, whatever their case; a `type` or `status`
 * that is missing or not text is `""`. A command that can't be read has no type, status and parameters, and keeps its
 * position in the list. Numbers that arrive as text and texts that arrive as numbers are converted; any other member of an
 * unexpected type is absent. A text of more than 8,192 characters is shortened to its beginning and its end, with `…` between
 * them.
 *
 * **Gotchas**
 *
 * An action whose `commands` are neither a list nor null can't be read, because its results would be missed. Neither can one that has a
 * command with an index above 999.
 *
 * @example
 * ```ts
 * import * as MachineAction from "@live-response/core/MachineAction"
 * import * as Result from "effect/Result"
 *
 * const id = "988cc94e-7a8f-4b28-ab65-54970c5d5018"
 * console.log(Result.map(MachineAction.fromApi({ id, status: null, errorHResult: "0x10" }), (a) => a.errorHResult))
 * console.log(Result.isFailure(MachineAction.fromApi({ id: null }))) // true
 * ```
 *
 * @since 0.1.0
 * @category decoding
 */
export const fromApi = (value: unknown): Result.Result<MachineAction, string> => {
  if (!Predicate.isReadonlyObject(value)) return Result.fail("it is not an object")
  const of = (key: string) => Lenient.member(value, key)
  const id = Option.getOrUndefined(decodeId(of("id")))
  if (id === undefined) return Result.fail("its id is not a GUID")
  return Result.map(commandsFromApi(of("commands") ?? []), (commands) =>
    TrustedInstance.make(MachineAction, {
      id,
      type: typeOf(of("type")),
      status: statusOf(of("status")),
      ...Lenient.present({
        machineId: Lenient.text(of("machineId")),
        computerDnsName: Lenient.text(of("computerDnsName")),
        requestor: Lenient.text(of("requestor")),
        requestorComment: Lenient.text(of("requestorComment")),
        title: Lenient.text(of("title")),
        scope: Lenient.text(of("scope")),
        externalID: Lenient.text(of("externalID")) ?? Lenient.text(of("externalId")),
        requestSource: Lenient.text(of("requestSource")),
        cancellationRequestor: Lenient.text(of("cancellationRequestor")),
        cancellationComment: Lenient.text(of("cancellationComment")),
        cancelled: Lenient.instant(of("cancellationDateTimeUtc")),
        created: Lenient.instant(of("creationDateTimeUtc")),
        // The same field, which lists name without "Date".
        updated: Lenient.instant(of("lastUpdateDateTimeUtc")) ?? Lenient.instant(of("lastUpdateTimeUtc")),
        errorHResult: Lenient.number(of("errorHResult")),
        troubleshootInfo: Lenient.flatText(of("troubleshootInfo")),
        relatedFileInfo: relatedFileOf(of("relatedFileInfo")),
      }),
      commands,
    }),
  )
}

/**
 * The schema of a machine action in the API's own shape, which decodes as `fromApi` does. It is for decoding alone.
 *
 * @example
 * ```ts
 * import * as MachineAction from "@live-response/core/MachineAction"
 * import * as Schema from "effect/Schema"
 *
 * const action = Schema.decodeUnknownSync(MachineAction.FromApi)({
 *   id: "988cc94e-7a8f-4b28-ab65-54970c5d5018",
 *   type: "LiveResponse",
 *   status: "Succeeded",
 *   commands: [
 *     {
 *       index: 0,
 *       commandStatus: "Completed",
 *       command: { type: "RunScript", params: [{ key: "ScriptName", value: "minidump.ps1" }] },
 *     },
 *   ],
 * })
 * console.log(action.commands.map((command) => MachineAction.hasResult(action, command))) // [ 'yes' ]
 * ```
 *
 * @since 0.1.0
 * @category schemas
 */
export const FromApi = ApiSchema.decodedBy(MachineAction, "a machine action", fromApi, ({ id, status, type }) => ({
  id,
  status,
  type,
}))
