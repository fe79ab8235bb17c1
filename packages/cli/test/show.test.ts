/**
 * `show` and `link`: one result, to look at or to fetch in another way.
 */
import { gzipSync } from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpClient from "effect/http/HttpClient"
import * as Schema from "effect/Schema"
import * as Cli from "./support/CliInProcess.ts"
import * as ReferenceServer from "./support/ReferenceServer.ts"
import * as Samples from "./support/Samples.ts"

const id = Samples.action(0)
const target = (index: number) => `${id}:${index}`

const scriptBytes = (fields: Readonly<Record<string, unknown>> = {}) =>
  Buffer.from(
    JSON.stringify({
      script_name: "a.ps1",
      exit_code: 0,
      script_output: "all is well\r\n",
      script_errors: "",
      ...fields,
    }),
  )

/** Everything that controls a terminal: escapes, C1, bidi marks, bells, line separators. */
const hostile = "\u001b[2J\u009b31m\u202Ered\u0007\u2028\u200F\u0000\u007f"

const hostileOutput = `one\r\n\ttwo ${hostile}\rthree\nÄ😀 four`

const server = (results: Readonly<Record<string, Uint8Array>>, options?: Partial<ReferenceServer.Options>) =>
  ReferenceServer.make({
    ...options,
    results: Object.fromEntries(Object.entries(results).map(([name, bytes]) => [name, { bytes }])),
  })

const environment = ({ bearer, endpoint }: ReferenceServer.ReferenceServer) => ({
  LIVE_RESPONSE_TOKEN: bearer,
  LIVE_RESPONSE_ENDPOINT: endpoint,
})

const isUnsafe = (text: string) => /[^\P{Cc}\t\n]|[\p{Cf}\u2028\u2029]/u.test(text)

/** Any text, with more control characters than chance has. The library removes NULs. */
const anyText = Arbitrary.array(
  Arbitrary.schema(
    Schema.Union([
      Schema.String,
      Schema.Literals(["\r", "\n", "\r\n", "\t", "\u001b[0m", "\u009b", "\u202E", "\u2028", "a", "😀"]),
    ]),
  ),
  { minLength: 1, maxLength: 12 },
).pipe(Arbitrary.map((pieces) => pieces.join("").replaceAll("\u0000", "")))

/** What is left of a text where everything is left out that may be changed. */
const unchanged = (text: string) =>
  text
    .toWellFormed()
    .replaceAll("\r\n", "\n")
    .replaceAll(/[^\P{Cc}\t\n]|[\p{Cf}\u2028\u2029\uFFFD ]/gu, "")

const oneLine = /^[^\n]+\n$/

describe("show", { concurrent: true }, () => {
  it.live("prints the output from the API, safe for a terminal, and stores nothing", () =>
    Effect.gen(function* () {
      const api = yield* server({
        [target(0)]: scriptBytes({ exit_code: -4, script_output: hostileOutput, script_errors: "no\nway" }),
      })
      const box = yield* Cli.sandbox
      const { exitCode, stderr, stdout } = yield* box.run({ args: ["show", target(0)], env: environment(api) })
      assert.strictEqual(exitCode, 0)
      const unseen = "\uFFFD"
      assert.strictEqual(stdout, `one\n\ttwo ${unseen}[2J${unseen}31m${unseen}red${unseen.repeat(4)} three\nÄ😀 four\n`)
      assert.deepStrictEqual(stderr.split("\n"), [
        "live-response: the script's exit code is -4",
        `live-response: the script has errors too, 6 characters; show them with live-response show ${target(0)} --errors`,
        "",
      ])
      assert.deepStrictEqual(box.entries(), [])
      Cli.assertNoSecrets({ ...box, out: box.root }, api, { stdout, stderr })
    }),
  )

  it.live("prints the errors, everything as JSON, and the bytes unchanged", () =>
    Effect.gen(function* () {
      const bytes = scriptBytes({ script_output: hostileOutput, script_errors: `no ${hostile}\r\n` })
      const api = yield* server({ [target(3)]: bytes })
      const box = yield* Cli.sandbox
      const show = (...flags: ReadonlyArray<string>): Cli.Command => ({
        args: ["show", target(3), ...flags],
        env: environment(api),
      })
      const errors = yield* box.run(show("--errors"))
      assert.match(errors.stdout, /^no [^\n]+\n$/)
      assert.isFalse(isUnsafe(errors.stdout))
      assert.strictEqual(errors.stderr, "")

      const json = yield* box.run(show("--json"))
      assert.isFalse(isUnsafe(json.stdout))
      assert.deepStrictEqual(Cli.ndjson(json.stdout), [
        {
          scriptName: "a.ps1",
          exitCode: 0,
          output: hostileOutput.replace("\u0000", ""),
          errors: `no ${hostile}\r\n`.replace("\u0000", ""),
          machineActionId: id,
          index: 3,
        },
      ])

      const raw = yield* box.run(Cli.inPipe(show("--raw"), "cat > raw"))
      assert.strictEqual(raw.stderr, "")
      assert.isTrue(box.read("raw").equals(bytes))
      assert.strictEqual((yield* box.run(show("--raw", "--json"))).exitCode, 2)
    }),
  )

  it.live("removes control characters from any text, and nothing else", () =>
    Effect.gen(function* () {
      const texts = yield* Arbitrary.sampleEffect(anyText, { count: 2000 })
      const lines = "a\r\n".repeat(200_000)
      const output = `${lines}${texts.join("\n")}.`
      const api = yield* server({ [target(0)]: scriptBytes({ script_output: output }) })
      const box = yield* Cli.sandbox
      const { stdout } = yield* box.run({ args: ["show", target(0)], env: environment(api) })
      assert.isFalse(isUnsafe(stdout))
      // Wherever the pieces are cut in which it comes.
      assert.isTrue(stdout.startsWith("a\n".repeat(200_000)))
      assert.strictEqual(unchanged(stdout), unchanged(`${output}\n`))
    }),
  )

  it.live("reads the result from disk without sign-in or lock: a download may be in progress", () =>
    Effect.gen(function* () {
      const held = target(1)
      const api = yield* server(
        { [target(0)]: scriptBytes(), [held]: Samples.noise(100_000), [target(2)]: gzipSync(Samples.noise(10_000)) },
        { onBlob: ({ result }) => (result === held ? { holdAfter: 1000 } : undefined) },
      )
      const box = yield* Cli.sandbox
      yield* box.run(Cli.download(api, target(0), target(2)))
      const download = yield* box.start(Cli.download(api, held))
      yield* Cli.until(
        () => api.held() === 1,
        () => "the download to start",
      )
      const calls = api.requests.length

      const shown = yield* box.run({ args: ["show", target(0).toUpperCase(), "--out", "results"] })
      assert.deepStrictEqual(shown, { exitCode: 0, stdout: "all is well\n", stderr: "" })
      const raw = yield* box.run(
        Cli.inPipe({ args: ["show", target(2), "--raw"], env: { LIVE_RESPONSE_OUT: "results" } }, "cat > raw"),
      )
      assert.strictEqual(raw.stderr, "")
      assert.isTrue(box.read("raw").equals(gzipSync(Samples.noise(10_000))))
      const collected = yield* box.run({ args: ["show", target(2), "--out", "results"] })
      assert.strictEqual(
        collected.stderr,
        `live-response: ${target(2)}: not a script's result but a collected file (gzip, 10.0 kB); it is in results/${id}/2.gz\n`,
      )
      assert.strictEqual(collected.exitCode, 1)
      assert.strictEqual(api.requests.length, calls)
      assert.deepStrictEqual(
        box.files().filter((file) => !file.includes(".part")),
        [".lock", `${id}/0.json`, `${id}/2.gz`, "manifest.jsonl"],
      )

      api.release()
      assert.strictEqual((yield* download.ended).exitCode, 0)
    }),
  )

  it.live("asks the API if the file is missing, or has another size than in the manifest", () =>
    Effect.gen(function* () {
      const api = yield* server({ [target(0)]: scriptBytes() })
      const box = yield* Cli.sandbox
      yield* box.run(Cli.download(api, target(0)))
      box.write(`results/${id}/0.json`, scriptBytes({ script_output: "cut" }))
      const { stdout } = yield* box.run({ args: ["show", target(0), "--out", "results"], env: environment(api) })
      assert.strictEqual(stdout, "all is well\n")
      assert.strictEqual(api.linkCalls().length, 2)
    }),
  )

  it.live.each([
    {
      what: "gzip",
      bytes: gzipSync("a"),
      says: /not a script's result but a collected file \(gzip\); download it with /,
    },
    { what: "nothing", bytes: new Uint8Array(), says: /another file \(neither JSON nor gzip\); download it with / },
    {
      what: "other JSON",
      bytes: Buffer.from('{"a":1}'),
      says: /JSON that is not a script's result \(exit_code is missing\)/,
    },
    { what: "half of one", bytes: scriptBytes().subarray(0, 60), says: /JSON that is not a script's result \(/ },
  ])("says what the result is if it is not a script's: $what", ({ bytes, says }) =>
    Effect.gen(function* () {
      const api = yield* server({ [target(0)]: bytes })
      const box = yield* Cli.sandbox
      for (const flags of [[], ["--errors"], ["--json"]]) {
        const { exitCode, stderr } = yield* box.run({ args: ["show", target(0), ...flags], env: environment(api) })
        assert.match(stderr, oneLine)
        assert.match(stderr, says)
        assert.include(stderr, `live-response download ${target(0)}, or use --raw > FILE`)
        assert.strictEqual(exitCode, 1)
      }
    }),
  )

  it.live("reports an unknown result and an invalid one in one line", () =>
    Effect.gen(function* () {
      const api = yield* server({})
      const box = yield* Cli.sandbox
      const unknown = yield* box.run({ args: ["show", target(7)], env: environment(api) })
      assert.match(unknown.stderr, oneLine)
      assert.include(unknown.stderr, `link of ${target(7)}: not found`)
      assert.deepStrictEqual([unknown.exitCode, unknown.stdout], [1, ""])
      for (const wrong of [[], [id], [`${id}:0-3`], [`${id}:0,1`], ["x:0"], [target(0), target(1)]]) {
        const { exitCode, stderr } = yield* box.run({ args: ["show", ...wrong], env: environment(api) })
        assert.match(stderr, oneLine)
        assert.strictEqual(exitCode, 2)
      }
      assert.strictEqual(api.requests.length, 1)
    }),
  )

  it.live("shows a result that is larger than its memory, and ends silently if its reader stops", () =>
    Effect.gen(function* () {
      const line = `${"x".repeat(98)}\r\n`
      const bytes = scriptBytes({ script_output: line.repeat(450_000), script_errors: "late" })
      const api = yield* server({ [target(0)]: bytes })
      const box = yield* Cli.sandbox
      const show: Cli.Command = {
        args: ["show", target(0)],
        env: { ...environment(api), NODE_OPTIONS: "--max-old-space-size=64" },
      }
      const all = yield* box.run(Cli.inPipe(show, "wc -c"))
      assert.strictEqual(Number(all.stdout), 99 * 450_000, all.stderr)
      assert.include(all.stderr, "4 characters")
      const json = yield* box.run({ ...show, args: [...show.args, "--json"], env: environment(api) })
      assert.match(json.stderr, /^live-response: [^\n]* too many for one JSON object; [^\n]*\n$/)
      assert.deepStrictEqual([json.exitCode, json.stdout], [1, ""])
      const first = yield* box.run({ ...Cli.inPipe(show, "head -1"), env: { ...environment(api) } })
      assert.deepStrictEqual(first, { exitCode: 0, stdout: `${"x".repeat(98)}\n`, stderr: "" })
    }),
  )

  it.live("prints no control characters to a terminal, and refuses raw bytes", () =>
    Effect.gen(function* () {
      const api = yield* server({ [target(0)]: scriptBytes({ script_output: hostileOutput }) })
      const box = yield* Cli.sandbox
      const show = (...flags: ReadonlyArray<string>) =>
        Effect.flatMap(
          box.onTerminal({ args: ["show", target(0), ...flags], env: environment(api) }, { columns: 200 }),
          ({ ended }) => ended,
        )
      const refused = yield* show("--raw")
      assert.match(
        refused.output,
        /^live-response: --raw could print control characters to the terminal[^\n]*> FILE[^\n]*\n$/,
      )
      assert.strictEqual(refused.exitCode, 2)
      assert.strictEqual(api.requests.length, 0)

      const { exitCode, output } = yield* show()
      assert.strictEqual(exitCode, 0)
      // The terminal's own line ends are CRLF.
      assert.isFalse(isUnsafe(output.replaceAll("\r\n", "\n")), JSON.stringify(output))
      assert.match(output, /^one\r\n\ttwo .*\r\n.* four\r\n$/u)
    }).pipe(Effect.scoped),
  )
})

describe("link", { concurrent: true }, () => {
  it.live("prints only the link on stdout, and on stderr that it is a secret, and until when", () =>
    Effect.gen(function* () {
      const api = yield* server({ [target(0)]: scriptBytes() })
      const box = yield* Cli.sandbox
      const { exitCode, stderr, stdout } = yield* box.run({ args: ["link", target(0)], env: environment(api) })
      assert.strictEqual(exitCode, 0, stderr)
      assert.match(stdout, oneLine)
      const { body, status } = yield* fetched(stdout.trimEnd())
      assert.strictEqual(status, 200)
      assert.strictEqual(body, scriptBytes().toString())
      assert.match(
        stderr,
        /^live-response: this link is a secret: anybody who has it can read the result, until \d\d:\d\d:\d\d UTC \(in (29|30) min\); keep it out of tickets, chats and logs\n$/,
      )
      assert.deepStrictEqual(box.entries(), [])
      Cli.assertNoSecrets({ ...box, out: box.root }, api, { stdout: "", stderr })
    }),
  )

  it.live("prints one object with --json", () =>
    Effect.gen(function* () {
      const api = yield* server({ [target(2)]: scriptBytes() })
      const box = yield* Cli.sandbox
      const { stdout } = yield* box.run({ args: ["link", target(2), "--json"], env: environment(api) })
      const [report] = Cli.ndjson(stdout)
      assert.deepStrictEqual(Object.keys(report ?? {}), ["link", "expires", "machineActionId", "index"])
      assert.deepInclude(report, { machineActionId: id, index: 2 })
      assert.strictEqual((yield* fetched(String(report?.link))).status, 200)
      const now = yield* Clock.currentTimeMillis
      const expires = DateTime.toEpochMillis(DateTime.makeUnsafe(String(report?.expires)))
      assert.isTrue(expires > now + 1_700_000 && expires <= now + 1_800_000)
    }),
  )

  it.live("reports an unknown result, a missing permission, and waits", () =>
    Effect.gen(function* () {
      const api = yield* server({ [target(0)]: scriptBytes() })
      const box = yield* Cli.sandbox
      const env = environment(api)
      const unknown = yield* box.run({ args: ["link", target(1)], env })
      assert.match(unknown.stderr, oneLine)
      assert.deepStrictEqual([unknown.exitCode, unknown.stdout], [1, ""])
      const stranger = yield* box.run({ args: ["link", target(0)], env: { ...env, LIVE_RESPONSE_TOKEN: "other" } })
      assert.match(stranger.stderr, oneLine)
      assert.deepStrictEqual([stranger.exitCode, stranger.stdout], [3, ""])

      const few = { args: ["link", target(0)], env: { ...env, LIVE_RESPONSE_WINDOWS: "1/12 seconds" } }
      yield* box.run(few)
      const second = yield* box.run(few)
      assert.match(
        second.stderr,
        /^waiting for the quota until \d\d:\d\d:\d\d UTC \(in \d+ s\)\nlive-response: this link/,
      )
      assert.strictEqual(second.exitCode, 0)
    }),
  )
})

/** What another program has of a link. */
const fetched = (link: string) =>
  HttpClient.get(link).pipe(
    Effect.flatMap(({ status, text }) => Effect.map(text, (body) => ({ status, body }))),
    Effect.provide(FetchHttpClient.layer),
  )
