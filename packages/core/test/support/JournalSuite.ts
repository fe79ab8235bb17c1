/** What every journal does. */
import { assert, describe, it } from "@effect/vitest"
import * as FleetJournal from "@live-response/core/FleetJournal"
import * as MachineAction from "@live-response/core/MachineAction"
import * as Session from "@live-response/core/Session"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { machineAt } from "./fleets.ts"
import { session } from "./network.ts"

export const action = Schema.decodeUnknownSync(MachineAction.FromApi)({
  id: "988CC94E-7A8F-4B28-AB65-54970C5D5018",
  type: "LiveResponse",
  status: "Failed",
  machineId: machineAt(1),
  computerDnsName: "ws-1",
  requestor: "o'brien@contoso.com",
  requestorComment: "case 4711 \n [live-response 00]",
  creationDateTimeUtc: "2026-11-01T00:00:00.1234567Z",
  lastUpdateTimeUtc: "2026-11-01T00:01:00Z",
  errorHResult: -2147023436,
  commands: [
    {
      index: 0,
      commandStatus: "Failed",
      startTime: "2026-11-01T00:00:30Z",
      endTime: null,
      errors: ["no\r\n"],
      command: { type: "RunScript", params: [{ key: "ScriptName", value: "collect.ps1" }] },
    },
  ],
})

/** An entry of each kind, by default each of another machine. */
export const entriesOf = (run: string, of: (n: number) => string = machineAt): ReadonlyArray<FleetJournal.Entry> => [
  FleetJournal.Starting.make({ run, machineId: of(0), mark: "0123456789abcdef" }),
  FleetJournal.Started.make({ run, machineId: of(1), machineActionId: action.id }),
  FleetJournal.NotStarted.make({ run, machineId: of(2), message: "the API refused the request" }),
  FleetJournal.Ended.make({ run, machineId: of(3), action }),
]

export const other = Session.Session.make({ ...session, comment: "case 4712" })

export const long = Session.Session.make({
  commands: [
    Session.PutFile.make({ fileName: "collect.exe" }),
    Session.RunScript.make({ scriptName: "collect.ps1", args: "-Quick" }),
    Session.GetFile.make({ path: "C:\\windows\\TEMP\\collect.zip" }),
  ],
  comment: session.comment,
})

export const withoutArgs = Session.Session.make({
  ...long,
  commands: [
    Session.PutFile.make({ fileName: "collect.exe" }),
    Session.RunScript.make({ scriptName: "collect.ps1" }),
    Session.GetFile.make({ path: "C:\\windows\\TEMP\\collect.zip" }),
  ],
})

/** A session with a file and a script, of a comment of its own. */
const withFiles = (files: {
  readonly tool?: string
  readonly script?: string
  readonly toolHash?: string
  readonly scriptHash?: string
}) => {
  const { script = "Collect.ps1", scriptHash, tool = "Tool.exe", toolHash } = files
  return Session.Session.make({
    commands: [
      Session.PutFile.make({ fileName: tool, ...(toolHash === undefined ? {} : { sha256: toolHash }) }),
      Session.RunScript.make({
        scriptName: script,
        args: "-Quick",
        ...(scriptHash === undefined ? {} : { sha256: scriptHash }),
      }),
    ],
    comment: "case 4713",
  })
}

const both = { toolHash: "aa", scriptHash: "bb" }
const none = {}

/**
 * Sessions that are opened one after the other, and the number of the run that each has: one that was there before, or a new
 * one. A session that has the number of an earlier one does not start again where that one has started.
 */
const identities: ReadonlyArray<{
  readonly name: string
  readonly opened: ReadonlyArray<readonly [run: number, session: Session.Session]>
}> = [
  {
    name: "the same content",
    opened: [
      [0, withFiles(both)],
      [0, withFiles(both)],
    ],
  },
  {
    name: "another content of the script",
    opened: [
      [0, withFiles(both)],
      [1, withFiles({ ...both, scriptHash: "cc" })],
    ],
  },
  {
    name: "another content of the file",
    opened: [
      [0, withFiles(both)],
      [1, withFiles({ ...both, toolHash: "cc" })],
    ],
  },
  {
    name: "a content that was there before another one",
    opened: [
      [0, withFiles(both)],
      [1, withFiles({ ...both, scriptHash: "cc" })],
      [0, withFiles(both)],
    ],
  },
  {
    name: "no known content",
    opened: [
      [0, withFiles(both)],
      [0, withFiles(none)],
    ],
  },
  {
    name: "no known content after two: the last one",
    opened: [
      [0, withFiles(both)],
      [1, withFiles({ ...both, scriptHash: "cc" })],
      [1, withFiles(none)],
      [0, withFiles(both)],
    ],
  },
  {
    name: "no known content, in another spelling",
    opened: [
      [0, withFiles(both)],
      [0, withFiles({ tool: "TOOL.EXE", script: "collect.PS1" })],
    ],
  },
  {
    name: "a known content of one file, in another spelling of the other one",
    opened: [
      [0, withFiles(both)],
      [0, withFiles({ tool: "tool.exe", scriptHash: "bb" })],
    ],
  },
  {
    name: "another known content of one file",
    opened: [
      [0, withFiles(both)],
      [1, withFiles({ tool: "tool.exe", scriptHash: "cc" })],
    ],
  },
  {
    name: "the same content in another spelling",
    opened: [
      [0, withFiles(both)],
      [0, withFiles({ ...both, script: "collect.ps1" })],
      [0, withFiles({ ...both, tool: "TOOL.EXE" })],
      [1, withFiles({ ...both, script: "collect.ps1", scriptHash: "cc" })],
    ],
  },
  {
    name: "the first content of a run without any, in another spelling",
    opened: [
      [0, withFiles({ script: "collect.ps1" })],
      [0, withFiles(both)],
      [1, withFiles({ ...both, script: "COLLECT.ps1", scriptHash: "cc" })],
    ],
  },
  {
    name: "the first content of a run without any, and then another one",
    opened: [
      [0, withFiles(none)],
      [0, withFiles(both)],
      [1, withFiles({ ...both, scriptHash: "cc" })],
      [0, withFiles(none)],
    ],
  },
  {
    name: "a spelling that continued a run counts from then on",
    opened: [
      [0, withFiles(both)],
      [0, withFiles({ script: "collect.ps1" })],
      [0, withFiles({ script: "COLLECT.PS1" })],
      [0, withFiles(both)],
    ],
  },
  {
    name: "other arguments, and another comment",
    opened: [
      [0, withFiles(none)],
      [1, Session.Session.make({ ...withFiles(none), comment: "case 4714" })],
      [2, Session.Session.make({ ...withFiles(none), comment: "case 4713 " })],
      [3, long],
    ],
  },
  {
    name: "a comment with every kind of character",
    opened: [
      [0, Session.Session.make({ ...withFiles(both), comment: "nul \u0000, half a pair \ud800, '\"\\ \u202e" })],
      [0, Session.Session.make({ ...withFiles(none), comment: "nul \u0000, half a pair \ud800, '\"\\ \u202e" })],
    ],
  },
]

/** `layer` makes an empty journal. `clock` is `real` for the journal of a server. */
export const journalSuite = <E>(
  name: string,
  layer: () => Layer.Layer<FleetJournal.FleetJournal, E>,
  clock: "virtual" | "real",
) => {
  const test = clock === "virtual" ? it.effect : it.live
  describe(name, () => {
    test("finds the last entry of each machine", () =>
      Effect.gen(function* () {
        const { open } = yield* FleetJournal.FleetJournal
        const run = yield* open(session)
        assert.deepStrictEqual(yield* run.find(machineAt(0)), Option.none())
        for (const entry of [...entriesOf(run.id), ...entriesOf(run.id, () => machineAt(9))]) {
          yield* run.append(entry)
          assert.deepStrictEqual(yield* run.find(entry.machineId), Option.some(entry))
        }
      }).pipe(Effect.provide(layer())))

    test("finds a machine in whatever case its id is written", () =>
      Effect.gen(function* () {
        const { open } = yield* FleetJournal.FleetJournal
        const run = yield* open(session)
        yield* run.append(FleetJournal.Starting.make({ run: run.id, machineId: "AB".repeat(20), mark: "0123" }))
        assert.isTrue(Option.isSome(yield* run.find("ab".repeat(20))))
      }).pipe(Effect.provide(layer())))

    test("has one id for the same commands and comment, and another for others", () =>
      Effect.gen(function* () {
        const { open } = yield* FleetJournal.FleetJournal
        const ids: Array<string> = []
        for (const each of [session, other, long, withoutArgs]) {
          const run = yield* open(each)
          ids.push(run.id)
          assert.strictEqual((yield* open(Session.Session.make({ ...each }))).id, run.id)
          assert.deepStrictEqual(yield* run.find(machineAt(0)), Option.none())
          yield* run.append(FleetJournal.NotStarted.make({ run: run.id, machineId: machineAt(0) }))
        }
        assert.strictEqual(new Set(ids).size, 4)
      }).pipe(Effect.provide(layer())))

    test.each(identities)("knows which run it is: $name", ({ opened }) =>
      Effect.gen(function* () {
        const { open } = yield* FleetJournal.FleetJournal
        const ids: Array<string> = []
        for (const [run, each] of opened) {
          const { append, find, id } = yield* open(each)
          const isKnown = run < ids.length
          assert.strictEqual(id, isKnown ? ids[run] : id)
          assert.strictEqual(ids.includes(id), isKnown)
          assert.strictEqual(Option.isSome(yield* find(machineAt(0))), isKnown)
          if (isKnown) continue
          ids.push(id)
          yield* append(FleetJournal.Starting.make({ run: id, machineId: machineAt(0), mark: "0123" }))
        }
      }).pipe(Effect.provide(layer())),
    )

    test("has one run for a session that is opened twice at once, in two spellings", () =>
      Effect.gen(function* () {
        const { open } = yield* FleetJournal.FleetJournal
        const spellings = [withFiles(none), withFiles({ script: "collect.ps1" }), withFiles({ tool: "tool.exe" })]
        const runs = yield* Effect.forEach(spellings, open, { concurrency: "unbounded" })
        assert.strictEqual(new Set(runs.map(({ id }) => id)).size, 1)
      }).pipe(Effect.provide(layer())))
  })
}
