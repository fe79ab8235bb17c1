/** Units that users share: never more than there are, and each user is served. */
import { assert, describe, it } from "@effect/vitest"
import * as FairShares from "@live-response/core/FairShares"
import { TestClock } from "effect/testing"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"

const between = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))

/** What a user asks for, when, and for how long. It may leave before it is served. */
const Request = Schema.Struct({
  user: Schema.Literals(["contoso", "fabrikam", "tailspin"]),
  amount: between(1, 12),
  start: between(0, 20),
  hold: between(0, 20),
  patience: between(0, 60),
})

describe("FairShares", () => {
  it.effect.prop(
    "hands out no more than there is, keeps each user within its share, and serves everyone who stays",
    [Schema.Array(Request).check(Schema.isMaxLength(40)), between(1, 10), between(1, 10)],
    ([requests, total, perUser]) =>
      Effect.gen(function* () {
        const shares = FairShares.make({ total, perUser })
        const held = new Map<string, Array<number>>()
        const check = (user: string) => {
          const all = Array.from(held.values()).flat()
          const sum = (amounts: ReadonlyArray<number>) => amounts.reduce((sum, amount) => sum + amount, 0)
          assert.strictEqual(shares.status().used, sum(all))
          if (all.length > 1) assert.isAtMost(sum(all), total)
          const own = held.get(user) ?? []
          if (own.length > 1) assert.isAtMost(sum(own), perUser)
        }
        const run = ({ amount, hold, patience, start, user }: typeof Request.Type) => {
          const use = Effect.gen(function* () {
            yield* shares.take(user, amount)
            yield* Effect.acquireRelease(
              Effect.sync(() => {
                held.set(user, [...(held.get(user) ?? []), amount])
                check(user)
              }),
              () =>
                Effect.sync(() => {
                  const own = held.get(user) ?? []
                  held.set(user, own.toSpliced(own.indexOf(amount), 1))
                }),
            )
            yield* Effect.sleep(Duration.millis(hold))
          })
          const leave = Effect.sleep(Duration.millis(patience))
          // Of those that stay, none is left waiting.
          return Effect.scoped(patience > 50 ? use : Effect.raceFirst(use, leave)).pipe(
            Effect.delay(Duration.millis(start)),
          )
        }
        const fiber = yield* Effect.forkChild(Effect.forEach(requests, run, { concurrency: "unbounded" }))
        yield* TestClock.adjust(40 * 20 + 100)
        yield* Fiber.join(fiber)
        assert.deepStrictEqual(shares.status(), { used: 0, waiting: 0 })
      }),
  )

  it.effect("serves a user with one request next, although another one has a thousand", () =>
    Effect.gen(function* () {
      const shares = FairShares.make({ total: 2, perUser: 2 })
      const served: Array<string> = []
      const use = (user: string) =>
        Effect.scoped(
          shares
            .take(user, 1)
            .pipe(Effect.andThen(Effect.sync(() => void served.push(user))), Effect.andThen(Effect.sleep("1 second"))),
        )
      const many = Array.from({ length: 1000 }, () => use("contoso"))
      const busy = yield* Effect.forkChild(Effect.all(many, { concurrency: "unbounded" }))
      yield* TestClock.adjust("10 seconds")
      const before = served.length
      const one = yield* Effect.forkChild(use("fabrikam"))
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(served.indexOf("fabrikam"), before)
      yield* Fiber.join(one)
      yield* TestClock.adjust("10 minutes")
      yield* Fiber.join(busy)
    }),
  )

  it.effect("serves a large request although small ones keep coming", () =>
    Effect.gen(function* () {
      const shares = FairShares.make({ total: 10, perUser: 10 })
      const small = Effect.scoped(Effect.andThen(shares.take("contoso", 1), Effect.sleep("1 second")))
      yield* Effect.forkChild(
        Effect.all(
          Array.from({ length: 10 }, () => Effect.forever(small)),
          { concurrency: 10 },
        ),
      )
      yield* TestClock.adjust("500 millis")
      const large = yield* Effect.forkChild(Effect.scoped(Effect.andThen(shares.take("fabrikam", 10), Effect.sleep(1))))
      yield* TestClock.adjust("2 seconds")
      yield* Fiber.join(large)
    }),
  )
})
