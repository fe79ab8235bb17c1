/**
 * What a call costs in the quota's log in SQLite, its start and its answer: fresh, after a day and after 30 days at full load,
 * in one program that lives meanwhile. Time is virtual; the costs are CPU time of this process.
 *
 *     node packages/node/bench/quotaLog.ts
 */
import { mkdtempSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { cpuUsage } from "node:process"
import { DatabaseSync } from "node:sqlite"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Quota from "@live-response/core/Quota"
import * as QuotaStore from "@live-response/core/QuotaStore"
import * as NodeQuotaStore from "@live-response/node/NodeQuotaStore"
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { TestClock } from "effect/testing"
import { figure, table } from "../../core/bench/table.ts"

const name = "https://api.security.microsoft.com 00000000-0000-4000-8000-000000000000 GetLiveResponseResultDownloadLink"
const perDay = 24 * 1500
const spacing = Duration.toMillis("1 day") / perDay
const calls = 500

const directory = mkdtempSync(join(tmpdir(), "live-response-bench-"))
process.on("exit", () => rmSync(directory, { recursive: true, force: true }))
const file = join(directory, "quota.sqlite")

const inFile = <A>(body: (database: DatabaseSync) => A): A => {
  const database = new DatabaseSync(file)
  try {
    return body(database)
  } finally {
    database.close()
  }
}

/** The answers of a day, until now. */
const fillDay = (now: number) =>
  inFile((database) =>
    database
      .prepare(
        "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ? - 1) INSERT INTO calls SELECT NULL, ?, ? - i * ?, 0, NULL FROM n",
      )
      .run(perDay, name, now, spacing),
  )

const rows = () => inFile((database) => Number(database.prepare("SELECT count(*) AS n FROM calls").get()?.n))

const micros = Effect.sync(() => {
  const { system, user } = cpuUsage()
  return system + user
})

const main = Effect.gen(function* () {
  const store = yield* QuotaStore.QuotaStore
  const log = yield* store.open({ name, windows: Quota.linkWindows(), lease: Duration.minutes(2) })
  const call = Effect.flatMap(log.acquire, ({ answered }) => answered)

  /** At full load, each call starts as soon as the hour allows it. */
  const cost = Effect.gen(function* () {
    let spent = 0
    for (let i = 0; i < calls; i++) {
      yield* TestClock.adjust(spacing)
      const before = yield* micros
      yield* call
      spent += (yield* micros) - before
    }
    return spent / calls
  })
  const row = Effect.fnUntraced(function* (when: string) {
    return [when, figure(yield* cost, 0), figure(rows()), figure(statSync(file).size / 1024 ** 2, 1)]
  })
  const pass = Effect.fnUntraced(function* (days: number) {
    for (let i = 0; i < days; i++) {
      yield* TestClock.adjust("1 day")
      fillDay(yield* Clock.currentTimeMillis)
      yield* TestClock.adjust(spacing)
      yield* call
    }
  })

  // Lets the engine compile everything before anything is measured.
  yield* cost
  const lines = [yield* row("fresh")]
  yield* pass(1)
  lines.push(yield* row("after a day"))
  yield* pass(29)
  lines.push(yield* row("after 30 days"))
  yield* Console.log(table(["the quota's log", "CPU µs a call", "calls in the file", "MiB"], lines))
})

await Effect.runPromise(
  Effect.scoped(main).pipe(
    Effect.provide(
      NodeQuotaStore.layer({ directory }).pipe(
        Layer.provide(NodeServices.layer),
        Layer.provideMerge(TestClock.layer()),
      ),
    ),
  ),
)
