/**
 * How the quota stands: what other runs have used of it.
 */
import { Quota } from "@live-response/core/Quota"
import * as Quotas from "@live-response/core/Quota"
import type { Window } from "@live-response/core/QuotaRule"
import * as NodeCredential from "@live-response/node/NodeCredential"
import * as NodeLiveResponse from "@live-response/node/NodeLiveResponse"
import * as NodeQuotaStore from "@live-response/node/NodeQuotaStore"
import * as Console from "effect/Console"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Failure from "./Failure.ts"
import * as Screen from "./output/Screen.ts"
import { printable, printableJson } from "./Printable.ts"

export interface Options {
  readonly endpoint: string
  readonly windows: ReadonlyArray<Window>
  readonly calls: Option.Option<number>
  readonly json: boolean
}

export const print = Effect.fnUntraced(function* ({ calls, endpoint, json, windows }: Options) {
  const owner = NodeLiveResponse.quotaOwner({ endpoint, owner: yield* NodeCredential.owner })
  const layer = Quotas.layer({ windows, owner }).pipe(Layer.provide(NodeQuotaStore.layerConfig))
  const [status, forecast] = yield* Effect.gen(function* () {
    const quota = yield* Quota
    return yield* Effect.all([quota.status, Effect.transposeOption(Option.map(calls, quota.forecast))])
  }).pipe(Effect.provide(layer))
  const now = yield* DateTime.now

  if (!json) {
    const lines = Screen.quota(
      now,
      status,
      Option.zipWith(calls, forecast, (calls, after) => [calls, after] as const),
    )
    return yield* Console.log([`Links from ${printable(owner)}`, ...lines].join("\n"))
  }
  const instant = (after: Duration.Duration) => DateTime.formatIso(DateTime.addDuration(now, after))
  const object = {
    owner,
    windows: status.windows.map(({ duration, nextSlot, ...window }) => ({
      seconds: Duration.toSeconds(duration),
      ...window,
      nextSlot: instant(nextSlot),
    })),
    nextSlot: instant(status.nextSlot),
    ...Option.match(forecast, { onNone: () => ({}), onSome: (after) => ({ lastOf: calls, last: instant(after) }) }),
  }
  yield* Console.log(printableJson(JSON.stringify(object)))
}, Effect.mapError(Failure.fromError))
