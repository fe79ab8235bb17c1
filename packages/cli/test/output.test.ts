import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import packageJson from "../package.json" with { type: "json" }
import * as Cli from "./support/CliInProcess.ts"
import * as ReferenceServer from "./support/ReferenceServer.ts"
import * as Samples from "./support/Samples.ts"
import * as Terminal from "./support/Terminal.ts"

const samples = Samples.samples(12)
const targets = samples.map(({ target }) => target)
const results = Samples.resultsOf(samples)
const total = samples.reduce((sum, { bytes }) => sum + bytes.length, 0)
const missing = `${Samples.action(99)}:0`

/** A result that is large enough to stop in the middle of it. */
const large = `${Samples.action(50)}:0`
const largeBytes = Samples.noise(4_000_000, 50)

const idOf = (target: string) => {
  const [machineActionId, index] = target.split(":")
  return { machineActionId, index: Number(index) }
}

describe("--json", { concurrent: true }, () => {
  it.live("prints only events on stdout, and the summary last", () =>
    Effect.gen(function* () {
      const server = yield* ReferenceServer.make({
        results,
        onBlob: ({ nth, result }) =>
          nth > 1
            ? undefined
            : result === targets[1]
              ? { breakAfter: 3_000_000 }
              : result === targets[2]
                ? { expire: true }
                : undefined,
      })
      const box = yield* Cli.sandbox
      const ended = yield* box.run(Cli.download(server, "--json", missing, targets[0] ?? "", ...targets))
      assert.strictEqual(ended.exitCode, 1)
      const events = Cli.timeless(Cli.ndjson(ended.stdout))
      const named = (name: string, target?: string) =>
        events.filter(
          ({ event, index, machineActionId }) =>
            event === name && (target === undefined || `${String(machineActionId)}:${String(index)}` === target),
        )

      assert.deepStrictEqual(events.at(-1), {
        event: "summary",
        completed: 12,
        skipped: 1,
        failed: 1,
        bytes: total,
        links: 13,
      })
      assert.deepStrictEqual(named("summary"), [events.at(-1)])
      assert.strictEqual(named("completed").length, 12)
      for (const { bytes, path, target } of samples) {
        const [completed] = named("completed", target)
        assert.deepInclude(completed, {
          event: "completed",
          ...idOf(target),
          path,
          bytes: bytes.length,
          etag: ReferenceServer.etagOf(bytes),
          links: target === targets[2] ? 2 : 1,
          attempts: target === targets[1] || target === targets[2] ? 2 : 1,
        })
        assert.match(String(completed?.sha256), /^[0-9a-f]{64}$/)
        const links = named("linked", target).map(({ links }) => links)
        assert.deepStrictEqual(links, target === targets[2] ? [1, 2] : [1])
      }
      assert.deepStrictEqual(named("skipped"), [{ event: "skipped", ...idOf(targets[0] ?? ""), reason: "duplicate" }])

      const [failed] = named("failed")
      assert.deepInclude(failed, { event: "failed", ...idOf(missing), links: 0, attempts: 1 })
      assert.match(String(failed?.message), /HTTP 404 ResourceNotFound/)
      assert.nestedInclude(failed, {
        "error._tag": "DefenderError",
        "error.reason._tag": "NotFound",
        "error.reason.status": 404,
      })

      const [broke] = named("retrying", targets[1])
      assert.isNumber(broke?.delay)
      assert.nestedInclude(broke, { "error._tag": "TransferError", "error.reason._tag": "Broken" })
      const [refused] = named("retrying", targets[2])
      assert.nestedInclude(refused, { delay: 0, "error.reason._tag": "LinkRefused" })
      assert.strictEqual(named("retrying").length, 2)

      assert.match(ended.stderr, /^failed: [^\n]*HTTP 404[^\n]*\n$/)
    }),
  )

  it.live("has events for progress and for results that are present", () =>
    Effect.gen(function* () {
      const server = yield* ReferenceServer.make({
        results: { [large]: { bytes: largeBytes } },
        onBlob: () => ({ holdAfter: 1_000_000 }),
      })
      const box = yield* Cli.sandbox
      const running = yield* box.start(Cli.download(server, "--json", large))
      yield* Cli.until(
        () => server.held() === 1,
        () => "a body that is held",
      )
      yield* Cli.keepDoing(() => server.release(running.stdout().includes("progress") ? Infinity : 1000))
      const ended = yield* running.ended
      const [linked, ...later] = Cli.timeless(Cli.ndjson(ended.stdout))
      assert.deepStrictEqual(linked, { event: "linked", ...idOf(large), links: 1 })
      const [progress] = later
      assert.deepInclude(progress, { event: "progress", ...idOf(large), total: largeBytes.length })
      assert.isAbove(Number(progress?.bytes), 0)
      assert.isAtMost(Number(progress?.bytes), largeBytes.length)

      const again = yield* box.run(Cli.download(server, "--json", large))
      assert.deepStrictEqual(Cli.timeless(Cli.ndjson(again.stdout)), [
        { event: "skipped", ...idOf(large), reason: "present" },
        { event: "summary", completed: 0, skipped: 1, failed: 0, bytes: 0, links: 0 },
      ])
    }),
  )

  it.live("has events for waits for the quota, and ends with the summary after Ctrl-C", () =>
    Effect.gen(function* () {
      const server = yield* ReferenceServer.make({ results })
      const box = yield* Cli.sandbox
      const running = yield* box.start(Cli.download(server, "--json", "--per-minute", "2", ...targets))
      yield* Cli.until(
        () => running.stdout().includes('"waiting"') && running.stdout().split('"completed"').length === 3,
        () => `two results and a pause\n${running.stdout()}`,
      )
      yield* running.signal("SIGINT")
      const ended = yield* running.ended
      assert.strictEqual(ended.exitCode, 130)
      const events = Cli.ndjson(ended.stdout)
      const waiting = events.find(({ event }) => event === "waiting")
      assert.match(String(waiting?.until), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
      assert.deepInclude(events.at(-1), { event: "summary", completed: 2, failed: 0, links: 2 })
      assert.strictEqual(server.linkCalls().length, 2)
      assert.notInclude(ended.stderr, "    at ")
    }),
  )

  it.live("names each result that is stored when Ctrl-C ends it", () =>
    Effect.gen(function* () {
      const names = Array.from({ length: 400 }, (_, n) => `988cc94e-7a8f-4b28-ab65-${String(n).padStart(12, "0")}:0`)
      const server = yield* ReferenceServer.make({
        results: Object.fromEntries(names.map((name) => [name, { bytes: new Uint8Array(1000) }])),
      })
      const box = yield* Cli.sandbox
      const limits = ["--per-minute", "10000", "--per-hour", "10000"]
      const running = yield* box.start(Cli.download(server, "--json", "-j", "64", ...limits, ...names))
      yield* Cli.until(
        () => running.stdout().split('"completed"').length > 20,
        () => `twenty results\n${running.stderr()}`,
      )
      yield* running.signal("SIGINT")
      const ended = yield* running.ended
      assert.strictEqual(ended.exitCode, 130)
      const events = Cli.ndjson(ended.stdout)
      const stored = box.files().filter((file) => file.endsWith("/0.bin")).length
      assert.strictEqual(events.filter(({ event }) => event === "completed").length, stored)
      assert.deepInclude(events.at(-1), { event: "summary", completed: stored })
    }),
  )

  it.live("prints no control characters to a terminal", () =>
    Effect.gen(function* () {
      const { server } = yield* hostile
      const box = yield* Cli.sandbox
      const terminal = yield* box.onTerminal(Cli.download(server, "--json", ...targets.slice(0, 2)), { columns: 80 })
      const { output } = yield* terminal.ended
      assert.include(output, '"event":"failed"')
      assertHarmless(Terminal.withoutDrawing(output))
    }),
  )

  it.live("can be read on a terminal: the progress does not overwrite it", () =>
    Effect.gen(function* () {
      const server = yield* ReferenceServer.make({ results, onBlob: () => ({ holdAfter: 0 }) })
      const box = yield* Cli.sandbox
      const columns = 500
      const terminal = yield* box.onTerminal(Cli.download(server, "--json", "-j", "1", ...targets), { columns })
      // Slow enough that the progress is drawn between the events.
      yield* Cli.until(
        () => terminal.output().includes("next link"),
        () => "the progress",
      )
      yield* Effect.sync(server.release).pipe(
        Effect.andThen(Effect.sleep("100 millis")),
        Effect.forever,
        Effect.forkScoped,
      )
      const { exitCode, output } = yield* terminal.ended
      assert.strictEqual(exitCode, 0)
      // How much progress there is to report depends on the machine.
      const events = Terminal.screen(output, columns).filter(
        (line) => line.startsWith("{") && !line.startsWith('{"event":"progress"'),
      )
      assert.strictEqual(events.length, 2 * targets.length + 1, events.join("\n"))
    }),
  )
})

describe("for people and logs", { concurrent: true }, () => {
  it.live("the summary is on stdout, and failures are on stderr", () =>
    Effect.gen(function* () {
      const server = yield* ReferenceServer.make({ results })
      const box = yield* Cli.sandbox
      const ended = yield* box.run(Cli.download(server, ...targets, missing))
      assert.strictEqual(ended.exitCode, 1)
      assert.match(
        ended.stdout,
        /^12 downloaded \(5\.\d MB\), 1 failed; 12 links in \d+ s\.\nThe results are in results, /,
      )
      assert.match(ended.stdout, /Run the same command again/)
      assert.match(ended.stderr, /^failed: link of [^\n]*HTTP 404[^\n]*\n$/)
      assertHarmless(ended.stdout + ended.stderr)
    }),
  )

  it.live("--quiet prints only failures", () =>
    Effect.gen(function* () {
      const server = yield* ReferenceServer.make({ results })
      const box = yield* Cli.sandbox
      const ended = yield* box.run(Cli.download(server, "--quiet", ...targets, missing))
      assert.strictEqual(ended.exitCode, 1)
      assert.strictEqual(ended.stdout, "")
      assert.match(ended.stderr, /^failed: [^\n]*HTTP 404[^\n]*\n$/)
      const again = yield* box.run(Cli.download(server, "-q", ...targets))
      assert.deepStrictEqual(again, { exitCode: 0, stdout: "", stderr: "" })
    }),
  )

  it.live("an answer of the server is printed in one line, without control characters", () =>
    Effect.gen(function* () {
      const { server } = yield* hostile
      const box = yield* Cli.sandbox
      const ended = yield* box.run(Cli.download(server, ...targets.slice(0, 2)))
      assert.strictEqual(ended.exitCode, 1)
      assert.strictEqual(ended.stderr.trimEnd().split("\n").length, 2, ended.stderr)
      assert.include(ended.stderr, "owned")
      assertHarmless(ended.stdout + ended.stderr)
      const manifest = box.read("results/manifest.jsonl").toString()
      assert.include(manifest, "owned")
      assertHarmless(manifest)
    }),
  )

  it.live("a wait between attempts has a line in plain words", () =>
    Effect.gen(function* () {
      const server = yield* ReferenceServer.make({
        results,
        onLink: () => ReferenceServer.apiError(503, "InternalError", "Not now."),
      })
      const box = yield* Cli.sandbox
      const running = yield* box.start(Cli.download(server, targets[0] ?? ""))
      // The fourth pause is the first of which people hear.
      yield* Cli.until(
        () => running.stderr().includes("\n"),
        () => "the news of a pause",
      )
      yield* running.signal("SIGINT")
      const { stderr } = yield* running.ended
      assert.match(stderr, /^retrying in \d+ ?s: [^\n]*HTTP 503/)
    }),
  )

  it.live("a wait that the API demands has a line in plain words", () =>
    Effect.gen(function* () {
      const server = yield* ReferenceServer.make({
        results,
        onLink: ({ total }) =>
          total === 1
            ? ReferenceServer.apiError(429, "429", "API calls quota exceeded!", { "retry-after": "6" })
            : undefined,
      })
      const box = yield* Cli.sandbox
      const ended = yield* box.run(Cli.download(server, targets[0] ?? ""))
      assert.strictEqual(ended.exitCode, 0)
      assert.match(ended.stderr, /^retrying in 6\s?s: [^\n]*HTTP 429/)
    }),
  )

  it.live("--help, --version and --completions print on stdout", () =>
    Effect.gen(function* () {
      const box = yield* Cli.sandbox
      const help = yield* box.run({ args: ["--help"] })
      for (const word of ["download", "simulate", "demo", "--version"]) assert.include(help.stdout, word)
      const downloadHelp = yield* box.run({ args: ["download", "--help"] })
      for (const word of ["TARGET", "--from", "--out", "-j", "--json", "--quiet", "--retry-failed"]) {
        assert.include(downloadHelp.stdout, word)
      }
      const version = yield* box.run({ args: ["--version"] })
      assert.include(version.stdout, packageJson.version)
      const completions = yield* box.run({ args: ["--completions", "bash"] })
      const read = yield* box.run({
        program: "bash",
        args: ["-n", box.path(box.write("completions", completions.stdout))],
      })
      for (const word of ["download", "--from", "live-response"]) assert.include(completions.stdout, word)
      for (const { exitCode, stderr } of [help, downloadHelp, version, completions, read]) {
        assert.deepStrictEqual({ exitCode, stderr }, { exitCode: 0, stderr: "" })
      }
    }),
  )
})

describe("--verbose, or --log-level debug", { concurrent: true }, () => {
  it.live.each([["--verbose"], ["--log-level", "debug"]])(
    "prints calls, sizes, retries and renewed links with the time and its zone, and no secret: %j",
    (args) =>
      Effect.gen(function* () {
        const [first = "", second = "", third = ""] = targets
        const server = yield* ReferenceServer.make({
          results,
          onBlob: ({ nth, result }) =>
            nth > 1
              ? undefined
              : result === first
                ? { expire: true }
                : result === second
                  ? { breakAfter: 5 }
                  : undefined,
          onLink: ({ nth, result }) =>
            result === third && nth === 1 ? ReferenceServer.apiError(503, "x", "y") : undefined,
        })
        const box = yield* Cli.sandbox
        const command = Cli.download(server, "-j", "1", ...args, first, second, third)
        const ended = yield* box.run({ ...command, env: { ...command.env, TZ: "Asia/Kolkata" } })
        assert.strictEqual(ended.exitCode, 0, ended.stderr)
        const lines = ended.stderr.trimEnd().split("\n")
        for (const line of lines) assert.match(line, /^\d\d:\d\d:\d\d\.\d{3} UTC\+5:30  debug: /)
        const api = `${server.endpoint}/api/machineactions/${idOf(first).machineActionId}`
        for (const said of [
          `GET ${api}/GetLiveResponseResultDownloadLink(index=0): 200 in `,
          `GET ${server.blobOrigin}/`,
          `${first}: link created`,
          `${first}: link renewed (link 2)`,
          `${first}: completed, ${samples[0]?.bytes.length.toLocaleString("en-US")} bytes, 2 links`,
          ` bytes=5-: 206 in `,
          `: 503 in `,
          "debug: retry in ",
        ]) {
          assert.include(ended.stderr, said)
        }
        Cli.assertNoSecrets(box, server, ended)
        assert.notInclude(ended.stderr, "?")
      }),
  )

  it.live("is off by default", () =>
    Effect.gen(function* () {
      const server = yield* ReferenceServer.make({ results })
      const box = yield* Cli.sandbox
      assert.strictEqual((yield* box.run(Cli.download(server, ...targets))).stderr, "")
      assert.strictEqual((yield* box.run(Cli.download(server, "--log-level", "info", ...targets))).stderr, "")
    }),
  )
})

describe("a reader that closes its end", { concurrent: true }, () => {
  /** Its own exit code, and what came out of the pipe. */
  const pipedInto = (command: Cli.Command, into: string) =>
    Cli.inShell(command, `"$@" | ${into}; echo "\${PIPESTATUS[0]}" >&2`)

  it.live("keeps partial results, says so in one line, and the same command resumes", () =>
    Effect.gen(function* () {
      const { box, command, server } = yield* holdingLarge
      // The first of them stops in its middle, with the reader of its events gone.
      const events = Cli.download(server, "--json", "-j", "1", large, ...targets)
      const running = yield* box.start(pipedInto(events, "head -1"))
      yield* untilLargeIsHeld(box, server, 0)
      yield* Cli.keepDoing(() => server.release(200_000))
      const ended = yield* running.ended
      assert.strictEqual(Cli.ndjson(ended.stdout).length, 1)
      assert.match(
        ended.stderr,
        /^live-response: standard output can't be written any more\. Interrupted: \d+ downloaded [^\n]*Run the same command again: [^\n]*\n141\n$/,
      )
      Cli.assertNoSecrets(box, server, ended)
      const again = yield* box.run(command)
      assert.strictEqual(again.exitCode, 0, again.stderr)
      assert.isTrue(box.read(largePath).equals(largeBytes))
    }),
  )

  it.live("ends commands that only read and print with 141, without a message", () =>
    Effect.gen(function* () {
      const box = yield* Cli.sandbox
      const ended = yield* box.run(pipedInto({ args: ["download", "--help"] }, "true"))
      assert.deepStrictEqual([ended.stdout, ended.stderr], ["", "141\n"])
    }),
  )

  it.live("does not end the work if it read only stderr", () =>
    Effect.gen(function* () {
      const server = yield* ReferenceServer.make({ results })
      const box = yield* Cli.sandbox
      const command = Cli.download(server, missing, ...targets)
      const ended = yield* box.run(Cli.inShell(command, `"$@" 2> >(exec 0<&-); echo "exit $?"`))
      assert.match(ended.stdout, /^12 downloaded [^]*exit 1\n$/)
    }),
  )

  it.live("a full disk behind stdout is a failure of this machine: exit code 4", () =>
    Effect.gen(function* () {
      const server = yield* ReferenceServer.make({ results })
      const box = yield* Cli.sandbox
      const ended = yield* box.run(Cli.inShell(Cli.download(server, ...targets), `"$@" > /dev/full`))
      assert.strictEqual(ended.exitCode, 4)
      assert.match(ended.stderr, /can't write to standard output \(ENOSPC\)\n$/)
    }),
  )
})

describe("on a terminal", { concurrent: true }, () => {
  it.live.each([
    { columns: 80, progress: /^Results +█+░* /m },
    // A bar would leave no space for the rate.
    { columns: 40, progress: /^Results +92 % /m },
  ])(
    "of $columns columns shows the progress, the quota and the next link, and then the summary",
    ({ columns, progress }) =>
      Effect.gen(function* () {
        const server = yield* ReferenceServer.make({
          results: { ...results, [large]: { bytes: largeBytes } },
          onBlob: ({ result }) => (result === large ? { holdAfter: 3_000_000 } : undefined),
        })
        const box = yield* Cli.sandbox
        const terminal = yield* box.onTerminal(Cli.download(server, ...targets, large), { columns })
        const drawn = () => Terminal.screen(terminal.output(), columns)
        yield* Cli.until(
          () => server.held() === 1 && drawn().join().includes("92 %") && drawn().join().includes("13/100 this minute"),
          () => `all but one\n${terminal.output()}`,
        )
        const picture = drawn().join("\n")
        assert.match(picture, progress)
        assert.include(picture, "12 of 13")
        assert.match(picture, /13\/100 this minute/)
        assert.match(picture, /13\/1,500 this hour/)
        assert.include(picture, "next link")
        assert.isTrue(Terminal.isCursorHidden(terminal.output()))
        assert.isAtMost(Terminal.widest(terminal.output()), columns)

        server.release()
        const { exitCode, output } = yield* terminal.ended
        assert.strictEqual(exitCode, 0)
        assert.isFalse(Terminal.isCursorHidden(output))
        const left = Terminal.screen(output, columns).join("")
        assert.match(left, /^13 downloaded \(9\.\d MB\); 13 links in \d+ s\./)
        assert.notInclude(left, "next link")
      }),
  )

  it.live("failures stay readable above the progress", () =>
    Effect.gen(function* () {
      const { server } = yield* hostile
      const box = yield* Cli.sandbox
      const terminal = yield* box.onTerminal(Cli.download(server, ...targets.slice(0, 2)), { columns: 80 })
      const { exitCode, output } = yield* terminal.ended
      assert.strictEqual(exitCode, 1)
      const left = Terminal.screen(output, 80).join("\n")
      assert.strictEqual(left.split("failed: link of").length, 3, left)
      assert.match(left, /0 downloaded \(0 B\), 2 failed; 0 links/)
      assertHarmless(Terminal.withoutDrawing(output))
    }),
  )

  it.live("Ctrl-C shows the cursor and the next step", () =>
    Effect.gen(function* () {
      const server = yield* ReferenceServer.make({
        results: { [large]: { bytes: largeBytes } },
        onBlob: () => ({ holdAfter: 2_500_000 }),
      })
      const box = yield* Cli.sandbox
      const terminal = yield* box.onTerminal(Cli.download(server, large), { columns: 80 })
      yield* Cli.until(
        () => server.held() === 1 && terminal.output().includes("next link"),
        () => `a body that is held\n${terminal.output()}`,
      )
      yield* terminal.type("\u0003")
      const { exitCode, output } = yield* terminal.ended
      assert.strictEqual(exitCode, 130)
      assert.isFalse(Terminal.isCursorHidden(output))
      assert.match(Terminal.screen(output, 80).join("\n"), /Interrupted: 0 downloaded/)
    }),
  )
})

describe("an interrupted download", { concurrent: true }, () => {
  it.live("keeps partial results, says so, and resumes when it is started again", () =>
    Effect.gen(function* () {
      const { box, command, server } = yield* holdingLarge
      const running = yield* box.start(command)
      yield* untilLargeIsHeld(box, server)
      yield* running.signal("SIGINT")
      const ended = yield* running.ended
      assert.strictEqual(ended.exitCode, 130)
      assert.match(ended.stdout, /^Interrupted: \d+ downloaded .*; 13 links in .*\n/)
      assert.match(ended.stdout, /Run the same command again/)
      assert.notInclude(ended.stdout + ended.stderr, "    at ")
      const kept = box.read(`results/${partPath}`)
      assert.isAbove(kept.length, 1_000_000)
      assert.isTrue(kept.equals(largeBytes.subarray(0, kept.length)))
      assert.strictEqual(box.mode(`results/${partPath}`), 0o600)
      Cli.assertNoSecrets(box, server, ended)

      const requests = server.requests.length
      const again = yield* box.run(command)
      assert.strictEqual(again.exitCode, 0, again.stderr)
      assert.match(again.stdout, /^1 downloaded \(4\.0 MB\), 12 already present; 1 link /)
      assert.deepStrictEqual(
        server.requests.slice(requests).map(({ headers, status }) => [status, headers.range]),
        [
          [200, undefined],
          [206, `bytes=${kept.length}-`],
        ],
      )
      assert.isTrue(box.read(largePath).equals(largeBytes))
      assert.deepStrictEqual(
        box.files().filter((file) => file.includes(".part")),
        [],
      )
    }),
  )

  it.live("resumes after a kill too", () =>
    Effect.gen(function* () {
      const { box, command, server } = yield* holdingLarge
      const running = yield* box.start(command)
      yield* untilLargeIsHeld(box, server)
      yield* Cli.until(
        () => box.flushed(partPath) > 1_000_000,
        () => "a part that was flushed",
      )
      yield* running.signal("SIGKILL")
      yield* running.ended
      const requests = server.requests.length
      const again = yield* box.run(command)
      assert.strictEqual(again.exitCode, 0, again.stderr)
      assert.match(again.stdout, /^1 downloaded \(4\.0 MB\), 12 already present; 1 link /)
      assert.match(server.requests.slice(requests).at(-1)?.headers.range ?? "", /^bytes=\d{7}-$/)
      assert.isTrue(box.read(largePath).equals(largeBytes))
    }),
  )
})

/** All arrive but the large one, which stops in its middle the first time. */
const holdingLarge = Effect.gen(function* () {
  const server = yield* ReferenceServer.make({
    results: { ...results, [large]: { bytes: largeBytes } },
    onBlob: ({ nth, result }) => (result === large && nth === 1 ? { holdAfter: 3_000_000 } : undefined),
  })
  const box = yield* Cli.sandbox
  return { server, box, command: Cli.download(server, ...targets, large) }
})

const largePath = `results/${large.replace(":", "/")}.bin`
const partPath = `${large.replace(":", "/")}.part`

/** Until some of it is on the disk, and all the others are. */
const untilLargeIsHeld = (box: Cli.Sandbox, server: ReferenceServer.ReferenceServer, others = samples.length) =>
  Cli.until(
    () => server.held() === 1 && box.sizeOf(partPath) > 1_000_000 && manifestLines(box) === others,
    () => `all but the one that is held\n${box.files().join("\n")}`,
  )

const manifestLines = (box: Cli.Sandbox) => box.read("results/manifest.jsonl").toString().split("\n").length - 1

/** A server whose errors would take a terminal over: title, screen, colours, direction of text, a second line. */
const hostile = Effect.gen(function* () {
  const spell =
    "\u001b]0;owned\u0007\u001b[2J\u001b[31m\u009b2J\u0090q\u202eowned\u2066\u200f\r\nfailed: forged\u0008\u0000\u2028"
  const answers = [
    ReferenceServer.apiError(404, `Not${spell}Found`, spell),
    ReferenceServer.apiError(400, "BadRequest", `line one ${spell} line two`),
  ]
  const server = yield* ReferenceServer.make({ results, onLink: ({ total }) => answers[total % 2] })
  return { server }
})

/** No control characters but line ends, and none that turn the direction of text. */
const assertHarmless = (text: string) =>
  assert.deepStrictEqual(
    text.replaceAll(/\r?\n/g, "").match(/[\p{Cc}\p{Cf}\u2028\u2029]/gu),
    null,
    JSON.stringify(text),
  )
