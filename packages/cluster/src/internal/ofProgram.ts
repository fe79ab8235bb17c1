import * as Effect from "effect/Effect"
import * as References from "effect/References"

/** What is said of the program concerns all tenants, and not the one whose work is the first to find out. */
export const ofProgram = Effect.provideService(References.CurrentLogAnnotations, {})
