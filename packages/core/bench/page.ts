/**
 * What a page of 10,000 actions (20 MB) costs: processor time, and the longest time for which it blocks the event loop.
 *
 *     node packages/core/bench/page.ts
 */
import { createServer } from "node:http"
import * as Credential from "@live-response/core/Credential"
import * as DefenderApi from "@live-response/core/DefenderApi"
import * as Quota from "@live-response/core/Quota"
import * as QuotaStore from "@live-response/core/QuotaStore"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import { figure, table } from "./table.ts"

const count = 10_000

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

const body = JSON.stringify({ value: Array.from({ length: count }, (_, n) => action(n)) })

const serve = Effect.acquireRelease(
  Effect.callback<{ readonly base: string; readonly close: () => void }>((resume) => {
    const server = createServer((_, response) => response.end(body))
    server.listen(0, "127.0.0.1", () => {
      const address = server.address()
      const port = typeof address === "object" ? address?.port : 0
      resume(Effect.succeed({ base: `http://127.0.0.1:${port}`, close: () => server.close() }))
    })
  }),
  ({ close }) => Effect.sync(close),
)

/** Runs an effect, and measures the longest gap between two turns of the event loop. */
const measured = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    let [last, longest, isDone] = [performance.now(), 0, false]
    const turn = () => {
      const now = performance.now()
      longest = Math.max(longest, now - last)
      last = now
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
  const { base } = yield* serve
  const list = Effect.flatMap(DefenderApi.DefenderApi, (api) => Stream.runDrain(api.list())).pipe(
    Effect.provide(
      DefenderApi.layer({ base }).pipe(
        Layer.provide([
          FetchHttpClient.layer,
          Credential.layerToken(Redacted.make("eyJ0" + "aB3".repeat(600))),
          Quota.layer().pipe(Layer.provide(QuotaStore.layerMemory)),
        ]),
      ),
    ),
  )
  const rows: Array<ReadonlyArray<string>> = []
  for (const run of ["first", "second", "third"]) {
    const { cpu, longest } = yield* measured(list)
    rows.push([run, figure(body.length / 1e6, 1), figure(cpu), figure(longest)])
  }
  yield* Console.log(table(["page", "MB", "processor, ms", "longest block, ms"], rows))
}).pipe(Effect.scoped)

await Effect.runPromise(program)
