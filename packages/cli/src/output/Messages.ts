/**
 * Messages on standard error, one line each: written directly, or above the progress that is drawn there.
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import type * as Scope from "effect/Scope"
import * as Format from "./Format.ts"
import { printable } from "./Printable.ts"

type Write = (line: string) => void

/** The process has one standard error, and so one way to write to it. */
let current: Write = (line) => void process.stderr.write(`${line}\n`)

export const write = (line: string): Effect.Effect<void> => Effect.sync(() => current(line))

/** Writes all messages in another way until the scope closes. */
export const through = (other: Write): Effect.Effect<void, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const previous = current
      current = other
      return previous
    }),
    (previous) =>
      Effect.sync(() => {
        current = previous
      }),
  ).pipe(Effect.asVoid)

/** Writes log entries: warnings and errors as messages of the program, others with their time and level. */
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
