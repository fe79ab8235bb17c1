/** What V8 does in a process of its own: the one of the tests has its own heap. */
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"

const cwd = fileURLToPath(new URL("..", import.meta.url))

/** The space for new objects before and after a program has created many that stay for a while, in bytes. */
const grown = (...parts: ReadonlyArray<string>) =>
  Effect.callback<ReadonlyArray<number>>((resume) => {
    const program = `
      import * as Effect from "effect/Effect"
      import { getHeapSpaceStatistics } from "node:v8"
      import * as SmallHeap from "./src/SmallHeap.ts"
      const print = Effect.sync(() =>
        console.log(getHeapSpaceStatistics().find(({ space_name }) => space_name === "new_space").space_size))
      const kept = []
      const create = Effect.sync(() => {
        for (let i = 0; i < 20_000; i++) kept[(kept.length + i) % 200_000] = { i, list: [i] }
      })
      const some = Effect.andThen(create, Effect.sleep(1))
      const all = [${parts.map((part) => `SmallHeap.${part}`).join()}, print, Effect.repeat(some, { times: 200 }), print]
      await Effect.runPromise(Effect.scoped(Effect.all(all)))`
    execFile(process.execPath, ["--input-type=module", "--eval", program], { cwd }, (error, stdout) =>
      resume(error === null ? Effect.succeed(stdout.trim().split("\n").map(Number)) : Effect.die(error)),
    )
  })

describe("the space for new objects", () => {
  it.live("grows while a program downloads, and no further where a part of the program keeps it small", () =>
    Effect.gen(function* () {
      const [before = 0, after = 0] = yield* grown("keepNewModerate")
      assert.isAbove(after, before)
      const [smallBefore = 0, smallAfter = 0] = yield* grown("keepNewModerate", "keepHeapSmall")
      assert.isAbove(smallBefore, 0)
      assert.isAtMost(smallAfter, smallBefore)
    }),
  )
})
