/**
 * Says once that the API can't be reached and is tried again, so that a command without a display of its own does not seem to hang.
 */
import { Reporter } from "@live-response/core/Reporter"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as CommandLine from "../flags/CommandLine.ts"
import * as Format from "../output/Format.ts"
import { printable } from "../output/Printable.ts"
import * as StandardError from "../output/StandardError.ts"

/** The reporter of commands that print no events. */
export const layer = Layer.effect(
  Reporter,
  Effect.map(CommandLine.typed(["--quiet", "-q"]), (quiet) => {
    let isSaid = quiet.length > 0
    return (event) => {
      if (event.event !== "offline" || isSaid) return Effect.void
      isSaid = true
      const end = event.givesUpAt === undefined ? "" : `; gives up at ${Format.timeOfDay(event.givesUpAt)}`
      return StandardError.write(`waiting for the network: ${printable(event.message)}${end}`)
    }
  }),
)
