/**
 * Man pages, made of the help: one for each command.
 */
import type { ArgDoc, FlagDoc, HelpDoc } from "effect/cli/HelpDoc"
import * as Option from "effect/Option"
import { exitCode } from "./ExitCode.ts"
import type { Page } from "./HelpPages.ts"

/** What the exit codes mean. Each is stated, so that none can be forgotten. */
const meanings: Readonly<Record<keyof typeof exitCode, string>> = {
  success: "Everything succeeded; what was there already counts as a success.",
  someFailed: "Some targets or actions failed.",
  usage: "The command line, the environment, the configuration or a list is wrong.",
  signIn: "Nobody is signed in, or a permission is missing.",
  machine: "This machine does not allow it: its disk, its files or its network settings.",
  interrupted: "Interrupted with Ctrl-C. Everything so far is stored.",
  closedPipe: "The reader of standard output has closed it.",
}

/** Text of a page, in which nothing is a command of roff, and a hyphen stays one. */
const escape = (text: string): string =>
  text
    .replaceAll("\\", "\\e")
    .replaceAll("-", "\\-")
    .replaceAll("'", "\\(aq")
    .replaceAll("^", "\\(ha")
    .replaceAll("~", "\\(ti")

/** One line of text. A line that starts with a dot would be a command. */
const line = (text: string): string => escape(text).replace(/^\./, "\\&.")

const section = (title: string, lines: ReadonlyArray<string>): ReadonlyArray<string> =>
  lines.length === 0 ? [] : [`.SH ${title}`, ...lines]

const item = (name: string, value: string, description: string): ReadonlyArray<string> => [
  ".TP",
  `\\fB${escape(name)}\\fR${value === "" ? "" : ` \\fI${escape(value)}\\fR`}`,
  line(description),
]

const ofFlag = ({ aliases, description, name, type }: FlagDoc): ReadonlyArray<string> =>
  item(
    [`--${name}`, ...aliases].join(", "),
    type === "boolean" ? "" : type,
    Option.getOrElse(description, () => ""),
  )

const ofArgument = ({ description, type, variadic }: ArgDoc): ReadonlyArray<string> =>
  item(
    `${type}${variadic ? "..." : ""}`,
    "",
    Option.getOrElse(description, () => ""),
  )

const exitStatus: ReadonlyArray<string> = Object.entries(meanings).flatMap(([name, meaning]) =>
  Object.entries(exitCode).flatMap(([key, code]) => (key === name ? item(String(code), "", meaning) : [])),
)

const examplesOf = ({ examples = [] }: HelpDoc): ReadonlyArray<string> =>
  examples.flatMap(({ command, description = "" }, i) => [
    ...(i === 0 ? [] : [".PP"]),
    line(`${description}:`),
    ".PP",
    ".nf",
    ".RS 4",
    line(command),
    ".RE",
    ".fi",
  ])

/** The name of a page: `live-response-actions-list`. */
export const nameOf = ({ path }: Page): string => path.join("-")

const reference = (page: Page): string => `\\fB${escape(nameOf(page))}\\fR(1)`

/** The first clause, without a stop. */
const briefly = (text: string): string => text.replace(/[:.]( .*)?$/s, "")

/** The page of a command in roff. `all` are the pages of the program, to which it refers. */
export const render = (page: Page, all: ReadonlyArray<Page>, version: string): string => {
  const { doc, path } = page
  const related = all.filter((other) => {
    const isParent = other.path.length === path.length - 1 && path.join(" ").startsWith(other.path.join(" "))
    const isChild = other.path.length === path.length + 1 && other.path.join(" ").startsWith(`${path.join(" ")} `)
    return isParent || isChild
  })
  const lines = [
    `.TH ${nameOf(page).toUpperCase()} 1 "" "live\\-response ${version}" "User Commands"`,
    // Words are not split, because many are names, and the right edge is ragged.
    ".nh",
    ".ad l",
    ...section("NAME", [`${escape(nameOf(page))} \\- ${escape(briefly(doc.description))}`]),
    ...section("SYNOPSIS", [line(doc.usage)]),
    ...section("DESCRIPTION", [line(doc.description)]),
    ...section("ARGUMENTS", (doc.args ?? []).flatMap(ofArgument)),
    ...section("OPTIONS", [...doc.flags, ...(doc.globalFlags ?? [])].flatMap(ofFlag)),
    ...section(
      "COMMANDS",
      (doc.subcommands ?? []).flatMap(({ commands }) =>
        commands.flatMap(({ description, name, shortDescription }) => item(name, "", shortDescription ?? description)),
      ),
    ),
    ...section("EXIT STATUS", exitStatus),
    ...section("EXAMPLES", examplesOf(doc)),
    ...section("SEE ALSO", related.length === 0 ? [] : [related.map(reference).join(",\n")]),
  ]
  return `${lines.join("\n")}\n`
}
