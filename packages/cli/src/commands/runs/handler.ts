/**
 * What `live-response runs` does: lists, shows and cancels the runs of a cluster.
 */
import { RunError, RunId } from "@live-response/cluster/ClusterRun"
import * as Runs from "@live-response/cluster/Runs"
import * as Tenants from "@live-response/cluster/Tenants"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as ClusterDatabase from "../../api/ClusterDatabase.ts"
import * as Failure from "../../Failure.ts"
import * as StandardError from "../../output/StandardError.ts"
import { printable } from "../../output/Printable.ts"
import * as RowPrinter from "../../output/RowPrinter.ts"
import * as RunText from "../../output/RunText.ts"
import { tenantNamed } from "../tenants/handler.ts"
import * as Watch from "./watch.ts"

/** The runs and the registry, in the database of the cluster. */
export const layer = Layer.merge(Runs.layer, Tenants.layer).pipe(Layer.provideMerge(ClusterDatabase.layer))

const decodeId = Schema.decodeUnknownEffect(RunId)

const runOf = (text: string) =>
  decodeId(text).pipe(
    Effect.mapError(() => new RunError({ run: printable(text), problem: "Unknown" })),
    Effect.flatMap((run) => Runs.Runs.use(({ get }) => get(run))),
  )

export const list = Effect.fnUntraced(
  function* (options: {
    readonly tenant: Option.Option<string>
    readonly limit: number
    readonly format: RowPrinter.Format | undefined
  }) {
    const { format, limit } = options
    const tenant = Option.isNone(options.tenant) ? undefined : (yield* tenantNamed(options.tenant.value)).tenant
    const rows = yield* Runs.Runs.use(({ list }) => list({ tenant, limit }))
    const print = yield* RowPrinter.make({ columns: RunText.columns, toJson: RunText.toJson, format })
    yield* Effect.forEach(rows, print, { discard: true })
  },
  Effect.provide(layer),
  Effect.mapError(Failure.fromError),
)

export const watch = Effect.fnUntraced(
  function* (id: string, options: Watch.Options) {
    yield* Watch.watch(yield* runOf(id), options)
  },
  Effect.provide(layer),
  Effect.mapError(Failure.fromError),
)

export const cancel = Effect.fnUntraced(
  function* (id: string, { json }: { readonly json: boolean }) {
    const { run } = yield* runOf(id)
    const { cancel, get } = yield* Runs.Runs
    yield* cancel(run)
    const found = yield* get(run)
    if (json) return yield* Effect.flatMap(RunText.toJson(found), Console.log)
    yield* StandardError.write(
      found.state === "cancelled"
        ? `run ${run}: cancelled; sessions in progress continue on their machines`
        : `run ${run}: cancelling; its runner ends it within seconds; sessions in progress continue on their machines`,
    )
  },
  Effect.provide(layer),
  Effect.mapError(Failure.fromError),
)
