/** The journal on a real disk. `packages/core/test/FleetJournal.test.ts` tests its lines. */
import { appendFileSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as FleetJournal from "@live-response/core/FleetJournal"
import * as JsonLines from "@live-response/core/JsonLines"
import * as Session from "@live-response/core/Session"
import * as PrivateDirectory from "@live-response/core/PrivateDirectory"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { tempDirectory } from "./support/samples.ts"

/** Opens the journal, uses it and closes it, as one program does. */
const inRun = <A, E, R>(directory: string, use: (journal: FleetJournal.Service) => Effect.Effect<A, E, R>) =>
  Effect.flatMap(FleetJournal.FleetJournal, use).pipe(
    Effect.provide(FleetJournal.layerFileSystem({ directory }).pipe(Layer.provide(NodeServices.layer)), {
      local: true,
    }),
  )

const session = Session.Session.make({
  commands: [Session.RunScript.make({ scriptName: "collect.ps1", args: `-Path "C:\\Größe ✓"` })],
  comment: "case 4711",
})

const machineAt = (n: number) => n.toString(16).padStart(40, "0")

const starting = (run: FleetJournal.Run, n: number) =>
  FleetJournal.Starting.make({ run: run.id, machineId: machineAt(n), mark: `mark ${n}` })

const append = (directory: string, ...machines: ReadonlyArray<number>) =>
  inRun(directory, ({ open }) =>
    Effect.gen(function* () {
      const run = yield* open(session)
      yield* Effect.forEach(machines, (n) => run.append(starting(run, n)), { concurrency: 10, discard: true })
      return run.id
    }),
  )

const known = (directory: string, ...machines: ReadonlyArray<number>) =>
  inRun(directory, ({ open }) =>
    Effect.gen(function* () {
      const run = yield* open(session)
      const found = yield* Effect.forEach(machines, (n) => run.find(machineAt(n)))
      return machines.filter((_, i) => Option.isSome(found[i] ?? Option.none()))
    }),
  )

const pathIn = (directory: string) => join(directory, "sessions.jsonl")

describe("FleetJournal.layerFileSystem", () => {
  it.live("has the entries of the last program, in private directories that it creates", () =>
    Effect.gen(function* () {
      const directory = join(yield* tempDirectory, "a", "b")
      const first = yield* append(directory, 0, 1, 2)
      const second = yield* append(directory, 3)
      assert.strictEqual(first, second)
      assert.deepStrictEqual(yield* known(directory, 0, 1, 2, 3, 4), [0, 1, 2, 3])
      assert.strictEqual(statSync(pathIn(directory)).mode & 0o777, 0o600)
      assert.strictEqual(statSync(directory).mode & 0o777, 0o700)
    }),
  )

  it.live("has a line for each of many entries that are appended at once", () =>
    Effect.gen(function* () {
      const directory = yield* tempDirectory
      const machines = Array.from({ length: 200 }, (_, n) => n)
      yield* append(directory, ...machines)
      assert.deepStrictEqual(yield* known(directory, ...machines), machines)
      assert.strictEqual(readFileSync(pathIn(directory), "utf8").split("\n").length, 202)
    }),
  )

  it.live("appends in a new line after a last line that was cut anywhere", () =>
    Effect.gen(function* () {
      const directory = yield* tempDirectory
      yield* append(directory, 0)
      const whole = statSync(pathIn(directory)).size
      yield* append(directory, 1)
      const bytes = readFileSync(pathIn(directory))
      for (let cut = whole; cut <= bytes.length; cut += 7) {
        writeFileSync(pathIn(directory), bytes)
        truncateSync(pathIn(directory), cut)
        yield* append(directory, 2)
        assert.deepStrictEqual(yield* known(directory, 0, 1, 2), cut >= bytes.length - 1 ? [0, 1, 2] : [0, 2])
      }
    }),
  )

  it.live("starts a new session after a header that was cut", () =>
    Effect.gen(function* () {
      const directory = yield* tempDirectory
      const first = yield* append(directory)
      truncateSync(pathIn(directory), statSync(pathIn(directory)).size - 2)
      const second = yield* append(directory, 0)
      assert.notStrictEqual(first, second)
      assert.deepStrictEqual(yield* known(directory, 0), [0])
    }),
  )

  it.live("names the path that can't be written", () =>
    Effect.gen(function* () {
      const directory = yield* tempDirectory
      writeFileSync(join(directory, "file"), "")
      const error = yield* Effect.flip(append(join(directory, "file"), 0))
      assert.deepInclude(error, { path: join(directory, "file"), problem: "NotADirectory" })
    }),
  )
})

describe("JsonLines.read", () => {
  const Entry = Schema.Struct({ n: Schema.Int, text: Schema.String })

  it.live("reads lines that are longer than a chunk, and one without a line feed", () =>
    Effect.gen(function* () {
      const directory = yield* PrivateDirectory.open(yield* tempDirectory)
      const name = "entries.jsonl"
      const entries = [0, 1, 65_535, 65_536, 300_000].map((length, n) => ({ n, text: "✓".repeat(length) }))
      yield* Effect.flatMap(JsonLines.open(directory, name, Entry), (file) => Effect.forEach(entries, file.append))
      appendFileSync(directory.pathOf(name), `{"n":5,"text":"whole"}`)
      const read = yield* Stream.runCollect(JsonLines.read(directory, name, Entry))
      assert.deepStrictEqual(read, [...entries, { n: 5, text: "whole" }])
    }).pipe(Effect.provide(NodeServices.layer)),
  )
})
