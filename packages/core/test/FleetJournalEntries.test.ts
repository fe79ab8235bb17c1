import { assert, describe, it } from "@effect/vitest"
import * as FleetJournal from "@live-response/core/FleetJournal"
import type * as JsonLines from "@live-response/core/JsonLines"
import * as PrivateDirectory from "@live-response/core/PrivateDirectory"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Stream from "effect/Stream"
import { utf8 } from "./support/bytes.ts"
import { makeDisk } from "./support/disk.ts"
import { machineAt } from "./support/fleets.ts"

const entry = (kind: string, fields: object = {}) =>
  JSON.stringify({ entry: kind, run: "00", machineId: machineAt(1), ...fields })

/** The entries in a journal of these lines, and the numbers of the damaged ones. */
const entriesOf = (lines: ReadonlyArray<string>) => {
  const disk = makeDisk()
  const damaged: Array<number> = []
  const onDamaged = ({ line }: JsonLines.DamagedLine) => Effect.sync(() => void damaged.push(line))
  return Effect.gen(function* () {
    const directory = yield* PrivateDirectory.open("/state")
    disk.files.set("/state/sessions.jsonl", utf8(lines.map((line) => `${line}\n`).join("")))
    const entries = yield* Stream.runCollect(FleetJournal.entries(directory, onDamaged))
    return { kinds: entries.map(({ entry }) => entry), damaged }
  }).pipe(Effect.provide(disk.layer))
}

describe("FleetJournal.entries", () => {
  it.effect("has the entries of machines in their order, and reports damaged lines", () =>
    Effect.gen(function* () {
      const found = yield* entriesOf([
        JSON.stringify({ entry: "run", run: "00", commands: [{ _tag: "GetFile", path: "x" }], comment: "" }),
        entry("starting", { mark: "ab" }),
        "{damaged",
        entry("notStarted"),
      ])
      assert.deepStrictEqual(found, { kinds: ["starting", "notStarted"], damaged: [3] })
    }),
  )

  it.effect("refuses a line of a newer version by name", () =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(entriesOf([entry("notStarted", { version: 2 })]))
      assert.isTrue(Exit.isFailure(exit))
      assert.include(String(exit), "line 1 was written by a newer version of live-response")
    }),
  )
})
