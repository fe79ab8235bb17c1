import { assert, describe, it } from "@effect/vitest"
import { FromString } from "@live-response/core/ResultRef"
import type * as Simulator from "@live-response/core/testing/Simulator"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Cli from "./support/CliInProcess.ts"
import * as InProcess from "./support/InProcess.ts"
import { env, ids, machineAt, machines, quick, script } from "./support/Machines.ts"
import * as ServedSimulator from "./support/ServedSimulator.ts"

const machineId = "7b1f4967d9728e5aa3c06a9e617a22a4a5a17378"

const idAt = (n: number) => `988cc94e-7a8f-4b28-ab65-${String(n).padStart(12, "0")}`

const commandOf = (type: string, commandStatus: string, index: number) => ({
  index,
  commandStatus,
  startTime: null,
  endTime: null,
  errors: commandStatus === "Failed" ? ["The script failed."] : [],
  command: { type, params: [{ key: type === "RunScript" ? "ScriptName" : "Path", value: `${type}-${index}` }] },
})

/** A session whose three commands are a file that was put, a script that failed and one that was never run. */
const failedSession = (n: number, created: string, more: Readonly<Record<string, unknown>> = {}) => ({
  id: idAt(n),
  type: "LiveResponse",
  status: "Failed",
  machineId,
  computerDnsName: `ws-${n}.contoso.com`,
  requestor: "ann@contoso.com",
  requestorComment: `case\u001b[31m ${n}`,
  creationDateTimeUtc: created,
  commands: [
    commandOf("PutFile", "Completed", 0),
    commandOf("RunScript", "Failed", 1),
    commandOf("GetFile", "Created", 2),
  ],
  ...more,
})

const decodeRef = Schema.decodeSync(FromString)

const text = (content: string) => ({ content: new TextEncoder().encode(content) })

/** A simulated service with some actions of the last days, and the environment of who may use it. */
const serve = Effect.fnUntraced(function* (options?: Simulator.Options) {
  const { env, simulator } = yield* ServedSimulator.serve(options)
  const now = DateTime.makeUnsafe(yield* Clock.currentTimeMillis)
  const ago = (hours: number) => DateTime.formatIso(DateTime.subtract(now, { hours }))
  const addResult = Effect.fnUntraced(function* (n: number, index: number) {
    yield* simulator.add(decodeRef(`${idAt(n)}:${index}`), text(`result of ${n}:${index}`))
  })
  return { env, simulator, ago, addResult }
})

const countOf = (simulator: Simulator.Service, kind: Simulator.Call["kind"]) =>
  Effect.map(ServedSimulator.answered(simulator, kind), ({ length }) => length)

describe("actions list", () => {
  it.live("lists the selected actions, newest first, with one request for each page", () =>
    Effect.gen(function* () {
      const { ago, env, simulator } = yield* serve({ pageSize: 2 })
      for (const [n, hours] of [1, 2, 3, 30].entries()) yield* simulator.addAction(failedSession(n, ago(hours)))
      yield* simulator.addAction(failedSession(8, ago(1), { type: "Isolate", commands: [] }))
      const box = yield* Cli.sandbox

      const day = yield* box.run({ args: ["actions", "list", "--since", "24h", "--type", "LiveResponse"], env })
      assert.strictEqual(day.exitCode, 0, day.stderr)
      const rows = day.stdout
        .trimEnd()
        .split("\n")
        .map((line) => line.split("\t"))
      assert.deepStrictEqual(
        rows.map(([id]) => id),
        [0, 1, 2].map(idAt),
      )
      assert.deepStrictEqual(rows[0]?.slice(1, 3), ["Failed", "ws-0.contoso.com"])
      assert.include(rows[0]?.at(-1), "RunScript RunScript-1 (failed)")
      assert.strictEqual(yield* countOf(simulator, "list"), 2)

      const json = yield* box.run({ args: ["actions", "list", "--limit", "2", "--json"], env })
      const lines = json.stdout
        .trimEnd()
        .split("\n")
        .map((line): unknown => JSON.parse(line))
      assert.strictEqual(lines.length, 2)
      assert.strictEqual(yield* countOf(simulator, "list"), 3)
      assert.notInclude(json.stdout, "\u001b")
      assert.deepStrictEqual(box.entries(), [])
    }),
  )

  it.live.each([
    { flags: ["--machine", "WS-1"], shown: [1] },
    { flags: ["--machine", machineId], shown: [0, 1, 2] },
    { flags: ["--status", "TimeOut", "--status", "Cancelled"], shown: [2] },
    { flags: ["--requestor", "o'brien@contoso.com"], shown: [1] },
    { flags: ["--requestor", "x' or 'a' eq 'a"], shown: [] },
    { flags: ["--filter", `id eq '${idAt(0)}' or status eq 'TimeOut'`, "--type", "LiveResponse"], shown: [0, 2] },
  ])("$flags", ({ flags, shown }) =>
    Effect.gen(function* () {
      const { ago, env, simulator } = yield* serve()
      yield* simulator.addAction(failedSession(0, ago(1)))
      yield* simulator.addAction(failedSession(1, ago(2), { requestor: "o'brien@contoso.com" }))
      yield* simulator.addAction(failedSession(2, ago(3), { status: "TimeOut" }))
      const box = yield* Cli.sandbox
      const ended = yield* box.run({ args: ["actions", "list", ...flags], env })
      assert.strictEqual(ended.exitCode, 0, ended.stderr)
      const ids = ended.stdout.split("\n").flatMap((line) => (line === "" ? [] : [line.split("\t")[0]]))
      assert.deepStrictEqual(ids, shown.map(idAt))
    }),
  )

  it.live("fits the width of a terminal", () =>
    Effect.gen(function* () {
      const { ago, env, simulator } = yield* serve()
      yield* simulator.addAction(failedSession(0, ago(1), { computerDnsName: `工作站${"x".repeat(100)}` }))
      const box = yield* Cli.sandbox
      for (const columns of [80, 140]) {
        const terminal = yield* box.onTerminal(
          { args: ["actions", "list"], env: { ...env, NO_COLOR: "1" } },
          { columns },
        )
        const { exitCode, output } = yield* terminal.ended
        assert.strictEqual(exitCode, 0)
        const lines = output.split(/\r?\n/).filter((line) => line !== "")
        assert.match(
          lines[0] ?? "",
          columns === 80 ? /^ID +STATUS +MACHINE +COMMANDS$/ : /^ID +STATUS +MACHINE +CREATED +COMMANDS$/,
        )
        // Signs of two columns count twice.
        for (const line of lines) assert.isAtMost(line.length + (line.match(/[工作站]/g) ?? []).length, columns)
      }
    }),
  )

  it.live("reports a filter that the API can't read, and a missing permission", () =>
    Effect.gen(function* () {
      const { env } = yield* serve()
      const box = yield* Cli.sandbox
      const wrong = yield* box.run({ args: ["actions", "list", "--filter", "colour eq 'red'"], env })
      assert.match(
        wrong.stderr,
        /^live-response: list of machine actions: the API refused the request \(HTTP 400 ODataError/,
      )
      assert.strictEqual(wrong.exitCode, 1)
      const stranger = yield* box.run({ args: ["actions", "list"], env: { ...env, LIVE_RESPONSE_TOKEN: "other" } })
      assert.match(stranger.stderr, /^live-response: [^\n]*the API refused the token[^\n]*\n$/)
      assert.strictEqual(stranger.exitCode, 3)
    }),
  )
})

describe("actions get, wait and cancel", () => {
  it.live("shows an action, its commands, and which of them have a result", () =>
    Effect.gen(function* () {
      const { ago, env, simulator } = yield* serve()
      yield* simulator.addAction(failedSession(0, ago(1)))
      const box = yield* Cli.sandbox
      const { exitCode, stdout } = yield* box.run({ args: ["actions", "get", idAt(0).toUpperCase()], env })
      assert.strictEqual(exitCode, 0)
      assert.match(stdout, /^status +Failed$/m)
      assert.match(stdout, /^command 0 +PutFile PutFile-0, Completed$/m)
      assert.include(stdout, `Failed: download ${idAt(0)}:1; The script failed.`)
      assert.notInclude(stdout, "\u001b[31m")
    }),
  )

  it.live("reports an unknown action, and exits with 1", () =>
    Effect.gen(function* () {
      const { env } = yield* serve()
      const box = yield* Cli.sandbox
      const { exitCode, stderr, stdout } = yield* box.run({ args: ["actions", "get", idAt(0)], env })
      assert.match(stderr, /^live-response: machine action [0-9a-f-]+: not found [^\n]*\n$/)
      assert.strictEqual(stdout, "")
      assert.strictEqual(exitCode, 1)
    }),
  )

  it.live("says what an id is, where a target was typed", () =>
    Effect.gen(function* () {
      const box = yield* Cli.sandbox
      const { exitCode, stderr } = yield* box.run({ args: ["actions", "get", `${idAt(0)}:0`] })
      assert.match(
        stderr,
        /^live-response: [^\n]*Expected: the id of a machine action, such as [0-9a-f-]{36} [^\n]*\n$/,
      )
      assert.strictEqual(exitCode, 2)
    }),
  )

  it.live("waits until the action has finished, and exits by its status", () =>
    Effect.gen(function* () {
      const { ago, env, simulator } = yield* serve()
      yield* simulator.addAction(failedSession(0, ago(1)))
      yield* simulator.addAction(failedSession(1, ago(1), { status: "Succeeded" }))
      const box = yield* Cli.sandbox
      assert.strictEqual((yield* box.run({ args: ["actions", "wait", idAt(0)], env })).exitCode, 1)
      assert.strictEqual((yield* box.run({ args: ["actions", "wait", idAt(1)], env })).exitCode, 0)
    }),
  )

  it.live("reports what it waits for, and for how long, unless the action has finished", () =>
    Effect.gen(function* () {
      const { ago, env, simulator } = yield* serve()
      const box = yield* Cli.sandbox
      const wait = (n: number) =>
        InProcess.run(["actions", "wait", idAt(n)], {
          ...env,
          XDG_STATE_HOME: box.root,
          LIVE_RESPONSE_VISIBLE_WITHIN: "200 millis",
        })
      const unknown = yield* wait(0)
      assert.strictEqual(unknown.exitCode, 1)
      const [says, failed] = unknown.stderr.split("\n")
      assert.strictEqual(
        says,
        `live-response: the API does not know ${idAt(0)}; a new action may take a while to appear, so it is searched for 1 s`,
      )
      assert.match(failed ?? "", /^live-response: machine action [0-9a-f-]+: not found/)

      yield* simulator.addAction(failedSession(1, ago(1), { status: "Succeeded" }))
      assert.strictEqual((yield* wait(1)).stderr, "")

      yield* simulator.addAction(failedSession(2, ago(1), { status: "Pending" }))
      const pending = yield* box.start({ args: ["actions", "wait", idAt(2)], env })
      yield* Cli.until(
        () =>
          /^live-response: [0-9a-f-]+ is Pending on ws-2[^;]+; waiting until it has finished, for up to 26 h\n$/.test(
            pending.stderr(),
          ),
        pending.stderr,
      )
    }),
  )

  it.live("reports an action that can't be cancelled", () =>
    Effect.gen(function* () {
      const { env } = yield* serve()
      const box = yield* Cli.sandbox
      const { exitCode, stderr } = yield* box.run({ args: ["actions", "cancel", idAt(0), "--comment", "wrong"], env })
      assert.match(stderr, /^live-response: cancellation of [0-9a-f-]+: not found/)
      assert.strictEqual(exitCode, 1)
    }),
  )
})

describe("download of actions and selections", () => {
  it.live("downloads every result of an action from its id", () =>
    Effect.gen(function* () {
      const { addResult, ago, env, simulator } = yield* serve()
      yield* simulator.addAction(failedSession(0, ago(1)))
      yield* addResult(0, 1)
      const box = yield* Cli.sandbox
      const ended = yield* box.run({ args: ["download", idAt(0), "--out", "results"], env })
      assert.strictEqual(ended.exitCode, 0, ended.stderr)
      assert.deepStrictEqual(
        box.files().filter((file) => file.includes(idAt(0))),
        [`${idAt(0)}/1.bin`],
      )
    }),
  )

  it.live("counts an id that is unknown, has no result, or lacks some yet as a failed target", () =>
    Effect.gen(function* () {
      const { addResult, ago, env, simulator } = yield* serve()
      yield* simulator.addAction(failedSession(1, ago(1), { commands: [commandOf("PutFile", "Completed", 0)] }))
      const running = [commandOf("RunScript", "Completed", 0), commandOf("GetFile", "Created", 1)]
      yield* simulator.addAction(failedSession(2, ago(1), { status: "InProgress", commands: running }))
      yield* addResult(2, 0)
      const box = yield* Cli.sandbox
      const ids = [0, 1, 2].map(idAt)
      const ended = yield* box.run({ args: ["download", ...ids, "--out", "results", "--json"], env })
      assert.strictEqual(ended.exitCode, 1)
      assert.match(ended.stderr, /^failed: [0-9a-f-]+0: not found/m)
      assert.match(ended.stderr, /^failed: [0-9a-f-]+1: none of its commands has a result/m)
      assert.match(
        ended.stderr,
        /^failed: [0-9a-f-]+2: 1 of its commands have no result yet, its status is InProgress/m,
      )
      const events = ended.stdout
        .trimEnd()
        .split("\n")
        .map((line): unknown => JSON.parse(line))
      assert.deepInclude(events.at(-1), { event: "summary", completed: 1, failed: 3 })
    }),
  )

  it.live(
    "downloads a selection's results while its pages are read, each once, and a second run finds all present",
    () =>
      Effect.gen(function* () {
        const { addResult, ago, env, simulator } = yield* serve({ pageSize: 3, perMinute: 1000 })
        for (let n = 0; n < 12; n++) {
          yield* simulator.addAction(failedSession(n, ago(n + 1)))
          yield* addResult(n, 1)
        }
        const box = yield* Cli.sandbox
        const args = [
          "download",
          "--since",
          "10h",
          "--type",
          "LiveResponse",
          "--out",
          "results",
          "--per-minute",
          "1000",
        ]
        const first = yield* box.run({ args: [...args, "-j", "1", "--json"], env })
        assert.strictEqual(first.exitCode, 0, first.stderr)
        assert.include(first.stdout, '"completed":9')
        const calls = yield* simulator.calls
        const kinds = calls.map(({ kind }) => kind)
        assert.strictEqual(kinds.filter((kind) => kind === "list").length, 3)
        assert.isBelow(kinds.indexOf("blob"), kinds.lastIndexOf("list"))

        const again = yield* box.run({ args: [...args, "--json"], env })
        assert.include(again.stdout, '"skipped":9')
        assert.strictEqual(yield* countOf(simulator, "link"), 9)
      }),
  )
})

describe("actions cancel --all-pending", () => {
  it.live("cancels the selected sessions that are pending, after a yes, and no others", () =>
    Effect.gen(function* () {
      const service = yield* ServedSimulator.serve({
        ...quick,
        visibleAfter: 0,
        machines: machines(4, (n) => (n < 3 ? { offline: "1 hour" } : {})),
      })
      const box = yield* Cli.sandbox
      const run = (...args: ReadonlyArray<string>) => box.run({ args: [...args], env: { ...service.env, ...env } })
      const started = yield* run("run", ...ids(4), ...script)
      assert.include(started.stderr, "4 sessions started", started.stderr)
      const cancel = ["actions", "cancel", "--all-pending", "--comment", "wrong script"]
      const refused = yield* run(...cancel)
      assert.strictEqual(refused.exitCode, 2)
      const rows = refused.stderr.trimEnd().split("\n")
      assert.strictEqual(
        rows.pop(),
        "live-response: this would cancel 3 machine actions of 1 requestor; confirm it with --yes, because there is no terminal to ask on",
      )
      const named = rows.flatMap((row) => /ws-\d/.exec(row) ?? [])
      assert.deepStrictEqual(named.toSorted(), ["ws-0", "ws-1", "ws-2"], refused.stderr)
      const one = yield* run(...cancel, "--machine", machineAt(0), "--yes", "--json")
      assert.strictEqual(one.exitCode, 0, one.stderr)
      assert.deepStrictEqual(
        Cli.ndjson(one.stdout).map(({ cancellationComment, machineId, status }) => [
          machineId,
          status,
          cancellationComment,
        ]),
        [[machineAt(0), "Cancelled", "wrong script"]],
      )
      const rest = yield* run(...cancel, "--yes")
      assert.strictEqual(rest.exitCode, 0, rest.stderr)
      assert.strictEqual(rest.stdout.trimEnd().split("\n").length, 2)
      const none = yield* run(...cancel)
      assert.deepStrictEqual([none.exitCode, none.stderr], [0, "no selected machine action is pending\n"])
    }),
  )

  it.live("needs an id or --all-pending, and flags of a selection only with that", () =>
    Effect.gen(function* () {
      const box = yield* Cli.sandbox
      const run = (...args: ReadonlyArray<string>) =>
        box.run({ args: ["actions", "cancel", "--comment", "x", ...args] })
      for (const args of [[], [idAt(1), "--all-pending"]]) {
        const neither = yield* run(...args)
        assert.deepStrictEqual(
          [neither.exitCode, neither.stderr],
          [2, "live-response: name the ID of one action, or use --all-pending\n"],
        )
      }
      const selecting = yield* run(idAt(1), "--since", "1h")
      assert.strictEqual(selecting.exitCode, 2)
      assert.include(selecting.stderr, "flags that select actions need --all-pending")
    }),
  )
})
