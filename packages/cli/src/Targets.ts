/**
 * What to download, as the command line and lists of targets say it.
 */
import { MachineActionId } from "@live-response/core/MachineAction"
import { ResultRef } from "@live-response/core/ResultRef"
import * as Data from "effect/Data"
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

/** What was to name a result and names none: the line of a list, counted from 1, or a machine action. */
export interface BadTarget {
  readonly message: string
  readonly source?: string
  readonly line?: number
  readonly machineActionId?: MachineActionId
}

/** All results of one machine action: which ones there are is looked up. */
export class WholeAction extends Data.TaggedClass("WholeAction")<{ readonly id: MachineActionId }> {}

export type Target = ResultRef | WholeAction

const decodeId = Schema.decodeUnknownOption(MachineActionId)

const decodeRef = Schema.decodeUnknownOption(ResultRef)

const notATarget = (text: string) =>
  `"${printable(text.slice(0, 80))}" is no target; a target is <machine action id>, or <machine action id>:<index>, such as 988cc94e-7a8f-4b28-ab65-54970c5d5018:0`

/** `<id>`, `<id>:<index>`, `<id>:<a>-<b>` or `<id>:<a>,<b>`, or a mix of the last two; else what is wrong. */
export const parse = (text: string): Result.Result<ReadonlyArray<Target>, string> => {
  const id = decodeId(text.trim())
  if (Option.isSome(id)) return Result.succeed([new WholeAction({ id: id.value })])
  const match = /^([^:]+):(\d{1,3}(?:-\d{1,3})?(?:,\d{1,3}(?:-\d{1,3})?)*)$/.exec(text.trim())
  const indexes = (match?.[2] ?? "").split(",").flatMap((part) => {
    const [first = NaN, last = first] = part.split("-").map(Number)
    return Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => first + i)
  })
  const refs = indexes.map((index) => decodeRef({ machineActionId: match?.[1], index }))
  return refs.length > 0 && refs.every(Option.isSome)
    ? Result.succeed(refs.map((ref) => ref.value))
    : Result.fail(notATarget(text))
}

/** The targets that are arguments. The first that is none ends the command. */
export const fromArguments = Effect.fnUntraced(function* (
  texts: ReadonlyArray<string>,
): Effect.fn.Return<ReadonlyArray<Target>, Failure> {
  const parsed = texts.map(parse)
  const wrong = parsed.find(Result.isFailure)
  if (wrong !== undefined) return yield* usage(wrong.failure)
  return parsed.flatMap((refs) => Result.getOrElse(refs, () => []))
})

const decodeRecord = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Struct({ ...ResultRef.fields })))

const parseLine = (line: string): Result.Result<ReadonlyArray<Target>, string> => {
  const text = line.trim()
  if (text === "" || text.startsWith("#")) return Result.succeed([])
  if (!text.startsWith("{")) return parse(text)
  return Option.match(decodeRecord(text), {
    onNone: () => Result.fail(`"${printable(text.slice(0, 80))}" is no {"machineActionId": …, "index": …}`),
    onSome: (fields) => Result.succeed([ResultRef.make(fields)]),
  })
}

interface Table {
  /** The line at which the next row begins. */
  readonly line: number
  readonly header: Csv.Row | undefined
}

const startOfTable = (): Table => ({ line: 1, header: undefined })

type Parsed = ReturnType<typeof parse>

/** A row of CSV, with the number of its line as an editor shows it: blank lines and cells of several lines count. */
const readRow = (
  { header, line }: Table,
  row: Csv.Row,
): readonly [Table, ReadonlyArray<readonly [Parsed, line: number]>] => {
  const next = line + row.reduce((lines, cell) => lines + cell.split(/\r\n|\r|\n/).length - 1, 1)
  if (row.length === 1 && row[0] === "") return [{ line: next, header }, []]
  if (header === undefined) return [{ line: next, header: row }, []]
  const cell = (name: string) => row[header.indexOf(name)] ?? ""
  return [{ line: next, header }, [[parse(`${cell("machineActionId")}:${cell("index")}`), line]]]
}

/**
 * The targets of a list, read as they are needed: one a line, or JSON lines, or CSV with a header. `-` is standard input.
 * A broken line is an element, not a failure.
 */
export const fromList = (
  source: string,
): Stream.Stream<Target | BadTarget, Failure, FileSystem.FileSystem | Stdio.Stdio> =>
  Effect.gen(function* () {
    const name = source === "-" ? "standard input" : printable(source)
    const fs = yield* FileSystem.FileSystem
    const stdio = yield* Stdio.Stdio
    const text = (source === "-" ? stdio.stdin : fs.stream(source)).pipe(
      Stream.mapError((error) => usage(`can't read ${name}: ${reasonOf(error)}`)),
      Stream.decodeText(),
    )
    const elements = (
      parsed: Result.Result<ReadonlyArray<Target>, string>,
      line: number,
    ): ReadonlyArray<Target | BadTarget> =>
      Result.match(parsed, {
        onSuccess: (refs): ReadonlyArray<Target | BadTarget> => refs,
        onFailure: (message) => [{ source: name, line, message: `${name}, line ${line}: ${message}` }],
      })
    if (!source.toLowerCase().endsWith(".csv")) {
      return text.pipe(
        Stream.splitLines,
        Stream.zipWithIndex,
        Stream.flatMap(([line, index]) => Stream.fromIterable(elements(parseLine(line), index + 1))),
      )
    }
    return text.pipe(
      Stream.pipeThroughChannel(Csv.decodeString()),
      Stream.mapAccum(startOfTable, readRow),
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

export const isBadTarget = (target: Target | BadTarget): target is BadTarget => "message" in target

export const isWholeAction = (target: Target | BadTarget): target is WholeAction => target instanceof WholeAction

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
