/**
 * Searches the API for the machines of a selection.
 */
import type { ApiError } from "@live-response/core/ApiError"
import * as DefenderApi from "@live-response/core/DefenderApi"
import type { Machine } from "@live-response/core/Machine"
import { Machines } from "@live-response/core/Machines"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as MachineSelection from "../flags/MachineSelection.ts"
import { printable } from "../output/Printable.ts"

/** Machines that the API should not have listed. */
const warnOfOthers = (others: number): Effect.Effect<void> =>
  others === 0
    ? Effect.void
    : Effect.logWarning(
        `the list has machines that do not match the selection, which are left out (${others}): the server ignores $filter; check --endpoint, and the gateway or proxy before it`,
      )

/**
 * The selected machines in the API's order. Records that can't be read are reported, because they may be selected. Machines
 * that don't match the filter are left out, with one warning.
 */
export const search = (
  selection: MachineSelection.MachineSelection,
  reportBad: (record: { readonly message: string }) => Effect.Effect<void>,
): Stream.Stream<Machine, ApiError, Machines> =>
  Stream.unwrap(
    Effect.gen(function* () {
      const machines = yield* Machines
      const now = yield* DateTime.now
      const filter = MachineSelection.filterOf(selection, now)
      let others = 0
      return machines.pages({ filter }).pipe(
        Stream.tap(({ unreadable }) =>
          Effect.forEach(
            unreadable,
            (record) => reportBad({ message: printable(DefenderApi.describeUnreadable(record)) }),
            { discard: true },
          ),
        ),
        Stream.flatMap(({ records }) => Stream.fromIterable(records)),
        Stream.filter((machine) => {
          const passes = MachineSelection.passes(selection, machine, now)
          if (!passes) others++
          return passes && MachineSelection.matches(selection, machine)
        }),
        Stream.onEnd(Effect.suspend(() => warnOfOthers(others))),
      )
    }),
  )
