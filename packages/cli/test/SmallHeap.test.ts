/** What V8 does in a process of its own: the one of the tests has its own heap. */
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"

const cwd = fileURLToPath(new URL("..", import.meta.url))

/** The sizes of the space for new objects that a program prints, in bytes. `create` creates many that stay for a while. */
const sizes = (...parts: ReadonlyArray<string>) =>
  Effect.callback<ReadonlyArray<number>>((resume) => {
    const program = `
      import * as Effect from "effect/Effect"
      import * as TestClock from "effect/testing/TestClock"
      import { getHeapSpaceStatistics } from "node:v8"
      import * as SmallHeap from "./src/SmallHeap.ts"
      const print = Effect.sync(() =>
        console.log(getHeapSpaceStatistics().find(({ space_name }) => space_name === "new_space").space_size))
      const kept = []
      const some = Effect.sync(() => {
        for (let i = 0; i < 20_000; i++) kept[(kept.length + i) % 200_000] = { i, list: [i] }
      })
      const create = Effect.repeat(Effect.andThen(some, TestClock.withLive(Effect.sleep(1))), { times: 200 })
      await Effect.runPromise(Effect.scoped(Effect.all([${parts.join()}])).pipe(Effect.provide(TestClock.layer())))`
    execFile(process.execPath, ["--input-type=module", "--eval", program], { cwd }, (error, stdout) =>
      resume(error === null ? Effect.succeed(stdout.trim().split("\n").map(Number)) : Effect.die(error)),
    )
  })

describe("the space for new objects", () => {
  it.live("grows while a program downloads, and no further where a part of the program keeps it small", () =>
    Effect.gen(function* () {
      const [before = 0, after = 0] = yield* sizes("SmallHeap.keepNewModerate", "print", "create", "print")
      assert.isAbove(after, before)
      const [smallBefore = 0, smallAfter = 0] = yield* sizes(
        "SmallHeap.keepNewModerate",
        "SmallHeap.keepHeapSmall",
        "print",
        "create",
        "print",
      )
      assert.isAbove(smallBefore, 0)
      assert.isAtMost(smallAfter, smallBefore)
    }),
  )

  it.live("is given back when a runner has nothing to do", () =>
    Effect.gen(function* () {
      const quiet = `TestClock.adjust("15 seconds")`
      const [busy = 0, idle = 0] = yield* sizes("SmallHeap.keepHeapByLoad", "create", "print", quiet, "print")
      assert.isAtLeast(busy, 8 * 1024 * 1024)
      assert.isAtMost(idle, 2 * 1024 * 1024)
    }),
  )
})
