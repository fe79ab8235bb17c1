/** A runner as a process. It saves a position of each tenant it has, ten times a second, and prints each tenant that it starts and stops. */
import { writeSync } from "node:fs"
import * as Cluster from "@live-response/cluster/Cluster"
import * as Database from "@live-response/cluster/Database"
import * as PgPositions from "@live-response/cluster/PgPositions"
import * as TenantOwner from "@live-response/cluster/TenantOwner"
import * as Tenants from "@live-response/cluster/Tenants"
import * as ActionFeed from "@live-response/core/ActionFeed"
import * as FollowPosition from "@live-response/core/FollowPosition"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"

const [runner = "", address = "", ...args] = process.argv.slice(2)
const url = Redacted.make(address)
const tenants = Schema.decodeUnknownSync(Schema.Array(Tenants.TenantId))(args)
const selection = FollowPosition.makeKey({ type: ["LiveResponse"] })

const collect = (tenant: Tenants.TenantId) =>
  Effect.gen(function* () {
    const { save } = yield* FollowPosition.FollowPosition
    const saveNow = Effect.flatMap(DateTime.now, (since) =>
      save(selection, ActionFeed.Position.make({ since, open: [] })),
    )
    yield* saveNow
    yield* Effect.sync(() => writeSync(1, `started ${tenant}\n`))
    yield* Effect.repeat(saveNow, Schedule.spaced("100 millis")).pipe(
      Effect.ensuring(Effect.sync(() => writeSync(1, `stopped ${tenant}\n`))),
    )
  }).pipe(Effect.provide(Layer.fresh(PgPositions.layer.pipe(Layer.provide(TenantOwner.layer(tenant))))), Effect.asVoid)

const program = Effect.gen(function* () {
  const { each } = yield* Cluster.Cluster
  yield* Effect.forEach(tenants, (tenant) => each(tenant, collect(tenant)), { discard: true })
  return yield* Effect.never
}).pipe(
  Effect.scoped,
  Effect.provide([Cluster.layer({ url, runner }), Tenants.layer.pipe(Layer.provideMerge(Database.layer({ url })))]),
)

await Effect.runPromise(program)
