/** How long an answer may take by default: its head, and the whole body of an answer of the API. */
import type * as Duration from "effect/Duration"

/** Until its head. */
export const head: Duration.Input = "1 minute"

/** For the whole body. A result may take as long as its bytes arrive. */
export const body: Duration.Input = "10 minutes"
