/**
 * Groups of results that are alike, the rarest first.
 */
import { type Group, Stack } from "@live-response/core/Stack"
import { type Column, numberColumn, textColumn, Texts } from "../columns.ts"
import { button, type Child, h } from "../dom.ts"
import { count, counted } from "../format.ts"
import { Grid } from "../grid.ts"
import type { Model } from "../model.ts"
import * as Panel from "../panel.ts"
import { machineAddress } from "./detail.ts"
import { allRows } from "./results.ts"

/** A value that results are stacked by: what it is of a row, and how it is shown. */
interface Key {
  readonly label: string
  /** Adds the values of all rows. */
  readonly add: (add: (value: string, row: number) => void) => void
  readonly show: (value: string) => string
}

/** Only results of scripts are stacked. */
const eachScript =
  (model: Model, valueOf: (row: number) => string): Key["add"] =>
  (add) => {
    model.results.kind.forEach((kind, row) => {
      if (kind === 0) add(valueOf(row), row)
    })
  }

const emptyText = "(empty)"

const keysOf = (model: Model): ReadonlyArray<Key> => {
  const { fields, outputs } = model.payload
  const { results } = model
  const text = (index: string) => model.text(Number(index)) || emptyText
  const ofTexts = (label: string, indexes: ReadonlyArray<number>): Key => ({
    label,
    add: eachScript(model, (row) => String(indexes[row] ?? 0)),
    show: text,
  })
  return [
    {
      label: "Output (normalised)",
      add: eachScript(model, (row) => String(results.output[row])),
      show: (output) =>
        (outputs.characters[Number(output)] ?? 0) === 0
          ? emptyText
          : model.text(outputs.start[Number(output)]) || `(output ${output}, which is not in the report)`,
    },
    ofTexts("First line", results.firstLine),
    {
      label: "Exit code",
      add: eachScript(model, (row) => String(results.exitCode[row] ?? "unknown")),
      show: (value) => value,
    },
    ofTexts("Errors (normalised)", results.errors),
    ofTexts("Script", results.source),
    { label: "SHA-256", add: eachScript(model, (row) => model.sha256(row)), show: (value) => value },
    ...fields.map(({ name, rows, values }): Key => ({
      label: `Field .${name}`,
      add: (add) => rows.forEach((row, i) => add(String(values[i] ?? 0), row)),
      show: text,
    })),
  ]
}

interface Stacked {
  readonly groups: ReadonlyArray<Group<number>>
  readonly rows: ReadonlyMap<string, ReadonlyArray<number>>
}

const stackBy = (model: Model, key: Key, source: number): Stacked => {
  performance.mark("stack")
  const stack = new Stack<number>()
  const rows = new Map<string, Array<number>>()
  key.add((value, row) => {
    if (source !== 0 && model.results.source[row] !== source) return
    stack.add(value, model.machineOf(row))
    const known = rows.get(value)
    if (known === undefined) rows.set(value, [row])
    else if (known.at(-1) !== row) known.push(row)
  })
  const stacked = { groups: stack.groups(), rows }
  performance.measure("stack", "stack")
  return stacked
}

const countColumn = (key: string, label: string, values: ReadonlyArray<number>) =>
  numberColumn({ key, label, width: 6 }, values, count)

const columnsOf = (groups: ReadonlyArray<Group<number>>, show: (value: string) => string): ReadonlyArray<Column> => {
  const source = new Texts(groups.map(({ value }) => show(value).replaceAll("\n", " ⏎ ")))
  return [
    countColumn(
      "machines",
      "Machines",
      groups.map(({ machines }) => machines.length),
    ),
    countColumn(
      "count",
      "Count",
      groups.map((group) => group.count),
    ),
    textColumn({ key: "value", label: "Value", width: 12, grow: 8 }, source, allRows(groups.length)),
  ]
}

const mostMachines = 200

/** The machines of a group. */
const groupFacts = (
  model: Model,
  { machines, value }: Group<number>,
  key: Key,
  onShow: () => void,
): ReadonlyArray<Child> => [
  h("pre", { tabindex: 0 }, key.show(value)),
  h("p", {}, button("Show these results", onShow)),
  h(
    "h3",
    {},
    machines.length > mostMachines
      ? `${count(mostMachines)} of ${counted(machines.length, "machine")}`
      : counted(machines.length, "machine"),
  ),
  h(
    "ul",
    { class: "plain" },
    machines
      .slice(0, mostMachines)
      .map((machine) => h("li", {}, h("a", { href: machineAddress(machine) }, model.machineName(machine)))),
  ),
]

const selectOf = (label: string, names: ReadonlyArray<string>, onChange: (index: number) => void): HTMLElement => {
  const select = h(
    "select",
    {},
    names.map((name, i) => h("option", { value: i }, name)),
  )
  select.addEventListener("change", () => onChange(select.selectedIndex))
  return h("label", {}, `${label} `, select)
}

/** `onShow` shows the results of a group. */
export const view = (model: Model, onShow: (label: string, rows: Int32Array) => void) => {
  const keys = keysOf(model)
  const scripts = Array.from(new Set(model.results.source.filter((_, row) => model.results.kind[row] === 0)))
  const chosen = { key: keys[0], source: 0 }
  const element = h("div", { class: "view" })
  const state: { grid: Grid | undefined } = { grid: undefined }
  const controls = [
    selectOf(
      "Stack by",
      keys.map(({ label }) => label),
      (i) => {
        chosen.key = keys[i]
        draw()
      },
    ),
    selectOf("Script", ["All scripts", ...scripts.map((source) => model.text(source) || "(unknown)")], (i) => {
      chosen.source = scripts[i - 1] ?? 0
      draw()
    }),
  ]
  const draw = () => {
    const { key, source } = chosen
    if (key === undefined) return
    const { groups, rows } = stackBy(model, key, source)
    const open = (i: number) => {
      const group = groups[i]
      if (group === undefined) return
      const [line = ""] = key.show(group.value).split("\n")
      const show = () => onShow(`${key.label}: ${line}`, Int32Array.from(rows.get(group.value) ?? []))
      Panel.open(
        `${counted(group.machines.length, "machine")}, ${counted(group.count, "time")}`,
        groupFacts(model, group, key, show),
      )
    }
    state.grid?.close()
    state.grid = new Grid({
      noun: "groups",
      label: `Groups by ${key.label}`,
      columns: columnsOf(groups, key.show),
      rows: allRows(groups.length),
      controls,
      onOpen: open,
    })
    element.replaceChildren(state.grid.element)
  }
  draw()
  return { element, focusSearch: () => state.grid?.focusSearch() }
}
