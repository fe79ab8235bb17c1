/**
 * A runner as a process: it executes the runs of a tenant when it is the owner. With `hold`, it stops there and prints a line:
 * `starting` right before the request of a session, when the journal has it, and `sent` when the service has answered it.
 */
import { writeSync } from "node:fs"
import * as Cluster from "@live-response/cluster/Cluster"
import * as RunExecutor from "@live-response/cluster/RunExecutor"
import * as Tenants from "@live-response/cluster/Tenants"
import { DefenderApi, type Service } from "@live-response/core/DefenderApi"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { database, ownerOf } from "./runs.ts"

const [runner = "", url = "", endpoint = "", id = "", hold = ""] = process.argv.slice(2)
const tenant = Schema.decodeUnknownSync(Tenants.TenantId)(id)

const holdAt = (line: string) =>
  Effect.andThen(
    Effect.sync(() => writeSync(1, `${line}\n`)),
    Effect.never,
  )

const held = (api: Service): Service => {
  if (hold === "") return api
  return {
    ...api,
    run: (machineId, session, options) =>
      hold === "starting"
        ? Effect.andThen(options?.beforeSend ?? Effect.void, holdAt("starting"))
        : Effect.andThen(api.run(machineId, session, options), holdAt("sent")),
  }
}

const owner = Layer.effect(DefenderApi, Effect.map(DefenderApi, held)).pipe(
  Layer.provideMerge(ownerOf(tenant, endpoint)),
)

const execute = Effect.andThen(
  Effect.sync(() => writeSync(1, "owner\n")),
  RunExecutor.run(),
).pipe(Effect.provide(owner, { local: true }), Effect.scoped)

const program = Effect.gen(function* () {
  const { each } = yield* Cluster.Cluster
  yield* each(`tenant ${tenant}`, execute)
  return yield* Effect.never
}).pipe(Effect.scoped, Effect.provide([Cluster.layer({ url: Redacted.make(url), runner }), database(url)]))

await Effect.runPromise(program)
