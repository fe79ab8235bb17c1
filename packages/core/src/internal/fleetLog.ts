/** Writes the journal entries of a run and emits its events, each with the current time. */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import type { FleetEvent } from "../FleetEvent.ts"
import type * as FleetJournal from "../FleetJournal.ts"
import type { StoreError } from "../StoreError.ts"
import type { SessionDoubt } from "./sessionDoubt.ts"

interface OfMachine {
  readonly machineId: string
  readonly at: DateTime.Utc
}

/** An event of a machine, less its machine and its time. */
export type ToEvent = (of: OfMachine) => FleetEvent

export interface FleetLog {
  readonly record: (
    machineId: string,
    toEntry: (of: OfMachine & { readonly run: string }) => FleetJournal.Entry,
  ) => Effect.Effect<void, StoreError>

  /** Waits while the reader is slow. */
  readonly emit: (machineId: string, toEvent: ToEvent) => Effect.Effect<void>
}

export const make = (
  journal: FleetJournal.Run,
  send: (event: FleetEvent) => Effect.Effect<unknown>,
  doubts: SessionDoubt,
): FleetLog => ({
  record: (machineId, toEntry) =>
    Effect.flatMap(DateTime.now, (at) => {
      const entry = toEntry({ run: journal.id, machineId, at })
      if (entry.entry === "notStarted") doubts.remove(machineId)
      // The request is sent when the entry is written, and not before.
      return Effect.tap(journal.append(entry), () =>
        Effect.sync(() => {
          if (entry.entry === "starting") doubts.add(machineId)
        }),
      )
    }),
  emit: (machineId, toEvent) => Effect.flatMap(DateTime.now, (at) => Effect.asVoid(send(toEvent({ machineId, at })))),
})
