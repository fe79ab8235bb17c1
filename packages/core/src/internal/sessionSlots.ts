/** Limits how many sessions are in progress at once. */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { MachineAction } from "../MachineAction.ts"
import { offlineAfter } from "./offlineMachine.ts"
import { WaitingLine } from "./waitingLine.ts"

/** The slot of one session. */
export interface Slot {
  /** Takes the current state of the session's action. Returns a change: the machine went offline, or came back online. */
  readonly update: (action: MachineAction) => Effect.Effect<"offline" | "online" | undefined>

  readonly release: Effect.Effect<void>
}

interface State {
  readonly startedAt: number
  isHeld: boolean
  isAbsent: boolean
}

/** What the state of an action changes about a session. */
const changeOf = ({ isAbsent, startedAt }: State, { status }: MachineAction, now: number) => {
  if (isAbsent) return status === "InProgress" ? "online" : undefined
  const isLate = status === "Pending" && now - startedAt >= Duration.toMillis(offlineAfter)
  return isLate ? "offline" : undefined
}

/**
 * A session whose machine is offline releases its slot, because it may be pending for days. It takes a slot again when it
 * starts after all. That can exceed the limit; then no other session starts until there are fewer.
 */
export const make = (limit: number) => {
  const line = new WaitingLine<"slot", never>()
  let held = 0

  const grant = () => {
    while (held < limit && line.size > 0) {
      held++
      line.grant("slot")
    }
  }
  const release = () => {
    held--
    grant()
  }

  /** The slot of a session that `held` counts already. */
  const slot = Effect.map(Clock.currentTimeMillis, (startedAt): Slot => {
    const state: State = { startedAt, isHeld: true, isAbsent: false }
    const releaseOnce = () => {
      if (!state.isHeld) return
      state.isHeld = false
      release()
    }
    return {
      release: Effect.sync(releaseOnce),
      update: (action) =>
        Effect.map(Clock.currentTimeMillis, (now) => {
          const change = changeOf(state, action, now)
          if (change === undefined) return undefined
          state.isAbsent = change === "offline"
          if (state.isAbsent) releaseOnce()
          else {
            state.isHeld = true
            held++
          }
          return change
        }),
    }
  })

  return {
    /** Waits for a slot in its caller's mask. An interrupted caller has none. */
    acquire: (restore: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>): Effect.Effect<Slot> =>
      Effect.suspend(() => {
        const ticket = line.enter(false)
        grant()
        const leave = Effect.sync(() => {
          if (line.leave(ticket) !== undefined) release()
        })
        return Effect.andThen(
          Effect.onError(restore(Deferred.await(ticket.granted)), () => leave),
          slot,
        )
      }),

    /** The slot of a session that is in progress already. It does not wait. */
    occupy: Effect.uninterruptible(
      Effect.suspend(() => {
        held++
        return slot
      }),
    ),
  }
}

export type SessionSlots = ReturnType<typeof make>
