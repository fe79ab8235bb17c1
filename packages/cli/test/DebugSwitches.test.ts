import { chmodSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as DebugSwitches from "../src/DebugSwitches.ts"
import * as Cli from "./support/Cli.ts"

describe("switches of Node and its libraries that print secrets", () => {
  it.effect.each([
    { NODE_DEBUG: "undici" },
    { NODE_DEBUG: "fetch" },
    { NODE_DEBUG: "HTTP" },
    { NODE_DEBUG: "fs, net" },
    { NODE_DEBUG: "module,tls" },
    { NODE_DEBUG: "*" },
    { NODE_DEBUG: "und*" },
    { NODE_DEBUG: "websocket" },
    { NODE_DEBUG: "fs,child_process" },
    { NODE_DEBUG: "undici:socks5" },
    { NODE_DEBUG: "h[t]tp" },
    { NODE_DEBUG: "a section that Node gets next year" },
    { NODE_DEBUG_NATIVE: "http2stream" },
    { NODE_DEBUG_NATIVE: "DIAGNOSTICS,*" },
  ])("are a usage error: %j", (env) =>
    Effect.sync(() => assert.include(DebugSwitches.problemOf(env), `${Object.keys(env).join()} prints links`)),
  )

  it.effect.each([{}, { NODE_DEBUG: "" }, { NODE_DEBUG: " fs,Module," }, { NODE_DEBUG_NATIVE: "MODULE" }])(
    "are accepted if they are harmless: %j",
    (env) => Effect.sync(() => assert.isUndefined(DebugSwitches.problemOf(env))),
  )

  const proxy = "http://me:ProxyPass99@127.0.0.1:1"

  it.effect.each([
    { HTTPS_PROXY: proxy },
    { https_proxy: proxy },
    { HTTP_PROXY: proxy },
    { http_proxy: "me:pw@proxy:1" },
  ])("are those of Azure's libraries as well, where the proxy has a password: %j", (env) =>
    Effect.sync(() => {
      const problem = DebugSwitches.problemOf({ ...env, AZURE_LOG_LEVEL: "verbose" })
      assert.include(problem, "AZURE_LOG_LEVEL prints the proxy's password")
      assert.notInclude(problem, "ProxyPass99")
      assert.isUndefined(DebugSwitches.problemOf({ ...env, AZURE_LOG_LEVEL: "" }))
      assert.isUndefined(DebugSwitches.problemOf({ AZURE_LOG_LEVEL: "verbose", HTTPS_PROXY: "http://proxy:1" }))
    }),
  )

  it.live("of the libraries that sign in have no effect", () =>
    Effect.gen(function* () {
      const box = yield* Cli.sandbox
      const env = {
        DEBUG: "*",
        HTTPS_PROXY: proxy,
        LIVE_RESPONSE_AUTH: "secret",
        AZURE_TENANT_ID: "e0a8f26e-8b12-4ee4-9ac9-4a4ecb3d1b8f",
        AZURE_CLIENT_ID: "1f6a3c7a-6c2b-4f0e-b6b1-2c8f6d8f5c11",
        AZURE_CLIENT_SECRET: "AppSecret99",
      }
      const ended = yield* box.run({ args: ["actions", "list"], env })
      assert.strictEqual(ended.exitCode, 3, ended.stderr)
      assert.include(ended.stderr, "the sign-in server can't be reached")
      assert.notMatch(ended.stdout + ended.stderr, /ProxyPass99|AppSecret99|azure:|proxy-agent/)
    }),
  )

  it.live("end the program before it calls anybody", () =>
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

describe("a program that signs in", () => {
  it.live("gets an environment without our secrets", () =>
    Effect.gen(function* () {
      const box = yield* Cli.sandbox
      const seen = box.path("seen")
      box.write("bin/az", `#!/bin/sh\nenv > ${seen}\nexit 1\n`)
      chmodSync(box.path("bin/az"), 0o755)
      const secrets = {
        LIVE_RESPONSE_TOKEN: "Secret99-token",
        AZURE_CLIENT_SECRET: "Secret99-app",
        AZURE_CLIENT_CERTIFICATE_PASSWORD: "Secret99-certificate",
      }
      const env = { ...secrets, LIVE_RESPONSE_AUTH: "cli", SOMETHING: "else", PATH: `${box.path("bin")}:/usr/bin:/bin` }
      const ended = yield* box.run({ args: ["actions", "list"], env })
      assert.strictEqual(ended.exitCode, 3, ended.stderr)
      assert.include(box.read("seen").toString(), "SOMETHING=else")
      assert.notInclude(box.read("seen").toString(), "Secret99")
    }),
  )
})
