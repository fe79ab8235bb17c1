import { assert, describe, it } from "@effect/vitest"
import { FromString } from "@live-response/core/ResultRef"
import type * as Simulator from "@live-response/core/testing/Simulator"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Cli from "./support/CliInProcess.ts"
import * as Terminal from "./support/Terminal.ts"
import * as ServedSimulator from "./support/ServedSimulator.ts"

const idAt = (n: number) => `988cc94e-7a8f-4b28-ab65-${String(n).padStart(12, "0")}`

const decodeRef = Schema.decodeSync(FromString)

/** A session with its present status, and its one result. */
const put = Effect.fnUntraced(function* (
  simulator: Simulator.Service,
  n: number,
  status: "Pending" | "Succeeded" | "Failed",
  more: { readonly hours?: number; readonly requestor?: string; readonly type?: string } = {},
) {
  const now = DateTime.makeUnsafe(yield* Clock.currentTimeMillis)
  const { hours = 0, ...rest } = more
  yield* simulator.addAction({
    id: idAt(n),
    type: "LiveResponse",
    status,
    machineId: "7b1f4967d9728e5aa3c06a9e617a22a4a5a17378",
    computerDnsName: `ws-${n}.contoso.com`,
    requestor: "soc@contoso.com",
    creationDateTimeUtc: DateTime.formatIso(DateTime.subtract(now, { hours })),
    lastUpdateDateTimeUtc: DateTime.formatIso(DateTime.subtract(now, { hours: Math.max(hours, 1) })),
    commands: [
      {
        index: 0,
        commandStatus: status === "Pending" ? "Created" : "Completed",
        command: { type: "RunScript", params: [{ key: "ScriptName", value: "a.ps1" }] },
      },
    ],
    ...rest,
  })
  yield* simulator.add(decodeRef(`${idAt(n)}:0`), { content: new TextEncoder().encode(`result of ${n}`) })
})

const follow = (env: Readonly<Record<string, string>>, ...args: ReadonlyArray<string>) => ({
  args: ["download", "--follow", "--out", "results", ...args],
  env: { ...env, LIVE_RESPONSE_FOLLOW_EVERY: "300 millis", LIVE_RESPONSE_VISIBLE_WITHIN: "2 seconds" },
})

const here = (box: Cli.Sandbox, ...ns: ReadonlyArray<number>) => ns.every((n) => box.sizeOf(`${idAt(n)}/0.bin`) > 0)

describe("download --follow", { concurrent: true }, () => {
  it.live("downloads existing and new results, and resumes after it was killed", () =>
    Effect.gen(function* () {
      const { env, simulator } = yield* ServedSimulator.serve()
      yield* put(simulator, 1, "Succeeded", { hours: 2 })
      yield* put(simulator, 2, "Pending")
      yield* put(simulator, 3, "Succeeded", { hours: 30 })
      yield* put(simulator, 4, "Succeeded", { type: "Isolate" })
      const box = yield* Cli.sandbox
      const first = yield* box.start(follow(env))
      const wait = (running: Cli.Running, ...ns: ReadonlyArray<number>) =>
        Cli.until(
          () => here(box, ...ns),
          () => `the results of ${ns}\n${running.stderr()}`,
        )
      yield* wait(first, 1)
      yield* put(simulator, 5, "Succeeded")
      yield* wait(first, 5)
      yield* put(simulator, 2, "Failed")
      yield* wait(first, 2)
      yield* put(simulator, 6, "Pending")
      yield* Cli.until(
        () => box.read("results/follow.json").includes(idAt(6)),
        () => `what is open\n${box.read("results/follow.json").toString()}`,
      )
      yield* first.signal("SIGKILL")
      yield* first.ended

      // One finished, and one was created, while no program watched.
      yield* put(simulator, 6, "Succeeded")
      yield* put(simulator, 7, "Succeeded")
      const second = yield* box.start(follow(env, "--json", "--since", "1m"))
      yield* wait(second, 6, 7)
      yield* Cli.until(
        () => second.stdout().split('"completed"').length === 3,
        () => `two completed\n${second.stdout()}`,
      )
      yield* second.signal("SIGINT")
      const ended = yield* second.ended
      assert.strictEqual(ended.exitCode, 130)
      const events = Cli.ndjson(ended.stdout)
      assert.deepInclude(events.at(-1), { event: "summary", completed: 2, failed: 0 })
      assert.isFalse(here(box, 3) || here(box, 4))
      const links = yield* ServedSimulator.answered(simulator, "link")
      assert.strictEqual(links.length, 5)
      assert.deepStrictEqual(
        box.files().filter((file) => !file.includes("/")),
        ["actions.jsonl", "follow.json", "manifest.jsonl"],
      )
    }),
  )

  it.live("prints a line for each result, and on a terminal the last search and the next one", () =>
    Effect.gen(function* () {
      const { env, simulator } = yield* ServedSimulator.serve()
      const box = yield* Cli.sandbox
      const command = { ...follow(env), patience: "20 seconds" } as const
      const terminal = yield* box.onTerminal(
        { ...command, env: { ...command.env, LIVE_RESPONSE_FOLLOW_EVERY: "1 second" } },
        { columns: 120 },
      )
      const shown = (what: RegExp) =>
        Cli.until(
          () => Terminal.screen(terminal.output(), 120).some((line) => what.test(line)),
          () => `${what}\n${Terminal.screen(terminal.output(), 120).join("\n")}`,
        )
      yield* shown(/^Watch +last search at \d\d:\d\d:\d\d UTC, next search at \d\d:\d\d:\d\d UTC \(in 1 s\)$/)
      yield* put(simulator, 1, "Succeeded")
      yield* shown(/^[\d-]{10} [\d:]{8} UTC {2}[0-9a-f-]{36}\/0\.bin {2}11 B$/)
      yield* terminal.type("\u0003")
      assert.strictEqual((yield* terminal.ended).exitCode, 130)

      // The same to a pipe.
      yield* put(simulator, 2, "Succeeded")
      const running = yield* box.start(follow(env))
      yield* Cli.until(
        () => running.stdout().includes("\n"),
        () => `a line\n${running.stderr()}`,
      )
      yield* running.signal("SIGINT")
      const ended = yield* running.ended
      assert.match(ended.stdout, /^[\d-]{10} [\d:]{8} UTC {2}[0-9a-f-]{36}\/0\.bin {2}11 B\nInterrupted: 1 downloaded /)
    }),
  )

  it.live("downloads selected actions only, and compares their status when they are final", () =>
    Effect.gen(function* () {
      const { env, simulator } = yield* ServedSimulator.serve()
      yield* put(simulator, 1, "Pending")
      yield* put(simulator, 2, "Succeeded", { requestor: "somebody@contoso.com" })
      yield* put(simulator, 3, "Failed")
      const box = yield* Cli.sandbox
      const command = follow(env, "--status", "Succeeded", "--requestor", "soc@contoso.com", "--machine", "ws-1")
      const running = yield* box.start(command)
      yield* Cli.until(
        () => box.entries().includes("results") && box.files().includes("follow.json"),
        () => `a first round\n${running.stderr()}`,
      )
      yield* put(simulator, 1, "Succeeded")
      yield* Cli.until(
        () => here(box, 1),
        () => `the result\n${running.stderr()}`,
      )
      yield* running.signal("SIGINT")
      yield* running.ended
      assert.isFalse(here(box, 2) || here(box, 3))
    }),
  )

  it.live("rejects arguments that contradict it, and fails if the token is refused", () =>
    Effect.gen(function* () {
      const { env } = yield* ServedSimulator.serve()
      const box = yield* Cli.sandbox
      const cases: ReadonlyArray<readonly [ReadonlyArray<string>, RegExp]> = [
        [[`${idAt(1)}:0`], /--follow finds what it downloads/],
        [["--filter", "status eq 'Succeeded'"], /select a status with --status/],
      ]
      for (const [args, message] of cases) {
        const ended = yield* box.run(follow(env, ...args))
        assert.strictEqual(ended.exitCode, 2)
        assert.match(ended.stderr, message)
      }
      const denied = yield* box.run(follow({ ...env, LIVE_RESPONSE_TOKEN: "another" }))
      assert.strictEqual(denied.exitCode, 3, denied.stderr)
      assert.match(denied.stderr, /^live-response: list of machine actions: the API refused the token/m)
    }),
  )
})
