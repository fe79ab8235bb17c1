/**
 * `run` where the night is long: lists that somebody typed, permissions that are missing, texts that are hostile, and
 * services that go away.
 */
import { assert, describe, it } from "@effect/vitest"
import type * as Simulator from "@live-response/core/testing/Simulator"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Cli from "./support/CliInProcess.ts"
import * as InterceptedSimulator from "./support/InterceptedSimulator.ts"
import { env, ids, machineAt, machines, machinesOf, quick, script, sessions } from "./support/Machines.ts"
import * as ServedSimulator from "./support/ServedSimulator.ts"
import * as Terminal from "./support/Terminal.ts"

const countOf = (simulator: Simulator.Service, kind: Simulator.Call["kind"]) =>
  Effect.map(ServedSimulator.answered(simulator, kind), ({ length }) => length)

/** Neither in what was printed nor in any file. Files are for their owner alone. */
const assertDiscreet = (box: Cli.Sandbox, directory: string, { stderr, stdout }: Cli.Ended) => {
  const files = box.files(box.path(directory)).map((file) => `${directory}/${file}`)
  for (const file of files) assert.strictEqual(box.mode(file), 0o600, file)
  for (const text of [stdout, stderr, ...files.map((file) => box.read(file).toString())]) {
    assert.notInclude(text, InterceptedSimulator.bearer)
    assert.notInclude(text, "sig=")
  }
}

/** What a terminal would obey: the colours, the title, a bell, and text that runs backwards. */
const hostile = "\u001b[35m\u001b]0;pwned\u0007\u202Elive\r\nfailed: nothing\u009b31m"

const assertHarmless = (text: string) => {
  assert.notMatch(text, /\u001b(?!\[(?:0|22|31|32|33|39|90)m)/)
  assert.notMatch(text, /[\u0007\u0080-\u009f\u202a-\u202e\u2066-\u2069]/)
}

// The longest first: five at a time are run.
describe("run, left alone", { concurrent: true }, () => {
  it.live("waits for a service that is down for a while, and gives no machine a second session", () =>
    Effect.gen(function* () {
      const service = yield* InterceptedSimulator.serve({
        ...quick,
        machines: machines(24),
        latency: Effect.sleep("100 millis"),
      })
      const box = yield* Cli.sandbox
      box.write("machines.txt", ids(24).join("\n"))
      const running = yield* box.start({
        args: ["run", "--machines", "machines.txt", ...script, "--wait"],
        env: { ...service.env, ...env },
      })
      let startedCount = 0
      yield* Effect.repeat(
        Effect.andThen(
          Effect.map(sessions(service.simulator), ({ length }) => (startedCount = length)),
          Effect.sleep("5 millis"),
        ),
        { until: () => startedCount >= 4 },
      )
      yield* service.goAway
      yield* Cli.until(
        () => service.missed() >= 4,
        () => `somebody who misses it\n${running.stderr()}`,
      )
      yield* service.comeBack
      const ended = yield* running.ended
      assert.strictEqual(ended.exitCode, 0, ended.stderr)
      assert.deepStrictEqual(
        ended.stdout.split("\n").flatMap((line) => (line === "" ? [] : [line.split("\t")[1]])),
        ids(24).map(() => "Succeeded"),
      )
      assert.deepStrictEqual(yield* machinesOf(service.simulator), [...ids(24)].sort())
    }),
  )

  it.live("ends in order with Ctrl-C, at once with a second one, and resumes", () =>
    Effect.gen(function* () {
      const service = yield* InterceptedSimulator.serve({ ...quick, machines: machines(8), commandTime: "1 hour" })
      const box = yield* Cli.sandbox
      box.write("machines.txt", ids(8).join("\n"))
      const command = {
        args: ["run", "--machines", "machines.txt", ...script, "--download", "results", "--json"],
        env: { ...service.env, ...env },
      }
      const untilStarted = (running: Cli.Running, count: number) =>
        Cli.until(
          () => running.stdout().split("\n").length > count,
          () => `${count} sessions\n${running.stdout()}${running.stderr()}`,
        )
      const first = yield* box.start(command)
      yield* untilStarted(first, 3)
      const other = yield* box.run(command)
      assert.strictEqual(other.exitCode, 4)
      assert.match(other.stderr, new RegExp(`^live-response: results: in use by process ${first.pid} on [^\n]+\n$`))
      assert.strictEqual(other.stdout, "")
      yield* first.signal("SIGINT")
      const interrupted = yield* first.ended
      assert.strictEqual(interrupted.exitCode, 130)
      const events = Cli.ndjson(interrupted.stdout)
      assert.deepStrictEqual(
        events.slice(-2).map(({ event }) => event),
        ["sessions", "summary"],
      )

      const second = yield* box.start(command)
      yield* untilStarted(second, 1)
      yield* second.signal("SIGINT")
      yield* second.signal("SIGINT")
      assert.strictEqual((yield* second.ended).exitCode, 130)

      yield* service.pass("1 hour")
      const ended = yield* box.run(command)
      assert.strictEqual(ended.exitCode, 0, ended.stderr)
      assert.deepInclude(Cli.ndjson(ended.stdout).at(-1), { event: "summary", failed: 0 })
      const manifest = Cli.ndjson(box.read("results/manifest.jsonl").toString())
      assert.strictEqual(manifest.filter(({ status }) => status === "completed").length, 8)
      assert.deepStrictEqual(yield* machinesOf(service.simulator), [...ids(8)].sort())
    }),
  )

  it.live.each([
    {
      flags: ["--wait"],
      next: `; in two minutes, search for it with live-response actions list --machine ${machineAt(0)}, `,
    },
    { flags: ["--wait", "--journal", "journal"], next: "; the same command searches for it\n" },
    { flags: ["--download", "results"], next: "; the same command searches for it\n" },
  ])("says after Ctrl-C which session may have started, because its answer is missing: $flags", ({ flags, next }) =>
    Effect.gen(function* () {
      let hasArrived = false
      const answered = yield* Deferred.make<void>()
      const latency = Effect.suspend(() => (hasArrived ? Deferred.await(answered) : Effect.void))
      const service = yield* InterceptedSimulator.serve({ ...quick, machines: machines(1), latency })
      // The service closes when it has answered.
      yield* Effect.addFinalizer(() => Deferred.succeed(answered, undefined))
      yield* service.refuse((request) => {
        hasArrived ||= request.startsWith("POST ") && request.endsWith("/runliveresponse")
        return undefined
      })
      const box = yield* Cli.sandbox
      const running = yield* box.start({
        args: ["run", machineAt(0), ...script, ...flags, "--json"],
        env: { ...service.env, ...env },
      })
      yield* Cli.until(() => hasArrived, running.stderr)
      yield* running.signal("SIGINT")
      const { exitCode, stderr, stdout } = yield* running.ended
      assert.strictEqual(exitCode, 130)
      const message = `live response on ${machineAt(0)}: whether it has started is not known, because the run ended before the service said so`
      assert.include(stderr, `failed: ${message}${next}`)
      const events = Cli.ndjson(stdout)
      assert.deepInclude(
        events.find(({ event }) => event === "notStarted"),
        { machineId: machineAt(0), message, mayHaveStarted: true },
      )
      assert.deepInclude(
        events.find(({ event }) => event === "sessions"),
        { started: 0, notStarted: 1 },
      )
    }),
  )

  it.live("names the sessions that continue after Ctrl-C", () =>
    Effect.gen(function* () {
      const service = yield* InterceptedSimulator.serve({ ...quick, machines: machines(3), commandTime: "1 hour" })
      const box = yield* Cli.sandbox
      const running = yield* box.start({
        args: ["run", ...ids(3), ...script, "--wait", "--journal", "journal"],
        env: { ...service.env, ...env },
      })
      const journal = () =>
        box.files(box.root).includes("journal/sessions.jsonl") ? box.read("journal/sessions.jsonl").toString() : ""
      yield* Cli.until(() => journal().split('"started"').length > 3, running.stderr)
      yield* running.signal("SIGINT")
      const { exitCode, stdout } = yield* running.ended
      assert.strictEqual(exitCode, 130)
      const rows = stdout
        .trimEnd()
        .split("\n")
        .map((line) => line.split("\t").slice(1))
      assert.deepStrictEqual(
        rows.toSorted(),
        ids(3)
          .map((id) => ["Started", id])
          .toSorted(),
      )
    }),
  )

  it.live("starts failed sessions again only with --retry-failed", () =>
    Effect.gen(function* () {
      const service = yield* InterceptedSimulator.serve({
        ...quick,
        machines: machines(2, (n) => (n === 1 ? { scriptError: "No." } : {})),
        commandTime: "1 hour",
      })
      const box = yield* Cli.sandbox
      const command = (...more: ReadonlyArray<string>) => ({
        args: ["run", ...ids(2), ...script, "--journal", "journal", ...more],
        env: { ...service.env, ...env },
      })
      const run = (...more: ReadonlyArray<string>) => box.run(command(...more))
      const waiting = yield* box.start(command("--wait"))
      yield* Effect.repeat(countOf(service.simulator, "run"), {
        until: (count) => count === 2,
        schedule: Schedule.spaced("10 millis"),
      })
      yield* service.pass("1 hour")
      const first = yield* waiting.ended
      assert.strictEqual(first.exitCode, 1)
      assert.match(
        first.stderr,
        /^failed: ws-1\.contoso\.com: machine action [0-9a-f-]{36} is Failed: RunScript collect\.ps1: No\.$/m,
      )
      assert.include(first.stderr, "only with --retry-failed")

      const again = yield* run("--wait")
      assert.strictEqual(again.exitCode, 1)
      assert.strictEqual(yield* countOf(service.simulator, "run"), 2)

      const retried = yield* run("--retry-failed")
      assert.strictEqual(retried.exitCode, 0, retried.stderr)
      assert.match(retried.stdout, new RegExp(`^[0-9a-f-]{36}\tStarted\t${machineAt(1)}\n$`))
      assert.strictEqual(yield* countOf(service.simulator, "run"), 3)
      assertDiscreet(box, "journal", retried)

      const resumed = yield* run()
      assert.match(resumed.stdout, new RegExp(`^[0-9a-f-]{36}\tResumed\t${machineAt(1)}\n$`))
      assert.strictEqual(yield* countOf(service.simulator, "run"), 3)
    }),
  )

  it.live("starts nothing if a line of sessions.jsonl is damaged, and reports the line and the next step", () =>
    Effect.gen(function* () {
      const service = yield* ServedSimulator.serve({ ...quick, machines: machines(3), commandTime: "5 seconds" })
      const box = yield* Cli.sandbox
      const command = { args: ["run", ...ids(3), ...script, "--journal", "journal"], env: { ...service.env, ...env } }
      const first = yield* box.run(command)
      assert.strictEqual(first.exitCode, 0, first.stderr)
      const lines = box.read("journal/sessions.jsonl").toString().split("\n")
      box.write("journal/sessions.jsonl", lines.with(2, "\0\0\0").join("\n"))
      const { exitCode, stderr } = yield* box.run(command)
      assert.strictEqual(exitCode, 4, stderr)
      assert.match(stderr, /^live-response: \S*journal\/sessions\.jsonl: line 3 is damaged, .*delete the line\n$/m)
      assert.match(stderr, /^Do what the error says, then run the command again: it resumes where it stopped/m)
      assert.deepStrictEqual(yield* machinesOf(service.simulator), [...ids(3)].sort())
      box.write("journal/sessions.jsonl", lines.join("\n"))
      assert.strictEqual((yield* box.run(command)).exitCode, 0)
    }),
  )

  it.live("starts nothing if actions.jsonl is of a newer version", () =>
    Effect.gen(function* () {
      const service = yield* ServedSimulator.serve({ ...quick, machines: machines(1) })
      const box = yield* Cli.sandbox
      box.write("results/actions.jsonl", '{"version":2}\n')
      const ended = yield* box.run({
        args: ["run", machineAt(0), ...script, "--download", "results"],
        env: { ...service.env, ...env },
      })
      assert.strictEqual(ended.exitCode, 4)
      assert.match(
        ended.stderr,
        /^live-response: results\/actions\.jsonl: line 1 was written by a newer version of live-response \([^\n]*\n$/,
      )
      assert.deepStrictEqual(yield* machinesOf(service.simulator), [])
    }),
  )

  it.live("waits for another session with --adopt, and for an offline machine until the deadline", () =>
    Effect.gen(function* () {
      const of: Record<number, Partial<Simulator.Machine>> = { 0: { busy: "1 hour" }, 1: { offline: "3 days" } }
      const service = yield* InterceptedSimulator.serve({ ...quick, machines: machines(3, (n) => of[n] ?? {}) })
      const [others] = yield* sessions(service.simulator)
      const box = yield* Cli.sandbox
      const command = {
        args: ["run", ...ids(3), ...script, "--adopt", "--wait", "--journal", "journal", "--json"],
        env: { ...service.env, ...env },
      }
      const first = yield* box.start(command)
      const count = (event: string) => first.stdout().split(`"event":"${event}"`).length - 1
      const until = (event: string, times: number) =>
        Cli.until(
          () => count(event) === times,
          () => `${times} ${event}\n${first.stdout()}${first.stderr()}`,
        )
      yield* until("started", 3)
      yield* service.pass("1 hour")
      yield* until("ended", 2)
      yield* first.signal("SIGINT")
      const interrupted = yield* first.ended
      assert.strictEqual(interrupted.exitCode, 130)
      assert.deepStrictEqual(
        Cli.ndjson(interrupted.stdout).flatMap(({ as, event, machineActionId, machineId }) =>
          event === "started" && as === "adopted" ? [`${machineId} ${machineActionId}`] : [],
        ),
        [`${machineAt(0)} ${others?.id}`],
      )

      // It has nothing to do but to wait, so all that must happen before the deadline is that it is started.
      const deadline = DateTime.formatIso(DateTime.makeUnsafe((yield* Clock.currentTimeMillis) + 15_000))
      const ended = yield* box.run(Cli.inOwnProcess({ ...command, args: [...command.args, "--deadline", deadline] }))
      assert.strictEqual(ended.exitCode, 1)
      assert.deepInclude(Cli.ndjson(ended.stdout).at(-1), {
        event: "sessions",
        started: 3,
        succeeded: 2,
        unfinished: 1,
        notStarted: 0,
      })
      assert.match(
        ended.stderr,
        new RegExp(
          `^not finished: live response on ${machineAt(1)}: machine action [0-9a-f-]{36} has not finished yet, and continues\n`,
          "m",
        ),
      )
      assert.deepStrictEqual(yield* machinesOf(service.simulator), ids(3).slice(1))
    }),
  )

  it.live("prints no control characters, whatever the names of machines and the answers of the service", () =>
    Effect.gen(function* () {
      const service = yield* InterceptedSimulator.serve({
        ...quick,
        machines: machines(3, (n) => ({
          name: `ws-${n}${hostile}`,
          ...(n === 1 ? { scriptError: `no ${hostile}` } : {}),
        })),
      })
      const box = yield* Cli.sandbox
      yield* service.refuse((request) =>
        request.includes(machineAt(2))
          ? { status: 400, code: `In${hostile}`, message: `too old ${hostile}` }
          : undefined,
      )
      const args = ["run", ...ids(3), ...script, "--wait", "--journal", "journal", "--comment", `case ${hostile}`]
      const terminal = yield* box.onTerminal({ args, env: { ...service.env, ...env } }, { columns: 80 })
      const { exitCode, output } = yield* terminal.ended
      assert.strictEqual(exitCode, 1)
      assertHarmless(Terminal.withoutDrawing(output))
      assert.isFalse(Terminal.isCursorHidden(output))
      const said = Terminal.screen(output, 80).join("")
      assert.include(said, "1 session succeeded, 1 failed; 1 machine without a session")
      assert.notInclude(said, "Machines ")

      const piped = yield* box.run({ args: [...args, "--json"], env: { ...service.env, ...env } })
      assert.strictEqual(piped.exitCode, 1)
      assertHarmless(piped.stdout)
      assertHarmless(piped.stderr)
      assert.strictEqual(Cli.ndjson(piped.stdout).filter(({ earlier }) => earlier === true).length, 2)
    }),
  )

  it.live("without the permission ends after a few calls, and the next run can start every session", () =>
    Effect.gen(function* () {
      const service = yield* InterceptedSimulator.serve({ ...quick, machines: machines(30) })
      const box = yield* Cli.sandbox
      box.write("machines.txt", ids(30).join("\n"))
      yield* service.refuse((request) =>
        request.endsWith("/runliveresponse")
          ? { status: 403, code: "Forbidden", message: "The application lacks a role." }
          : undefined,
      )
      const ended = yield* box.run({
        args: ["run", "--machines", "machines.txt", ...script, "--journal", "journal"],
        env: { ...service.env, ...env },
      })
      assert.strictEqual(ended.exitCode, 3)
      // Four calls are in progress before the first answer, and another may start before it is read.
      assert.isAtMost(service.refused(), 8)
      assert.match(ended.stderr, /^live-response: [^\n]*403 Forbidden[^\n]*the call needs Machine\.LiveResponse/m)
      assert.strictEqual(ended.stdout, "")
      assertDiscreet(box, "journal", ended)

      yield* service.refuseNothing
      const again = yield* box.run({
        args: ["run", "--machines", "machines.txt", ...script, "--journal", "journal"],
        env: { ...service.env, ...env, LIVE_RESPONSE_VISIBLE_WITHIN: "300 millis" },
      })
      assert.strictEqual(again.exitCode, 0, again.stderr)
      assert.deepStrictEqual(yield* machinesOf(service.simulator), [...ids(30)].sort())
    }),
  )

  it.live("reports a missing permission to read actions, and resumes the sessions when it is granted", () =>
    Effect.gen(function* () {
      const service = yield* InterceptedSimulator.serve({ ...quick, machines: machines(10) })
      const box = yield* Cli.sandbox
      box.write("machines.txt", ids(10).join("\n"))
      const run = (...more: ReadonlyArray<string>) =>
        box.run({
          args: ["run", "--machines", "machines.txt", ...script, "--journal", "journal", ...more],
          env: { ...service.env, ...env },
        })
      yield* service.refuse((request) =>
        request.startsWith("GET /api/machineactions")
          ? { status: 403, code: "Forbidden", message: "The application lacks a role." }
          : undefined,
      )
      const started = yield* run()
      assert.strictEqual(started.exitCode, 0, started.stderr)
      assert.deepStrictEqual(yield* machinesOf(service.simulator), [...ids(10)].sort())

      const denied = yield* run("--wait")
      assert.strictEqual(denied.exitCode, 3, denied.stderr)
      assert.match(denied.stderr, /^live-response: [^\n]*the call needs Machine\.ReadWrite\.All/m)
      assert.isAtMost(service.refused(), 8)
      assertDiscreet(box, "journal", denied)

      yield* service.refuseNothing
      const ended = yield* run("--json", "--wait")
      assert.strictEqual(ended.exitCode, 0, ended.stderr)
      const events = Cli.ndjson(ended.stdout)
      assert.deepStrictEqual(new Set(events.flatMap(({ as }) => (as === undefined ? [] : [as]))), new Set(["resumed"]))
      assert.deepInclude(events.at(-1), { event: "sessions", started: 10, succeeded: 10, notStarted: 0 })
      assert.deepStrictEqual(yield* machinesOf(service.simulator), [...ids(10)].sort())
    }),
  )

  it.live("reports an invalid command line in one line, and makes no call", () =>
    Effect.gen(function* () {
      const service = yield* ServedSimulator.serve({ ...quick, machines: machines(1) })
      const box = yield* Cli.sandbox
      box.write("useless.csv", "Device ID,Name\nws-0,one\n")
      const wrong: ReadonlyArray<readonly [says: string, ...args: ReadonlyArray<string>]> = [
        ["no machine to run on; name a MACHINE", ...script],
        ["nothing to run; add --script FILE", machineAt(0)],
        ['"ws 0" is not a machine; use its id', "ws 0", ...script],
        ['"case 1.CSV" is not a machine; name a list with --machines FILE', "case 1.CSV", ...script],
        ["--args needs --script FILE", machineAt(0), "--args", "-Quick", "--get-file", "C:\\a"],
        ["--comment, --put-file, --script and --get-file can't be empty", machineAt(0), ...script, "--comment", ""],
        ['--deadline: "tomorrow". Expected: how long', machineAt(0), ...script, "--deadline", "tomorrow"],
        ['--sessions: "0". Expected: a whole number from 1', machineAt(0), ...script, "--sessions", "0"],
        ['--deadline: "2020-01-01". Expected: how long', machineAt(0), ...script, "--deadline", "2020-01-01"],
        [
          "a run without --download downloads nothing: add --download DIR, or leave out --extract",
          machineAt(0),
          ...script,
          "--extract",
        ],
        [
          "leave out --listen, -j, --per-minute",
          machineAt(0),
          ...script,
          "-qj",
          "3",
          "--listen",
          "127.0.0.1:0",
          "--per-minute=5",
        ],
        [
          "--max-extract limits what --extract unpacks: add --extract",
          machineAt(0),
          ...script,
          "--download",
          "x",
          "--max-extract",
          "1 GB",
        ],
        ["--retry-failed reads which sessions failed from a journal", machineAt(0), ...script, "--retry-failed"],
        ["--download. Expected: a directory", machineAt(0), ...script, "--download", ""],
        [
          "has no column machineId; expected one machine per line",
          machineAt(0),
          "--machines",
          "useless.csv",
          ...script,
        ],
        ["can't read missing.txt: there is no such file", "--machines", "missing.txt", ...script],
      ]
      const check = Effect.fnUntraced(function* ([says, ...args]: (typeof wrong)[number]) {
        const ended = yield* box.run({ args: ["run", ...args], env: { ...service.env, ...env } })
        assert.strictEqual(ended.exitCode, 2, says)
        assert.match(ended.stderr, /^live-response: [^\n]+\n$/)
        assert.include(ended.stderr, says)
        assert.strictEqual(ended.stdout, "")
      })
      yield* Effect.forEach(wrong, check, { concurrency: 3, discard: true })
      assert.deepStrictEqual(yield* service.simulator.calls, [])
      assert.deepStrictEqual(box.entries(), ["useless.csv"])
    }),
  )

  it.live("accepts lists as people and programs write them, runs each machine once, and reports each broken line", () =>
    Effect.gen(function* () {
      // None has finished before all have started, on however slow a machine.
      const service = yield* ServedSimulator.serve({ ...quick, machines: machines(7), commandTime: "1 hour" })
      const box = yield* Cli.sandbox
      const [a, b, c, d, e, f, g] = ids(7)
      box.write(
        "plain.txt",
        `\uFEFF# hosts\r\n${a}\r\n\r\n  ${b}\t\r\n${a?.toUpperCase()}\r\nws-${hostile.replaceAll(/\s/g, "")}\r\n${c}`,
      )
      box.write("rows.csv", `\uFEFFname,MachineId \r\n"two\r\nlines",${d}\r\n\r\nws-9,"${e}"\r\nws-8,\r\n`)
      const ended = yield* box.run({
        args: ["run", ...["plain.txt", "rows.csv", "-"].flatMap((list) => ["--machines", list]), ...script, "--json"],
        env: { ...service.env, ...env },
        stdin: `{"machineId":"${f}"}\r\n{"machineId":7}\n{"machineId":"${a}","more":[]}\n${g}\n`,
      })
      assert.strictEqual(ended.exitCode, 1)
      const events = Cli.ndjson(ended.stdout)
      assert.deepStrictEqual(
        events.flatMap(({ event, line, source }) => (event === "notStarted" ? [`${source}:${line}`] : [])),
        ["plain.txt:6", "rows.csv:6", "standard input:2"],
      )
      const { at, ...summary } = events.at(-1) ?? {}
      assert.match(String(at), /^\d{4}-\d\d-\d\dT[\d:.]+Z$/)
      assert.deepStrictEqual(summary, {
        event: "sessions",
        started: 7,
        succeeded: 0,
        failed: 0,
        unfinished: 7,
        notStarted: 3,
      })
      assert.deepStrictEqual(yield* machinesOf(service.simulator), [...ids(7)].sort())
      assert.strictEqual(ended.stderr.split("\n").filter((line) => line.startsWith("failed: ")).length, 3)
      assertHarmless(ended.stderr)
      assertHarmless(ended.stdout)
    }),
  )

  it.live("calls machines by their names, whether they were named or selected", () =>
    Effect.gen(function* () {
      const service = yield* ServedSimulator.serve({
        ...quick,
        machines: machines(2),
        commandTime: "1 hour",
        runFaults: [{ fault: "none" }, { fault: "status", status: 400, code: "InvalidInput" }],
      })
      const box = yield* Cli.sandbox
      for (const of of [
        ["ws-0.contoso.com", "ws-1.contoso.com"],
        ["--name", "ws-*"],
      ]) {
        const ended = yield* box.run({ args: ["run", ...of, ...script], env: { ...service.env, ...env } })
        assert.strictEqual(ended.exitCode, 1)
        assert.match(ended.stdout, /^[0-9a-f-]{36}\tStarted\tws-[01]\.contoso\.com\n$/)
        assert.match(ended.stderr, /^failed: ws-[01]\.contoso\.com: live response on [0-9a-f]{40}: /m)
      }
    }),
  )

  it.live("accepts a name that exactly one machine has", () =>
    Effect.gen(function* () {
      const twins = { name: "twin.contoso.com" }
      const service = yield* ServedSimulator.serve({ ...quick, machines: machines(4, (n) => (n > 1 ? twins : {})) })
      const box = yield* Cli.sandbox
      box.write("hosts.csv", "machineId\nWS-1.contoso.com\nws-9.contoso.com\ntwin.contoso.com\n")
      const ended = yield* box.run({
        args: ["run", "ws-0.contoso.com", machineAt(0), "--machines", "hosts.csv", ...script, "--json"],
        env: { ...service.env, ...env },
      })
      assert.strictEqual(ended.exitCode, 1)
      assert.deepStrictEqual(yield* machinesOf(service.simulator), ids(2))
      assert.match(ended.stderr, /^failed: no machine has the name ws-9\.contoso\.com: [^\n]+\n/m)
      const which = `use the id of the right one: ${machineAt(2)}, ${machineAt(3)}`
      assert.include(ended.stderr, `failed: 2 machines have the name twin.contoso.com: ${which}\n`)
      const events = Cli.ndjson(ended.stdout)
      assert.deepStrictEqual(
        events.flatMap(({ event, machineName }) => (event === "notStarted" ? [machineName] : [])),
        ["ws-9.contoso.com", "twin.contoso.com"],
      )
      assert.deepInclude(events.at(-1), { event: "sessions", started: 2, notStarted: 2 })
    }),
  )

  it.live("records the names that lead to no machine until they are corrected", () =>
    Effect.gen(function* () {
      const twins = { name: "twin.contoso.com" }
      const service = yield* ServedSimulator.serve({ ...quick, machines: machines(4, (n) => (n > 1 ? twins : {})) })
      const box = yield* Cli.sandbox
      const command = (...names: ReadonlyArray<string>) => {
        box.write("hosts.txt", names.join("\n"))
        return box.run({
          args: ["run", "--machines", "hosts.txt", ...script, "--download", "results"],
          env: { ...service.env, ...env },
        })
      }
      const status = Effect.map(box.run({ args: ["status", "results"] }), ({ stdout }) =>
        stdout.split("\n").slice(0, 3),
      )
      assert.strictEqual((yield* command("ws-0.contoso.com", "ws-9.contoso.com", "twin.contoso.com")).exitCode, 1)
      assert.deepStrictEqual(yield* status, [
        "1 machine, 1 with results, 0 without.",
        "1 named machine is unknown: ws-9.contoso.com. Correct the name, and run again.",
        "1 name is that of several machines: twin.contoso.com. Use the ids of the right ones, and run again.",
      ])
      assert.strictEqual((yield* command("ws-0.contoso.com", "ws-8.contoso.com")).exitCode, 1)
      assert.deepStrictEqual(JSON.parse(box.read("results/unknown-machines.json").toString()), {
        version: 1,
        unknown: ["ws-8.contoso.com"],
        ambiguous: [],
      })
      assert.strictEqual((yield* command("ws-0.contoso.com", "ws-1.contoso.com")).exitCode, 0)
      assert.strictEqual((yield* status)[0], "2 machines, 2 with results, 0 without.")
      assert.notInclude(box.files(), "unknown-machines.json")
    }),
  )

  it.live("records them beside the journal too, where status counts its sessions", () =>
    Effect.gen(function* () {
      const service = yield* ServedSimulator.serve({ ...quick, machines: machines(2) })
      const box = yield* Cli.sandbox
      const command = (name: string, ...args: ReadonlyArray<string>) =>
        box.run({
          args: ["run", "ws-0.contoso.com", name, ...script, "--journal", "journal", ...args],
          env: { ...service.env, ...env },
        })
      const unknown = "1 named machine is unknown: ws-9.contoso.com. Correct the name, and run again."
      assert.strictEqual((yield* command("ws-9.contoso.com", "--wait")).exitCode, 1)
      const before = yield* box.run({ args: ["status", "journal"] })
      assert.strictEqual(before.stdout.split("\n")[1], unknown, before.stderr)
      assert.strictEqual((yield* command("ws-1.contoso.com", "--wait")).exitCode, 0)
      const corrected = yield* box.run({ args: ["status", "journal"] })
      assert.notInclude(corrected.stdout, "unknown", corrected.stderr)
      assert.strictEqual((yield* command("ws-9.contoso.com", "--download", "results")).exitCode, 1)
      for (const directory of ["journal", "results"]) {
        const { stdout } = yield* box.run({ args: ["status", directory] })
        assert.strictEqual(stdout.split("\n")[1], unknown, directory)
      }
    }),
  )

  it.live("can be piped, is silent with --quiet, and passes arguments on unchanged", () =>
    Effect.gen(function* () {
      const service = yield* ServedSimulator.serve({ ...quick, machines: machines(21), sessions: 100 })
      const box = yield* Cli.sandbox
      box.write("machines.txt", ids(20).join("\n"))
      const args = ["run", "--machines", "machines.txt", ...script]
      const first = yield* box.run(Cli.inPipe({ args, env: { ...service.env, ...env } }, "head -1"))
      assert.strictEqual(first.exitCode, 0, first.stderr)
      assert.match(first.stdout, /^[0-9a-f-]{36}\tStarted\t[0-9a-f]{40}\n$/)
      assert.notInclude(first.stderr, "EPIPE")

      const text = "-Quick -Path 'C:\\x' --script"
      const quiet = yield* box.run({
        args: ["run", machineAt(20), ...script, "--quiet", "--args", text],
        env: { ...service.env, ...env },
      })
      assert.deepStrictEqual(quiet, { exitCode: 0, stdout: "", stderr: "" })
      const last = (yield* sessions(service.simulator)).at(-1)
      assert.deepStrictEqual(last?.commands[0]?.params, { ScriptName: "collect.ps1", Args: text })
    }),
  )
})
