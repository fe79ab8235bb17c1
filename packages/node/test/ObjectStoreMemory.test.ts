/** What uploads have in memory, in a process with a small heap, and how a very large file is divided. */
import { execFile } from "node:child_process"
import { createHash } from "node:crypto"
import { fileURLToPath } from "node:url"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { listen } from "./support/loopbackServer.ts"

const child = fileURLToPath(new URL("support/uploadProcess.ts", import.meta.url))

const Growth = Schema.fromJsonString(Schema.Struct({ megabytes: Schema.Finite }))

/** Runs the process with a heap of 64 MB. It can't have the files in memory: they have 1,200 MB. */
const run = (container: string, megabytes: number) =>
  Effect.callback<string, Error>((resume) => {
    const args = ["--max-old-space-size=64", child, container, String(megabytes)]
    execFile(process.execPath, args, (error, stdout) =>
      resume(error === null ? Effect.succeed(stdout) : Effect.fail(error)),
    )
  })

it.live("four uploads of 300 MB at once have some 100 MB in memory, and every byte arrives with its MD5", () =>
  Effect.gen(function* () {
    let received = 0
    const wrong: Array<string> = []
    // Stores nothing: a service that keeps 1.2 GB would be what is measured on a small machine.
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
    const { megabytes } = yield* Schema.decodeUnknownEffect(Growth)(yield* run(`${origin}/account/results`, 300))
    assert.isAbove(received, 1_200 * 1024 * 1024)
    assert.deepStrictEqual(wrong, [])
    assert.isBelow(megabytes, 150)
    yield* Effect.log(`the process has grown by ${megabytes} MB`)
  }).pipe(Effect.scoped),
)
