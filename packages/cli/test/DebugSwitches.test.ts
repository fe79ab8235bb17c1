import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as DebugSwitches from "../src/DebugSwitches.ts"
import * as Cli from "./support/Cli.ts"

describe("debug switches of Node that print links", () => {
  it.effect.each([
    { NODE_DEBUG: "undici" },
    { NODE_DEBUG: "fetch" },
    { NODE_DEBUG: "HTTP" },
    { NODE_DEBUG: "fs, net" },
    { NODE_DEBUG: "module,tls" },
    { NODE_DEBUG: "*" },
    { NODE_DEBUG: "und*" },
    { NODE_DEBUG_NATIVE: "http2stream" },
    { NODE_DEBUG_NATIVE: "DIAGNOSTICS,*" },
  ])("are a usage error: %j", (env) =>
    Effect.sync(() => assert.include(DebugSwitches.problemOf(env), `${Object.keys(env).join()} prints links`)),
  )

  it.effect.each([{}, { NODE_DEBUG: "" }, { NODE_DEBUG: "fs,module,[x" }, { NODE_DEBUG_NATIVE: "MODULE" }])(
    "are not: %j",
    (env) => Effect.sync(() => assert.isUndefined(DebugSwitches.problemOf(env))),
  )

  it.live("end the program before its first call", () =>
    Effect.gen(function* () {
      const box = yield* Cli.sandbox
      const env = { NODE_DEBUG: "undici", LIVE_RESPONSE_TOKEN: "token", LIVE_RESPONSE_ENDPOINT: "http://127.0.0.1:1" }
      const ended = yield* box.run({ args: ["link", "988cc94e-7a8f-4b28-ab65-54970c5d5018:0"], env })
      assert.strictEqual(ended.exitCode, 2)
      assert.match(ended.stderr, /^live-response: NODE_DEBUG prints links and tokens, .*unset it, and use --verbose/m)
      assert.notMatch(ended.stderr, /UNDICI \d+: (connecting|sending)/)
      assert.strictEqual(ended.stdout, "")
    }),
  )
})
