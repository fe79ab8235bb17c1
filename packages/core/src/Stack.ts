/**
 * Stacks results: groups those that are alike and puts the rarest group first, because on many machines the odd one out is
 * what a hunter searches.
 *
 * @since 0.1.0
 */

/**
 * Results with the same value.
 *
 * **Details**
 *
 * `count` is how often the value occurs, and `machines` where, each machine once.
 *
 * @since 0.1.0
 * @category models
 */
export interface Group<Machine = string> {
  readonly value: string
  readonly count: number
  readonly machines: ReadonlyArray<Machine>
}

/**
 * Compares two groups: first the one on fewer machines, then the one that occurs less often. Groups that are alike in both are
 * in the order of their values.
 *
 * @since 0.1.0
 * @category ordering
 */
export const rarestFirst = <Machine>(a: Group<Machine>, b: Group<Machine>): number =>
  a.machines.length - b.machines.length || a.count - b.count || (a.value < b.value ? -1 : a.value > b.value ? 1 : 0)

/**
 * Groups values as they are added.
 *
 * **Example** (The rarest of three values)
 *
 * @example
 * ```ts
 * import { Stack } from "@live-response/core/Stack"
 *
 * const stack = new Stack()
 * stack.add("running", "ws-1")
 * stack.add("running", "ws-2")
 * stack.add("stopped", "ws-3")
 * console.log(stack.groups()[0]) // { value: 'stopped', count: 1, machines: [ 'ws-3' ] }
 * ```
 *
 * @since 0.1.0
 * @category models
 */
export class Stack<Machine = string> {
  private readonly byValue = new Map<string, { count: number; readonly machines: Set<Machine> }>()

  /** Adds a value that a machine has. */
  add(value: string, machine: Machine): void {
    const group = this.byValue.get(value)
    if (group === undefined) this.byValue.set(value, { count: 1, machines: new Set([machine]) })
    else {
      group.count++
      group.machines.add(machine)
    }
  }

  /** The groups so far, the rarest first. */
  groups(): ReadonlyArray<Group<Machine>> {
    return Array.from(this.byValue, ([value, { count, machines }]) => ({
      value,
      count,
      machines: Array.from(machines),
    })).sort(rarestFirst)
  }
}

/**
 * In characters (UTF-16 code units): outputs are stacked by no more than their beginning.
 *
 * @since 0.1.0
 * @category constants
 */
export const longestOutput: number = 1024 * 1024

/** The shortest name of a machine that is replaced: a shorter one may be any word. */
const shortestName = 3

/** What replaces other text in a normalised output. As the name of a machine, such a word stays. */
const placeholders = { machine: "<machine>", time: "<time>" }

const isWordCharacter = (character: string | undefined): boolean =>
  character !== undefined && /[\p{L}\p{N}_-]/u.test(character)

/** Replaces a name wherever it is a word of its own, whatever its case. */
const replaceName = (line: string, name: string): string => {
  const lower = line.toLowerCase()
  // The case of rare letters changes their length, and positions would be wrong.
  if (lower.length !== line.length) return line
  let replaced = ""
  let from = 0
  for (let at = lower.indexOf(name); at !== -1; at = lower.indexOf(name, at + name.length)) {
    if (isWordCharacter(lower[at - 1]) || isWordCharacter(lower[at + name.length])) continue
    replaced += line.slice(from, at) + placeholders.machine
    from = at + name.length
  }
  return replaced + line.slice(from)
}

/** ISO 8601, and the dates with times that Windows prints, such as `11/26/2026 6:40:20 AM` and `26.11.2026 06:40`. */
const time =
  /(?:\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:?\d{2})?|\d{1,2}[./]\d{1,2}[./]\d{4},? \d{1,2}:\d{2}(?::\d{2})?(?: [AP]M)?)/g

/** The names of a machine in the order in which they are replaced: the DNS name contains the host name. */
const namesOf = (machineName: string): ReadonlyArray<string> => {
  const name = machineName.toLowerCase()
  const [host = ""] = name.split(".")
  return [name, host].filter((name) => name.length >= shortestName && !Object.hasOwn(placeholders, name))
}

/**
 * An output without what differs between machines that are alike, so that it can be compared.
 *
 * **Details**
 *
 * - Lines are separated by line feeds. Blank lines are left out, and runs of spaces and tabs become one space.
 * - A date with a time becomes `<time>`.
 * - The name of the machine, with and without its domain, becomes `<machine>`, if it has at least three characters.
 *
 * Numbers, ids and paths stay, because there the odd one differs. Normalising a normalised output changes nothing.
 *
 * **Example** (Two machines that are alike)
 *
 * @example
 * ```ts
 * import * as Stack from "@live-response/core/Stack"
 *
 * console.log(Stack.normalise("WS-1  at 2026-11-26T06:40:20Z\r\n", "ws-1.contoso.com")) // <machine> at <time>
 * console.log(Stack.normalise("ws-2 at 2026-11-27T18:01:00Z\n", "ws-2.contoso.com")) // <machine> at <time>
 * ```
 *
 * @since 0.1.0
 * @category normalising
 */
export const normalise = (output: string, machineName: string): string => {
  const names = namesOf(machineName)
  return output
    .split(/[\r\n]+/)
    .map((line) => line.replaceAll(/[\t ]+/g, " ").trim())
    .filter((line) => line !== "")
    .map((line) => names.reduce(replaceName, line.replaceAll(time, placeholders.time)))
    .join("\n")
}

/**
 * The first line of an output that is not blank, without spaces around it, and `""` if there is none.
 *
 * @since 0.1.0
 * @category normalising
 */
export const firstLine = (output: string): string => {
  for (const line of output.split(/[\r\n]/, 1_000)) {
    const text = line.trim()
    if (text !== "") return text
  }
  return ""
}
