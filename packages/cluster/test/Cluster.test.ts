import { assert, describe, it } from "@effect/vitest"
import * as Cluster from "@live-response/cluster/Cluster"
import * as Database from "@live-response/cluster/Database"
import * as Tenants from "@live-response/cluster/Tenants"
import { PostgresServer } from "@live-response/cluster/testing/PostgresServer"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Queue from "effect/Queue"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import { named, newTenant, registry } from "./support/owners.ts"
import { start } from "./support/programs.ts"
import { sharedServer } from "./support/server.ts"

/** A runner, and what makes it leave the cluster. */
const join = Effect.fnUntraced(function* (runner: string) {
  const server = yield* PostgresServer
  const scope = yield* Scope.fork(yield* Effect.scope)
  const built = yield* Layer.buildWithScope(Layer.fresh(Cluster.layer({ url: server.runner, runner })), scope)
  return { ...Context.get(built, Cluster.Cluster), scope, leave: Scope.close(scope, Exit.void) }
})

type Runner = Effect.Success<ReturnType<typeof join>>

describe("Cluster.layer", () => {
  it.live("runs each piece on one runner, and on the other one when that one leaves", () =>
    Effect.gen(function* () {
      const names = Array.from({ length: 12 }, (_, n) => `tenant ${n}`)
      const started = yield* Queue.unbounded<{ readonly name: string; readonly by: string }>()
      const running = new Map<string, string>()
      const register = (runner: Runner, by: string) =>
        Effect.forEach(
          names,
          (name) =>
            runner.each(
              name,
              Effect.acquireRelease(
                Effect.sync(() => {
                  assert.isUndefined(running.get(name), `${name} runs twice`)
                  running.set(name, by)
                }),
                () => Effect.sync(() => running.delete(name)),
              ).pipe(Effect.andThen(Queue.offer(started, { name, by })), Effect.andThen(Effect.never), Effect.scoped),
            ),
          { discard: true },
        ).pipe(Scope.provide(runner.scope))
      const until = (isDone: () => boolean) => Queue.take(started).pipe(Effect.repeat({ until: isDone }))
      const [one, other] = [yield* join("one"), yield* join("other")]
      yield* Effect.all([register(one, "one"), register(other, "other")], { concurrency: 2 })
      yield* until(() => running.size === names.length && new Set(running.values()).size === 2)
      yield* one.leave
      yield* until(() => names.every((name) => running.get(name) === "other"))
    }).pipe(Effect.scoped, Effect.provide(sharedServer)),
  )

  it.live("starts a piece again that has failed, with a line in the log, and no other", () => {
    const lines: Array<string> = []
    const logger = Logger.make(({ message }) => lines.push(String(message)))
    return Effect.gen(function* () {
      const runner = yield* join("alone")
      const starts = yield* Queue.unbounded<string>()
      /** Does this when it is started for the first time, and runs on the second time. */
      const once = <E>(name: string, first: Effect.Effect<void, E>) => {
        let isFirst = true
        const run = Effect.suspend(() => {
          const now = isFirst ? first : Effect.never
          isFirst = false
          return Effect.andThen(Queue.offer(starts, name), now)
        })
        return Scope.provide(runner.each(name, run), runner.scope)
      }
      yield* once("steady", Effect.never)
      yield* once("dying", Effect.die("a bug"))
      yield* once("failing", Effect.fail("no sign-in"))
      const seen = yield* Effect.forEach(Array.from({ length: 5 }), () => Queue.take(starts))
      assert.deepStrictEqual(seen.toSorted(), ["dying", "dying", "failing", "failing", "steady"])
      assert.deepStrictEqual(
        lines
          .filter((line) => line.includes("is started again"))
          .map((line) => line.split(",")[0])
          .toSorted(),
        ["dying failed and is started again", "failing failed and is started again"],
      )
    }).pipe(Effect.scoped, Effect.provide([sharedServer, Logger.layer([logger])]))
  })

  it.live("runs everything elsewhere after a runner was killed, with writes of the last owners last", () =>
    Effect.gen(function* () {
      const server = yield* PostgresServer
      const { query } = yield* Database.Database
      const tenants = Array.from({ length: 8 }, () => newTenant())
      yield* Tenants.Tenants.use(({ add }) => Effect.forEach(tenants, (tenant) => add(tenant, named("contoso"))))
      const started = yield* Queue.unbounded<{ readonly by: string; readonly tenant: string }>()
      const run = Effect.fnUntraced(function* (by: string) {
        const { child, lines } = yield* start("runnerProcess", by, Redacted.value(server.runner), ...tenants)
        const note = Effect.flatMap(Queue.take(lines), (tenant) => Queue.offer(started, { by, tenant }))
        yield* Effect.forkScoped(Effect.forever(note))
        return child
      })
      const owners = new Map<string, string>()
      const until = (isDone: () => boolean) =>
        Queue.take(started).pipe(
          Effect.map(({ by, tenant }) => {
            owners.set(tenant, by)
          }),
          Effect.repeat({ until: isDone }),
        )
      const victim = yield* run("victim")
      yield* until(() => owners.size === tenants.length)
      yield* run("survivor")
      yield* until(() => new Set(owners.values()).size === 2)
      victim.kill("SIGKILL")
      yield* until(() => tenants.every((tenant) => owners.get(tenant) === "survivor"))
      const rows = yield* query(
        (
          sql,
        ) => sql`select t.tenant::text as tenant from live_response.tenants t join live_response.positions p using (tenant)
          where t.epoch = p.epoch and t.tenant = any (${`{${tenants.join(",")}}`}::uuid[]) order by 1`,
      )
      assert.deepStrictEqual(
        rows,
        tenants.map((tenant) => ({ tenant })),
      )
    }).pipe(Effect.scoped, Effect.provide(Layer.merge(registry, sharedServer))),
  )
})
