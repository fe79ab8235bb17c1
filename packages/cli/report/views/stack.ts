/**
 * Groups of results that are alike, the rarest first.
 */
import { type Column, mapped, numberColumn, textColumn, Texts } from "../columnTypes.ts"
import { button, type Child, fill, h } from "../dom.ts"
import { count, counted } from "../format.ts"
import { type Data, Grid } from "../grid.ts"
import { type Groups, group, type Values } from "../grouping.ts"
import type { Model } from "../model.ts"
import * as Panel from "../panel.ts"
import { allRows } from "./results.ts"

/** A value that results are stacked by: what it is of a row, and how it is shown. */
interface Key {
  readonly label: string
  /** The values of all rows. Called when they are first shown. */
  readonly values: () => Values
  readonly show: (id: number) => string
}

const emptyText = "(empty)"

/** Numbers for values of any kind. */
const numbered = <A>(values: ReadonlyArray<A>) => {
  const known = new Map<A, number>()
  const ids = values.map((value) => {
    const id = known.get(value) ?? known.size
    known.set(value, id)
    return id
  })
  return { ids, distinct: Array.from(known.keys()) }
}

/** The field's values are not of each row, and a row may have several. */
const fieldKey = (model: Model, { name, rows, values }: Model["payload"]["fields"][number]): Key => ({
  label: `Field .${name}`,
  values: () => ({ rows, ids: values, size: model.payload.texts.length, text: (id) => model.text(id) }),
  show: (id) => model.text(id) || emptyText,
})

const keysOf = (model: Model): ReadonlyArray<Key> => {
  const { fields, outputs } = model.payload
  const { results } = model
  // Only results of scripts are stacked.
  const scripts = allRows(model.count).filter((row) => results.kind[row] === 0)
  const of = (values: ReadonlyArray<number>) => mapped(scripts, (row) => values[row] ?? 0)
  const ofTexts = (label: string, indexes: ReadonlyArray<number>): Key => ({
    label,
    values: () => ({
      rows: scripts,
      ids: of(indexes),
      size: model.payload.texts.length,
      text: (id) => model.text(id),
    }),
    show: (id) => model.text(id) || emptyText,
  })
  const exitCodes = numbered(Array.from(scripts, (row) => results.exitCode[row] ?? null))
  const hashes = () => model.sha256Ids(scripts)
  return [
    {
      label: "Output (normalised)",
      values: () => ({
        rows: scripts,
        ids: of(results.output),
        size: outputs.start.length,
        text: (output) => model.text(outputs.start[output]),
      }),
      show: (output) =>
        (outputs.characters[output] ?? 0) === 0
          ? emptyText
          : model.text(outputs.start[output]) || `(output ${output}, which is not in the report)`,
    },
    ofTexts("First line", results.firstLine),
    {
      label: "Exit code",
      values: () => ({
        rows: scripts,
        ids: exitCodes.ids,
        size: exitCodes.distinct.length,
        text: (id) => String(exitCodes.distinct[id] ?? ""),
      }),
      show: (id) => String(exitCodes.distinct[id] ?? "unknown"),
    },
    ofTexts("Errors (normalised)", results.errors),
    ofTexts("Script", results.source),
    {
      label: "SHA-256",
      values: () => {
        const { examples, ids } = hashes()
        return { rows: scripts, ids, size: examples.length, text: (id) => model.sha256(examples[id] ?? 0) }
      },
      show: (id) => model.sha256(hashes().examples[id] ?? 0),
    },
    ...fields.map((field) => fieldKey(model, field)),
  ]
}

const stackBy = (model: Model, { values }: Key, source: number | undefined): Groups => {
  performance.mark("stack")
  const sources = model.results.source
  const isChosen = source === undefined ? () => true : (row: number) => sources[row] === source
  const groups = group(values(), model.results.machine, model.payload.machines.id.length, isChosen)
  performance.measure("stack", "stack")
  return groups
}

/** Columns of the groups, whose rows are their positions. */
const columnsOf = ({ countOf, ids, machinesOf }: Groups, show: (id: number) => string): ReadonlyArray<Column> => {
  const source = new Texts(Array.from(ids, (id) => show(id).replaceAll("\n", " ⏎ ")))
  const numbers = (key: string, label: string, of: (id: number) => number) =>
    numberColumn({ key, label, width: 6 }, Array.from(ids, of), count)
  return [
    numbers("machines", "Machines", machinesOf),
    numbers("count", "Count", countOf),
    textColumn({ key: "value", label: "Value", width: 12, grow: 8 }, source, allRows(ids.length)),
  ]
}

const mostMachines = 200

/** The machines of a group. */
const groupFacts = (model: Model, value: string, rows: Int32Array, onShow: () => void): ReadonlyArray<Child> => {
  const machines = Array.from(new Set(Array.from(rows, (row) => model.machineOf(row))))
  return [
    h("pre", { tabindex: 0 }, value),
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
        .map((machine) => h("li", {}, h("a", { href: model.machineAddress(machine) }, model.machineName(machine)))),
    ),
  ]
}

const selectOf = (
  label: string,
  names: ReadonlyArray<string>,
  chosen: number,
  onChange: (index: number) => void,
): HTMLElement => {
  const select = h(
    "select",
    {},
    names.map((name, i) => h("option", { value: i, selected: i === chosen }, name)),
  )
  select.addEventListener("change", () => onChange(select.selectedIndex))
  return h("label", {}, `${label} `, select)
}

/** Shows the results of a group, which are given by their names: their numbers may be others in a newer model. */
type OnShow = (label: string, targets: ReadonlySet<string>) => void

/** The groups of a key as a table: of all scripts, or of those with one name. */
const dataOf = (model: Model, key: Key, source: number | undefined, onShow: OnShow): Data => {
  const groups = stackBy(model, key, source)
  const idOf = (i: number) => groups.ids[i] ?? 0
  const open = (i: number) => {
    const id = idOf(i)
    const rows = groups.rowsOf(id)
    const value = key.show(id)
    const [line = ""] = value.split("\n")
    Panel.open(
      `${counted(groups.machinesOf(id), "machine")}, ${counted(groups.countOf(id), "time")}`,
      groupFacts(model, value, rows, () => onShow(`${key.label}: ${line}`, model.targetsOf(rows))),
    )
  }
  return {
    columns: columnsOf(groups, key.show),
    rows: allRows(groups.ids.length),
    keyOf: (i) => key.show(idOf(i)),
    onOpen: open,
  }
}

/** The names of the scripts whose results there are. */
const scriptsOf = (model: Model): ReadonlyArray<number> =>
  Array.from(new Set(model.results.source.filter((_, row) => model.results.kind[row] === 0)))

export const view = (first: Model, onShow: OnShow) => {
  const element = h("div", { class: "view" })
  let model = first
  let keys = keysOf(first)
  let scripts = scriptsOf(first)
  // By their names, because a newer model may have others.
  const chosen = { key: "", script: "" }
  let grid: Grid | undefined
  const nameOf = (source: number) => model.text(source) || "(unknown)"
  const data = () => {
    const key = keys.find(({ label }) => label === chosen.key) ?? keys[0]
    const source = scripts.find((source) => nameOf(source) === chosen.script)
    return key === undefined ? undefined : { label: `Groups by ${key.label}`, ...dataOf(model, key, source, onShow) }
  }
  const controls = h("span", { class: "controls" })
  const drawControls = () => {
    const labels = keys.map(({ label }) => label)
    const names = ["All scripts", ...scripts.map(nameOf)]
    fill(
      controls,
      selectOf("Stack by", labels, labels.indexOf(chosen.key), (i) => {
        chosen.key = labels[i] ?? ""
        draw()
      }),
      selectOf("Script", names, names.indexOf(chosen.script), (i) => {
        chosen.script = i === 0 ? "" : (names[i] ?? "")
        draw()
      }),
    )
  }
  const draw = () => {
    const shown = data()
    if (shown === undefined) return
    grid?.close()
    grid = new Grid({ noun: "groups", controls: [controls], ...shown })
    element.replaceChildren(grid.element)
  }
  const update = (newer: Model) => {
    model = newer
    keys = keysOf(newer)
    scripts = scriptsOf(newer)
    // A list that is open would close.
    if (!controls.contains(document.activeElement)) drawControls()
    const shown = data()
    if (shown !== undefined) grid?.replace(shown)
  }
  drawControls()
  draw()
  return { element, focusSearch: () => grid?.focusSearch(), update }
}
