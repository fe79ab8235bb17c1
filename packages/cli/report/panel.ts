/**
 * The panel at the side, which shows one row. Escape closes it and gives the focus back.
 */
import { button, type Child, fill, h } from "./dom.ts"

const content = h("div", { class: "content" })
const title = h("h2", { id: "panel-title" })

let opener: HTMLElement | undefined

export const close = (): void => {
  panel.hidden = true
  opener?.focus()
  opener = undefined
}

export const panel = h(
  "aside",
  { class: "panel", "aria-labelledby": "panel-title", tabindex: -1, hidden: true },
  h("header", {}, title, button("Close", close, { class: "small", "aria-keyshortcuts": "Escape" })),
  content,
)

export const open = (name: string, ...children: ReadonlyArray<Child>): void => {
  if (panel.hidden && document.activeElement instanceof HTMLElement) opener = document.activeElement
  fill(title, name)
  fill(content, children)
  panel.hidden = false
  panel.scrollTop = 0
  panel.focus()
}

panel.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return
  event.preventDefault()
  close()
})
