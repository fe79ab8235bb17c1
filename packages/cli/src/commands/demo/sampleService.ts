/**
 * A batch that holds what real ones hold: script results, collected files, and what goes wrong.
 */
import { FromString, type ResultRef } from "@live-response/core/ResultRef"
import * as Simulator from "@live-response/core/testing/Simulator"
import * as SimulatorServer from "@live-response/node/testing/SimulatorServer"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpServer from "effect/http/HttpServer"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { type Failure, machine } from "../../Failure.ts"
import * as SampleFile from "./sampleFile.ts"

export interface SampleResult {
  readonly ref: ResultRef
  readonly result: Simulator.Result
}

const decodeRef = Schema.decodeSync(FromString)

/** Six commands a machine, as one live response session runs them. */
const commandsPerMachine = 6

const refAt = (i: number): ResultRef => {
  const machine = Math.floor(i / commandsPerMachine)
  return decodeRef(`00000000-5a11-4000-8000-${machine.toString(16).padStart(12, "0")}:${i % commandsPerMachine}`)
}

const script = (i: number): Uint8Array => {
  const output = `Host: WS-${String(i).padStart(4, "0")}\\r\\nC:\\\\windows\\\\TEMP\\\\collect.zip\\r\\n${i} MB`
  // Every third one as the vendor's own example has it: not quite JSON, with a line feed and NULs inside the string.
  const text = i % 3 === 0 ? `${output.replace("\\r\\n", "\n")}\\n\\u0000\\u0000` : output
  return new TextEncoder().encode(
    `{"script_name":"collect.ps1","exit_code":0,"script_output":"${text}","script_errors":""}`,
  )
}

const faults: Record<number, Pick<Simulator.Result, "linkFaults" | "blobFaults">> = {
  7: { blobFaults: [{ fault: "expire" }] },
  11: {
    blobFaults: [
      { fault: "cut", after: 200_000 },
      { fault: "cut", after: 100_000 },
    ],
  },
  30: { linkFaults: [{ fault: "status", status: 503 }] },
  // Late, for whoever is refused slows down.
  54: { linkFaults: [{ fault: "throttle", retryAfter: 3 }] },
}

/** The results that there are; among their requests each fault happens. Every sixth is a collected file, in gzip. */
export const results = (count: number): ReadonlyArray<SampleResult> =>
  Array.from({ length: count }, (_, i) => ({
    ref: refAt(i),
    result: {
      content: i % commandsPerMachine === 5 ? SampleFile.make(i, 200_000 + i * 30_000) : script(i),
      ...faults[i],
    },
  }))

/** A result that does not exist, as a list that somebody typed is sure to have one. */
export const missing: ResultRef = decodeRef("00000000-5a11-4000-8000-ffffffffffff:0")

/** Machines on which sessions run, with what there is among real ones: offline for a while, busy, too old, failing. */
export const machines = (count: number): ReadonlyArray<Simulator.Machine> =>
  Array.from({ length: count }, (_, i) => ({
    id: i.toString(16).padStart(40, "5a11c0de"),
    name: `ws-${String(i).padStart(4, "0")}.example.com`,
    ...oddities[i],
  }))

const oddities: Record<number, Partial<Simulator.Machine>> = {
  3: { offline: "20 seconds" },
  5: { fails: "Access to the path is denied." },
  7: { busy: "25 seconds" },
  9: { unsupported: true },
}

/** What the simulator takes for a bearer. It is no secret: it opens nothing but the simulator. */
export const token = "simulated-token"

/** Serves the results until the scope ends. Gives the address. */
export const serve = Effect.fnUntraced(function* (
  results: ReadonlyArray<SampleResult>,
  options: Simulator.Options & { readonly port: number },
): Effect.fn.Return<string, Failure, Scope.Scope> {
  const simulator = yield* Simulator.make({ ...options, tokens: [token] })
  yield* Effect.forEach(results, ({ ref, result }) => simulator.add(ref, result), { discard: true })
  const context = yield* Layer.build(
    SimulatorServer.layer(options).pipe(Layer.provide(Layer.succeed(Simulator.Simulator, simulator))),
  ).pipe(Effect.mapError((error) => machine(`can't serve on port ${options.port}: ${String(error.cause)}`)))
  return HttpServer.formatAddress(Context.get(context, HttpServer.HttpServer).address)
})
