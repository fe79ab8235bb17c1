import { assert, describe, it } from "@effect/vitest"
import * as ActionFilter from "@live-response/core/ActionFilter"
import * as Arbitrary from "effect/Arbitrary"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

const text = Arbitrary.schema(Schema.String)

/** What is outside of quotes, where two quotes within them are one of the value. */
const outside = (expression: string) => expression.replaceAll(/'(?:[^']|'')*'/g, "?")

describe("ActionFilter", () => {
  it.effect.prop("quotes every value, so that none becomes a part of the expression", [text, text], ([a, b]) =>
    Effect.sync(() => {
      assert.strictEqual(outside(ActionFilter.is("requestor", a).expression), "requestor eq ?")
      assert.strictEqual(outside(ActionFilter.is("machineId", a, b).expression), "(machineId eq ? or machineId eq ?)")
    }),
  )

  it("changes nothing in a value but its quotes", () => {
    assert.strictEqual(ActionFilter.is("status", "x' or 'a' eq 'a").expression, "status eq 'x'' or ''a'' eq ''a'")
  })

  it("writes a time without quotes", () => {
    const instant = DateTime.makeUnsafe("2026-11-01T00:00:00Z")
    assert.strictEqual(ActionFilter.since(instant).expression, "creationDateTimeUtc ge 2026-11-01T00:00:00.000Z")
    assert.strictEqual(ActionFilter.before(instant).expression, "creationDateTimeUtc lt 2026-11-01T00:00:00.000Z")
  })

  it("puts each of several expressions in brackets, because one may have an or in it", () => {
    const either = ActionFilter.raw("status eq 'Failed' or status eq 'TimeOut'")
    assert.strictEqual(ActionFilter.all(either), either)
    assert.strictEqual(
      ActionFilter.all(either, ActionFilter.is("type", "LiveResponse")).expression,
      "(status eq 'Failed' or status eq 'TimeOut') and (type eq 'LiveResponse')",
    )
  })
})
