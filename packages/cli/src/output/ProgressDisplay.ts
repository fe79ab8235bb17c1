/**
 * Draws the progress on standard error: on a terminal in place, else as a line in a log now and then.
 */
import * as Console from "effect/Console"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { createLogUpdate } from "log-update"
import * as Format from "./Format.ts"
import * as StandardError from "./StandardError.ts"

const drawInterval = "200 millis"
const logInterval = "10 seconds"

export interface Progress {
  /** The lines for a terminal of this width. */
  readonly lines: (columns: number) => Effect.Effect<ReadonlyArray<string>>
  /** The progress in one line, for logs. The time is added here. */
  readonly line: Effect.Effect<string>
}

/** Prints a line on standard output. */
export type Print = (text: string) => Effect.Effect<void>

/** Shows the progress until the scope closes. What it returns prints on standard output without being overwritten. */
export const show = (progress: Progress): Effect.Effect<Print, never, Scope.Scope> =>
  process.stderr.isTTY && process.env.TERM !== "dumb" ? draw(progress) : log(progress)

const log = Effect.fnUntraced(function* ({ line }: Progress): Effect.fn.Return<Print, never, Scope.Scope> {
  let last = ""
  // The same line is not repeated: with --follow the program may run for months.
  const writeIfChanged = Effect.flatMap(line, (line) => {
    if (line === last) return Effect.void
    last = line
    return Effect.flatMap(DateTime.now, (now) => StandardError.write(`${Format.timeOfDay(now)}  ${line}`))
  })
  yield* writeIfChanged.pipe(Effect.delay(logInterval), Effect.forever, Effect.forkScoped)
  return Console.log
})

const draw = Effect.fnUntraced(function* ({ lines }: Progress): Effect.fn.Return<Print, never, Scope.Scope> {
  const screen = createLogUpdate(process.stderr)
  const clear = Effect.sync(() => screen.clear())
  const frame = Effect.suspend(() => lines(process.stderr.columns ?? 80)).pipe(
    Effect.map((lines) => screen(lines.join("\n"))),
  )
  yield* Effect.addFinalizer(() =>
    Effect.andThen(
      clear,
      Effect.sync(() => screen.done()),
    ),
  )
  yield* StandardError.through((line) => screen.persist(line))
  yield* frame.pipe(Effect.andThen(Effect.sleep(drawInterval)), Effect.forever, Effect.forkScoped)
  return process.stdout.isTTY ? (text) => Effect.andThen(clear, Console.log(text)) : Console.log
})
