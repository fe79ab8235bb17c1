import { assert, describe, it } from "@effect/vitest"
import * as ActionFeed from "@live-response/core/ActionFeed"
import * as FollowPosition from "@live-response/core/FollowPosition"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import { MaxOpsBeforeYield } from "effect/Scheduler"
import { TestClock } from "effect/testing"
import { utf8 } from "./support/bytes.ts"
import { type Disk, type Fault, makeDisk } from "./support/disk.ts"
import { idAt, positionAt, positionSuite, sessions } from "./support/PositionSuite.ts"
import { seededRandom } from "./support/seededRandom.ts"

const directory = "/results"
const path = `${directory}/follow.json`

/** One program that uses the store. */
const inRun = <A, E>(disk: Disk, use: (positions: FollowPosition.Service) => Effect.Effect<A, E>) =>
  Effect.flatMap(FollowPosition.FollowPosition, use).pipe(
    Effect.provide(FollowPosition.layerFileSystem({ directory }).pipe(Layer.provide(disk.layer)), { local: true }),
  )

const findIn = (disk: Disk, key: FollowPosition.Key = sessions) => inRun(disk, ({ find }) => find(key))

const withFile = (text: string) => {
  const disk = makeDisk()
  disk.files.set(path, utf8(text))
  return disk
}

/** After the positions of the sample: a file whose positions are in the future is set aside. */
const now = DateTime.toEpochMillis(DateTime.makeUnsafe("2026-11-26T07:00:00Z"))

const textIn = (disk: Disk, file: string = path) => new TextDecoder().decode(disk.files.get(file))

describe("FollowPosition.makeKey", () => {
  it("is the same for the same values in any order, and another for any other value", () => {
    const make = (machine: ReadonlyArray<string>, requestor: ReadonlyArray<string>) =>
      FollowPosition.makeKey({ machine, requestor })
    assert.deepStrictEqual(make(["b", "a"], ["c"]), FollowPosition.makeKey({ requestor: ["c"], machine: ["a", "b"] }))
    const keys = [make([], []), make(["a"], []), make([], ["a"]), make(["a", "b"], []), make(["a"], ["b"])]
    assert.strictEqual(new Set(keys.map((key) => JSON.stringify(key))).size, keys.length)
  })
})

positionSuite("FollowPosition.layerMemory", () => FollowPosition.layerMemory, "virtual")
positionSuite(
  "FollowPosition.layerFileSystem",
  () => FollowPosition.layerFileSystem({ directory }).pipe(Layer.provide(makeDisk().layer)),
  "virtual",
)

/** Written by the release before there were versions, with these flags. */
const unversioned = `{"positions":[{"what":["type LiveResponse"],"position":{"since":"2026-11-26T06:40:20.866Z","open":["988cc94e-7a8f-4b28-ab65-000000000002"]}},{"what":["filter requestor ne 'zoë\\u202e'","machine WS-1.contoso.com","machine ws-2","requestor soc@contoso.com","status Failed","status Succeeded","type LiveResponse"],"position":{"since":"2026-11-26T06:40:20.866Z","open":["988cc94e-7a8f-4b28-ab65-000000000002"]}}]}`

const filtered = FollowPosition.makeKey({
  filter: ["requestor ne 'zoë\u202e'"],
  machine: ["ws-2", "WS-1.contoso.com"],
  requestor: ["soc@contoso.com"],
  status: ["Succeeded", "Failed"],
  type: ["LiveResponse"],
})

describe("FollowPosition.layerFileSystem", () => {
  it.effect("reads a file without a version, and writes it with one and the other selections unchanged", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(now)
      const disk = withFile(unversioned)
      const stored = ActionFeed.Position.make({
        since: DateTime.makeUnsafe("2026-11-26T06:40:20.866Z"),
        open: [idAt(2)],
      })
      assert.deepStrictEqual(yield* findIn(disk), Option.some(stored))
      assert.deepStrictEqual(yield* findIn(disk, filtered), Option.some(stored))
      yield* inRun(disk, ({ save }) => save(sessions, positionAt(7)))
      assert.match(textIn(disk), /^\{"version":1,"positions":\[/)
      assert.notInclude(textIn(disk), "\u202e")
      assert.deepStrictEqual(yield* findIn(disk), Option.some(positionAt(7)))
      assert.deepStrictEqual(yield* findIn(disk, filtered), Option.some(stored))
    }),
  )

  for (const text of ['{"version":2,"positions":[]}', '{"selections":{},"version":7}']) {
    it.effect(`refuses a file of a newer version and leaves it as it is: ${text}`, () =>
      Effect.gen(function* () {
        const disk = withFile(text)
        for (const use of [findIn(disk), inRun(disk, ({ save }) => save(sessions, positionAt(1)))]) {
          const error = yield* Effect.flip(use)
          assert.match(
            error.message,
            /^\/results\/follow\.json: it was written by a newer version of live-response \(format \d, .*; run the newer version, or choose another directory$/,
          )
        }
        assert.deepStrictEqual(disk.paths(), [path])
        assert.strictEqual(textIn(disk), text)
      }),
    )
  }

  for (const text of ["", "{", "[]", '{"positions":[{}]}', '{"version":0,"positions":[]}', unversioned.slice(0, -9)]) {
    it.effect(`sets aside a file that it cannot read, with a warning: ${text.slice(0, 30)}`, () => {
      const warnings: Array<unknown> = []
      return Effect.gen(function* () {
        const disk = withFile(text)
        assert.deepStrictEqual(yield* findIn(disk), Option.none())
        assert.deepStrictEqual(disk.paths(), [`${path}.broken`])
        assert.strictEqual(textIn(disk, `${path}.broken`), text)
        assert.match(
          String(warnings),
          /^\/results\/follow\.json is broken, and is now \/results\/follow\.json\.broken; /,
        )
        yield* inRun(disk, ({ save }) => save(sessions, positionAt(1)))
        assert.deepStrictEqual(yield* findIn(disk), Option.some(positionAt(1)))
      }).pipe(Effect.provide(Logger.layer([Logger.make(({ message }) => void warnings.push(message))])))
    })
  }

  it.effect("writes nothing that has not changed, and nothing before it is used", () =>
    Effect.gen(function* () {
      const disk = makeDisk()
      yield* inRun(disk, ({ save }) =>
        Effect.gen(function* () {
          assert.deepStrictEqual(disk.operations, [])
          yield* save(sessions, positionAt(3))
          const { length } = disk.operations
          yield* save(sessions, positionAt(3))
          assert.strictEqual(disk.operations.length, length)
        }),
      )
    }),
  )

  it.effect("reads again what it could not read", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(now)
      const disk = withFile(unversioned)
      yield* inRun(disk, ({ find }) =>
        Effect.gen(function* () {
          disk.fault = ({ method }) => (method === "read" ? "EIO" : "none")
          yield* Effect.flip(find(sessions))
          disk.fault = () => "none"
          assert.isTrue(Option.isSome(yield* find(sessions)))
        }),
      )
    }),
  )

  /** The file as its two positions, by the numbers that they were saved with. */
  const stateOf = (disk: Disk) =>
    inRun(disk, ({ find }) =>
      Effect.map(Effect.forEach([sessions, filtered], find), (found) =>
        found.map((position) => Option.getOrUndefined(position)?.since.epochMilliseconds ?? 0).map((n) => n / 60_000),
      ),
    )

  for (const seed of [1, 2, 3, 4, 5, 6]) {
    it.effect(`has the last positions saved, or those being saved, after any crash (${seed})`, () =>
      Effect.gen(function* () {
        const roll = seededRandom(seed)
        const disk = makeDisk()
        const faults: ReadonlyArray<Fault> = ["crash", "ENOSPC", "EIO", "short"]
        let current = [0, 0]
        // What a power cut may leave: the last state that was saved, and those that were not quite saved after it.
        let possible = [current]
        let notSaved = 0
        for (let n = 1; n < 150; n++) {
          const which = roll() < 0.5 ? 0 : 1
          const next = current.with(which, n)
          let operations = Math.floor(roll() * 25)
          const fault = faults[Math.floor(roll() * faults.length)] ?? "crash"
          disk.fault = () => (operations-- === 0 ? fault : "none")
          const turns = roll() < 0.4 ? Math.floor(roll() * 40) : undefined
          const exit = yield* inRun(disk, ({ save }) =>
            Effect.gen(function* () {
              const work = yield* Effect.forkChild(save(which === 0 ? sessions : filtered, positionAt(n)))
              for (let turn = 0; turn < (turns ?? 0); turn++) yield* Effect.yieldNow
              if (turns !== undefined) yield* Fiber.interrupt(work)
              return yield* Fiber.await(work)
            }).pipe(Effect.provideService(MaxOpsBeforeYield, roll() < 0.5 ? 8 : 2048)),
          )
          disk.fault = () => "none"
          if (Exit.isFailure(exit)) notSaved++
          possible = Exit.isSuccess(exit) ? [next] : [...possible, next]
          const isCut = roll() < 0.5
          if (isCut) disk.powerCut(roll)
          else disk.restart()
          const found = yield* stateOf(disk)
          const expected = isCut ? possible : Exit.isSuccess(exit) ? [next] : [current, next]
          assert.include(expected.map(String), String(found), `step ${n}`)
          current = found
          if (isCut) possible = [found]
        }
        assert.isAbove(notSaved, 20)
        assert.isFalse(disk.paths().some((file) => file.endsWith(".broken")))
      }),
    )
  }
})
