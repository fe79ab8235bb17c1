import * as Result from "effect/Result"
import * as TextEncoding from "../TextEncoding.ts"
import * as JsonMembers from "./jsonMembers.ts"
import * as Lenient from "./lenient.ts"
import * as NulText from "./nulText.ts"

/** What the service writes, and what older versions of its documentation say that it writes: the first that is text. */
export const nameFields = ["script_name", "name"]
export const outputFields = ["script_output"]
export const errorsFields = ["script_errors", "script_error"]

const exitCodeField = "exit_code"

/** Any of these makes an object the result of a script; many an object has a `name`. */
const ownFields = [exitCodeField, "script_name", ...outputFields, ...errorsFields]

const textFields = [...nameFields, ...outputFields, ...errorsFields]

/** Takes the text of the fields as it comes. A field that begins again replaces what it was. */
export interface Sink {
  readonly begin: (field: string, isText: boolean) => void
  readonly text: (field: string, piece: string) => void
}

export interface Fields {
  /** Absent where there is none, or none that is a whole number. */
  readonly exitCode?: number
  /** The fields that are there and have text, if only an empty one. */
  readonly present: ReadonlySet<string>
}

/** The reading of one script result. Each answers with what is wrong. */
export interface Reader {
  readonly push: (bytes: Uint8Array) => string | undefined
  readonly end: () => Result.Result<Fields, string>
}

/** Memory is for so many bytes at once, however large the chunks are that come. */
const sliceLength = 65_536

/** Chunks of a moderate length. */
export function* slices(bytes: Uint8Array): Generator<Uint8Array> {
  for (let i = 0; i < bytes.length; i += sliceLength) yield bytes.subarray(i, i + sliceLength)
}

/** In text an exit code may be longer by its white space alone. */
const longestExitCode = 32

export const make = (sink: Sink): Reader => {
  const decoder = TextEncoding.makeDecoder()
  const values = new Map<string, JsonMembers.Value>()
  let text: NulText.Text | undefined
  let exitCode: string | undefined

  const parser = JsonMembers.make({
    value: (key, value) => {
      text = undefined
      exitCode = undefined
      if (key === exitCodeField) {
        values.set(key, value)
        if (value === "string") exitCode = ""
      }
      if (!textFields.includes(key)) return
      values.set(key, value)
      sink.begin(key, value === "string")
      if (value === "string") text = NulText.make((piece) => sink.text(key, piece))
    },
    text: (piece) => {
      text?.push(piece)
      if (exitCode !== undefined) exitCode = (exitCode + piece).slice(0, longestExitCode)
    },
    textEnd: () => {
      text?.end()
      if (exitCode !== undefined) values.set(exitCodeField, Lenient.wholeNumber(exitCode) ?? null)
      exitCode = undefined
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
    if (problem !== undefined) return Result.fail(problem)
    if (!ownFields.some((field) => values.has(field))) return Result.fail("exit_code is missing")
    for (const field of textFields) {
      const value = values.get(field) ?? null
      if (value !== null && value !== "string") return Result.fail(`${field} is no text`)
    }
    return Result.succeed({
      ...Lenient.present({ exitCode: Lenient.wholeNumber(values.get(exitCodeField)) }),
      present: new Set(textFields.filter((field) => values.get(field) === "string")),
    })
  }

  return { push, end }
}

export interface Collected {
  readonly text: string
  /** The length of the whole, of which `text` is the beginning. */
  readonly length: number
}

/** Keeps the beginning of each field. A surrogate pair is kept or cut as one. */
export const collector = (limitOf: (field: string) => number) => {
  const kept = new Map<string, { readonly pieces: Array<string>; length: number }>()

  const sink: Sink = {
    begin: (field) => kept.set(field, { pieces: [], length: 0 }),
    text: (field, piece) => {
      const own = kept.get(field)
      if (own === undefined) return
      const room = limitOf(field) - own.length
      own.length += piece.length
      if (room > 0) own.pieces.push(piece.length > room ? withoutHalf(piece.slice(0, room)) : piece)
    },
  }

  /** The first of the fields that has text. */
  const first = (fields: ReadonlyArray<string>, present: ReadonlySet<string>): Collected => {
    const field = fields.find((field) => present.has(field))
    const own = field === undefined ? undefined : kept.get(field)
    return { text: own?.pieces.join("") ?? "", length: own?.length ?? 0 }
  }

  return { sink, first }
}

const withoutHalf = (text: string): string => (/[\ud800-\udbff]$/.test(text) ? text.slice(0, -1) : text)

/**
 * Gives out the text of the first of the fields that has text, as it comes. What was given out can't be taken back, so
 * that a field which stands twice is a problem, and an older name before the newer one as well.
 */
export const emitter = (fields: ReadonlyArray<string>) => {
  const seen = new Set<string>()
  let current: string | undefined
  let isGiven = false
  let problem: string | undefined
  let pieces: Array<string> = []

  const sink: Sink = {
    begin: (field, isText) => {
      const rank = fields.indexOf(field)
      if (rank < 0) return
      if (seen.has(field)) problem ??= `${field} stands there twice`
      seen.add(field)
      if (!isText || (current !== undefined && fields.indexOf(current) < rank)) return
      if (isGiven && current !== undefined) problem ??= `${field} stands behind ${current}`
      current = field
    },
    text: (field, piece) => {
      if (field !== current || problem !== undefined) return
      isGiven = true
      pieces.push(piece)
    },
  }

  const take = (): string => {
    const text = pieces.join("")
    pieces = []
    return text
  }

  return { sink, take, problem: () => problem }
}
