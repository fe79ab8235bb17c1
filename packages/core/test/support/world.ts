import { Credential } from "@live-response/core/Credential"
import * as DefenderApi from "@live-response/core/DefenderApi"
import * as Quota from "@live-response/core/Quota"
import * as QuotaStore from "@live-response/core/QuotaStore"
import * as Transfer from "@live-response/core/Transfer"
import * as Effect from "effect/Effect"
import type { HttpClient } from "effect/http/HttpClient"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"

export interface CountingCredential {
  readonly layer: Layer.Layer<Credential>
  readonly asked: () => number
  readonly invalidated: () => number
}

/** A credential with a new token after each one that the API refused: `token-0`, `token-1`, … */
export const countingCredential = (): CountingCredential => {
  let asked = 0
  let invalidated = 0
  return {
    layer: Layer.succeed(Credential, {
      token: Effect.sync(() => {
        asked++
        return Redacted.make(`token-${invalidated}`)
      }),
      invalidate: (refused) =>
        Effect.sync(() => {
          if (Redacted.value(refused) === `token-${invalidated}`) invalidated++
        }),
    }),
    asked: () => asked,
    invalidated: () => invalidated,
  }
}

/** The API and the transfer on top of the test's transport. */
export const layerOver = (
  transport: Layer.Layer<HttpClient>,
  options?: DefenderApi.Options,
  credential: Layer.Layer<Credential> = countingCredential().layer,
) =>
  Transfer.layer.pipe(
    Layer.provideMerge(DefenderApi.layer(options)),
    Layer.provide([transport, credential, Quota.layer().pipe(Layer.provide(QuotaStore.layerMemory))]),
  )
