/**
 * What is said on stderr, one line each: plainly, or above what is drawn there.
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import type * as Scope from "effect/Scope"
import { printable } from "./Printable.ts"
import * as Format from "./Format.ts"

type Write = (line: string) => void

let current: Write = (line) => void process.stderr.write(`${line}\n`)

export const write = (line: string): Effect.Effect<void> => Effect.sync(() => current(line))

/** Until the scope ends, all lines go this way. There is one stderr, and so one way. */
export const through = (way: Write): Effect.Effect<void, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const before = current
      current = way
      return before
    }),
    (before) =>
      Effect.sync(() => {
        current = before
      }),
  ).pipe(Effect.asVoid)

/** Warnings are messages of the program; what is said below them, where it is asked for, says when and how much it matters. */
export const logger = Logger.make<unknown, void>(({ date, logLevel, message }) => {
  const parts: ReadonlyArray<unknown> = Array.isArray(message) ? message : [message]
  const text = printable(parts.map(String).join(" "))
  const isWarning = LogLevel.isGreaterThanOrEqualTo(logLevel, "Warn")
  current(
    isWarning
      ? `live-response: ${text}`
      : `${Format.timeOfDay(DateTime.fromDateUnsafe(date), { fractionalSecondDigits: 3 })}  ${logLevel.toLowerCase()}: ${text}`,
  )
})
