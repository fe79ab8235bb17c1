/** The results of the simulated service, the same in every runtime: ten, three of which fail at first. */
import { FromString } from "@live-response/core/ResultRef"
import * as Simulator from "@live-response/core/testing/Simulator"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

export const token = "a-token-for-runtimes"

const bytes = (length: number, seed: number) =>
  Uint8Array.from({ length }, (_, i) => (i * 31 + (i >>> 8) * seed) & 0xff)

/** `retries` are the expected reasons for retries of a download. */
const results: ReadonlyArray<
  Simulator.Result & { readonly content: Uint8Array; readonly retries?: ReadonlyArray<string> }
> = [
  { content: bytes(0, 1) },
  { content: bytes(1, 2) },
  { content: bytes(65_536, 3) },
  {
    content: new TextEncoder().encode(
      '{"script_name":"a.ps1","exit_code":0,"script_output":"grün","script_errors":""}',
    ),
  },
  { content: Uint8Array.of(0x1f, 0x8b, ...bytes(5000, 4)) },
  { content: bytes(3_000_001, 5) },
  { content: bytes(777, 6), md5: false },
  { content: bytes(20_000, 7), blobFaults: [{ fault: "expire" }], retries: ["LinkRefused"] },
  { content: bytes(500_000, 8), blobFaults: [{ fault: "cut", after: 250_000 }], retries: ["Broken"] },
  { content: bytes(30_000, 9), linkFaults: [{ fault: "throttle", retryAfter: 1 }], retries: ["TooManyRequests"] },
]

const decodeRef = Schema.decodeSync(FromString)

export const samples = results.map((result, index) => ({
  ref: decodeRef(`988cc94e-7a8f-4b28-ab65-54970c5d5018:${index}`),
  result,
}))

/** A simulator with these results. */
export const make = Effect.gen(function* () {
  const simulator = yield* Simulator.make({ tokens: [token] })
  yield* Effect.forEach(samples, ({ ref, result }) => simulator.add(ref, result))
  return simulator
})
