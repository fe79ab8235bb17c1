/**
 * What is said on stderr, one line each: plainly, or above what is drawn there.
 */
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import type * as Scope from "effect/Scope"
import { printable } from "../Printable.ts"

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

/** Warnings, and what is worse: the library has no other way to say that it goes on all the same. */
export const logger = Logger.make<unknown, void>(({ logLevel, message }) => {
  if (!LogLevel.isGreaterThanOrEqualTo(logLevel, "Warn")) return
  const parts: ReadonlyArray<unknown> = Array.isArray(message) ? message : [message]
  current(`live-response: ${printable(parts.map(String).join(" "))}`)
})
