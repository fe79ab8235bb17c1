/** How many sessions are under way, of those that may be. */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"
import type { MachineAction } from "../MachineAction.ts"
import { absentAfter } from "../RetryPolicy.ts"

/** The place of one session. */
export interface Place {
  /** What a look at its action says of it: nothing new, that its machine is not there, or that it is there again. */
  readonly look: (action: MachineAction) => Effect.Effect<"offline" | "online" | undefined>

  readonly leave: Effect.Effect<void>
}

/**
 * A session whose machine is not there gives its place to another: it would keep it for days. When it begins after all
 * nobody can hold it back, so there is one place less until a session ends.
 */
export const make = Effect.fnUntraced(function* (limit: number) {
  const free = yield* Semaphore.make(limit)
  let beyond = 0
  const resize = (change: number) =>
    Effect.suspend(() => {
      beyond += change
      return free.resize(Math.max(0, limit - beyond))
    })

  const place = (holds: "a place" | "one beyond") =>
    Effect.map(Clock.currentTimeMillis, (began): Place => {
      let held: "a place" | "one beyond" | "nothing" = holds
      const leave = Effect.suspend(() => {
        const before = held
        held = "nothing"
        if (before === "nothing") return Effect.void
        return before === "a place" ? Effect.asVoid(free.release(1)) : resize(-1)
      })
      let isAbsent = false
      return {
        leave,
        look: Effect.fnUntraced(function* ({ status }) {
          if (isAbsent && status === "InProgress") {
            isAbsent = false
            held = "one beyond"
            yield* resize(1)
            return "online"
          }
          if (isAbsent || status !== "Pending") return undefined
          const waited = (yield* Clock.currentTimeMillis) - began
          if (waited < Duration.toMillis(absentAfter)) return undefined
          isAbsent = true
          yield* leave
          return "offline"
        }),
      }
    })

  return {
    /** Waits for a place. */
    take: Effect.andThen(free.take(1), place("a place")),

    /** For a session that is under way already. */
    join: Effect.andThen(resize(1), place("one beyond")),
  }
})
