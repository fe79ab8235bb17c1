/**
 * Results that may not exist, although their machine action lists the command.
 *
 * @since 0.1.0
 */
import type { BatchEvent } from "./BatchEvent.ts"
import { Skipped } from "./ResultEvent.ts"
import { commandsOf, hasResult, type MachineAction } from "./MachineAction.ts"
import { ResultRef } from "./ResultRef.ts"

/**
 * The commands of an action for which `MachineAction.hasResult` is `maybe`, by their index.
 *
 * @since 0.1.0
 * @category checking
 */
export const possible = (action: MachineAction): ReadonlySet<number> =>
  new Set(
    commandsOf(action)
      .filter((command) => hasResult(action, command) === "maybe")
      .map(({ index }) => index),
  )

/**
 * Replaces the failure of a result that may not exist by the event that it does not, if the API answered 404.
 *
 * @since 0.1.0
 * @category combinators
 */
export const settle = (event: BatchEvent, mayBeAbsent: (ref: ResultRef) => boolean): BatchEvent => {
  if (event.event !== "failed" || event.error._tag !== "DefenderError" || event.error.reason._tag !== "NotFound") {
    return event
  }
  const { at, index, machineActionId } = event
  return mayBeAbsent(ResultRef.make({ index, machineActionId }))
    ? Skipped.make({ at, machineActionId, index, reason: "absent" })
    : event
}
