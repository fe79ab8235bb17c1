/** What is reported to a user who watches a run: who executes it. */
import { assert, describe, it } from "@effect/vitest"
import { type Execution, RunId } from "@live-response/cluster/ClusterRun"
import { Runs } from "@live-response/cluster/Runs"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import { report } from "../src/commands/runs/execution.ts"
import * as StandardError from "../src/output/StandardError.ts"

const run = RunId.make("00000000-0000-4000-8000-000000000001")
const executing: Execution = { runner: "one-1", runners: ["one-1"] }
const missing: Execution = { runners: [], lastSeen: DateTime.makeUnsafe("2026-01-02T03:04:05Z") }

/** Watches a run, and returns the lines so far. Each lookup takes what is given, if anything. */
const watch = Effect.fnUntraced(function* (next: () => readonly [Execution, seconds?: number]) {
  const lines: Array<string> = []
  yield* StandardError.through((line) => lines.push(line))
  const execution = () => {
    const [found, seconds = 0] = next()
    return Effect.delay(Effect.succeed(found), `${seconds} seconds`)
  }
  yield* report(run).pipe(Effect.provide(Layer.mock(Runs)({ execution })), Effect.forkScoped)
  return lines
})

describe("runs watch", () => {
  it.effect("reports once that no runner executes the run, when one was last seen, and which one does", () =>
    Effect.gen(function* () {
      let found = missing
      const lines = yield* watch(() => [found])
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(lines, [])
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(lines.length, 1)
      assert.match(
        lines[0] ?? "",
        /^waiting: no runner is connected to the database \(last seen: 2026-01-0\d [\d: ]+.*\); start one/,
      )
      found = executing
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(lines.slice(1), ["runner one-1 executes the run"])
    }).pipe(Effect.scoped),
  )

  it.effect("does not count the time in which the database was away", () =>
    Effect.gen(function* () {
      // A server that starts again knows no runner before they connect again, seconds later.
      const lookups: Array<readonly [Execution, seconds?: number]> = [[executing], [missing, 60], [missing]]
      const lines = yield* watch(() => lookups.shift() ?? [executing])
      yield* TestClock.adjust("2 minutes")
      assert.deepStrictEqual(lines, [])
    }).pipe(Effect.scoped),
  )
})
