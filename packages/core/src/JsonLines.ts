/**
 * Append-only files of JSON lines that survive a crash.
 *
 * It is public because the command line reads its tables with it. A directory is an argument and not a service, because a
 * program may have several.
 *
 * @since 0.1.0
 */
import * as Bytes from "effect/Bytes"
import * as Effect from "effect/Effect"
import type { File } from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as GroupCommit from "./internal/groupCommit.ts"
import * as LineReader from "./internal/lineReader.ts"
import type { PrivateDirectory } from "./PrivateDirectory.ts"
import { fromPlatformError, StoreError } from "./StoreError.ts"
import * as TerminalText from "./TerminalText.ts"

const lineFeed = 0x0a

const parse = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Unknown))

/**
 * In characters: no longer line is written, and of one that is found only the beginning is read. The largest entry holds a
 * machine action, whose record has 1 Mi characters at most, each of which may be escaped as six.
 *
 * @since 0.1.0
 * @category reading
 */
export const longestLine: number = 8 * 1024 * 1024

/**
 * A line that is not an entry: its number, from 1, and its value where it is JSON.
 *
 * @since 0.1.0
 * @category models
 */
export interface DamagedLine {
  readonly line: number
  readonly value: Option.Option<unknown>
}

/** The damaged lines of a file: how many there are, and the numbers of the first few. */
class DamagedLines {
  count = 0
  readonly named: Array<number> = []

  readonly add = ({ line }: DamagedLine): Effect.Effect<void> =>
    Effect.sync(() => {
      this.count++
      if (this.named.length < 5) this.named.push(line)
    })

  /** The warning, if there are any. */
  warning(path: string, consequence: { readonly one: string; readonly many: string }): string | undefined {
    const named = this.named.join(", ") + (this.count > this.named.length ? ", …" : "")
    if (this.count === 0) return undefined
    return this.count === 1
      ? `${path}: line ${named} is damaged and was skipped; ${consequence.one}`
      : `${path}: ${this.count} lines are damaged and were skipped (${named}); ${consequence.many}`
  }
}

/**
 * Reads a file, and logs one warning if lines of it are damaged: what they recorded is missing from what is read. `consequence`
 * says what follows from it, and the next step.
 *
 * @since 0.1.0
 * @category reading
 */
export const warnOfDamage = Effect.fnUntraced(function* <A, E, R>(
  path: string,
  consequence: { readonly one: string; readonly many: string },
  read: (onDamaged: (damaged: DamagedLine) => Effect.Effect<void>) => Effect.Effect<A, E, R>,
): Effect.fn.Return<A, E, R> {
  const damaged = new DamagedLines()
  const found = yield* read(damaged.add)
  const warning = damaged.warning(path, consequence)
  if (warning !== undefined) yield* Effect.logWarning(warning)
  return found
})

/**
 * An entry, and the position of its line in the file.
 *
 * @since 0.1.0
 * @category models
 */
export interface Located<A> {
  readonly entry: A
  readonly offset: number
}

/**
 * Takes lines as bytes, so that only the others are decoded: `match` returns the position after a line that it can take, or
 * -1, and `take` takes the line that was matched last. `skips` returns whether a line is passed over for its beginning.
 *
 * @since 0.1.0
 * @category models
 */
export interface Skim extends LineReader.Skim {}

/**
 * The lines of a file from the position `from` on, where one must start, up to `to`: by default all of them.
 *
 * @since 0.1.0
 * @category models
 */
export interface Part {
  readonly from?: number | undefined
  readonly to?: number | undefined
}

/**
 * The entries of a file in their order. None if there is no such file.
 *
 * **Details**
 *
 * Blank lines are fine, and so is a last line without a line feed: another program is just appending it, or a crash has
 * torn it. `onDamaged` is called for each other line that is not an entry, and fails where such a line must not be passed
 * over. By default all of them are.
 *
 * @since 0.1.0
 * @category reading
 */
export const read = <A, I, E = never, R = never>(
  directory: PrivateDirectory,
  name: string,
  schema: Schema.Codec<A, I>,
  onDamaged: (damaged: DamagedLine) => Effect.Effect<void, E, R> = () => Effect.void,
): Stream.Stream<A, StoreError | E, R> =>
  Stream.map(readLocated(directory, name, schema, { onDamaged }), ({ entry }) => entry)

/** How many bytes of a file are read at once, and how many of its beginning: most files are short. */
const blockSize = 256 * 1024
const firstBlockSize = 16 * 1024

/** How many lines are decoded before other fibers run: some five milliseconds. */
const linesAtOnce = 50

/**
 * The entries of a file as `read` gives them, each with its position, without the lines that `skim` takes.
 *
 * **When to use**
 *
 * Use it for a file of very many lines, most of which need not be decoded, and to read what was appended to one.
 *
 * **Gotchas**
 *
 * The number of a damaged line counts from where the part starts.
 *
 * @see `progress`, which says where that is
 * @since 0.1.0
 * @category reading
 */
export const readLocated = <A, I, E = never, R = never>(
  directory: PrivateDirectory,
  name: string,
  schema: Schema.Codec<A, I>,
  {
    from = 0,
    onDamaged,
    skim,
    to = Infinity,
  }: Part & {
    readonly onDamaged: (damaged: DamagedLine) => Effect.Effect<void, E, R>
    readonly skim?: Skim | undefined
  },
): Stream.Stream<Located<A>, StoreError | E, R> => {
  const decode = Schema.decodeUnknownOption(Schema.fromJsonString(schema))
  let decoded = 0
  const entryOf = Effect.fnUntraced(function* (line: LineReader.Line) {
    if (++decoded % linesAtOnce === 0) yield* Effect.yieldNow
    const text = textOf(line)
    const entry = decode(text)
    if (Option.isSome(entry)) return [{ entry: entry.value, offset: line.offset }]
    if (!line.isOpen && text.trim() !== "") yield* onDamaged({ line: line.number, value: parse(text) })
    return []
  })
  return Stream.suspend(() => {
    const lines = new LineReader.LineReader(longestLine * LineReader.bytesPerCharacter, skim, from)
    return blocks(directory, name, from, to).pipe(
      Stream.map((block) => lines.read(block)),
      Stream.concat(Stream.sync(() => lines.end())),
      // One line at a time, because `skim` takes the lines behind it as soon as the next one is wanted.
      Stream.flatMap((found) => Stream.fromIterable(found, { chunkSize: 1 })),
      Stream.mapEffect(entryOf),
      Stream.flattenIterable,
    )
  })
}

/** The bytes of a file. Each block is valid until the next one is read: they share their memory. */
const blocks = (
  directory: PrivateDirectory,
  name: string,
  from: number,
  to: number,
): Stream.Stream<Uint8Array, StoreError> =>
  Stream.unwrap(
    Effect.map(directory.openFile(name), (opened) => {
      if (Option.isNone(opened)) return Stream.empty
      let buffer = new Uint8Array(firstBlockSize)
      return Stream.paginate(from, (position) => {
        if (position > from && buffer.length < blockSize) buffer = new Uint8Array(blockSize)
        const wanted = buffer.subarray(0, Math.min(buffer.length, to - position))
        if (wanted.length === 0) return Effect.succeed([[], Option.none<number>()] as const)
        return Effect.map(opened.value.read(wanted, { position: BigInt(position) }), (length) =>
          length === 0 ? [[], Option.none<number>()] : [[buffer.subarray(0, length)], Option.some(position + length)],
        )
      }).pipe(Stream.mapError(fromPlatformError(directory.pathOf(name))))
    }),
  )

const decoder = new TextDecoder("utf-8", { ignoreBOM: true })

/** The text of a line, at most `longestLine` characters. Only at the start of a file is a byte order mark not a part of it. */
const textOf = ({ bytes, from, offset, to }: LineReader.Line): string => {
  const text = decoder.decode(bytes.subarray(from, to))
  const start = offset === 0 && text.charCodeAt(0) === 0xfeff ? 1 : 0
  return text.slice(start, start + longestLine)
}

/** Finds where a last line without a line feed starts: at the end of the file if there is none. One starts at `from`. */
const lastLineOf = Effect.fnUntraced(function* (directory: PrivateDirectory, name: string, from = 0) {
  const size = Number(Option.match(yield* directory.info(name), { onNone: () => 0, onSome: (info) => info.size }))
  for (let end = size; end > from;) {
    const offset = Math.max(from, end - blockSize)
    const start = yield* Stream.runFold(
      directory.read(name, { offset, bytesToRead: end - offset }),
      () => ({ at: offset, afterFeed: -1 }),
      ({ afterFeed, at }, bytes) => {
        const last = bytes.lastIndexOf(lineFeed)
        return { at: at + bytes.length, afterFeed: last === -1 ? afterFeed : at + last + 1 }
      },
    )
    if (start.afterFeed >= 0) return { size, start: start.afterFeed }
    end = offset
  }
  return { size, start: from }
})

/**
 * How far a file was read, and what shows that it is still the same one.
 *
 * @since 0.1.0
 * @category models
 */
export interface Position {
  /** In bytes: where the lines end that were read. */
  readonly end: number
  /** What identifies the file. Empty where it was missing. */
  readonly file: string
  /** The last bytes before `end`. */
  readonly last: Uint8Array
}

/** In bytes: of entries as this project writes them, no two files have the same ones at the same position. */
const lastLength = 256

const isEqual = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && a.every((byte, i) => byte === b[i])

const bytesBefore = (directory: PrivateDirectory, name: string, end: number) => {
  const offset = Math.max(0, end - lastLength)
  const bytes = end === 0 ? Stream.empty : directory.read(name, { offset, bytesToRead: end - offset })
  return Effect.map(Stream.runCollect(bytes), Bytes.concat)
}

/**
 * Where the complete lines of a file end now. `isSame` is whether what was read as far as `since` is still there, so that only
 * the part from `since.end` to `position.end` is new; otherwise the whole file is to be read again.
 *
 * **When to use**
 *
 * Use it to read again and again what another part of the program appends, at the cost of what was appended.
 *
 * **Details**
 *
 * A file that was removed, replaced or cut is another one, and so is one whose last bytes before `since.end` have changed. A last
 * line without a line feed is not complete, so the next call has it.
 *
 * @since 0.1.0
 * @category reading
 */
export const progress = Effect.fnUntraced(function* (
  directory: PrivateDirectory,
  name: string,
  since: Position | undefined,
): Effect.fn.Return<{ readonly isSame: boolean; readonly position: Position }, StoreError> {
  const info = yield* directory.info(name)
  const file = Option.match(info, {
    onNone: () => "",
    onSome: ({ dev, ino }) => `${dev} ${Option.getOrElse(ino, () => 0n)}`,
  })
  const size = Option.match(info, { onNone: () => 0, onSome: (info) => Number(info.size) })
  const start = since?.end ?? 0
  const isSame =
    start === 0 ||
    (since?.file === file && size >= start && isEqual(yield* bytesBefore(directory, name, start), since.last))
  if (isSame && size === start) return { isSame, position: { end: start, file, last: since?.last ?? new Uint8Array() } }
  const end = (yield* lastLineOf(directory, name, isSame ? start : 0)).start
  return { isSame, position: { end, file, last: yield* bytesBefore(directory, name, end) } }
})

/**
 * Removes a last line that a crash cut short, because the next entry would be appended to it. Its `append` did not succeed,
 * so nothing relies on it. A line in which only the line feed is missing is complete.
 */
const mend = Effect.fnUntraced(function* (directory: PrivateDirectory, name: string, file: File) {
  const storeError = fromPlatformError(directory.pathOf(name))
  const { size, start } = yield* lastLineOf(directory, name)
  if (start === size) return
  const text =
    size - start > longestLine ? "" : yield* Stream.mkString(Stream.decodeText(directory.read(name, { offset: start })))
  const mended = Option.isSome(parse(text)) ? file.writeAll(Uint8Array.of(lineFeed)) : file.truncate(start)
  yield* Effect.mapError(Effect.andThen(mended, file.sync), storeError)
})

/**
 * A file that is open for appending entries.
 *
 * @since 0.1.0
 * @category models
 */
export interface Appender<A> {
  /**
   * Appends an entry, which is on the disk when this returns, also where its caller is interrupted. Entries that come while
   * others are flushed are written together, and succeed or fail together. What is written of entries that can't be appended
   * is cut off again, and where that fails, so does each append after it until it succeeds. An entry whose line could not be
   * read back (`longestLine`) fails, and nothing is written. Returns the offset of the line in the file, in bytes.
   */
  readonly append: (entry: A) => Effect.Effect<number, StoreError>
}

/** A line that is to be appended, and where in the file it begins: that is known when it is written. */
interface NewLine {
  readonly bytes: Uint8Array
  offset: number
}

/** Gives lines that are written one after the other their offsets. */
const place = (lines: ReadonlyArray<NewLine>, start: number): void => {
  let offset = start
  for (const line of lines) {
    line.offset = offset
    offset += line.bytes.length
  }
}

const encoder = new TextEncoder()

/**
 * Opens a file to append entries, and removes a last line that a crash cut short. It creates a file that only its owner may
 * read (0600).
 *
 * **Gotchas**
 *
 * Only one program at a time may append to a file. `NodeDirectoryLock` locks a directory for one program.
 *
 * @since 0.1.0
 * @category writing
 */
export const open = Effect.fnUntraced(function* <A, I>(
  directory: PrivateDirectory,
  name: string,
  schema: Schema.Codec<A, I>,
): Effect.fn.Return<Appender<A>, StoreError, Scope.Scope> {
  const encode = Schema.encodeEffect(Schema.fromJsonString(schema))
  const storeError = fromPlatformError(directory.pathOf(name))
  const file = yield* directory.append(name)
  /** Where the complete lines end, if part of a line may follow them. */
  let tornAt: number | undefined

  const cutBack = Effect.suspend(() =>
    tornAt === undefined
      ? Effect.void
      : Effect.tap(Effect.mapError(file.truncate(tornAt), storeError), () =>
          Effect.sync(() => {
            tornAt = undefined
          }),
        ),
  )

  /** The size of the file. What is appended to a file that has lost its name is lost. */
  const checkedSize = Effect.gen(function* () {
    const opened = yield* Effect.mapError(file.stat, storeError)
    const named = yield* directory.info(name)
    // `Equal` would compute the hash of two big integers for each line.
    const inode = Option.getOrUndefined(opened.ino)
    if (Option.exists(named, ({ dev, ino }) => dev === opened.dev && Option.getOrUndefined(ino) === inode)) {
      return Number(opened.size)
    }
    const detail = "it was removed or replaced while it was in use; run the same command again"
    return yield* new StoreError({ path: directory.pathOf(name), problem: "Failed", detail })
  })

  /** Flushing costs more than writing, so lines that come while others are flushed share the next flush. */
  const write = GroupCommit.make((lines: ReadonlyArray<NewLine>) =>
    Effect.gen(function* () {
      yield* cutBack
      tornAt = yield* checkedSize
      place(lines, tornAt)
      yield* Effect.mapError(file.writeAll(Bytes.concat(lines.map(({ bytes }) => bytes))), storeError)
      yield* Effect.mapError(file.sync, storeError)
      tornAt = undefined
    }).pipe(Effect.tapError(() => Effect.ignore(cutBack))),
  )

  const tooLong = ({ length }: string) =>
    new StoreError({
      path: directory.pathOf(name),
      problem: "Failed",
      detail: `an entry has ${length} characters, and a line may have ${longestLine}, so it was not written; shorten what was asked for, such as the comment of a session`,
    })

  // The name of a file is on the disk only when its directory is.
  yield* directory.syncDirectoryOf(name)
  yield* mend(directory, name, file)
  return {
    append: (entry) =>
      Effect.flatMap(Effect.orDie(encode(entry)), (json) => {
        const text = TerminalText.escapeJson(json)
        if (text.length > longestLine) return Effect.fail(tooLong(text))
        const line: NewLine = { bytes: encoder.encode(`${text}\n`), offset: 0 }
        return Effect.map(write(line), () => line.offset)
      }),
  }
})
