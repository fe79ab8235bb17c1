/** Lookups of names and ids while there is no connection. */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as InProcess from "./support/InProcess.ts"

const id = "988cc94e-7a8f-4b28-ab65-54970c5d501"

const runPatiently = (args: ReadonlyArray<string>) => runWith([...args, "--give-up-after", "1s"])

const runWith = Effect.fnUntraced(function* (args: ReadonlyArray<string>) {
  const home = yield* Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "live-response-outage-"))),
    (path) => Effect.sync(() => rmSync(path, { recursive: true })),
  )
  return yield* InProcess.run(args, {
    HOME: home,
    XDG_STATE_HOME: home,
    LIVE_RESPONSE_OUT: join(home, "results"),
    LIVE_RESPONSE_TOKEN: "token",
    LIVE_RESPONSE_ENDPOINT: "http://127.0.0.1:1",
  })
}, Effect.scoped)

describe("an outage during a lookup", () => {
  it.live.each([
    { name: "machine actions", args: ["download", `${id}1`, `${id}2`, `${id}3`] },
    { name: "machines", args: ["run", "a.contoso.com", "b.contoso.com", "--script", "collect.ps1"] },
  ])("of $name is waited for once, and ends the command", ({ args }) =>
    Effect.gen(function* () {
      const { exitCode, stderr } = yield* runPatiently(args)
      assert.strictEqual(exitCode, 1, stderr)
      assert.notInclude(stderr, "failed:")
      assert.match(stderr, /waiting for the network: .* next attempt at /)
      assert.match(stderr, /^live-response: .*the API can't be reached \(connect ECONNREFUSED/m)
    }),
  )
})

describe("an outage during a command that prints no events", () => {
  it.live.each([
    { name: "a dry run", args: ["run", "--tag", "a", "--script", "collect.ps1", "--dry-run"] },
    { name: "a dry download", args: ["download", "--since", "1d", "--dry-run"] },
    { name: "a list", args: ["machines", "list"] },
  ])("is reported once, while $name waits: $args", ({ args }) =>
    Effect.gen(function* () {
      const { exitCode, stderr } = yield* runWith(args)
      assert.match(
        stderr,
        /^waiting for the network: the API can't be reached \(connect ECONNREFUSED [^\n]*\); gives up at [^\n]*\nlive-response: [^\n]*\n$/,
      )
      assert.strictEqual(exitCode, 1)
    }),
  )
})
