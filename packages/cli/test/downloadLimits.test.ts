import { existsSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import * as Timing from "@live-response/core/Timing"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Cli from "./support/CliInProcess.ts"
import * as ReferenceServer from "./support/ReferenceServer.ts"
import * as Samples from "./support/Samples.ts"

const at = (n: number) => `${Samples.action(n)}:0`
const results = Object.fromEntries([0, 1, 2].map((n) => [at(n), { bytes: Samples.noise(200_000 * (n + 1), n) }]))

describe("limits of a download", () => {
  it.live("--max-bytes fails a result whose announced length is larger, and the others are downloaded", () =>
    Effect.gen(function* () {
      const server = yield* ReferenceServer.make({ results })
      const box = yield* Cli.sandbox
      const ended = yield* box.run(Cli.download(server, "--max-bytes", "500 kB", at(0), at(1), at(2)))
      assert.strictEqual(ended.exitCode, 1)
      assert.match(
        ended.stderr,
        /0000000002:0: the result \(600000 bytes\) exceeds the limit of 500000 bytes[^\n]*--max-bytes[^\n]*\n$/,
      )
      assert.deepStrictEqual(box.files().filter((path) => !path.endsWith(".jsonl")).length, 2)
      const again = yield* box.run(Cli.download(server, "--retry-failed", at(2)))
      assert.strictEqual(again.exitCode, 0, again.stderr)
    }),
  )

  it.live("--max-total ends the run with the next step, and the same command resumes", () =>
    Effect.gen(function* () {
      const server = yield* ReferenceServer.make({ results })
      const box = yield* Cli.sandbox
      const targets = ["-j", "1", at(0), at(1), at(2)]
      const ended = yield* box.run(Cli.download(server, "--max-total", "300 kB", ...targets))
      assert.strictEqual(ended.exitCode, 4)
      assert.match(ended.stderr, /300000 bytes were downloaded[^\n]*--max-total[^\n]*run the same command again/)
      assert.match(ended.stdout, /^1 downloaded/)
      const rest = yield* box.run(Cli.download(server, ...targets))
      assert.strictEqual(rest.exitCode, 0, rest.stderr)
    }),
  )

  it.live("--min-free and its variable exit with 4 and show the free space, before anything is written", () =>
    Effect.gen(function* () {
      const server = yield* ReferenceServer.make({ results })
      const box = yield* Cli.sandbox
      const flag = yield* box.run(Cli.download(server, "--min-free", "900 TB", at(0)))
      const command = Cli.download(server, at(0))
      const variable = yield* box.run({ ...command, env: { ...command.env, LIVE_RESPONSE_MIN_FREE: "900 TB" } })
      for (const ended of [flag, variable]) {
        assert.strictEqual(ended.exitCode, 4, ended.stderr)
        assert.match(ended.stderr, /the disk is nearly full: [^\n]* are free, 900 TB are to stay free[^\n]*--min-free/)
      }
      assert.deepStrictEqual(
        box.files().filter((path) => path.endsWith(".bin")),
        [],
      )
    }),
  )

  it.live("--limit-rate holds all downloads back", () =>
    Effect.gen(function* () {
      const server = yield* ReferenceServer.make({ results })
      const box = yield* Cli.sandbox
      const [took, ended] = yield* Effect.timed(
        box.run(Cli.download(server, "--limit-rate", "1M", "-j", "3", at(0), at(1), at(2))),
      )
      assert.strictEqual(ended.exitCode, 0, ended.stderr)
      // 1.2 MB. A slow machine takes longer, but none takes less.
      assert.isAtLeast(Duration.toMillis(took), 1140)
    }),
  )

  it.live("--retries says how often a call that failed is sent again", () =>
    Effect.gen(function* () {
      const server = yield* ReferenceServer.make({ results, onLink: () => "hang up" })
      const box = yield* Cli.sandbox
      const once = yield* box.run(Cli.download(server, "--retries", "0", at(0)))
      assert.strictEqual(once.exitCode, 1, once.stderr)
      assert.strictEqual(server.linkCalls().length, 1)
    }),
  )

  it.live("--timeout says how long a server may send nothing, and precedes the variables", () =>
    Effect.gen(function* () {
      const server = yield* ReferenceServer.make({ results, onBlob: () => ({ holdAfter: 1000 }) })
      const box = yield* Cli.sandbox
      const ended = yield* box.run(Cli.download(server, "--timeout", "1s", "--retries", "0", at(0)))
      assert.strictEqual(ended.exitCode, 1)
      assert.match(ended.stderr, /the download stalled at byte 1000: nothing arrived for 1s/)
    }),
  )

  it.live("--dry-run prints the results that are missing, and neither writes nor requests a link", () =>
    Effect.gen(function* () {
      const server = yield* ReferenceServer.make({ results })
      const box = yield* Cli.sandbox
      const none = yield* box.run(Cli.download(server, "--dry-run", at(0), at(1), at(1)))
      assert.deepStrictEqual({ code: none.exitCode, out: none.stdout }, { code: 0, out: `${at(0)}\n${at(1)}\n` })
      assert.match(none.stderr, /^2 results would be downloaded, and 0 are there already\.\nThis is a dry run/)
      assert.isFalse(existsSync(box.path("results")))
      assert.deepStrictEqual(server.requests, [])
      yield* box.run(Cli.download(server, at(0)))
      const links = server.linkCalls().length
      const one = yield* box.run(Cli.download(server, "--dry-run", "--json", at(0), at(1)))
      assert.deepInclude(JSON.parse(one.stdout), { event: "preview", results: [at(1)], present: 1, links: 1 })
      assert.strictEqual(server.linkCalls().length, links)
      const wrong = yield* box.run(Cli.download(server, "--dry-run", "--follow"))
      assert.strictEqual(wrong.exitCode, 2)
    }),
  )

  it.live("--dry-run fails where nothing could be written", () =>
    Effect.gen(function* () {
      const server = yield* ReferenceServer.make({ results })
      const box = yield* Cli.sandbox
      box.write("results", "")
      const ended = yield* box.run(Cli.download(server, "--dry-run", at(0)))
      assert.deepStrictEqual({ code: ended.exitCode, out: ended.stdout }, { code: 4, out: "" }, ended.stderr)
      assert.match(
        ended.stderr,
        /^live-response: \S*results: there is a file where a directory is needed; choose another directory\n$/,
      )
    }),
  )

  it.live.runIf(process.platform === "linux")(
    "names what to do about a directory in which nothing can be created",
    () =>
      Effect.gen(function* () {
        const server = yield* ReferenceServer.make({ results })
        const box = yield* Cli.sandbox
        for (const [out, culprit] of [
          ["/proc/foo", "/proc/foo"],
          ["/proc", "/proc/.lock"],
        ] as const) {
          const { args, env = {} } = Cli.download(server, at(0))
          const ended = yield* box.run({ args: args.map((arg) => (arg === "results" ? out : arg)), env })
          assert.deepStrictEqual(
            { code: ended.exitCode, err: ended.stderr },
            {
              code: 4,
              err: `live-response: ${culprit}: not writable; choose another directory, or one that you may write to\n`,
            },
          )
        }
      }),
  )

  it.live("--no-progress leaves the summary", () =>
    Effect.gen(function* () {
      const server = yield* ReferenceServer.make({ results })
      const box = yield* Cli.sandbox
      const ended = yield* box.run(Cli.download(server, "--no-progress", at(0)))
      assert.match(ended.stdout, /^1 downloaded/)
      assert.strictEqual(ended.stderr, "")
    }),
  )

  it.live.each([
    ["--limit-rate", "10", "a size of at least 1.0 kB"],
    ["--retries", "-1", "a whole number from 0 to 1,000"],
    ["--timeout", "30d", Timing.expectedWait],
  ] as const)("%s is a usage error", ([flag, value, expected]) =>
    Effect.gen(function* () {
      const box = yield* Cli.sandbox
      const ended = yield* box.run({ args: ["download", `${flag}=${value}`, at(0)] })
      assert.strictEqual(ended.exitCode, 2)
      assert.include(ended.stderr, expected)
    }),
  )

  it.live("an invalid size in a variable is a usage error that names it", () =>
    Effect.gen(function* () {
      const server = yield* ReferenceServer.make({ results })
      const box = yield* Cli.sandbox
      const command = Cli.download(server, at(0))
      const ended = yield* box.run({ ...command, env: { ...command.env, LIVE_RESPONSE_MAX_BYTES: "much" } })
      assert.strictEqual(ended.exitCode, 2)
      assert.match(ended.stderr, /^live-response: LIVE_RESPONSE_MAX_BYTES: expected a size of at least [^\n]*\n$/)
    }),
  )

  it.live("--dry-run prints an event for a target that is none, and with --quiet only errors", () =>
    Effect.gen(function* () {
      const server = yield* ReferenceServer.make({ results })
      const box = yield* Cli.sandbox
      box.write("targets.txt", `${at(0)}\nnothing\n`)
      const json = yield* box.run(Cli.download(server, "--dry-run", "--json", "--from", "targets.txt"))
      assert.strictEqual(json.exitCode, 1)
      const events = json.stdout
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line))
      assert.deepStrictEqual(
        events.map(({ event }) => event),
        ["failed", "preview"],
      )
      const quiet = yield* box.run(Cli.download(server, "--dry-run", "--quiet", "--from", "targets.txt"))
      assert.deepStrictEqual({ code: quiet.exitCode, out: quiet.stdout }, { code: 1, out: "" })
      assert.match(quiet.stderr, /^failed: [^\n]+\n$/)
    }),
  )
})
