/** How many sessions are under way, of those that may be. */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { MachineAction } from "../MachineAction.ts"
import { absentAfter } from "../Timing.ts"
import { WaitingLine } from "./waitingLine.ts"

/** The place of one session. */
export interface Place {
  /** What a look at its action says of it: nothing new, that its machine is not there, or that it is there again. */
  readonly look: (action: MachineAction) => Effect.Effect<"offline" | "online" | undefined>

  readonly leave: Effect.Effect<void>
}

/**
 * A session whose machine is not there gives its place to another: it would keep it for days. When it begins after all
 * nobody can hold it back, so there may be more than the limit, and none is let in until there are fewer.
 */
export const make = (limit: number) => {
  const line = new WaitingLine<"a place", never>()
  let held = 0

  const letIn = () => {
    while (held < limit && line.size > 0) {
      held++
      line.handOver("a place")
    }
  }
  const release = () => {
    held--
    letIn()
  }

  /** The place of a session that is counted in. */
  const place = Effect.map(Clock.currentTimeMillis, (began): Place => {
    let isHeld = true
    let isAbsent = false
    const leave = () => {
      if (!isHeld) return
      isHeld = false
      release()
    }
    return {
      leave: Effect.sync(leave),
      look: ({ status }) =>
        Effect.map(Clock.currentTimeMillis, (now) => {
          if (isAbsent && status === "InProgress") {
            isAbsent = false
            isHeld = true
            held++
            return "online"
          }
          if (isAbsent || status !== "Pending" || now - began < Duration.toMillis(absentAfter)) return undefined
          isAbsent = true
          leave()
          return "offline"
        }),
    }
  })

  return {
    /** Waits for a place, in its caller's mask: who is interrupted has none. */
    take: (restore: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>): Effect.Effect<Place> =>
      Effect.suspend(() => {
        const ticket = line.enter(false)
        letIn()
        const leave = Effect.sync(() => {
          if (line.leave(ticket) !== undefined) release()
        })
        return Effect.andThen(
          Effect.onError(restore(Deferred.await(ticket.turn)), () => leave),
          place,
        )
      }),

    /** For a session that is under way already. */
    join: Effect.uninterruptible(
      Effect.suspend(() => {
        held++
        return place
      }),
    ),
  }
}
