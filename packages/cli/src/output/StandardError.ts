/**
 * Messages on standard error, one line each: written directly, or above the progress that is drawn there.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as References from "effect/References"
import type * as Scope from "effect/Scope"
import * as Format from "./Format.ts"
import { printable } from "./Printable.ts"

export type Level = "debug" | "info" | "warning" | "error"

/** What a program that reads logs gets beside the message. */
type Fields = Readonly<Record<string, string>>

type Write = (line: string, level: Level, fields?: Fields) => void

/** The process has one standard error, and so one way to write to it. */
let current: Write = (line) => void process.stderr.write(`${line}\n`)

/** Whether each message is a JSON object. */
let isJson = false

/** Whether each message gets its time and level where it is written. */
let isTimed = false

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

const nowFrom = (clock: Clock.Clock) => DateTime.formatIso(DateTime.makeUnsafe(clock.currentTimeMillisUnsafe()))

const withoutName = (message: string) => message.replace(/^live-response: /, "")

/** Writes each message as a JSON object in a line until the scope closes, for programs that collect logs. */
export const asJson: Effect.Effect<void, never, Scope.Scope> = Effect.gen(function* () {
  const clock = yield* Clock.Clock
  const write = current
  isJson = true
  yield* Effect.addFinalizer(() => Effect.sync(() => void (isJson = false)))
  yield* through((message, level, fields) =>
    write(JSON.stringify({ at: nowFrom(clock), level, ...fields, message: withoutName(message) }), level),
  )
})

/** Begins each message with its date, time and level until the scope closes: those of a service are read days later. JSON has all that. */
export const withTimes: Effect.Effect<void, never, Scope.Scope> = Effect.gen(function* () {
  if (isJson) return
  const clock = yield* Clock.Clock
  const write = current
  isTimed = true
  yield* Effect.addFinalizer(() => Effect.sync(() => void (isTimed = false)))
  yield* through((message, level) => write(`${nowFrom(clock)}  ${level}: ${withoutName(message)}`, level))
})

const levelOf = (level: LogLevel.LogLevel): Level => {
  if (LogLevel.isGreaterThanOrEqualTo(level, "Error")) return "error"
  if (LogLevel.isGreaterThanOrEqualTo(level, "Warn")) return "warning"
  return LogLevel.isGreaterThanOrEqualTo(level, "Info") ? "info" : "debug"
}

/** What an entry is about, where a program works on several tenants. */
const tenantOf = (fiber: Fiber.Fiber<unknown, unknown>): string | undefined => {
  const { tenant } = fiber.getRef(References.CurrentLogAnnotations)
  return typeof tenant === "string" ? printable(tenant) : undefined
}

const reasonOf = (cause: Cause.Cause<unknown>): ReadonlyArray<string> => {
  if (cause.reasons.length === 0) return []
  const error = Cause.squash(cause)
  return [error instanceof Error ? error.message : String(error)]
}

/** Writes log entries: warnings and errors as messages of the program, others with their time and level. */
export const logger = Logger.make<unknown, void>(({ cause, date, fiber, logLevel, message }) => {
  const parts: ReadonlyArray<unknown> = Array.isArray(message) ? message : [message]
  const said = printable([parts.map(String).join(" "), ...reasonOf(cause)].join(": "))
  const level = levelOf(logLevel)
  const tenant = tenantOf(fiber)
  if (isJson) return current(said, level, tenant === undefined ? {} : { tenant })
  const text = tenant === undefined ? said : `${tenant}: ${said}`
  if (isTimed) return current(text, level)
  const isWarning = level === "warning" || level === "error"
  current(
    isWarning
      ? `live-response: ${text}`
      : `${Format.timeOfDay(DateTime.fromDateUnsafe(date), { fractionalSecondDigits: 3 })}  ${logLevel.toLowerCase()}: ${text}`,
    level,
  )
})
