/**
 * The text of help, wrapped at words: pure, so that it is tested at any width. Names and descriptions are in two columns, or
 * one below the other where there is little space.
 */
import { styleText } from "node:util"
import type { ArgDoc, FlagDoc, HelpDoc, SubcommandDoc } from "effect/cli/HelpDoc"
import * as Option from "effect/Option"

/** Words with spaces between them, in lines of this width. A longer word has a line of its own. */
export const wrap = (words: ReadonlyArray<string>, width: number): ReadonlyArray<string> => {
  const lines: Array<string> = []
  for (const word of words) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + 1 + word.length <= width) lines[lines.length - 1] = `${last} ${word}`
    else lines.push(word)
  }
  return lines
}

const wordsOf = (text: string): ReadonlyArray<string> => text.split(" ")

/** The words of a command line. What is quoted is one word. */
const shellWords = (command: string): ReadonlyArray<string> => command.match(/(?:'[^']*'|"[^"]*"|[^\s'"])+/g) ?? []

/** A command line, which can still be copied when it is wrapped. */
const wrapCommand = (command: string, width: number): ReadonlyArray<string> => {
  const lines = wrap(shellWords(command), width - continued.length)
  return lines.map((line, i) => `${i === 0 ? "" : "  "}${line}${i === lines.length - 1 ? "" : continued}`)
}

const continued = " \\"

/** The widest column of names. */
const widestNames = 30

/** Below this width, a description is below its name. */
const narrow = 60

/** Longer lines are hard to read. */
const widest = 100

/** The width where there is no terminal, as for `man`. */
const withoutTerminal = 80

interface Row {
  readonly name: string
  /** What follows the name, such as the name of its value. */
  readonly value: string
  readonly description: string
}

type Format = Parameters<typeof styleText>[0]

/** Colours a text, unless standard output is not a terminal, or colours are turned off (NO_COLOR). */
const paint = (format: Format, text: string): string => styleText(format, text, { stream: process.stdout })

const indented = (lines: ReadonlyArray<string>, by: number): ReadonlyArray<string> =>
  lines.map((line) => " ".repeat(by) + line)

const tableOf = (rows: ReadonlyArray<Row>, width: number): ReadonlyArray<string> => {
  const lengthOf = ({ name, value }: Row) => name.length + value.length
  const column = width < narrow ? 6 : Math.min(widestNames, Math.max(...rows.map(lengthOf)) + 4)
  return rows.flatMap((row) => {
    const [first = "", ...rest] = indented(wrap(wordsOf(row.description), width - column), column)
    const name = `  ${paint("green", row.name)}${paint("dim", row.value)}`
    const end = 2 + lengthOf(row)
    return width >= narrow && end + 2 <= column ? [name + first.slice(end), ...rest] : [name, first, ...rest]
  })
}

// Effect says of each flag that may be repeated that it is required, so the descriptions say it themselves.
const ofFlag = ({ aliases, description, name, type }: FlagDoc): Row => ({
  name: [`--${name}`, ...aliases].join(", "),
  value: type === "boolean" ? "" : ` ${type}`,
  description: Option.getOrElse(description, () => ""),
})

const ofArgument = ({ description, required, type, variadic }: ArgDoc): Row => ({
  name: type,
  value: variadic ? "..." : "",
  description: `${Option.getOrElse(description, () => "")}${required ? "" : " (optional)"}`,
})

const ofSubcommand = ({ description, name, shortDescription }: SubcommandDoc): Row => ({
  name,
  value: "",
  description: shortDescription ?? description,
})

/** Help for a terminal of this width. */
export const text = (doc: HelpDoc, columns = withoutTerminal): string => {
  const width = Math.min(widest, Math.max(20, columns))
  const section = (title: string, lines: ReadonlyArray<string>): ReadonlyArray<string> =>
    lines.length === 0 ? [] : ["", paint("bold", title), ...lines]
  const table = (title: string, rows: ReadonlyArray<Row> = []) =>
    rows.length === 0 ? [] : section(title, tableOf(rows, width))
  const [usage = "", ...moreUsage] = wrap(wordsOf(doc.usage), width - 4)
  const examples = (doc.examples ?? []).flatMap(({ command, description = "" }, i) => [
    ...(i === 0 ? [] : [""]),
    ...indented(wrap(wordsOf(`# ${description}`), width - 2), 2).map((line) => paint("dim", line)),
    ...indented(wrapCommand(command, width - 2), 2).map((line) => paint("cyan", line)),
  ])
  return [
    ...section("DESCRIPTION", indented(wrap(wordsOf(doc.description), width - 2), 2)),
    ...section("USAGE", [`  ${paint("cyan", usage)}`, ...indented(moreUsage, 4).map((line) => paint("cyan", line))]),
    ...table("ARGUMENTS", doc.args?.map(ofArgument)),
    ...table("FLAGS", doc.flags.map(ofFlag)),
    ...table("GLOBAL FLAGS", doc.globalFlags?.map(ofFlag)),
    ...table(
      "SUBCOMMANDS",
      doc.subcommands?.flatMap(({ commands }) => commands.map(ofSubcommand)),
    ),
    ...section("EXAMPLES", examples),
  ]
    .slice(1)
    .join("\n")
}
