// The reference of every command, from the help that the command line itself prints.
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as HelpPages from "../../packages/cli/src/HelpPages.ts"
import { command } from "../../packages/cli/src/Main.ts"
import { sentenceOf } from "./docComment.mjs"
import { withoutTags, write } from "./page.mjs"

/** A command with its help as data, and those below it. */
const commandOf = (pages, { doc, path }) => ({
  path: path.slice(1),
  help: doc,
  below: pages
    .filter((page) => page.path.slice(0, -1).join(" ") === path.join(" "))
    .map((page) => commandOf(pages, page)),
})

const cell = (text) => withoutTags(text).replaceAll("|", "\\|").replaceAll("\n", " ")
const optionalCell = (text) => cell(Option.getOrElse(text, () => ""))

const table = (head, rows) => [head, head.map(() => "---"), ...rows].map((row) => `| ${row.join(" | ")} |`).join("\n")

/** The flag as it is typed, such as `-j, --concurrency integer`. */
const flagText = ({ aliases = [], name, type }) =>
  `\`${[...aliases, `--${name}`].join(", ")}${type === "boolean" ? "" : ` ${type}`}\``.replaceAll("|", "\\|")

const flagTable = (flags) =>
  table(
    ["Flag", "Meaning"],
    flags.map((flag) => [flagText(flag), optionalCell(flag.description)]),
  )

const argumentTable = (args) =>
  table(
    ["Argument", "Meaning"],
    args.map(({ description, required, type, variadic }) => [
      `\`${type}${variadic ? "..." : ""}\``,
      optionalCell(description) + (required ? "" : " (optional)"),
    ]),
  )

const examplesOf = (examples) =>
  examples.map(({ command, description }) =>
    [description, `\`\`\`sh\n${command}\n\`\`\``].filter((text) => text !== undefined).join("\n\n"),
  )

/** The help of a command. Its own flags are those that not every command has. */
const bodyOf = ({ help }, level) => {
  const heading = (text) => `${"#".repeat(level)} ${text}`
  const { args = [], description, examples = [], flags, inheritedFlags = [], usage } = help
  const own = [...flags, ...inheritedFlags]
  const parts = [
    [withoutTags(description), `\`\`\`text\n${usage}\n\`\`\``],
    args.length === 0 ? [] : [heading("Arguments"), argumentTable(args)],
    own.length === 0 ? [] : [heading("Flags"), flagTable(own)],
    examples.length === 0 ? [] : [heading("Examples"), ...examplesOf(examples)],
  ]
  return parts.flat().join("\n\n")
}

/** A command and those below it. */
const pageOf = (found) =>
  [
    bodyOf(found, 2),
    ...found.below.flatMap((each) => [`## ${each.path.join(" ")}`, bodyOf(each, 3)]),
    "[Flags of every command](/reference/commands/#flags-of-every-command)",
  ].join("\n\n")

const indexOf = ({ below, help }) =>
  [
    withoutTags(help.description),
    `\`\`\`text\n${help.usage}\n\`\`\``,
    table(
      ["Command", "What it does"],
      below.map(({ help, path }) => [
        `[\`${path.join(" ")}\`](/reference/commands/${path[0]}/)`,
        cell(sentenceOf(help.description)),
      ]),
    ),
    "## Flags of every command",
    flagTable(help.globalFlags ?? []),
    "Exit codes are in [Errors](/errors/).",
  ].join("\n\n")

export const writeCommands = async () => {
  const pages = await Effect.runPromise(HelpPages.all(command))
  const all = commandOf(pages, pages[0])
  write("reference/commands", { title: "Commands", description: "Every command and flag.", text: indexOf(all) })
  for (const found of all.below) {
    const name = found.path.join(" ")
    write(`reference/commands/${found.path[0]}`, {
      title: name,
      description: sentenceOf(found.help.description),
      text: pageOf(found),
    })
  }
}
