/**
 * All results in one table.
 */
import { kinds } from "../../src/commands/report/payload.ts"
import { type Column, hashColumn, numberColumn, textColumn, Texts, timeColumn } from "../columnTypes.ts"
import { bytes, count, iso, time } from "../format.ts"
import { type Data, Grid } from "../grid.ts"
import type { Model } from "../model.ts"
import * as Panel from "../panel.ts"
import { resultFacts } from "./detail.ts"

export const allRows = (count: number): Int32Array => Int32Array.from({ length: count }, (_, row) => row)

/** The text of the machine of each row. */
const ofMachine = (model: Model, texts: ReadonlyArray<number>): Int32Array =>
  Int32Array.from(model.results.machine, (machine) => texts[machine] ?? 0)

const hashStarts = (model: Model) => () =>
  Float64Array.from({ length: model.count }, (_, row) => model.sha256Start(row))

const kindTexts = new Texts(kinds)

/** Results that failed have no file, and so no size. */
const sizes = (model: Model) =>
  model.results.bytes.map((size, row) => (model.text(model.results.ending[row]) === "" ? null : size))

/** Only scripts have outputs: an empty one is not none. */
const outputLengths = ({ results }: Model) =>
  results.outputCharacters.map((length, row) => (results.output[row] === -1 ? null : length))

const outputShape = { key: "outputCharacters", isPrinted: false, label: "Output", width: 5.5 }

/** The beginning of the output of each row. */
const outputStarts = ({ payload: { outputs, results } }: Model) =>
  results.output.map((output) => outputs.start[output] ?? 0)

const columnsOf = (model: Model): ReadonlyArray<Column> => {
  const { machines } = model.payload
  const { results } = model
  const text = (shape: Parameters<typeof textColumn>[0], indexes: ArrayLike<number>) =>
    textColumn(shape, model.texts, indexes)
  return [
    text({ key: "machine", label: "Machine", width: 11.5, grow: 1.2 }, ofMachine(model, machines.name)),
    text({ key: "source", label: "Script or file", width: 8, grow: 1 }, results.source),
    textColumn({ key: "kind", label: "Kind", width: 5.5 }, kindTexts, results.kind),
    numberColumn({ key: "exitCode", label: "Exit code", width: 5.5 }, results.exitCode, String),
    text({ key: "firstLine", label: "First line", width: 10, grow: 2 }, results.firstLine),
    text(
      { key: "errors", label: "Errors or problem", width: 8, grow: 1 },
      results.errors.map((error, row) => error || (results.problem[row] ?? 0)),
    ),
    {
      ...numberColumn(outputShape, outputLengths(model), count),
      // It shows how long outputs are, and the search finds what they say.
      mark: text(outputShape, outputStarts(model)).mark,
    },
    numberColumn({ key: "bytes", label: "Size", width: 5.5 }, sizes(model), bytes),
    timeColumn({ key: "finished", label: "Finished", width: 13.5 }, results.at, time, iso),
    text({ key: "actionId", isPrinted: false, label: "Machine action", width: 6, grow: 0.6 }, results.actionId),
    numberColumn({ key: "index", isPrinted: false, label: "Index", width: 4 }, results.index, count),
    hashColumn({ key: "sha256", isPrinted: false, label: "SHA-256", width: 8 }, hashStarts(model), (row) =>
      model.sha256(row),
    ),
  ]
}

const titleOf = (model: Model, row: number): string =>
  `${model.machineName(model.machineOf(row))}: ${model.text(model.results.source[row]) || model.kind(row)}`

const openResult = (model: Model, row: number): void => Panel.open(titleOf(model, row), resultFacts(model, row))

export const dataOf = (model: Model, rows: Int32Array): Data => ({
  columns: columnsOf(model),
  rows,
  keyOf: (row) => model.target(row),
  onOpen: (row) => openResult(model, row),
})

export const grid = (model: Model, controls: ReadonlyArray<HTMLElement>, rows: Int32Array): Grid =>
  new Grid({ noun: "results", label: "Results", controls, ...dataOf(model, rows) })
