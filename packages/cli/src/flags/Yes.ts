/**
 * `--yes`, the answer to what a command asks before something that can't be taken back. `input/Confirmation.ts` asks.
 */
import * as FlagTypes from "./FlagTypes.ts"

/** The flag, with what it confirms. */
export const flag = (confirms: string) => FlagTypes.toggle("yes", `Do it without asking: ${confirms}`)
