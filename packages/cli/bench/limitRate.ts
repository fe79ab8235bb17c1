/**
 * How near `--limit-rate` comes to its rate: eight results at once, from the bundle, over loopback.
 *
 *     npm run build && node packages/cli/bench/limitRate.ts
 */
import { execFile } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { FromString } from "@live-response/core/ResultRef"
import * as Simulator from "@live-response/core/testing/Simulator"
import * as SimulatorServer from "@live-response/node/testing/SimulatorServer"
import * as Console from "effect/Console"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as HttpServer from "effect/http/HttpServer"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { figure, table } from "../../core/bench/table.ts"

const bin = fileURLToPath(new URL("../dist/bin.js", import.meta.url))

/** In MB a second. Each run takes ten seconds. */
const rates = [0.5, 5, 20]

/** So many that the flushing of one takes place while others arrive. */
const targets = Array.from({ length: 40 }, (_, n) => `988cc94e-7a8f-4b28-ab65-54970c5d5018:${n}`)

/** Runs the bundle, and fails if it does. */
const run = (args: ReadonlyArray<string>, env: Readonly<Record<string, string>>) =>
  Effect.callback<string, string>((resume) => {
    execFile(process.execPath, [bin, ...args], { env: { PATH: "/nowhere", ...env } }, (error, stdout, stderr) =>
      resume(error === null ? Effect.succeed(stdout) : Effect.fail(stderr)),
    )
  })

const Event = Schema.fromJsonString(Schema.Struct({ event: Schema.String, at: Schema.DateTimeUtcFromString }))

const decode = Schema.decodeSync(Event)

/** In milliseconds, from the first link to the last event. */
const durationOf = (stdout: string): number => {
  const events = stdout
    .trimEnd()
    .split("\n")
    .map((line) => decode(line))
  const times = events.filter(({ event }) => event !== "waiting").map(({ at }) => DateTime.toEpochMillis(at))
  return Math.max(...times) - Math.min(...times)
}

/** The rate of a download whose service has results for ten seconds. */
const measure = Effect.fnUntraced(function* (rate: number) {
  const home = yield* Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "live-response-bench-"))),
    (home) => Effect.sync(() => rmSync(home, { recursive: true, force: true })),
  )
  const simulator = yield* Simulator.make({ tokens: ["opaque"] })
  const content = new Uint8Array((rate * 1e6 * 10) / targets.length)
  for (const target of targets) yield* simulator.add(Schema.decodeSync(FromString)(target), { content })
  const context = yield* Layer.build(
    SimulatorServer.layer({}).pipe(Layer.provide(Layer.succeed(Simulator.Simulator, simulator))),
  )
  const { address } = Context.get(context, HttpServer.HttpServer)
  const env = { LIVE_RESPONSE_ENDPOINT: HttpServer.formatAddress(address), LIVE_RESPONSE_TOKEN: "opaque", HOME: home }
  const limits = ["--limit-rate", `${rate}M`, "--out", join(home, "results"), "--any-storage-host", "--json"]
  const took = durationOf(yield* run(["download", ...targets, ...limits], env))
  const measured = (content.length * targets.length) / took / 1000
  return [figure(rate, 1), figure(measured, 2), `${figure(100 * (measured / rate - 1), 1)} %`]
}, Effect.scoped)

const program = Effect.flatMap(Effect.forEach(rates, measure), (rows) =>
  Console.log(table(["--limit-rate, MB/s", "measured", "off by"], rows)),
)

await Effect.runPromise(program)
