/** Runs that are given to the cluster: who submits and watches them needs the database alone. */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { type ClusterRun, RunId } from "@live-response/cluster/ClusterRun"
import * as Database from "@live-response/cluster/Database"
import * as Runs from "@live-response/cluster/Runs"
import * as Tenants from "@live-response/cluster/Tenants"
import * as ObjectStore from "@live-response/core/ObjectStore"
import { Files, ObjectStoreError } from "@live-response/core/ObjectStoreError"
import { keyOf, type ResultRef } from "@live-response/core/ResultRef"
import * as ResultStore from "@live-response/core/ResultStore"
import * as Session from "@live-response/core/Session"
import * as SpooledResults from "@live-response/core/SpooledResults"
import { StoreError } from "@live-response/core/StoreError"
import * as NodeLiveResponse from "@live-response/node/NodeLiveResponse"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { machines } from "../../core/test/support/fleets.ts"
import { named, newTenant } from "./support/owners.ts"
import { executeFor } from "./support/runs.ts"
import { nameOf, namesOf, options, services, session, tenantWith, watchAll } from "./support/runTenants.ts"
import { startServer } from "./support/server.ts"

startServer()

const tempDirectory = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "live-response-runs-"))),
  (directory) => Effect.sync(() => rmSync(directory, { recursive: true, force: true })),
)

const decodeRun = Schema.decodeEffect(RunId)

/** Makes a finished run one that its owner did not finish, without the events of this kind. By default it has none at all. */
const reopen = (run: ClusterRun["run"], { cancelling = false, event = "" } = {}) =>
  Database.Database.use(({ query }) =>
    query(
      (sql) => sql`with events as (delete from live_response.cluster_run_events
          where run = ${run}::uuid and ${event} in ('', event #>> '{result,event}'))
        update live_response.cluster_runs set state = 'running', is_cancelling = ${String(cancelling)}::boolean
          where run = ${run}::uuid`,
    ),
  )

/** The clock of a machine that is wrong by an hour. */
const anHourAhead = (clock: Clock.Clock): Clock.Clock => {
  const millis = () => clock.currentTimeMillisUnsafe() + 3_600_000
  const nanos = () => BigInt(millis()) * 1_000_000n
  return {
    currentTimeMillisUnsafe: millis,
    currentTimeMillis: Effect.sync(millis),
    currentTimeNanosUnsafe: nanos,
    currentTimeNanos: Effect.sync(nanos),
    monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe(),
    monotonicTimeNanos: clock.monotonicTimeNanos,
    sleep: (duration) => clock.sleep(duration),
  }
}

/** Watches a run to its end. `makeSpace` is called when it says that its results wait. */
const watchUntilStored = (run: RunId, makeSpace: () => void) =>
  Stream.unwrap(Runs.Runs.useSync(({ watch }) => watch(run))).pipe(
    Stream.tap((event) => ("unavailable" in event ? Effect.sync(makeSpace) : Effect.void)),
    Stream.runCollect,
  )

/** The events of a run, which may have been cancelled. */
const eventsOf = (run: ClusterRun["run"]) =>
  Stream.unwrap(Runs.Runs.useSync(({ watch }) => watch(run))).pipe(Stream.catchTag("RunError", () => Stream.empty))

/** The results that the events of a run say are stored, with their hashes. */
const completedOf = (run: ClusterRun["run"]) =>
  eventsOf(run).pipe(
    Stream.filterMap((event) =>
      "result" in event && event.result.event === "completed"
        ? Result.succeed(`${keyOf(event.result)} ${event.result.sha256}`)
        : Result.failVoid,
    ),
    Stream.runCollect,
  )

describe.concurrent("Runs", () => {
  it.live("runs a session on each machine, stores the results, and anyone can watch it, also afterwards", () =>
    Effect.gen(function* () {
      const { own, runs, sessions, submit, tenant } = yield* tenantWith({ machines: machines(4) })
      const run = yield* submit()
      const queued = yield* runs.get(run)
      assert.deepInclude(queued, {
        state: "queued",
        machines: 4,
        submittedBy: "analyst",
        tenantName: "contoso",
        session,
      })
      const watching = yield* Effect.forkChild(watchAll(run))
      yield* Effect.forkScoped(own)
      const events = yield* Fiber.join(watching)
      const expected = { started: 4, ended: 4, "result linked": 4, "result completed": 4 }
      assert.deepStrictEqual(namesOf(events), expected)
      assert.deepStrictEqual(yield* watchAll(run), events)
      const finished = yield* runs.get(run)
      assert.strictEqual(finished.state, "finished")
      assert.deepInclude(finished.counts, { started: 4, succeeded: 4, completed: 4, failed: 0 })
      assert.deepStrictEqual(yield* runs.list({ tenant }), [finished])
      assert.deepStrictEqual(yield* sessions, [1, 1, 1, 1])
    }).pipe(Effect.scoped, Effect.provide(services)),
  )

  it.live("starts no session twice where the same run is submitted twice, in another spelling too", () =>
    Effect.gen(function* () {
      const { own, sessions, submit } = yield* tenantWith({ machines: machines(3) })
      const spelled = Session.Session.make({
        ...session,
        commands: [Session.RunScript.make({ scriptName: "Collect.PS1" })],
      })
      const submitted = [yield* submit(), yield* submit(), yield* submit({ session: spelled })]
      yield* Effect.forkScoped(own)
      const [first, ...others] = yield* Effect.forEach(submitted, watchAll, { concurrency: 3 })
      assert.deepInclude(namesOf(first ?? []), { started: 3, ended: 3 })
      for (const each of others) assert.deepStrictEqual(namesOf(each), { "ended earlier": 3, "result skipped": 3 })
      assert.deepStrictEqual(yield* sessions, [1, 1, 1])
    }).pipe(Effect.scoped, Effect.provide(services)),
  )

  it.live("starts a failed session again with `retryFailed`, once, also where the run is resumed", () =>
    Effect.gen(function* () {
      const { endpoint, own, sessions, submit, tenant } = yield* tenantWith({
        machines: machines(2, () => ({ scriptError: "access denied" })),
      })
      const owner = yield* Effect.forkScoped(own)
      yield* watchAll(yield* submit())
      assert.deepStrictEqual(yield* sessions, [1, 1])
      const again = yield* submit({ options: { ...options, retryFailed: true } })
      yield* watchAll(again)
      assert.deepStrictEqual(yield* sessions, [2, 2])
      yield* Fiber.interrupt(owner)
      // As if the owner had gone before it recorded the end: the next one finds failed sessions of this very run.
      yield* reopen(again)
      yield* Effect.forkScoped(executeFor(tenant, endpoint))
      yield* watchAll(again)
      assert.deepStrictEqual(yield* sessions, [2, 2])
    }).pipe(Effect.scoped, Effect.provide(services)),
  )

  it.live.each([
    { then: "resumed", cancelling: false, state: "finished" },
    { then: "cancelled", cancelling: true, state: "cancelled" },
  ])(
    "counts the results that an owner stored before it could say so, where the run is $then",
    ({ cancelling, state }) =>
      Effect.gen(function* () {
        const { own, runs, submit } = yield* tenantWith({ machines: machines(3) })
        const results = () => Effect.map(completedOf(run), (events) => [...events].sort())
        yield* Effect.forkScoped(own)
        const run = yield* submit()
        yield* watchAll(run)
        const stored = yield* results()
        yield* reopen(run, { event: "completed", cancelling })
        yield* Effect.exit(watchAll(run))
        assert.deepStrictEqual(yield* results(), stored)
        const ended = yield* runs.get(run)
        assert.strictEqual<string>(ended.state, state)
        assert.deepInclude(ended.counts, { started: 3, succeeded: 3, completed: 3 })
      }).pipe(Effect.scoped, Effect.provide(services)),
  )

  it.live("cancels a run that waits, and one in progress, and no machine that was left gets a session", () =>
    Effect.gen(function* () {
      const { own, runs, sessions, submit } = yield* tenantWith({ machines: machines(4), commandTime: "1 hour" })
      const waiting = yield* submit()
      yield* runs.cancel(waiting)
      yield* runs.cancel(waiting)
      assert.match((yield* Effect.flip(watchAll(waiting))).message, /^run \S+ was cancelled; /)
      yield* Effect.forkScoped(own)
      const running = yield* submit({ options: { ...options, sessions: 1 } })
      const watching = yield* Effect.forkChild(Effect.flip(watchAll(running)))
      yield* runs.watch(running).pipe(
        Stream.filter((event) => nameOf(event) === "started"),
        Stream.runHead,
      )
      yield* runs.cancel(running)
      assert.match((yield* Fiber.join(watching)).message, /was cancelled/)
      assert.strictEqual((yield* runs.get(running)).state, "cancelled")
      assert.deepStrictEqual(yield* sessions, [1])
    }).pipe(Effect.scoped, Effect.provide(services)),
  )

  it.live("reports the sessions that an owner started before it could say so, where the run is cancelled", () =>
    Effect.gen(function* () {
      const { own, runs, submit } = yield* tenantWith({ machines: machines(3), commandTime: "1 hour" })
      const owner = yield* Effect.forkScoped(own)
      const run = yield* submit()
      const started = runs.watch(run).pipe(Stream.filter((event) => nameOf(event) === "started"))
      yield* Stream.runDrain(Stream.take(started, 3))
      yield* Fiber.interrupt(owner)
      yield* Database.Database.use(({ query }) =>
        query((sql) => sql`delete from live_response.cluster_run_events where run = ${run}::uuid and n > 1`),
      )
      yield* runs.cancel(run)
      yield* Effect.forkScoped(own)
      const reported = yield* Stream.runCollect(Stream.catchTag(started, "RunError", () => Stream.empty))
      const actions = reported.map((event) => ("session" in event ? JSON.stringify(event.session) : ""))
      assert.deepStrictEqual(
        actions.map((json) => /"machineId":"(\w+)"/.exec(json)?.[1]).toSorted(),
        machines(3).map(({ id }) => id),
      )
      const cancelled = yield* runs.get(run)
      assert.deepInclude(cancelled, { state: "cancelled" })
      assert.deepInclude(cancelled.counts, { started: 3 })
    }).pipe(Effect.scoped, Effect.provide(services)),
  )

  it.live(
    "reports the sessions that started and finished before an owner could say so, where the run is cancelled",
    () =>
      Effect.gen(function* () {
        const { own, runs, submit } = yield* tenantWith({ machines: machines(3) })
        yield* Effect.forkScoped(own)
        const run = yield* submit()
        yield* watchAll(run)
        const finished = yield* runs.get(run)
        yield* reopen(run, { cancelling: true })
        const names = () => Effect.map(Stream.runCollect(eventsOf(run)), namesOf)
        yield* Effect.exit(watchAll(run))
        assert.deepStrictEqual(yield* names(), { started: 3, ended: 3, "result completed": 3 })
        const { counts, state } = yield* runs.get(run)
        assert.deepStrictEqual({ counts, state }, { counts: finished.counts, state: "cancelled" })
      }).pipe(Effect.scoped, Effect.provide(services)),
  )

  it.live("counts a deadline by the clock of the database, whatever the clock of the runner says", () =>
    Effect.gen(function* () {
      const { own, runs, sessions, submit } = yield* tenantWith({ machines: machines(2) })
      const ahead = Effect.updateService(own, Clock.Clock, anHourAhead)
      const timed = { ...options, deadline: Duration.minutes(30) }
      const [current, late] = [
        yield* submit({ options: timed }),
        yield* submit({ options: timed, session: Session.Session.make({ ...session, comment: "another" }) }),
      ]
      yield* Database.Database.use(({ query }) =>
        query(
          (sql) => sql`update live_response.cluster_runs set at = at - interval '31 minutes' where run = ${late}::uuid`,
        ),
      )
      yield* Effect.forkScoped(ahead)
      assert.deepInclude(namesOf(yield* watchAll(current)), { started: 2, ended: 2 })
      assert.deepStrictEqual(namesOf(yield* watchAll(late)), { notStarted: 2 })
      assert.strictEqual((yield* runs.get(late)).state, "finished")
      assert.deepStrictEqual(yield* sessions, [1, 1])
    }).pipe(Effect.scoped, Effect.provide(services)),
  )

  it.live(
    "ends a run that no owner can end, because its tenant is disabled, and says why one that is watched waits",
    () =>
      Effect.gen(function* () {
        const { own, runs, submit, tenant } = yield* tenantWith({ machines: machines(2), commandTime: "1 hour" })
        const owner = yield* Effect.forkScoped(Effect.exit(own))
        const run = yield* submit()
        yield* runs.watch(run).pipe(
          Stream.filter((event) => nameOf(event) === "started"),
          Stream.runHead,
        )
        yield* Tenants.Tenants.use(({ enable }) => enable(tenant, false))
        yield* Fiber.interrupt(owner)
        assert.match((yield* Effect.flip(watchAll(run))).message, /waits: tenant contoso is disabled .*cancel the run$/)
        assert.deepInclude(yield* runs.get(run), { state: "running", tenantEnabled: false })
        yield* runs.cancel(run)
        const cancelled = yield* runs.get(run)
        assert.strictEqual(cancelled.state, "cancelled")
        assert.isDefined(cancelled.endedAt)
        assert.match((yield* Effect.flip(watchAll(run))).message, /was cancelled/)
      }).pipe(Effect.scoped, Effect.provide(services)),
  )

  it.live("cancels the runs of a tenant that is removed: none starts when it is added again", () =>
    Effect.gen(function* () {
      const { own, runs, sessions, submit, tenant } = yield* tenantWith({ machines: machines(1) })
      const finished = yield* submit()
      const owner = yield* Effect.forkScoped(Effect.exit(own))
      yield* watchAll(finished)
      yield* Fiber.interrupt(owner)
      const waiting = yield* submit({ session: Session.Session.make({ ...session, comment: "another" }) })
      yield* Tenants.Tenants.use(({ remove }) => remove(tenant))
      assert.strictEqual((yield* runs.get(finished)).state, "finished")
      const cancelled = yield* runs.get(waiting)
      assert.strictEqual(cancelled.state, "cancelled")
      assert.isDefined(cancelled.endedAt)
      assert.match(
        (yield* Effect.flip(watchAll(waiting))).message,
        /^tenant \S+ was removed from the registry, which cancelled/,
      )
      yield* Tenants.Tenants.use(({ add }) => add(tenant, named("contoso")))
      yield* Effect.forkScoped(own)
      const later = yield* submit({ machines: [] })
      yield* watchAll(later)
      assert.deepStrictEqual(yield* sessions, [1])
    }).pipe(Effect.scoped, Effect.provide(services)),
  )

  it.live("cancels a run that is submitted while its tenant is removed", () =>
    Effect.gen(function* () {
      const { runs, submit, tenant } = yield* tenantWith({ machines: machines(1) })
      const { query } = yield* Database.Database
      const [inserted, go] = [yield* Latch.make(), yield* Latch.make()]
      // Holds what the submission of another run holds, until it has inserted the run.
      const submitting = query((sql) =>
        sql.withTransaction(
          Effect.gen(function* () {
            yield* sql`select 1 from live_response.tenants where tenant = ${tenant}::uuid for share`
            yield* inserted.open
            yield* go.await
            return yield* sql`insert into live_response.cluster_runs (run, tenant, session, options, machines, submitted_by)
              select gen_random_uuid(), tenant, session, options, 0, 'another' from live_response.cluster_runs
                where run = ${run}::uuid returning run::text as run`
          }),
        ),
      )
      const run = yield* submit()
      const submitted = yield* Effect.forkChild(submitting)
      yield* inserted.await
      const removal = yield* Effect.forkChild(Tenants.Tenants.use(({ remove }) => remove(tenant)))
      yield* query((sql) => sql`select 1 from pg_locks where not granted`).pipe(
        Effect.repeat({ until: ({ length }) => length > 0, schedule: Schedule.spaced("20 millis") }),
      )
      yield* go.open
      yield* Fiber.join(submitted)
      yield* Fiber.join(removal)
      assert.deepStrictEqual(
        (yield* runs.list({ tenant })).map(({ state }) => state),
        ["cancelled", "cancelled"],
      )
      assert.match((yield* Effect.flip(submit())).message, /is not in the registry; add it first$/)
    }).pipe(Effect.scoped, Effect.provide(services)),
  )

  it.live("ends a run with the error that every machine would fail with", () =>
    Effect.gen(function* () {
      const { endpoint, runs, submit, tenant } = yield* tenantWith({ machines: machines(2) })
      yield* Effect.forkScoped(executeFor(tenant, endpoint, "another token"))
      const run = yield* submit()
      const error = yield* Effect.flip(watchAll(run))
      assert.strictEqual(error._tag, "CredentialError")
      const failed = yield* runs.get(run)
      assert.strictEqual(failed.state, "failed")
      assert.strictEqual(failed.error?.message, error.message)
      assert.match((yield* Effect.flip(runs.cancel(run))).message, /has finished and can't be cancelled/)
    }).pipe(Effect.scoped, Effect.provide(services)),
  )

  it.live("waits where the results can't be stored, says so, and resumes", () =>
    Effect.gen(function* () {
      const { endpoint, sessions, submit, tenant } = yield* tenantWith({ machines: machines(2) })
      let isFull = true
      const full = new StoreError({ path: "/spool", problem: "DiskFull", detail: "ENOSPC" })
      const results = Layer.effect(
        ResultStore.ResultStore,
        Effect.map(ResultStore.ResultStore, (store) => ({
          ...store,
          open: (ref: ResultRef) => Effect.suspend(() => (isFull ? Effect.fail(full) : store.open(ref))),
        })),
      ).pipe(Layer.provide(ResultStore.layerMemory))
      yield* Effect.forkScoped(executeFor(tenant, endpoint, undefined, results))
      const run = yield* submit()
      const events = yield* watchUntilStored(run, () => {
        isFull = false
      })
      assert.deepInclude(namesOf(events), { started: 2, ended: 2, unavailable: 1, "result completed": 2 })
      assert.deepStrictEqual(yield* sessions, [1, 1])
    }).pipe(Effect.scoped, Effect.provide(services)),
  )

  it.live("says once that the object store is full, and stores each result with one link when it is not any more", () =>
    Effect.gen(function* () {
      const { endpoint, sessions, simulator, submit, tenant } = yield* tenantWith({ machines: machines(3) })
      let isFull = true
      const full = new Files({ problem: "DiskFull", detail: "ENOSPC" })
      const objects = Layer.effect(
        ObjectStore.ObjectStore,
        Effect.map(ObjectStore.ObjectStore, (store) => ({
          ...store,
          put: (path, content) =>
            Effect.suspend(() =>
              isFull ? Effect.fail(new ObjectStoreError({ object: path, reason: full })) : store.put(path, content),
            ),
        })),
      ).pipe(Layer.provide(ObjectStore.layerMemory))
      const results = SpooledResults.layer({ spool: yield* tempDirectory, prefix: "contoso" }).pipe(
        Layer.provide([objects, NodeLiveResponse.layerFiles]),
        Layer.orDie,
      )
      yield* Effect.forkScoped(executeFor(tenant, endpoint, undefined, results))
      const run = yield* submit()
      const events = yield* watchUntilStored(run, () => {
        isFull = false
      })
      assert.deepInclude(namesOf(events), { started: 3, ended: 3, unavailable: 1, "result completed": 3 })
      assert.deepStrictEqual(yield* sessions, [1, 1, 1])
      assert.strictEqual((yield* simulator.calls).filter(({ kind }) => kind === "link").length, 3)
    }).pipe(Effect.scoped, Effect.provide(services)),
  )

  it.live("refuses tenants and runs that it does not know", () =>
    Effect.gen(function* () {
      const { runs, submit, tenant } = yield* tenantWith({ machines: machines(1) })
      const run = yield* submit()
      assert.match(
        (yield* Effect.flip(submit({ tenant: newTenant() }))).message,
        /is not in the registry; add it first$/,
      )
      yield* Tenants.Tenants.use(({ enable }) => enable(tenant, false))
      assert.match((yield* Effect.flip(submit())).message, /is disabled; enable it first$/)
      const nobody = yield* Effect.orDie(decodeRun(run.replace(/^./, (digit) => (digit === "0" ? "1" : "0"))))
      for (const use of [runs.get(nobody), runs.cancel(nobody), watchAll(nobody)]) {
        assert.match((yield* Effect.flip(use)).message, /^run \S+ is not known; /)
      }
    }).pipe(Effect.scoped, Effect.provide(services)),
  )

  it.live("stops an owner that another one has replaced, before it sends anything more", () =>
    Effect.gen(function* () {
      const { endpoint, own, sessions, submit, tenant } = yield* tenantWith({
        machines: machines(3),
        commandTime: "2 seconds",
      })
      const first = yield* Effect.forkScoped(Effect.exit(own))
      const run = yield* submit({ options: { ...options, sessions: 1 } })
      yield* Runs.Runs.use(({ watch }) => Stream.runHead(watch(run)))
      yield* Effect.forkScoped(executeFor(tenant, endpoint))
      const exit = yield* Fiber.join(first)
      assert.isTrue(Exit.isFailure(exit))
      assert.include(JSON.stringify(exit), "Superseded")
      assert.deepInclude(namesOf(yield* watchAll(run)), { started: 3, ended: 3, "result completed": 3 })
      assert.deepStrictEqual(yield* sessions, [1, 1, 1])
    }).pipe(Effect.scoped, Effect.provide(services)),
  )
})
