/**
 * Lists of targets or machines, read as they are needed: one per line, JSON lines, or CSV with a header. `Targets.ts` and
 * `MachineArguments.ts` say which columns theirs have.
 */
import { createReadStream } from "node:fs"
import * as NodeStream from "@effect/platform-node/NodeStream"
import * as StoreError from "@live-response/core/StoreError"
import * as TextEncoding from "@live-response/core/TextEncoding"
import * as TextLines from "@live-response/core/TextLines"
import * as Effect from "effect/Effect"
import * as Csv from "effect/encoding/Csv"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Pull from "effect/Pull"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import { type Failure, usage } from "../Failure.ts"
import * as CsvDetection from "./CsvDetection.ts"
import { printable } from "../output/Printable.ts"

/** A line that can't be parsed. Lines count from 1. */
export interface BadLine {
  readonly message: string
  readonly source: string
  readonly line: number
}

type Parsed<A> = Result.Result<ReadonlyArray<A>, string>

/** How elements of a list are written: as a line, or as a CSV row or JSON object with these columns. */
export interface Format<A> {
  /** What one element is called. */
  readonly what: string
  readonly plain: (text: string) => Parsed<A>
  readonly columns: ReadonlyArray<string>
  readonly record: (value: (column: string) => string) => Parsed<A>
}

const decodeRecord = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Record(Schema.String, Schema.Unknown)))

/** The longest line, in characters: a longer one is a broken line. Rows of CSV have a smaller limit of their own. */
export const longestLine = 2 * 1024 * 1024

const parseLine = <A>({ columns, plain, record }: Format<A>, line: string): Parsed<A> => {
  if (line.length >= longestLine) return Result.fail("the line is longer than 2 MiB")
  const text = line.trim()
  if (text === "" || text.startsWith("#")) return Result.succeed([])
  if (!text.startsWith("{")) return plain(text)
  const found = Option.getOrUndefined(decodeRecord(text))
  if (found === undefined || columns.some((column) => !["string", "number"].includes(typeof found[column]))) {
    const members = columns.map((column) => `"${column}": …`).join(", ")
    return Result.fail(`"${printable(text.slice(0, 80))}" is not {${members}}`)
  }
  return record((column) => String(found[column]))
}

/** Whether an argument names a list. No domain has such an ending. */
const isListName = (text: string): boolean => /\.(?:txt|csv|tsv|jsonl?|ndjson)$/i.test(text.trim())

/**
 * Makes a parser of arguments. The first argument that can't be parsed ends the command, and so does a list that was meant for
 * `flag`.
 */
export const argumentsAs = <A>(what: string, flag: string, parse: (text: string) => Parsed<A>) =>
  Effect.fnUntraced(function* (texts: ReadonlyArray<string>): Effect.fn.Return<ReadonlyArray<A>, Failure> {
    const all: Array<A> = []
    for (const text of texts) {
      if (isListName(text)) {
        return yield* usage(`"${printable(text.slice(0, 80))}" is not a ${what}; name a list with ${flag} FILE`)
      }
      const parsed = parse(text)
      if (Result.isFailure(parsed)) return yield* usage(parsed.failure)
      all.push(...parsed.success)
    }
    return all
  })

const openSource = (source: string): Stream.Stream<Uint8Array, Failure, Stdio.Stdio> => {
  const unreadable = (cause: unknown) =>
    usage(`can't read ${sourceName(source)}: ${printable(cause instanceof Error ? cause.message : String(cause))}`)
  return source === "-"
    ? Stdio.Stdio.pipe(
        Effect.map(({ stdin }) => Stream.mapError(stdin, unreadable)),
        Stream.unwrap,
      )
    : // Without positions, unlike FileSystem.stream: a pipe has none.
      NodeStream.fromReadable({ evaluate: () => createReadStream(source), onError: unreadable })
}

const sourceName = (source: string): string => (source === "-" ? "standard input" : printable(source))

/** Opens a list: its first line of content, and its text from there on. */
const openList = Effect.fnUntraced(function* (source: string) {
  const pull = yield* Stream.toPull(TextEncoding.decodeStream(openSource(source)))
  const read = (
    held: CsvDetection.Rest,
  ): Effect.Effect<CsvDetection.Head & { readonly rest: Stream.Stream<string, Failure> }, Failure> =>
    Pull.matchEffect(pull, {
      onSuccess: (pieces) => {
        const head = CsvDetection.findHead({ ...held, text: held.text + pieces.join("") }, false)
        return head.line === undefined
          ? read(head)
          : Effect.succeed({ ...head, line: head.line, rest: Stream.fromPull(Effect.succeed(pull)) })
      },
      onFailure: Effect.failCause,
      onDone: () => {
        const head = CsvDetection.findHead(held, true)
        return Effect.succeed({ ...head, line: head.line ?? "", rest: Stream.empty })
      },
    })
  const { rest, ...head } = yield* read({ skipped: 0, text: "" })
  return { ...head, text: Stream.concat(Stream.succeed(head.text), rest) }
})

type Line<A> = readonly [Parsed<A>, line: number]

const readLines = <A>(format: Format<A>, text: Stream.Stream<string, Failure>, skipped: number) =>
  text.pipe(
    TextLines.split(longestLine),
    Stream.zipWithIndex,
    Stream.map(([line, index]): Line<A> => [parseLine(format, line), skipped + index + 1]),
  )

interface Table {
  /** The line number of the next row. */
  readonly line: number
  readonly header: ReadonlyArray<string> | undefined
}

/** Parses a row of CSV. Its line number is the one that an editor shows, with blank lines and multi-line cells. */
const readRow = <A>(
  { record }: Format<A>,
  { header, line }: Table,
  row: Csv.Row,
): readonly [Table, ReadonlyArray<Line<A>>] => {
  const next = line + row.reduce((lines, cell) => lines + cell.split(/\r\n|\r|\n/).length - 1, 1)
  if (header === undefined) return [{ line: next, header: row.map(CsvDetection.nameOf) }, []]
  if (row.length === 1 && row[0] === "") return [{ line: next, header }, []]
  const parsed = record((column) => row[header.indexOf(CsvDetection.nameOf(column))] ?? "")
  return [{ line: next, header }, [[parsed, line]]]
}

const readRows = <A>(
  format: Format<A>,
  text: Stream.Stream<string, Failure>,
  { delimiter, skipped }: CsvDetection.Header,
) =>
  text.pipe(
    // Line by line: rows before a broken line in the same chunk are not lost.
    TextLines.split(longestLine),
    Stream.map((line) => `${line}\n`),
    Stream.rechunk(1),
    Stream.pipeThroughChannel(Csv.decodeString({ delimiter })),
    Stream.mapAccum(
      (): Table => ({ line: skipped + 1, header: undefined }),
      (table, row) => readRow(format, table, row),
    ),
    Stream.catchTag("CsvError", ({ line, message }) =>
      Stream.succeed<Line<A>>([Result.fail(`${printable(message)}; no line after it is read`), skipped + line]),
    ),
  )

const listed = (words: ReadonlyArray<string>): string => words.join(" and ")

/** What a list should look like. */
const expected = ({ columns, what }: Format<unknown>): string =>
  `one ${what} per line, or CSV with ${columns.length === 1 ? "the column" : "the columns"} ${listed(columns)}, separated by commas, semicolons or tabs`

/** The header, if the list is CSV. Fails if the header lacks a column. */
const headerOf = (
  source: string,
  { line, skipped }: Pick<CsvDetection.Head, "line" | "skipped">,
  format: Format<unknown>,
) => {
  const isNamedCsv = source.toLowerCase().endsWith(".csv")
  const delimiter =
    CsvDetection.delimiterOf(line, format.columns) ??
    (isNamedCsv && line.trim() !== "" ? "," : CsvDetection.delimiterOfWords(line))
  if (delimiter === undefined) return Effect.succeed(undefined)
  const cells = CsvDetection.cellsOf(line, delimiter)
  const missing = format.columns.filter((column) => !cells.includes(CsvDetection.nameOf(column)))
  if (missing.length === 0) return Effect.succeed<CsvDetection.Header>({ delimiter, skipped })
  const has = printable(line.trim().slice(0, 80))
  return Effect.fail(
    usage(
      `${sourceName(source)}, line ${skipped + 1}: the header "${has}" has no column ${listed(missing)}; expected ${expected(format)}`,
    ),
  )
}

/**
 * Makes a reader of lists. `-` is standard input. A list is opened once, and read as it is needed. A broken line is an
 * element of the stream; a header that lacks a column, or a list without elements, fails the stream.
 */
export const reader =
  <A>(format: Format<A>) =>
  (source: string): Stream.Stream<A | BadLine, Failure, Stdio.Stdio> =>
    Effect.gen(function* () {
      const name = sourceName(source)
      const { text, ...head } = yield* openList(source)
      const header = yield* headerOf(source, head, format)
      let isEmpty = true
      const elements = ([parsed, line]: Line<A>): ReadonlyArray<A | BadLine> => {
        const found = Result.match(parsed, {
          onSuccess: (found): ReadonlyArray<A | BadLine> => found,
          onFailure: (message) => [{ source: name, line, message: `${name}, line ${line}: ${message}` }],
        })
        if (found.length > 0) isEmpty = false
        return found
      }
      const lines = header === undefined ? readLines(format, text, head.skipped) : readRows(format, text, header)
      return lines.pipe(
        Stream.map(elements),
        Stream.flattenIterable,
        Stream.concat(
          Stream.suspend(() =>
            isEmpty
              ? Stream.fail(usage(`${name} holds no ${format.what}s; expected ${expected(format)}`))
              : Stream.empty,
          ),
        ),
      )
    }).pipe(Stream.unwrap)

/** Whether a list can be read twice: a file can, but a pipe can't, and standard input may be a pipe. */
export const isRepeatable = Effect.fnUntraced(function* (
  source: string,
): Effect.fn.Return<boolean, never, FileSystem.FileSystem> {
  if (source === "-") return false
  const fs = yield* FileSystem.FileSystem
  return yield* fs.stat(source).pipe(
    Effect.map(({ type }) => type === "File"),
    Effect.orElseSucceed(() => false),
  )
})

/** Fails early if a list can't be used. A list that can be read only once is not read for that. */
export const check =
  <A, R>(fromList: (source: string) => Stream.Stream<A, Failure, R>) =>
  (source: string): Effect.Effect<void, Failure, FileSystem.FileSystem | R> =>
    Effect.gen(function* () {
      yield* checkReadable(source)
      if (yield* isRepeatable(source)) yield* Stream.runHead(fromList(source))
    })

/** Checks several lists. Standard input can be only one of them. */
export const checkAll =
  <A, R>(fromList: (source: string) => Stream.Stream<A, Failure, R>) =>
  (sources: ReadonlyArray<string>): Effect.Effect<void, Failure, FileSystem.FileSystem | R> =>
    sources.filter((source) => source === "-").length > 1
      ? Effect.fail(usage("standard input (-) is named more than once, and can be read only once"))
      : Effect.forEach(sources, check(fromList), { discard: true })

/** Fails early if a file can't be read. */
export const checkReadable = Effect.fnUntraced(function* (
  source: string,
): Effect.fn.Return<void, Failure, FileSystem.FileSystem> {
  if (source === "-") return
  const fs = yield* FileSystem.FileSystem
  const unreadable = (reason: string) => usage(`can't read ${printable(source)}: ${reason}`)
  const { type } = yield* fs.access(source, { readable: true }).pipe(
    Effect.andThen(fs.stat(source)),
    Effect.mapError((error) => unreadable(printable(StoreError.describe(error)))),
  )
  if (type === "Directory") return yield* unreadable("it is a directory")
})
