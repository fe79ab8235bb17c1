/** What every store of positions does. */
import { assert, describe, it } from "@effect/vitest"
import * as ActionFeed from "@live-response/core/ActionFeed"
import * as FollowPosition from "@live-response/core/FollowPosition"
import { MachineActionId } from "@live-response/core/MachineAction"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"

const decodeId = Schema.decodeSync(MachineActionId)

export const idAt = (n: number) => decodeId(`988cc94e-7a8f-4b28-ab65-${String(n).padStart(12, "0")}`)

export const positionAt = (n: number) =>
  ActionFeed.Position.make({
    since: DateTime.makeUnsafe(n * 60_000),
    open: Array.from({ length: n % 20 }, (_, i) => idAt(n + i)),
  })

export const sessions = FollowPosition.makeKey({ type: ["LiveResponse"] })

/** `layer` makes an empty store. `clock` is `real` for that of a server. */
export const positionSuite = <E>(
  name: string,
  layer: () => Layer.Layer<FollowPosition.FollowPosition, E>,
  clock: "virtual" | "real",
) => {
  const test = clock === "virtual" ? it.effect : it.live
  describe(name, () => {
    test("has no position at first, and then the last one saved", () =>
      Effect.gen(function* () {
        const { find, save } = yield* FollowPosition.FollowPosition
        assert.deepStrictEqual(yield* find(sessions), Option.none())
        yield* save(sessions, positionAt(1))
        yield* save(sessions, positionAt(2))
        assert.deepStrictEqual(yield* find(sessions), Option.some(positionAt(2)))
      }).pipe(Effect.provide(layer())))

    test("separates selections, also those whose values contain line breaks", () =>
      Effect.gen(function* () {
        const { find, save } = yield* FollowPosition.FollowPosition
        const keys = [
          sessions,
          FollowPosition.makeKey({ machine: ["a"], type: ["b"] }),
          FollowPosition.makeKey({ machine: ["a\ntype b"] }),
          FollowPosition.makeKey({}),
        ]
        for (const [n, key] of keys.entries()) yield* save(key, positionAt(n))
        for (const [n, key] of keys.entries()) {
          assert.deepStrictEqual(yield* find(key), Option.some(positionAt(n)))
        }
      }).pipe(Effect.provide(layer())))
  })
}
