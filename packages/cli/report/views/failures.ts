/**
 * What failed: machines without results, and results that failed although their machine has others.
 */
import type { Column } from "../columns.ts"
import { button, h } from "../dom.ts"
import { count } from "../format.ts"
import type { Grid } from "../grid.ts"
import type { Model } from "../model.ts"
import * as Machines from "./machines.ts"
import * as Results from "./results.ts"

/** Results that failed or can't be used, and scripts that ended with another exit code than 0. */
const failedRows = (model: Model): Int32Array =>
  Results.allRows(model.count).filter(
    (row) => (model.results.kind[row] ?? 0) >= 2 || (model.results.exitCode[row] ?? 0) !== 0,
  )

/** A view of two tables, one of which is shown. */
export const view = (model: Model, columns: ReadonlyArray<Column>) => {
  const rows = failedRows(model)
  const machines = Machines.failures(model)
  const without = model.payload.machines.state.filter((state) => state !== 0).length
  const results = Results.grid(model, columns, [], rows)
  const tables: ReadonlyArray<readonly [string, Grid]> = [
    [`Machines without results (${count(without)})`, machines],
    [`Failed results, and exit codes other than 0 (${count(rows.length)})`, results],
  ]
  const chosen = { grid: without > 0 ? machines : results }
  const element = h("div", { class: "view" })
  const draw = () => {
    const buttons = tables.map(([label, grid]) =>
      button(
        label,
        () => {
          chosen.grid = grid
          draw()
        },
        { "aria-pressed": grid === chosen.grid ? "true" : "false" },
      ),
    )
    element.replaceChildren(h("div", { class: "choices" }, buttons), chosen.grid.element)
  }
  draw()
  return { element, focusSearch: () => chosen.grid.focusSearch() }
}
