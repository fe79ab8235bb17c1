/**
 * Asks a person for a yes before something that can't be taken back.
 */
import { createInterface } from "node:readline"
import * as Effect from "effect/Effect"
import * as Failure from "../Failure.ts"
import * as StandardError from "../output/StandardError.ts"

/** Above this number of machines, a person confirms the run. */
export const manyMachines = 100

/** The answer on the terminal. Nothing, if it is closed. */
const answer: Effect.Effect<string> = Effect.callback((resume) => {
  const lines = createInterface({ input: process.stdin, terminal: false })
  lines.once("line", (line) => {
    resume(Effect.succeed(line))
    lines.close()
  })
  lines.once("close", () => resume(Effect.succeed("")))
  return Effect.sync(() => lines.close())
})

const controlC = 3

/** In raw mode the terminal makes no signal of Ctrl-C. */
const dropInput = (bytes: Uint8Array): void => {
  // Not `process.kill`, which ends the process at once on Windows.
  if (bytes.includes(controlC)) process.emit("SIGINT")
}

/** Long enough for any system to deliver what was typed before. */
const settlingTime = "50 millis"

/**
 * Drops what was typed before the question: it answers nothing. Only raw mode gives a line that is not complete.
 */
const dropPendingInput = Effect.acquireUseRelease(
  Effect.sync(() => process.stdin.setRawMode(true).on("data", dropInput).resume()),
  () => Effect.sleep(settlingTime),
  (stdin) => Effect.sync(() => stdin.pause().off("data", dropInput).setRawMode(false)),
)

const isYes = (text: string): boolean => /^\s{0,9}y(es)?\s{0,9}$/i.test(text)

/**
 * Succeeds once a person says yes, or with `--yes`. Without a terminal nobody can be asked, which is a usage error.
 *
 * `what` is what will be done, as in `delete collect.ps1 from the library`.
 */
export const confirm = Effect.fnUntraced(function* (what: string, { yes }: { readonly yes: boolean }) {
  if (yes) return
  if (!process.stdin.isTTY || !process.stderr.isTTY) {
    return yield* Failure.usage(`this would ${what}; confirm it with --yes, because there is no terminal to ask on`)
  }
  yield* dropPendingInput
  yield* StandardError.write(`This will ${what}. Continue? [y/N]`)
  if (!isYes(yield* answer)) return yield* Failure.failed("not confirmed, so nothing was changed")
})
