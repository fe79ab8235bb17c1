/** Uploads four files at once, of `megabytes` each, and prints by how much the memory of this process has grown. */
import { createHash } from "node:crypto"
import * as AzureObjectStore from "@live-response/core/AzureObjectStore"
import * as ObjectStore from "@live-response/core/ObjectStore"
import * as NodeHasher from "@live-response/node/NodeHasher"
import * as NodeTransport from "@live-response/node/NodeTransport"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"

const [container = "", megabytes = ""] = process.argv.slice(2)
const pieces = Number(megabytes) * 16
const bytes = pieces * 65_536

/** Pieces like those of a file that is read: each has memory of its own. */
const stream = Stream.range(1, pieces).pipe(
  Stream.rechunk(1),
  Stream.map((n) => Buffer.alloc(65_536, n % 251)),
)

const sha256 = () => {
  const hash = createHash("sha256")
  for (let n = 1; n <= pieces; n++) hash.update(Buffer.alloc(65_536, n % 251))
  return hash.digest("hex")
}

const store = AzureObjectStore.layer({
  container,
  authorization: { kind: "sharedKey", account: "account", key: Redacted.make("a2V5") },
}).pipe(Layer.provide([NodeTransport.layer, NodeHasher.layer]))

const memory = () => process.resourceUsage().maxRSS / 1024

const program = Effect.gen(function* () {
  const { put } = yield* ObjectStore.ObjectStore
  const content = { bytes, sha256: sha256(), stream }
  yield* put("small/0.bin", {
    ...content,
    bytes: 65_536,
    stream: Stream.take(stream, 1),
    sha256: createHash("sha256").update(Buffer.alloc(65_536, 1)).digest("hex"),
  })
  const before = memory()
  yield* Effect.forEach([1, 2, 3, 4], (n) => put(`large/${n}.bin`, content), { concurrency: "unbounded" })
  process.stdout.write(JSON.stringify({ megabytes: Math.round(memory() - before) }))
}).pipe(Effect.provide(store))

await Effect.runPromise(program)
