/**
 * What failed: machines without results, and results that failed although their machine has others.
 */
import { button, fill, h } from "../dom.ts"
import { count } from "../format.ts"
import { Grid } from "../grid.ts"
import type { Model } from "../model.ts"
import * as Machines from "./machines.ts"
import * as Results from "./results.ts"

/** Results that failed or can't be used, and scripts that ended with another exit code than 0. */
const failedRows = (model: Model): Int32Array =>
  Results.allRows(model.count).filter(
    (row) => (model.results.kind[row] ?? 0) >= 2 || (model.results.exitCode[row] ?? 0) !== 0,
  )

/** A view of two tables, one of which is shown. */
export const view = (first: Model) => {
  const label = "Machines without results"
  const machines = new Grid({ noun: "machines without results", label, ...Machines.failuresOf(first) })
  const results = Results.grid(first, [], failedRows(first))
  let rows = { machines: Machines.failuresOf(first).rows.length, results: failedRows(first).length }
  let chosen = rows.machines > 0 ? machines : results
  const element = h("div", { class: "view" })
  const choices = h("div", { class: "choices" })
  const choose = (grid: Grid) => {
    chosen = grid
    draw()
    element.replaceChildren(choices, grid.element)
  }
  const draw = () => {
    const tables: ReadonlyArray<readonly [string, Grid]> = [
      [`Machines without results (${count(rows.machines)})`, machines],
      [`Failed results, and exit codes other than 0 (${count(rows.results)})`, results],
    ]
    fill(
      choices,
      tables.map(([label, grid]) =>
        button(label, () => choose(grid), { "aria-pressed": grid === chosen ? "true" : "false" }),
      ),
    )
  }
  const update = (newer: Model) => {
    const data = [Machines.failuresOf(newer), Results.dataOf(newer, failedRows(newer))] as const
    machines.replace(data[0])
    results.replace(data[1])
    rows = { machines: data[0].rows.length, results: data[1].rows.length }
    draw()
  }
  choose(chosen)
  return { element, focusSearch: () => chosen.focusSearch(), update }
}
