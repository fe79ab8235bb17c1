/**
 * Makes elements. Whatever is not an element becomes a text node, so nothing in the data can become HTML.
 */
import { replaceUnsafe } from "@live-response/core/TerminalText"

export type Child = Node | string | number | undefined | false | ReadonlyArray<Child>

export interface Attributes {
  readonly [name: string]: string | number | boolean | undefined
}

/** Text in which a character that is invisible, or changes the order of others, is marked. */
const visible = (text: string): string =>
  replaceUnsafe(text, (character) => (character === "\n" || character === "\t" ? character : "\uFFFD"))

const append = (parent: Element, child: Child): void => {
  if (child === undefined || child === false) return
  if (child instanceof Node) parent.append(child)
  else if (typeof child === "object") for (const each of child) append(parent, each)
  else parent.append(visible(String(child)))
}

const setAttributes = (element: Element, attributes: Attributes): void => {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : visible(String(value)))
  }
}

export const h = <Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Attributes = {},
  ...children: ReadonlyArray<Child>
): HTMLElementTagNameMap[Tag] => {
  const element = document.createElement(tag)
  setAttributes(element, attributes)
  append(element, children)
  return element
}

export const svg = (tag: string, attributes: Attributes, ...children: ReadonlyArray<Child>): SVGElement => {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag)
  setAttributes(element, attributes)
  append(element, children)
  return element
}

export const button = (label: string, onClick: () => void, attributes: Attributes = {}): HTMLButtonElement => {
  const element = h("button", { type: "button", ...attributes }, label)
  element.addEventListener("click", onClick)
  return element
}

/** Replaces all that is in an element. */
export const fill = (element: Element, ...children: ReadonlyArray<Child>): void => {
  element.replaceChildren()
  append(element, children)
}

type Change = (old: ChildNode, node: Node) => void

const replace: Change = (old, node) => old.replaceWith(node)

/** Puts other nodes into an element. Those that are equal stay, and so does what is selected, focused or clicked in them. */
export const reconcile = (element: Element, nodes: ReadonlyArray<Node>, change = replace): void => {
  const before = Array.from(element.childNodes)
  nodes.forEach((node, i) => {
    const old = before[i]
    if (old === undefined) element.append(node)
    else if (!old.isEqualNode(node)) change(old, node)
  })
  for (const old of before.slice(nodes.length)) old.remove()
}

/** An element with a button is replaced: its button acts on what was there before. */
const merge: Change = (old, node) => {
  const isSame = old.nodeName === node.nodeName
  if (!isSame || !(old instanceof Element && node instanceof Element) || old.querySelector("button") !== null) {
    return replace(old, node)
  }
  for (const { name, value } of node.attributes) old.setAttribute(name, value)
  become(old, node)
}

/** Makes an element like a newer one. What is scrolled, focused or open in it stays so. */
export const become = (element: Element, newer: Element): void =>
  reconcile(element, Array.from(newer.childNodes), merge)

/** The element that speaks, created when it first does. */
const announcer: { element?: HTMLElement } = {}

/** Says something to a screen reader, and to everybody else for a moment. */
export const announce = (text: string): void => {
  announcer.element ??= h("p", { class: "announcer", role: "status", "aria-live": "polite" })
  const live = announcer.element
  if (!live.isConnected) document.body.append(live)
  live.textContent = text
  live.classList.remove("fading")
  // Starts the animation again.
  void live.offsetWidth
  live.classList.add("fading")
}

const refuseToCopy = () => announce("The browser does not allow copying")

export const copy = (text: string, what: string): void => {
  // A page of another machine without TLS has no clipboard.
  if (!isSecureContext) return refuseToCopy()
  navigator.clipboard.writeText(text).then(() => announce(`Copied: ${what}`), refuseToCopy)
}
