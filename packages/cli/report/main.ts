/**
 * The page of a report: reads its data, and shows the view that the address names.
 */
import { become, button, type Child, fill, h } from "./dom.ts"
import { count, time } from "./format.ts"
import * as Live from "./liveUpdates.ts"
import { type Model, readEmbedded } from "./model.ts"
import * as Panel from "./panel.ts"
import * as Failures from "./views/failures.ts"
import * as Machines from "./views/machines.ts"
import * as Results from "./views/results.ts"
import * as Stacks from "./views/stack.ts"
import * as Summary from "./views/summary.ts"

interface View {
  readonly element: HTMLElement
  readonly focusSearch?: () => void
  /** Shows newer data, and loses nothing of what was typed, chosen or scrolled. */
  readonly update: (model: Model) => void
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

/** The results, and which of them are shown. */
const makeResults = (first: Model) => {
  const chip = h("span", { class: "chip", hidden: true })
  const grid = Results.grid(first, [chip], Results.allRows(first.count))
  let model = first
  let shown: ReadonlySet<string> | undefined
  const rows = () => Results.allRows(model.count).filter((row) => shown === undefined || shown.has(model.target(row)))
  const show = (label: string, targets: ReadonlySet<string>) => {
    shown = targets
    chip.hidden = false
    const clear = () => {
      shown = undefined
      chip.hidden = true
      grid.setRows(rows())
    }
    fill(chip, h("span", {}, label), button("Show all", clear, { class: "small" }))
    grid.setRows(rows())
  }
  const update = (newer: Model) => {
    model = newer
    grid.replace(Results.dataOf(newer, rows()))
  }
  const view: View = {
    element: h("div", { class: "view" }, grid.element),
    focusSearch: () => grid.focusSearch(),
    update,
  }
  return { show, view }
}

/** Makes views when they are shown for the first time. A view gets newer data when it is shown. */
const makeViews = (first: Model) => {
  const made = new Map<Name, { readonly view: View; shown: Model }>()
  let model = first
  let results: ReturnType<typeof makeResults> | undefined
  const resultsOf = () => (results ??= makeResults(model))
  const showGroup = (label: string, targets: ReadonlySet<string>) => {
    viewOf("results")
    resultsOf().show(label, targets)
    Panel.close()
    location.hash = "results"
  }
  const makers: Readonly<Record<Name, () => View>> = {
    summary: () => Summary.view(model),
    results: () => resultsOf().view,
    stack: () => Stacks.view(model, showGroup),
    machines: () => Machines.list(model),
    failures: () => Failures.view(model),
  }
  const viewOf = (name: Name): View => {
    const known = made.get(name) ?? { view: makers[name](), shown: model }
    made.set(name, known)
    if (known.shown !== model) known.view.update(model)
    known.shown = model
    return known.view
  }
  return { viewOf, update: (newer: Model) => (model = newer) }
}

const helpText = "/ search · ↑ ↓ Page Home End move · Enter opens · c copies the row · Esc closes · 1 to 5 switch views"

const isTyping = (target: EventTarget | null): boolean =>
  target instanceof HTMLInputElement || target instanceof HTMLSelectElement || target instanceof HTMLTextAreaElement

/** The links to the views. */
const navigation = () => {
  const links = new Map(
    Object.entries(names).map(([name, label], i) => [
      name,
      h("a", { href: `#${name}`, "aria-keyshortcuts": i + 1 }, label),
    ]),
  )
  const mark = (chosen: Name) => {
    for (const [other, link] of links) {
      if (other === chosen) link.setAttribute("aria-current", "page")
      else link.removeAttribute("aria-current")
    }
  }
  return { element: h("nav", { "aria-label": "Views" }, Array.from(links.values())), mark }
}

/** What is above the views. What has not changed is not written again: a screen reader would read it again. */
const heading = (directory: string, state: Child) => {
  const facts = h("span", {})
  const show = ({ count: rows, failed, payload }: Model) => {
    const results = `${count(rows - failed)} results${failed === 0 ? "" : `, ${count(failed)} failed`}`
    fill(facts, `${results} · written ${time(payload.written)} · ${payload.program}`)
  }
  return { element: h("div", {}, h("h1", {}, directory), h("p", { class: "quiet" }, facts, state)), show }
}

/** Keys that work everywhere. */
const listen = (focusSearch: () => void): void => {
  document.addEventListener("keydown", (event) => {
    if (isTyping(event.target) || event.ctrlKey || event.metaKey || event.altKey) return
    const name = Object.keys(names)[Number(event.key) - 1]
    if (event.key === "/") {
      event.preventDefault()
      focusSearch()
    } else if (event.key === "Escape" && !Panel.panel.hidden) Panel.close()
    else if (name !== undefined) location.hash = name
  })
}

/** Puts the views into the page, and returns what shows newer data. */
const start = (page: HTMLElement, first: Model, state: Child): ((newer: Model) => void) => {
  const views = makeViews(first)
  const { element: nav, mark } = navigation()
  const main = h("main", { id: "main" })
  const top = heading(first.payload.directory, state)
  top.show(first)
  let model = first
  let current: { readonly key: string; readonly element: HTMLElement; readonly focusSearch?: () => void } | undefined

  const show = () => {
    const name = location.hash.slice(1)
    const machine = model.machineAt(location.hash)
    const isMachine = machine !== -1
    const chosen = isMachine ? "machines" : isName(name) ? name : "summary"
    mark(chosen)
    const title = isMachine ? model.machineName(machine) : names[chosen]
    document.title = `${title} · ${model.payload.directory} · Live response report`
    const key = isMachine ? model.machineAddress(machine) : chosen
    const view = isMachine ? { element: Machines.view(model, machine) } : views.viewOf(chosen)
    if (current?.key === key) {
      if (isMachine) become(current.element, view.element)
      return
    }
    fill(main, view.element)
    // The keys of a view work at once, unless something else has the focus.
    const hasNoFocus = current !== undefined && document.activeElement === document.body
    if (hasNoFocus) main.querySelector<HTMLElement>("[role=grid], .scroll")?.focus()
    current = { key, ...view }
  }

  fill(
    page,
    h("header", { class: "top" }, top.element, nav),
    h("div", { class: "middle" }, main, Panel.panel),
    h("footer", { class: "help" }, helpText),
  )
  window.addEventListener("hashchange", () => {
    if (!Panel.panel.hidden) Panel.close()
    show()
  })
  listen(() => current?.focusSearch?.())
  show()
  performance.mark("first-rows")
  return (newer) => {
    model = newer
    views.update(newer)
    top.show(newer)
    show()
  }
}

const fail = (page: HTMLElement) => (error: unknown) => {
  const why = error instanceof Error ? error.message : String(error)
  fill(page, h("p", { role: "alert" }, `This report can't be read: ${why}. Write it again.`))
}

const page = document.getElementById("page")
if (page !== null) {
  if (Live.isLive) Live.run((model, state) => start(page, model, state))
  else
    readEmbedded()
      .then((model) => start(page, model, undefined))
      .catch(fail(page))
}
