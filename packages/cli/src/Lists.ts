/**
 * Lists of things, read as they are needed: one a line, JSON lines, or CSV with a header.
 */
import * as Effect from "effect/Effect"
import * as Csv from "effect/encoding/Csv"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import { type Failure, usage } from "./Failure.ts"
import { printable } from "./Printable.ts"

/** A line that names nothing, counted from 1. */
export interface BadLine {
  readonly message: string
  readonly source: string
  readonly line: number
}

type Parsed<A> = Result.Result<ReadonlyArray<A>, string>

/** What a line stands for, and what a row or an object of JSON with these columns does; else what is wrong with it. */
export interface Format<A> {
  readonly plain: (text: string) => Parsed<A>
  readonly columns: ReadonlyArray<string>
  readonly record: (value: (column: string) => string) => Parsed<A>
}

const decodeRecord = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Record(Schema.String, Schema.Unknown)))

const parseLine = <A>({ columns, plain, record }: Format<A>, line: string): Parsed<A> => {
  const text = line.trim()
  if (text === "" || text.startsWith("#")) return Result.succeed([])
  if (!text.startsWith("{")) return plain(text)
  const found = Option.getOrUndefined(decodeRecord(text))
  if (found === undefined || columns.some((column) => !["string", "number"].includes(typeof found[column]))) {
    const members = columns.map((column) => `"${column}": …`).join(", ")
    return Result.fail(`"${printable(text.slice(0, 80))}" is no {${members}}`)
  }
  return record((column) => String(found[column]))
}

/** Makes what reads arguments. The first that names nothing ends the command. */
export const argumentsAs = <A>(parse: (text: string) => Parsed<A>) =>
  Effect.fnUntraced(function* (texts: ReadonlyArray<string>): Effect.fn.Return<ReadonlyArray<A>, Failure> {
    const all: Array<A> = []
    for (const text of texts) {
      const parsed = parse(text)
      if (Result.isFailure(parsed)) return yield* usage(parsed.failure)
      all.push(...parsed.success)
    }
    return all
  })

interface Table {
  /** The line at which the next row begins. */
  readonly line: number
  /** The columns, once they are known; without those that are needed nothing more is read. */
  readonly header: Csv.Row | undefined
  readonly isUseless: boolean
}

const startOfTable = (): Table => ({ line: 1, header: undefined, isUseless: false })

/** A row of CSV, with the number of its line as an editor shows it: blank lines and cells of several lines count. */
const readRow = <A>(
  { columns, record }: Format<A>,
  table: Table,
  row: Csv.Row,
): readonly [Table, ReadonlyArray<readonly [Parsed<A>, line: number]>] => {
  const { header, isUseless, line } = table
  const next = { ...table, line: line + row.reduce((lines, cell) => lines + cell.split(/\r\n|\r|\n/).length - 1, 1) }
  if (isUseless || (row.length === 1 && row[0] === "")) return [next, []]
  if (header === undefined) {
    const names = row.map((name) => name.trim().toLowerCase())
    const missing = columns.find((column) => !names.includes(column.toLowerCase()))
    if (missing === undefined) return [{ ...next, header: names }, []]
    const has = printable(row.join(", ").slice(0, 80))
    return [{ ...next, isUseless: true }, [[Result.fail(`the header has no column ${missing}, it has ${has}`), line]]]
  }
  return [next, [[record((column) => row[header.indexOf(column.toLowerCase())] ?? ""), line]]]
}

/**
 * Makes what reads lists of a format. `-` is standard input. A broken line is an element, not a failure.
 */
export const reader =
  <A>(format: Format<A>) =>
  (source: string): Stream.Stream<A | BadLine, Failure, FileSystem.FileSystem | Stdio.Stdio> =>
    Effect.gen(function* () {
      const name = source === "-" ? "standard input" : printable(source)
      const fs = yield* FileSystem.FileSystem
      const stdio = yield* Stdio.Stdio
      const text = (source === "-" ? stdio.stdin : fs.stream(source)).pipe(
        Stream.mapError((error) => usage(`can't read ${name}: ${reasonOf(error)}`)),
        Stream.decodeText(),
      )
      const elements = (parsed: Parsed<A>, line: number): ReadonlyArray<A | BadLine> =>
        Result.match(parsed, {
          onSuccess: (found): ReadonlyArray<A | BadLine> => found,
          onFailure: (message) => [{ source: name, line, message: `${name}, line ${line}: ${message}` }],
        })
      if (!source.toLowerCase().endsWith(".csv")) {
        return text.pipe(
          Stream.splitLines,
          Stream.zipWithIndex,
          Stream.flatMap(([line, index]) => Stream.fromIterable(elements(parseLine(format, line), index + 1))),
        )
      }
      return text.pipe(
        Stream.pipeThroughChannel(Csv.decodeString()),
        Stream.mapAccum(startOfTable, (table, row) => readRow(format, table, row)),
        Stream.flatMap(([parsed, line]) => Stream.fromIterable(elements(parsed, line))),
        Stream.catchTag("CsvError", (error) =>
          Stream.succeed({
            source: name,
            line: error.line,
            message: `${name}, line ${error.line}: ${printable(error.message)}`,
          }),
        ),
      )
    }).pipe(Stream.unwrap)

const reasonOf = (error: { readonly reason: { readonly _tag: string }; readonly message: string }): string => {
  switch (error.reason._tag) {
    case "NotFound":
      return "there is no such file"
    case "PermissionDenied":
      return "permission denied"
    default:
      return printable(error.message)
  }
}

/** Ends the command before it begins where a list can't be read. */
export const checkReadable = Effect.fnUntraced(function* (
  source: string,
): Effect.fn.Return<void, Failure, FileSystem.FileSystem> {
  if (source === "-") return
  const fs = yield* FileSystem.FileSystem
  const unreadable = (reason: string) => usage(`can't read ${printable(source)}: ${reason}`)
  const { type } = yield* fs.access(source, { readable: true }).pipe(
    Effect.andThen(fs.stat(source)),
    Effect.mapError((error) => unreadable(reasonOf(error))),
  )
  if (type === "Directory") return yield* unreadable("it is a directory")
})
