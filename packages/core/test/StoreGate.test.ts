import { assert, describe, it } from "@effect/vitest"
import * as ObjectStore from "@live-response/core/ObjectStore"
import {
  Files,
  ObjectStoreError,
  type Reason,
  Refused,
  Unavailable,
  Unreachable,
} from "@live-response/core/ObjectStoreError"
import { StoreError } from "@live-response/core/StoreError"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as TestClock from "effect/testing/TestClock"
import * as StoreGate from "../src/internal/storeGate.ts"

const full = new ObjectStoreError({ object: "a", reason: new Files({ problem: "DiskFull", detail: "ENOSPC" }) })

const silent = () => Effect.void

/** The gates of a store that nothing else uses. */
const makeGates = Effect.map(
  ObjectStore.ObjectStore.pipe(Effect.provide(ObjectStore.layerMemory, { local: true })),
  StoreGate.gatesOf,
)

const makeUploads = Effect.map(makeGates, ({ uploads }) => uploads)

const start = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.forkScoped(effect, { startImmediately: true })

const isDone = (fiber: Fiber.Fiber<unknown, unknown>) => fiber.pollUnsafe() !== undefined

describe("the uploads to a store that is full", () => {
  it.effect("succeed where the store refuses another one alone, and links are requested again", () =>
    Effect.gen(function* () {
      const uploads = yield* makeUploads
      yield* Effect.forkScoped(uploads.through(Effect.fail(full), silent), { startImmediately: true })
      const link = yield* start(uploads.untilOpen("b", silent))
      assert.isUndefined(link.pollUnsafe())
      const small = yield* Effect.forkChild(uploads.through(Effect.succeed("stored"), silent))
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(small.pollUnsafe()?._tag, "Success")
      yield* Fiber.join(link)
    }).pipe(Effect.scoped),
  )

  it.effect("let one link be requested every five minutes, and all once the store turns out to refuse one alone", () =>
    Effect.gen(function* () {
      const uploads = yield* makeUploads
      yield* start(uploads.through(Effect.fail(full), silent))
      /** As a call does it: one that is not let through gives its permit back, and comes again. */
      const link = (key: string) =>
        uploads
          .untilOpen(key, silent)
          .pipe(Effect.timeoutOption("30 seconds"), Effect.repeat({ until: Option.isSome }), start)
      const links = [yield* link("b"), yield* link("c"), yield* link("d")]
      const requested = () => links.filter(isDone).length
      yield* TestClock.adjust("270 seconds")
      assert.strictEqual(requested(), 0)
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(requested(), 1)
      // Its link may have to be renewed.
      const [first] = links.flatMap((fiber, i) => (isDone(fiber) ? ["b", "c", "d"].slice(i, i + 1) : []))
      yield* uploads.untilOpen(first ?? "", silent)
      yield* TestClock.adjust("5 minutes")
      assert.strictEqual(requested(), 2)
      yield* uploads.through(Effect.void, silent)
      yield* Fiber.joinAll(links)
      // It fails again and again, alone.
      yield* TestClock.adjust("10 minutes")
      assert.isTrue(uploads.isOpen())
      yield* start(uploads.through(Effect.fail(full), silent))
      assert.isFalse(uploads.isOpen())
    }).pipe(Effect.scoped),
  )

  it.effect("say each minute why they wait, and so do links", () =>
    Effect.gen(function* () {
      const uploads = yield* makeUploads
      const said = { trying: 0, waiting: 0, link: 0 }
      const count = (who: keyof typeof said) => () => Effect.sync(() => void said[who]++)
      const slow = Effect.andThen(Effect.sleep("1 hour"), Effect.fail(full))
      yield* Effect.forkScoped(uploads.through(Effect.fail(full), count("trying")), { startImmediately: true })
      // It takes its turn, and does not give it back for an hour.
      yield* Effect.forkScoped(uploads.through(slow, count("waiting")), { startImmediately: true })
      yield* start(uploads.untilOpen("a", count("link")))
      assert.strictEqual(said.link, 1)
      yield* TestClock.adjust("5 minutes")
      assert.isAtLeast(said.trying, 5)
      assert.isAtLeast(said.waiting, 5)
    }).pipe(Effect.scoped),
  )
})

describe("the links of a tenant of which a result could not be stored", () => {
  it.effect(
    "take turns until a result is stored: a turn ends with its result, and while that waits for the store",
    () =>
      Effect.gen(function* () {
        const { links } = (yield* makeGates).ofPrefix("tenants/one")
        const refused = Exit.fail(new StoreError({ path: "a", problem: "Failed", detail: "refused" }))
        for (const key of ["a", "b", "c", "d", "e"]) yield* links.start(key)
        yield* links.turnOf("a")
        yield* links.finish("a", refused)
        yield* links.turnOf("b")
        const turns = [
          yield* start(links.turnOf("c")),
          yield* start(links.turnOf("d")),
          yield* start(links.turnOf("e")),
        ]
        const requested = Effect.as(TestClock.adjust("1 second"), turns).pipe(Effect.map((all) => all.map(isDone)))
        assert.deepStrictEqual(yield* requested, [false, false, false])
        // Nothing was stored: its writer was only opened.
        yield* links.finish("b", Exit.void)
        assert.deepStrictEqual(yield* requested, [true, false, false])
        yield* links.waits("c")
        assert.deepStrictEqual(yield* requested, [true, true, false])
        yield* links.works
        assert.deepStrictEqual(yield* requested, [true, true, true])
        yield* links.finish("d", Exit.void)
      }).pipe(Effect.scoped),
  )
})

describe("the links of a store that refuses requests", () => {
  const errorOf = (reason: Reason) => new ObjectStoreError({ object: "a", reason })
  const refusal = errorOf(new Refused({ status: 403 }))

  /** Two tenants of a store whose answer to a request is that of `answer`. */
  type Answer = () => Effect.Effect<Option.Option<ObjectStore.Info>, ObjectStoreError>

  /** The gates of a store that answers requests so. */
  const gatesAsking = (answer: Answer) =>
    ObjectStore.ObjectStore.pipe(
      Effect.provide(ObjectStore.layerMemory, { local: true }),
      Effect.map((memory) => StoreGate.gatesOf({ ...memory, info: () => Effect.suspend(answer) })),
    )

  const makeTenants = (answer: Answer) =>
    Effect.gen(function* () {
      const gates = yield* gatesAsking(answer)
      const tenants = ["tenants/one", "tenants/two"].map((prefix) => gates.ofPrefix(prefix).access)
      const links = yield* Effect.forEach(["a", "b", "c"], (key) =>
        Effect.forEach(tenants, (access, i) => start(access.untilGranted(`${key}${i}`, silent))),
      )
      return { tenants, requested: () => links.flat().filter(isDone).length }
    })

  it.effect.each([
    new Refused({ status: 403 }),
    new Refused({ status: 404, code: "ContainerNotFound" }),
    new Files({ problem: "NotWritable", detail: "EROFS" }),
    new Unreachable({ description: "self-signed certificate", kind: "certificate" }),
  ])("are one at first and one every five minutes, of all tenants together, until it accepts requests", (reason) =>
    Effect.gen(function* () {
      const refusal = errorOf(reason)
      let [isRefused, asked] = [true, 0]
      const { requested, tenants } = yield* makeTenants(() => {
        asked++
        return isRefused ? Effect.fail(refusal) : Effect.succeedNone
      })
      assert.strictEqual(requested(), 1)
      // Its result is downloaded, and lost. So are the next ones.
      yield* Effect.forEach(tenants, ({ refused }) => refused)
      yield* TestClock.adjust("4 minutes")
      assert.strictEqual(requested(), 1)
      yield* TestClock.adjust("2 minutes")
      assert.strictEqual(requested(), 2)
      assert.isAtMost(asked, 2 * 2 * 7)
      isRefused = false
      yield* TestClock.adjust("30 seconds")
      assert.strictEqual(requested(), 6)
      // It refuses what it did not refuse before.
      isRefused = true
      yield* Effect.forEach(tenants, ({ refused }) => refused)
      assert.isFalse(tenants.some(({ isGranted }) => isGranted()))
    }).pipe(Effect.scoped),
  )

  it.effect("are all requested once a result is stored, because it may refuse to read alone", () =>
    Effect.gen(function* () {
      const { requested, tenants } = yield* makeTenants(() => Effect.fail(refusal))
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(requested(), 1)
      yield* tenants[0]?.works("a0") ?? Effect.void
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(requested(), 6)
      assert.isTrue(tenants.every(({ isGranted }) => isGranted()))
    }).pipe(Effect.scoped),
  )

  it.effect("are all requested once the one that was is stored, and not once one is that was requested before", () =>
    Effect.gen(function* () {
      const gates = yield* gatesAsking(() => Effect.fail(refusal))
      // It has no other result whose link could ask.
      const first = gates.ofPrefix("tenants/one").access
      yield* first.untilGranted("a", silent)
      const second = gates.ofPrefix("tenants/two").access
      const link = yield* start(second.untilGranted("b", silent))
      yield* second.works("before")
      yield* TestClock.adjust("1 minute")
      assert.isFalse(isDone(link))
      yield* first.works("a")
      yield* TestClock.adjust("30 seconds")
      assert.isTrue(isDone(link))
    }).pipe(Effect.scoped),
  )

  it.effect("are said to be requested again once those of each tenant are, apart from one that has moved away", () => {
    const lines: Array<string> = []
    const logger = Logger.make(({ message }) => lines.push(String(message)))
    return Effect.gen(function* () {
      let isRefused = true
      const gates = yield* gatesAsking(() => (isRefused ? Effect.fail(refusal) : Effect.succeedNone))
      const stays = gates.ofPrefix("tenants/one").access
      const moves = gates.ofPrefix("tenants/two").access
      yield* start(stays.untilGranted("a", silent))
      const moving = yield* start(moves.untilGranted("a", silent))
      yield* start(stays.untilGranted("b", silent))
      yield* Fiber.interrupt(moving)
      yield* moves.leave
      isRefused = false
      yield* TestClock.adjust("30 seconds")
      assert.strictEqual(lines.length, 2)
      assert.strictEqual(lines[1], "memory: accepts requests again")
    }).pipe(Effect.scoped, Effect.provide(Logger.layer([logger])))
  })

  it.effect("wait again where it refuses the credential after it has accepted it, whatever was stored meanwhile", () =>
    Effect.gen(function* () {
      let isRefused = true
      const { requested, tenants } = yield* makeTenants(() => (isRefused ? Effect.fail(refusal) : Effect.succeedNone))
      // The credential has its rights now, and so the one result is stored.
      isRefused = false
      yield* tenants[0]?.works("a0") ?? Effect.void
      yield* TestClock.adjust("30 seconds")
      assert.strictEqual(requested(), 6)
      isRefused = true
      yield* Effect.forEach(tenants, ({ refused }) => refused)
      assert.isFalse(tenants.some(({ isGranted }) => isGranted()))
    }).pipe(Effect.scoped),
  )

  it.effect("are one while a request has no answer for longer than a link waits, which is said", () =>
    Effect.gen(function* () {
      let isSilent = true
      const gates = yield* gatesAsking(() => (isSilent ? Effect.never : Effect.succeedNone))
      const { access } = gates.ofPrefix("tenants/one")
      const said: Array<string> = []
      const say = ({ message }: ObjectStoreError) => Effect.sync(() => void said.push(message))
      /** As a call does it: one that is not let through gives its permit back, and comes again. */
      const link = (key: string) =>
        access.untilGranted(key, say).pipe(Effect.timeoutOption("30 seconds"), Effect.repeat({ until: Option.isSome }))
      const links = yield* Effect.forEach(["a", "b", "c"], (key) => start(link(key)))
      const requested = () => links.filter(isDone).length
      yield* TestClock.adjust("4 minutes")
      assert.strictEqual(requested(), 1)
      assert.match(said[0] ?? "", /access-check: it does not answer \(no usable answer within 20 seconds\)/)
      isSilent = false
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(requested(), 3)
    }).pipe(Effect.scoped),
  )

  it.effect("are not all requested for ever because one result is stored while another one is refused", () =>
    Effect.gen(function* () {
      let isRefused = false
      const { tenants } = yield* makeTenants(() => (isRefused ? Effect.fail(refusal) : Effect.succeedNone))
      const [first] = tenants
      yield* first?.refused ?? Effect.void
      yield* first?.works("a0") ?? Effect.void
      isRefused = true
      yield* first?.refused ?? Effect.void
      assert.isFalse(first?.isGranted())
    }).pipe(Effect.scoped),
  )

  it.effect("wait for nothing where requests are accepted, or fail for another reason", () =>
    Effect.gen(function* () {
      const away = errorOf(new Unavailable({ status: 503 }))
      for (const answer of [Effect.succeedNone, Effect.fail(away), Effect.fail(full)]) {
        const { requested } = yield* makeTenants(() => answer)
        assert.strictEqual(requested(), 6)
      }
    }).pipe(Effect.scoped),
  )
})
