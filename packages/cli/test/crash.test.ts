import { createHash } from "node:crypto"
import { rmSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Schema from "effect/Schema"
import * as Cli from "./support/CliInProcess.ts"
import * as ReferenceServer from "./support/ReferenceServer.ts"
import * as Samples from "./support/Samples.ts"

const Line = Schema.Struct({
  machineActionId: Schema.String,
  index: Schema.Int,
  status: Schema.String,
  path: Schema.String,
  sha256: Schema.String,
})
const decodeLine = Schema.decodeUnknownOption(Schema.fromJsonString(Line))

const manifestOf = (box: Cli.Sandbox) => box.read("results/manifest.jsonl").toString()

/** Every result is there with its bytes, once completed in the manifest; and there is nothing else. */
const assertWhole = (box: Cli.Sandbox, samples: ReadonlyArray<Samples.Sample>, ended: Cli.Ended) => {
  assert.strictEqual(ended.exitCode, 0, ended.stderr)
  assert.deepStrictEqual(box.files(), [...samples.map(({ path }) => path), "manifest.jsonl"].sort())
  for (const { bytes, path } of samples) {
    assert.isTrue(box.read(`results/${path}`).equals(bytes), `${path} has other bytes than the server's`)
  }
  const completed = manifestOf(box)
    .split("\n")
    .flatMap((line) => Option.toArray(decodeLine(line)))
    .filter(({ status }) => status === "completed")
    .map(({ path, sha256 }) => `${path} ${sha256}`)
  assert.deepStrictEqual(
    completed.sort(),
    samples.map(({ bytes, path }) => `${path} ${createHash("sha256").update(bytes).digest("hex")}`).sort(),
  )
}

const windows = [{ limit: 1000, seconds: 60 }]

const download = (
  server: ReferenceServer.ReferenceServer,
  samples: ReadonlyArray<Samples.Sample>,
  ...args: ReadonlyArray<string>
) => Cli.download(server, "--window", "1000/1 minute", ...args, ...samples.map(({ target }) => target))

describe("a batch that is killed", { concurrent: true }, () => {
  it.live("again and again has every result whole, and completed once, in the end", () =>
    Effect.gen(function* () {
      const samples = Samples.samples(60)
      let calls = 0
      const server = yield* ReferenceServer.make({
        results: Samples.resultsOf(samples),
        windows,
        // It does not get to the end before it is killed: the storage keeps it waiting.
        onBlob: ({ total }) => (total > calls + 8 ? { holdAfter: 0 } : undefined),
      })
      const box = yield* Cli.sandbox
      const command = download(server, samples, "-j", "4")
      for (let kills = 0; kills < 6; kills++) {
        calls = server.blobCalls().length + (yield* Random.nextIntBetween(2, 8))
        const running = yield* box.start(command)
        yield* Cli.until(
          () => server.blobCalls().length >= calls,
          () => `request ${calls} to the storage\n${running.stderr()}`,
        )
        yield* Effect.sleep(yield* Random.nextIntBetween(0, 30))
        yield* running.signal("SIGKILL")
        const { exitCode } = yield* running.ended
        assert.isNull(exitCode, "it ended before it was killed")
      }
      calls = Infinity
      assertWhole(box, samples, yield* box.run(command))
    }).pipe(Random.withSeed("crash")),
  )

  it.live("in the middle of a result resumes there: the other half costs at most 0.52 of its bytes", () =>
    Effect.gen(function* () {
      const size = 8_000_000
      const [id, bytes] = [Samples.action(0), Samples.noise(size, 3)]
      const samples = [{ target: `${id}:0`, path: `${id}/0.bin`, bytes }]
      const server = yield* ReferenceServer.make({
        results: Samples.resultsOf(samples),
        onBlob: ({ nth }) => (nth === 1 ? { holdAfter: size / 2 } : undefined),
      })
      const box = yield* Cli.sandbox
      const command = download(server, samples)
      const running = yield* box.start(command)
      yield* Cli.until(
        () => box.flushed(`${id}/0.part`) > size * 0.49,
        () => `half of it on the disk for good, not ${box.flushed(`${id}/0.part`)} bytes\n${running.stderr()}`,
      )
      yield* running.signal("SIGKILL")
      yield* running.ended
      assertWhole(box, samples, yield* box.run(command))
      const sent = server.blobCalls().map((call) => call.sent)
      assert.strictEqual(sent[0], size / 2)
      assert.isAtMost(sent.slice(1).reduce((a, b) => a + b, 0) / size, 0.52)
    }),
  )
})

const [one, two, last] = ["one", "two", "last"].map((name, n): Samples.Sample => {
  const bytes = Buffer.concat([Buffer.from(`MZ ${name}`), Samples.noise(50_000, n)])
  return { target: `${Samples.action(n)}:0`, path: `${Samples.action(n)}/0.bin`, bytes }
})

interface State {
  readonly name: string
  /** What is left of the last one instead of its file and its line. */
  readonly leave: (box: Cli.Sandbox, sample: Samples.Sample) => void
  /** How the storage answered when it was asked again. */
  readonly statuses: ReadonlyArray<number>
  /** How many bytes it sent. */
  readonly sent: number
}

const length = 50_000 + "MZ last".length

const partOf = ({ path }: Samples.Sample) => `results/${path.replace(/bin$/, "part")}`

/** No file, no line; bytes that wait for more, all of them flushed, and what was announced of them. */
const leavePart = (box: Cli.Sandbox, sample: Samples.Sample, bytes: Uint8Array, head?: Record<string, unknown>) => {
  rmSync(box.path(`results/${sample.path}`))
  box.write("results/manifest.jsonl", withoutLastLine(manifestOf(box)))
  box.write(partOf(sample), bytes)
  if (head !== undefined) box.write(`${partOf(sample)}.json`, JSON.stringify({ durable: bytes.length, ...head }))
}

const withoutLastLine = (text: string) => text.slice(0, text.lastIndexOf("\n", text.length - 2) + 1)

const states: ReadonlyArray<State> = [
  {
    name: "a result under its name, and no line of it",
    leave: (box) => box.write("results/manifest.jsonl", withoutLastLine(manifestOf(box))),
    statuses: [200],
    sent: length,
  },
  {
    name: "a result under its name, and half a line of it",
    leave: (box) => box.write("results/manifest.jsonl", manifestOf(box).slice(0, -100)),
    statuses: [200],
    sent: length,
  },
  {
    name: "a result under its name, no line of it, and the head of its part",
    leave: (box, sample) => {
      box.write("results/manifest.jsonl", withoutLastLine(manifestOf(box)))
      box.write(`${partOf(sample)}.json`, JSON.stringify({ length, etag: ReferenceServer.etagOf(sample.bytes) }))
    },
    statuses: [200],
    sent: length,
  },
  {
    name: "a part without its head",
    leave: (box, sample) => leavePart(box, sample, sample.bytes.subarray(0, 20_000)),
    statuses: [200],
    sent: length,
  },
  {
    name: "a part with half a head",
    leave: (box, sample) => {
      leavePart(box, sample, sample.bytes.subarray(0, 20_000))
      box.write(`${partOf(sample)}.json`, `{"length":500`)
    },
    statuses: [200],
    sent: length,
  },
  {
    name: "a part that is longer than was announced",
    leave: (box, sample) =>
      leavePart(box, sample, Buffer.concat([sample.bytes, Samples.noise(10)]), {
        length,
        etag: ReferenceServer.etagOf(sample.bytes),
      }),
    statuses: [200],
    sent: length,
  },
  {
    name: "a part of other content, whose ETag the storage does not know any more",
    leave: (box, sample) =>
      leavePart(box, sample, Samples.noise(20_000, 99), { length: 40_000, etag: `"0x8DBFF1C2A77E3F0"` }),
    statuses: [412, 200],
    sent: length,
  },
  {
    name: "a part that is good",
    leave: (box, sample) =>
      leavePart(box, sample, sample.bytes.subarray(0, 20_000), { length, etag: ReferenceServer.etagOf(sample.bytes) }),
    statuses: [206],
    sent: length - 20_000,
  },
  {
    name: "a part with bytes behind those that were flushed",
    leave: (box, sample) =>
      leavePart(box, sample, Buffer.concat([sample.bytes.subarray(0, 20_000), Buffer.alloc(10_000)]), {
        durable: 20_000,
        length,
        etag: ReferenceServer.etagOf(sample.bytes),
      }),
    statuses: [206],
    sent: length - 20_000,
  },
  {
    name: "a part of an earlier version, which did not flush",
    leave: (box, sample) =>
      leavePart(box, sample, sample.bytes.subarray(0, 20_000), {
        durable: undefined,
        length,
        etag: ReferenceServer.etagOf(sample.bytes),
      }),
    statuses: [200],
    sent: length,
  },
  {
    name: "a part that is whole and lacks its name",
    leave: (box, sample) =>
      leavePart(box, sample, sample.bytes, { length, etag: ReferenceServer.etagOf(sample.bytes) }),
    statuses: [],
    sent: 0,
  },
]

describe("the state after a crash", { concurrent: true }, () => {
  it.live.each(states)("is repaired by the next run: $name", ({ leave, sent, statuses }) =>
    Effect.gen(function* () {
      if (one === undefined || two === undefined || last === undefined) return assert.fail("three samples")
      const samples = [one, two, last]
      const server = yield* ReferenceServer.make({ results: Samples.resultsOf(samples) })
      const box = yield* Cli.sandbox
      const command = download(server, samples, "-j", "1")
      const first = yield* box.run(command)
      assert.strictEqual(first.exitCode, 0, first.stderr)
      leave(box, last)
      box.write("results/.lock", "")
      assertWhole(box, samples, yield* box.run(command))
      const again = server.blobCalls().slice(samples.length)
      assert.deepStrictEqual(
        again.map(({ result, status }) => ({ result, status })),
        statuses.map((status) => ({ result: last.target, status })),
      )
      assert.strictEqual(
        again.reduce((sum, call) => sum + call.sent, 0),
        sent,
      )
    }),
  )
})
