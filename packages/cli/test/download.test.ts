/**
 * The main job, end to end, as a user has it: the real command line, real HTTP, real files, and a server that is not the
 * project's simulator.
 */
import { createHash } from "node:crypto"
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs"
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { patterned } from "../../core/test/support/bytes.ts"
import * as Cli from "./support/CliInProcess.ts"
import * as ReferenceServer from "./support/ReferenceServer.ts"

const id = (machine: number) => `00000000-0000-4000-8000-${String(machine).padStart(12, "0")}`

/** Sixty results of all kinds, one of them empty and one of five megabytes. */
const sixty: Record<string, ReferenceServer.Result> = Object.fromEntries(
  Array.from({ length: 60 }, (_, i) => {
    const bytes =
      i === 0
        ? new Uint8Array()
        : i === 1
          ? patterned(5_000_000, i)
          : i % 3 === 0
            ? gzipSync(patterned(100_000, i))
            : i % 3 === 1
              ? new TextEncoder().encode(
                  `{"script_name":"a.ps1","exit_code":0,"script_output":"${i}","script_errors":""}`,
                )
              : patterned(1000 * i, i)
    return [`${id(Math.floor(i / 6))}:${i % 6}`, { bytes }]
  }),
)

const filesBelow = (directory: string): ReadonlyArray<string> =>
  readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex")

interface ManifestLine {
  readonly machineActionId: string
  readonly index: number
  readonly status: string
  readonly path: string
  readonly bytes: number
  readonly sha256: string
}

const manifestOf = (directory: string): ReadonlyArray<ManifestLine> =>
  readFileSync(join(directory, "manifest.jsonl"), "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line))

/** A directory of the test's own, and a server with these options. */
const world = Effect.fnUntraced(function* (options: ReferenceServer.Options) {
  const server = yield* ReferenceServer.make(options)
  const box = yield* Cli.sandbox
  const env = { LIVE_RESPONSE_TOKEN: server.bearer, LIVE_RESPONSE_ENDPOINT: server.endpoint }
  const download = (...args: ReadonlyArray<string>) => box.run({ args: ["download", "-o", "out", ...args], env })
  return { server, box, env, out: box.path("out"), download }
})

/** Nothing that was said or left behind holds a signature or the token. */
const assertNoSecrets = (server: ReferenceServer.ReferenceServer, out: string, ...said: ReadonlyArray<Cli.Ended>) => {
  const texts = [
    ...filesBelow(out).map((file) => readFileSync(file, "latin1")),
    ...said.flatMap(({ stderr, stdout }) => [stdout, stderr]),
  ]
  for (const text of texts) {
    assert.notInclude(text, "sig=")
    assert.notInclude(text, server.bearer)
    for (const signature of server.signatures()) assert.notInclude(text, signature)
  }
}

describe("download", () => {
  it.live("downloads sixty results whole, with one link each, and a second run makes no call", () =>
    Effect.gen(function* () {
      const { box, download, env, out, server } = yield* world({ results: sixty })
      const first = yield* box.run({
        args: ["download", "-o", "out", "--from", "-", "--json"],
        env,
        stdin: Object.keys(sixty).join("\r\n"),
      })
      assert.strictEqual(first.exitCode, 0, first.stderr)

      const lines = manifestOf(out)
      assert.strictEqual(lines.length, 60)
      for (const line of lines) {
        const expected = sixty[`${line.machineActionId}:${line.index}`]?.bytes ?? new Uint8Array()
        const actual = readFileSync(join(out, line.path))
        assert.isTrue(actual.equals(expected), line.path)
        assert.strictEqual(line.sha256, sha256(expected))
        assert.strictEqual(line.bytes, expected.length)
        assert.strictEqual(line.status, "completed")
        const extension = expected[0] === 0x1f ? "gz" : expected[0] === 0x7b ? "json" : "bin"
        assert.strictEqual(line.path, `${line.machineActionId}/${line.index}.${extension}`)
      }
      assert.strictEqual(filesBelow(out).length, 61, "the results and the manifest, and nothing else")
      for (const file of filesBelow(out)) assert.strictEqual(statSync(file).mode & 0o777, 0o600, file)
      assert.strictEqual(statSync(out).mode & 0o777, 0o700)
      assert.strictEqual(statSync(join(out, id(0))).mode & 0o777, 0o700)

      assert.strictEqual(server.linkCalls().length, 60)
      for (const { headers } of server.blobCalls()) {
        assert.isUndefined(headers.authorization)
        assert.isUndefined(headers.traceparent)
        assert.isUndefined(headers.b3)
      }
      const events = first.stdout
        .trimEnd()
        .split("\n")
        .map((line): Record<string, unknown> => JSON.parse(line))
      assert.strictEqual(events.filter(({ event }) => event === "completed").length, 60)
      assert.deepInclude(events.at(-1) ?? {}, { event: "summary", completed: 60, failed: 0, links: 60 })

      const requests = server.requests.length
      const second = yield* download(...Object.keys(sixty))
      assert.strictEqual(second.exitCode, 0)
      assert.strictEqual(server.requests.length, requests, "a second run calls nobody")
      assertNoSecrets(server, out, first, second)
    }),
  )

  it.live("renews an expired link, resumes where a body broke, and waits as a 429 demands", () =>
    Effect.gen(function* () {
      const target = (i: number) => `${id(0)}:${i}`
      const results = Object.fromEntries(
        Array.from({ length: 5 }, (_, i) => [target(i), { bytes: patterned(200_000, i) }]),
      )
      const { download, out, server } = yield* world({
        results,
        onLink: ({ nth, result }) =>
          result === target(2) && nth === 1
            ? ReferenceServer.apiError(429, "429", "API calls quota exceeded!", { "retry-after": "1" })
            : undefined,
        onBlob: ({ nth, result }) => {
          if (result === target(0) && nth === 1) return { expire: true }
          if (result === target(1) && nth === 1) return { breakAfter: 50_000 }
          if (result === target(3)) return { expire: true }
          return undefined
        },
      })
      const ended = yield* download(`${id(0)}:0-4`, `${id(9)}:0`)
      assert.strictEqual(ended.exitCode, 1)

      const manifest = manifestOf(out)
      for (const i of [0, 1, 2, 4]) {
        assert.isTrue(readFileSync(join(out, id(0), `${i}.bin`)).equals(results[target(i)]?.bytes ?? new Uint8Array()))
      }
      assert.deepStrictEqual(
        manifest
          .filter(({ status }) => status === "failed")
          .map((line) => `${line.machineActionId}:${line.index}`)
          .sort(),
        [target(3), `${id(9)}:0`],
      )
      assert.isFalse(filesBelow(join(out, id(0))).some((file) => file.endsWith("3.bin")))

      assert.strictEqual(server.linkCalls(target(0)).length, 2, "one new link for a dead one")
      assert.strictEqual(server.linkCalls(target(3)).length, 2, "a 403 on a fresh link is final")
      const [, resumed] = server.blobCalls(target(1))
      assert.match(resumed?.headers.range ?? "", /^bytes=\d+-$/)
      assert.isDefined(resumed?.headers["if-match"])
      const sent = server.blobCalls(target(1)).reduce((sum, call) => sum + call.sent, 0)
      assert.isAtMost(sent, 200_000 + 50_000)
      assert.match(ended.stderr, new RegExp(`failed: link of ${id(9)}:0: not found`))
      assertNoSecrets(server, out, ended)
    }),
  )

  it.live("ends the batch at once if the token is refused, and shows no secret", () =>
    Effect.gen(function* () {
      const { box, env, out, server } = yield* world({ results: sixty })
      const args = ["download", "-o", "out", ...Object.keys(sixty)]
      const ended = yield* box.run({ args, env: { ...env, LIVE_RESPONSE_TOKEN: "a-wrong-one" } })
      assert.strictEqual(ended.exitCode, 3)
      assert.isAtMost(server.requests.length, 16)
      assert.match(ended.stderr, /^live-response: link of .*: the API refused the token/m)
      assertNoSecrets(server, out, ended)
      assert.notInclude(ended.stdout + ended.stderr, "a-wrong-one")
    }),
  )

  it.live("does not send the bearer to a redirect", () =>
    Effect.gen(function* () {
      const elsewhere = yield* ReferenceServer.make({ results: {} })
      const { download, server } = yield* world({
        results: {},
        onLink: () => ({ status: 302, headers: { location: `${elsewhere.endpoint}/api` } }),
      })
      const ended = yield* download(`${id(0)}:0`)
      assert.strictEqual(ended.exitCode, 1)
      assert.strictEqual(server.linkCalls().length, 1)
      assert.strictEqual(elsewhere.requests.length, 0)
    }),
  )

  it.live("keeps partial results when it is interrupted, and resumes there", () =>
    Effect.gen(function* () {
      const target = `${id(0)}:0`
      const bytes = patterned(3_000_000, 7)
      const { box, env, out, server } = yield* world({
        results: { [target]: { bytes } },
        onBlob: ({ nth }) => (nth === 1 ? { holdAfter: 2_000_000 } : undefined),
      })
      const args = ["download", "-o", "out", target]
      const running = yield* box.start({ args, env })
      const part = join(out, id(0), "0.part")
      yield* Cli.until(
        () => server.held() === 1 && existsSync(part) && statSync(part).size > 1_000_000,
        () => `a part of it\n${running.stderr()}`,
      )
      yield* running.signal("SIGINT")
      const interrupted = yield* running.ended
      assert.strictEqual(interrupted.exitCode, 130)
      assert.match(interrupted.stdout, /^Interrupted: /)

      const finished = yield* box.run({ args, env })
      assert.strictEqual(finished.exitCode, 0, finished.stderr)
      assert.isTrue(readFileSync(join(out, id(0), "0.bin")).equals(bytes))
      assert.match(server.blobCalls()[1]?.headers.range ?? "", /^bytes=\d{7}-$/)
      assert.isFalse(filesBelow(out).some((file) => /\.part/.test(file)))
    }),
  )
})

describe("invalid input", () => {
  const good = `${id(0)}:0`
  const token = { LIVE_RESPONSE_TOKEN: "t" }

  const cases: ReadonlyArray<{
    readonly name: string
    readonly args: ReadonlyArray<string>
    readonly env?: Record<string, string>
    readonly code: number
    readonly says: RegExp
  }> = [
    { name: "nothing to do", args: [], code: 2, says: /nothing to download/ },
    {
      name: "no target",
      args: ["foo"],
      code: 2,
      says: /"foo" is not a target; use <machine action id> or <machine action id>:<index>/,
    },
    {
      name: "a missing list",
      args: ["--from", "nowhere.txt"],
      code: 2,
      says: /can't read nowhere.txt: there is no such file/,
    },
    {
      name: "plain http to another host",
      args: [good, "--endpoint", "http://example.com"],
      env: token,
      code: 2,
      says: /--endpoint.*http:\/\/example.com.*https/,
    },
    { name: "a wrong number", args: [good, "-j", "0"], env: token, code: 2, says: /--concurrency.*1 to 256/ },
    { name: "an unknown flag", args: [good, "--bogus"], code: 2, says: /--bogus/ },
    { name: "no credential", args: [good], code: 3, says: /no credential; set LIVE_RESPONSE_TOKEN/ },
    {
      name: "a directory below a file",
      args: [good, "-o", "file/below"],
      env: token,
      code: 4,
      says: /file\/below: there is a file where a directory is needed/,
    },
    {
      name: "a directory that can't be created",
      args: [good, "-o", "/proc/nope"],
      env: token,
      code: 4,
      says: /\/proc\/nope/,
    },
  ]
  for (const { args, code, env, name, says } of cases) {
    it.live(`${name} is one line and exit code ${code}`, () =>
      Effect.gen(function* () {
        const box = yield* Cli.sandbox
        box.write("file", "")
        const ended = yield* box.run({
          args: ["download", ...args],
          env: { LIVE_RESPONSE_ENDPOINT: "http://127.0.0.1:9", ...env },
        })
        assert.strictEqual(ended.exitCode, code)
        assert.match(ended.stderr, says)
        assert.strictEqual(ended.stderr.trimEnd().split("\n").length, 1, ended.stderr)
        assert.notMatch(ended.stderr + ended.stdout, /^ {4}at /m)
        assert.deepStrictEqual(box.entries(), ["file"])
      }),
    )
  }

  it.live("reports a broken line by its number, and downloads the others", () =>
    Effect.gen(function* () {
      const { box, download, out } = yield* world({ results: sixty })
      box.write(
        "list.txt",
        `\uFEFF# a list\r\n\r\n${id(0)}:1\r\nwhat is this\r\n{"machineActionId":"${id(0).toUpperCase()}","index":2}\r\n${id(0)}:3,4\r\n`,
      )
      box.write("list.csv", `index,machineActionId\n5,"${id(0)}"\n1,${id(0)}\n`)
      const ended = yield* download("--from", "list.txt", "--from", "list.csv")
      assert.strictEqual(ended.exitCode, 1)
      assert.match(ended.stderr, /list.txt, line 4: "what is this" is not a target/)
      assert.deepStrictEqual(
        manifestOf(out)
          .map(({ index }) => index)
          .sort(),
        [1, 2, 3, 4, 5],
      )
    }),
  )
})
