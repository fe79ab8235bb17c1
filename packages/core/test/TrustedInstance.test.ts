import { assert, describe, it } from "@effect/vitest"
import * as Equal from "effect/Equal"
import * as Schema from "effect/Schema"
import * as TrustedInstance from "../src/internal/trustedInstance.ts"

class Point extends Schema.Class<Point>("@live-response/core/test/TrustedInstance.test/Point")({
  name: Schema.tag("point"),
  x: Schema.Int,
  y: Schema.optionalKey(Schema.Int),
}) {
  get isZero(): boolean {
    return this.x === 0
  }
}

describe("TrustedInstance.make", () => {
  it("is what the schema makes of the same fields", () => {
    for (const fields of [{ name: "point", x: 0 } as const, { name: "point", x: 1, y: 2 } as const]) {
      const [trusted, made] = [TrustedInstance.make(Point, fields), Point.make(fields)]
      assert.instanceOf(trusted, Point)
      assert.deepStrictEqual(trusted, made)
      assert.deepStrictEqual(Object.keys(trusted), Object.keys(made))
      assert.isTrue(Equal.equals(trusted, made))
      assert.isTrue(Schema.is(Point)(trusted))
      assert.strictEqual(trusted.isZero, made.isZero)
      assert.deepStrictEqual(Schema.encodeSync(Point)(trusted), fields)
    }
  })

  it("does not ask the schema whether the fields are of their types", () => {
    let asked = 0
    const Counted = Schema.declare((value): value is string => {
      asked++
      return typeof value === "string"
    })
    class Named extends Schema.Class<Named>("@live-response/core/test/TrustedInstance.test/Named")({ name: Counted }) {}
    assert.strictEqual(TrustedInstance.make(Named, { name: "a" }).name, "a")
    assert.strictEqual(asked, 0)
  })
})
