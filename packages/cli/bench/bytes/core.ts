/**
 * A program that downloads with core alone, in Node, Deno or Bun: over `fetch`, into a directory. Takes the base of the API, the
 * directory, how many files, and how many at once.
 */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodePath from "@effect/platform-node/NodePath"
import * as Credential from "@live-response/core/Credential"
import * as DefenderApi from "@live-response/core/DefenderApi"
import * as LiveResponse from "@live-response/core/LiveResponse"
import * as Manifest from "@live-response/core/Manifest"
import * as Quota from "@live-response/core/Quota"
import * as QuotaStore from "@live-response/core/QuotaStore"
import { FromString } from "@live-response/core/ResultRef"
import * as ResultStore from "@live-response/core/ResultStore"
import * as Transfer from "@live-response/core/Transfer"
import * as NodeHasher from "@live-response/node/NodeHasher"
import * as Effect from "effect/Effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"

const [base = "", directory = "", count = "1", concurrency = "8"] = process.argv.slice(2)

const live = LiveResponse.layer.pipe(
  Layer.provide(Transfer.layer),
  Layer.provide(DefenderApi.layer({ base, storageHosts: "any" })),
  Layer.provide([
    FetchHttpClient.layer,
    Credential.layerToken(Redacted.make("token")),
    Quota.layer({ windows: Quota.linkWindows({ perMinute: 1_000_000, perHour: 1_000_000 }) }).pipe(
      Layer.provide(QuotaStore.layerMemory),
    ),
    ResultStore.layerFileSystem({ directory }).pipe(
      Layer.provide([NodeFileSystem.layer, NodePath.layer, NodeHasher.layer]),
    ),
    Manifest.layerMemory,
  ]),
)

const decodeRef = Schema.decodeEffect(FromString)

const refs = Stream.range(0, Number(count) - 1).pipe(
  Stream.mapEffect((n) => decodeRef(`00000000-0000-4000-8000-${String(n).padStart(12, "0")}:0`)),
)

const program = LiveResponse.LiveResponse.use((live) =>
  Stream.runForEach(live.saveAll(refs, { concurrency: Number(concurrency) }), (event) =>
    event.event === "failed" ? Effect.die(event.error) : Effect.void,
  ),
)

await Effect.runPromise(Effect.provide(program, live))
