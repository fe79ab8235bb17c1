/**
 * Searches the API for the machines of a selection.
 */
import type { ApiError } from "@live-response/core/ApiError"
import * as DefenderApi from "@live-response/core/DefenderApi"
import type { Machine } from "@live-response/core/Machine"
import * as MachineFilter from "@live-response/core/MachineFilter"
import { Machines } from "@live-response/core/Machines"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as MachineSelection from "../flags/MachineSelection.ts"
import { printable } from "../output/Printable.ts"
import * as IgnoredFilter from "./IgnoredFilter.ts"

const noId = "0".repeat(40)

/** Fails where the server ignores `--filter`. */
export const checkFilter = (selection: MachineSelection.MachineSelection) =>
  Machines.use(({ list }) =>
    IgnoredFilter.check("machines", selection, (expression) =>
      list({ filter: MachineFilter.all(MachineFilter.raw(expression), MachineFilter.is("id", noId)), pageSize: 1 }),
    ),
  )

/**
 * The selected machines in the API's order. Records that can't be read are reported, because they may be selected. Machines
 * that don't match the filter are left out, with one warning, or as `onIgnored` says.
 */
export const search = <E = never>(
  selection: MachineSelection.MachineSelection,
  reportBad: (record: { readonly message: string }) => Effect.Effect<void>,
  onIgnored: IgnoredFilter.Response<E> = IgnoredFilter.warn,
): Stream.Stream<Machine, ApiError | E, Machines> =>
  Stream.unwrap(
    Effect.gen(function* () {
      const machines = yield* Machines
      const now = yield* DateTime.now
      const filter = MachineSelection.filterOf(selection, now)
      return machines.pages({ filter }).pipe(
        Stream.tap(({ unreadable }) =>
          Effect.forEach(
            unreadable,
            (record) => reportBad({ message: printable(DefenderApi.describeUnreadable(record)) }),
            { discard: true },
          ),
        ),
        Stream.flatMap(({ records }) => Stream.fromIterable(records)),
        IgnoredFilter.leaveOut("machines", (machine) => MachineSelection.passes(selection, machine, now), onIgnored),
        Stream.filter((machine) => MachineSelection.matches(selection, machine)),
      )
    }),
  )
