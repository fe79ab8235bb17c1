import { assert, describe, it } from "@effect/vitest"
import * as MachineAction from "@live-response/core/MachineAction"
import * as PrivateDirectory from "@live-response/core/PrivateDirectory"
import * as StoredAction from "@live-response/core/StoredAction"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { utf8 } from "./support/bytes.ts"
import { type Disk, makeDisk } from "./support/disk.ts"

const path = "/results/actions.jsonl"

/** A line that version 0.1.0 wrote, before lines had a version. */
const firstFormat = `{"id":"988cc94e-7a8f-4b28-ab65-54970c5d5018","type":"LiveResponse","status":"Succeeded","machineId":"1b4c5b6e0f3c1d2e3f4a5b6c7d8e9f0a1b2c3d4e","computerDnsName":"ws-3","requestor":"o'brien@contoso.com","requestorComment":"case 4711","created":"2026-11-01T00:00:00.123Z","updated":"2026-11-01T00:01:00.000Z","commands":[{"index":0,"type":"RunScript","status":"Completed","params":{"ScriptName":"collect.ps1"},"startTime":"2026-11-01T00:00:30.000Z","errors":[]}]}`

const action = Schema.decodeSync(Schema.fromJsonString(MachineAction.MachineAction))(firstFormat)

const directory = PrivateDirectory.open("/results")

const read = (disk: Disk) =>
  Stream.unwrap(Effect.map(directory, StoredAction.read)).pipe(Stream.runCollect, Effect.provide(disk.layer))

const append = (disk: Disk, ...actions: ReadonlyArray<MachineAction.MachineAction>) =>
  Effect.flatMap(directory, StoredAction.open).pipe(
    Effect.flatMap((file) => Effect.forEach(actions, file.append, { discard: true })),
    Effect.scoped,
    Effect.provide(disk.layer),
  )

const textOf = (disk: Disk) => new TextDecoder().decode(disk.files.get(path))

const diskWith = (...lines: ReadonlyArray<string>): Disk => {
  const disk = makeDisk()
  disk.files.set(path, utf8(`${lines.join("\n")}\n`))
  return disk
}

describe("The format of actions.jsonl", () => {
  it.effect("has the fields of a machine action and a version in each line", () =>
    Effect.gen(function* () {
      const disk = makeDisk()
      assert.deepStrictEqual(yield* read(disk), [])
      yield* append(disk, action)
      assert.deepStrictEqual(JSON.parse(textOf(disk)), { ...JSON.parse(firstFormat), version: 1 })
      assert.deepStrictEqual(yield* read(disk), [StoredAction.StoredAction.make({ ...action })])
    }),
  )

  it.effect("reads lines without a version, and appends to them", () =>
    Effect.gen(function* () {
      const disk = diskWith(firstFormat)
      const [first] = yield* read(disk)
      assert.deepStrictEqual(first, StoredAction.StoredAction.make({ ...action }))
      assert.isTrue(first?.isFinal)
      yield* append(disk, action)
      assert.strictEqual((yield* read(disk)).length, 2)
      assert.isTrue(textOf(disk).startsWith(`${firstFormat}\n`))
    }),
  )

  it.effect("reads briefly what it reads, whatever the form of a line, and in the same order", () =>
    Effect.gen(function* () {
      const disk = makeDisk()
      yield* append(disk, action)
      const written = textOf(disk).trimEnd()
      const { commands: _, ...others } = JSON.parse(firstFormat)
      const bare = { id: others.id, type: "", status: "Pending", commands: [] }
      const odd = { ...JSON.parse(firstFormat), requestorComment: "\u202e\u0000 中文 \ud800", later: [1] }
      const lines = [
        written,
        firstFormat,
        JSON.stringify({ version: 1, ...bare }),
        JSON.stringify(bare),
        "{",
        JSON.stringify(odd),
      ]
      const many = Array.from({ length: 600 }, (_, n) =>
        written.replace("case 4711", `case ${n}`).replace('"errors":[]', `"errors":["denied ${n}","é"]`),
      )
      const files = diskWith(...lines, ...many, written)
      const briefOf = ({
        commands,
        created,
        id,
        requestor,
        requestorComment,
        status,
        updated,
        ...of
      }: MachineAction.Brief) => ({
        id,
        status,
        requestor,
        requestorComment,
        created,
        updated,
        machineId: of.machineId,
        computerDnsName: of.computerDnsName,
        commands: commands.map(({ errors, index, params, type }) => ({ errors, index, params, type })),
      })
      const brief = yield* Stream.unwrap(Effect.map(directory, StoredAction.readBrief)).pipe(
        Stream.runCollect,
        Effect.provide(files.layer),
      )
      assert.lengthOf(brief, 606)
      assert.deepStrictEqual(brief.map(briefOf), (yield* read(files)).map(briefOf))
    }),
  )

  it.effect("writes lines that releases without versions read", () =>
    Effect.gen(function* () {
      const disk = makeDisk()
      yield* append(disk, action)
      const decode = Schema.decodeSync(Schema.fromJsonString(MachineAction.MachineAction))
      assert.deepStrictEqual(decode(textOf(disk)), action)
    }),
  )

  it.effect("ignores unknown fields, and skips damaged lines", () =>
    Effect.gen(function* () {
      const known = JSON.stringify({ ...JSON.parse(firstFormat), version: 1, more: { a: [1] } })
      const damaged = [0, -1, 1.5, "1", null].map((version) => JSON.stringify({ ...JSON.parse(firstFormat), version }))
      const disk = diskWith(known, "{", "null", "[]", "", ...damaged)
      assert.deepStrictEqual(
        (yield* read(disk)).map(({ id }) => id),
        [action.id],
      )
    }),
  )

  it.effect.each([
    { what: "a line that it could read", line: { ...JSON.parse(firstFormat), version: 2 } },
    { what: "a line that it could not read", line: { version: 7, machine: 1 } },
  ])("refuses $what of a newer version by name, and leaves the file as it is", ({ line }) =>
    Effect.gen(function* () {
      const disk = diskWith(firstFormat, JSON.stringify(line))
      const before = textOf(disk)
      assert.strictEqual(
        (yield* Effect.flip(read(disk))).message,
        `${path}: line 2 was written by a newer version of live-response (format ${line.version}, this one reads up to 1); run the newer version, or choose another directory`,
      )
      assert.strictEqual(textOf(disk), before)
      assert.deepStrictEqual(disk.paths(), [path])
    }),
  )
})
