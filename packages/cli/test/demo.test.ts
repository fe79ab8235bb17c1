import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpBody from "effect/http/HttpBody"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Cli from "./support/Cli.ts"

describe("demo and simulate", { concurrent: true }, () => {
  it.live.runIf(process.platform !== "win32")("demo says what to do where it can't write a temporary file", () =>
    Effect.gen(function* () {
      const box = yield* Cli.sandbox
      const TMPDIR = join(box.path(box.write("a.txt", "")), "b")
      const ended = yield* box.run({ args: ["demo", "--run"], env: { TMPDIR } })
      assert.strictEqual(ended.exitCode, 4, ended.stderr)
      assert.match(
        ended.stderr,
        /: can't write a temporary file \(a part of its path is not a directory\); set TMPDIR [^\n]+\n$/,
      )
    }),
  )

  it.live("demo downloads a batch with every fault, and nothing twice", () =>
    Effect.gen(function* () {
      const box = yield* Cli.sandbox
      const first = yield* box.run({ args: ["demo", "--out", "results"] })
      assert.strictEqual(first.exitCode, 0, first.stderr)
      assert.match(first.stdout, /\n60 downloaded \(\d+\.\d MB\), 1 failed; 61 links in \d+ (s|min)\.\n/)
      assert.notInclude(first.stdout + first.stderr, "    at ")

      const files = box.files()
      const entries = Cli.ndjson(box.read("results/manifest.jsonl").toString())
      const completed = entries.filter(({ status }) => status === "completed")
      assert.strictEqual(completed.length, 60)
      assert.deepStrictEqual(files, [...completed.map(({ path }) => String(path)), "manifest.jsonl"].sort())
      for (const { bytes, path } of completed) assert.strictEqual(box.sizeOf(String(path)), bytes)
      assert.isTrue(
        completed.some(({ links }) => links === 2),
        "no link had expired on arrival",
      )
      assert.isTrue(
        completed.some(({ attempts }) => attempts === 3),
        "no body broke twice",
      )
      assert.deepStrictEqual(entries.filter(({ status }) => status === "failed").length, 1)

      const again = yield* box.run({ args: ["demo", "--out", "results"] })
      assert.strictEqual(again.exitCode, 0, again.stderr)
      assert.match(again.stdout, /\n0 downloaded \(0 B\), 60 already present, 1 failed; 0 links /)
      assert.deepStrictEqual(box.files(), files)
    }),
  )

  it.live("demo --run runs a script on machines of all kinds, and downloads its results", () =>
    Effect.gen(function* () {
      const box = yield* Cli.sandbox
      const ended = yield* box.run({ args: ["demo", "--run", "--out", "results"] })
      assert.strictEqual(ended.exitCode, 0, ended.stderr)
      assert.match(ended.stdout, /\n7 sessions succeeded, 1 failed; 2 machines without a session in \d+ (s|min)\.\n/)
      assert.match(ended.stdout, /\n15 downloaded /)
      assert.match(ended.stderr, /another session is in progress on the machine/)
      assert.match(ended.stderr, /live response needs machines with Windows 11;/)
      const [table] = /@live-response\/cli results \S+/.exec(ended.stdout) ?? []
      const results = yield* box.run({ args: table?.split(" ").slice(1) ?? [] })
      assert.match(results.stdout, /^8 script results, one row each,/)
    }),
  )

  it.live("simulate serves what its output says, and ends with Ctrl-C", () =>
    Effect.gen(function* () {
      const box = yield* Cli.sandbox
      const simulator = yield* box.start({ args: ["simulate", "--results", "7"] })
      yield* Cli.until(
        () => simulator.stdout().includes("Press Ctrl-C to stop it."),
        () => `what to do\n${simulator.stdout()}\n${simulator.stderr()}`,
      )
      const commands = simulator
        .stdout()
        .split("\n")
        .filter((line) => /^ {2}\S/.test(line))
        .map((line) => line.trim())
      assert.strictEqual(commands.length, 5)
      assert.match(commands[0] ?? "", /^export /)
      assert.match(commands[1] ?? "", /^npx @live-response\/cli download /)

      // What curl sends, by the address, the header and the body in its arguments.
      const send = (command: string, method: "GET" | "POST") => {
        const [, name = "", value = ""] = /-H "([^:]+): ([^"]+)"/.exec(command) ?? []
        const [, body] = /-d '([^']+)'/.exec(command) ?? []
        const url = (/http:[^"]+/.exec(command)?.[0] ?? "").replace("\\$", "$")
        const request = HttpClientRequest.make(method)(url, {
          headers: { [name]: value },
          ...(body === undefined ? {} : { body: HttpBody.text(body, value) }),
        })
        return Effect.flatMap(HttpClient.execute(request), ({ text }) => text).pipe(
          Effect.provide(FetchHttpClient.layer),
        )
      }
      assert.include(yield* send(commands[3] ?? "", "GET"), `"type":"LiveResponse"`)
      assert.include(yield* send(commands[4] ?? "", "POST"), `"blob":[{"fault":"expire"}]`)

      // In the checkout, as its reader is; the results go where the environment says.
      const typed = yield* box.run({
        program: "bash",
        args: ["-c", commands.slice(0, 2).join("\n")],
        cwd: Cli.repository,
        env: { LIVE_RESPONSE_OUT: box.out, npm_config_update_notifier: "false", npm_config_offline: "true" },
      })
      // One of the two targets is the one that does not exist.
      assert.strictEqual(typed.exitCode, 1, typed.stderr)
      // The fault made one link expire, so there was one more.
      assert.match(typed.stdout, /^6 downloaded \(\d+ kB\), 1 failed; 7 links in \d+ s\.\n/)
      assert.match(typed.stderr, /^failed: link of [^\n]*HTTP 404[^\n]*\n$/)
      assert.strictEqual(box.files().length, 7)

      const story = yield* box.run({
        program: "bash",
        args: ["-c", `${commands[0]}\n${commands[2]?.replace("case-1", box.path("case-1"))}`],
        cwd: Cli.repository,
        env: { npm_config_update_notifier: "false", npm_config_offline: "true" },
      })
      assert.strictEqual(story.exitCode, 0, story.stderr)
      assert.match(story.stdout, /^1 session succeeded in \d+ s\.\n1 downloaded /)

      yield* simulator.signal("SIGINT")
      const ended = yield* simulator.ended
      assert.strictEqual(ended.exitCode, 130)
      assert.strictEqual(ended.stderr, "")
    }),
  )

  it.live("simulate enforces the given limits, and the batch waits as the answers demand", () =>
    Effect.gen(function* () {
      const box = yield* Cli.sandbox
      const simulator = yield* box.start({ args: ["simulate", "--per-minute", "3", "--results", "6"] })
      yield* Cli.until(
        () => simulator.stdout().includes("Press Ctrl-C to stop it."),
        () => "what to do",
      )
      const endpoint = /LIVE_RESPONSE_ENDPOINT=(\S+) LIVE_RESPONSE_TOKEN=(\S+)/.exec(simulator.stdout())
      const target = /download (\S+):0-5/.exec(simulator.stdout())?.[1] ?? ""
      const batch = yield* box.start({
        args: ["download", "--json", "-j", "1", `${target}:0-5`],
        env: { LIVE_RESPONSE_ENDPOINT: endpoint?.[1] ?? "", LIVE_RESPONSE_TOKEN: endpoint?.[2] ?? "" },
      })
      yield* Cli.until(
        () => batch.stdout().includes('"retrying"'),
        () => `a 429\n${batch.stdout()}`,
      )
      yield* batch.signal("SIGINT")
      const events = Cli.ndjson((yield* batch.ended).stdout)
      assert.strictEqual(events.filter(({ event }) => event === "completed").length, 3)
      const retrying = events.find(({ event }) => event === "retrying")
      assert.nestedInclude(retrying, { "error.reason._tag": "TooManyRequests" })
      assert.nestedPropertyVal(retrying, "error.reason.retryAfter", retrying?.delay)
      assert.isAtMost(Number(retrying?.delay), 60_000)
    }),
  )

  it.live("simulate reports a port that is in use in one line", () =>
    Effect.gen(function* () {
      const box = yield* Cli.sandbox
      const first = yield* box.start({ args: ["simulate"] })
      yield* Cli.until(
        () => first.stdout().includes("Press Ctrl-C to stop it."),
        () => "what to do",
      )
      const port = /http:\/\/127\.0\.0\.1:(\d+)/.exec(first.stdout())?.[1] ?? ""
      const second = yield* box.run({ args: ["simulate", "--port", port] })
      assert.strictEqual(second.exitCode, 4)
      assert.strictEqual(second.stdout, "")
      assert.strictEqual(
        second.stderr,
        `live-response: can't listen on 127.0.0.1:${port}: the port is in use; choose another port, or 0 for any free one\n`,
      )
    }),
  )
})
