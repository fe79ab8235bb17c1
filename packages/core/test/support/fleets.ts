import { limits } from "@live-response/core/Session"
import type * as Simulator from "@live-response/core/testing/Simulator"

export const machineAt = (n: number) => n.toString(16).padStart(40, "0")

export const machineIds = (count: number) => Array.from({ length: count }, (_, n) => machineAt(n))

export const machines = (count: number, of: (n: number) => Partial<Simulator.Machine> = () => ({})) =>
  Array.from({ length: count }, (_, n) => ({ id: machineAt(n), name: `ws-${n}`, ...of(n) }))

/**
 * When the last of `count` sessions finishes, in seconds, if only the limits hold them up: 10 start in a minute, and 50 are in
 * progress at once. Each takes `length` seconds.
 */
export const earliestEnd = (count: number, length: number): number => {
  const startedAt: Array<number> = []
  for (let n = 0; n < count; n++) {
    startedAt.push(Math.max(0, (startedAt[n - 10] ?? -60) + 60, (startedAt[n - limits.atOnce] ?? -length) + length))
  }
  return Math.max(...startedAt) + length
}
