/**
 * A program that embeds this library without Node: `embed.ts ENDPOINT TOKEN TARGET...` downloads a batch into memory and
 * prints the outcome of each result.
 */
import * as Credential from "@live-response/core/Credential"
import * as DefenderApi from "@live-response/core/DefenderApi"
import * as LiveResponse from "@live-response/core/LiveResponse"
import * as Manifest from "@live-response/core/Manifest"
import * as Quota from "@live-response/core/Quota"
import * as QuotaStore from "@live-response/core/QuotaStore"
import { FromString } from "@live-response/core/ResultRef"
import * as ResultStore from "@live-response/core/ResultStore"
import * as Transfer from "@live-response/core/Transfer"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { args } from "./runtime.ts"

const [endpoint = "", token = "", ...targets] = args

const live = LiveResponse.layer.pipe(
  Layer.provide(Transfer.layer),
  Layer.provide(DefenderApi.layer({ base: endpoint })),
  Layer.provide([
    FetchHttpClient.layer,
    Credential.layerToken(Redacted.make(token)),
    Quota.layer().pipe(Layer.provide(QuotaStore.layerMemory)),
    ResultStore.layerMemory,
    Manifest.layerMemory,
  ]),
)

const program = Effect.gen(function* () {
  const liveResponse = yield* LiveResponse.LiveResponse
  const refs = Stream.fromEffect(Schema.decodeEffect(Schema.Array(FromString))(targets)).pipe(Stream.flattenIterable)
  const events = yield* Stream.runCollect(liveResponse.saveAll(refs))
  const results = events
    .filter((event) => event.event === "completed" || event.event === "failed")
    .map((finished) => ({
      ...finished,
      retries: events.flatMap((event) =>
        event.event === "retrying" && event.index === finished.index
          ? ["reason" in event.error ? event.error.reason._tag : event.error._tag]
          : [],
      ),
    }))
  yield* Console.log(JSON.stringify(results.sort((a, b) => a.index - b.index)))
})

await Effect.runPromise(Effect.provide(program, live))
