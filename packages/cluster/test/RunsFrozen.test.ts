/** A runner as a process that is frozen. It is alone in its database, because it keeps its locks for a while. */
import { assert, describe, it } from "@effect/vitest"
import * as Database from "@live-response/cluster/Database"
import { PostgresServer } from "@live-response/cluster/testing/PostgresServer"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import { machines } from "../../core/test/support/fleets.ts"
import { start } from "./support/executors.ts"
import { sharedServer, startServer } from "./support/server.ts"
import { services, tenantWith, watchAll } from "./support/runTenants.ts"

startServer()

describe.concurrent("a run whose runner is frozen", () => {
  it.live(
    "gets no second session where that happens right before the request, and the runner continues a minute later",
    () =>
      Effect.gen(function* () {
        const made = yield* tenantWith({ machines: machines(2) })
        const { runs, sessions, submit } = made
        const frozen = yield* start("frozen", made, "frozen")
        yield* frozen.until(1, "owner")
        const run = yield* submit()
        yield* frozen.until(1, "starting")
        // It searches for the session for a minute, which is longer than a request may be late.
        yield* start("survivor", made, "", 60)
        yield* watchAll(run)
        assert.deepStrictEqual(yield* sessions, [1, 1])
        yield* frozen.signal("SIGCONT")
        yield* frozen.until(1, "ended")
        assert.deepStrictEqual(yield* sessions, [1, 1])
        assert.deepInclude((yield* runs.get(run)).counts, { started: 2, succeeded: 2, completed: 2 })
      }).pipe(Effect.scoped, Effect.provide(Layer.merge(services, sharedServer))),
    180_000,
  )

  it.live("is not executed by a runner of whose connection PostgreSQL hears nothing", () =>
    Effect.gen(function* () {
      const { runs, submit } = yield* tenantWith({ machines: machines(1) })
      const run = yield* submit()
      const { runner: url } = yield* PostgresServer
      const options = { url, applicationName: "live-response silent" }
      const { query } = Context.get(yield* Layer.build(Database.layerUnchecked(options)), Database.Database)
      yield* query((sql) => Effect.scoped(Effect.andThen(sql.reserve, Effect.never)), { timeout: "1 hour" }).pipe(
        Effect.forkScoped,
      )
      const untilAlive = (isAlive: boolean) =>
        runs.execution(run).pipe(
          Effect.repeat({
            until: ({ runners }) => runners.includes("silent") === isAlive,
            schedule: Schedule.spaced("500 millis"),
          }),
        )
      yield* untilAlive(true)
      yield* untilAlive(false)
    }).pipe(Effect.scoped, Effect.provide(Layer.merge(services, sharedServer))),
  )
})
