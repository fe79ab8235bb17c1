import type * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"

/**
 * A `TestClock` that waits until everything that it has woken is done. Effect's own waits for a second only: on a loaded
 * machine time then passes while a fiber still runs, and what it schedules next happens hours late. After the delay a clock
 * only warns and continues, so the delay has to be longer than any test may take.
 */
export const layerPatientClock: Layer.Layer<TestClock.TestClock> = TestClock.layer({ warningDelay: "150 seconds" })
