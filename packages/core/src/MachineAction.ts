/**
 * Machine actions: what Defender for Endpoint was asked to do on a machine. A live response session is one of them, and
 * each of its commands may have a result.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SchemaTransformation from "effect/SchemaTransformation"
import { instant } from "./internal/instant.ts"

/**
 * The id of a machine action, a GUID. Decoding puts it in lower case, so that one action is one directory and one
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
 * @since 0.1.0
 * @category models
 */
export type MachineActionId = typeof MachineActionId.Type

/**
 * One command of a live response session. `type` is `RunScript`, `GetFile` or `PutFile`, `status` is `Created`,
 * `Completed` or `Failed`; both are the vendor's words, and words that are new are kept as they are. `params` are the
 * command's own, such as `ScriptName`, `Args` and `Path`.
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
 * A machine action. `type` and `status` are the vendor's words, and words that are new are kept as they are. What the API
 * leaves out or sends as null is absent.
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
  cancellationRequestor: Schema.optionalKey(Schema.String),
  cancellationComment: Schema.optionalKey(Schema.String),
  created: Schema.optionalKey(Schema.DateTimeUtcFromString),
  updated: Schema.optionalKey(Schema.DateTimeUtcFromString),
  errorHResult: Schema.optionalKey(Schema.Finite),
  commands: Schema.Array(Command),
}) {
  /** Whether the API will not change it any more: `Succeeded`, `Failed`, `TimeOut` or `Cancelled`. */
  get isFinal(): boolean {
    return finalStatuses.has(this.status)
  }
}

const finalStatuses: ReadonlySet<string> = new Set(["Succeeded", "Failed", "TimeOut", "Cancelled"])

/**
 * Whether a command has a result: `yes`; `not yet`, for it may come; or `never`. This is the one place that decides it. A
 * script that failed has one, which tells why; a file that was put on a machine has none, nor has what never ran.
 *
 * @since 0.1.0
 * @category results
 */
export const hasResult = (action: MachineAction, command: Command): "yes" | "not yet" | "never" => {
  if (action.type !== "LiveResponse" || command.type === "PutFile") return "never"
  switch (command.status) {
    case "Completed":
      return "yes"
    case "Failed":
      return command.type === "RunScript" ? "yes" : "never"
    default:
      return action.isFinal ? "never" : "not yet"
  }
}

const maybe = <S extends Schema.Constraint>(schema: S) => Schema.optional(Schema.NullOr(schema))

/** The API's own shape, of which only `id`, `type` and `status` are sure to be there. */
const Answer = Schema.Struct({
  id: Schema.String,
  type: Schema.String,
  status: Schema.String,
  machineId: maybe(Schema.String),
  computerDnsName: maybe(Schema.String),
  requestor: maybe(Schema.String),
  requestorComment: maybe(Schema.String),
  cancellationRequestor: maybe(Schema.String),
  cancellationComment: maybe(Schema.String),
  creationDateTimeUtc: maybe(Schema.String),
  // One and the same: lists say it without "Date".
  lastUpdateDateTimeUtc: maybe(Schema.String),
  lastUpdateTimeUtc: maybe(Schema.String),
  errorHResult: maybe(Schema.Finite),
  commands: maybe(
    Schema.Array(
      Schema.Struct({
        index: maybe(Schema.Int),
        startTime: maybe(Schema.String),
        endTime: maybe(Schema.String),
        commandStatus: maybe(Schema.String),
        errors: maybe(Schema.Array(Schema.String)),
        command: Schema.Struct({
          type: Schema.String,
          params: maybe(Schema.Array(Schema.Struct({ key: Schema.String, value: maybe(Schema.String) }))),
        }),
      }),
    ),
  ),
})

type Answer = typeof Answer.Type

const present = <A extends Readonly<Record<string, unknown>>>(
  fields: A,
): { readonly [K in keyof A]?: NonNullable<A[K]> } => {
  const kept: { [K in keyof A]?: NonNullable<A[K]> } = {}
  for (const key in fields) {
    const value = fields[key]
    if (value !== null && value !== undefined) kept[key] = value
  }
  return kept
}

const fromAnswer = (answer: Answer): (typeof MachineAction)["Encoded"] => ({
  id: answer.id,
  type: answer.type,
  status: answer.status,
  ...present({
    machineId: answer.machineId,
    computerDnsName: answer.computerDnsName,
    requestor: answer.requestor,
    requestorComment: answer.requestorComment,
    cancellationRequestor: answer.cancellationRequestor,
    cancellationComment: answer.cancellationComment,
    created: instant(answer.creationDateTimeUtc),
    updated: instant(answer.lastUpdateDateTimeUtc ?? answer.lastUpdateTimeUtc),
    errorHResult: answer.errorHResult,
  }),
  commands: (answer.commands ?? []).map(({ command, commandStatus, errors, ...rest }, place) => ({
    index: rest.index ?? place,
    type: command.type,
    status: commandStatus ?? "Created",
    params: Object.fromEntries((command.params ?? []).map(({ key, value }) => [key, value ?? ""])),
    ...present({ startTime: instant(rest.startTime), endTime: instant(rest.endTime) }),
    errors: errors ?? [],
  })),
})

/**
 * A machine action in the API's own shape, with its drifting names, nulls and times of up to seven digits. It is read and
 * never written.
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
export const FromApi = Answer.pipe(
  Schema.decodeTo(
    MachineAction,
    SchemaTransformation.transformEffect({
      decode: (answer: Answer) => Effect.succeed(fromAnswer(answer)),
      encode: ({ id, status, type }) => Effect.succeed({ id, status, type }),
    }),
  ),
)
