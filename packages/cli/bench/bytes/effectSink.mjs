/** A peer of `bench:bytes`: Effect's own HTTP client into `FileSystem.sink`. Arguments as for `undici.mjs`. */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as HttpClient from "effect/http/HttpClient"
import * as Stream from "effect/Stream"

const [base = "", directory = "", count = "1", concurrency = "8"] = process.argv.slice(2)

const one = Effect.fnUntraced(function* (name) {
  const fs = yield* FileSystem.FileSystem
  const response = yield* HttpClient.get(`${base}/${name}`)
  yield* Stream.run(response.stream, fs.sink(`${directory}/${name}`))
})

await Effect.runPromise(
  Effect.forEach(
    Array.from({ length: Number(count) }, (_, name) => name),
    one,
    { concurrency: Number(concurrency) },
  ).pipe(Effect.provide([NodeHttpClient.layerUndici, NodeServices.layer])),
)
