/**
 * What a live response result is called: the machine action it belongs to and the index of the command in it.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import * as SchemaTransformation from "effect/SchemaTransformation"
import { hasResult, type MachineAction, MachineActionId } from "./MachineAction.ts"

/**
 * The place of a command in its machine action, counted from 0.
 *
 * @since 0.1.0
 * @category schemas
 */
export const CommandIndex = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 999 }))

/**
 * Names one result: `machineActionId` and `index`. Printed and parsed as `<machineActionId>:<index>`.
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
    return `${this.machineActionId}:${this.index}`
  }
}

const pattern = /^([^:]+):(\d{1,9})$/

const invalid = (input: string) =>
  new SchemaIssue.InvalidValue({ message: "Expected <machineActionId>:<index>" }, input)

/**
 * Decodes `<machineActionId>:<index>`, as command lines and lists of targets write it, and encodes it again.
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
      encode: (ref) => Effect.succeed(`${ref.machineActionId}:${ref.index}`),
    }),
  ),
)

/**
 * The results that an action has by now, and those that it may have: `MachineAction.hasResult` says which. A command
 * whose index is out of range has no result that could be asked for.
 *
 * @since 0.1.0
 * @category constructors
 */
export const ofAction = (action: MachineAction): ReadonlyArray<ResultRef> =>
  action.commands.flatMap((command) => {
    const result = hasResult(action, command)
    return result === "yes" || result === "maybe"
      ? Option.toArray(decode({ machineActionId: action.id, index: command.index }))
      : []
  })

const decode = Schema.decodeUnknownOption(ResultRef)
