/**
 * Errors of standard output: its reader has closed it, as `head` does, or the disk behind it is full.
 */
import * as Effect from "effect/Effect"
import { closedPipe, type Failure, machine } from "../Failure.ts"

/** The process has one standard output, and so one state of it. */
let failure: Failure | undefined

const failureOf = (error: NodeJS.ErrnoException): Failure =>
  error.code === "EPIPE" || error.code === "EOF"
    ? closedPipe
    : machine(`can't write to standard output (${error.code ?? error.message})`)

/** The first error of standard output, if it had any. */
export const problem = (): Failure | undefined => failure

/** Listens for errors for the rest of the process. An error that nobody listens for would end it. */
export const listen = (): void => {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    failure ??= failureOf(error)
  })
  // If standard error is closed, there is no place to say so; the work is still done.
  process.stderr.on("error", () => undefined)
}

/** Waits until everything was written; an error comes one tick later. */
const flushed = Effect.callback<void>((resume) => void process.stdout.write("", () => resume(Effect.yieldNow)))

/** Interrupts an effect when its output can't be written any more, waits for its finalizers, and fails. */
export const whileOpen = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | Failure, R> =>
  Effect.raceFirst(
    Effect.tap(effect, () => flushed),
    Effect.callback<never, Failure>((resume) => {
      const fail = (error: NodeJS.ErrnoException) => resume(Effect.fail(failureOf(error)))
      process.stdout.on("error", fail)
      return Effect.sync(() => process.stdout.off("error", fail))
    }),
  )
