import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as TestClock from "effect/testing/TestClock"
import * as LostTenants from "../src/internal/lostTenants.ts"
import * as Together from "../src/internal/together.ts"
import type { TenantId } from "../src/Tenants.ts"
import { named, newTenant } from "./support/newTenants.ts"

describe("LostTenants.make", () => {
  it.effect("reports a line for each runner that has taken tenants, and none for those that work here again", () => {
    const lines: Array<string> = []
    const logger = Logger.make(({ message }) => lines.push(String(message)))
    return Effect.gen(function* () {
      const tenants = Array.from({ length: 10 }, (_, i) => ({ ...named(`tenant ${i}`), tenant: newTenant() }))
      const owners = new Map<TenantId, string>()
      const here = new Set<TenantId>()
      const { lost } = yield* LostTenants.make({
        runner: "runner-1",
        runners: Effect.sync(() => tenants.map(({ tenant }) => ({ tenant, runner: owners.get(tenant) ?? "runner-1" }))),
        isElsewhere: (tenant) => !here.has(tenant),
      })
      const [slow, back] = [tenants[8]?.tenant ?? newTenant(), tenants[9]?.tenant ?? newTenant()]
      tenants.slice(0, 8).forEach(({ tenant }, i) => owners.set(tenant, i < 7 ? "runner-2" : "runner-3"))
      yield* Effect.forEach(tenants, lost, { discard: true })
      here.add(back)
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(lines.splice(0), [
        "7 tenants moved to runner-2: tenant 0, tenant 1, tenant 2, tenant 3, tenant 4 and 2 more",
        "1 tenant moved to runner-3: tenant 7",
      ])
      // Not claimed so far.
      yield* TestClock.adjust("6 seconds")
      assert.deepStrictEqual(lines, [])
      owners.set(slow, "runner-2")
      yield* TestClock.adjust("3 seconds")
      assert.deepStrictEqual(lines, ["1 tenant moved to runner-2: tenant 8"])
    }).pipe(Effect.scoped, Effect.provide(Logger.layer([logger])))
  })

  it.effect("says first that this runner collects a tenant, and then that it has moved", () => {
    const lines: Array<string> = []
    const logger = Logger.make(({ message }) => lines.push(String(message)))
    return Effect.gen(function* () {
      const together = yield* Together.make
      const [first, other] = ["first", "other"].map((name) => ({ ...named(name), tenant: newTenant() }))
      assert(first !== undefined && other !== undefined)
      const { lost } = yield* LostTenants.make({
        runner: "runner-1",
        runners: Effect.succeed([{ tenant: other.tenant, runner: "runner-2" }]),
        isElsewhere: () => true,
      })
      for (const { name } of [first, other]) {
        yield* together.say(Together.collected, name, Effect.logInfo("it collects"), (who) =>
          Effect.logInfo(`it also collects ${who}`),
        )
      }
      yield* Effect.provideService(lost(other), Together.Together, together)
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(lines, [
        "it collects",
        "it also collects 1 more (other)",
        "1 tenant moved to runner-2: other",
      ])
    }).pipe(Effect.scoped, Effect.provide(Logger.layer([logger])))
  })
})
