/** Runners as processes, of which one is killed while it executes a run: the other one resumes it. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import { machines } from "../../core/test/support/fleets.ts"
import { start } from "./support/executors.ts"
import { sharedServer, startServer } from "./support/server.ts"
import { namesOf, services, tenantWith, watchAll } from "./support/runTenants.ts"

startServer()

// One after the other: the runners of a database divide all work among them, and those of one test don't know the tenant of another.
describe("a run whose runner is killed", () => {
  it.live.each([
    { when: "after the journal has recorded the session, and before its request is sent", hold: "starting", lost: 0 },
    { when: "after the service has started the session, and before the journal knows it", hold: "sent", lost: 4 },
  ])("is resumed by another one, and no machine has two sessions: $when", ({ hold, lost }) =>
    Effect.gen(function* () {
      const made = yield* tenantWith({ machines: machines(4), commandTime: "1 second" })
      const { runs, sessions, submit } = made
      const victim = yield* start("victim", made, hold)
      yield* victim.until(1, "owner")
      const run = yield* submit()
      const watching = yield* Effect.forkChild(watchAll(run))
      yield* victim.until(4, hold)
      assert.strictEqual((yield* sessions).length, lost)
      yield* start("survivor", made)
      yield* victim.kill
      const events = yield* Fiber.join(watching)
      assert.deepInclude(namesOf(events), { started: 4, ended: 4, "result completed": 4 })
      assert.deepStrictEqual(yield* sessions, [1, 1, 1, 1])
      assert.deepInclude((yield* runs.get(run)).counts, { started: 4, succeeded: 4, completed: 4 })
    }).pipe(Effect.scoped, Effect.provide(Layer.merge(services, sharedServer))),
  )

  it.live("is resumed while its sessions are in progress, with each event once", () =>
    Effect.gen(function* () {
      const made = yield* tenantWith({ machines: machines(6), commandTime: "10 seconds" })
      const { runs, sessions, submit } = made
      const victim = yield* start("victim", made)
      yield* victim.until(1, "owner")
      const run = yield* submit()
      const watching = yield* Effect.forkChild(watchAll(run))
      const survivor = yield* start("survivor", made)
      yield* Effect.repeat(runs.get(run), {
        until: ({ counts }) => counts.started === 6,
        schedule: Schedule.spaced("50 millis"),
      })
      yield* victim.kill
      yield* survivor.until(1, "owner")
      const events = namesOf(yield* Fiber.join(watching))
      assert.deepInclude(events, { started: 6, ended: 6, "result completed": 6 })
      assert.deepStrictEqual(yield* sessions, [1, 1, 1, 1, 1, 1])
    }).pipe(Effect.scoped, Effect.provide(Layer.merge(services, sharedServer))),
  )
})
