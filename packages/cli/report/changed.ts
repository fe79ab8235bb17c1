/**
 * The data of a live page with what has changed since. Nothing here touches the page.
 */
import type { Changes, Field, Payload } from "../src/commands/report/payload.ts"

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
const appended = <A>(values: ReadonlyArray<A>, from: number, added: ReadonlyArray<A>): ReadonlyArray<A> =>
  values.slice(0, from).concat(added)

const field = (fields: ReadonlyArray<Field>, { from, id, name, rows, values }: Changes["fields"][number]): Field => {
  const before = fields.find((each) => each.id === id)
  return {
    id,
    name,
    rows: appended(before?.rows ?? [], from, rows),
    values: appended(before?.values ?? [], from, values),
  }
}

const noResults: Payload["results"] = {
  machine: [],
  actionId: [],
  index: [],
  kind: [],
  source: [],
  exitCode: [],
  firstLine: [],
  output: [],
  outputCharacters: [],
  errors: [],
  errorsCharacters: [],
  ending: [],
  bytes: [],
  at: [],
  links: [],
  problem: [],
}

/** What a page has before the first part of its data. */
const nothing = (
  about: NonNullable<Changes["about"]>,
  { damaged, parts, unknownNames, written }: Changes,
): Payload => ({
  ...about,
  version: 1,
  written,
  damaged,
  unknownNames,
  parts,
  fields: [],
  machines: { id: [], name: [], state: [], reason: [] },
  actions: { id: [], machine: [], status: [], requestor: [], comment: [], created: [], updated: [], errors: [] },
  results: noResults,
  outputs: { start: [], characters: [] },
  texts: [],
})

/** The data with a part of what has changed, or the start of it. */
export const payload = (known: Payload | undefined, changes: Changes): Payload | undefined => {
  const { about, actions, damaged, fields, machines, outputs, parts, results, texts, unknownNames, written } = changes
  const before = about === undefined ? known : nothing(about, changes)
  if (before === undefined) return undefined
  return {
    ...before,
    written,
    damaged,
    unknownNames,
    parts,
    machines: table(before.machines, machines),
    actions: table(before.actions, actions),
    results: table(before.results, results),
    outputs: {
      start: appended(before.outputs.start, outputs.from, outputs.start),
      characters: appended(before.outputs.characters, outputs.from, outputs.characters),
    },
    texts: appended(before.texts, texts.from, texts.added),
    fields: fields.map((each) => field(before.fields, each)),
  }
}
