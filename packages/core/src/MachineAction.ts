/**
 * Machine actions: what Defender for Endpoint was asked to do on a machine. A live response session is one of them, and
 * each of its commands may have a result.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as SchemaTransformation from "effect/SchemaTransformation"

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
  Schema.check(Schema.isGUID()),
  Schema.brand("MachineActionId"),
)

/**
 * @since 0.1.0
 * @category models
 */
export type MachineActionId = typeof MachineActionId.Type
