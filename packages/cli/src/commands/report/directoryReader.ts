/**
 * Reads a directory of results for its report.
 */
import * as FleetJournal from "@live-response/core/FleetJournal"
import type * as JsonLines from "@live-response/core/JsonLines"
import type { MachineActionId } from "@live-response/core/MachineAction"
import type { PrivateDirectory } from "@live-response/core/PrivateDirectory"
import { longestOutput } from "@live-response/core/Stack"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as ActionsFileReader from "../../input/ActionsFileReader.ts"
import * as Damage from "../../input/Damage.ts"
import * as ResultRows from "../../input/ResultRows.ts"
import * as TextHash from "../../input/TextHash.ts"
import * as UnknownMachines from "../../input/UnknownMachines.ts"
import { Collector } from "./collector.ts"
import type { Machines } from "./machineOutcomes.ts"
import { unknownNamesOf } from "./payload.ts"

/** Adds what `sessions.jsonl`, or a part of it, says of machines. `onDamaged` receives each line that can't be read. */
export const addSessions = Effect.fnUntraced(function* (
  files: PrivateDirectory,
  collector: {
    readonly machines: Pick<Machines, "addEntry">
    readonly addAction: (action: ActionsFileReader.KnownAction) => void
  },
  isKnown: (id: MachineActionId) => boolean,
  onDamaged: Damage.OnDamaged,
  part?: JsonLines.Part,
) {
  yield* Stream.runForEach(FleetJournal.entries(files, onDamaged, part), (entry) =>
    Effect.sync(() => {
      if (entry.entry === "ended" && !isKnown(entry.action.id)) {
        collector.addAction(ActionsFileReader.ofAction(entry.action))
      }
      collector.machines.addEntry(entry)
    }),
  )
})

/** Adds all that `sessions.jsonl` says. Damaged lines are a warning; returns those of the directory with how many they are. */
export const addAllSessions = Effect.fnUntraced(function* (
  files: PrivateDirectory,
  collector: Parameters<typeof addSessions>[1],
  isKnown: (id: MachineActionId) => boolean,
  damaged: Damage.Damaged,
) {
  const sessions = yield* Damage.read(files, "sessions", (onDamaged) =>
    addSessions(files, collector, isKnown, onDamaged),
  )
  return { ...damaged, sessions: sessions.damaged } satisfies Damage.Damaged
})

/** The names that led to no machine, as a report has them. */
export const readUnknownNames = (files: PrivateDirectory) => Effect.map(UnknownMachines.read(files), unknownNamesOf)

/** Reads a directory of results into a collector. */
export const collect = Effect.fnUntraced(function* (files: PrivateDirectory) {
  const collector = new Collector(yield* TextHash.make)
  const { actions, damaged: inRows, rows } = yield* ResultRows.read(files, { limit: longestOutput })
  for (const action of actions.values()) collector.addAction(action)
  const damaged = yield* addAllSessions(files, collector, (id) => actions.has(id), inRows)
  yield* Stream.runForEachArray(rows, (rows) =>
    Effect.sync(() => {
      for (const row of rows) collector.addRow(row)
    }),
  )
  const unknownMachines = yield* UnknownMachines.read(files)
  return { collector, read: { damaged, unknownNames: unknownNamesOf(unknownMachines) }, unknownMachines }
})
