import { FromString, type ResultRef } from "@live-response/core/ResultRef"
import * as Schema from "effect/Schema"

const decode = Schema.decodeSync(FromString)

/** The result in Microsoft's documentation. */
export const exampleRef: ResultRef = decode("988cc94e-7a8f-4b28-ab65-54970c5d5018:0")

/** The `n`-th of many different results. A machine action has ten. */
export const refAt = (n: number): ResultRef =>
  decode(
    `00000000-0000-4000-8000-${Math.floor(n / 10)
      .toString(16)
      .padStart(12, "0")}:${n % 10}`,
  )

export const refsUpTo = (count: number): ReadonlyArray<ResultRef> => Array.from({ length: count }, (_, n) => refAt(n))
