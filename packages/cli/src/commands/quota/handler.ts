/**
 * What `live-response quota` does: prints the usage of the quota, as text or as JSON.
 */
import * as Cloud from "@live-response/core/Cloud"
import * as Quota from "@live-response/core/Quota"
import type { Window } from "@live-response/core/QuotaRule"
import * as QuotaStore from "@live-response/core/QuotaStore"
import * as NodeCredential from "@live-response/node/NodeCredential"
import * as NodeLiveResponse from "@live-response/node/NodeLiveResponse"
import * as NodeQuotaStore from "@live-response/node/NodeQuotaStore"
import * as Console from "effect/Console"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Failure from "../../Failure.ts"
import { printable, printableJson } from "../../output/Printable.ts"
import * as QuotaText from "../../output/QuotaText.ts"

export interface Options {
  readonly windows: ReadonlyArray<Window>
  /** The number of further calls to forecast. */
  readonly calls: Option.Option<number>
  readonly json: boolean
}

export const print = Effect.fnUntraced(function* ({ calls, json, windows }: Options) {
  const { base: endpoint } = yield* Cloud.config
  const owner = NodeLiveResponse.quotaOwner({ endpoint, owner: yield* NodeCredential.owner })
  const { last, status } = yield* Effect.gen(function* () {
    const quota = yield* Quota.Quota
    const forecast = (calls: number) => Effect.map(quota.forecast(calls), (after) => ({ calls, after }))
    return { status: yield* quota.status, last: yield* Effect.transposeOption(Option.map(calls, forecast)) }
  }).pipe(
    QuotaStore.untilItAnswers,
    Effect.provide(Quota.layer({ windows, owner }).pipe(Layer.provide(NodeQuotaStore.layerConfig))),
  )
  const now = yield* DateTime.now

  if (!json) {
    return yield* Console.log(
      [`Download links for ${printable(owner)}`, ...QuotaText.lines(now, status, last)].join("\n"),
    )
  }
  const instant = (after: Duration.Duration) => DateTime.formatIso(DateTime.addDuration(now, after))
  const report = {
    owner,
    windows: status.windows.map(({ duration, nextSlot, ...window }) => ({
      seconds: Duration.toSeconds(duration),
      ...window,
      nextSlot: instant(nextSlot),
    })),
    nextSlot: instant(status.nextSlot),
    ...Option.match(last, { onNone: () => ({}), onSome: ({ after, calls }) => ({ calls, lastSlot: instant(after) }) }),
  }
  yield* Console.log(printableJson(JSON.stringify(report)))
}, Effect.mapError(Failure.fromError))
