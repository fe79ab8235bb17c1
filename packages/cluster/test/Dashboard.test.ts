/** The dashboard for tenants: its statements are run, and its metrics are those of a runner. */
import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import * as Cluster from "@live-response/cluster/Cluster"
import * as Database from "@live-response/cluster/Database"
import { PostgresServer } from "@live-response/cluster/testing/PostgresServer"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as PrometheusMetrics from "effect/observability/PrometheusMetrics"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import { sharedServer, startServer } from "./support/server.ts"

startServer()

const Target = Schema.Struct({ expr: Schema.optionalKey(Schema.String), rawSql: Schema.optionalKey(Schema.String) })
const Dashboard = Schema.Struct({
  panels: Schema.Array(Schema.Struct({ title: Schema.String, targets: Schema.Array(Target) })),
})
const file = (path: string) => readFileSync(new URL(`../../../${path}`, import.meta.url), "utf8")
const { panels } = Schema.decodeUnknownSync(Schema.fromJsonString(Dashboard))(
  file("docs/grafana/live-response-tenants.json"),
)
const targets = panels.flatMap(({ targets }) => targets)

describe("docs/grafana/live-response-tenants.json", () => {
  it.live("asks the database what it can answer, as a role that may only read three tables", () =>
    Effect.gen(function* () {
      const { owner, superuser } = yield* PostgresServer
      const run = (url: Redacted.Redacted<string>, ...statements: ReadonlyArray<string>) =>
        Database.Database.use(({ query }) =>
          query((sql) => Effect.forEach(statements, (statement) => sql.unsafe(statement))),
        ).pipe(Effect.provide(Database.layerUnchecked({ url }), { local: true }))
      yield* run(superuser, "create role grafana login password 'a-password-for-tests'")
      // As docs/cluster.md says.
      const [grants] =
        /grant connect on database live_response to grafana;(?:\n[^;]*to grafana;){2}/.exec(file("docs/cluster.md")) ??
        []
      assert.isDefined(grants)
      yield* run(
        owner,
        ...(grants ?? "")
          .replace("database live_response", "database live")
          .split(";")
          .filter((grant) => grant.trim() !== ""),
      )
      const url = new URL(Redacted.value(owner))
      url.username = "grafana"
      const statements = targets.flatMap(({ rawSql }) => (rawSql === undefined ? [] : [rawSql]))
      assert.isAtLeast(statements.length, 6)
      yield* run(Redacted.make(url.href), ...statements)
      const refused = yield* Effect.flip(run(Redacted.make(url.href), "select * from live_response.sessions"))
      assert.match(refused.message, /permission denied/)
    }).pipe(Effect.scoped, Effect.provide(sharedServer)),
  )

  it.live("reads metrics that runners have", () =>
    Effect.gen(function* () {
      const { runner } = yield* PostgresServer
      const used = targets.flatMap(({ expr = "" }) =>
        Array.from(expr.matchAll(/\b(?:effect|live_response)_\w+/g), ([name]) => name),
      )
      assert.isAtLeast(new Set(used).size, 7)
      const text = yield* Effect.gen(function* () {
        const { each } = yield* Cluster.Cluster
        const isStarted = yield* Deferred.make<void>()
        yield* each("a piece of work", Effect.andThen(Deferred.succeed(isStarted, undefined), Effect.never))
        yield* Deferred.await(isStarted)
        // They are counted when all that is new has been started.
        return yield* PrometheusMetrics.format().pipe(
          Effect.repeat({
            until: (text) => text.includes("effect_cluster_singletons"),
            schedule: Schedule.spaced("50 millis"),
          }),
        )
      }).pipe(Effect.scoped, Effect.provide(Cluster.layer({ url: runner, runner: "measured" })))
      const own = file("docs/embedding.md").matchAll(/^\| `(live_response\.[a-z_.]+)` +\|/gm)
      const known = new Set([
        ...Array.from(text.matchAll(/^# TYPE (\w+)/gm), ([, name]) => name),
        ...Array.from(own, ([, name = ""]) => name.replaceAll(".", "_")),
      ])
      assert.deepStrictEqual(
        used.filter((name) => !known.has(name)),
        [],
      )
    }).pipe(Effect.provide(sharedServer)),
  )

  it.live("adds up the runners: each has a metric of itself alone", () =>
    Effect.gen(function* () {
      const { runner: url } = yield* PostgresServer
      const working = new Set<string>()
      const bothWork = yield* Deferred.make<void>()
      for (const runner of ["one of two", "two of two"]) {
        const { each } = Context.get(yield* Layer.build(Layer.fresh(Cluster.layer({ url, runner }))), Cluster.Cluster)
        const work = Effect.suspend(() => {
          working.add(runner)
          return Effect.andThen(working.size === 2 ? Deferred.succeed(bothWork, undefined) : Effect.void, Effect.never)
        })
        yield* Effect.forEach(Array.from({ length: 12 }), (_, n) => each(`piece ${n}`, work), { discard: true })
      }
      yield* Deferred.await(bothWork)
      const text = yield* PrometheusMetrics.format()
      for (const metric of ["effect_cluster_runners", "effect_cluster_runners_healthy"]) {
        assert.match(text, new RegExp(`^${metric} 1$`, "m"))
        assert.isTrue(
          targets.some(({ expr }) => expr === `sum(${metric})`),
          metric,
        )
      }
      assert.include(file("docs/cluster.md"), "`sum(effect_cluster_runners_healthy)` is below two")
    }).pipe(Effect.scoped, Effect.provide(sharedServer)),
  )
})
