import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Cli from "./support/Cli.ts"
import * as ClusterDatabase from "./support/ClusterDatabase.ts"

const database = ClusterDatabase.shared()

/** Starts a runner that listens, and returns when it has joined. */
const start = Effect.fnUntraced(function* (
  box: Cli.Sandbox,
  env: Readonly<Record<string, string>>,
  ...args: ReadonlyArray<string>
) {
  const store = `file://${box.path("store")}`
  const runner = yield* box.start({
    args: ["serve", "--object-store", store, "--spool", "spool", "--listen", "127.0.0.1:0", ...args],
    env,
  })
  yield* Cli.until(
    () => runner.stderr().includes("health and metrics: "),
    () => `the address: ${runner.stderr()}`,
  )
  const address = /health and metrics: (\S+)/.exec(runner.stderr())?.[1] ?? ""
  const get = (path: string, headers: Readonly<Record<string, string>> = {}) =>
    Effect.promise(() =>
      fetch(`${address}${path}`, { headers }).then((response) =>
        response.text().then((text) => ({ status: response.status, text })),
      ),
    )
  const joined = Cli.until(
    () => runner.stderr().includes("has joined the cluster"),
    () => `joining: ${runner.stderr()}`,
  )
  return { ...runner, get, joined }
})

describe("serve", () => {
  it.live.each(["SIGTERM", "SIGINT"] as const)("joins, and stops with exit code 0 after %s", (signal) =>
    Effect.gen(function* () {
      const box = yield* Cli.sandbox
      const runner = yield* start(box, database().runner, "--runner", "one of two")
      yield* runner.joined
      yield* runner.signal(signal)
      const { exitCode, stderr, stdout } = yield* runner.ended
      assert.deepStrictEqual([exitCode, stdout], [0, ""], stderr)
      assert.match(stderr, /runner one-of-two-[0-9a-f]{8} has joined the cluster\n/)
      assert.match(stderr, /\nstopping\nstopped[^\n]*\n$/)
    }),
  )
})
