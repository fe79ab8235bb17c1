/**
 * The data of a live page: it is what a report has, and an update costs what was appended.
 */
import { appendFileSync, rmSync, writeFileSync } from "node:fs"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as PrivateDirectory from "@live-response/core/PrivateDirectory"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { fromBase64, Model, readLive, type Snapshot } from "../report/model.ts"
import * as DirectoryReader from "../src/commands/report/directoryReader.ts"
import * as LiveCollector from "../src/commands/report/liveCollector.ts"
import * as Page from "../src/commands/report/page.ts"
import * as Cli from "./support/CliInProcess.ts"
import * as Directory from "./support/Directory.ts"
import * as Samples from "./support/Samples.ts"

const about = { program: "live-response", directory: "case", written: 1, base: "files/" }

/** What a page shows of a model, whatever the order of its rows and texts. */
const shown = (model: Model) => {
  const { actions, damaged, fields, machines, parts, unknownNames } = model.payload
  const rows = model.results.machine.map((machine, row) => ({
    machine: `${model.machineName(machine)} ${model.machineId(machine)}`,
    target: model.target(row),
    kind: model.kind(row),
    source: model.text(model.results.source[row]),
    exitCode: model.results.exitCode[row],
    firstLine: model.text(model.results.firstLine[row]),
    output: model.output(row),
    errors: model.text(model.results.errors[row]),
    path: model.path(row),
    bytes: model.results.bytes[row],
    at: model.results.at[row],
    problem: model.text(model.results.problem[row]),
    sha256: model.sha256(row),
  }))
  const sorted = (values: ReadonlyArray<unknown>) => values.map((value) => JSON.stringify(value)).toSorted()
  return {
    rows: sorted(rows),
    machines: sorted(
      machines.id.map((_, machine) => [
        model.machineId(machine),
        model.machineName(machine),
        model.state(machine),
        model.reason(machine),
      ]),
    ),
    actions: sorted(
      actions.id.map((id, i) => [
        model.text(id),
        model.machineName(actions.machine[i] ?? -1),
        model.text(actions.status[i]),
        model.text(actions.errors[i]),
        actions.created[i],
      ]),
    ),
    fields: sorted(
      fields.map(({ name, rows, values }) => [
        name,
        sorted(rows.map((row, i) => [model.target(row), model.text(values[i])])),
      ]),
    ),
    damaged,
    unknownNames,
    parts,
  }
}

/** What a report of the directory has. */
const reported = Effect.fnUntraced(function* (files: PrivateDirectory.PrivateDirectory) {
  const { collector, read } = yield* DirectoryReader.collect(files)
  return new Model(collector.payload({ ...about, ...read }), fromBase64(Array.from(collector.hashes).join("")))
})

/** More machines than a part has, and than are read at once. */
const many = 300

/** Parts that are as small as they can be. */
const smallest = { characters: 1, outputs: 1, machines: 1, actions: 1, results: 1, values: 1 }

/** Gets the next part of the data. */
const getPart = (collector: LiveCollector.LiveCollector, before: Snapshot | undefined) =>
  readLive(Page.data(collector.answer(before?.cursor ?? "", about)), before)

/** Gets parts until the page has all. */
const getAll = (collector: LiveCollector.LiveCollector, before: Snapshot | undefined): Snapshot => {
  const newer = getPart(collector, before)
  return newer.isComplete ? newer : getAll(collector, newer)
}

/** Asserts that a page has all that what it has refers to. */
const assertWhole = ({ payload }: Model) => {
  const { actions, fields, machines, outputs, results, texts } = payload
  const assertBelow = (length: number, columns: ReadonlyArray<ReadonlyArray<number>>) => {
    for (const column of columns) for (const value of column) assert.isBelow(value, length)
  }
  const { actionId, ending, errors, firstLine, problem, source } = results
  const { comment, requestor, status } = actions
  assertBelow(texts.length, [actionId, ending, errors, firstLine, problem, source, outputs.start])
  assertBelow(texts.length, [machines.id, machines.name, machines.reason, actions.id, comment, requestor, status])
  assertBelow(texts.length, [...fields.map(({ values }) => values), actions.errors])
  assertBelow(machines.id.length, [results.machine, actions.machine])
  assertBelow(outputs.start.length, [results.output])
  assertBelow(
    results.machine.length,
    fields.map(({ rows }) => rows),
  )
}

const below = (n: number) => Random.nextIntBetween(0, n)

/** One change of a directory, as programs make them, and as nobody should. */
const changeOf = Effect.fnUntraced(function* (box: Cli.Sandbox) {
  const machine = yield* below(6)
  const index = yield* below(2)
  const append = (name: string, text: string) => appendFileSync(box.path(`results/${name}.jsonl`), text)
  const version = yield* below(1_000)
  const status = machine % 2 === 0 ? "Succeeded" : "Failed"
  // Nothing that a directory has recorded changes on the disk.
  const bytes = Directory.script({
    script_output: `Name : agent ${machine % 3}\r\nPath : C:\\${machine}.exe\r\n`,
    exit_code: index,
  })
  const result = { machine, index, bytes }
  const stored = Directory.lines([Directory.completed(result)])
  const changes: ReadonlyArray<() => void> = [
    () => append("actions", Directory.lines([Directory.action(machine, { status })])),
    () => append("actions", Directory.lines([Directory.action(machine, { status, machineId: "" })])),
    () => append("sessions", Directory.lines([Directory.entry("starting", machine, { mark: "m" })])),
    () =>
      append(
        "sessions",
        Directory.lines([Directory.entry("started", machine, { machineActionId: Samples.action(machine) })]),
      ),
    () => append("sessions", Directory.lines([Directory.entry("notStarted", machine), "damaged"])),
    () => append("actions", "damaged\n"),
    () => {
      const { version: _, ...action } = Directory.action(machine, { status })
      append("sessions", Directory.lines([Directory.entry("ended", machine, { action })]))
    },
    ...[0, 1, 2, 3].map(() => () => {
      box.write(`results/${Directory.pathOf(result)}`, bytes)
      append("manifest", stored)
    }),
    () => append("manifest", Directory.lines([{ ...Directory.failed(machine, `refused ${version % 3}`), index }])),
    () => append("manifest", stored.replaceAll(Samples.action(machine), Samples.action(9))),
    // The beginning of a line, which the next one spoils.
    () => append("manifest", stored.slice(0, 50)),
    () => append("manifest", "\n"),
    () =>
      box.write(
        "results/unknown-machines.json",
        JSON.stringify({ version: 1, unknown: [`ws-${version}`], ambiguous: [] }),
      ),
    () => version % 4 === 0 && rmSync(box.path("results/actions.jsonl"), { force: true }),
    () => {
      if (version % 4 !== 0) return
      box.write(`results/${Directory.pathOf(result)}`, bytes)
      writeFileSync(box.path("results/manifest.jsonl"), stored, { mode: 0o600 })
    },
  ]
  yield* Effect.sync(changes[yield* below(changes.length)] ?? (() => {}))
})

/** A file system that counts the bytes that are read. */
const counting = (counted: { bytes: number }) =>
  Layer.effect(
    FileSystem.FileSystem,
    Effect.map(FileSystem.FileSystem, (fs) => ({
      ...fs,
      stream: (path: string, options?: Parameters<FileSystem.FileSystem["stream"]>[1]) =>
        Stream.tap(fs.stream(path, options), (bytes) => Effect.sync(() => (counted.bytes += bytes.length))),
      open: (path: string, options?: Parameters<FileSystem.FileSystem["open"]>[1]) =>
        Effect.map(fs.open(path, options), (file) => ({
          ...file,
          stat: file.stat,
          read: (buffer: Uint8Array, options?: FileSystem.File.ReadOptions) =>
            Effect.tap(file.read(buffer, options), (length) => Effect.sync(() => (counted.bytes += length))),
        })),
    })),
  ).pipe(Layer.provideMerge(NodeServices.layer))

/** A file system that takes a second to open a file. */
const slow = Layer.effect(
  FileSystem.FileSystem,
  Effect.map(FileSystem.FileSystem, (fs) => ({
    ...fs,
    open: (path: string, options?: Parameters<FileSystem.FileSystem["open"]>[1]) =>
      Effect.tap(fs.open(path, options), () => TestClock.adjust("1 second")),
  })),
).pipe(Layer.provideMerge(NodeServices.layer))

describe("the data of a live page", () => {
  for (const seed of Array.from({ length: 4 }, (_, i) => i)) {
    it.effect(`is what a report has after each change (seed ${seed})`, () =>
      Effect.gen(function* () {
        const box = yield* Cli.sandbox
        Directory.fill(box, { results: [], actions: [], sessions: [] })
        const files = yield* PrivateDirectory.open(box.path("results"))
        const collector = yield* LiveCollector.make(files)
        let page: Snapshot | undefined
        for (let step = 0; step < 60; step++) {
          yield* changeOf(box)
          if (step % 3 === 2) continue
          yield* collector.refresh
          page = getAll(collector, page)
          assert.deepStrictEqual(shown(page.model), shown(yield* reported(files)), `step ${step}`)
        }
      }).pipe(Effect.scoped, Random.withSeed(`live ${seed}`), Effect.provide(NodeServices.layer)),
    )
  }

  for (const seed of Array.from({ length: 4 }, (_, i) => i)) {
    it.effect(`is whole after each part, whatever changes meanwhile (seed ${seed})`, () =>
      Effect.gen(function* () {
        const box = yield* Cli.sandbox
        Directory.fill(box, { results: [], actions: [], sessions: [] })
        const files = yield* PrivateDirectory.open(box.path("results"))
        const collector = yield* LiveCollector.make(files, smallest)
        let page: Snapshot | undefined
        for (let step = 0; step < 60; step++) {
          yield* changeOf(box)
          yield* collector.refresh
          for (let parts = yield* below(20); parts > 0; parts--) {
            page = getPart(collector, page)
            assertWhole(page.model)
          }
        }
        page = getAll(collector, page)
        assert.deepStrictEqual(shown(page.model), shown(yield* reported(files)))
      }).pipe(Effect.scoped, Random.withSeed(`parts ${seed}`), Effect.provide(NodeServices.layer)),
    )
  }

  it.effect("has parts of a bounded size, and the first of them before all is read", () =>
    Effect.gen(function* () {
      const box = yield* Cli.sandbox
      const machines = Array.from({ length: many }, (_, machine) => machine)
      Directory.fill(box, {
        results: machines.map((machine) => ({ machine, bytes: Directory.script({ script_output: `of ${machine}` }) })),
        actions: machines.map((machine) => Directory.action(machine)),
        sessions: [],
      })
      const files = yield* PrivateDirectory.open(box.path("results"))
      const most = { characters: 2_000, outputs: 50, machines: 50, actions: 50, results: 50, values: 50 }
      const collector = yield* LiveCollector.make(files, most)
      const reading = yield* Effect.forkChild(collector.refresh)
      const counts: Array<number> = []
      let page: Snapshot | undefined
      while (page?.isComplete !== true) {
        const text = Page.data(collector.answer(page?.cursor ?? "", about))
        assert.isAtMost(text.length, 40_000)
        page = readLive(text, page)
        if (reading.pollUnsafe() === undefined) counts.push(page.model.count)
        yield* Effect.yieldNow
      }
      yield* Fiber.join(reading)
      assert.isAbove(counts.findLast((count) => count < many) ?? 0, 0)
      assert.deepStrictEqual(shown(page.model), shown(yield* reported(files)))
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)),
  )

  it.effect("starts again for a page whose cursor counts from below 0, where a search would not end", () =>
    Effect.gen(function* () {
      const box = yield* Cli.sandbox
      Directory.fill(box, {
        results: [{ machine: 0, bytes: Directory.script({ script_output: "an output" }) }],
        actions: [],
        sessions: [],
      })
      const collector = yield* LiveCollector.make(yield* PrivateDirectory.open(box.path("results")))
      yield* collector.refresh
      const { cursor } = getAll(collector, undefined)
      const after = (change: object) => collector.answer(JSON.stringify({ ...JSON.parse(cursor), ...change }), about)
      assert.isUndefined(after({}).data.about)
      for (const name of ["version", "round", "machines", "actions", "results", "texts", "outputs"]) {
        assert.isDefined(after({ [name]: -1 }).data.about, name)
      }
      assert.isDefined(after({ fields: [[0, -1]] }).data.about)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)),
  )

  it.effect("is not complete before all is read again, which waits, after a file was replaced", () =>
    Effect.gen(function* () {
      const box = yield* Cli.sandbox
      const resultOf = (machine: number) => ({ machine, bytes: Directory.script({ script_output: `of ${machine}` }) })
      Directory.fill(box, { results: [resultOf(0)], actions: [], sessions: [] })
      const files = yield* PrivateDirectory.open(box.path("results"))
      const collector = yield* LiveCollector.make(files)
      yield* collector.refresh
      const first = getAll(collector, undefined)
      rmSync(box.path("results/manifest.jsonl"))
      Directory.fill(box, { results: [resultOf(1), resultOf(0)], actions: [], sessions: [] })
      assert.isFalse(yield* collector.refresh)
      const waiting = getPart(collector, first)
      assert.isFalse(waiting.isComplete)
      assert.deepStrictEqual(shown(waiting.model), shown(first.model))
      yield* TestClock.adjust("1 hour")
      assert.isTrue(yield* collector.refresh)
      assert.deepStrictEqual(shown(getAll(collector, waiting).model), shown(yield* reported(files)))
    }).pipe(Effect.scoped, Effect.provide(slow)),
  )

  it.effect("reads and sends what was appended, however much there is", () => {
    const counted = { bytes: 0 }
    return Effect.gen(function* () {
      const box = yield* Cli.sandbox
      const resultOf = (machine: number) => ({ machine, bytes: Directory.script({ script_output: `of ${machine}` }) })
      const machines = Array.from({ length: many }, (_, machine) => machine)
      Directory.fill(box, {
        results: machines.map(resultOf),
        actions: machines.map((machine) => Directory.action(machine)),
        sessions: machines.map((machine) => Directory.entry("starting", machine, { mark: "m" })),
      })
      const collector = yield* LiveCollector.make(yield* PrivateDirectory.open(box.path("results")))
      yield* collector.refresh
      const first = getAll(collector, undefined)
      assert.isAbove(counted.bytes, 700 * many)
      counted.bytes = 0
      yield* collector.refresh
      // The last bytes of three files show that they are still the same.
      assert.isAtMost(counted.bytes, 768)

      counted.bytes = 0
      const added = resultOf(many)
      box.write(`results/${Directory.pathOf(added)}`, added.bytes)
      appendFileSync(box.path("results/actions.jsonl"), Directory.lines([Directory.action(many)]))
      appendFileSync(box.path("results/manifest.jsonl"), Directory.lines([Directory.completed(added)]))
      yield* collector.refresh
      assert.isAtMost(counted.bytes, 6_000)
      const sent = Page.data(collector.answer(first.cursor, about))
      assert.isAtMost(sent.length, 2_000)
      const { model } = readLive(sent, first)
      assert.strictEqual(model.count, many + 1)
      assert.strictEqual(model.machineName(model.machineOf(many)), Directory.nameOf(many))
    }).pipe(Effect.scoped, Effect.provide(counting(counted)))
  })
})
