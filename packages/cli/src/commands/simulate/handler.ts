/**
 * What `live-response simulate` does: serves the sample data, and prints how to use it.
 */
import * as Console from "effect/Console"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { programName } from "../../output/ProgramName.ts"
import * as SampleData from "../demo/sampleData.ts"
import * as SampleService from "./sampleService.ts"

export interface Options {
  readonly port: number
  readonly results: number
  readonly machines: number
  readonly perMinute: number
  readonly perHour: number
  /** Seconds. */
  readonly linkLifetime: number
}

const fault = { on: "blob", faults: [{ fault: "expire" }] }

export const serve = Effect.fnUntraced(function* (options: Options) {
  const results = SampleData.results(options.results, options.machines)
  const machines = SampleData.machines(options.machines)
  const address = yield* SampleService.serve(results, {
    ...options,
    machines,
    commandTime: "5 seconds",
    linkLifetime: Duration.seconds(options.linkLifetime),
  })
  yield* Console.log(
    [
      `The simulator serves ${results.length} results and ${machines.length} machines at ${address}. In another terminal:`,
      "",
      `  export LIVE_RESPONSE_ENDPOINT=${address} LIVE_RESPONSE_TOKEN=${SampleService.token}`,
      `  ${programName} download ${results[0]?.ref.machineActionId}:0-5 ${SampleData.missing}`,
      ...machines.slice(0, 1).map(({ id }) => `  ${programName} run ${id} --script collect.ps1 --download case-1`),
      "",
      "Other programs send the same token. A fault happens to the next request, here to that for a result:",
      "",
      `  curl -H "Authorization: Bearer ${SampleService.token}" "${address}/api/machineactions?\\$top=1"`,
      `  curl -H "Content-Type: application/json" -d '${JSON.stringify(fault)}' ${address}/simulator/faults`,
      "",
      "Press Ctrl-C to stop it.",
    ].join("\n"),
  )
  return yield* Effect.never
})
