/**
 * The name of a live response result: the id of its machine action, and the index of its command.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import * as SchemaTransformation from "effect/SchemaTransformation"
import * as CommandIndexes from "./internal/commandIndex.ts"
import { type Command, commandsOf, hasResult, type MachineAction, MachineActionId } from "./MachineAction.ts"

/**
 * The index of a command in its machine action, from 0 to 999.
 *
 * @since 0.1.0
 * @category schemas
 */
export const CommandIndex = CommandIndexes.schema

/**
 * Names one result. It is printed and parsed as `<machineActionId>:<index>`.
 *
 * @example
 * ```ts
 * import { ResultRef } from "@live-response/core/ResultRef"
 * import * as Schema from "effect/Schema"
 *
 * const ref = Schema.decodeSync(ResultRef)({ machineActionId: "988CC94E-7A8F-4B28-AB65-54970C5D5018", index: 0 })
 * console.log(String(ref)) // 988cc94e-7a8f-4b28-ab65-54970c5d5018:0
 * ```
 *
 * @since 0.1.0
 * @category models
 */
export class ResultRef extends Schema.Class<ResultRef>("@live-response/core/ResultRef")({
  machineActionId: MachineActionId,
  index: CommandIndex,
}) {
  override toString(): string {
    return keyOf(this)
  }
}

/**
 * `<machineActionId>:<index>` of a result, or of anything that is about one: its events, and its lines in the manifest.
 *
 * @since 0.1.0
 * @category encoding
 */
export const keyOf = ({ index, machineActionId }: typeof ResultRef.Encoded): string => `${machineActionId}:${index}`

const pattern = /^([^:]+):(\d{1,9})$/

const invalid = (input: string) =>
  new SchemaIssue.InvalidValue({ message: "Expected <machineActionId>:<index>" }, input)

/**
 * A `ResultRef` encoded as `<machineActionId>:<index>`, as command lines and lists of targets have it.
 *
 * @example
 * ```ts
 * import { FromString } from "@live-response/core/ResultRef"
 * import * as Effect from "effect/Effect"
 * import * as Schema from "effect/Schema"
 *
 * const program = Effect.gen(function* () {
 *   const ref = yield* Schema.decodeEffect(FromString)("988cc94e-7a8f-4b28-ab65-54970c5d5018:0")
 *   return ref.index
 * })
 *
 * console.log(Effect.runSync(program)) // 0
 * ```
 *
 * @since 0.1.0
 * @category schemas
 */
export const FromString = Schema.String.pipe(
  Schema.decodeTo(
    ResultRef,
    SchemaTransformation.transformEffect({
      decode: (input: string) => {
        const match = pattern.exec(input)
        return match?.[1] === undefined || match[2] === undefined
          ? Effect.fail(invalid(input))
          : Effect.succeed({ machineActionId: match[1], index: Number(match[2]) })
      },
      encode: (ref) => Effect.succeed(keyOf(ref)),
    }),
  ),
)

/**
 * Where a result comes from, as far as its machine action says: the machine, and the script that ran or the file that was
 * collected there (`sourcePath`). `isPackage` says that it is an investigation package, which the API has another link for.
 *
 * **Gotchas**
 *
 * Every field is text that others wrote: display it, and never use it as a path.
 *
 * @since 0.1.0
 * @category models
 */
export const Origin = Schema.Struct({
  machineId: Schema.optionalKey(Schema.String),
  machineName: Schema.optionalKey(Schema.String),
  script: Schema.optionalKey(Schema.String),
  sourcePath: Schema.optionalKey(Schema.String),
  isPackage: Schema.optionalKey(Schema.Literal(true)),
})

/**
 * @since 0.1.0
 * @category models
 */
export type Origin = typeof Origin.Type

/**
 * A result with its origin.
 *
 * **When to use**
 *
 * Use it in place of a `ResultRef` to have the origin in the events and the manifest lines of the result.
 *
 * @since 0.1.0
 * @category models
 */
export class ActionResult extends ResultRef.extend<ActionResult>("@live-response/core/ResultRef/ActionResult")(
  Origin.fields,
) {
  /** The same as that of a `ResultRef`, so a result has one name with or without its origin. */
  override toString(): string {
    return keyOf(this)
  }
}

const machineOf = ({ computerDnsName, machineId }: MachineAction): Origin => ({
  ...(machineId === undefined ? {} : { machineId }),
  ...(computerDnsName === undefined ? {} : { machineName: computerDnsName }),
})

const originOf = (action: MachineAction, { params }: Command): Origin => {
  const script = params["ScriptName"]
  const sourcePath = params["Path"]
  return {
    ...machineOf(action),
    ...(script === undefined ? {} : { script }),
    ...(sourcePath === undefined ? {} : { sourcePath }),
  }
}

/**
 * The results of an action that exist or may exist, each with its origin.
 *
 * **Details**
 *
 * `MachineAction.hasResult` decides which of `MachineAction.commandsOf`. An investigation package is the result 0 of its action. Commands
 * with an index out of range are left out. `MachineAction.fromApi` refuses actions with such commands, so that no result is missed.
 *
 * @since 0.1.0
 * @category constructors
 */
export const ofAction = (action: MachineAction): ReadonlyArray<ActionResult> =>
  action.type === "CollectInvestigationPackage" ? packageOf(action) : commandResultsOf(action)

const packageOf = (action: MachineAction): ReadonlyArray<ActionResult> =>
  action.status === "Succeeded"
    ? [ActionResult.make({ machineActionId: action.id, index: 0, ...machineOf(action), isPackage: true })]
    : []

const commandResultsOf = (action: MachineAction): ReadonlyArray<ActionResult> =>
  commandsOf(action).flatMap((command) => {
    const result = hasResult(action, command)
    return result === "yes" || result === "maybe"
      ? Option.toArray(decode({ machineActionId: action.id, index: command.index, ...originOf(action, command) }))
      : []
  })

const decode = Schema.decodeUnknownOption(ActionResult)
