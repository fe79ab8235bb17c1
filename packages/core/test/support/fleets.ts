import type * as Simulator from "@live-response/core/testing/Simulator"

export const machineAt = (n: number) => n.toString(16).padStart(40, "0")

export const machineIds = (count: number) => Array.from({ length: count }, (_, n) => machineAt(n))

export const machines = (count: number, of: (n: number) => Partial<Simulator.Machine> = () => ({})) =>
  Array.from({ length: count }, (_, n) => ({ id: machineAt(n), name: `ws-${n}`, ...of(n) }))

/**
 * When the last of so many sessions of one length (seconds) is over, if none waits for anything but the limits: 10 begin in
 * any minute, and 25 are under way at once.
 */
export const earliestEnd = (count: number, length: number): number => {
  const began: Array<number> = []
  for (let n = 0; n < count; n++) {
    began.push(Math.max(0, (began[n - 10] ?? -60) + 60, (began[n - 25] ?? -length) + length))
  }
  return Math.max(...began) + length
}
