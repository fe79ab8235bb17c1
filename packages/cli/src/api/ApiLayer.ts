/**
 * The API of the environment's cloud, with its sign-in, for commands that use no directory of results.
 */
import type { Window } from "@live-response/core/QuotaRule"
import * as NodeCredential from "@live-response/node/NodeCredential"
import * as NodeLiveResponse from "@live-response/node/NodeLiveResponse"
import * as NodeQuotaStore from "@live-response/node/NodeQuotaStore"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as OutageNotice from "./OutageNotice.ts"

/** With the windows of the quota for download links, for commands that ask for links or forecast them. */
export const layerOf = ({ windows }: { readonly windows?: ReadonlyArray<Window> }) =>
  Layer.unwrap(
    Effect.map(NodeLiveResponse.environment, (environment) => NodeLiveResponse.layerApi({ ...environment, windows })),
  ).pipe(Layer.provide([NodeCredential.layerConfig, NodeQuotaStore.layerConfig]), Layer.merge(OutageNotice.layer))

export const layer = layerOf({})
