/**
 * Messages on standard error, one line each: written directly, or above the progress that is drawn there.
 */
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import type * as Scope from "effect/Scope"
import * as Format from "./Format.ts"
import { printable } from "./Printable.ts"

export type Level = "debug" | "info" | "warning" | "error"

type Write = (line: string, level: Level) => void

/** The process has one standard error, and so one way to write to it. */
let current: Write = (line) => void process.stderr.write(`${line}\n`)

/** Whether each message is a JSON object. */
let isJson = false

export const write = (line: string, level: Level = "info"): Effect.Effect<void> =>
  Effect.sync(() => current(line, level))

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

/** Writes each message as a JSON object in a line until the scope closes, for programs that collect logs. */
export const asJson: Effect.Effect<void, never, Scope.Scope> = Effect.gen(function* () {
  const clock = yield* Clock.Clock
  const write = current
  const at = () => DateTime.formatIso(DateTime.makeUnsafe(clock.currentTimeMillisUnsafe()))
  isJson = true
  yield* Effect.addFinalizer(() => Effect.sync(() => void (isJson = false)))
  yield* through((message, level) =>
    write(JSON.stringify({ at: at(), level, message: message.replace(/^live-response: /, "") }), level),
  )
})

const levelOf = (level: LogLevel.LogLevel): Level => {
  if (LogLevel.isGreaterThanOrEqualTo(level, "Error")) return "error"
  if (LogLevel.isGreaterThanOrEqualTo(level, "Warn")) return "warning"
  return LogLevel.isGreaterThanOrEqualTo(level, "Info") ? "info" : "debug"
}

/** Writes log entries: warnings and errors as messages of the program, others with their time and level. */
export const logger = Logger.make<unknown, void>(({ date, logLevel, message }) => {
  const parts: ReadonlyArray<unknown> = Array.isArray(message) ? message : [message]
  const text = printable(parts.map(String).join(" "))
  const level = levelOf(logLevel)
  if (isJson) return current(text, level)
  const isWarning = level === "warning" || level === "error"
  current(
    isWarning
      ? `live-response: ${text}`
      : `${Format.timeOfDay(DateTime.fromDateUnsafe(date), { fractionalSecondDigits: 3 })}  ${logLevel.toLowerCase()}: ${text}`,
    level,
  )
})
