import { assert, describe, it } from "@effect/vitest"
import * as JsonLines from "@live-response/core/JsonLines"
import * as PrivateDirectory from "@live-response/core/PrivateDirectory"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { utf8 } from "./support/bytes.ts"
import { type Disk, failOnce, makeDisk } from "./support/disk.ts"

const Entry = Schema.Struct({ n: Schema.Int, text: Schema.String })

const name = "entries.jsonl"
const path = `/there/${name}`

const openFile = Effect.flatMap(PrivateDirectory.open("/there"), (directory) => JsonLines.open(directory, name, Entry))

const reading = <E = never>(onDamaged?: (damaged: JsonLines.DamagedLine) => Effect.Effect<unknown, E>) =>
  Stream.unwrap(
    Effect.map(PrivateDirectory.open("/there"), (directory) =>
      JsonLines.read(
        directory,
        name,
        Entry,
        onDamaged === undefined ? undefined : (line) => Effect.asVoid(onDamaged(line)),
      ),
    ),
  )

const entry = (n: number, text = `entry ${n}`) => ({ n, text })

const append = (disk: Disk, ...entries: ReadonlyArray<typeof Entry.Type>) =>
  openFile.pipe(
    Effect.flatMap((file) => Effect.forEach(entries, file.append, { discard: true })),
    Effect.scoped,
    Effect.provide(disk.layer),
  )

const read = (disk: Disk) => Effect.provide(Stream.runCollect(reading()), disk.layer)

/** Reads all entries, and fails for a damaged line. */
const readWhole = (disk: Disk) =>
  Effect.provide(Stream.runCollect(reading(({ line }) => Effect.fail(`line ${line} is damaged`))), disk.layer)

const textOf = (disk: Disk) => new TextDecoder().decode(disk.files.get(path))

describe("JsonLines", () => {
  it.effect("returns the entries in order, also those of earlier programs", () =>
    Effect.gen(function* () {
      const disk = makeDisk()
      assert.deepStrictEqual(yield* read(disk), [])
      yield* append(disk, entry(0), entry(1))
      yield* append(disk)
      yield* append(disk, entry(2))
      assert.deepStrictEqual(yield* read(disk), [entry(0), entry(1), entry(2)])
      assert.strictEqual(textOf(disk).split("\n").length, 4)
    }),
  )

  it.effect("flushes an entry before append succeeds", () =>
    Effect.gen(function* () {
      const disk = makeDisk()
      const file = yield* openFile.pipe(Effect.provide(disk.layer))
      for (let n = 0; n < 3; n++) {
        yield* file.append(entry(n))
        assert.strictEqual(disk.flushed.get(path), disk.files.get(path)?.length)
      }
    }),
  )

  it.effect("writes an entry as one line, whatever it contains", () =>
    Effect.gen(function* () {
      const disk = makeDisk()
      const hostile = ["\n", "\r", "\r\n", "\u2028\u2029\u0085", `"}\n{"n":7,"text":"x"}`, "\0", "\ud800", "中文 ✓"]
      const entries = hostile.map((text, n) => entry(n, text))
      yield* append(disk, ...entries)
      assert.deepStrictEqual(yield* read(disk), entries)
    }),
  )

  it.effect("writes text that is safe to print on a terminal, whatever an entry contains", () =>
    Effect.gen(function* () {
      const disk = makeDisk()
      const entries = ["\u001b[2J", "\u009b2J\u0090q", "\u202Eexe.txt\u2066", "\u200f\ufeff\u00ad", "\u2028\u0085"].map(
        (text, n) => entry(n, text),
      )
      yield* append(disk, ...entries)
      assert.notMatch(textOf(disk).replaceAll("\n", ""), /[\p{Cc}\p{Cf}\u2028\u2029]/u)
      assert.deepStrictEqual(yield* read(disk), entries)
    }),
  )

  it.effect("returns the complete entries and later ones if a crash cut the file at any byte", () =>
    Effect.gen(function* () {
      const entries = [entry(0), entry(1, "é中𝄞\n"), entry(2, "")]
      const whole = makeDisk()
      yield* append(whole, ...entries)
      const bytes = whole.files.get(path) ?? utf8("")
      for (let cut = 0; cut <= bytes.length; cut++) {
        const disk = makeDisk()
        disk.files.set(path, bytes.slice(0, cut))
        // A line in which only the line feed is missing is complete.
        const ends = entries.map((_, n) =>
          textOf(whole)
            .split("\n")
            .slice(0, n + 1)
            .join("\n"),
        )
        const left = entries.filter((_, n) => utf8(ends[n] ?? "").length <= cut)
        assert.deepStrictEqual(yield* read(disk), left, `cut at ${cut}`)
        yield* append(disk, entry(9))
        assert.deepStrictEqual(yield* read(disk), [...left, entry(9)], `cut at ${cut}`)
      }
    }),
  )

  it.effect("skips lines that are not entries", () =>
    Effect.gen(function* () {
      const disk = makeDisk()
      const lines = ["", "{", "null", "[]", `{"n":"1","text":"x"}`, `{"n":1,"text":"x","new":true}`, "\ufeff", "  "]
      disk.files.set(path, utf8(lines.map((line) => `${line}\r\n`).join("")))
      yield* append(disk, entry(2))
      assert.deepStrictEqual(yield* read(disk), [entry(1, "x"), entry(2)])
    }),
  )

  it.effect("appends the entries of concurrent calls one at a time", () =>
    Effect.gen(function* () {
      const disk = makeDisk()
      const entries = Array.from({ length: 50 }, (_, n) => entry(n, "x".repeat(n)))
      const file = yield* openFile.pipe(Effect.provide(disk.layer))
      yield* Effect.forEach(entries, file.append, { concurrency: "unbounded", discard: true })
      assert.deepStrictEqual(
        (yield* read(disk)).toSorted((a, b) => a.n - b.n),
        entries,
      )
    }),
  )

  it.effect("returns where the line of each entry begins, in bytes, also of entries that are written together", () =>
    Effect.gen(function* () {
      const disk = makeDisk()
      yield* append(disk, entry(0, "läuft"))
      const offsets = yield* openFile.pipe(
        Effect.flatMap((file) =>
          Effect.forEach([1, 2, 3], (n) => file.append(entry(n, "ü".repeat(n))), { concurrency: "unbounded" }),
        ),
        Effect.scoped,
        Effect.provide(disk.layer),
      )
      const bytes = utf8(textOf(disk))
      const lineAt = (offset: number) => new TextDecoder().decode(bytes.subarray(offset)).split("\n", 1).join()
      assert.deepStrictEqual(
        offsets.map((offset) => JSON.parse(lineAt(offset))),
        [1, 2, 3].map((n) => entry(n, "ü".repeat(n))),
      )
    }),
  )

  it.effect("writes and flushes the entries together that come while another is flushed", () =>
    Effect.gen(function* () {
      const disk = makeDisk()
      const file = yield* openFile.pipe(Effect.provide(disk.layer))
      disk.operations.length = 0
      const entries = Array.from({ length: 20 }, (_, n) => entry(n))
      yield* Effect.forEach(
        entries,
        (one) =>
          Effect.tap(file.append(one), () =>
            // Each call succeeds only once its own line is on the disk.
            Effect.sync(() => {
              const flushed = new TextDecoder().decode(disk.files.get(path)?.subarray(0, disk.flushed.get(path)))
              assert.include(flushed, JSON.stringify(one))
            }),
          ),
        { concurrency: "unbounded", discard: true },
      )
      assert.deepStrictEqual(yield* read(disk), entries)
      // The first alone, and then all others.
      assert.strictEqual(disk.operations.filter(({ method }) => method === "sync").length, 2)
    }),
  )

  it.effect("appends none of the entries that are written together if one flush fails, and each call fails", () =>
    Effect.gen(function* () {
      const disk = makeDisk()
      const file = yield* openFile.pipe(Effect.provide(disk.layer))
      yield* file.append(entry(0))
      let flushes = 0
      disk.fault = ({ method }) => (method === "sync" && ++flushes === 2 ? "EIO" : "none")
      const exits = yield* Effect.forEach([1, 2, 3], (n) => Effect.exit(file.append(entry(n))), {
        concurrency: "unbounded",
      })
      assert.deepStrictEqual(exits.map(Exit.isSuccess), [true, false, false])
      assert.deepStrictEqual(yield* read(disk), [entry(0), entry(1)])
      yield* file.append(entry(4))
      assert.deepStrictEqual(yield* read(disk), [entry(0), entry(1), entry(4)])
    }),
  )

  it.effect("writes the complete line if the call is interrupted", () =>
    Effect.gen(function* () {
      const disk = makeDisk()
      const file = yield* openFile.pipe(Effect.provide(disk.layer))
      const appending = yield* Effect.forkChild(file.append(entry(0)), { startImmediately: true })
      yield* Fiber.interrupt(appending)
      yield* file.append(entry(1))
      assert.deepStrictEqual(yield* read(disk), [entry(0), entry(1)])
      assert.strictEqual(disk.flushed.get(path), disk.files.get(path)?.length)
    }),
  )

  it.effect("reports a full disk and the file", () =>
    Effect.gen(function* () {
      const disk = makeDisk()
      yield* append(disk, entry(0))
      disk.freeBytes = 5
      const error = yield* Effect.flip(append(disk, entry(1)))
      assert.deepInclude(error, { path, problem: "DiskFull" })
      disk.freeBytes = Infinity
      yield* append(disk, entry(2))
      assert.deepStrictEqual(yield* read(disk), [entry(0), entry(2)])
    }),
  )

  it.effect("appends an entry after one that failed", () =>
    Effect.gen(function* () {
      const disk = makeDisk()
      const file = yield* openFile.pipe(Effect.provide(disk.layer))
      disk.freeBytes = 4
      yield* Effect.ignore(file.append(entry(1)))
      disk.freeBytes = Infinity
      yield* file.append(entry(2))
      assert.deepStrictEqual(yield* read(disk), [entry(2)])
    }),
  )

  it.effect("appends an entry while a concurrent one fails on a full disk", () =>
    Effect.gen(function* () {
      const disk = makeDisk()
      const file = yield* openFile.pipe(Effect.provide(disk.layer))
      disk.fault = failOnce("write", "short")
      const exits = yield* Effect.all([Effect.exit(file.append(entry(1))), Effect.exit(file.append(entry(2)))], {
        concurrency: 2,
      })
      assert.deepStrictEqual(exits.map(Exit.isSuccess), [false, true])
      assert.deepStrictEqual(yield* readWhole(disk), [entry(2)])
    }),
  )

  it.effect("removes a partly written entry, retries if that fails, and appends nothing after it", () =>
    Effect.gen(function* () {
      const disk = makeDisk()
      const file = yield* openFile.pipe(Effect.provide(disk.layer))
      yield* file.append(entry(0))
      const whole = disk.files.get(path)
      disk.fault = ({ method }) => (method === "write" ? "short" : method === "truncate" ? "EIO" : "none")
      yield* Effect.flip(file.append(entry(1)))
      assert.isAbove(disk.files.get(path)?.length ?? 0, whole?.length ?? 0)
      disk.fault = ({ method }) => (method === "truncate" ? "EIO" : "none")
      assert.include((yield* Effect.flip(file.append(entry(2)))).message, path)
      disk.fault = () => "none"
      yield* file.append(entry(3))
      assert.deepStrictEqual(yield* readWhole(disk), [entry(0), entry(3)])
    }),
  )

  it.effect("removes a line that could not be flushed", () =>
    Effect.gen(function* () {
      const disk = makeDisk()
      const file = yield* openFile.pipe(Effect.provide(disk.layer))
      disk.fault = failOnce("sync", "EIO")
      yield* Effect.flip(file.append(entry(1)))
      yield* file.append(entry(2))
      assert.deepStrictEqual(yield* readWhole(disk), [entry(2)])
    }),
  )

  it.effect("removes a line that a crash cut short when the file is opened", () =>
    Effect.gen(function* () {
      const disk = makeDisk()
      yield* append(disk, entry(0))
      const whole = textOf(disk)
      for (const torn of [`{"n":1,`, `{"n":1,"text":"`, "\0\0\0\0"]) {
        disk.files.set(path, utf8(whole + torn))
        yield* append(disk)
        assert.strictEqual(textOf(disk), whole)
        assert.strictEqual(disk.flushed.get(path), whole.length)
      }
    }),
  )

  it.effect("reports the lines that are not entries, except blank ones", () =>
    Effect.gen(function* () {
      const disk = makeDisk()
      disk.files.set(path, utf8(`{"n":1,"text":"x"}\n\n \nhalf\n{"n":2}\n{"n":3,"text":"y"}\n`))
      const damaged: Array<unknown> = []
      const read = reading((line) => Effect.sync(() => damaged.push(line)))
      assert.strictEqual((yield* Effect.provide(Stream.runCollect(read), disk.layer)).length, 2)
      assert.deepStrictEqual(damaged, [
        { line: 4, value: Option.none() },
        { line: 5, value: Option.some({ n: 2 }) },
      ])
    }),
  )

  it.effect.each(["open", "syncDirectory", "read"])("does not treat an error as an empty file: %s", (method) =>
    Effect.gen(function* () {
      const disk = makeDisk()
      yield* append(disk, entry(0))
      disk.fault = failOnce(method, "EMFILE")
      const attempt = method === "read" ? read(disk) : append(disk)
      assert.strictEqual((yield* Effect.flip(attempt)).problem, "TooManyOpenFiles")
    }),
  )

  it.effect("writes no line that it could not read back", () =>
    Effect.gen(function* () {
      const disk = makeDisk()
      // Each of them is escaped as six characters.
      const text = "\u200b".repeat(JsonLines.longestLine / 6)
      const error = yield* Effect.flip(append(disk, entry(0), entry(1, text)))
      assert.match(error.message, /entries\.jsonl: an entry has 8\d{6} characters, and a line may have 8388608, so/)
      yield* append(disk, entry(2))
      assert.deepStrictEqual(yield* readWhole(disk), [entry(0), entry(2)])
    }),
  )

  it.effect("a line of megabytes is damaged, and is not kept in memory, and the next one is read", () =>
    Effect.gen(function* () {
      const disk = makeDisk()
      const long = JSON.stringify(entry(1, "x".repeat(JsonLines.longestLine)))
      disk.files.set(path, utf8(`${long}\n${JSON.stringify(entry(2))}\n`))
      assert.deepStrictEqual(yield* read(disk), [entry(2)])
    }),
  )

  it.effect("removes a last line of megabytes without a line feed", () =>
    Effect.gen(function* () {
      const disk = makeDisk()
      const whole = `${JSON.stringify(entry(1))}\n`
      disk.files.set(path, utf8(`${whole}${JSON.stringify(entry(2, "x".repeat(JsonLines.longestLine)))}`))
      yield* append(disk, entry(3))
      assert.strictEqual(textOf(disk), `${whole}${JSON.stringify(entry(3))}\n`)
    }),
  )

  it.effect("says which part of a file is new, and when it is another one", () =>
    Effect.gen(function* () {
      const disk = makeDisk()
      const bytesOf = (text: string) => new TextEncoder().encode(text)
      const look = (since: JsonLines.Position | undefined) =>
        PrivateDirectory.open("/there").pipe(
          Effect.flatMap((directory) =>
            Effect.gen(function* () {
              const { isSame, position } = yield* JsonLines.progress(directory, name, since)
              const part = { from: isSame ? (since?.end ?? 0) : 0, to: position.end }
              const found = yield* Stream.runCollect(
                JsonLines.readLocated(directory, name, Entry, { ...part, onDamaged: () => Effect.void }),
              )
              return {
                isSame,
                position,
                found: found.map(({ entry }) => entry.n),
                offsets: found.map(({ offset }) => offset),
              }
            }),
          ),
          Effect.provide(disk.layer),
        )
      const nothing = yield* look(undefined)
      assert.deepStrictEqual([nothing.isSame, nothing.position.end], [true, 0])
      yield* append(disk, entry(0), entry(1))
      const first = yield* look(nothing.position)
      assert.deepStrictEqual([first.isSame, first.found], [true, [0, 1]])
      const line = `${JSON.stringify(entry(2))}\n`
      const before = textOf(disk)
      disk.files.set(path, bytesOf(before + line.slice(0, -1)))
      const open = yield* look(first.position)
      assert.deepStrictEqual([open.isSame, open.found, open.position.end], [true, [], before.length])
      disk.files.set(path, bytesOf(before + line))
      const second = yield* look(open.position)
      assert.deepStrictEqual([second.isSame, second.found, second.offsets], [true, [2], [before.length]])
      // Cut, and as long as it was but with other lines.
      disk.files.set(path, bytesOf(before))
      assert.deepStrictEqual((yield* look(second.position)).isSame, false)
      disk.files.set(path, bytesOf((before + line).replaceAll("entry 2", "other 2")))
      const other = yield* look(second.position)
      assert.deepStrictEqual([other.isSame, other.found], [false, [0, 1, 2]])
      disk.files.set(path, bytesOf(""))
      assert.deepStrictEqual((yield* look(second.position)).isSame, false)
    }),
  )
})
