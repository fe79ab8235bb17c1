/**
 * Blobs in the vendor's own emulator: real shared access signatures, that really expire.
 */
import { spawn } from "node:child_process"
import { createHmac } from "node:crypto"
import { createServer } from "node:http"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as Credential from "@live-response/core/Credential"
import { LiveResponse } from "@live-response/core/LiveResponse"
import { FromString } from "@live-response/core/ResultRef"
import * as NodeLiveResponse from "@live-response/node/NodeLiveResponse"
import * as NodeTransport from "@live-response/node/NodeTransport"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"

/** Azurite's account and key are the same everywhere, and public. */
const account = "devstoreaccount1"
const key = Buffer.from(
  "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==",
  "base64",
)
const version = "2021-12-02"
const container = "results"

const sign = (text: string) => createHmac("sha256", key).update(text, "utf8").digest("base64")

/** Starts Azurite on a free port until the scope ends, and gives its address. */
const startAzurite = Effect.acquireRelease(
  Effect.callback<{ readonly url: string; readonly stop: () => void }>((resume) => {
    const bin = join(dirname(createRequire(import.meta.url).resolve("azurite/package.json")), "dist/src/blob/main.js")
    const child = spawn(process.execPath, [bin, "--inMemoryPersistence", "--skipApiVersionCheck", "--blobPort", "0"])
    child.stdout.on("data", (data: Buffer) => {
      const address = /listens on (http:\S+)/.exec(data.toString())?.[1]
      if (address === undefined) return
      resume(Effect.succeed({ url: `${address}/${account}`, stop: () => child.kill("SIGKILL") }))
    })
  }),
  ({ stop }) => Effect.sync(stop),
).pipe(Effect.map(({ url }) => url))

const signed = Effect.fnUntraced(function* (
  url: string,
  method: "PUT",
  path: string,
  query: string,
  bytes: Uint8Array,
  type: string,
) {
  const headers = {
    "x-ms-date": DateTime.toDateUtc(yield* DateTime.now).toUTCString(),
    "x-ms-version": version,
    ...(type === "" ? {} : { "x-ms-blob-type": type }),
  }
  const canonicalHeaders = Object.entries(headers)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name}:${value}\n`)
    .join("")
  const canonicalResource = `/${account}/${account}/${path}${query === "" ? "" : `\n${query.replace("=", ":")}`}`
  const length = bytes.length === 0 ? "" : String(bytes.length)
  const text = `${method}\n\n\n${length}\n\napplication/octet-stream\n\n\n\n\n\n\n${canonicalHeaders}${canonicalResource}`
  const request = HttpClientRequest.put(`${url}/${path}${query === "" ? "" : `?${query}`}`).pipe(
    HttpClientRequest.bodyUint8Array(bytes, "application/octet-stream"),
    HttpClientRequest.setHeaders({ ...headers, authorization: `SharedKey ${account}:${sign(text)}` }),
  )
  const response = yield* HttpClient.execute(request)
  assert.strictEqual(response.status, 201, yield* response.text)
})

/** A link that may read one blob until `expires`, as the service makes them. */
const sas = (url: string, blob: string, expires: DateTime.DateTime) => {
  const se = DateTime.formatIso(expires).replace(/\.\d+Z$/, "Z")
  const text = [
    "r",
    "",
    se,
    `/blob/${account}/${container}/${blob}`,
    "",
    "",
    "",
    version,
    "b",
    "",
    "",
    "",
    "",
    "",
    "",
    "",
  ].join("\n")
  return `${url}/${container}/${blob}?se=${encodeURIComponent(se)}&sp=r&sv=${version}&sr=b&sig=${encodeURIComponent(sign(text))}`
}

const id = "988cc94e-7a8f-4b28-ab65-54970c5d5018"
const refs = Array.from({ length: 4 }, (_, i) => Schema.decodeSync(FromString)(`${id}:${i}`))
const content = (i: number) => Uint8Array.from({ length: 300_000 + i }, (_, at) => (at * 31 + i) % 251)

/** The API, as far as links go. The first link for index 1 is dead when it is given. */
const startApi = (url: string, links: Array<string>) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly endpoint: string; readonly stop: () => void }>((resume) => {
      const server = createServer((request, response) => {
        const index = /\(index=(\d+)\)/.exec(request.url ?? "")?.[1] ?? ""
        links.push(index)
        const dead = index === "1" && links.filter((link) => link === "1").length === 1
        const expires = DateTime.addDuration(DateTime.nowUnsafe(), dead ? "-2 seconds" : "1 minute")
        response.end(JSON.stringify({ value: sas(url, index, expires) }))
      })
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        const port = typeof address === "object" && address !== null ? address.port : 0
        resume(Effect.succeed({ endpoint: `http://127.0.0.1:${port}`, stop: () => server.close() }))
      })
    }),
    ({ stop }) => Effect.sync(stop),
  ).pipe(Effect.map(({ endpoint }) => endpoint))

describe("Azurite", () => {
  it.live("serves what its signatures open, and a link that expired is made anew", () =>
    Effect.gen(function* () {
      const url = yield* startAzurite
      yield* signed(url, "PUT", container, "restype=container", new Uint8Array(), "")
      for (const ref of refs)
        yield* signed(url, "PUT", `${container}/${ref.index}`, "", content(ref.index), "BlockBlob")

      const links: Array<string> = []
      const endpoint = yield* startApi(url, links)
      const fs = yield* FileSystem.FileSystem
      const directory = yield* fs.makeTempDirectoryScoped()
      const layer = NodeLiveResponse.layer({ directory, endpoint }).pipe(
        Layer.provide(Credential.layerToken(Redacted.make("t"))),
      )
      const events = yield* LiveResponse.use((live) => Stream.runCollect(live.saveAll(Stream.fromIterable(refs)))).pipe(
        Effect.provide(layer),
      )
      assert.deepInclude(events.at(-1), { event: "summary", completed: 4, failed: 0, links: 5 })
      assert.deepStrictEqual(links.toSorted(), ["0", "1", "1", "2", "3"])
      for (const ref of refs) {
        const bytes = yield* fs.readFile(join(directory, id, `${ref.index}.bin`))
        assert.deepStrictEqual(Buffer.compare(bytes, content(ref.index)), 0)
      }
      const refused = events.flatMap((event) => (event.event === "retrying" ? [event.error] : []))
      assert.deepInclude(refused[0], { _tag: "TransferError" })
      assert.match(refused[0]?.message ?? "", /HTTP 403/)
    }).pipe(Effect.scoped, Effect.provide([NodeFileSystem.layer, NodeTransport.layer])),
  )
})
