/**
 * The readers of a manifest that decode as few lines as they can agree with `Manifest.entries`, which decodes all of them:
 * for lines of this release and of others, damaged ones, and text of any kind.
 */
import { assert, describe, it, vi } from "@effect/vitest"
import { DefenderError, NotFound } from "@live-response/core/DefenderError"
import * as FileName from "@live-response/core/FileName"
import * as JsonLines from "@live-response/core/JsonLines"
import * as MachineAction from "@live-response/core/MachineAction"
import * as Manifest from "@live-response/core/Manifest"
import type * as ManifestEntry from "@live-response/core/ManifestEntry"
import * as PrivateDirectory from "@live-response/core/PrivateDirectory"
import { Completed, Failed } from "@live-response/core/ResultEvent"
import { keyOf, type ResultRef } from "@live-response/core/ResultRef"
import * as StoredAction from "@live-response/core/StoredAction"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { utf8 } from "./support/bytes.ts"
import { type Disk, makeDisk } from "./support/disk.ts"
import { refAt } from "./support/refs.ts"
import { seededRandom } from "./support/seededRandom.ts"

const directory = "/there"
const path = `${directory}/manifest.jsonl`

/** What makes lines of every kind, the same for the same seed. */
const makeLines = (seed: number) => {
  const random = seededRandom(seed)
  const below = (count: number) => Math.floor(random() * count)
  const pick = <A>(values: ReadonlyArray<A>, otherwise: A): A => values[below(values.length)] ?? otherwise
  const maybe = (fields: object) => (random() < 0.5 ? fields : {})
  const texts = [
    "ws-1",
    "",
    "a\\b",
    'q"q',
    "中文",
    "\u202e\u0000\u001b",
    "𝄞",
    "x".repeat(300),
    "\u2028",
    "\\u0041",
    "{}[],:",
  ]
  const text = () => pick(texts, "")
  const instants = [
    "2026-11-01T00:00:00.000Z",
    "2099-12-31T23:59:59.999Z",
    ...["02-30", "04-31", "01-32", "13-01", "00-10", "10-00"].map((day) => `2026-${day}T00:00:00.000Z`),
    ...["24:00:00", "23:60:00", "23:59:60"].map((time) => `2026-03-03T${time}.000Z`),
    "x",
  ]
  const common = (n: number) => ({
    machineActionId: refAt(n * 10).machineActionId,
    index: below(3),
    ...maybe({ machineId: text() }),
    ...maybe({ machineName: text() }),
    ...maybe({ script: text() }),
    ...maybe({ sourcePath: text() }),
    links: below(5),
    attempts: pick([0, 1, 12, 1e15, -1, 1.5], 0),
    ...maybe({ at: pick(instants, "x") }),
  })
  const completed = () => {
    const start = common(below(4))
    const ending = pick(["json", "gz", "bin", "json", "part"], "bin")
    return {
      status: "completed",
      ...maybe({ version: 1 }),
      ...start,
      path: `${random() < 0.9 ? start.machineActionId : refAt(10).machineActionId}/${random() < 0.9 ? start.index : 0}.${ending}`,
      bytes: below(1e6),
      sha256: text(),
      ...maybe({ etag: text() }),
      ...maybe({ fileName: text() }),
      ...maybe({ unchecked: true }),
    }
  }
  const failed = () => ({
    status: "failed",
    version: pick([1, 1, 1, 1, 1, 1, 1, 1, 1, 2], 1),
    ...common(below(4)),
    message: text(),
    error: pick<unknown>([{ _tag: "X", n: -1.5, list: [1, [], {}, null, true] }, null, "x", 1e300, [[[[]]]]], null),
  })
  const change = (line: string): string => {
    const [from, to] = [below(line.length), below(line.length)]
    switch (below(13)) {
      case 12:
        return line.slice(0, from) + String.fromCharCode(below(32)) + line.slice(from)
      case 0:
        return line.slice(0, from) + String.fromCharCode(below(300)) + line.slice(from + 1)
      case 1:
        return line.slice(0, Math.min(from, to)) + line.slice(Math.max(from, to))
      case 2:
        return line.replace("{", `{${pick(['"index":1,', '"later":{"a":[1]},', '"status":"failed",', " "], "")}`)
      case 3:
        return line.replace(/"version":1,/, "")
      case 4:
        return `${line.slice(0, -1)},${pick(['"version":1', '"bytes":7', '"status":"failed"', '"x":1'], "")}}`
      case 5:
        return `\ufeff${line}`
      case 6:
        return line.toUpperCase()
      case 7:
        return line.slice(0, from) + pick(["\r", "\n", "\r\n", "\u0085", "\\"], "") + line.slice(from)
      case 8:
        return pick(["", " ", "null", "[]", "{}", "\u0000\u0000"], "")
      case 9:
        return JSON.stringify(Object.fromEntries(Object.entries({ line }).toReversed()))
      case 10:
        return line.replace(/:(\d)/, ":0$1")
      default:
        return `${line} `
    }
  }
  const line = () => {
    const whole = JSON.stringify(random() < 0.7 ? completed() : failed())
    return random() < 0.6 ? whole : change(whole)
  }
  const lines = Array.from({ length: 1 + below(12) }, () => line() + pick(["\n", "\n", "\n", "\r\n", "\r"], "\n")).join(
    "",
  )
  // A first block of the file is short, so that a line is cut by its end.
  const filler = random() < 0.5 ? "" : `${" ".repeat(16 * 1024 - below(400))}\n`
  return filler + (random() < 0.5 ? lines : lines.slice(0, below(lines.length)))
}

const withDisk = <A, E>(disk: Disk, use: (files: PrivateDirectory.PrivateDirectory) => Effect.Effect<A, E>) =>
  Effect.provide(Effect.flatMap(PrivateDirectory.open(directory), use), disk.layer)

const manifestOn = (disk: Disk) => Manifest.layerFileSystem({ directory }).pipe(Layer.provide(disk.layer))

type Read<A> = (files: PrivateDirectory.PrivateDirectory, onDamaged: Manifest.OnDamaged) => Effect.Effect<A, Error>

/** What a reader returns or fails with, and the damaged lines that it reports before. */
const outcomeOf = <A>(disk: Disk, read: Read<A>) =>
  Effect.gen(function* () {
    const damaged: Array<JsonLines.DamagedLine> = []
    const exit = yield* Effect.exit(
      withDisk(disk, (files) => read(files, (line) => Effect.sync(() => void damaged.push(line)))),
    )
    return Exit.isSuccess(exit) ? { value: exit.value, damaged } : { failure: String(exit.cause) }
  })

const entriesOf: Read<ReadonlyArray<ManifestEntry.ManifestEntry>> = (files, onDamaged) =>
  Stream.runCollect(Manifest.entries(files, onDamaged))

const finished: Read<ReadonlyArray<ManifestEntry.ManifestEntry>> = (files, onDamaged) =>
  Effect.flatMap(Manifest.streamFinished(files, onDamaged), Stream.runCollect)

/** The last entry of each result, from all entries. */
const finishedOf = (entries: ReadonlyArray<ManifestEntry.ManifestEntry>) => {
  const last = new Map<string, ManifestEntry.ManifestEntry>()
  for (const entry of entries) {
    last.delete(keyOf(entry))
    last.set(keyOf(entry), entry)
  }
  return Array.from(last.values())
}

/** The stored results, from all entries. */
const completedOf = (entries: ReadonlyArray<ManifestEntry.ManifestEntry>) =>
  finishedOf(entries).filter((entry) => entry.status === "completed")

/** Whether a damaged line may be the record of a result: it does not begin as that of another one. */
const isNotOfOthers = (disk: Disk, ref: ResultRef) => {
  const lines = new TextDecoder("utf-8", { ignoreBOM: true }).decode(disk.files.get(path)).split(/\r\n|\r|\n/)
  const head =
    /^\{"status":"(?:completed|failed)","version":1,"machineActionId":"([-0-9a-f]{36})","index":(0|[1-9]\d*),/
  return ({ line }: JsonLines.DamagedLine) => {
    const [, id, index] = head.exec(lines[line - 1] ?? "") ?? []
    return id === undefined || `${id}:${index}` === keyOf(ref)
  }
}

const refs = [0, 1, 2, 3].flatMap((n) => [0, 1, 2].map((index) => refAt(n * 10 + index)))

const Seed = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 2 ** 31 }))

/** How many lines are decoded meanwhile. */
const decodedLines = <A, E>(effect: Effect.Effect<A, E>) =>
  Effect.gen(function* () {
    const spy = vi.spyOn(TextDecoder.prototype, "decode")
    yield* effect
    const { length } = spy.mock.calls
    spy.mockRestore()
    return length
  })

describe("Manifest", () => {
  it.effect.prop(
    "finds the same results, damaged lines and newer versions, however few lines it decodes",
    [Seed],
    ([seed]) =>
      Effect.gen(function* () {
        const disk = makeDisk()
        disk.files.set(path, utf8(makeLines(seed)))
        const all = yield* outcomeOf(disk, entriesOf)
        const expected = <A>(value: (entries: ReadonlyArray<ManifestEntry.ManifestEntry>) => A) =>
          all.value === undefined ? { failure: all.failure } : { value: value(all.value), damaged: all.damaged }
        assert.deepStrictEqual(yield* outcomeOf(disk, Manifest.completed), expected(completedOf))
        assert.deepStrictEqual(yield* outcomeOf(disk, finished), expected(finishedOf))
        for (const ref of refs.filter((_, n) => n % 4 === seed % 4)) {
          const one = expected((entries) =>
            Option.fromNullishOr(entries.findLast((entry) => keyOf(entry) === keyOf(ref))),
          )
          assert.deepStrictEqual(
            yield* outcomeOf(disk, (files, onDamaged) => Manifest.last(files, ref, onDamaged)),
            one.damaged === undefined ? one : { ...one, damaged: one.damaged.filter(isNotOfOthers(disk, ref)) },
          )
        }
      }),
    { arbitrary: { runs: 100 } },
  )

  it.effect.prop("finds the same outcomes where it is open for writing", [Seed], ([seed]) =>
    Effect.gen(function* () {
      const disk = makeDisk()
      disk.files.set(path, utf8(makeLines(seed)))
      const found = yield* Effect.gen(function* () {
        const manifest = yield* Manifest.Manifest
        return {
          outcomes: yield* Effect.forEach(refs, (ref) => manifest.find(ref)),
          failed: (yield* manifest.failed).map(String),
        }
      }).pipe(Effect.provide(manifestOn(disk)), Effect.exit)
      const all = yield* outcomeOf(disk, entriesOf)
      if (all.value === undefined) return assert.isTrue(Exit.isFailure(found))
      const last = new Map(all.value.map((entry) => [keyOf(entry), entry]))
      assert.deepStrictEqual(
        found,
        Exit.succeed({
          outcomes: refs.map((ref): Option.Option<Manifest.Outcome> => {
            const entry = last.get(keyOf(ref))
            if (entry === undefined) return Option.none()
            if (entry.status === "failed") return Option.some({ status: "failed" })
            const { bytes, path, sha256, status } = entry
            return Option.some({ status, kind: FileName.kindOf(entry, path) ?? "bin", bytes, sha256 })
          }),
          failed: Array.from(last).flatMap(([key, { status }]) => (status === "failed" ? [key] : [])),
        }),
      )
    }),
  )

  it.effect(
    "reports a line with a control character in a text as damaged, and reads one with any other character",
    () =>
      Effect.gen(function* () {
        for (let code = 0; code < 0x100; code++) {
          const { index, machineActionId } = refAt(0)
          const ref = `"machineActionId":"${machineActionId}","index":${index},"script":"a${String.fromCharCode(code)}"`
          const disk = makeDisk()
          disk.files.set(
            path,
            utf8(`{"status":"failed","version":1,${ref},"links":1,"attempts":1,"message":"","error":0}\n`),
          )
          const { damaged } = yield* outcomeOf(disk, entriesOf)
          const other = yield* outcomeOf(disk, Manifest.completed)
          assert.deepStrictEqual(other, { value: [], damaged: damaged ?? [] }, `character ${code}`)
        }
      }),
  )

  it.effect("decodes no line that this release wrote to find the last one of a result", () =>
    Effect.gen(function* () {
      const disk = makeDisk()
      const at = DateTime.makeUnsafe("2026-11-28T00:00:00Z")
      const error = new DefenderError({ operation: "link", reason: new NotFound({ status: 404, detail: 'no "x"' }) })
      yield* Effect.gen(function* () {
        const manifest = yield* Manifest.Manifest
        const origin = { machineId: "7b1f", machineName: "ws-1.中文", script: "a\u202e.ps1", sourcePath: "C:\\x" }
        for (let n = 0; n < 30; n++) {
          const common = { at, ...refAt(n), ...origin, links: 1, attempts: 2 }
          const path = `${refAt(n).machineActionId}/${n % 10}.json`
          const stored = { path, bytes: 5, sha256: "ab", etag: '"0x1"', fileName: "x", unchecked: true as const }
          yield* manifest.append(Completed.make({ ...common, ...stored }))
          yield* manifest.append(Failed.make({ ...common, message: error.message, error }))
        }
      }).pipe(Effect.provide(manifestOn(disk)))
      const decoded = yield* decodedLines(
        Effect.gen(function* () {
          const last = yield* withDisk(disk, (files) => Manifest.last(files, refAt(31), () => Effect.void))
          assert.deepStrictEqual(last, Option.none())
        }),
      )
      assert.strictEqual(decoded, 0)
      const one = yield* decodedLines(withDisk(disk, (files) => Manifest.last(files, refAt(3), () => Effect.void)))
      assert.strictEqual(one, 2)
    }),
  )
})

describe("Manifest.last", () => {
  it.effect(
    "reads of another result's line no more than its beginning, and reports a line that may be of the result",
    () =>
      Effect.gen(function* () {
        const disk = makeDisk()
        const lineOf = ({ index, machineActionId }: ResultRef, rest: string) =>
          `{"status":"failed","version":1,"machineActionId":"${machineActionId}","index":${index}${rest}`
        const good = `,"links":1,"attempts":1,"message":"","error":0}`
        const lines = [
          lineOf(refAt(0), good),
          lineOf(refAt(1), ',"links":'),
          lineOf(refAt(0), ',"links":'),
          lineOf(refAt(1), ""),
          lineOf(refAt(1), good).replace("links", "l\rinks"),
          lineOf(refAt(1), good).replace("machineActionId", "machineActionid"),
        ]
        disk.files.set(path, utf8(`${lines.join("\n")}\n`))
        const found = yield* outcomeOf(disk, (files, onDamaged) => Manifest.last(files, refAt(0), onDamaged))
        assert.strictEqual(Option.getOrUndefined(found.value ?? Option.none())?.links, 1)
        // The fourth line names a result of index 10 to 19 as well as it does that of index 1, and the sixth is cut in two.
        assert.deepStrictEqual(
          found.damaged?.map(({ line }) => line),
          [3, 4, 6, 7],
        )
      }),
  )
})

describe("A manifest of many results", () => {
  it.effect("has each of them once, also where an action has many", () =>
    Effect.gen(function* () {
      const disk = makeDisk()
      const all = Array.from({ length: 3000 }, (_, n) => refAt(n))
      const lineOf = ({ index, machineActionId }: ResultRef) => {
        const ref = `"machineActionId":"${machineActionId}","index":${index}`
        return `{"status":"completed","version":1,${ref},"links":1,"attempts":1,"path":"${machineActionId}/${index}.bin","bytes":${index},"sha256":"ab"}\n`
      }
      disk.files.set(path, utf8([...all, ...all.slice(0, 500)].map(lineOf).join("")))
      const completed = yield* withDisk(disk, (files) => Manifest.completed(files, () => Effect.void))
      assert.deepStrictEqual(completed.map(keyOf), [...all.slice(500), ...all.slice(0, 500)].map(String))
      yield* Effect.gen(function* () {
        const manifest = yield* Manifest.Manifest
        for (const ref of all) {
          const found = yield* manifest.find(ref)
          const expected = {
            status: "completed" as const,
            kind: "bin" as const,
            bytes: Number(ref.index),
            sha256: "ab",
          }
          assert.deepStrictEqual(found, Option.some(expected))
        }
        assert.deepStrictEqual(yield* manifest.find(refAt(3000)), Option.none())
      }).pipe(Effect.provide(manifestOn(disk)))
    }),
  )
})

describe("StoredAction", () => {
  const ids = Array.from({ length: 30 }, (_, n) => refAt(n * 10).machineActionId)
  const actionOf = (id: MachineAction.MachineActionId, status: string) =>
    MachineAction.MachineAction.make({
      id,
      type: "LiveResponse",
      status,
      machineId: "7b1f",
      computerDnsName: "ws-1.中文",
      requestor: 'a"b',
      requestorComment: "\u202e",
      created: DateTime.makeUnsafe("2026-11-28T00:00:00Z"),
      updated: DateTime.makeUnsafe("2026-11-28T00:00:00Z"),
      errorHResult: -5,
      commands: [0, 1].map((index) =>
        MachineAction.Command.make({
          index,
          type: "RunScript",
          status: "Completed",
          params: { ScriptName: "a.ps1", 'A"': "\\" },
          startTime: DateTime.makeUnsafe("2026-11-28T00:00:00Z"),
          errors: ["x", ""],
        }),
      ),
    })
  const actionsPath = `${directory}/actions.jsonl`
  const textOf = (disk: Disk) => new TextDecoder().decode(disk.files.get(actionsPath))

  const filled = Effect.gen(function* () {
    const disk = makeDisk()
    yield* withDisk(disk, (files) =>
      Effect.scoped(
        Effect.flatMap(StoredAction.open(files), ({ append }) =>
          Effect.forEach(ids, (id) => append(actionOf(id, "Succeeded")), { discard: true }),
        ),
      ),
    )
    return disk
  })

  it.effect("decodes no line that this release wrote until it is asked for", () =>
    Effect.gen(function* () {
      const disk = yield* filled
      const indexed = withDisk(disk, (files) =>
        Effect.map(StoredAction.stored(files), ({ has }) => ids.filter(has).length),
      )
      assert.strictEqual(yield* decodedLines(Effect.map(indexed, (count) => assert.strictEqual(count, 30))), 0)
      const [first = "", ...others] = textOf(disk).split("\n")
      // An index reads only the beginning and the end of a line, so what is between them may be of any form.
      const strange = first.replace('"status":"Succeeded"', '"status":"Succeeded","later":1')
      disk.files.set(actionsPath, utf8([strange, ...others].join("\n")))
      assert.strictEqual(yield* decodedLines(withDisk(disk, (files) => Effect.scoped(StoredAction.index(files)))), 0)
    }),
  )

  it.effect("has the actions that reading the file gives, and the last line of each", () =>
    Effect.gen(function* () {
      const disk = yield* filled
      const [first = "", second = ""] = textOf(disk).split("\n")
      const older = first.replace(',"version":1', "").replace("Succeeded", "Failed")
      const broken = second.replace('"LiveResponse"', "LiveResponse")
      disk.files.set(actionsPath, utf8(`\ufeff${textOf(disk)}${older}\r\n${broken}\n\n${first.slice(0, 50)}`))
      yield* withDisk(disk, (files) =>
        Effect.gen(function* () {
          const all = new Map((yield* Stream.runCollect(StoredAction.read(files))).map((action) => [action.id, action]))
          const { find } = yield* StoredAction.index(files)
          const { has } = yield* StoredAction.stored(files)
          assert.strictEqual(all.size, 30)
          for (const [id, action] of all) {
            assert.isTrue(has(id))
            assert.deepStrictEqual(yield* find(id), Option.some(action))
          }
          assert.strictEqual(all.get(ids[0] ?? refAt(0).machineActionId)?.status, "Failed")
          assert.isFalse(has(refAt(5000).machineActionId))
          assert.deepStrictEqual(yield* find(refAt(5000).machineActionId), Option.none())
        }).pipe(Effect.scoped),
      )
    }),
  )

  it.effect("refuses a line of a newer version by its number", () =>
    Effect.gen(function* () {
      const disk = yield* filled
      disk.files.set(actionsPath, utf8(textOf(disk).replace('"version":1', '"version":2')))
      const error = yield* Effect.flip(withDisk(disk, (files) => Effect.scoped(StoredAction.index(files))))
      assert.include(error.message, "line 1 was written by a newer version")
      assert.deepStrictEqual(yield* Effect.flip(withDisk(disk, StoredAction.stored)), error)
    }),
  )

  it.effect("does not have an action whose line is damaged, so that a download writes it again, and finds none", () =>
    Effect.gen(function* () {
      const disk = yield* filled
      const damaged = textOf(disk).replace('"status":"Succeeded"', '"status":Succeeded"')
      disk.files.set(actionsPath, utf8(`${damaged}damaged as a whole\n`))
      const reported: Array<number> = []
      yield* withDisk(disk, (files) =>
        Effect.gen(function* () {
          const { has } = yield* StoredAction.stored(files)
          assert.deepStrictEqual(
            ids.filter((id) => !has(id)),
            ids.slice(0, 1),
          )
          const { find } = yield* StoredAction.index(files, ({ line }) => Effect.sync(() => void reported.push(line)))
          // In a line that is damaged in its middle, this shows when its action is asked for.
          assert.deepStrictEqual(reported, [31])
          const found = yield* Effect.forEach(ids, find)
          assert.deepStrictEqual(
            found.map(Option.isSome),
            ids.map((_, n) => n > 0),
          )
          assert.deepStrictEqual(reported, [31, 1])
        }).pipe(Effect.scoped),
      )
    }),
  )
})

describe("JsonLines.read", () => {
  const Any = Schema.Struct({ status: Schema.String })

  /** The entries of a file, and the numbers of its damaged lines. */
  const readAll = Effect.fnUntraced(function* (text: string) {
    const disk = makeDisk()
    disk.files.set(path, utf8(text))
    const damaged: Array<number> = []
    const entries = yield* withDisk(disk, (files) =>
      Stream.runCollect(
        JsonLines.read(files, "manifest.jsonl", Any, ({ line }) => Effect.sync(() => void damaged.push(line))),
      ),
    )
    return { entries, damaged }
  })

  it.effect("counts a line end of two characters as one, also where the end of a block is between them", () =>
    Effect.gen(function* () {
      for (const more of [0, 1, 2]) {
        const filler = " ".repeat(16 * 1024 - 2 + more)
        assert.deepStrictEqual((yield* readAll(`${filler}\r\nhalf\n`)).damaged, [2])
        assert.deepStrictEqual((yield* readAll(`${filler}\r\r\nhalf\n`)).damaged, [3])
        assert.deepStrictEqual((yield* readAll(`${filler}\rhalf\n`)).damaged, [2])
      }
    }),
  )

  it.effect("does not report a last line without a line feed, also where it ends in a carriage return", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* readAll("half\nhalf\r"), { entries: [], damaged: [1] })
      assert.deepStrictEqual(yield* readAll('{"status":"x"}\r'), { entries: [{ status: "x" }], damaged: [] })
    }),
  )

  it.effect.prop("cuts a file into lines as Stream.splitLines does", [Seed], ([seed]) =>
    Effect.gen(function* () {
      const text = makeLines(seed)
      const lines = yield* Stream.succeed(utf8(text)).pipe(Stream.decodeText(), Stream.splitLines, Stream.runCollect)
      const parse = Schema.decodeUnknownOption(Schema.fromJsonString(Any))
      const isWhole = text.endsWith("\n")
      assert.deepStrictEqual(yield* readAll(text), {
        entries: lines.flatMap((line) => Option.toArray(parse(line))),
        damaged: lines.flatMap((line, n) => {
          const isTorn = n === lines.length - 1 && !isWhole
          return Option.isSome(parse(line)) || isTorn || line.trim() === "" ? [] : [n + 1]
        }),
      })
    }),
  )
})
