/**
 * What `live-response machines` does: lists machines.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as MachineSearch from "../../api/MachineSearch.ts"
import * as Failure from "../../Failure.ts"
import type { MachineSelection } from "../../flags/MachineSelection.ts"
import * as MachineText from "../../output/MachineText.ts"
import * as StandardError from "../../output/StandardError.ts"
import { printable } from "../../output/Printable.ts"
import * as RowPrinter from "../../output/RowPrinter.ts"

/** Fails at the end if a record could not be read. */
export const list = Effect.fnUntraced(function* (selection: MachineSelection, format: RowPrinter.Format | undefined) {
  let unreadable = 0
  const machines = MachineSearch.search(selection, ({ message }) => {
    unreadable++
    return StandardError.write(`live-response: ${printable(message)}`)
  })
  const printer = { columns: MachineText.columns, toJson: MachineText.toJson, format }
  yield* Stream.runForEach(machines, yield* RowPrinter.make(printer))
  if (unreadable > 0) return yield* Failure.someFailed
})
