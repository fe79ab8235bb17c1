/**
 * What a start costs: `--version`, help, a download that has nothing to do, and a sign-in by `@azure/identity` to a simulated Entra
 * over TLS; from the sources and from the bundle. It prints the medians of alternating runs: CPU is user and system time, as the
 * operating system counts it.
 *
 *     npm run build && node packages/cli/bench/startup.ts
 */
import { execFile } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { FromString } from "@live-response/core/ResultRef"
import * as Simulator from "@live-response/core/testing/Simulator"
import * as Certificate from "@live-response/node/testing/Certificate"
import * as SimulatorServer from "@live-response/node/testing/SimulatorServer"
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpServer from "effect/http/HttpServer"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { figure, table } from "../../core/bench/table.ts"

const runs = 9

const programs = { sources: "../src/bin.ts", bundle: "../dist/bin.js" }

const target = "988cc94e-7a8f-4b28-ab65-54970c5d5018:0"

type Environment = Readonly<Record<string, string>>

/** Runs Node to its end. Returns the CPU and the wall time, in milliseconds. */
const run = Effect.fnUntraced(function* (args: ReadonlyArray<string>, env: Environment) {
  const startedAt = yield* Clock.currentTimeNanos
  // The second line of `times` is what the finished children of the shell used.
  const times = yield* Effect.callback<string, string>((resume) => {
    const shell = ["-c", 'LC_ALL=C; "$@" </dev/null >/dev/null && times', "bash", process.execPath, ...args]
    execFile("/bin/bash", shell, { env: { PATH: "/nowhere", ...env } }, (error, stdout, stderr) =>
      resume(error === null ? Effect.succeed(stdout) : Effect.fail(`${args.join(" ")}: ${stderr}`)),
    )
  })
  const parts = times.split("\n")[1]?.matchAll(/(\d+)m([\d.]+)s/g) ?? []
  const cpu = Array.from(parts, ([, minutes, seconds]) => Number(minutes) * 60 + Number(seconds))
  return {
    cpu: cpu.reduce((sum, part) => sum + part, 0) * 1000,
    wall: Number((yield* Clock.currentTimeNanos) - startedAt) / 1e6,
  }
})

const median = (values: ReadonlyArray<number>): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0

/** Serves one result over TLS, and returns the environment of a program that uses this service. */
const serve = Effect.gen(function* () {
  const tls = yield* Certificate.selfSigned
  const simulator = yield* Simulator.make({ tokens: ["opaque"] })
  yield* simulator.add(Schema.decodeSync(FromString)(target), { content: new TextEncoder().encode("a result") })
  const context = yield* Layer.build(
    SimulatorServer.layer({ tls }).pipe(Layer.provide(Layer.succeed(Simulator.Simulator, simulator))),
  )
  const { address } = Context.get(context, HttpServer.HttpServer)
  const endpoint = HttpServer.formatAddress(address).replace("http:", "https:")
  return { LIVE_RESPONSE_ENDPOINT: endpoint, AZURE_AUTHORITY_HOST: endpoint, NODE_EXTRA_CA_CERTS: tls.path }
})

const app = { AZURE_TENANT_ID: "tenant", AZURE_CLIENT_ID: "app", AZURE_CLIENT_SECRET: "secret" }

const rowsOf = (service: Environment, home: string) => {
  const download = ["download", target, "--out", join(home, "results"), "--quiet", "--any-storage-host"]
  const commands: ReadonlyArray<{ name: string; args: ReadonlyArray<string>; env?: Environment }> = [
    { name: "--version", args: ["--version"] },
    { name: "--help", args: ["--help"] },
    { name: "download, nothing to do", args: download, env: { ...service, LIVE_RESPONSE_TOKEN: "opaque" } },
    { name: "auth check, token", args: ["auth", "check"], env: { LIVE_RESPONSE_TOKEN: "opaque" } },
    { name: "auth check, client secret", args: ["auth", "check"], env: { ...service, ...app } },
  ]
  const rows = commands.flatMap(({ args, env, name }) =>
    Object.entries(programs).map(([program, path]) => ({
      name,
      program,
      args: [fileURLToPath(new URL(path, import.meta.url)), ...args],
      env: { ...env, HOME: home },
    })),
  )
  return [{ name: "node -e 0", program: "", args: ["-e", "0"], env: {} }, ...rows].map((row) => ({
    ...row,
    samples: new Array<{ cpu: number; wall: number }>(),
  }))
}

const program = Effect.gen(function* () {
  const home = yield* Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "live-response-bench-"))),
    (home) => Effect.sync(() => rmSync(home, { recursive: true, force: true })),
  )
  const rows = rowsOf(yield* serve, home)
  // The first start of each downloads the result, and fills the cache of compiled code.
  for (const { args, env } of rows) yield* run(args, env)
  for (let i = 0; i < runs; i++) {
    for (const { args, env, samples } of rows) samples.push(yield* run(args, env))
  }
  const figures = rows.map(({ name, program, samples }) => ({
    name,
    program,
    cpu: median(samples.map(({ cpu }) => cpu)),
    wall: median(samples.map(({ wall }) => wall)),
  }))
  const bare = figures[0]?.cpu ?? 0
  const lines = figures.map(({ cpu, name, program, wall }) => [
    name,
    program,
    figure(cpu),
    figure(cpu / bare, 1),
    figure(wall),
  ])
  yield* Console.log(table(["command", "from", "CPU, ms", "over node", "wall, ms"], lines))
}).pipe(Effect.scoped)

await Effect.runPromise(program)
