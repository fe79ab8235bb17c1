import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Machines from "../src/input/MachineArguments.ts"
import * as Targets from "../src/input/Targets.ts"

const id = "988cc94e-7a8f-4b28-ab65-54970c5d5018"

describe("a target", () => {
  /** The results that a text names; a whole action as its id. */
  const parsed = (text: string) =>
    Result.match(Targets.parse(text), {
      onFailure: (message) => message,
      onSuccess: (targets) => targets.map((target) => (Targets.isWholeAction(target) ? target.id : String(target))),
    })

  it.each([
    [id, [id]],
    [`  ${id.toUpperCase()}\t`, [id]],
    [`${id}:1`, [`${id}:1`]],
    [`${id.toUpperCase()}:0`, [`${id}:0`]],
    [`${id}:0-2`, [`${id}:0`, `${id}:1`, `${id}:2`]],
    [`${id}:0,2`, [`${id}:0`, `${id}:2`]],
    [`${id}:0-1,5,7-7`, [`${id}:0`, `${id}:1`, `${id}:5`, `${id}:7`]],
  ])("is %s", (text, results) => assert.deepStrictEqual(parsed(text), results))

  it.each(["", ":", "988cc94e:0", `${id}x`, "../../etc/passwd:0", `{${id}}:0`])("is not %s", (text) =>
    assert.match(String(parsed(text)), /is not a target; use <machine action id>/),
  )

  it.each(["", "2-1", "1000", "0-99999", "-1", "1-", "1,", "1.5", "x", "0 1"])(
    "says which indexes there are where the id is right and the index is not: %s",
    (index) =>
      assert.strictEqual(
        parsed(`${id}:${index}`),
        `"${id}:${index}" is not a target; an index is from 0 to 999: add one (:0), a range (:0-5) or several (:0,3)`,
      ),
  )

  it("is quoted in the message without control characters, and shortened", () => {
    const message = String(parsed(`\u001b[2J${"x".repeat(10_000)}`))
    assert.notInclude(message, "\u001b")
    assert.isBelow(message.length, 300)
  })

  it.effect("that is invalid is a usage error as an argument", () =>
    Effect.gen(function* () {
      assert.lengthOf(yield* Targets.fromArguments([`${id}:0-1`, id]), 3)
      const error = yield* Effect.flip(Targets.fromArguments([id, "nonsense"]))
      assert.strictEqual(error.code, 2)
      assert.match(error.message, /^"nonsense" is not a target/)
    }),
  )
})

describe("a machine", () => {
  it.effect("is an id of 40 digits in any case, or a name, which stays unchanged", () =>
    Effect.gen(function* () {
      const machines = yield* Machines.fromArguments(["A".repeat(40), " WS-1.Contoso.com "])
      assert.deepStrictEqual(machines, ["a".repeat(40), new Machines.Named({ name: "WS-1.Contoso.com" })])
    }),
  )

  it.effect("is not anything else", () =>
    Effect.gen(function* () {
      for (const text of ["", "1", "-ws", "ws 1", "ws;1", "10.0.0.1", "a".repeat(256)]) {
        assert.match((yield* Effect.flip(Machines.fromArguments([text]))).message, /is not a machine; use its id/)
      }
    }),
  )
})
