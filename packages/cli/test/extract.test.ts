import { rmSync } from "node:fs"
import { gzipSync } from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Cli from "./support/CliInProcess.ts"
import * as ReferenceServer from "./support/ReferenceServer.ts"
import * as Samples from "./support/Samples.ts"

const at = (n: number) => `${Samples.action(n)}:0`
const pathOf = (n: number, extension: string) => `${Samples.action(n)}/0.${extension}`

const noise = Samples.noise(300_000, 1)
/** With a name in its header that leads out of the directory. */
const escaping = (() => {
  const packed = gzipSync(noise)
  const name = Buffer.from("../../../escaped.txt\0")
  packed[3] = 0x08
  return Buffer.concat([packed.subarray(0, 10), name, packed.subarray(10)])
})()
const bomb = gzipSync(Buffer.alloc(120_000_000))
const damaged = gzipSync(noise).subarray(0, 1000)
const script = Samples.script(4)

const results = {
  [at(0)]: { bytes: gzipSync(noise) },
  [at(1)]: { bytes: escaping },
  [at(2)]: { bytes: bomb },
  [at(3)]: { bytes: damaged },
  [at(4)]: { bytes: script },
}

describe("--extract", { concurrent: true }, () => {
  it.live("unpacks gzip beside the original file, under a name of its own", () =>
    Effect.gen(function* () {
      const server = yield* ReferenceServer.make({ results })
      const box = yield* Cli.sandbox
      const ended = yield* box.run(Cli.download(server, "--extract", at(0), at(1), at(4)))
      assert.deepStrictEqual([ended.exitCode, ended.stderr], [0, ""])
      assert.deepStrictEqual(
        box.files(),
        [
          pathOf(0, "gz"),
          pathOf(0, "unpacked"),
          pathOf(1, "gz"),
          pathOf(1, "unpacked"),
          pathOf(4, "json"),
          "manifest.jsonl",
        ].sort(),
      )
      for (const n of [0, 1]) {
        assert.isTrue(box.read(`results/${pathOf(n, "unpacked")}`).equals(noise))
        assert.strictEqual(box.mode(`results/${pathOf(n, "unpacked")}`), 0o600)
      }
      assert.isTrue(box.read(`results/${pathOf(1, "gz")}`).equals(escaping))
      assert.deepStrictEqual(box.entries(), ["results"])
    }),
  )

  it.live("reports a bomb and a damaged file without unpacking them, and keeps both unchanged", () =>
    Effect.gen(function* () {
      const server = yield* ReferenceServer.make({ results })
      const box = yield* Cli.sandbox
      const ended = yield* box.run(Cli.download(server, "--extract", "--json", at(0), at(2), at(3)))
      assert.strictEqual(ended.exitCode, 1)
      const lines = ended.stderr.trimEnd().split("\n").toSorted()
      assert.strictEqual(lines.length, 2, ended.stderr)
      assert.match(lines[0] ?? "", /0000000002\/0\.gz: not unpacked: more than 200 times .* bomb/)
      assert.match(lines[1] ?? "", /0000000003\/0\.gz: not unpacked: the file is damaged/)
      const events = Cli.ndjson(ended.stdout)
      assert.deepInclude(events.at(-1), { event: "summary", completed: 3, failed: 0 })
      const named = (name: string) => events.filter(({ event }) => event === name)
      assert.deepInclude(named("extracted")[0], { path: pathOf(0, "unpacked"), bytes: noise.length })
      assert.strictEqual(named("notExtracted").length, 2)
      for (const [n, bytes] of [[2, bomb] as const, [3, damaged] as const]) {
        assert.isTrue(box.read(`results/${pathOf(n, "gz")}`).equals(bytes))
      }
      assert.deepStrictEqual(
        box.files().filter((path) => /unpacked|part/.test(path)),
        [pathOf(0, "unpacked")],
      )
    }),
  )

  it.live("has a limit that the user sets", () =>
    Effect.gen(function* () {
      const server = yield* ReferenceServer.make({ results })
      const box = yield* Cli.sandbox
      const ended = yield* box.run(Cli.download(server, "--extract", "--max-extract", "100 kB", at(0)))
      assert.strictEqual(ended.exitCode, 1)
      assert.match(ended.stderr, /not unpacked: more than 100000 bytes/)
      assert.match(ended.stdout, /^1 downloaded .*, 1 not unpacked;/)
      const wrong = yield* box.run(Cli.download(server, "--extract", "--max-extract", "much", at(0)))
      assert.strictEqual(wrong.exitCode, 2)
      assert.match(wrong.stderr, /^live-response: [^\n]*--max-extract[^\n]*\n$/)
    }),
  )

  it.live("unpacks files of an earlier run too, once", () =>
    Effect.gen(function* () {
      const server = yield* ReferenceServer.make({ results })
      const box = yield* Cli.sandbox
      yield* box.run(Cli.download(server, at(0)))
      const calls = server.requests.length
      const events = Effect.map(box.run(Cli.download(server, "--extract", "--json", at(0))), ({ stdout }) =>
        Cli.ndjson(stdout).map(({ event }) => event),
      )
      assert.deepStrictEqual(yield* events, ["skipped", "extracted", "summary"])
      assert.deepStrictEqual(yield* events, ["skipped", "summary"])
      assert.strictEqual(server.requests.length, calls)
    }),
  )

  it.live("keeps nothing unpacked of a content that was replaced", () =>
    Effect.gen(function* () {
      const of = (bytes: Uint8Array) => ReferenceServer.make({ results: { [at(0)]: { bytes } } })
      const box = yield* Cli.sandbox
      yield* box.run(Cli.download(yield* of(gzipSync(noise)), "--extract", at(0)))
      rmSync(box.path(`results/${pathOf(0, "gz")}`))
      yield* box.run(Cli.download(yield* of(gzipSync("other content")), "--extract", at(0)))
      assert.strictEqual(String(box.read(`results/${pathOf(0, "unpacked")}`)), "other content")
      rmSync(box.path(`results/${pathOf(0, "gz")}`))
      yield* box.run(Cli.download(yield* of(script), at(0)))
      assert.deepStrictEqual(box.files(), [pathOf(0, "json"), "manifest.jsonl"])
    }),
  )
})

describe("--strict", { concurrent: true }, () => {
  it.live("stops at the first broken line, with its number and exit code 2", () =>
    Effect.gen(function* () {
      const server = yield* ReferenceServer.make({ results })
      const box = yield* Cli.sandbox
      box.write("list.txt", `# today\n${at(0)}\nnonsense\n${at(4)}\n`)
      const ended = yield* box.run(Cli.download(server, "--strict", "-j", "1", "--from", "list.txt"))
      assert.strictEqual(ended.exitCode, 2)
      assert.match(ended.stderr, /^live-response: list\.txt, line 3: "nonsense" is not a target; [^\n]*\n$/)
      assert.isAtMost(server.linkCalls().length, 1)
    }),
  )
})
