/** What the program says and returns where the network does not let it through. */
import { execFileSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { createServer } from "node:http"
import { createServer as createTlsServer } from "node:https"
import type { Server } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Cli from "./support/CliInProcess.ts"
import * as Samples from "./support/Samples.ts"

const target = `${Samples.action(0)}:0`
const env = { LIVE_RESPONSE_TOKEN: "a-token" }

/** Where nobody listens. */
const nowhere = "http://127.0.0.1:1"

/** A name with an empty part, which the resolver of the system refuses without asking any name server. */
const unknownName = "nowhere..invalid"

/** Listens until the scope ends, and gives the port. */
const listen = (server: Server) =>
  Effect.acquireRelease(
    Effect.callback<number>((resume) => {
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        resume(Effect.succeed(Predicate.isObject(address) && "port" in address ? Number(address.port) : 0))
      })
    }),
    () => Effect.sync(() => server.close()),
  )

/** The attempts that were announced, with the instant of each. */
const announced = (stderr: string) =>
  stderr.match(
    /^waiting for the network: .*; next attempt at \d\d:\d\d:\d\d UTC \(gives up at \d\d:\d\d:\d\d UTC; --give-up-after\)$/gm,
  )

describe("a network that is down", { concurrent: true }, () => {
  it.live("is waited for as long as --give-up-after says, with a line for each attempt", () =>
    Effect.gen(function* () {
      const box = yield* Cli.sandbox
      const args = ["download", "--endpoint", nowhere, "--out", "results", "--give-up-after", "4s", "--json", target]
      const ended = yield* box.run(Cli.inOwnProcess({ args, env, patience: "50 seconds" }))
      assert.strictEqual(ended.exitCode, 1)
      assert.strictEqual(announced(ended.stderr)?.length, 3, ended.stderr)
      assert.match(ended.stderr, /gave up after [4-9]s: run it again when the network is back\n$/)
      const events = Cli.timeless(Cli.ndjson(ended.stdout))
      assert.deepStrictEqual(
        events.map(({ event }) => event),
        ["offline", "offline", "offline", "summary"],
      )
      assert.match(String(events[0]?.message), /^the API can't be reached \(connect ECONNREFUSED/)
      assert.deepInclude(events.at(-1), { failed: 0 })
    }).pipe(Effect.scoped),
  )

  it.live("is waited for with --follow too", () =>
    Effect.gen(function* () {
      const box = yield* Cli.sandbox
      const args = ["download", "--follow", "--endpoint", nowhere, "--out", "results", "--give-up-after", "2s"]
      const ended = yield* box.run(Cli.inOwnProcess({ args, env, patience: "50 seconds" }))
      assert.strictEqual(ended.exitCode, 1)
      assert.isAtLeast(announced(ended.stderr)?.length ?? 0, 1)
      // It waits longer where the machine has much to do.
      assert.match(ended.stderr, /gave up after [2-9]s/)
    }).pipe(Effect.scoped),
  )

  it.live.each([
    { args: ["actions", "list", "--since", "1h"] },
    { args: ["link", target] },
    { args: ["actions", "get", Samples.action(0)] },
  ])("is not waited for by one call: $args", ({ args }) =>
    Effect.gen(function* () {
      const box = yield* Cli.sandbox
      const ended = yield* box.run({ args: [...args, "--endpoint", nowhere], env, patience: "50 seconds" })
      assert.strictEqual(ended.exitCode, 1)
      const error = /^live-response: [^\n]* can't be reached \(connect ECONNREFUSED[^\n]*\n$/
      // `actions` says meanwhile what it waits for.
      const notice = /^waiting for the network: the API can't be reached [^\n]*; gives up at [^\n]*\n/
      if (args[0] === "actions") assert.match(ended.stderr, notice)
      assert.match(ended.stderr.replace(notice, ""), error)
    }).pipe(Effect.scoped),
  )
})

describe("a network that refuses connections", { concurrent: true }, () => {
  it.live("with an untrusted certificate ends the command at once with the setting to change, and exit code 4", () =>
    Effect.gen(function* () {
      const box = yield* Cli.sandbox
      const [key, cert] = [box.path("key.pem"), box.path("cert.pem")]
      const subject = ["-subj", "/CN=gateway.example.net", "-days", "1"]
      execFileSync(
        "openssl",
        ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, ...subject],
        {
          stdio: "ignore",
        },
      )
      const port = yield* listen(createTlsServer({ key: readFileSync(key), cert: readFileSync(cert) }))
      const endpoint = `https://127.0.0.1:${port}`
      const ended = yield* box.run({ args: ["download", "--endpoint", endpoint, target], env, patience: "50 seconds" })
      assert.strictEqual(ended.exitCode, 4, ended.stderr)
      assert.include(ended.stderr, "NODE_EXTRA_CA_CERTS=/path/to/ca.pem")
      assert.isNull(announced(ended.stderr))
    }).pipe(Effect.scoped),
  )

  it.live(
    "with a proxy that demands credentials ends the command at once with the setting to change, and exit code 4",
    () =>
      Effect.gen(function* () {
        const box = yield* Cli.sandbox
        const proxy = createServer().on("connect", (_, socket) => socket.end("HTTP/1.1 407 No\r\n\r\n"))
        const port = yield* listen(proxy)
        const args = ["download", "--endpoint", "https://api.invalid", target]
        // Without a scheme, as many have it.
        const proxied = { ...env, HTTPS_PROXY: `127.0.0.1:${port}` }
        const ended = yield* box.run({ args, env: proxied, patience: "50 seconds" })
        assert.strictEqual(ended.exitCode, 4, ended.stderr)
        assert.include(ended.stderr, "HTTPS_PROXY=http://user:password@host:port")
      }).pipe(Effect.scoped),
  )

  it.live("with a name that does not exist ends the command at once, with exit code 1", () =>
    Effect.gen(function* () {
      const box = yield* Cli.sandbox
      const args = ["download", "--endpoint", `https://${unknownName}`, target]
      const ended = yield* box.run({ args, env, patience: "50 seconds" })
      assert.strictEqual(ended.exitCode, 1, ended.stderr)
      assert.include(ended.stderr, `ENOTFOUND ${unknownName}`)
      assert.include(ended.stderr, "check --endpoint, --cloud")
    }).pipe(Effect.scoped),
  )

  it.live("with an invalid proxy is a usage error that does not show its value", () =>
    Effect.gen(function* () {
      const box = yield* Cli.sandbox
      const proxied = { ...env, HTTPS_PROXY: "http://user:hunter2@:x" }
      const ended = yield* box.run({ args: ["download", target], env: proxied, patience: "50 seconds" })
      assert.strictEqual(ended.exitCode, 2, ended.stderr)
      assert.strictEqual(
        ended.stderr,
        "live-response: HTTPS_PROXY: expected the address of a proxy, such as http://proxy.contoso.com:8080\n",
      )
    }).pipe(Effect.scoped),
  )
})

describe("a link that has expired", () => {
  it.live("is printed without a remaining time", () =>
    Effect.gen(function* () {
      const box = yield* Cli.sandbox
      const value = "http://127.0.0.1/r?se=2021-02-04T16%3A13%3A50Z&sig=a"
      const api = createServer((_, response) => {
        response.setHeader("date", "Thu, 04 Feb 2021 17:00:00 GMT")
        response.end(JSON.stringify({ value }))
      })
      const port = yield* listen(api)
      const args = ["link", target, "--endpoint", `http://127.0.0.1:${port}`]
      const ended = yield* box.run({ args, env, patience: "50 seconds" })
      assert.strictEqual(ended.exitCode, 0, ended.stderr)
      assert.match(ended.stderr, /but it expired at \d\d:\d\d:\d\d \S+;/)
      assert.notMatch(ended.stderr, /in -?\d+ /)
    }).pipe(Effect.scoped),
  )
})
