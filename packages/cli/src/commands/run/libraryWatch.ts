/**
 * Notices that somebody replaces a file in the library while a run starts sessions with it.
 */
import type { FleetEvent } from "@live-response/core/FleetEvent"
import { Library } from "@live-response/core/Library"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type * as EventOutput from "../../output/EventOutput.ts"
import * as StandardError from "../../output/StandardError.ts"
import { printable } from "../../output/Printable.ts"
import type { Used } from "./plan.ts"

/** The library is read again after this many sessions have started: at ten a minute, every five minutes. */
const sessionsPerCheck = 50

/** Makes the function that receives the events of the sessions. A file is reported once. */
export const make = Effect.fnUntraced(function* (
  used: ReadonlyArray<Used>,
  report: (replaced: EventOutput.Replaced) => Effect.Effect<void>,
) {
  const left = new Map(used.flatMap(({ fileName, sha256 }) => (sha256 === undefined ? [] : [[fileName, sha256]])))
  const state = { unchangedAt: yield* DateTime.now, started: 0 }

  const check = Effect.gen(function* () {
    const at = yield* DateTime.now
    const files = yield* Library.use(({ list }) => Stream.runCollect(list))
    for (const { fileName, sha256: now } of files) {
      const before = left.get(fileName)
      if (before === undefined || now === undefined || now === before) continue
      left.delete(fileName)
      yield* report({ fileName, before, now, since: state.unchangedAt })
    }
    state.unchangedAt = at
  })

  return (event: FleetEvent): Effect.Effect<void, never, Library> => {
    if (left.size === 0) return Effect.void
    if (event.event === "started" && event.as === "new") {
      return ++state.started % sessionsPerCheck === 0 ? Effect.ignore(check) : Effect.void
    }
    if (event.event !== "sessions" || state.started === 0) return Effect.void
    return check.pipe(
      Effect.catch(({ message }) =>
        StandardError.write(
          `live-response: whether files were replaced in the library during the run is not known: ${printable(message)}`,
        ),
      ),
    )
  }
})
