import { assert, describe, it } from "@effect/vitest"
import { MachineActionId } from "@live-response/core/MachineAction"
import { ActionResult, FromString, ResultRef } from "@live-response/core/ResultRef"
import * as Arbitrary from "effect/Arbitrary"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

const decode = Schema.decodeUnknownEffect(FromString)
const encode = Schema.encodeEffect(FromString)
const id = "988cc94e-7a8f-4b28-ab65-54970c5d5018"

const digit = Arbitrary.schema(Schema.Literals([..."0123456789abcdefABCDEF"]))
const guid = Arbitrary.map(Arbitrary.array(digit, { minLength: 32, maxLength: 32 }), (digits) =>
  digits.join("").replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5"),
)
const index = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 999 }))

describe("ResultRef", () => {
  it.effect("is parsed and printed as id:index", () =>
    Effect.gen(function* () {
      const ref = yield* decode(`${id}:7`)
      assert.strictEqual<string>(ref.machineActionId, id)
      assert.strictEqual(ref.index, 7)
      assert.strictEqual(String(ref), `${id}:7`)
      assert.strictEqual(yield* encode(ref), `${id}:7`)
    }),
  )

  it.effect("is printed as id:index even with an origin", () =>
    Effect.gen(function* () {
      const ref = ActionResult.make({ ...(yield* decode(`${id}:7`)), machineName: "C-Lab-31" })
      assert.strictEqual(String(ref), `${id}:7`)
      assert.strictEqual(yield* encode(ref), `${id}:7`)
    }),
  )

  it.effect("names the same result in upper and lower case", () =>
    Effect.gen(function* () {
      assert.strictEqual(String(yield* decode(`${id.toUpperCase()}:0`)), String(yield* decode(`${id}:0`)))
    }),
  )

  it.effect.prop("is parsed from what it prints", [guid, index], ([guid, index]) =>
    Effect.gen(function* () {
      const ref = yield* decode(`${guid}:${index}`)
      assert.strictEqual(yield* encode(ref), `${guid.toLowerCase()}:${index}`)
      assert.deepStrictEqual(yield* decode(yield* encode(ref)), ref)
    }),
  )

  it.effect("ignores leading zeros of an index", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* decode(`${id}:007`)).index, 7)
    }),
  )

  it.effect.each([
    { input: "" },
    { input: ":" },
    { input: id },
    { input: `${id}:` },
    { input: `${id}:-1` },
    { input: `${id}:1000` },
    { input: `${id}:9999999999999` },
    { input: `${id}:1.5` },
    { input: `${id}:1e2` },
    { input: `${id}:0x1` },
    { input: `${id}: 1` },
    { input: `${id}:1 ` },
    { input: `${id}:1\n` },
    { input: `${id}:1:2` },
    { input: `${id}:٣` },
    { input: `${id}/../:1` },
    { input: "not-a-guid:1" },
    { input: 7 },
    { input: undefined },
  ])("rejects $input", ({ input }) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(decode(input))
      assert.strictEqual(error._tag, "SchemaError")
    }),
  )

  it.effect("rejects an index that is out of range", () =>
    Effect.gen(function* () {
      const machineActionId = yield* Schema.decodeEffect(MachineActionId)(id)
      for (const index of [-1, 1000, 0.5, Number.NaN]) {
        assert.throws(() => ResultRef.make({ machineActionId, index }), undefined, undefined, `index ${index}`)
      }
      assert.strictEqual(ResultRef.make({ machineActionId, index: 999 }).index, 999)
    }),
  )
})
