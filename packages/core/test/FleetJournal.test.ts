import { assert, describe, it } from "@effect/vitest"
import * as FleetJournal from "@live-response/core/FleetJournal"
import * as Session from "@live-response/core/Session"
import * as Arbitrary from "effect/Arbitrary"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { MaxOpsBeforeYield } from "effect/Scheduler"
import { utf8 } from "./support/bytes.ts"
import { seededRandom } from "./support/seededRandom.ts"
import { type Disk, type Fault, makeDisk } from "./support/disk.ts"
import { machineAt } from "./support/fleets.ts"
import { entriesOf, journalSuite, long, other, withoutArgs } from "./support/JournalSuite.ts"
import { session } from "./support/network.ts"

const directory = "/state"
const path = `${directory}/sessions.jsonl`

/** Opens the journal, uses it and closes it, as one program does. */
const inRun = <A, E, R>(disk: Disk, use: (journal: FleetJournal.Service) => Effect.Effect<A, E, R>) =>
  Effect.flatMap(FleetJournal.FleetJournal, use).pipe(
    Effect.provide(FleetJournal.layerFileSystem({ directory }).pipe(Layer.provide(disk.layer)), {
      local: true,
    }),
  )

journalSuite("FleetJournal.layerMemory", () => FleetJournal.layerMemory, "virtual")
journalSuite(
  "FleetJournal.layerFileSystem",
  () => FleetJournal.layerFileSystem({ directory }).pipe(Layer.provide(makeDisk().layer)),
  "virtual",
)

const withContent = (sha256: string) =>
  Session.Session.make({
    ...session,
    commands: [Session.RunScript.make({ scriptName: "collect.ps1", sha256 })],
  })

const withoutContent = Session.Session.make({
  ...session,
  commands: [Session.RunScript.make({ scriptName: "collect.ps1" })],
})

describe("FleetJournal and the content of files", () => {
  it.effect("has another id for another content, and in the next program too", () =>
    Effect.gen(function* () {
      const disk = makeDisk()
      const idsOf = inRun(disk, ({ open }) =>
        Effect.forEach([withContent("aa"), withContent("bb")], (each) => Effect.map(open(each), ({ id }) => id)),
      )
      const ids = yield* idsOf
      assert.notStrictEqual(ids[0], ids[1])
      assert.deepStrictEqual(yield* idsOf, ids)
    }),
  )

  it.effect("continues a run that was stored without any with the first content, and with no other", () =>
    Effect.gen(function* () {
      const disk = makeDisk()
      const idOf = (each: Session.Session) => inRun(disk, ({ open }) => Effect.map(open(each), ({ id }) => id))
      const old = yield* inRun(disk, ({ open }) => Effect.tap(open(withoutContent), appendStarting))
      const resumed = yield* inRun(disk, ({ open }) =>
        Effect.flatMap(open(withContent("aa")), ({ find, id }) =>
          Effect.map(find(machineAt(0)), (found) => [id, Option.isSome(found)]),
        ),
      )
      assert.deepStrictEqual(resumed, [old.id, true])
      assert.notStrictEqual(yield* idOf(withContent("bb")), old.id)
      assert.strictEqual(yield* idOf(withContent("aa")), old.id)
      assert.strictEqual(yield* idOf(withoutContent), old.id)
    }),
  )
})

const appendStarting = (run: FleetJournal.Run) =>
  run.append(FleetJournal.Starting.make({ run: run.id, machineId: machineAt(0), mark: "0123" }))

const isKnownInNextRun = (disk: Disk) =>
  inRun(disk, ({ open }) =>
    Effect.map(
      Effect.flatMap(open(session), ({ find }) => find(machineAt(0))),
      Option.isSome,
    ),
  )

/** A journal with a session and one entry. Tests add lines to it. */
const withOneMachine = Effect.gen(function* () {
  const disk = makeDisk()
  yield* inRun(disk, ({ open }) =>
    Effect.flatMap(open(session), (run) =>
      run.append(FleetJournal.NotStarted.make({ run: run.id, machineId: machineAt(0) })),
    ),
  )
  const add = (...lines: ReadonlyArray<string>) => {
    const text = lines.map((line) => `${line}\n`).join("")
    disk.files.set(path, Uint8Array.from([...(disk.files.get(path) ?? []), ...utf8(text)]))
  }
  const known = inRun(disk, ({ open }) => Effect.flatMap(open(session), ({ find }) => find(machineAt(0))))
  return { disk, add, known }
})

describe("FleetJournal.layerFileSystem in the next program", () => {
  it.effect("has the entries after an interrupted `open`", () =>
    Effect.gen(function* () {
      const disk = makeDisk()
      yield* inRun(disk, ({ open }) =>
        Effect.gen(function* () {
          const opening = yield* Effect.forkChild(open(session), { startImmediately: true })
          while (!disk.files.has("/state/sessions.jsonl")) yield* Effect.yieldNow
          yield* Fiber.interrupt(opening)
          yield* appendStarting(yield* open(session))
        }),
      )
      assert.isTrue(yield* isKnownInNextRun(disk))
    }),
  )

  it.effect("has one id for a session that is opened twice at once", () =>
    Effect.gen(function* () {
      const disk = makeDisk()
      yield* inRun(disk, ({ open }) =>
        Effect.gen(function* () {
          const runs = yield* Effect.all([open(session), open(session)], { concurrency: 2 })
          assert.strictEqual(runs[0].id, runs[1].id)
          yield* appendStarting(runs[1])
        }),
      )
      assert.isTrue(yield* isKnownInNextRun(disk))
    }),
  )

  it.effect("has every session and every entry", () =>
    Effect.gen(function* () {
      const disk = makeDisk()
      const sessions = [session, other, long, withoutArgs]
      const opened = (journal: FleetJournal.Service) => Effect.forEach(sessions, journal.open)
      const first = yield* inRun(disk, (journal) =>
        Effect.tap(opened(journal), (runs) =>
          Effect.forEach(runs, (run) => Effect.forEach(entriesOf(run.id), run.append)),
        ),
      )
      yield* inRun(disk, (journal) =>
        Effect.gen(function* () {
          for (const [i, run] of (yield* opened(journal)).entries()) {
            assert.strictEqual(run.id, first[i]?.id)
            for (const entry of entriesOf(run.id)) {
              assert.deepStrictEqual(yield* run.find(entry.machineId), Option.some(entry))
            }
          }
        }),
      )
    }),
  )

  it.effect("has the whole lines of a file that was cut off at any byte, and appends to it", () =>
    Effect.gen(function* () {
      const whole = makeDisk()
      const ids = yield* inRun(whole, ({ open }) =>
        Effect.gen(function* () {
          const [one, two] = [yield* open(session), yield* open(other)]
          for (const run of [one, two]) yield* Effect.forEach(entriesOf(run.id), run.append)
          return { one: one.id, two: two.id }
        }),
      )
      const bytes = whole.files.get(path) ?? utf8("")
      const lines = new TextDecoder().decode(bytes).split("\n")
      const endOf = (n: number) => utf8(lines.slice(0, n + 1).join("\n")).length
      const cuts = lines.flatMap((_, n) => [endOf(n) - 1, endOf(n), endOf(n) + 1])
      for (let cut = 0; cut < bytes.length; cut += 17) cuts.push(cut)
      for (const cut of cuts) {
        const disk = makeDisk()
        disk.files.set(path, bytes.slice(0, cut))
        for (const attempt of ["first", "second"]) {
          yield* inRun(disk, ({ open }) =>
            Effect.gen(function* () {
              const [one, two] = [yield* open(session), yield* open(other)]
              assert.strictEqual(one.id === ids.one, cut >= endOf(0), `cut at ${cut}`)
              assert.strictEqual(two.id === ids.two, cut >= endOf(1), `cut at ${cut}`)
              for (const [nth, run] of [one, two].entries()) {
                for (const [n, entry] of entriesOf(run.id).entries()) {
                  const isThere = cut >= endOf(2 + nth * 4 + n)
                  assert.strictEqual(Option.isSome(yield* run.find(entry.machineId)), isThere, `cut at ${cut}`)
                }
                const added = FleetJournal.NotStarted.make({ run: run.id, machineId: machineAt(8) })
                const known = yield* run.find(machineAt(8))
                assert.deepStrictEqual(known, attempt === "first" ? Option.none() : Option.some(added))
                yield* run.append(added)
              }
            }),
          )
        }
      }
    }),
  )

  it.effect("ignores blank lines, and entries of sessions that it does not know", () =>
    Effect.gen(function* () {
      const { disk, add, known } = yield* withOneMachine
      add("", "  ", JSON.stringify({ entry: "starting", run: "0000", machineId: machineAt(0), mark: "ab" }))
      assert.strictEqual(Option.getOrUndefined(yield* known)?.entry, "notStarted")
      assert.isTrue(yield* isKnownInNextRun(disk))
    }),
  )

  it.effect.each([
    { what: "half a line", line: `{"entry":"started","run":"ab`, says: "line 3 is damaged" },
    {
      what: "an entry that lacks its mark",
      line: `{"entry":"starting","run":"ab","machineId":"cd"}`,
      says: "is damaged",
    },
    { what: "a line that is not an entry", line: "[]", says: "line 3 is damaged" },
    { what: "zeros, as a power cut leaves them", line: "\0\0\0\0", says: "check in the Microsoft Defender portal" },
    { what: "an entry of a later version", line: `{"entry":"paused","run":"ab"}`, says: "line 3 is of a kind" },
    {
      what: "a later version's, and its name",
      line: `{"entry":"paused","run":"ab"}`,
      says: "(paused); use the version",
    },
  ])("refuses a damaged line with its number and the next step: $what", ({ line, says }) =>
    Effect.gen(function* () {
      const { add, disk, known } = yield* withOneMachine
      const before = disk.files.get(path)
      add(line, JSON.stringify({ entry: "notStarted", run: "ab", machineId: machineAt(1) }))
      const damaged = disk.files.get(path)
      const error = yield* Effect.flip(known)
      assert.strictEqual(error.path, path)
      assert.include(error.message, says)
      assert.deepStrictEqual(disk.files.get(path), damaged)
      if (before !== undefined) disk.files.set(path, before)
      assert.strictEqual(Option.getOrUndefined(yield* known)?.entry, "notStarted")
    }),
  )

  it.effect("opens the file again after a failure, which leaves no file open", () =>
    Effect.gen(function* () {
      const disk = makeDisk()
      for (const method of ["makeDirectory", "open", "syncDirectory", "read", "write", "sync"]) {
        yield* inRun(disk, ({ open }) =>
          Effect.gen(function* () {
            disk.fault = (operation) => (operation.method === method ? "EMFILE" : "none")
            const results = yield* Effect.all([Effect.exit(open(other)), Effect.exit(open(other))], { concurrency: 2 })
            disk.fault = () => "none"
            assert.isTrue(results.every(Exit.isFailure), method)
            assert.strictEqual(disk.openFiles(), method === "write" || method === "sync" ? 1 : 0, method)
            assert.strictEqual((yield* open(other)).id, (yield* open(other)).id)
          }),
        )
        yield* inRun(disk, ({ open }) => Effect.flatMap(open(session), appendStarting))
        disk.files.set(path, utf8(new TextDecoder().decode(disk.files.get(path)).replace(/^[^\n]*4712[^\n]*\n/m, "")))
      }
      assert.isTrue(yield* isKnownInNextRun(disk))
    }),
  )

  it.effect("does not find an entry that could not be written", () =>
    Effect.gen(function* () {
      const disk = makeDisk()
      yield* inRun(disk, ({ open }) =>
        Effect.gen(function* () {
          const run = yield* open(session)
          disk.freeBytes = 10
          const starting = FleetJournal.Starting.make({ run: run.id, machineId: machineAt(0), mark: "ab" })
          assert.deepInclude(yield* Effect.flip(run.append(starting)), { path, problem: "DiskFull" })
          assert.deepStrictEqual(yield* run.find(machineAt(0)), Option.none())
        }),
      )
    }),
  )

  it.effect("writes nothing before a session is opened", () =>
    Effect.gen(function* () {
      const disk = makeDisk()
      yield* inRun(disk, () => Effect.void)
      assert.strictEqual(disk.files.size, 0)
    }),
  )
})

/** What version 0.1.0 wrote, before lines had a version. */
const firstFormat = [
  `{"entry":"run","run":"73e5e903afa0a50a","commands":[{"_tag":"RunScript","scriptName":"collect.ps1"}],"comment":"case 4711"}`,
  `{"entry":"starting","run":"73e5e903afa0a50a","machineId":"0000000000000000000000000000000000000000","at":"2026-11-20T08:00:00.000Z","mark":"0123456789abcdef"}`,
  `{"entry":"started","run":"73e5e903afa0a50a","machineId":"0000000000000000000000000000000000000001","at":"2026-11-20T08:00:00.000Z","machineActionId":"988cc94e-7a8f-4b28-ab65-54970c5d5018"}`,
  `{"entry":"notStarted","run":"73e5e903afa0a50a","machineId":"0000000000000000000000000000000000000002","at":"2026-11-20T08:00:00.000Z"}`,
  `{"entry":"ended","run":"73e5e903afa0a50a","machineId":"0000000000000000000000000000000000000003","at":"2026-11-20T08:00:00.000Z","action":{"id":"988cc94e-7a8f-4b28-ab65-54970c5d5018","type":"LiveResponse","status":"Succeeded","machineId":"0000000000000000000000000000000000000003","computerDnsName":"ws-3","requestor":"o'brien@contoso.com","requestorComment":"case 4711 [live-response 0123456789abcdef]","created":"2026-11-01T00:00:00.123Z","updated":"2026-11-01T00:01:00.000Z","commands":[{"index":0,"type":"RunScript","status":"Completed","params":{"ScriptName":"collect.ps1"},"startTime":"2026-11-01T00:00:30.000Z","errors":[]}]}}`,
].join("\n")

/** Lines that this version could read, were they not of a newer one. */
const newerLines = [
  { what: "a session", line: { entry: "run", run: "ab", commands: session.commands, comment: "case 1" } },
  { what: "an entry that it knows", line: { entry: "notStarted", run: "ab", machineId: machineAt(1) } },
  { what: "an entry with another field", line: { entry: "notStarted", run: "ab", machineId: machineAt(1), more: 1 } },
  { what: "an entry that it does not know", line: { entry: "paused" } },
]

describe("The format of sessions.jsonl", () => {
  it.effect("has a version in each line", () =>
    Effect.gen(function* () {
      const disk = makeDisk()
      yield* inRun(disk, ({ open }) =>
        Effect.flatMap(open(session), (run) => Effect.forEach(entriesOf(run.id), run.append)),
      )
      const lines = new TextDecoder().decode(disk.files.get(path)).trim().split("\n")
      assert.strictEqual(lines.length, 5)
      for (const line of lines) assert.match(line, /^\{"entry":"[a-zA-Z]+","version":1,/)
    }),
  )

  it.effect("reads lines without a version, and appends to them", () =>
    Effect.gen(function* () {
      const disk = makeDisk()
      disk.files.set(path, utf8(`${firstFormat}\n`))
      yield* inRun(disk, ({ open }) =>
        Effect.gen(function* () {
          const run = yield* open(session)
          assert.strictEqual(run.id, "73e5e903afa0a50a")
          const found = yield* Effect.forEach([0, 1, 2, 3], (n) => run.find(machineAt(n)))
          assert.deepStrictEqual(
            found.map((entry) => Option.getOrUndefined(entry)?.entry),
            ["starting", "started", "notStarted", "ended"],
          )
          yield* run.append(FleetJournal.NotStarted.make({ run: run.id, machineId: machineAt(4) }))
        }),
      )
      const text = new TextDecoder().decode(disk.files.get(path))
      assert.isTrue(text.startsWith(`${firstFormat}\n{"entry":"notStarted","version":1,`), text)
    }),
  )

  it.effect.each(newerLines)("refuses $what of a newer version by name, and leaves the file as it is", ({ line }) =>
    Effect.gen(function* () {
      const { add, disk, known } = yield* withOneMachine
      add(JSON.stringify({ ...line, version: 2 }))
      const before = disk.files.get(path)
      const { message } = yield* Effect.flip(known)
      assert.strictEqual(
        message,
        `${path}: line 3 was written by a newer version of live-response (format 2, this one reads up to 1); run the newer version`,
      )
      assert.deepStrictEqual(disk.files.get(path), before)
      assert.strictEqual(disk.files.size, 1)
    }),
  )

  it.effect.each([0, -1, 1.5, "1", null])("treats a line with the version %j as damaged", (version) =>
    Effect.gen(function* () {
      const { add, known } = yield* withOneMachine
      add(JSON.stringify({ entry: "notStarted", run: "ab", machineId: machineAt(1), version }))
      assert.include((yield* Effect.flip(known)).message, "line 3 is damaged")
    }),
  )
})

const faults: ReadonlyArray<Fault> = ["short", "ENOSPC", "EIO", "EMFILE", "EACCES", "crash"]

/**
 * A disk on which about one in `every` operations fails, and all of them after a crash. Missing permission to flush a
 * directory is not a fault: platforms that need no such flush answer that.
 */
const trouble =
  (roll: () => number, every: number): Disk["fault"] =>
  (operation) => {
    const fault = roll() * every < 1 ? (faults[Math.floor(roll() * faults.length)] ?? "none") : "none"
    const isFlush =
      operation.method === "syncDirectory" || (operation.method === "open" && operation.path === directory)
    return isFlush && fault === "EACCES" ? "none" : fault
  }

describe("FleetJournal.layerFileSystem on a disk that fails", () => {
  it.effect.prop(
    "has every entry that was appended, whatever fails, and never throws",
    [Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 2 ** 31 })))],
    ([seed]) =>
      Effect.gen(function* () {
        const roll = seededRandom(seed)
        const disk = makeDisk()
        const appended = new Set<string>()
        let next = 0
        const appendOne = Effect.fnUntraced(function* (run: FleetJournal.Run) {
          const machineId = machineAt(next++)
          const starting = FleetJournal.Starting.make({ run: run.id, machineId, mark: "x".repeat(60 * roll()) })
          const exit = yield* Effect.exit(run.append(starting))
          if (Exit.isSuccess(exit)) appended.add(machineId)
        })
        for (let program = 0; program < 6; program++) {
          disk.fault = trouble(roll, 4 + 40 * roll())
          const work = inRun(disk, ({ open }) =>
            Effect.gen(function* () {
              const run = yield* Effect.retry(open(session), { times: 3 })
              for (let batch = 0; batch < 3; batch++) {
                const appending = yield* Effect.forkChild(
                  Effect.all([appendOne(run), appendOne(run), appendOne(run)], { concurrency: 3 }),
                )
                if (roll() < 0.3) for (let n = 0; n < 10 * roll(); n++) yield* Effect.yieldNow
                if (roll() < 0.3) yield* Fiber.interrupt(appending)
                else yield* Fiber.await(appending)
              }
            }),
          )
          yield* Effect.exit(work.pipe(Effect.provideService(MaxOpsBeforeYield, roll() < 0.5 ? 8 : 2048)))
          disk.fault = () => "none"
          if (roll() < 0.5) disk.powerCut(roll)
          else disk.restart()
          yield* inRun(disk, ({ open }) =>
            Effect.flatMap(open(session), ({ find }) =>
              Effect.forEach(appended, (machineId) =>
                Effect.map(find(machineId), (found) => assert.isTrue(Option.isSome(found), `${machineId} is lost`)),
              ),
            ),
          )
        }
      }),
    { arbitrary: { runs: 50 } },
  )
})
