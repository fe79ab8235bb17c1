/**
 * One result, with all that the report has of it.
 */
import { type Child, button, copy, h } from "../dom.ts"
import { bytes, count, counted, time } from "../format.ts"
import type { Model } from "../model.ts"

/** Names and values. Those without a value are left out. */
export const facts = (...rows: ReadonlyArray<readonly [name: string, value: Child]>): HTMLElement =>
  h(
    "dl",
    { class: "facts" },
    rows.flatMap(([name, value]) =>
      value === "" || value === undefined || value === false ? [] : [h("dt", {}, name), h("dd", {}, value)],
    ),
  )

const withCopy = (text: string, what: string): Child =>
  text === "" ? "" : [h("code", {}, text), " ", button("Copy", () => copy(text, what), { class: "small" })]

/** A link to the file beside the report. Each part of its path is an id, a number or an ending. */
const fileLink = (model: Model, row: number): Child => {
  const path = model.path(row)
  return path === "" ? "" : h("a", { href: model.payload.base + path, rel: "noreferrer" }, path)
}

/** The beginning of a text, and how much of it that is. */
const excerpt = (title: string, text: string, all: number, note: string): Child =>
  all === 0
    ? undefined
    : [
        h("h3", {}, title, h("span", { class: "quiet" }, ` ${note}`)),
        text === ""
          ? h("p", { class: "quiet" }, "Too many outputs differ to have this one in the report. The file has it.")
          : h("pre", { tabindex: 0 }, text),
        text !== "" &&
          text.length < all &&
          h("p", { class: "quiet" }, `${count(text.length)} of ${counted(all, "character")} are shown.`),
      ]

const outputOf = (model: Model, row: number): Child => {
  const output = model.output(row)
  if (output === undefined) return undefined
  const note = "normalised: without times, the machine's name and white space"
  return output.characters === 0
    ? h("p", { class: "quiet" }, "The output is empty.")
    : excerpt("Output", output.start, output.characters, note)
}

export const resultFacts = (model: Model, row: number, namesMachine = true): ReadonlyArray<Child> => {
  const { results } = model
  const machine = model.machineOf(row)
  const errors = model.text(results.errors[row])
  const exitCode = results.exitCode[row] ?? null
  const size = results.bytes[row] ?? 0
  return [
    facts(
      ["Machine", namesMachine && h("a", { href: model.machineAddress(machine) }, model.machineName(machine))],
      ["Source", model.text(results.source[row])],
      ["Kind", model.kind(row)],
      ["Problem", model.text(results.problem[row])],
      ["Exit code", exitCode === null ? "" : String(exitCode)],
      ["Finished", time(results.at[row] ?? 0)],
      ["File", fileLink(model, row)],
      ["Size", model.path(row) === "" ? "" : `${bytes(size)} (${counted(size, "byte")})`],
      ["SHA-256", withCopy(model.sha256(row), "the SHA-256")],
      ["Result", withCopy(model.target(row), "the result's name")],
    ),
    outputOf(model, row),
    errors !== "" &&
      excerpt("Errors", errors, Math.max(errors.length, results.errorsCharacters[row] ?? 0), "normalised"),
  ]
}
