/**
 * The counts of a report, which add up.
 */
import { chart } from "../chart.ts"
import { become, type Child, h } from "../dom.ts"
import { bytes, count, counted, duration, time } from "../format.ts"
import type { Model } from "../model.ts"
import { barsOf, windowBars } from "../timeline.ts"
import { damageNotes, stateLabels, states, unknownNotes } from "../../src/commands/report/payload.ts"

const sum = (values: ReadonlyArray<number>): number => values.reduce((a, b) => a + b, 0)

const number = (value: string, name: string, href: string, more: Child = ""): HTMLElement =>
  h("div", { class: "figure" }, h("a", { href }, h("strong", {}, value), h("span", {}, name)), h("small", {}, more))

/** A table whose first column names what the second one counts. */
const table = (title: string, heads: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<Child>>): HTMLElement =>
  h(
    "div",
    { class: "block" },
    h(
      "table",
      {},
      h("caption", {}, title),
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          heads.map((head, i) => h("th", { scope: "col", class: i > 0 ? "number" : "" }, head)),
        ),
      ),
      h(
        "tbody",
        {},
        rows.map((cells) =>
          h(
            "tr",
            {},
            cells.map((cell, i) => (i === 0 ? h("th", { scope: "row" }, cell) : h("td", { class: "number" }, cell))),
          ),
        ),
      ),
    ),
  )

/** How often each value occurs, the most frequent first. */
const tally = (values: Iterable<string>): ReadonlyArray<readonly [string, number]> => {
  const counts = new Map<string, number>()
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1)
  return Array.from(counts).sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1))
}

const mostRows = 12

/** The first rows, and how many there are. */
const capped = (title: string, heads: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<Child>>): HTMLElement =>
  table(
    rows.length > mostRows ? `${title} (${mostRows} of ${count(rows.length)})` : title,
    heads,
    rows.slice(0, mostRows),
  )

const machinesTable = ({ payload }: Model): HTMLElement => {
  const counts = states.map((_, i) => payload.machines.state.filter((state) => state === i).length)
  const all = payload.machines.state.length
  const rows = states.flatMap((state, i) =>
    state === "results" || counts[i] === 0 ? [] : [[stateLabels[state], count(counts[i] ?? 0)]],
  )
  return table(
    "Machines",
    ["State", "Machines"],
    [
      [stateLabels.results, count(counts[0] ?? 0)],
      ["Without results", count(all - (counts[0] ?? 0))],
      ...rows.map(([label, n]) => [h("span", { class: "below" }, label), n]),
      [h("strong", {}, "All that were asked"), h("strong", {}, count(all))],
    ],
  )
}

const reasonsTable = (model: Model): Child => {
  const { reason } = model.payload.machines
  const reasons = tally(reason.filter((text) => text !== 0).map((text) => model.text(text)))
  if (reasons.length === 0) return undefined
  return capped(
    "Why machines have no results",
    ["Reason", "Machines"],
    reasons.map(([text, n]) => [text, count(n)]),
  )
}

const scriptsTable = (model: Model): Child => {
  const scripts = new Map<string, { results: number; nonZero: number; errors: number; machines: Set<number> }>()
  model.results.kind.forEach((kind, row) => {
    if (kind !== 0) return
    const name = model.text(model.results.source[row])
    const script = scripts.get(name) ?? { results: 0, nonZero: 0, errors: 0, machines: new Set<number>() }
    scripts.set(name, script)
    script.results++
    if ((model.results.exitCode[row] ?? 0) !== 0) script.nonZero++
    if ((model.results.errorsCharacters[row] ?? 0) > 0) script.errors++
    script.machines.add(model.machineOf(row))
  })
  if (scripts.size === 0) return undefined
  const rows = Array.from(scripts).sort(([, a], [, b]) => b.results - a.results)
  return capped(
    "Scripts",
    ["Script", "Results", "Machines", "Exit code not 0", "With errors"],
    rows.map(([name, { errors, machines, nonZero, results }]) => [
      name || "(unknown)",
      ...[results, machines.size, nonZero, errors].map(count),
    ]),
  )
}

const kindsTable = (model: Model): HTMLElement => {
  const names = ["Script results", "Files", "Files that can't be used", "Failed downloads"]
  const counts = names.map((_, i) => model.results.kind.filter((kind) => kind === i).length)
  const rows = names.flatMap((name, i) => (counts[i] === 0 ? [] : [[name, count(counts[i] ?? 0)]]))
  return table("Results", ["Kind", "Results"], [...rows, [h("strong", {}, "All"), h("strong", {}, count(model.count))]])
}

/** The command counts no more fields. */
const mostCounted = 10_000

/** What the report leaves out. */
const notes = ({ payload: { damaged, parts, unknownNames } }: Model): ReadonlyArray<string> => [
  ...(parts.outputs.shown < parts.outputs.of
    ? [
        `The beginning of ${count(parts.outputs.shown)} of ${count(parts.outputs.of)} different outputs is in this report; the files have all.`,
      ]
    : []),
  ...(parts.fields.shown < parts.fields.of
    ? [
        `Outputs can be stacked by ${count(parts.fields.shown)} of ${count(parts.fields.of)}${parts.fields.of >= mostCounted ? " or more" : ""} fields here; live-response stack --by .FIELD stacks by all.`,
      ]
    : []),
  ...(parts.compared.shown < parts.compared.of
    ? [
        `${count(parts.compared.shown)} of ${count(parts.compared.of)} outputs were compared whole; the others are very long, and only their beginning was.`,
      ]
    : []),
  ...damageNotes(damaged, counted),
  ...unknownNotes(unknownNames, counted),
]

const figures = (model: Model): HTMLElement => {
  const { machines } = model.payload
  const { at, bytes: sizes, links } = model.results
  const known = at.filter((time) => time > 0)
  const first = known.reduce((a, b) => Math.min(a, b), Infinity)
  const last = known.reduce((a, b) => Math.max(a, b), 0)
  const withResults = machines.state.filter((state) => state === 0).length
  const without = machines.state.length - withResults
  return h(
    "div",
    { class: "figures" },
    number(
      count(machines.state.length),
      "machines asked",
      "#machines",
      `${count(withResults)} with results, ${count(without)} without`,
    ),
    number(count(model.count - model.failed), "results", "#results", bytes(sum(sizes))),
    number(count(without), "machines without results", "#failures"),
    number(count(sum(links)), "download links requested", "#results", "each counts against the quota"),
    last > 0 &&
      h(
        "div",
        { class: "figure" },
        h("strong", {}, duration(last - first)),
        h("span", {}, "from first to last result"),
        h("small", {}, `${time(first)} to ${time(last)}`),
      ),
  )
}

const charts = (model: Model): Child => {
  const { at, links } = model.results
  const perResult = barsOf(
    at,
    at.map(() => 1),
  )
  if (perResult.bars.length < 2) return undefined
  const quota = model.payload.quota.map(({ limit, name, window }) =>
    chart(`Download links in any ${name}`, windowBars(at, links, window).bars, limit),
  )
  return [
    h("div", { class: "charts" }, chart(`Results per ${perResult.name}`, perResult.bars), quota),
    h(
      "p",
      { class: "quiet" },
      "The lines are Microsoft's limits. The links are those of these results, at the time when each was finished; the links of other programs count too.",
    ),
  ]
}

const elementOf = (model: Model): HTMLElement =>
  h(
    "div",
    { class: "scroll summary-view", tabindex: 0, role: "region", "aria-label": "Summary" },
    figures(model),
    notes(model).map((note) => h("p", { class: "note" }, note)),
    h("div", { class: "blocks" }, machinesTable(model), kindsTable(model), reasonsTable(model), scriptsTable(model)),
    charts(model),
  )

export const view = (first: Model) => {
  const element = elementOf(first)
  return { element, update: (newer: Model) => become(element, elementOf(newer)) }
}
