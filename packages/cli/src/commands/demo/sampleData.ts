/**
 * The sample data of `demo` and `simulate`: script results, collected files and machines, and the faults among them.
 */
import { FromString, type ResultRef } from "@live-response/core/ResultRef"
import type * as Simulator from "@live-response/core/testing/Simulator"
import * as Schema from "effect/Schema"
import * as SampleFile from "./sampleFile.ts"

export interface SampleResult {
  readonly ref: ResultRef
  readonly result: Simulator.Result
}

const decodeRef = Schema.decodeSync(FromString)

/** A session of six commands on each machine. */
const commandsPerMachine = 6

const sessionOf = (i: number): number => Math.floor(i / commandsPerMachine)

const refAt = (i: number): ResultRef =>
  decodeRef(`00000000-5a11-4000-8000-${sessionOf(i).toString(16).padStart(12, "0")}:${i % commandsPerMachine}`)

const shortName = (machine: number): string => `ws-${String(machine).padStart(4, "0")}`

const script = (i: number, machine: number): Uint8Array => {
  const output = `Host: ${shortName(machine).toUpperCase()}\\r\\nC:\\\\windows\\\\TEMP\\\\collect.zip\\r\\n${i} MB`
  // Every third one is as in Microsoft's own example: not quite JSON, with a line feed and NULs inside the string.
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
  // Near the end, because a throttled client slows down.
  54: { linkFaults: [{ fault: "throttle", retryAfter: 3 }] },
}

/**
 * Results to download, of sessions that were on so many machines in turn. The faults happen once each. Every sixth result is a
 * collected file (gzip).
 */
export const results = (count: number, machines = count): ReadonlyArray<SampleResult> =>
  Array.from({ length: count }, (_, i) => ({
    ref: refAt(i),
    result: {
      ...(i % commandsPerMachine === 5
        ? { content: SampleFile.make(i, 200_000 + i * 30_000), fileName: "collect.zip" }
        : { content: script(i, sessionOf(i) % Math.max(1, machines)) }),
      ...faults[i],
    },
  }))

/** A result that does not exist, as a mistyped line of a list names it. */
export const missing: ResultRef = decodeRef("00000000-5a11-4000-8000-ffffffffffff:0")

/** Machines that sessions run on. Among them are one that is offline, busy, too old, inactive, and one whose script fails. */
export const machines = (count: number): ReadonlyArray<Simulator.Machine> =>
  Array.from({ length: count }, (_, i) => ({
    id: i.toString(16).padStart(40, "5a11c0de"),
    name: `${shortName(i)}.example.com`,
    record: recordOf(i),
    ...problems[i],
  }))

/** What machines are selected by: every fourth one has the tag of an incident. The eleventh is not onboarded. */
const recordOf = (i: number): Partial<Simulator.MachineRecord> => ({
  machineTags: i % 4 === 0 ? ["workstation", "incident-42"] : ["workstation"],
  osPlatform: i % 3 === 2 ? "Windows10" : "Windows11",
  rbacGroupId: 100 + (i % 2),
  rbacGroupName: i % 2 === 0 ? "Berlin" : "Paris",
  riskScore: i % 5 === 4 ? "High" : "None",
  onboardingStatus: i === 10 ? "CanBeOnboarded" : "Onboarded",
})

const problems: Record<number, Partial<Simulator.Machine>> = {
  3: { offline: "20 seconds" },
  5: { scriptError: "Access to the path is denied." },
  7: { busy: "25 seconds" },
  9: { unsupported: true },
  11: { offline: "30 days" },
}
