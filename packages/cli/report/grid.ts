/**
 * A table of any number of rows: only those on the screen are in the page. It is a grid in the terms of ARIA, and works with the
 * keyboard alone.
 */
import { type Column, type Order, select } from "./columnTypes.ts"
import { button, copy, h, reconcile } from "./dom.ts"
import { save } from "./export.ts"
import { count } from "./format.ts"

const rowHeight = 28

/** Rows beyond the edges of the screen, so that scrolling shows no gaps. */
const margin = 12

/** Browsers do not draw elements that are higher than some 17 million pixels. */
const mostShown = 500_000

/** Rows that are printed. */
const mostPrinted = 1_000

/** What a table shows. */
export interface Data {
  readonly columns: ReadonlyArray<Column>
  readonly rows: Int32Array
  /** What a row is known by: in newer data it may have another number. */
  readonly keyOf: (row: number) => string
  readonly onOpen: (row: number) => void
}

export interface Options extends Data {
  /** What the rows are: results, machines. */
  readonly noun: string
  readonly label: string
  readonly order?: Order
  /** Whether each column has a filter. */
  readonly hasFilters?: boolean
  /** More controls, before the ones of the table. */
  readonly controls?: ReadonlyArray<HTMLElement>
}

const classOf = ({ isNumber = false, isPrinted = true }: Column): string =>
  [...(isNumber ? ["number"] : []), ...(isPrinted ? [] : ["unprinted"])].join(" ")

/** Computes what the first sort by each column needs while nothing else is to do, one column at a time. */
const prepare = ([column, ...others]: ReadonlyArray<Column>): void => {
  if (column === undefined) return
  globalThis.requestIdleCallback?.(() => {
    column.ranks()
    prepare(others)
  })
}

/** A row that is found again in newer data. */
interface Anchor {
  readonly row: number
  readonly key: string
}

let grids = 0

export class Grid {
  readonly element: HTMLElement
  private readonly options: Options
  private readonly id = `grid${++grids}`
  private readonly filters = new Map<string, string>()
  private search = ""
  private order: Order | undefined
  private columns: ReadonlyArray<Column>
  private keyOf: Data["keyOf"]
  private onOpen: Data["onOpen"]
  private all: Int32Array
  private rows: Int32Array
  /** The position of the active row, to which the keys belong. */
  private active = 0
  /** The active row itself, once the reader has moved to one: newer data may have it at another position. */
  private chosen: Anchor | undefined
  private readonly searchField: HTMLInputElement
  private readonly summary = h("p", { class: "summary", role: "status" })
  private readonly viewport: HTMLDivElement
  private readonly body = h("div", { role: "rowgroup", class: "body" })
  private readonly headers: ReadonlyArray<HTMLElement>
  private isPrinting = false
  /** How far it is scrolled. Browsers forget that while the table is not in the page. */
  private top = 0
  private readonly resizing = new ResizeObserver(() => {
    if (this.viewport.isConnected) this.scrollTo(this.top)
  })
  private readonly closing = new AbortController()

  constructor(options: Options) {
    this.options = options
    this.order = options.order
    this.columns = options.columns
    this.keyOf = options.keyOf
    this.onOpen = options.onOpen
    this.all = options.rows
    this.rows = options.rows
    const { columns, controls = [], hasFilters = true, label, noun } = options
    this.searchField = h("input", {
      type: "search",
      placeholder: `Search ${noun} ( / )`,
      "aria-label": `Search ${noun}`,
      class: "search",
      spellcheck: "false",
    })
    this.headers = columns.map((column) => this.headerOf(column.key, hasFilters))
    const head = h(
      "div",
      { role: "rowgroup", class: "head" },
      h("div", { role: "row", "aria-rowindex": 1, class: "row" }, this.headers),
    )
    this.viewport = h(
      "div",
      { role: "grid", class: "grid", tabindex: 0, id: this.id, "aria-label": label, "aria-colcount": columns.length },
      head,
      this.body,
    )
    const tracks = columns.map(({ grow, width }) =>
      grow === undefined ? `${width}rem` : `minmax(${width}rem, ${grow}fr)`,
    )
    this.viewport.style.setProperty("--columns", tracks.join(" "))
    const printed = columns.filter(({ isPrinted }) => isPrinted !== false)
    const shares = printed.map(({ grow = 0, width }) => `minmax(0, ${width + grow * 4}fr)`)
    this.viewport.style.setProperty("--printed", shares.join(" "))
    this.viewport.style.setProperty("--width", `${columns.reduce((sum, { width }) => sum + width, 0)}rem`)
    this.element = h(
      "section",
      { class: "table" },
      h(
        "div",
        { class: "toolbar" },
        controls,
        this.searchField,
        this.summary,
        button("Save CSV", () => this.save("csv")),
        button("Save JSONL", () => this.save("jsonl")),
      ),
      this.viewport,
    )
    this.listen()
    this.update()
    prepare(columns)
  }

  /** Shows other rows, with the filters and the order as they are. */
  setRows(rows: Int32Array): void {
    this.all = rows
    this.update()
  }

  /** Shows newer data. What is searched, filtered and sorted stays. So do the active row and the rows on the screen. */
  replace({ columns, keyOf, onOpen, rows }: Data): void {
    const { chosen, order } = this
    const isChosenSeen = chosen !== undefined && this.isOnScreen(this.active)
    const seen = isChosenSeen ? this.active : Math.floor(this.top / rowHeight)
    // At its top, the table shows what is new there.
    const anchor = this.top > 0 ? this.anchorAt(seen) : undefined
    this.columns = columns
    this.keyOf = keyOf
    this.onOpen = onOpen
    this.all = rows
    const column = columns.find(({ key }) => key === order?.column.key)
    this.order = order === undefined || column === undefined ? undefined : { ...order, column }
    this.select()
    const active = this.positionOf(chosen)
    if (chosen !== undefined) this.activate(active === -1 ? this.active : active)
    this.draw()
    const position = this.positionOf(anchor)
    if (position !== -1) this.scrollTo(this.top + (position - seen) * rowHeight)
  }

  private anchorAt(position: number): Anchor | undefined {
    const row = this.rows[position]
    return row === undefined ? undefined : { row, key: this.keyOf(row) }
  }

  /** Where a row of older data is now, or -1. It seldom has another number, so that one is tried first. */
  private positionOf(anchor: Anchor | undefined): number {
    if (anchor === undefined) return -1
    const position = this.rows.indexOf(anchor.row)
    const isThere = position !== -1 && this.keyOf(anchor.row) === anchor.key
    return isThere ? position : this.rows.findIndex((row) => this.keyOf(row) === anchor.key)
  }

  private isOnScreen(position: number): boolean {
    const top = position * rowHeight - this.top
    return top >= 0 && top < this.viewport.clientHeight
  }

  /** Ends what the window does for this table, so that a table that is replaced needs no memory. */
  close(): void {
    this.closing.abort()
    this.resizing.disconnect()
  }

  /** Gives the search field the focus. */
  focusSearch(): void {
    this.searchField.focus()
    this.searchField.select()
  }

  private save(ending: "csv" | "jsonl"): void {
    save(this.options.noun, ending, this.columns, this.rows)
  }

  private headerOf(key: string, hasFilter: boolean): HTMLElement {
    const column = this.columnOf(key)
    if (column === undefined) return h("div", { role: "columnheader" })
    const sort = button(column.label, () => this.sortBy(key), { class: "sort" })
    const filter = h("input", { "aria-label": `Filter ${column.label}`, placeholder: "filter", spellcheck: "false" })
    filter.addEventListener("input", () => {
      this.filters.set(key, filter.value)
      this.update()
    })
    return h(
      "div",
      { role: "columnheader", class: classOf(column), "aria-sort": this.sortOf(key) },
      sort,
      hasFilter && filter,
    )
  }

  private columnOf(key: string): Column | undefined {
    return this.columns.find((column) => column.key === key)
  }

  private sortOf(key: string): string {
    if (this.order?.column.key !== key) return "none"
    return this.order.isDescending ? "descending" : "ascending"
  }

  private sortBy(key: string): void {
    const column = this.columnOf(key)
    if (column === undefined) return
    const isSame = this.order?.column.key === key
    this.order = { column, isDescending: isSame && this.order?.isDescending === false }
    this.headers.forEach((header, i) => header.setAttribute("aria-sort", this.sortOf(this.columns[i]?.key ?? "")))
    this.update()
  }

  /** Searches, filters and sorts, and shows the result from its start. */
  private update(): void {
    performance.mark("select")
    this.select()
    this.active = 0
    this.chosen = undefined
    this.scrollTo(0)
    performance.measure("select", "select")
  }

  private select(): void {
    this.rows = select(this.all, this.columns, { search: this.search.trim(), filters: this.filters, order: this.order })
    const { noun } = this.options
    const isCut = this.rows.length > mostShown
    this.summary.textContent = isCut
      ? `${count(mostShown)} of ${count(this.rows.length)} ${noun} are shown; search or filter to see others`
      : `${count(this.rows.length)} of ${count(this.all.length)} ${noun}`
    this.viewport.setAttribute("aria-rowcount", String(this.rows.length + 1))
  }

  private get shown(): number {
    return Math.min(this.rows.length, this.isPrinting ? mostPrinted : mostShown)
  }

  /** Puts the rows on the screen into the page. */
  private draw(): void {
    const first = this.isPrinting ? 0 : Math.max(0, Math.floor(this.top / rowHeight) - margin)
    const visible = Math.ceil((this.viewport.clientHeight || window.innerHeight) / rowHeight) + 2 * margin
    const last = this.isPrinting ? this.shown : Math.min(this.shown, first + visible)
    this.body.style.height = this.isPrinting ? "auto" : `${this.shown * rowHeight}px`
    const rows = Array.from({ length: Math.max(0, last - first) }, (_, i) => this.rowAt(first + i))
    const note = `${count(this.shown)} of ${count(this.rows.length)} ${this.options.noun} are printed; save them to have all.`
    const isCut = this.isPrinting && this.shown < this.rows.length
    reconcile(this.body, isCut ? [...rows, h("p", {}, note)] : rows)
    // A row that is not on the screen is not in the page.
    const isThere = this.active >= first && this.active < last
    if (!isThere) this.viewport.removeAttribute("aria-activedescendant")
    else this.viewport.setAttribute("aria-activedescendant", `${this.id}-${this.active}`)
  }

  private rowAt(position: number): HTMLElement {
    const row = this.rows[position] ?? 0
    const element = h(
      "div",
      {
        role: "row",
        id: `${this.id}-${position}`,
        class: position % 2 === 1 ? "row odd" : "row",
        "aria-rowindex": position + 2,
        "aria-selected": position === this.active ? "true" : "false",
      },
      this.columns.map((column) => {
        const shown = column.text(row)
        return h("div", { role: "gridcell", class: classOf(column), title: shown }, shown)
      }),
    )
    if (!this.isPrinting) element.style.top = `${position * rowHeight}px`
    return element
  }

  private activate(position: number): void {
    this.active = Math.max(0, Math.min(this.shown - 1, position))
    this.chosen = this.anchorAt(this.active)
  }

  private moveTo(position: number): void {
    this.activate(position)
    const top = this.active * rowHeight
    const head = this.viewport.firstElementChild?.clientHeight ?? 0
    const height = this.viewport.clientHeight - head
    this.scrollTo(Math.min(top, Math.max(this.top, top + rowHeight - height)))
  }

  private scrollTo(top: number): void {
    this.top = Math.max(0, top)
    this.viewport.scrollTop = this.top
    // The browser scrolls no further than to the end.
    if (this.viewport.isConnected) this.top = this.viewport.scrollTop
    this.draw()
  }

  private onKey(event: KeyboardEvent): void {
    if (event.target !== this.viewport || event.ctrlKey || event.metaKey || event.altKey) return
    const page = Math.max(1, Math.floor(this.viewport.clientHeight / rowHeight) - 3)
    const row = this.rows[this.active]
    const actions: Readonly<Record<string, () => void>> = {
      ArrowDown: () => this.moveTo(this.active + 1),
      ArrowUp: () => this.moveTo(this.active - 1),
      PageDown: () => this.moveTo(this.active + page),
      PageUp: () => this.moveTo(this.active - page),
      Home: () => this.moveTo(0),
      End: () => this.moveTo(this.shown - 1),
      Enter: () => row !== undefined && this.onOpen(row),
      c: () => row !== undefined && this.copyRow(row),
    }
    const action = Object.hasOwn(actions, event.key) ? actions[event.key] : undefined
    if (action === undefined) return
    event.preventDefault()
    action()
  }

  private copyRow(row: number): void {
    copy(this.columns.map(({ text }) => text(row).replaceAll("\t", " ")).join("\t"), "the row")
  }

  private listen(): void {
    this.searchField.addEventListener("input", () => {
      this.search = this.searchField.value
      this.update()
    })
    this.searchField.addEventListener("keydown", ({ key }) => {
      if (key === "Enter" || key === "ArrowDown") this.viewport.focus()
    })
    // What has the focus is what Enter opens, whatever is added above it.
    this.viewport.addEventListener("focus", () => (this.chosen ??= this.anchorAt(this.active)))
    const onScroll = () => {
      this.top = this.viewport.scrollTop
      this.draw()
    }
    this.viewport.addEventListener("scroll", onScroll, { passive: true })
    this.viewport.addEventListener("keydown", (event) => this.onKey(event))
    this.body.addEventListener("click", ({ target }) => {
      const element = target instanceof Element ? target.closest("[role=row]") : null
      if (element === null || getSelection()?.isCollapsed === false) return
      const position = Number(element.getAttribute("aria-rowindex")) - 2
      this.moveTo(position)
      const row = this.rows[position]
      if (row !== undefined) this.onOpen(row)
    })
    this.resizing.observe(this.viewport)
    const print = (isPrinting: boolean) => () => {
      if (!this.element.isConnected) return
      this.isPrinting = isPrinting
      this.draw()
    }
    const { signal } = this.closing
    window.addEventListener("beforeprint", print(true), { signal })
    window.addEventListener("afterprint", print(false), { signal })
  }
}
