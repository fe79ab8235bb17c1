import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Cli from "./support/Cli.ts"
import * as ReferenceServer from "./support/ReferenceServer.ts"
import * as Samples from "./support/Samples.ts"

const at = (n: number) => `${Samples.action(n)}:0`
const pathOf = (n: number, extension: string) => `${Samples.action(n)}/0.${extension}`

describe("what a crash leaves behind", { concurrent: true }, () => {
  it.live("half of a large result costs the other half, and a MiB at most that was not written yet", () =>
    Effect.gen(function* () {
      const bytes = Samples.noise(64_000_000, 7)
      const half = bytes.length / 2
      const server = yield* ReferenceServer.make({
        results: { [at(0)]: { bytes } },
        onBlob: ({ nth }) => (nth === 1 ? { holdAfter: half } : undefined),
      })
      const box = yield* Cli.sandbox
      const command = Cli.download(server, at(0))
      const running = yield* box.start(command)
      yield* Cli.until(
        () => box.sizeOf(pathOf(0, "part")) > half - 2 ** 20,
        () => "half of the result on the disk",
      )
      yield* running.signal("SIGKILL")
      yield* running.ended

      const again = yield* box.run(command)
      assert.strictEqual(again.exitCode, 0, again.stderr)
      const [first, second, ...more] = server.blobCalls()
      assert.deepStrictEqual(more, [])
      assert.isAtMost(first?.sent ?? NaN, half)
      assert.isAtMost((second?.sent ?? NaN) / bytes.length, 0.52)
      assert.isTrue(box.read(`results/${pathOf(0, "bin")}`).equals(bytes))
      assert.deepStrictEqual(box.files(), [pathOf(0, "bin"), "manifest.jsonl"])
    }),
  )

  it.live("between any two steps is mended by the next run: every result whole, and listed once", () =>
    Effect.gen(function* () {
      const contents = Array.from({ length: 6 }, (_, n) => Samples.noise(50_000 + n, n))
      const results = Object.fromEntries(contents.map((bytes, n) => [at(n), { bytes }]))
      const server = yield* ReferenceServer.make({ results })
      const box = yield* Cli.sandbox
      const put = (path: string, content: string | Uint8Array) => box.write(`results/${path}`, content)
      const half = (n: number) => contents[n]?.subarray(0, 25_000) ?? new Uint8Array()
      const headOf = (n: number, etag = ReferenceServer.etagOf(contents[n] ?? new Uint8Array())) =>
        JSON.stringify({ length: 50_000 + n, etag })

      // It had its name, but was not listed yet.
      put(pathOf(0, "bin"), contents[0] ?? "")
      // What was announced of it was not written yet.
      put(pathOf(1, "part"), half(1))
      // It is longer than what was announced.
      put(pathOf(2, "part"), Buffer.concat([contents[2] ?? Buffer.alloc(0), Buffer.from("more")]))
      put(pathOf(2, "part.json"), headOf(2))
      // It was replaced in storage meanwhile.
      put(pathOf(3, "part"), half(4))
      put(pathOf(3, "part.json"), headOf(3, '"0xSTALE"'))
      // It is all there, but has no name yet.
      put(pathOf(4, "part"), contents[4] ?? "")
      put(pathOf(4, "part.json"), headOf(4))
      // Its line was being written, and so was what was announced.
      put(pathOf(5, "part"), half(5))
      put(pathOf(5, "part.json"), headOf(5).slice(0, 20))
      put("manifest.jsonl", `{"status":"completed","machineActionId":"${Samples.action(0)}","index":0,"pa`)

      const ended = yield* box.run(Cli.download(server, ...Object.keys(results)))
      assert.strictEqual(ended.exitCode, 0, ended.stderr)
      for (const [n, bytes] of contents.entries()) {
        assert.isTrue(box.read(`results/${pathOf(n, "bin")}`).equals(bytes), at(n))
      }
      assert.deepStrictEqual(box.files(), [...contents.map((_, n) => pathOf(n, "bin")), "manifest.jsonl"].sort())
      const [broken, ...lines] = box.read("results/manifest.jsonl").toString().trimEnd().split("\n")
      assert.match(broken ?? "", /"pa$/)
      const listed = Cli.ndjson(`${lines.join("\n")}\n`)
      assert.deepStrictEqual(
        listed.map(({ machineActionId, status }) => [status, machineActionId]).sort(),
        contents.map((_, n) => ["completed", Samples.action(n)]),
      )
      // What was all there was only checked.
      assert.strictEqual(server.blobCalls(at(4)).length, 0)

      const calls = server.requests.length
      const again = yield* box.run(Cli.download(server, ...Object.keys(results)))
      assert.match(again.stdout, /^0 downloaded \(0 B\), 6 were here already; 0 links/)
      assert.strictEqual(server.requests.length, calls)
    }),
  )
})
