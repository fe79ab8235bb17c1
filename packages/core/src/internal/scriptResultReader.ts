/** Reads a script result of any length in pieces, in memory that does not depend on its length. */
import * as Result from "effect/Result"
import * as TextEncoding from "../TextEncoding.ts"
import * as JsonMembers from "./jsonMembers.ts"
import * as Lenient from "./lenientFields.ts"
import * as NulText from "./nulText.ts"

/** The names of a field: the current one, and the one in older documentation. The first that has text counts. */
export const nameFields = ["script_name", "name"]
export const outputFields = ["script_output"]
export const errorsFields = ["script_errors", "script_error"]

const exitCodeField = "exit_code"

/** Any of these makes an object a script result. `name` does not: many objects have one. */
const ownFields = [exitCodeField, "script_name", ...outputFields, ...errorsFields]

const textFields = [...nameFields, ...outputFields, ...errorsFields]

/** Receives the text of the fields in pieces. A field that starts a second time replaces its earlier text. */
export interface Sink {
  readonly start: (field: string, isText: boolean) => void
  readonly text: (field: string, piece: string) => void
}

export interface Fields {
  /** Absent if the result has no exit code, or one that is not a whole number. */
  readonly exitCode?: number
  /** The fields that have text, even if it is empty. */
  readonly present: ReadonlySet<string>
}

/** Reads one script result. Each function returns what is wrong with it. */
export interface Reader {
  readonly push: (bytes: Uint8Array) => string | undefined
  readonly end: () => Result.Result<Fields, string>
}

/** How many bytes are read at once, whatever the size of the chunks that arrive. */
const sliceLength = 65_536

/** Cuts a chunk into slices. */
export function* slices(bytes: Uint8Array): Generator<Uint8Array> {
  for (let i = 0; i < bytes.length; i += sliceLength) yield bytes.subarray(i, i + sliceLength)
}

/** An exit code in text is longer only because of white space. */
const longestExitCode = 32

export const make = (sink: Sink): Reader => {
  const decoder = TextEncoding.makeDecoder()
  const values = new Map<string, JsonMembers.Value>()
  /** The string that is being read: the text of a field, or an exit code in text. */
  const current: { text: NulText.Text | undefined; exitCode: string | undefined } = {
    text: undefined,
    exitCode: undefined,
  }

  const parser = JsonMembers.make({
    value: (key, value) => {
      current.text = undefined
      current.exitCode = undefined
      if (key === exitCodeField) {
        values.set(key, value)
        if (value === "string") current.exitCode = ""
      }
      if (!textFields.includes(key)) return
      values.set(key, value)
      sink.start(key, value === "string")
      if (value === "string") current.text = NulText.make((piece) => sink.text(key, piece))
    },
    text: (piece) => {
      current.text?.push(piece)
      if (current.exitCode !== undefined) current.exitCode = (current.exitCode + piece).slice(0, longestExitCode)
    },
    textEnd: () => {
      current.text?.end()
      if (current.exitCode !== undefined) values.set(exitCodeField, Lenient.wholeNumber(current.exitCode) ?? null)
      current.exitCode = undefined
    },
  })

  const push: Reader["push"] = (bytes) => {
    for (const slice of slices(bytes)) {
      const problem = parser.push(decoder.push(slice))
      if (problem !== undefined) return problem
    }
    return undefined
  }

  const end: Reader["end"] = () => {
    const problem = parser.push(decoder.end()) ?? parser.end()
    return problem === undefined ? fieldsOf(values) : Result.fail(problem)
  }

  return { push, end }
}

const fieldsOf = (values: ReadonlyMap<string, JsonMembers.Value>): Result.Result<Fields, string> => {
  if (!ownFields.some((field) => values.has(field))) return Result.fail("exit_code is missing")
  for (const field of textFields) {
    const value = values.get(field) ?? null
    if (value !== null && value !== "string") return Result.fail(`${field} is not text`)
  }
  return Result.succeed({
    ...Lenient.present({ exitCode: Lenient.wholeNumber(values.get(exitCodeField)) }),
    present: new Set(textFields.filter((field) => values.get(field) === "string")),
  })
}

export interface Collected {
  readonly text: string
  /** The length of the whole text, of which `text` is the beginning. */
  readonly length: number
}

/** Collects the beginning of each field. A surrogate pair is not split. */
export const collector = (limitOf: (field: string) => number) => {
  const collected = new Map<string, { readonly pieces: Array<string>; length: number }>()

  const sink: Sink = {
    start: (field) => collected.set(field, { pieces: [], length: 0 }),
    text: (field, piece) => {
      const entry = collected.get(field)
      if (entry === undefined) return
      const left = limitOf(field) - entry.length
      entry.length += piece.length
      if (left > 0) entry.pieces.push(piece.length > left ? withoutHalfPair(piece.slice(0, left)) : piece)
    },
  }

  /** The first of the fields that has text. */
  const first = (fields: ReadonlyArray<string>, present: ReadonlySet<string>): Collected => {
    const field = fields.find((field) => present.has(field))
    const entry = field === undefined ? undefined : collected.get(field)
    return { text: entry?.pieces.join("") ?? "", length: entry?.length ?? 0 }
  }

  return { sink, first }
}

export const withoutHalfPair = (text: string): string => (/[\ud800-\udbff]$/.test(text) ? text.slice(0, -1) : text)

/**
 * Emits the text of the first of the fields that has text, as it arrives. Text that was emitted can't be taken back, so a
 * field that occurs twice is a problem, and so is an older field name with text before the newer one.
 */
export const emitter = (fields: ReadonlyArray<string>) => {
  const seen = new Set<string>()
  const state: { field: string | undefined; hasEmitted: boolean; problem: string | undefined; pieces: Array<string> } =
    {
      field: undefined,
      hasEmitted: false,
      problem: undefined,
      pieces: [],
    }

  const sink: Sink = {
    start: (field, isText) => {
      const rank = fields.indexOf(field)
      if (rank < 0) return
      if (seen.has(field)) state.problem ??= `${field} occurs twice`
      seen.add(field)
      if (!isText || (state.field !== undefined && fields.indexOf(state.field) < rank)) return
      if (state.hasEmitted && state.field !== undefined) state.problem ??= `${field} comes after ${state.field}`
      state.field = field
    },
    text: (field, piece) => {
      if (field !== state.field || state.problem !== undefined) return
      state.hasEmitted = true
      state.pieces.push(piece)
    },
  }

  /** The text since the last call. */
  const take = (): string => {
    const text = state.pieces.join("")
    state.pieces = []
    return text
  }

  return { sink, take, problem: () => state.problem }
}
