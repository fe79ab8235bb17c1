import { assert, describe, it } from "@effect/vitest"
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

  it.live("an invalid size in a variable is a usage error that names it", () =>
    Effect.gen(function* () {
      const server = yield* ReferenceServer.make({ results })
      const box = yield* Cli.sandbox
      const command = Cli.download(server, at(0))
      const ended = yield* box.run({ ...command, env: { ...command.env, LIVE_RESPONSE_MAX_BYTES: "much" } })
      assert.strictEqual(ended.exitCode, 2)
      assert.match(ended.stderr, /^live-response: [^\n]*max-bytes[^\n]*\n$/)
    }),
  )
})
