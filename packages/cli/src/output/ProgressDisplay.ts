/**
 * Progress on stderr: drawn on a terminal, else a line now and then.
 */
import * as Console from "effect/Console"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { createLogUpdate } from "log-update"
import * as Format from "./Format.ts"
import * as Messages from "./Messages.ts"

/** How often a screen is drawn, and how often a log hears of the progress. */
const drawInterval = "200 millis"
const logInterval = "10 seconds"

export interface Progress {
  /** What is drawn on a terminal of this width. */
  readonly lines: (columns: number) => Effect.Effect<ReadonlyArray<string>>
  /** The same in one line, for logs, but for the time. */
  readonly line: Effect.Effect<string>
}

/** Shows it until the scope ends. Gives what prints on stdout without being drawn over. */
export const show = Effect.fnUntraced(function* ({
  line,
  lines,
}: Progress): Effect.fn.Return<(text: string) => Effect.Effect<void>, never, Scope.Scope> {
  if (!process.stderr.isTTY || process.env.TERM === "dumb") {
    let last = ""
    // Whoever is left running for months need not say that nothing has happened.
    const log = Effect.flatMap(line, (line) => {
      if (line === last) return Effect.void
      last = line
      return Effect.flatMap(DateTime.now, (now) => Messages.write(`${Format.timeOfDay(now)}  ${line}`))
    })
    yield* log.pipe(Effect.delay(logInterval), Effect.forever, Effect.forkScoped)
    return Console.log
  }
  const screen = createLogUpdate(process.stderr)
  const draw = Effect.suspend(() => lines(process.stderr.columns ?? 80)).pipe(
    Effect.map((lines) => screen(lines.join("\n"))),
  )
  const clear = Effect.sync(() => screen.clear())
  yield* Effect.addFinalizer(() =>
    Effect.andThen(
      clear,
      Effect.sync(() => screen.done()),
    ),
  )
  yield* Messages.through((line) => screen.persist(line))
  yield* draw.pipe(Effect.andThen(Effect.sleep(drawInterval)), Effect.forever, Effect.forkScoped)
  return process.stdout.isTTY ? (text) => Effect.andThen(clear, Console.log(text)) : Console.log
})
