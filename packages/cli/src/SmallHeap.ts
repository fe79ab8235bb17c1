/** V8 collects garbage late where the machine has memory. A program that runs for weeks beside others, or reads much, need not. */
import { setFlagsFromString } from "node:v8"
import * as Effect from "effect/Effect"

/** Keeps the heap near what is in use, from now on: about half the memory, for some more garbage collection. */
export const keepHeapSmall = Effect.ignore(
  Effect.try({
    try: () => setFlagsFromString("--semi-space-growth-factor=1 --heap-growing-percent=25"),
    catch: String,
  }),
)
