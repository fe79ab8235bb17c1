// @effect-diagnostics globalConsole:off

















































import { ActionWatch } from "@live-response/core/ActionWatch"
import type { MachineActionId } from "@live-response/core/MachineAction"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"

// How each of them ended: a thousand cost as many calls as forty.
export const ends = (ids: ReadonlyArray<MachineActionId>) =>
  Effect.gen(function* () {
    const { watch } = yield* ActionWatch
    return yield* Effect.forEach(ids, (id) => Stream.runLast(watch(id)), { concurrency: "unbounded" })
  })
