/**
 * The charts of a report: sums over time, and how much of a moving window is used.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Schema from "effect/Schema"
import { windowBars } from "../report/timeline.ts"

const minute = 60_000
const start = Date.UTC(2026, 10, 25, 8)

describe("the use of a window", () => {
  it("is what any minute has, and not what the clock's minutes have", () => {
    // Sixty in the last half of a minute, and sixty in the first half of the next one.
    const times = Array.from({ length: 120 }, (_, i) => start + 30_000 + i * 500)
    const { bars, name } = windowBars(
      times,
      times.map(() => 1),
      minute,
    )
    assert.strictEqual(name, "minute")
    assert.deepStrictEqual(bars, [
      { at: start, value: 60 },
      { at: start + minute, value: 120 },
    ])
  })

  it("counts in minutes without a result, until the window has passed", () => {
    const { bars } = windowBars([start, start + 90 * minute], [7, 1], 60 * minute)
    const used = bars.filter(({ value }) => value === 7).length
    assert.strictEqual(used, 60)
    assert.strictEqual(bars.at(-1)?.value, 1)
  })

  it("has no bars without times", () => {
    assert.deepStrictEqual(windowBars([0, 0], [1, 1], minute).bars, [])
  })

  const seconds = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 600 }))

  it.prop(
    "is the highest sum of any window that ends in the step",
    [Arbitrary.array(Arbitrary.schema(seconds))],
    ([at]) => {
      const times = at.map((second) => start + second * 1000)
      for (const bar of windowBars(
        times,
        times.map(() => 1),
        minute,
      ).bars) {
        const ends = [bar.at, ...times.filter((time) => time >= bar.at && time < bar.at + minute)]
        const sums = ends.map((end) => times.filter((time) => time > end - minute && time <= end).length)
        // At the start of a step, only what came before it is in the window.
        sums[0] = times.filter((time) => time > bar.at - minute && time < bar.at).length
        assert.strictEqual(bar.value, Math.max(...sums))
      }
    },
  )
})
