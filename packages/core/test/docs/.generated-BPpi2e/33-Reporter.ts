// @effect-diagnostics globalConsole:off























import { Reporter } from "@live-response/core/Reporter"
import * as Effect from "effect/Effect"

export const logged = Effect.provideService(Reporter, (event) => Effect.logDebug(event.event))
