import { assert, describe, it } from "@effect/vitest"
import { RunId } from "@live-response/cluster/ClusterRun"
import { StoreError } from "@live-response/core/StoreError"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { endEarly } from "../src/internal/runEnd.ts"
import type { RunLog } from "../src/internal/runLog.ts"

const run = Schema.decodeSync(RunId)("7d7f6a30-1f0e-4a57-9f5a-1f0f7b0c2d11")

/** The log of a run whose events can't be read, and how the run ended. */
const logWhere = (events: ReturnType<RunLog["events"]>) => {
  const ends: Array<string> = []
  const unused = Effect.die("not used")
  const log: RunLog = {
    start: () => unused,
    age: () => unused,
    append: () => unused,
    completed: () => Effect.succeed([]),
    machines: () => Stream.empty,
    sessions: () => Stream.empty,
    events: () => events,
    end: (_run, state) => Effect.sync(() => void ends.push(state)),
  }
  return { ends, log }
}

describe("a run that is cancelled", () => {
  it.effect("ends although a bug keeps its events from being read", () =>
    Effect.gen(function* () {
      const { ends, log } = logWhere(Stream.die("a bug"))
      yield* endEarly(log, run, "cancelled")
      assert.deepStrictEqual(ends, ["cancelled"])
    }),
  )

  it.effect("is left to the next owner of its tenant", () =>
    Effect.gen(function* () {
      const superseded = new StoreError({ path: "tenant", problem: "Superseded", detail: "a later owner" })
      const { ends, log } = logWhere(Stream.fail(superseded))
      assert.strictEqual(yield* Effect.flip(endEarly(log, run, "cancelled")), superseded)
      assert.deepStrictEqual(ends, [])
    }),
  )
})
