/**
 * Searches the API for the machine actions of a selection.
 */
import type { ApiError } from "@live-response/core/ApiError"
import * as ActionFilter from "@live-response/core/ActionFilter"
import * as DefenderApi from "@live-response/core/DefenderApi"
import type { MachineAction } from "@live-response/core/MachineAction"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Selection from "../flags/Selection.ts"
import { printable } from "../output/Printable.ts"
import type { BadTarget } from "../input/Targets.ts"
import * as IgnoredFilter from "./IgnoredFilter.ts"

/** A record of the list that can't be read. It may be selected: nobody knows. */
const badRecord = (record: DefenderApi.Unreadable): BadTarget => ({
  message: printable(DefenderApi.describeUnreadable(record)),
  ...(record.id === undefined ? {} : { machineActionId: printable(record.id) }),
})

const noId = "00000000-0000-0000-0000-000000000000"

/** Fails where the server ignores `--filter`. */
export const checkFilter = (selection: Selection.Selection) =>
  DefenderApi.DefenderApi.use(({ list }) =>
    IgnoredFilter.check("actions", selection, (expression) =>
      list({ filter: ActionFilter.all(ActionFilter.raw(expression), ActionFilter.is("id", noId)), pageSize: 1 }),
    ),
  )

/**
 * The selected actions in the API's order. Records that can't be read are reported, because they may be selected. Actions that
 * don't match the filter are left out, with one warning, or as `onIgnored` says.
 */
export const search = <E = never>(
  selection: Selection.Selection,
  reportBad: (record: BadTarget) => Effect.Effect<void>,
  onIgnored: IgnoredFilter.Response<E> = IgnoredFilter.warn,
): Stream.Stream<MachineAction, ApiError | E, DefenderApi.DefenderApi> =>
  Stream.unwrap(
    Effect.gen(function* () {
      const api = yield* DefenderApi.DefenderApi
      const now = yield* DateTime.now
      const filter = Selection.filterOf(selection, now)
      return api.pages({ filter }).pipe(
        Stream.tap(({ unreadable }) => Effect.forEach(unreadable.map(badRecord), reportBad, { discard: true })),
        Stream.flatMap(({ actions }) => Stream.fromIterable(actions)),
        IgnoredFilter.leaveOut("actions", (action) => Selection.passes(selection, action, now), onIgnored),
        Stream.filter((action) => Selection.matches(selection, action)),
      )
    }),
  )
