/**
 * A chart of bars over time. A table below it, which is closed at first, has the same numbers.
 */
import { h, svg } from "./dom.ts"
import { count, time } from "./format.ts"

export interface Bar {
  readonly at: number
  readonly value: number
}

const minute = 60_000
const steps = [1, 5, 15, 60, 6 * 60, 24 * 60, 7 * 24 * 60].map((minutes) => minutes * minute)
const names = ["minute", "5 minutes", "15 minutes", "hour", "6 hours", "day", "week"]

const mostBars = 120

/** Sums of values in steps of equal length, the shortest of which there are not too many. */
export const barsOf = (times: ReadonlyArray<number>, values: ReadonlyArray<number>) => {
  const known = times.filter((at) => at > 0)
  const first = known.reduce((a, b) => Math.min(a, b), Infinity)
  const last = known.reduce((a, b) => Math.max(a, b), 0)
  const fitting = steps.findIndex((step) => (last - first) / step < mostBars)
  const chosen = fitting === -1 ? steps.length - 1 : fitting
  const step = steps[chosen] ?? minute
  const start = Math.floor(first / step) * step
  const sums = new Map<number, number>()
  times.forEach((at, i) => {
    if (at === 0) return
    const slot = Math.floor((at - start) / step)
    sums.set(slot, (sums.get(slot) ?? 0) + (values[i] ?? 0))
  })
  const length = known.length === 0 ? 0 : Math.min(mostBars * 10, Math.floor((last - start) / step) + 1)
  const bars = Array.from({ length }, (_, slot): Bar => ({ at: start + slot * step, value: sums.get(slot) ?? 0 }))
  return { bars, name: names[chosen] ?? "" }
}

const width = 720
const height = 120

/** The bars, the highest value at the left, and the first and the last time below. */
export const chart = (title: string, bars: ReadonlyArray<Bar>): HTMLElement => {
  const highest = bars.reduce((most, { value }) => Math.max(most, value), 1)
  const step = width / Math.max(1, bars.length)
  const shapes = bars.map(({ value }, i) => {
    const size = (value / highest) * height
    return svg("rect", { x: i * step, y: height - size, width: Math.max(0.5, step - (step > 4 ? 1 : 0)), height: size })
  })
  const label = `${title}: at most ${count(highest)}`
  const drawing = svg(
    "svg",
    { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", role: "img", "aria-label": label },
    shapes,
  )
  return h(
    "figure",
    { class: "chart" },
    h("figcaption", {}, title, h("span", { class: "quiet" }, ` at most ${count(highest)}`)),
    drawing,
    h("div", { class: "axis" }, h("span", {}, time(bars[0]?.at ?? 0)), h("span", {}, time(bars.at(-1)?.at ?? 0))),
    h(
      "details",
      {},
      h("summary", {}, "Numbers"),
      h(
        "div",
        { class: "scroll", tabindex: 0, role: "region", "aria-label": `${title}, numbers` },
        h(
          "table",
          {},
          h(
            "thead",
            {},
            h("tr", {}, h("th", { scope: "col" }, "From"), h("th", { scope: "col", class: "number" }, "Count")),
          ),
          h(
            "tbody",
            {},
            bars.map(({ at, value }) => h("tr", {}, h("td", {}, time(at)), h("td", { class: "number" }, count(value)))),
          ),
        ),
      ),
    ),
  )
}
