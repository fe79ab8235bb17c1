/**
 * A runner as a process: it executes the runs of a tenant when it is the owner. With `hold`, it stops there and prints a line:
 * `starting` right before the request of a session, when the journal has it, and `sent` when the service has answered it. With
 * `frozen` it also prints `starting`, and stops itself as SIGSTOP does: the request is the next thing that it does when it continues.
 * It prints `ended` when it is the owner no more.
 */
import { writeSync } from "node:fs"
import * as Cluster from "@live-response/cluster/Cluster"
import * as RunExecutor from "@live-response/cluster/RunExecutor"
import * as Tenants from "@live-response/cluster/Tenants"
import { DefenderApi, type Service } from "@live-response/core/DefenderApi"
import * as ResultStore from "@live-response/core/ResultStore"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { database, ownerOf, token } from "./runs.ts"

const [runner = "", url = "", endpoint = "", id = "", hold = "", visibleSeconds = "1"] = process.argv.slice(2)
const tenant = Schema.decodeUnknownSync(Tenants.TenantId)(id)

const holdAt = (line: string) =>
  Effect.andThen(
    Effect.sync(() => writeSync(1, `${line}\n`)),
    Effect.never,
  )

/** Once: the system continues the whole process. */
const freeze = Effect.runSync(
  Effect.cached(
    Effect.sync(() => {
      writeSync(1, "starting\n")
      process.kill(process.pid, "SIGSTOP")
    }),
  ),
)

const held = (api: Service): Service => {
  if (hold === "") return api
  return {
    ...api,
    run: (machineId, session, options) => {
      const recorded = options?.beforeSend ?? Effect.void
      switch (hold) {
        case "starting":
          return Effect.andThen(recorded, holdAt("starting"))
        case "frozen":
          return api.run(machineId, session, { ...options, beforeSend: Effect.andThen(recorded, freeze) })
        default:
          return Effect.andThen(api.run(machineId, session, options), holdAt("sent"))
      }
    },
  }
}

const owner = Layer.effect(DefenderApi, Effect.map(DefenderApi, held)).pipe(
  Layer.provideMerge(
    ownerOf(tenant, endpoint, token, ResultStore.layerMemory, Duration.seconds(Number(visibleSeconds))),
  ),
)

const execute = Effect.andThen(
  Effect.sync(() => writeSync(1, "owner\n")),
  RunExecutor.run(),
).pipe(
  Effect.provide(owner, { local: true }),
  Effect.scoped,
  Effect.ensuring(Effect.sync(() => writeSync(1, "ended\n"))),
)

const program = Effect.gen(function* () {
  const { each } = yield* Cluster.Cluster
  yield* each(`tenant ${tenant}`, execute)
  return yield* Effect.never
}).pipe(Effect.scoped, Effect.provide([Cluster.layer({ url: Redacted.make(url), runner }), database(url)]))

await Effect.runPromise(program)
