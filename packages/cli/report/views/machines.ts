/**
 * All machines, and all that is known of one.
 */
import { type Column, numberColumn, textColumn, Texts } from "../columnTypes.ts"
import { type Child, h } from "../dom.ts"
import { bytes, count, counted, time } from "../format.ts"
import { type Data, Grid } from "../grid.ts"
import type { Model } from "../model.ts"
import { stateLabels, states } from "../../src/commands/report/payload.ts"
import { facts, resultFacts } from "./detail.ts"
import { allRows } from "./results.ts"

const stateTexts = new Texts(states.map((state) => stateLabels[state]))

const columnsOf = (model: Model): ReadonlyArray<Column> => {
  const { machines } = model.payload
  const source = model.texts
  const results = machines.id.map(() => 0)
  const sizes = machines.id.map(() => 0)
  model.results.machine.forEach((machine, row) => {
    if (model.path(row) === "") return
    results[machine] = (results[machine] ?? 0) + 1
    sizes[machine] = (sizes[machine] ?? 0) + (model.results.bytes[row] ?? 0)
  })
  return [
    textColumn({ key: "name", label: "Machine", width: 12, grow: 1 }, source, machines.name),
    textColumn({ key: "state", label: "State", width: 11 }, stateTexts, machines.state),
    textColumn({ key: "reason", label: "Reason", width: 12, grow: 2 }, source, machines.reason),
    numberColumn({ key: "results", label: "Results", width: 6 }, results, count),
    numberColumn({ key: "bytes", label: "Size", width: 6 }, sizes, bytes),
    textColumn({ key: "id", isPrinted: false, label: "Machine id", width: 8, grow: 1 }, source, machines.id),
  ]
}

const dataOf = (model: Model): Data => ({
  columns: columnsOf(model),
  rows: allRows(model.payload.machines.id.length),
  keyOf: (machine) => model.machineKey(machine),
  onOpen: (machine) => location.assign(model.machineAddress(machine)),
})

/** The view of all machines. */
export const list = (model: Model) => {
  const grid = new Grid({ noun: "machines", label: "Machines", ...dataOf(model) })
  return {
    element: h("div", { class: "view" }, grid.element),
    focusSearch: () => grid.focusSearch(),
    update: (newer: Model) => grid.replace(dataOf(newer)),
  }
}

/** The machines without results, and why. */
export const failuresOf = (model: Model): Data => {
  const { columns, rows, ...data } = dataOf(model)
  return {
    ...data,
    columns: columns.filter(({ key }) => key !== "results" && key !== "bytes"),
    rows: rows.filter((machine) => model.state(machine) !== "results"),
  }
}

const session = (model: Model, action: number): HTMLElement => {
  const { actions } = model.payload
  return h(
    "section",
    { class: "card" },
    facts(
      ["Machine action", h("code", {}, model.text(actions.id[action]))],
      ["Status", model.text(actions.status[action]) || "unknown"],
      ["Requested by", model.text(actions.requestor[action])],
      ["Comment", model.text(actions.comment[action])],
      ["Created", time(actions.created[action] ?? 0)],
      ["Updated", time(actions.updated[action] ?? 0)],
      ["Errors", model.text(actions.errors[action])],
    ),
  )
}

/** Results of one machine that are shown in full. */
const mostResults = 200

const title = (noun: string, all: number, shown: number): string =>
  shown < all ? `${count(shown)} of ${counted(all, noun)}` : counted(all, noun)

export const view = (model: Model, machine: number): HTMLElement => {
  const { actions } = model.payload
  const sessions = actions.machine.flatMap((other, action) => (other === machine ? [action] : []))
  const rows = model.rowsOf(machine)
  const shown = rows.slice(0, mostResults)
  const state = stateLabels[model.state(machine)]
  const reason = model.reason(machine)
  const body: ReadonlyArray<Child> = [
    h("h2", {}, model.machineName(machine)),
    facts(
      ["Machine id", model.machineId(machine) && h("code", {}, model.machineId(machine))],
      ["State", reason === "" || reason === state ? state : `${state}: ${reason}`],
    ),
    h("h2", {}, counted(sessions.length, "session")),
    sessions.map((action) => session(model, action)),
    h("h2", {}, title("result", rows.length, shown.length)),
    shown.map((row) => h("section", { class: "card" }, resultFacts(model, row, false))),
  ]
  return h("div", { class: "scroll machine", tabindex: 0, role: "region", "aria-label": "Machine" }, body)
}
