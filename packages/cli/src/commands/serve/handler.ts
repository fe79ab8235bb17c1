/**
 * What `live-response serve` does: is a runner of a cluster until it is stopped.
 */
import { Cluster } from "@live-response/cluster/Cluster"
import { Collectors } from "@live-response/cluster/Collectors"
import { TenantStatus } from "@live-response/cluster/TenantStatus"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as References from "effect/References"
import * as Failure from "../../Failure.ts"
import { keepHeapByLoad } from "../../SmallHeap.ts"
import * as Format from "../../output/Format.ts"
import * as StandardError from "../../output/StandardError.ts"
import { nameAndVersion } from "../../output/ProgramName.ts"
import * as ServiceManager from "../../output/SystemdNotify.ts"
import * as LiveServer from "../report/liveServer.ts"
import type { Options } from "./command.ts"
import * as Health from "./health.ts"
import * as Runner from "./runner.ts"
import * as Stop from "./stop.ts"

const work = Effect.fnUntraced(function* (options: Options) {
  yield* keepHeapByLoad
  const runner = yield* Runner.nameOf(options.runner)
  const health: Health.Health = { sinceWrite: Effect.succeedNone, sinceLocks: Effect.succeedNone }
  if (Option.isSome(options.listen)) {
    const route = Health.route(runner, health)
    yield* LiveServer.serve(options.listen.value, { title: "health and metrics", isPublic: true, route })
  }
  const state = { status: Effect.succeed("starts") }
  const service = yield* ServiceManager.make(Effect.suspend(() => state.status))
  yield* Effect.addFinalizer(() => service.stopping)
  yield* StandardError.write(`${nameAndVersion}: runner ${runner} starts`)
  const context = yield* Runner.start(runner, options)
  state.status = Effect.map(Context.get(context, Collectors).running, ({ length }) => Format.counted(length, "tenant"))
  health.sinceWrite = Context.get(context, TenantStatus).sinceWrite
  health.sinceLocks = Context.get(context, Cluster).sinceLocks
  yield* service.ready
  yield* StandardError.write(`runner ${runner} has joined the cluster`)
  return yield* Effect.never
})

/** Each event is a line, unless only warnings are asked for. */
const withLevel =
  ({ quiet }: Options) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.flatMap(References.MinimumLogLevel, (level) =>
      quiet || level !== "Warn" ? effect : Effect.provideService(effect, References.MinimumLogLevel, "Info"),
    )

export const serve = (options: Options) =>
  Effect.andThen(StandardError.withTimes, Stop.untilStopped(work(options))).pipe(
    Effect.scoped,
    withLevel(options),
    Effect.mapError(Failure.fromError),
  )
