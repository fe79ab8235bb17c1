import { assert, describe, it } from "@effect/vitest"
import { MachineActionId } from "@live-response/core/MachineAction"
import * as Arbitrary from "effect/Arbitrary"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

const decode = Schema.decodeUnknownEffect(MachineActionId)
const encode = Schema.encodeEffect(MachineActionId)

const digit = Arbitrary.schema(Schema.Literals([..."0123456789abcdefABCDEF"]))
const guid = Arbitrary.map(Arbitrary.array(digit, { minLength: 32, maxLength: 32 }), (digits) =>
  digits.join("").replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5"),
)

describe("MachineActionId", () => {
  it.effect("puts an id in lower case", () =>
    Effect.gen(function* () {
      const id: string = yield* decode("988CC94E-7a8f-4B28-AB65-54970C5D5018")
      assert.strictEqual(id, "988cc94e-7a8f-4b28-ab65-54970c5d5018")
    }),
  )

  it.effect.prop("takes any GUID in any case, and gives back what it decoded to", [guid], ([typed]) =>
    Effect.gen(function* () {
      const id = yield* decode(typed)
      assert.strictEqual<string>(id, typed.toLowerCase())
      assert.strictEqual(yield* encode(id), typed.toLowerCase())
      assert.strictEqual(yield* decode(yield* encode(id)), id)
    }),
  )

  it.effect.each([
    { input: "" },
    { input: "988cc94e7a8f4b28ab6554970c5d5018" },
    { input: "988cc94e-7a8f-4b28-ab65-54970c5d501" },
    { input: "988cc94e-7a8f-4b28-ab65-54970c5d50188" },
    { input: "988cc94e-7a8f-4b28-ab65-54970c5d501g" },
    { input: " 988cc94e-7a8f-4b28-ab65-54970c5d5018" },
    { input: "988cc94e-7a8f-4b28-ab65-54970c5d5018\n" },
    { input: "{988cc94e-7a8f-4b28-ab65-54970c5d5018}" },
    { input: "../../../../../../etc/passwd" },
    { input: 988 },
    { input: null },
  ])("rejects $input", ({ input }) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(decode(input))
      assert.strictEqual(error._tag, "SchemaError")
    }),
  )
})
