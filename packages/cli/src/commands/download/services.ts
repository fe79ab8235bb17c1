/**
 * The services that download into a directory, from the environment: `download`, `download --follow` and `run` use them.
 */
import type { Window } from "@live-response/core/QuotaRule"
import * as NodeCredential from "@live-response/node/NodeCredential"
import * as NodeLiveResponse from "@live-response/node/NodeLiveResponse"
import * as NodeQuotaStore from "@live-response/node/NodeQuotaStore"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { keepNewModerate } from "../../SmallHeap.ts"

export const layer = ({
  directory,
  journal,
  windows,
}: {
  readonly directory: string
  readonly journal?: string | undefined
  readonly windows: ReadonlyArray<Window>
}) =>
  Layer.unwrap(
    Effect.map(NodeLiveResponse.environment, (environment) =>
      NodeLiveResponse.layer({ ...environment, directory, journal, windows }),
    ),
  ).pipe(
    Layer.provide([NodeCredential.layerConfig, NodeQuotaStore.layerConfig]),
    Layer.merge(Layer.effectDiscard(keepNewModerate)),
  )
