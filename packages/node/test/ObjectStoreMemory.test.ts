/** What uploads have in memory, in a process with a small heap, and how a very large file is divided. */
import { execFile } from "node:child_process"
import { createHash } from "node:crypto"
import { fileURLToPath } from "node:url"
import { assert, it } from "@effect/vitest"
import * as AzureObjectStore from "@live-response/core/AzureObjectStore"
import * as ObjectStore from "@live-response/core/ObjectStore"
import * as S3ObjectStore from "@live-response/core/S3ObjectStore"
import * as NodeHasher from "@live-response/node/NodeHasher"
import * as NodeTransport from "@live-response/node/NodeTransport"
import * as Effect from "effect/Effect"
import type * as HttpClient from "effect/http/HttpClient"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { listen } from "./support/loopbackServer.ts"

const child = fileURLToPath(new URL("support/uploadProcess.ts", import.meta.url))

const Growth = Schema.fromJsonString(Schema.Struct({ megabytes: Schema.Finite }))

/** Runs the process with a heap of 64 MB. It can't have the files in memory: they have 800 MB. */
const run = (container: string, megabytes: number) =>
  Effect.callback<string, Error>((resume) => {
    const args = ["--max-old-space-size=64", child, container, String(megabytes)]
    execFile(process.execPath, args, (error, stdout) =>
      resume(error === null ? Effect.succeed(stdout) : Effect.fail(error)),
    )
  })

it.live("four uploads of 200 MB at once have some 100 MB in memory, and every byte arrives with its MD5", () =>
  Effect.gen(function* () {
    let received = 0
    const wrong: Array<string> = []
    // Stores nothing: a service that keeps 800 MB would be what is measured on a small machine.
    const origin = yield* listen((request, response) => {
      const md5 = createHash("md5")
      request.on("data", (chunk: Buffer) => {
        received += chunk.length
        md5.update(chunk)
      })
      request.on("end", () => {
        const { headers, url = "" } = request
        if (headers["content-md5"] !== undefined && headers["content-md5"] !== md5.digest("base64")) wrong.push(url)
        response.writeHead(request.method === "HEAD" ? 404 : 201).end()
      })
    })
    const { megabytes } = yield* Schema.decodeUnknownEffect(Growth)(yield* run(`${origin}/account/results`, 200))
    assert.isAbove(received, 800 * 1024 * 1024)
    assert.deepStrictEqual(wrong, [])
    assert.isBelow(megabytes, 150)
    yield* Effect.log(`the process has grown by ${megabytes} MB`)
  }).pipe(Effect.scoped),
)

/** How long the first block is that a store sends of a content of so many GiB, which can't be read further. */
const firstBlock = (
  store: (origin: string) => Layer.Layer<ObjectStore.ObjectStore, never, HttpClient.HttpClient>,
  GiB: number,
) =>
  Effect.gen(function* () {
    const lengths: Array<number> = []
    const origin = yield* listen((request, response) => {
      let length = 0
      request.on("data", (chunk: Buffer) => (length += chunk.length))
      request.on("end", () => {
        if (length > 0) lengths.push(length)
        const isAmazons = request.headers["x-amz-date"] !== undefined
        response
          .writeHead(request.method === "HEAD" ? 404 : isAmazons ? 200 : 201, { etag: '"e"' })
          .end("<UploadId>1</UploadId>")
      })
    })
    const pieces = Stream.forever(Stream.succeed(Buffer.alloc(1024 * 1024)))
    const stream = Stream.concat(Stream.take(pieces, 40), Stream.fail("the disk is broken" as const))
    const put = ObjectStore.ObjectStore.use(({ put }) =>
      put("a/0.bin", { bytes: GiB * 1024 ** 3, sha256: "00".repeat(32), stream }),
    )
    const layer = store(origin).pipe(Layer.provide([NodeTransport.layer, NodeHasher.layer]))
    assert.strictEqual(yield* Effect.flip(Effect.provide(put, layer)), "the disk is broken")
    return (lengths[0] ?? 0) / (1024 * 1024)
  }).pipe(Effect.scoped)

const azure = (origin: string) =>
  AzureObjectStore.layer({
    container: `${origin}/account/results`,
    authorization: { kind: "sharedKey", account: "account", key: Redacted.make("a2V5") },
  })

const s3 = (endpoint: string) =>
  S3ObjectStore.layer({
    bucket: "results",
    region: "eu-central-1",
    endpoint,
    keys: { current: Effect.succeed({ accessKeyId: "a", secretAccessKey: Redacted.make("b") }) },
  })

it.live("blocks grow where 50,000 of 4 MiB, or 10,000 parts of 8 MiB, are not enough", () =>
  Effect.gen(function* () {
    assert.strictEqual(yield* firstBlock(azure, 20), 4)
    assert.strictEqual(yield* firstBlock(azure, 195), 4)
    assert.strictEqual(yield* firstBlock(azure, 300), 7)
    assert.strictEqual(yield* firstBlock(s3, 20), 8)
    assert.strictEqual(yield* firstBlock(s3, 100), 11)
  }),
)
