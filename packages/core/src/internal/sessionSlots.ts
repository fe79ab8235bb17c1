/** Limits how many sessions are in progress at once. */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { MachineAction } from "../MachineAction.ts"
import { WaitingLine } from "./waitingLine.ts"

/** How long a session may be pending before its machine counts as offline: it releases its slot, and is polled less often. */
export const offlineAfter: Duration.Duration = Duration.minutes(2)

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

type Restore = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

/** A limit of sessions in progress. */
interface Limit {
  /** Waits until one session more is within the limit, in its caller's mask. An interrupted caller counts for none. */
  readonly enter: (restore: Restore) => Effect.Effect<void>

  /** Counts a session more, also above the limit: then none enters until there are fewer. */
  readonly occupy: () => void

  readonly leave: () => void
}

const makeLimit = (limit: number): Limit => {
  const line = new WaitingLine<"slot", never>()
  let held = 0

  const grant = () => {
    while (held < limit && line.size > 0) {
      held++
      line.grant("slot")
    }
  }
  const leave = () => {
    held--
    grant()
  }
  return {
    leave,
    occupy: () => void held++,
    enter: (restore) =>
      Effect.suspend(() => {
        const ticket = line.enter(false)
        grant()
        const giveBack = Effect.sync(() => {
          if (line.leave(ticket) !== undefined) leave()
        })
        return Effect.onError(Effect.asVoid(restore(Deferred.await(ticket.granted))), () => giveBack)
      }),
  }
}

/** The slot of a session that the limits count already. */
const slotOf = (limits: ReadonlyArray<Limit>) =>
  Effect.map(Clock.currentTimeMillis, (startedAt): Slot => {
    const state: State = { startedAt, isHeld: true, isAbsent: false }
    const releaseOnce = () => {
      if (!state.isHeld) return
      state.isHeld = false
      for (const { leave } of limits) leave()
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
            for (const { occupy } of limits) occupy()
          }
          return change
        }),
    }
  })

/** Enters one limit after the other. */
const enterAll = (limits: ReadonlyArray<Limit>, restore: Restore): Effect.Effect<void> =>
  Effect.suspend(() => {
    const [first, ...rest] = limits
    if (first === undefined) return Effect.void
    return Effect.andThen(
      first.enter(restore),
      Effect.onError(enterAll(rest, restore), () => Effect.sync(first.leave)),
    )
  })

export interface SessionSlots {
  /** What a session counts for. */
  readonly limits: ReadonlyArray<Limit>

  /** Waits for a slot in its caller's mask. An interrupted caller has none. */
  readonly acquire: (restore: Restore) => Effect.Effect<Slot>

  /** The slot of a session that is in progress already. It does not wait. */
  readonly occupy: Effect.Effect<Slot>
}

const over = (limits: ReadonlyArray<Limit>): SessionSlots => ({
  limits,
  acquire: (restore) => Effect.andThen(enterAll(limits, restore), slotOf(limits)),
  occupy: Effect.uninterruptible(
    Effect.suspend(() => {
      for (const { occupy } of limits) occupy()
      return slotOf(limits)
    }),
  ),
})

/**
 * A session whose machine is offline releases its slot, because it may be pending for days. It takes a slot again when it
 * starts after all. That can exceed the limit; then no other session starts until there are fewer.
 */
export const make = (limit: number): SessionSlots => over([makeLimit(limit)])

/** Slots of sessions that count for the limits of both. */
export const both = (one: SessionSlots, other: SessionSlots): SessionSlots => over([...one.limits, ...other.limits])
