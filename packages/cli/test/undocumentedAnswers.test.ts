/**
 * What the API says in other words and other shapes than its documentation: nothing of it is left out in silence, and it
 * costs nothing else.
 */
import { gzipSync } from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import { FromString } from "@live-response/core/ResultRef"
import type * as Simulator from "@live-response/core/testing/Simulator"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Cli from "./support/CliInProcess.ts"
import * as ServedSimulator from "./support/ServedSimulator.ts"

const idAt = (n: number) => `988cc94e-7a8f-4b28-ab65-${String(n).padStart(12, "0")}`

const decodeRef = Schema.decodeSync(FromString)

const script = (output: string) =>
  new TextEncoder().encode(JSON.stringify({ script_name: "a.ps1", exit_code: 0, script_output: output }))

const command = { index: 0, commandStatus: "Completed", errors: [], command: { type: "RunScript", params: [] } }

/** A finished session, with its result unless it is to have none. */
const put = Effect.fnUntraced(function* (
  simulator: Simulator.Service,
  n: number,
  over: Readonly<Record<string, unknown>> = {},
  content: Uint8Array | null = script(`result of ${n}`),
) {
  const now = DateTime.makeUnsafe(yield* Clock.currentTimeMillis)
  yield* simulator.addAction({
    id: idAt(n),
    type: "LiveResponse",
    status: "Succeeded",
    machineId: "7b1f4967d9728e5aa3c06a9e617a22a4a5a17378",
    creationDateTimeUtc: DateTime.formatIso(DateTime.subtract(now, { hours: 1, minutes: n })),
    lastUpdateDateTimeUtc: DateTime.formatIso(DateTime.subtract(now, { hours: 1 })),
    commands: [command],
    ...over,
  })
  if (content !== null) yield* simulator.add(decodeRef(`${idAt(n)}:0`), { content })
})

const none = null

/** Two records that can't be read, between two that can. */
const withUnreadable = Effect.fnUntraced(function* () {
  const { env, simulator } = yield* ServedSimulator.serve()
  yield* put(simulator, 0)
  yield* put(simulator, 1, { commands: "none" })
  yield* put(simulator, 2, { errorHResult: "0x80004005", commands: [{ ...command, index: "0", errors: [null] }] })
  return { env, simulator }
})

const unreadable = `record 2 of the list (${idAt(1)}) can't be read: its commands are not a list`

describe("a record that can't be read", { concurrent: true }, () => {
  it.live("is a failed target beside those that can", () =>
    Effect.gen(function* () {
      const { env } = yield* withUnreadable()
      const box = yield* Cli.sandbox
      const ended = yield* box.run({ args: ["download", "--since", "5h", "--out", "results", "--json"], env })
      assert.strictEqual(ended.exitCode, 1)
      assert.strictEqual(ended.stderr, `failed: ${unreadable}\n`)
      const events = Cli.ndjson(ended.stdout)
      const failed = events.find(({ event }) => event === "failed")
      assert.deepInclude(failed, { message: unreadable, machineActionId: idAt(1) })
      assert.deepInclude(events.at(-1), { event: "summary", completed: 2, failed: 1 })
    }),
  )

  it.live("is reported by actions list, which then exits with 1", () =>
    Effect.gen(function* () {
      const { env } = yield* withUnreadable()
      const box = yield* Cli.sandbox
      const ended = yield* box.run({ args: ["actions", "list"], env })
      assert.deepStrictEqual(
        ended.stdout
          .trimEnd()
          .split("\n")
          .map((line) => line.slice(0, 36)),
        [idAt(0), idAt(2)],
      )
      assert.strictEqual(ended.stderr, `live-response: ${unreadable}\n`)
      assert.strictEqual(ended.exitCode, 1)
    }),
  )

  it.live("is reported once by --follow, and does not end it", () =>
    Effect.gen(function* () {
      const { env, simulator } = yield* withUnreadable()
      const box = yield* Cli.sandbox
      const running = yield* box.start({
        args: ["download", "--follow", "--out", "results"],
        env: { ...env, LIVE_RESPONSE_FOLLOW_EVERY: "200 millis", LIVE_RESPONSE_VISIBLE_WITHIN: "2 seconds" },
      })
      const until = (...ns: ReadonlyArray<number>) =>
        Cli.until(
          () => ns.every((n) => box.sizeOf(`${idAt(n)}/0.json`) > 0),
          () => `the results of ${ns}\n${running.stderr()}`,
        )
      yield* until(0, 2)
      yield* put(simulator, 3, {
        creationDateTimeUtc: DateTime.formatIso(DateTime.makeUnsafe(yield* Clock.currentTimeMillis)),
      })
      yield* until(3)
      yield* running.signal("SIGINT")
      const { stderr } = yield* running.ended
      assert.strictEqual(stderr.split("can't be read").length, 2, stderr)
    }),
  )
})

describe("a command with unknown words", { concurrent: true }, () => {
  it.live("has its result requested, and a 404 means that it has none", () =>
    Effect.gen(function* () {
      const { env, simulator } = yield* ServedSimulator.serve()
      const words = (commandStatus: unknown) => ({ commands: [{ ...command, commandStatus }] })
      yield* put(simulator, 0, words("Succeeded"))
      yield* put(simulator, 1, words(null))
      yield* put(simulator, 2, words("completed"))
      yield* put(simulator, 3, { ...words("Completed"), status: "CompletedWithErrors" })
      yield* put(simulator, 4, words("Vanished"), none)
      yield* put(simulator, 5, { ...words("Created"), status: "InProgress" }, none)
      const box = yield* Cli.sandbox
      const args = ["download", "--since", "5h", "--out", "results"]
      const ended = yield* box.run({ args, env })
      assert.strictEqual(ended.exitCode, 0, ended.stderr)
      assert.match(ended.stdout, /^4 downloaded \(\d+ B\), 1 without a result; 4 links in /)
      assert.match(
        ended.stderr,
        /^[0-9a-f-]+4:0 has no result: [^\n]+\n1 session not finished yet: run the same command again later [^\n]+\n$/,
      )
      const json = yield* box.run({ args: [...args, "--json"], env })
      const skipped = Cli.ndjson(json.stdout).find(({ reason }) => reason === "absent")
      assert.deepInclude(skipped, { event: "skipped", machineActionId: idAt(4), index: 0 })
    }),
  )

  it.live("that the API left out of a session has its result requested as well", () =>
    Effect.gen(function* () {
      const { env, simulator } = yield* ServedSimulator.serve()
      yield* put(simulator, 0, { commands: null })
      yield* put(simulator, 1, { commands: [] }, none)
      yield* put(simulator, 2, { commands: null, type: "Isolate" }, none)
      const box = yield* Cli.sandbox
      const args = ["download", "--since", "5h", "--type", "LiveResponse", "--type", "Isolate", "--out", "results"]
      const ended = yield* box.run({ args, env })
      assert.strictEqual(ended.exitCode, 0, ended.stderr)
      assert.match(ended.stdout, /^1 downloaded \(\d+ B\), 1 without a result; 1 link in /)
    }),
  )

  it.live("counts as a failure if it is known to have a result", () =>
    Effect.gen(function* () {
      const { env, simulator } = yield* ServedSimulator.serve()
      yield* put(simulator, 0, {}, none)
      const box = yield* Cli.sandbox
      const ended = yield* box.run({ args: ["download", "--since", "5h", "--out", "results"], env })
      assert.strictEqual(ended.exitCode, 1)
      assert.match(ended.stderr, /^failed: link of [^\n]+ not found/)
    }),
  )
})

describe("a script's result", { concurrent: true }, () => {
  it.live("is shown if it is gzip, and if its exit code is unknown", () =>
    Effect.gen(function* () {
      const { env, simulator } = yield* ServedSimulator.serve()
      yield* put(simulator, 0, {}, gzipSync(script("packed")))
      yield* put(simulator, 1, {}, new TextEncoder().encode('{"script_output":"odd","exit_code":null}'))
      const box = yield* Cli.sandbox
      const packed = yield* box.run({ args: ["show", `${idAt(0)}:0`], env })
      assert.deepStrictEqual({ ...packed }, { exitCode: 0, stdout: "packed\n", stderr: "" })
      const odd = yield* box.run({ args: ["show", `${idAt(1)}:0`], env })
      assert.deepStrictEqual(
        { ...odd },
        { exitCode: 0, stdout: "odd\n", stderr: "live-response: the script's exit code is unknown\n" },
      )
      const json = yield* box.run({ args: ["show", `${idAt(1)}:0`, "--json"], env })
      assert.deepInclude(Cli.ndjson(json.stdout)[0], { exitCode: null, output: "odd" })
    }),
  )
})
