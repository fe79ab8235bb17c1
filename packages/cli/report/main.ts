/**
 * The page of a report: reads its data, and shows the view that the address names.
 */
import { button, type Child, fill, h } from "./dom.ts"
import { count, time } from "./format.ts"
import type { Grid } from "./grid.ts"
import { Model, readPayload } from "./model.ts"
import * as Panel from "./panel.ts"
import * as Failures from "./views/failures.ts"
import * as Machines from "./views/machines.ts"
import * as Results from "./views/results.ts"
import * as Stacks from "./views/stack.ts"
import * as Summary from "./views/summary.ts"

interface View {
  readonly element: HTMLElement
  readonly focusSearch?: () => void
}

const names = {
  summary: "Summary",
  results: "Results",
  stack: "Stack",
  machines: "Machines",
  failures: "Failures",
} as const

type Name = keyof typeof names

const isName = (name: string): name is Name => Object.hasOwn(names, name)

const ofGrid = (grid: Grid): View => ({
  element: h("div", { class: "view" }, grid.element),
  focusSearch: () => grid.focusSearch(),
})

/** The results, and which of them are shown. */
const makeResults = (model: Model) => {
  const columns = Results.columnsOf(model)
  const all = Results.allRows(model.count)
  const chip = h("span", { class: "chip", hidden: true })
  const grid = Results.grid(model, columns, [chip], all)
  const show = (label: string, rows: Int32Array) => {
    chip.hidden = false
    const clear = () => {
      chip.hidden = true
      grid.setRows(all)
    }
    fill(chip, h("span", {}, label), button("Show all", clear, { class: "small" }))
    grid.setRows(rows)
  }
  return { columns, show, view: ofGrid(grid) }
}

/** Makes views when they are shown for the first time. */
const makeViews = (model: Model) => {
  const made = new Map<string, View>()
  let results: ReturnType<typeof makeResults> | undefined
  const resultsOf = () => (results ??= makeResults(model))
  const showGroup = (label: string, rows: Int32Array) => {
    resultsOf().show(label, rows)
    Panel.close()
    location.hash = "results"
  }
  const makers: Readonly<Record<Name, () => View>> = {
    summary: () => ({ element: Summary.view(model) }),
    results: () => resultsOf().view,
    stack: () => Stacks.view(model, showGroup),
    machines: () => ofGrid(Machines.grid(model)),
    failures: () => Failures.view(model, resultsOf().columns),
  }
  return (name: Name): View => {
    const view = made.get(name) ?? makers[name]()
    made.set(name, view)
    return view
  }
}

const helpText = "/ search · ↑ ↓ Page Home End move · Enter opens · c copies the row · Esc closes · 1 to 5 switch views"

const isTyping = (target: EventTarget | null): boolean =>
  target instanceof HTMLInputElement || target instanceof HTMLSelectElement || target instanceof HTMLTextAreaElement

const start = (model: Model): void => {
  const { directory, machines, program, written } = model.payload
  const viewOf = makeViews(model)
  const links = new Map(
    Object.entries(names).map(([name, label], i) => [
      name,
      h("a", { href: `#${name}`, "aria-keyshortcuts": i + 1 }, label),
    ]),
  )
  const main = h("main", { id: "main" })
  let current: View | undefined

  const show = () => {
    const [name = "", argument = ""] = location.hash.slice(1).split("/")
    const machine = Number(argument)
    const isMachine = name === "machine" && argument !== "" && machine in machines.id
    const chosen = isMachine ? "machines" : isName(name) ? name : "summary"
    for (const [other, link] of links) {
      if (other === chosen) link.setAttribute("aria-current", "page")
      else link.removeAttribute("aria-current")
    }
    if (!Panel.panel.hidden) Panel.close()
    current = isMachine ? { element: Machines.view(model, machine) } : viewOf(chosen)
    fill(main, current.element)
    document.title = `${isMachine ? model.machineName(machine) : names[chosen]} · ${directory} · Live response report`
  }

  const heading: Child = [
    h("h1", {}, directory),
    h("p", { class: "quiet" }, `${count(model.count)} results · written ${time(written)} · ${program}`),
  ]
  const page = document.getElementById("page")
  if (page === null) return
  fill(
    page,
    h(
      "header",
      { class: "top" },
      h("div", {}, heading),
      h("nav", { "aria-label": "Views" }, Array.from(links.values())),
    ),
    h("div", { class: "middle" }, main, Panel.panel),
    h("footer", { class: "help" }, helpText),
  )
  window.addEventListener("hashchange", show)
  document.addEventListener("keydown", (event) => {
    if (isTyping(event.target) || event.ctrlKey || event.metaKey || event.altKey) return
    const name = Object.keys(names)[Number(event.key) - 1]
    if (event.key === "/") {
      event.preventDefault()
      current?.focusSearch?.()
    } else if (event.key === "Escape" && !Panel.panel.hidden) Panel.close()
    else if (name !== undefined) location.hash = name
  })
  show()
  performance.mark("first-rows")
}

const fail = (error: unknown): void => {
  const page = document.getElementById("page")
  const why = error instanceof Error ? error.message : String(error)
  if (page !== null) fill(page, h("p", { role: "alert" }, `This report can't be read: ${why}. Write it again.`))
}

readPayload()
  .then((payload) => start(new Model(payload)))
  .catch(fail)
