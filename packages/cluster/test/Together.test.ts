import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as References from "effect/References"
import * as TestClock from "effect/testing/TestClock"
import * as Restarts from "../src/internal/restarts.ts"
import * as Together from "../src/internal/together.ts"

/** Work of many tenants that fails for one reason, and the lines of the log with their tenant. */
const failing = Effect.gen(function* () {
  const lines: Array<string> = []
  const logger = Logger.make<unknown, void>(({ cause, fiber, message }) => {
    const { tenant = "" } = fiber.getRef(References.CurrentLogAnnotations)
    const [said] = Array.isArray(message) ? message : [message]
    lines.push([tenant, said, Cause.squash(cause)].map(String).join(": "))
  })
  const together = yield* Together.make
  const start = (name: string, why = "the secret has expired") =>
    Restarts.untilItEnds(`collector ${name}`, Effect.fail(why), name).pipe(
      Effect.provideService(Together.Together, together),
      Effect.annotateLogs({ tenant: name }),
      Effect.provide(Logger.layer([logger])),
      Effect.forkScoped({ startImmediately: true }),
    )
  return { lines, start }
})

const first = (name: string, why = "the secret has expired") =>
  `${name}: collector ${name} failed and is started again: ${why}`

const others = (who: string) => `: ${who} failed for the same reason and are started again: the secret has expired`

describe("Together.make", () => {
  it.effect("says in one line which others fail for the reason of the first", () =>
    Effect.gen(function* () {
      const { lines, start } = yield* failing
      const fibers = yield* Effect.forEach(["a", "b", "c", "d", "e"], (name) => start(name))
      yield* start("f", "no such app")
      assert.deepStrictEqual(lines, [first("a"), first("f", "no such app")])
      yield* TestClock.adjust("6 seconds")
      assert.deepStrictEqual(lines.slice(2), [others("4 more (b, c, d, …)")])
      // While they come, they are of one outage. Later, another one begins.
      yield* start("g")
      yield* TestClock.adjust("10 minutes")
      assert.deepStrictEqual(lines.slice(3), [others("1 more (g)")])
      yield* Fiber.interruptAll(fibers)
      yield* start("a")
      assert.deepStrictEqual(lines.slice(4), [first("a")])
    }),
  )

  it.effect("counts one that says the same twice once", () =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      const { say } = yield* Together.make
      const log = (line: string) => Effect.sync(() => void lines.push(line))
      for (const name of ["a", "b", "c", "b", "c"]) yield* say("key", name, log(name), log)
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(lines, ["a", "2 more (b, c)"])
    }),
  )
})
