import { assert, describe, it } from "@effect/vitest"
import * as Outage from "@live-response/core/Outage"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"

describe("Outage", () => {
  it.effect("logs the first failure, and that it works again, each time that this changes", () => {
    const lines: Array<string> = []
    const logger = Logger.make(({ logLevel, message }) => lines.push(`${logLevel}: ${String(message)}`))
    return Effect.gen(function* () {
      const { failed, works } = Outage.makeLogged("it is read again")
      yield* works
      for (const why of ["it refused", "it refused again"]) yield* failed(why)
      yield* works
      yield* works
      yield* failed("it refused")
      assert.deepStrictEqual(lines, ["Warn: it refused", "Info: it is read again", "Warn: it refused"])
    }).pipe(Effect.provide(Logger.layer([logger])))
  })

  it.effect("reports what has changed even if the one that found out is interrupted meanwhile", () =>
    Effect.gen(function* () {
      const reports: Array<string> = []
      const report = (what: string) => Effect.andThen(Effect.yieldNow, () => Effect.sync(() => void reports.push(what)))
      const { failed, works } = Outage.make<string>({ onStart: report, onEnd: report("it works again") })
      for (const change of [failed("it refused"), works]) {
        yield* Fiber.interrupt(yield* Effect.forkChild(change, { startImmediately: true }))
      }
      assert.deepStrictEqual(reports, ["it refused", "it works again"])
    }),
  )
})
