/**
 * A chart of bars over time. A table below it, which is closed at first, has the same numbers.
 */
import { h, svg } from "./dom.ts"
import { count, time } from "./format.ts"
import type { Bar } from "./timeline.ts"

const width = 720
const height = 120

/** How much of a limit is used. */
const shareOf = (value: number, limit: number): string => `${count(Math.round((value / limit) * 100))} %`

/**
 * The bars, the highest value at the top, and the first and the last time below. With a limit, a line shows it, and the bars are
 * a share of it.
 */
export const chart = (title: string, bars: ReadonlyArray<Bar>, limit?: number): HTMLElement => {
  const most = bars.reduce((most, { value }) => Math.max(most, value), 0)
  const highest = Math.max(1, most, limit ?? 0)
  const summary =
    limit === undefined
      ? `at most ${count(most)}`
      : `at most ${count(most)} of ${count(limit)}, ${shareOf(most, limit)}`
  const heads = limit === undefined ? ["Count"] : ["Used", `Share of ${count(limit)}`]
  const cellsOf = (value: number) => (limit === undefined ? [count(value)] : [count(value), shareOf(value, limit)])
  const step = width / Math.max(1, bars.length)
  const shapes = bars.map(({ value }, i) => {
    const size = (value / highest) * height
    return svg("rect", { x: i * step, y: height - size, width: Math.max(0.5, step - (step > 4 ? 1 : 0)), height: size })
  })
  const top = height - ((limit ?? 0) / highest) * height
  const line = limit === undefined ? [] : [svg("line", { class: "limit", x1: 0, x2: width, y1: top, y2: top })]
  const drawing = svg(
    "svg",
    {
      viewBox: `0 0 ${width} ${height}`,
      preserveAspectRatio: "none",
      role: "img",
      "aria-label": `${title}: ${summary}`,
    },
    shapes,
    line,
  )
  return h(
    "figure",
    { class: "chart" },
    h("figcaption", {}, title, h("span", { class: "quiet" }, ` ${summary}`)),
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
            h(
              "tr",
              {},
              h("th", { scope: "col" }, "From"),
              heads.map((head) => h("th", { scope: "col", class: "number" }, head)),
            ),
          ),
          h(
            "tbody",
            {},
            bars.map(({ at, value }) =>
              h(
                "tr",
                {},
                h("td", {}, time(at)),
                cellsOf(value).map((cell) => h("td", { class: "number" }, cell)),
              ),
            ),
          ),
        ),
      ),
    ),
  )
}
