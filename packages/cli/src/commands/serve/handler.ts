/**
 * What `live-response serve` does: is a runner of a cluster until it is stopped.
 */
import { randomBytes } from "node:crypto"
import { hostname } from "node:os"
import * as Cluster from "@live-response/cluster/Cluster"
import * as Database from "@live-response/cluster/Database"
import * as PgQuotaStore from "@live-response/cluster/PgQuotaStore"
import * as Retention from "@live-response/cluster/Retention"
import * as Tenants from "@live-response/cluster/Tenants"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as References from "effect/References"
import * as Schedule from "effect/Schedule"
import * as ClusterDatabase from "../../api/ClusterDatabase.ts"
import * as Failure from "../../Failure.ts"
import * as Messages from "../../output/Messages.ts"
import { nameAndVersion } from "../../output/ProgramName.ts"
import * as ServiceManager from "../../output/ServiceManager.ts"
import * as LiveServer from "../report/liveServer.ts"
import type { Options } from "./command.ts"
import * as Health from "./health.ts"
import * as Stop from "./stop.ts"

/** Of the 40 bytes that a name may have, what the letters of each start leave. */
const longestName = 31

/** A name that no process had before. */
const nameOf = (name: Option.Option<string>) =>
  Effect.sync(() => {
    const given = Option.getOrElse(name, hostname).replaceAll(/[^\w.-]/g, "-")
    return `${given.slice(0, longestName)}-${randomBytes(4).toString("hex")}`
  })

/** A runner may start before its database does. */
const whileAway = Schedule.min([Schedule.exponential("500 millis"), Schedule.spaced("5 seconds")]).pipe(
  Schedule.jittered,
)

/** The services of a runner, once PostgreSQL answers. */
const layerOf = Effect.fnUntraced(function* (runner: string) {
  const url = yield* ClusterDatabase.url
  const services = Layer.mergeAll(Cluster.layer({ url, runner }), Tenants.layer, PgQuotaStore.layer).pipe(
    Layer.provideMerge(Database.layer({ url })),
  )
  let isReported = false
  return yield* Layer.build(services).pipe(
    Effect.tapError((error) => {
      if (isReported || !error.isRetryable) return Effect.void
      isReported = true
      return Effect.logWarning(`${error.message}; this runner waits for it`)
    }),
    Effect.retry({ schedule: whileAway, while: ({ isRetryable }) => isRetryable }),
  )
})

const work = Effect.fnUntraced(function* (options: Options) {
  const runner = yield* nameOf(options.runner)
  const health: Health.Health = { answeredAt: undefined }
  if (Option.isSome(options.listen)) {
    const route = Health.route(runner, health)
    yield* LiveServer.serve(options.listen.value, { title: "health and metrics", isPublic: true, route })
  }
  const service = yield* ServiceManager.make(Effect.succeed(`runner ${runner}`))
  yield* Effect.addFinalizer(() => service.stopping)
  yield* Messages.write(`${nameAndVersion}: runner ${runner} starts`)
  const context = yield* layerOf(runner)
  return yield* Effect.gen(function* () {
    yield* Health.watch(health)
    const { each } = yield* Cluster.Cluster
    yield* each("retention", Retention.run())
    yield* service.ready
    yield* Messages.write(`runner ${runner} has joined the cluster`)
    return yield* Effect.never
  }).pipe(Effect.provideContext(context))
}, Effect.scoped)

/** Each event is a line, unless only warnings are asked for. */
const withLevel =
  ({ quiet }: Options) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.flatMap(References.MinimumLogLevel, (level) =>
      quiet || level !== "Warn" ? effect : Effect.provideService(effect, References.MinimumLogLevel, "Info"),
    )

export const serve = (options: Options) =>
  Stop.untilStopped(work(options)).pipe(withLevel(options), Effect.mapError(Failure.fromError))
