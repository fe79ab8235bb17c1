import { assert, describe, it } from "@effect/vitest"
import * as Database from "@live-response/cluster/Database"
import * as Retention from "@live-response/cluster/Retention"
import * as Effect from "effect/Effect"
import { fill } from "./support/manyRows.ts"
import { PostgresServer } from "@live-response/cluster/testing/PostgresServer"
import { sharedServer, startServer } from "./support/server.ts"

startServer()

const countOf = (table: string) =>
  Database.Database.use(({ query }) =>
    query((sql) => sql`select count(*)::text as count from live_response.${sql(table)}`),
  ).pipe(Effect.map(([row]) => row))

describe("Retention.removeOld", () => {
  it.live("removes calls of logs that nobody opens, batch by batch, and results only where it is asked to", () =>
    Effect.gen(function* () {
      const { owner } = yield* PostgresServer
      yield* fill({ tenants: 4, results: 20_000, calls: 6000 }).pipe(
        Effect.provide(Database.layerUnchecked({ url: owner }), { local: true }),
      )
      assert.deepStrictEqual(yield* Retention.removeOld(), { calls: 6000, results: 0, runs: 44 })
      assert.deepStrictEqual(yield* Retention.removeOld(), { calls: 0, results: 0, runs: 0 })
      assert.deepStrictEqual(yield* countOf("quota_calls"), { count: "24000" })
      // A result a second: so many are older than an hour.
      const { results } = yield* Retention.removeOld({ results: "1 hour" })
      assert.closeTo(results, 20_000 - 3600, 60)
      assert.deepStrictEqual(yield* countOf("manifest"), { count: String(20_000 - results) })
    }).pipe(Effect.provide(sharedServer)),
  )
})
