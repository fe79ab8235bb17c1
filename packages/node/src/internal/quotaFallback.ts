/** What a program counts its calls by where no file can be stored. */
import * as QuotaStore from "@live-response/core/QuotaStore"
import type { QuotaStoreError } from "@live-response/core/QuotaStoreError"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

/** Stores the logs in memory, with a warning, where they can't be stored in a file. Any other trouble is an error. */
export const orMemory = <R>(
  file: Layer.Layer<QuotaStore.QuotaStore, QuotaStoreError, R>,
): Layer.Layer<QuotaStore.QuotaStore, QuotaStoreError, R> =>
  file.pipe(
    Layer.catch((error) =>
      Layer.unwrap(
        error.reason._tag !== "Unusable"
          ? Effect.fail(error)
          : Effect.as(
              Effect.logWarning(`${error.message}; this run does not know what others use`),
              QuotaStore.layerMemory,
            ),
      ),
    ),
  )
