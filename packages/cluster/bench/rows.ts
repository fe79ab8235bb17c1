/**
 * What each query costs when the manifest is large: fills a database of its own, prints the time of each query and how it is
 * executed, and removes the database. With `--write` the times replace the table in docs/cluster.md.
 *
 *     npm run bench:rows -- [results] [file for the plans] [--write]
 *
 * A million results need 0.5 GB of disk in the temporary directory, and 20 seconds.
 */
import { readFileSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import * as Database from "@live-response/cluster/Database"
import * as PostgresServer from "@live-response/cluster/testing/PostgresServer"
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { figure, table } from "../../core/bench/table.ts"
import { everyQuery, layerOf, type Query } from "../test/support/everyQuery.ts"
import { fill } from "../test/support/manyRows.ts"
import * as Plans from "../test/support/Plans.ts"

const {
  positionals: [count = "1000000", planFile],
  values: { write },
} = parseArgs({ allowPositionals: true, options: { write: { type: "boolean", default: false } } })
const results = Number(count)
const page = fileURLToPath(new URL("../../../docs/cluster.md", import.meta.url))
const runs = 200

const settings = {
  ...Plans.settings,
  "auto_explain.log_analyze": "on",
  "auto_explain.log_buffers": "on",
  // Only for the roles that ask for it.
  "auto_explain.log_min_duration": "-1",
  shared_buffers: "2GB",
  maintenance_work_mem: "1GB",
  max_parallel_maintenance_workers: "1",
  max_wal_size: "4GB",
  wal_level: "minimal",
  max_wal_senders: "0",
  autovacuum: "off",
}

const Index = Schema.Struct({ drop: Schema.String, create: Schema.String })
const decodeIndexes = Schema.decodeUnknownEffect(Schema.Array(Index))
const decodeSizes = Schema.decodeUnknownEffect(
  Schema.Array(Schema.Struct({ table: Schema.String, heap: Schema.String, indexes: Schema.String })),
)

/** How to drop and create the indexes of the manifest: to create one of rows that are there takes less time. */
const indexes = `select
    case when c.conname is null then 'drop index ' || i.indexrelid::regclass
      else 'alter table live_response.manifest drop constraint ' || c.conname end as drop,
    case when c.conname is null then replace(pg_get_indexdef(i.indexrelid), ' ON ONLY ', ' ON ')
      else 'alter table live_response.manifest add constraint ' || c.conname || ' ' || pg_get_constraintdef(c.oid) end as create
  from pg_index i left join pg_constraint c on c.conindid = i.indexrelid and c.contype = 'p'
  where i.indrelid = 'live_response.manifest'::regclass`

const partitions =
  "select 'alter table ' || inhrelid::regclass || ' set unlogged' as drop, '' as create from pg_inherits where inhparent = 'live_response.manifest'::regclass"

const sizes = `select relname as table, pg_size_pretty(sum(pg_table_size(t.oid))) as heap,
    pg_size_pretty(sum(pg_indexes_size(t.oid))) as indexes from (
    select p.relname, coalesce(i.inhrelid, p.oid) as oid from pg_class p left join pg_inherits i on i.inhparent = p.oid
      where p.relnamespace = 'live_response'::regnamespace and p.relkind in ('r', 'p') and not p.relispartition) t
  group by 1 order by sum(pg_total_relation_size(t.oid)) desc limit 6`

const statement = (text: string) =>
  Database.Database.use(({ query }) => query((sql) => sql.unsafe(text), { timeout: "2 hours" }))

const seconds = Effect.map(Clock.currentTimeMillis, (now) => now / 1000)

const prepare = Effect.gen(function* () {
  const startedAt = yield* seconds
  const say = (what: string) => Effect.flatMap(seconds, (now) => Console.error(`${figure(now - startedAt)} s: ${what}`))
  yield* Effect.forEach(yield* Effect.flatMap(statement(partitions), decodeIndexes), ({ drop }) => statement(drop))
  const found = yield* Effect.flatMap(statement(indexes), decodeIndexes)
  yield* Effect.forEach(found, ({ drop }) => statement(drop))
  yield* fill({ tenants: 300, results, calls: 36_000 }, (n) =>
    n % 10_000_000 === 0 ? say(`${figure(n)} results`) : Effect.void,
  )
  yield* Effect.forEach(found, ({ create }) => Effect.andThen(statement(create), say(create)))
  yield* statement("analyze")
  yield* say("analyzed")
  const rows = yield* Effect.flatMap(statement(sizes), decodeSizes)
  yield* Console.log(
    table(
      ["table", "rows", "indexes"],
      rows.map(({ heap, indexes, table }) => [table, heap, indexes]),
    ),
  )
})

const millis = Effect.sync(() => performance.now())

/** The results of the first tenant, spread. */
const spread = (i: number) => (i * 6_700_417) % Math.floor(results / 10)

const measure = Effect.fnUntraced(function* (name: string, query: Query, seed: number) {
  const times = yield* Effect.forEach(Array.from({ length: runs }), (_, i) =>
    Effect.gen(function* () {
      const before = yield* millis
      yield* query(spread(seed * runs + i))
      return (yield* millis) - before
    }),
  )
  const sorted = times.toSorted((a, b) => a - b)
  const at = (share: number) => figure(sorted[Math.min(runs - 1, Math.floor(share * runs))] ?? 0, 2)
  return [name, at(0.5), at(0.99), at(1)]
})

const main = Effect.gen(function* () {
  const plans = Plans.make()
  const { owner, runner, superuser } = yield* PostgresServer.makeWith({ settings, onLog: plans.onLog })
  const as = <A, E>(effect: Effect.Effect<A, E, Database.Database>, url: typeof owner) =>
    Effect.provide(effect, Database.layerUnchecked({ url, timeout: "2 hours" }), { local: true })
  yield* as(prepare, owner)

  const asRunner = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.provide(effect, layerOf(Database.layer({ url: runner })), { local: true })
  const rows = yield* asRunner(
    Effect.gen(function* () {
      const queries = yield* everyQuery(results)
      return yield* Effect.forEach(queries, ([name, query], i) => measure(name, query, i))
    }),
  )
  const text = table(["query, ms", "median", "p99", "longest"], rows)
  yield* Console.log(`\n${text}`)
  if (write) {
    const marks = /(<!-- bench:rows -->\n\n)[\s\S]*?(\n\n<!-- end -->)/
    const replace = (from: string) =>
      from.replace(marks, (_, before: string, after: string) => `${before}${text}${after}`)
    yield* Effect.sync(() => writeFileSync(page, replace(readFileSync(page, "utf8"))))
  }
  if (planFile === undefined) return
  yield* as(statement("alter role runner set auto_explain.log_min_duration = 0"), superuser)
  const texts = yield* asRunner(
    Effect.gen(function* () {
      const queries = yield* everyQuery(results)
      return yield* Effect.forEach(queries, ([name, query], i) =>
        Effect.map(plans.plansOf(query(spread(12_345 + i))), (found) =>
          [`## ${name}`, ...found.map(({ plan, query }) => `${query}\n\n${plan}`)].join("\n\n"),
        ),
      )
    }),
  )
  yield* Effect.sync(() => writeFileSync(planFile, texts.join("\n\n")))
}).pipe(Effect.scoped)

await Effect.runPromise(main)
