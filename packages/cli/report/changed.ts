/**
 * The data of a live page with what has changed since. Nothing here touches the page.
 */
import type { Changes, Payload } from "../src/commands/report/payload.ts"

/** A column in which some rows are replaced or added. */
const column = <A>(
  values: ReadonlyArray<A>,
  at: ReadonlyArray<number>,
  changed: ReadonlyArray<A>,
): ReadonlyArray<A> => {
  const all = values.slice()
  at.forEach((row, i) => {
    const value = changed[i]
    if (value !== undefined) all[row] = value
  })
  return all
}

/** A table in which some rows are replaced or added. */
const table = <Table extends { readonly [Name in keyof Table]: ReadonlyArray<unknown> }>(
  columns: Table,
  { at, columns: changed }: { readonly at: ReadonlyArray<number>; readonly columns: Table },
): Table => {
  const all = { ...columns }
  for (const name in columns) Object.assign(all, { [name]: column<unknown>(columns[name], at, changed[name]) })
  return all
}

/** Some values up to a position, and others from there on. */
const appended = <A>(values: ReadonlyArray<A>, from: number, added: ReadonlyArray<A>): ReadonlyArray<A> => [
  ...values.slice(0, from),
  ...added,
]

export const payload = (before: Payload, changes: Changes): Payload => {
  const { actions, damaged, fields, machines, outputs, parts, results, texts, written } = changes
  return {
    ...before,
    written,
    damaged,
    parts,
    machines: table(before.machines, machines),
    actions: table(before.actions, actions),
    results: table(before.results, results),
    outputs: {
      start: appended(before.outputs.start, outputs.from, outputs.start),
      characters: appended(before.outputs.characters, outputs.from, outputs.characters),
    },
    texts: appended(before.texts, texts.from, texts.added),
    fields: fields.map(({ name, rows, values }, i) => ({
      name,
      rows: [...(before.fields[i]?.rows ?? []), ...rows],
      values: [...(before.fields[i]?.values ?? []), ...values],
    })),
  }
}
