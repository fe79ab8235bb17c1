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

const others = (who: string) => `: ${who} failed for the same reason and will be restarted: the secret has expired`

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

  it.effect("counts none as another that says the same again", () =>
    Effect.gen(function* () {
      const { say } = yield* Together.make
      const heard: Array<string> = []
      const hear = (line: string) => Effect.sync(() => void heard.push(line))
      for (const name of ["a", "a", "b", "b"]) yield* say("why", name, hear(name), hear)
      assert.deepStrictEqual(heard.splice(0), ["a", "a"])
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(heard, ["1 more (b)"])
    }),
  )

  it.effect("names the others also where the first is interrupted while it speaks", () =>
    Effect.gen(function* () {
      const { say } = yield* Together.make
      const heard: Array<string> = []
      const hear = (line: string) => Effect.sync(() => void heard.push(line))
      const first = yield* Effect.forkChild(say("why", "a", Effect.yieldNow, hear), { startImmediately: true })
      yield* Fiber.interrupt(first)
      yield* say("why", "b", hear("b"), hear)
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(heard, ["1 more (b)"])
    }),
  )
})
