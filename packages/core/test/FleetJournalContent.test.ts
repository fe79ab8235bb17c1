/** Which earlier run a session continues, by what is known of the content of its files. */
import { assert, describe, it } from "@effect/vitest"
import * as FleetJournal from "@live-response/core/FleetJournal"
import * as Session from "@live-response/core/Session"
import * as Effect from "effect/Effect"

const session = (scriptName: string, sha256?: string) =>
  Session.Session.make({
    commands: [Session.RunScript.make({ scriptName, ...(sha256 === undefined ? {} : { sha256 }) })],
    comment: "case 4711",
  })

const runOf = (scriptName: string, sha256?: string) =>
  Effect.map(
    FleetJournal.FleetJournal.use(({ open }) => open(session(scriptName, sha256))),
    ({ id }) => id,
  )

describe("a session whose content is not known", () => {
  it.effect("continues the last run with its commands, whatever the case of its name", () =>
    Effect.gen(function* () {
      const one = yield* runOf("Collect.ps1", "aa")
      const other = yield* runOf("Collect.ps1", "bb")
      assert.notStrictEqual(one, other)
      assert.strictEqual(yield* runOf("collect.ps1"), other)
      assert.strictEqual(yield* runOf("Collect.ps1", "aa"), one)
      assert.notInclude([one, other], yield* runOf("another.ps1"))
      assert.notInclude([one, other], yield* runOf("Collect.ps1", "cc"))
    }).pipe(Effect.provide(FleetJournal.layerMemory)),
  )
})
