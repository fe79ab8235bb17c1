/** Runs that are killed while the service continues, over one disk. */
import { assert, describe, it } from "@effect/vitest"
import * as ActionWatch from "@live-response/core/ActionWatch"
import { layer as layerApi } from "@live-response/core/DefenderApi"
import * as FileName from "@live-response/core/FileName"
import * as Follow from "@live-response/core/Follow"
import * as FollowPosition from "@live-response/core/FollowPosition"
import * as LiveResponse from "@live-response/core/LiveResponse"
import * as Manifest from "@live-response/core/Manifest"
import { FromString } from "@live-response/core/ResultRef"
import * as ResultStore from "@live-response/core/ResultStore"
import * as LiveResponseTest from "@live-response/core/testing/LiveResponseTest"
import * as Simulator from "@live-response/core/testing/Simulator"
import * as Timing from "@live-response/core/Timing"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import { MaxOpsBeforeYield } from "effect/Scheduler"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import { type Disk, makeDisk } from "./support/disk.ts"
import { seededRandom } from "./support/seededRandom.ts"

const idAt = (n: number) => `988cc94e-7a8f-4b28-ab65-${String(n).padStart(12, "0")}`

const decodeRef = Schema.decodeSync(FromString)

const key = FollowPosition.makeKey({})

const directory = "/results"

/** A program over a disk. It is slow to save its position. */
const programOver = (disk: Disk, roll: () => number) =>
  LiveResponse.layer.pipe(
    Layer.provideMerge(
      Layer.effect(
        FollowPosition.FollowPosition,
        Effect.map(FollowPosition.FollowPosition, ({ find, save }) => ({
          find,
          save: (key, position) => Effect.delay(save(key, position), roll() < 0.5 ? 0 : 240_000 * roll()),
        })),
      ).pipe(Layer.provide(FollowPosition.layerFileSystem({ directory }))),
    ),
    Layer.provideMerge(
      Layer.merge(ResultStore.layerFileSystem({ directory }), Manifest.layerFileSystem({ directory })),
    ),
    Layer.provide(disk.layer),
    Layer.provideMerge(Layer.fresh(ActionWatch.layer)),
  )

interface Session {
  readonly n: number
  readonly created: number
  readonly listed: number
  readonly final: number
  readonly results: number
}

/** Sessions of an hour: some are listed as late as possible, some wait for a machine, some are final at once. */
const sessionsOf = (roll: () => number): ReadonlyArray<Session> =>
  Array.from({ length: 16 }, (_, n) => {
    const created = Math.floor(roll() * 3600)
    const listed = created + Math.floor(roll() < 0.2 ? roll() * 540 : roll() * 5)
    return { n, created, listed, final: listed + Math.floor(roll() ** 3 * 300), results: 1 + Math.floor(roll() * 3) }
  })

const contentOf = (n: number, index: number) => `result ${index} of ${n}`

const put = Effect.fnUntraced(function* (
  { created, n, results }: Session,
  status: "InProgress" | "Succeeded",
  updated: number,
  fault: () => ReadonlyArray<Simulator.Fault>,
) {
  const simulator = yield* Simulator.Simulator
  const at = (seconds: number) => DateTime.formatIso(DateTime.makeUnsafe(seconds * 1000))
  const indexes = Array.from({ length: results }, (_, index) => index)
  yield* simulator.addAction({
    id: idAt(n),
    type: "LiveResponse",
    status,
    creationDateTimeUtc: at(created),
    lastUpdateDateTimeUtc: at(updated),
    commands: indexes.map((index) => ({
      index,
      commandStatus: status === "Succeeded" ? "Completed" : "Created",
      command: { type: "RunScript", params: [] },
    })),
  })
  for (const index of indexes) {
    yield* simulator.add(decodeRef(`${idAt(n)}:${index}`), {
      content: new TextEncoder().encode(contentOf(n, index)),
      linkFaults: fault(),
      blobFaults: fault(),
    })
  }
})

const absent: Simulator.Fault = { fault: "status", status: 404, code: "ResourceNotFound" }

const faults: ReadonlyArray<Simulator.Fault> = [
  absent,
  absent,
  { fault: "status", status: 503 },
  { fault: "lost" },
  { fault: "cut", after: 3 },
  { fault: "throttle", retryAfter: 20 },
]

const completedIn = (disk: Disk): ReadonlyArray<string> =>
  new TextDecoder()
    .decode(disk.files.get(`${directory}/${FileName.single.manifest}`))
    .split("\n")
    .flatMap((line) => {
      const [, id, index] = /"status":"completed".*"machineActionId":"([^"]+)","index":(\d+)/.exec(line) ?? []
      return id === undefined ? [] : [`${id}:${index}`]
    })

interface World {
  /** How a program ends: interrupted, by a crash at an operation on its disk, or by a crash and a power cut. */
  readonly end: "interrupted" | "crashed" | "cut"
  /** How far the clock of the service is ahead at first, in seconds. */
  readonly skew: number
}

/** What is on disk after many programs. */
const live = Effect.fnUntraced(function* (seed: number, { end, skew }: World) {
  const roll = seededRandom(seed)
  const sessions = sessionsOf(roll)
  const disk = makeDisk()
  const layer = programOver(disk, roll)
  yield* TestClock.adjust(86_400_000)
  // The clock of the service does not step; the clock of this computer does, forward.
  const started = yield* Clock.currentTimeMillis
  let steps = 0
  const serviceNow = Effect.map(Clock.currentTimeMillis, (now) => (now - started - steps) / 1000)
  const epoch = started / 1000 + skew

  const run = Effect.gen(function* () {
    const since = DateTime.makeUnsafe(0)
    const events = Follow.run({ selection: { key }, since, concurrency: 3 })
    return yield* Stream.runDrain(events).pipe(
      Effect.provide(layer, { local: true }),
      Effect.provideService(MaxOpsBeforeYield, roll() < 0.5 ? 8 : 2048),
      Effect.delay("1 milli"),
      Effect.forkScoped,
    )
  })
  /** Ends the program, in the middle of what it does, and starts the next one. */
  const restart = Effect.fnUntraced(function* (fiber: Fiber.Fiber<void, unknown>) {
    if (end === "interrupted") yield* TestClock.adjust(3000 * roll())
    else if (end === "cut") disk.powerCut(roll)
    else disk.restart()
    yield* Fiber.interrupt(fiber)
    let operations = Math.floor(roll() * 150)
    if (end !== "interrupted") disk.fault = () => (operations-- === 0 ? "crash" : "none")
    return yield* run
  })

  let fiber = yield* run
  let kills = 0
  let nextKill = roll() * 200
  // Some results fail for longer than the list shows their actions to a feed that has seen newer ones.
  const fault = () =>
    roll() < 0.7
      ? []
      : Array.from({ length: 1 + Math.floor(roll() * 5) }, () => faults[Math.floor(roll() * faults.length)] ?? absent)
  for (let now = 0; now < 3600 + 540 + 300; now = yield* serviceNow) {
    const next = now + 60
    for (const session of sessions) {
      const { final, listed } = session
      const here = { ...session, created: epoch + session.created }
      if (listed >= now && listed < next) yield* put(here, "InProgress", epoch + listed, fault)
      if (final >= now && final < next) yield* put(here, "Succeeded", epoch + final, fault)
    }
    if (now >= nextKill || fiber.pollUnsafe() !== undefined) {
      fiber = yield* restart(fiber)
      kills++
      nextKill = now + roll() * 300
    }
    if (roll() < 0.02) {
      yield* TestClock.adjust("15 minutes")
      steps += 15 * 60_000
    }
    yield* TestClock.adjust("1 minute")
  }
  disk.fault = () => "none"
  if (fiber.pollUnsafe() !== undefined) yield* restart(fiber)
  disk.fault = () => "none"
  yield* TestClock.adjust("1 hour")
  const position = yield* Effect.flatMap(FollowPosition.FollowPosition, ({ find }) => find(key)).pipe(
    Effect.provide(FollowPosition.layerFileSystem({ directory }).pipe(Layer.provide(disk.layer)), { local: true }),
  )
  const expected = sessions.flatMap(({ n, results }) =>
    Array.from({ length: results }, (_, index) => ({ n, index, name: `${idAt(n)}:${index}` })),
  )
  return { disk, kills, position, expected }
})

/** Fewer looks at open actions than by default: each costs this test time. */
const rounds = Timing.layer({ rounds: Schedule.spaced("30 seconds") })

const slowService = Layer.fresh(layerApi({ base: "http://localhost" })).pipe(
  Layer.provideMerge(LiveResponseTest.layer({ pageSize: 3, latency: Effect.sleep("700 millis") })),
  Layer.provideMerge(rounds),
)

describe("Follow.run, killed again and again", () => {
  for (const [seed, world] of (
    [
      { end: "interrupted", skew: 0 },
      { end: "interrupted", skew: 3600 },
      { end: "crashed", skew: -3600 },
      { end: "crashed", skew: 0 },
      { end: "cut", skew: 0 },
      { end: "cut", skew: 600 },
    ] satisfies ReadonlyArray<World>
  ).entries()) {
    it.effect(
      `misses no result and downloads none twice: ${world.end}, with the service's clock ${world.skew} s ahead`,
      () =>
        Effect.gen(function* () {
          const { disk, expected, kills, position } = yield* live(seed + 1, world)
          assert.isAbove(kills, 10)
          for (const { index, n, name } of expected) {
            const bytes = disk.files.get(`${directory}/${idAt(n)}/${index}.bin`)
            assert.strictEqual(new TextDecoder().decode(bytes), contentOf(n, index), name)
          }
          const completed = completedIn(disk)
          assert.sameMembers(
            Array.from(new Set(completed)),
            expected.map(({ name }) => name),
          )
          if (world.end === "interrupted") assert.strictEqual(completed.length, expected.length)
          assert.deepInclude(position, { _tag: "Some" })
          assert.deepStrictEqual(
            position.pipe((some) => (some._tag === "Some" ? some.value.open : undefined)),
            [],
          )
        }).pipe(Effect.scoped, Effect.provide(slowService)),
    )
  }
})
