/**
 * Machines on which sessions run, and what became of them.
 */
import * as MachineAction from "@live-response/core/MachineAction"
import type * as Simulator from "@live-response/core/testing/Simulator"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

export const machineAt = (n: number) => n.toString(16).padStart(40, "c0ffee")

export const machines = (count: number, of: (n: number) => Partial<Simulator.Machine> = () => ({})) =>
  Array.from({ length: count }, (_, n) => ({ id: machineAt(n), name: `ws-${n}.contoso.com`, ...of(n) }))

export const ids = (count: number) => Array.from({ length: count }, (_, n) => machineAt(n))

/** A service that is quick, and a program that knows it. */
export const quick = {
  commandTime: "300 millis",
  visibleAfter: "200 millis",
  runsPerMinute: 1000,
  library: [
    { name: "collect.ps1", content: "Get-Process" },
    { name: "tool.exe", content: "MZ" },
  ],
} as const

export const env = { LIVE_RESPONSE_RUN_WINDOWS: "1000/1 minute", LIVE_RESPONSE_VISIBLE_WITHIN: "2 seconds" }

export const script = ["--script", "collect.ps1"]

const decodeAction = Schema.decodeUnknownEffect(MachineAction.FromApi)

/** The sessions that the service has started, first to last. */
export const sessions = (simulator: Simulator.Service) =>
  simulator.actions.pipe(Effect.flatMap(Effect.forEach((action) => decodeAction(action))))

/** The machines of those that the program asked for: one stands there as often as it had one. */
export const machinesOf = (simulator: Simulator.Service) =>
  Effect.map(sessions(simulator), (actions) =>
    actions
      .filter(({ requestorComment = "" }) => requestorComment.includes("[live-response"))
      .map(({ machineId = "" }) => machineId)
      .sort(),
  )
