/**
 * What discovery costs: `download --since 24h` of 1,000 and of 5,000 actions with three commands each, from a service that lists
 * 200 actions on a page. The program runs in a process of its own and reports its live heap. The calls are counted by the service.
 *
 *     node packages/cli/bench/discovery.ts
 */
import { spawn } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { FromString } from "@live-response/core/ResultRef"
import * as Simulator from "@live-response/core/testing/Simulator"
import * as SimulatorServer from "@live-response/node/testing/SimulatorServer"
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as HttpServer from "effect/http/HttpServer"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"

const pageSize = 200

const commands = 3

const main = fileURLToPath(new URL("../src/bin.ts", import.meta.url))

const decodeRef = Schema.decodeSync(FromString)

const idAt = (n: number) => `00000000-d15c-4000-8000-${String(n).padStart(12, "0")}`

const content = new TextEncoder().encode(
  `{"script_name":"a.ps1","exit_code":0,"script_output":"ok","script_errors":""}`,
)

/** Fills a service with finished sessions. */
const serve = Effect.fnUntraced(function* (count: number) {
  const simulator = yield* Simulator.make({
    pageSize,
    perMinute: 1_000_000,
    perHour: 1_000_000,
    tokens: ["token"],
  })
  const created = DateTime.formatIso(yield* DateTime.now)
  for (let n = 0; n < count; n++) {
    yield* simulator.addAction({
      id: idAt(n),
      type: "LiveResponse",
      status: "Succeeded",
      creationDateTimeUtc: created,
      commands: Array.from({ length: commands }, (_, index) => ({
        index,
        commandStatus: "Completed",
        command: { type: "RunScript", params: [{ key: "ScriptName", value: "a.ps1" }] },
      })),
    })
    for (let index = 0; index < commands; index++) yield* simulator.add(decodeRef(`${idAt(n)}:${index}`), { content })
  }
  const context = yield* Layer.build(
    SimulatorServer.layer().pipe(Layer.provide(Layer.succeed(Simulator.Simulator, simulator))),
  )
  return { simulator, endpoint: HttpServer.formatAddress(Context.get(context, HttpServer.HttpServer).address) }
})

/** Runs in the program: prints its live heap to stderr once a second. With `--quiet` nothing else is printed there. */
const reportHeap = `data:text/javascript,${encodeURIComponent(
  "setInterval(() => { gc(); process.stderr.write(`${process.memoryUsage().heapUsed}\\n`) }, 1000).unref()",
)}`

/** Runs the program to its end, and returns the largest live heap in MB. */
const download = Effect.fnUntraced(function* (endpoint: string, directory: string) {
  const args = ["download", "--since", "24h", "--out", join(directory, "results"), "-j", "16", "--quiet"]
  const child = spawn(
    process.execPath,
    ["--expose-gc", "--import", reportHeap, main, ...args, "--window", "10000/1 second", "--endpoint", endpoint],
    { env: { PATH: process.env.PATH, HOME: directory, XDG_STATE_HOME: directory, LIVE_RESPONSE_TOKEN: "token" } },
  )
  let output = ""
  child.stderr.setEncoding("utf8").on("data", (text: string) => (output += text))
  yield* Effect.callback<void, string>((resume) => {
    child.on("close", (code) => resume(code === 0 ? Effect.void : Effect.fail(output)))
  })
  return Math.max(...output.trim().split("\n").map(Number)) / 1e6
})

const measure = Effect.fnUntraced(function* (count: number) {
  const directory = mkdtempSync(join(tmpdir(), "live-response-bench-"))
  yield* Effect.addFinalizer(() => Effect.sync(() => rmSync(directory, { recursive: true, force: true })))
  const { endpoint, simulator } = yield* serve(count)
  const startedAt = yield* Clock.currentTimeMillis
  const memory = yield* download(endpoint, directory)
  const seconds = ((yield* Clock.currentTimeMillis) - startedAt) / 1000
  const calls = yield* simulator.calls
  const lists = calls.flatMap(({ kind }, i) => (kind === "list" ? [i] : []))
  const firstResult = calls.findIndex(({ kind }) => kind === "blob")
  const results = calls.filter(({ kind, status }) => kind === "blob" && status === 200).length
  return {
    actions: count,
    results,
    pages: Math.ceil(count / pageSize),
    "list calls": lists.length,
    "first result": `before page ${lists.filter((i) => i < firstResult).length + 1}`,
    "live heap, MB": Math.round(memory * 10) / 10,
    seconds: Math.round(seconds),
  }
}, Effect.scoped)

const rows = await Effect.runPromise(Effect.forEach([1000, 5000], measure))

await Effect.runPromise(
  Console.log(
    [
      Object.keys(rows[0] ?? {}).join(" | "),
      ...rows.map((row) => Object.values(row).join(" | ")),
      `live heap of 5,000 over that for 1,000: ${((rows[1]?.["live heap, MB"] ?? 0) / (rows[0]?.["live heap, MB"] ?? 1)).toFixed(2)}`,
    ].join("\n"),
  ),
)
