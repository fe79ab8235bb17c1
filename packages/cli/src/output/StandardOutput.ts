/**
 * Standard output that can't be written any more: its reader has ended, as `head` does, or the disk behind it is full.
 */
import * as Effect from "effect/Effect"
import { closedPipe, type Failure, machine } from "../Failure.ts"

/** There is one stdout, and so one state of it. */
let failure: Failure | undefined

const failureOf = (error: NodeJS.ErrnoException): Failure =>
  error.code === "EPIPE" || error.code === "EOF"
    ? closedPipe
    : machine(`can't write to standard output (${error.code ?? error.message})`)

/** What is wrong with it, once something is. */
export const problem = (): Failure | undefined => failure

/** Remembers for the rest of the process what is wrong, also where nobody waits for it: an error without a listener would end it. */
export const listen = (): void => {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    failure ??= failureOf(error)
  })
  // There is nowhere left to say that stderr is closed, and the work is not done for its sake.
  process.stderr.on("error", () => undefined)
}

/** Everything was taken that was written; an error comes a tick later. */
const flushed = Effect.callback<void>((resume) => void process.stdout.write("", () => resume(Effect.yieldNow)))

/** Interrupts an effect when its output can't be written any more, waits until that has ended in order, and fails. */
export const whileOpen = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | Failure, R> =>
  Effect.raceFirst(
    Effect.tap(effect, () => flushed),
    Effect.callback<never, Failure>((resume) => {
      const fail = (error: NodeJS.ErrnoException) => resume(Effect.fail(failureOf(error)))
      process.stdout.on("error", fail)
      return Effect.sync(() => process.stdout.off("error", fail))
    }),
  )
