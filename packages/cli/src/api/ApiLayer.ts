/**
 * The API of the environment's cloud, with its sign-in, for commands that use no directory of results.
 */
import * as NodeCredential from "@live-response/node/NodeCredential"
import * as NodeLiveResponse from "@live-response/node/NodeLiveResponse"
import * as NodeQuotaStore from "@live-response/node/NodeQuotaStore"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

export const layer = Layer.unwrap(Effect.map(NodeLiveResponse.environment, NodeLiveResponse.layerApi)).pipe(
  Layer.provide([NodeCredential.layerConfig, NodeQuotaStore.layerConfig]),
)
