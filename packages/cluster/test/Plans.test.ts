/** No query reads a large table from its start to its end. */
import { assert, describe, it } from "@effect/vitest"
import * as Database from "@live-response/cluster/Database"
import * as PostgresServer from "@live-response/cluster/testing/PostgresServer"
import * as Effect from "effect/Effect"
import { everyQuery, layerOf } from "./support/everyQuery.ts"
import { fill } from "./support/manyRows.ts"
import * as Plans from "./support/Plans.ts"

/** Tables with a row for each tenant, each runner or each database, and no more. */
const small = /\bon (tenants|tenant_status|engine_\w+|migrations|quota_blocks|pg_database)\b/

const results = 100_000

/** Lines of a plan that read a table as a whole. */
const wholeReads = (plan: string) => plan.split("\n").filter((line) => /\bSeq Scan\b/.test(line) && !small.test(line))

describe("the plans of all queries", () => {
  it.live("use indexes of every large table", () =>
    Effect.gen(function* () {
      const plans = Plans.make()
      const { owner, runner } = yield* PostgresServer.makeWith({ settings: Plans.settings, onLog: plans.onLog })
      yield* Effect.andThen(
        fill({ tenants: 50, results, calls: 1000 }),
        Database.Database.use(({ query }) => query((sql) => sql`analyze`)),
      ).pipe(Effect.provide(Database.layerUnchecked({ url: owner }), { local: true }))
      yield* Effect.gen(function* () {
        const queries = yield* everyQuery(results)
        let count = 0
        for (const [name, run] of queries) {
          // After five times, PostgreSQL may plan a statement for all values of its parameters at once.
          const found = yield* plans.plansOf(Effect.forEach([0, 1, 2, 3, 4, 5, 6], (n) => run(n)))
          assert.isNotEmpty(found, name)
          for (const { plan, query } of found)
            assert.deepStrictEqual(wholeReads(plan), [], `${name}: ${query}\n${plan}`)
          count += found.length
        }
        assert.isAtLeast(count, queries.length * 7)
        const whole = yield* plans.plansOf(
          Database.Database.use(({ query }) =>
            query((sql) => sql`select count(*) from live_response.manifest where epoch = 5`),
          ),
        )
        assert.isNotEmpty(whole.flatMap(({ plan }) => wholeReads(plan)))
      }).pipe(Effect.provide(layerOf(Database.layer({ url: runner })), { local: true }))
    }).pipe(Effect.scoped),
  )
})
