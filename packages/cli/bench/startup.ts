/**
 * How long the program takes to start: for help, with a given token, and with a sign-in by `@azure/identity` to a simulated Entra
 * over TLS. It prints the medians of alternating runs, and their ratio to a Node that does nothing.
 *
 *     node packages/cli/bench/startup.ts
 */
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import * as Simulator from "@live-response/core/testing/Simulator"
import * as Certificate from "@live-response/node/testing/Certificate"
import * as SimulatorServer from "@live-response/node/testing/SimulatorServer"
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpServer from "effect/http/HttpServer"
import * as Layer from "effect/Layer"

const runs = 15

const main = fileURLToPath(new URL("../src/bin.ts", import.meta.url))

const run = (args: ReadonlyArray<string>, env: Readonly<Record<string, string>>) =>
  Effect.callback<void, string>((resume) => {
    execFile(process.execPath, args, { env: { PATH: "/nowhere", ...env } }, (error, _, stderr) =>
      resume(error === null ? Effect.void : Effect.fail(`${args.join(" ")}: ${stderr}`)),
    )
  })

const timed = Effect.fnUntraced(function* (args: ReadonlyArray<string>, env: Readonly<Record<string, string>>) {
  const startedAt = yield* Clock.currentTimeNanos
  yield* run(args, env)
  return Number((yield* Clock.currentTimeNanos) - startedAt) / 1e6
})

const median = (values: ReadonlyArray<number>): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0

const program = Effect.gen(function* () {
  const tls = yield* Certificate.selfSigned
  const context = yield* Layer.build(SimulatorServer.layer({ tls }).pipe(Layer.provide(Simulator.layer())))
  const { address } = Context.get(context, HttpServer.HttpServer)
  const check = [main, "auth", "check"]
  const rows = [
    { name: "node, empty program", args: ["-e", "0"], env: {} },
    { name: "live-response --help", args: [main, "--help"], env: {} },
    { name: "auth check, given token", args: check, env: { LIVE_RESPONSE_TOKEN: "opaque" } },
    {
      name: "auth check, client secret",
      args: check,
      env: {
        NODE_EXTRA_CA_CERTS: tls.path,
        AZURE_AUTHORITY_HOST: HttpServer.formatAddress(address).replace("http:", "https:"),
        AZURE_TENANT_ID: "tenant",
        AZURE_CLIENT_ID: "app",
        AZURE_CLIENT_SECRET: "secret",
      },
    },
  ].map((row) => ({ ...row, times: new Array<number>() }))
  for (let i = 0; i < runs; i++) {
    for (const { args, env, times } of rows) times.push(yield* timed(args, env))
  }
  const bare = median(rows[0]?.times ?? [])
  for (const { name, times } of rows) {
    const time = median(times)
    yield* Console.log(`${name.padEnd(30)} ${time.toFixed(0).padStart(5)} ms   ${(time / bare).toFixed(1)} times node`)
  }
}).pipe(Effect.scoped)

await Effect.runPromise(program)
