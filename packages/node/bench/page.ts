/**
 * What a page of 10,000 actions (20 MB) costs: processor time, and the longest time for which it blocks the event loop.
 *
 *     node packages/node/bench/page.ts [number of actions]
 */
import { fork } from "node:child_process"
import { createServer } from "node:http"
import { fileURLToPath } from "node:url"
import * as Credential from "@live-response/core/Credential"
import * as DefenderApi from "@live-response/core/DefenderApi"
import * as Quota from "@live-response/core/Quota"
import * as QuotaStore from "@live-response/core/QuotaStore"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as NodeTransport from "@live-response/node/NodeTransport"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { figure, table } from "../../core/bench/table.ts"

const count = Number(process.argv[2] ?? 10_000)

const at = "2026-11-01T21:03:57.2262283Z"

const command = (index: number) => ({
  index,
  startTime: at,
  endTime: at,
  commandStatus: "Completed",
  errors: [],
  command: {
    type: "RunScript",
    params: [
      { key: "ScriptName", value: "collect.ps1" },
      { key: "Args", value: `-Path "C:\\Users\\${"x".repeat(380)}"` },
    ],
  },
})

const action = (n: number) => ({
  id: `988cc94e-7a8f-4b28-ab65-${String(n).padStart(12, "0")}`,
  type: "LiveResponse",
  title: null,
  requestor: "soc@contoso.com",
  requestorComment: "a sweep",
  status: "Succeeded",
  machineId: "7b1f4967d9728e5aa3c06a9e617a22a4a5a17378",
  computerDnsName: `ws-${n}.contoso.com`,
  creationDateTimeUtc: at,
  lastUpdateDateTimeUtc: at,
  errorHResult: 0,
  commands: [0, 1, 2].map(command),
})

/** The server is a process of its own, so that only the client is measured. */
const isServer = process.argv.includes("--serve")

const serve = () => {
  const body = new TextEncoder().encode(JSON.stringify({ value: Array.from({ length: count }, (_, n) => action(n)) }))
  const server = createServer((_, response) => response.end(body))
  server.listen(0, "127.0.0.1", () => {
    const address = server.address()
    process.send?.({ port: typeof address === "object" ? address?.port : 0, length: body.length })
  })
}

const Served = Schema.Struct({ port: Schema.Int, length: Schema.Int })

const server = Effect.acquireRelease(
  Effect.sync(() => fork(fileURLToPath(import.meta.url), [String(count), "--serve"])),
  (child) => Effect.sync(() => child.kill()),
).pipe(
  Effect.flatMap((child) =>
    Effect.callback<unknown>((resume) => {
      child.once("message", (message) => resume(Effect.succeed(message)))
    }),
  ),
  Effect.flatMap(Schema.decodeUnknownEffect(Served)),
)

/** The processor time of this thread, in milliseconds. */
const threadTime = () => {
  const { system, user } = process.threadCpuUsage()
  return (system + user) / 1000
}

/**
 * Runs an effect, and measures the longest time for which it blocks the event loop: by the clock, and the processor time of the
 * thread in it. On a busy machine the clock counts the other programs as well.
 */
const measured = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const longest = { wall: 0, cpu: 0 }
    let [wall, cpu, isDone] = [performance.now(), threadTime(), false]
    const turn = () => {
      const [wallNow, cpuNow] = [performance.now(), threadTime()]
      longest.wall = Math.max(longest.wall, wallNow - wall)
      longest.cpu = Math.max(longest.cpu, cpuNow - cpu)
      wall = wallNow
      cpu = cpuNow
      if (!isDone) setImmediate(turn)
    }
    setImmediate(turn)
    const before = process.cpuUsage()
    yield* effect
    isDone = true
    const { system, user } = process.cpuUsage(before)
    return { cpu: (system + user) / 1000, longest }
  })

const program = Effect.gen(function* () {
  const { length, port } = yield* server
  const base = `http://127.0.0.1:${port}`
  const list = Effect.flatMap(DefenderApi.DefenderApi, (api) => Stream.runDrain(api.list())).pipe(
    Effect.provide(
      DefenderApi.layer({ base }).pipe(
        Layer.provide([
          NodeTransport.layer,
          Credential.layerToken(Redacted.make("eyJ0" + "aB3".repeat(600))),
          Quota.layer().pipe(Layer.provide(QuotaStore.layerMemory)),
        ]),
      ),
    ),
  )
  const rows: Array<ReadonlyArray<string>> = []
  for (const run of ["first", "second", "third"]) {
    const { cpu, longest } = yield* measured(list)
    rows.push([run, figure(length / 1e6, 1), figure(cpu), figure(longest.cpu), figure(longest.wall)])
  }
  yield* Console.log(table(["page", "MB", "processor, ms", "longest block, ms of processor", "by the clock"], rows))
}).pipe(Effect.scoped)

if (isServer) serve()
else await Effect.runPromise(program)
