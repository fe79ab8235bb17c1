import { assert, describe, it } from "@effect/vitest"
import * as ActionWatch from "@live-response/core/ActionWatch"
import type { ApiError } from "@live-response/core/ApiError"
import { DefenderApi } from "@live-response/core/DefenderApi"
import * as DefenderError from "@live-response/core/DefenderError"
import * as MachineAction from "@live-response/core/MachineAction"
import * as Timing from "@live-response/core/Timing"
import { inVirtualTime } from "@live-response/core/testing/LiveResponseTest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as HttpClient from "effect/http/HttpClient"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Schedule from "effect/Schedule"
import * as Scheduler from "effect/Scheduler"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"

const between = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))

const decodeId = Schema.decodeSync(MachineAction.MachineActionId)
const idAt = (n: number) => decodeId(`00000000-0000-4000-8000-${n.toString(16).padStart(12, "0")}`)
const decodeAction = Schema.decodeUnknownSync(MachineAction.FromApi)

const forbidden = new DefenderError.DefenderError({
  operation: "list",
  reason: new DefenderError.Forbidden({ status: 403 }),
})

/** How a call ends. */
const Answer = Schema.Literals(["actions", "actions", "nothing", "forbidden", "defect"])

const yields = (count: number) =>
  Effect.forEach(Array.from({ length: count }), () => Effect.yieldNow, { discard: true })

/** A watch over an API that answers by a script, then with all actions. An action is final after `pollsOf` polls. */
const watching = (answers: ReadonlyArray<typeof Answer.Type>, pollsOf: (id: string) => number, pause = 0) => {
  const calls = { count: 0 }
  const polls = new Map<string, number>()
  const actionOf = (id: string) => {
    const seen = (polls.get(id) ?? 0) + 1
    polls.set(id, seen)
    return decodeAction({ id, type: "LiveResponse", status: seen >= pollsOf(id) ? "Succeeded" : "InProgress" })
  }
  const answer = Effect.fnUntraced(function* (
    ids: ReadonlyArray<string>,
  ): Effect.fn.Return<Array<MachineAction.MachineAction>, ApiError> {
    const what = answers[calls.count++] ?? "actions"
    yield* yields(pause)
    if (what === "forbidden") return yield* forbidden
    if (what === "defect") return yield* Effect.die("the client is broken")
    return what === "nothing" ? [] : ids.map(actionOf)
  })
  const api = Layer.mock(DefenderApi, {
    client: HttpClient.make(() => Effect.die("not used here")),
    list: (query) => {
      const ids = Array.from((query?.filter?.expression ?? "").matchAll(/id eq '([^']*)'/g), ([, id = ""]) => id)
      return Stream.unwrap(Effect.map(answer(ids), Stream.fromIterable))
    },
    get: (id) => Effect.sync(() => actionOf(id)),
  })
  return { calls, layer: ActionWatch.layer.pipe(Layer.provide(api)) }
}

const lastOf = (id: MachineAction.MachineActionId) =>
  Effect.flatMap(ActionWatch.ActionWatch, ({ watch }) => Stream.runLast(watch(id)))

const quiet = Effect.provide(Logger.layer([]))

describe("ActionWatch and its callers", () => {
  /** Callers come and leave near the start of a round. */
  const round = 3000
  const watchers = Schema.Array(
    Schema.Struct({
      id: between(0, 3),
      comes: between(0, 2),
      later: between(0, 10),
      leaves: Schema.UndefinedOr(between(0, 2)),
      leavesLater: between(0, 60),
    }),
  )

  it.effect.prop(
    "ends every watch, whatever is interrupted or fails between two steps",
    [watchers, Schema.Array(Answer), between(1, 3), between(0, 3), between(5, 40)],
    ([all, answers, polls, pause, steps]) =>
      Effect.gen(function* () {
        const { calls, layer } = watching(answers, (id) => (Number.parseInt(id.slice(-2), 16) % polls) + 1, pause)
        const batch = Effect.gen(function* () {
          const fibers = yield* Effect.forEach(all, ({ comes, id, later }) =>
            Effect.forkChild(
              Effect.sleep(round * comes).pipe(Effect.andThen(yields(later)), Effect.andThen(lastOf(idAt(id)))),
            ),
          )
          yield* Effect.forEach(all, ({ comes, leaves, leavesLater }, i) => {
            const fiber = fibers[i]
            return leaves === undefined || fiber === undefined
              ? Effect.void
              : Effect.forkChild(
                  Effect.sleep(round * (comes + leaves)).pipe(
                    Effect.andThen(yields(leavesLater)),
                    Effect.andThen(Fiber.interrupt(fiber)),
                  ),
                )
          })
          yield* Effect.sleep("30 minutes")
          const callsBefore = calls.count
          yield* Effect.sleep("30 minutes")
          assert.strictEqual(calls.count, callsBefore, "a call while nothing is watched")
          return fibers.map((fiber) => fiber.pollUnsafe())
        })
        const exits = yield* inVirtualTime(batch, "2 hours").pipe(Effect.provide(layer))
        const mayFail = answers.some((answer) => answer === "forbidden" || answer === "defect")
        for (const [i, exit] of exits.entries()) {
          assert.isDefined(exit, `watch ${i} waits forever`)
          if (exit === undefined || all[i]?.leaves !== undefined || mayFail) continue
          assert.isTrue(Exit.isSuccess(exit) && exit.value._tag === "Some" && exit.value.value.isFinal, String(exit))
        }
      }).pipe(quiet, Effect.provideService(Scheduler.MaxOpsBeforeYield, steps)),
    { arbitrary: { runs: 200, size: 12 } },
  )

  it.effect("ends with a defect for the polled actions only, and logs it", () => {
    const errors: Array<string> = []
    const logger = Logger.make(({ logLevel, message }) => errors.push(`${logLevel} ${String(message)}`))
    const { layer } = watching(["actions", "defect"], () => 3)
    return Effect.gen(function* () {
      const first = yield* Effect.forkChild(lastOf(idAt(0)))
      yield* TestClock.adjust("10 seconds")
      assert.include(String(first.pollUnsafe()), "the client is broken")
      const next = yield* inVirtualTime(lastOf(idAt(1)), "1 minute")
      assert.strictEqual(next._tag === "Some" && next.value.isFinal, true)
      assert.strictEqual(errors.length, 1)
      assert.match(errors[0] ?? "", /^Error machine actions could not be read/)
    }).pipe(Effect.provide(Layer.provideMerge(layer, Logger.layer([logger]))))
  })

  it.effect.each([
    { what: "breaks", rounds: Schedule.modifyDelay(Schedule.forever, () => Effect.die("the schedule is broken")) },
    { what: "ends", rounds: Schedule.upTo(Schedule.spaced("3 seconds"), { times: 2 }) },
  ])("ends every watch if the schedule of the rounds $what", ({ rounds, what }) => {
    const { layer } = watching([], () => 100)
    return Effect.gen(function* () {
      for (let n = 0; n < 2; n++) {
        const exit = yield* Effect.exit(inVirtualTime(Effect.timeout(lastOf(idAt(n)), "1 hour")))
        assert.include(String(exit), what === "breaks" ? "the schedule is broken" : "Success")
      }
    }).pipe(quiet, Effect.provide(layer.pipe(Layer.provide(Timing.layer({ rounds })))))
  })

  it.effect("ends a watch with the service", () => {
    const { layer } = watching([], () => 100)
    return Effect.gen(function* () {
      const scope = yield* Scope.make()
      const context = yield* Layer.buildWithScope(layer, scope)
      const watch = yield* Effect.forkChild(Effect.provide(lastOf(idAt(0)), context))
      yield* TestClock.adjust("10 seconds")
      yield* Scope.close(scope, Exit.void)
      yield* TestClock.adjust("1 milli")
      assert.isDefined(watch.pollUnsafe())
    })
  })
})
