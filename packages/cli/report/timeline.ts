/**
 * Values over time, in steps of equal length. Nothing here touches the page.
 */

export interface Bar {
  readonly at: number
  readonly value: number
}

const minute = 60_000
const steps = [1, 5, 15, 60, 6 * 60, 24 * 60, 7 * 24 * 60].map((minutes) => minutes * minute)
const names = ["minute", "5 minutes", "15 minutes", "hour", "6 hours", "day", "week"]

const mostBars = 120

/** Longer times have no more bars than this: the last ones are left out. */
const mostSlots = mostBars * 10

/** The steps of some times, the shortest of which there are not too many. Times that are 0 are unknown. */
const slotsOf = (times: ReadonlyArray<number>) => {
  const known = times.filter((at) => at > 0)
  const first = known.reduce((a, b) => Math.min(a, b), Infinity)
  const last = known.reduce((a, b) => Math.max(a, b), 0)
  const fitting = steps.findIndex((step) => (last - first) / step < mostBars)
  const chosen = fitting === -1 ? steps.length - 1 : fitting
  const step = steps[chosen] ?? minute
  const start = Math.floor(first / step) * step
  const length = known.length === 0 ? 0 : Math.min(mostSlots, Math.floor((last - start) / step) + 1)
  return { start, step, length, name: names[chosen] ?? "" }
}

/** Sums of values. */
export const barsOf = (times: ReadonlyArray<number>, values: ReadonlyArray<number>) => {
  const { length, name, start, step } = slotsOf(times)
  const sums = new Map<number, number>()
  times.forEach((at, i) => {
    if (at === 0) return
    const slot = Math.floor((at - start) / step)
    sums.set(slot, (sums.get(slot) ?? 0) + (values[i] ?? 0))
  })
  const bars = Array.from({ length }, (_, slot): Bar => ({ at: start + slot * step, value: sums.get(slot) ?? 0 }))
  return { bars, name }
}

/** The highest sum that a window of some length has in each step: of a window that moves with the time, as the service counts. */
export const windowBars = (times: ReadonlyArray<number>, values: ReadonlyArray<number>, window: number) => {
  const { length, name, start, step } = slotsOf(times)
  const order = Uint32Array.from(times.keys()).filter((i) => (times[i] ?? 0) > 0)
  order.sort((a, b) => (times[a] ?? 0) - (times[b] ?? 0))
  const [timeAt, valueAt] = [(k: number) => times[order[k] ?? 0] ?? 0, (k: number) => values[order[k] ?? 0] ?? 0]
  let [oldest, next, sum] = [0, 0, 0]
  /** Takes out of the window what is too old at some time. */
  const moveTo = (at: number) => {
    while (oldest < next && timeAt(oldest) <= at - window) sum -= valueAt(oldest++)
  }
  const bars = Array.from({ length }, (_, slot): Bar => {
    const at = start + slot * step
    moveTo(at)
    let highest = sum
    while (next < order.length && timeAt(next) < at + step) {
      sum += valueAt(next)
      moveTo(timeAt(next++))
      highest = Math.max(highest, sum)
    }
    return { at, value: highest }
  })
  return { bars, name }
}
