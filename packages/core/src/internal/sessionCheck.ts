/** What the service would refuse of a session, whatever the machine. */
import * as Effect from "effect/Effect"
import { DefenderError, InvalidArguments } from "../DefenderError.ts"
import * as ScriptArguments from "../ScriptArguments.ts"
import type * as Session from "../Session.ts"

/** Fails with the arguments that the service refuses. */
export const check = (operation: string, { commands }: Session.Session): Effect.Effect<void, DefenderError> => {
  const characters = commands.flatMap((command) =>
    command._tag === "RunScript" ? ScriptArguments.refusedCharacters(command.args ?? "") : [],
  )
  return characters.length === 0
    ? Effect.void
    : Effect.fail(new DefenderError({ operation, reason: new InvalidArguments({ characters }) }))
}
