/**
 * The object store of a cluster, by its address.
 */
import { fileURLToPath } from "node:url"
import * as DirectoryObjectStore from "@live-response/core/DirectoryObjectStore"
import * as NodeLiveResponse from "@live-response/node/NodeLiveResponse"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Failure from "../Failure.ts"

const directoryOf = (text: string) => {
  const url = URL.parse(text)
  return url?.protocol === "file:" && url.host === ""
    ? Result.succeed(fileURLToPath(url))
    : Result.fail(
        Failure.usage(
          "--object-store must be the address of a store, such as file:///mnt/results for a shared directory",
        ),
      )
}

/** The store at an address. */
export const layer = (text: string) =>
  Layer.unwrap(
    Effect.map(Effect.fromResult(directoryOf(text)), (directory) =>
      Layer.provide(DirectoryObjectStore.layer({ directory }), NodeLiveResponse.layerFiles),
    ),
  )
