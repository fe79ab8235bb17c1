import { DatabaseSync } from "node:sqlite"
import { assert, describe, it } from "@effect/vitest"
import * as Redis from "@live-response/node/testing/RedisServer"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Cli from "./support/CliInProcess.ts"
import * as ReferenceServer from "./support/ReferenceServer.ts"
import * as Samples from "./support/Samples.ts"
import * as Terminal from "./support/Terminal.ts"

interface Window {
  readonly limit: number
  readonly seconds: number
}

interface Service {
  readonly server: ReferenceServer.ReferenceServer
  readonly samples: ReadonlyArray<Samples.Sample>
}

/** A service that has so many results, small ones, and refuses what is over the windows. */
const serve = Effect.fnUntraced(function* (
  count: number,
  windows: ReadonlyArray<Window>,
  options?: Partial<ReferenceServer.Options>,
): Effect.fn.Return<Service, never, Scope.Scope> {
  // The first two are an empty one and a large one.
  const samples = Samples.samples(count + 2).slice(2)
  const server = yield* ReferenceServer.make({ results: Samples.resultsOf(samples), windows, ...options })
  return { server, samples }
})

const asFlags = (windows: ReadonlyArray<Window>) =>
  windows.flatMap(({ limit, seconds }) => ["--window", `${limit}/${seconds} seconds`])

/** `download` of these samples, within these windows. */
const download = (
  server: ReferenceServer.ReferenceServer,
  samples: ReadonlyArray<Samples.Sample>,
  windows: ReadonlyArray<Window>,
  ...args: ReadonlyArray<string>
): Cli.Command => Cli.download(server, ...asFlags(windows), ...args, ...samples.map(({ target }) => target))

/** The same in another environment. */
const within = (env: Readonly<Record<string, string>>, command: Cli.Command): Cli.Command => ({
  ...command,
  env: { ...command.env, ...env },
})

/** The same, into another directory of results. */
const into = (directory: string, command: Cli.Command): Cli.Command => ({
  ...command,
  args: command.args.map((arg) => (arg === "results" ? directory : arg)),
})

const state = ".home/state/live-response"
const log = `${state}/quota.sqlite`

const decodeReport = Schema.decodeUnknownSync(
  Schema.fromJsonString(
    Schema.Struct({
      windows: Schema.Array(
        Schema.Struct({
          seconds: Schema.Finite,
          limit: Schema.Int,
          used: Schema.Int,
          free: Schema.Int,
          nextSlot: Schema.String,
        }),
      ),
      nextSlot: Schema.String,
      calls: Schema.optionalKey(Schema.Int),
      lastSlot: Schema.optionalKey(Schema.String),
    }),
  ),
)

/** `quota` of this server's API, signed in as `download` does it. */
const quota = (
  server: ReferenceServer.ReferenceServer,
  windows: ReadonlyArray<Window>,
  ...args: ReadonlyArray<string>
): Cli.Command => ({
  args: ["quota", "--endpoint", server.endpoint, ...asFlags(windows), ...args],
  env: { LIVE_RESPONSE_TOKEN: server.bearer },
})

/** The output of `quota --json`, which is one line, with nothing on stderr. */
const reportOf = Effect.fnUntraced(function* (box: Cli.Sandbox, command: Cli.Command) {
  const { exitCode, stderr, stdout } = yield* box.run({ ...command, args: [...command.args, "--json"] })
  assert.deepStrictEqual({ exitCode, stderr }, { exitCode: 0, stderr: "" })
  assert.match(stdout, /^[^\n]+\n$/)
  return decodeReport(stdout)
})

const usedOf = (box: Cli.Sandbox, command: Cli.Command) =>
  Effect.map(reportOf(box, command), ({ windows }) => windows.map(({ used }) => used))

/** The instant that is written so, in milliseconds. */
const millisOf = (instant: unknown): number => {
  assert.match(String(instant), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
  return DateTime.toEpochMillis(DateTime.makeUnsafe(String(instant)))
}

const now = Effect.map(DateTime.now, DateTime.toEpochMillis)

const statuses = (server: ReferenceServer.ReferenceServer) => server.linkCalls().map(({ status }) => status)

/** No call was refused, and there was no span of a window's length with more calls than its limit. */
const assertWithin = (server: ReferenceServer.ReferenceServer, windows: ReadonlyArray<Window>) => {
  const calls = server.linkCalls()
  assert.isFalse(statuses(server).includes(429), statuses(server).join())
  for (const { limit, seconds } of windows) {
    const spans = calls.slice(limit).map(({ at }, i) => at - (calls[i]?.at ?? 0))
    assert.isAtLeast(Math.min(Infinity, ...spans), seconds * 1000, `${limit + 1} calls in ${spans.join()} ms`)
  }
}

const assertAllThere = (
  box: Cli.Sandbox,
  samples: ReadonlyArray<Samples.Sample>,
  directoryOf: (sample: number) => string = () => "results",
) => {
  for (const [i, { bytes, path }] of samples.entries()) {
    assert.isTrue(box.read(`${directoryOf(i)}/${path}`).equals(bytes), path)
  }
}

const assertEnded = (ended: Cli.Ended) => {
  assert.strictEqual(ended.stderr, "")
  assert.strictEqual(ended.exitCode, 0)
}

/** What was warned of, a line each, where there was nothing else to say on stderr. */
const warningsOf = ({ stderr }: Pick<Cli.Ended, "stderr">): ReadonlyArray<string> => {
  assert.match(stderr, /^(live-response: [^\n]+\n)*$/)
  return stderr.split("\n").slice(0, -1)
}

describe("a run", { concurrent: true }, () => {
  it.live("of far more results than its windows allow is never throttled", () =>
    Effect.gen(function* () {
      const windows = [
        { limit: 30, seconds: 5 },
        { limit: 12, seconds: 1.5 },
      ]
      const { samples, server } = yield* serve(42, windows)
      const box = yield* Cli.sandbox
      const ended = yield* box.run(Cli.inOwnProcess(download(server, samples, windows, "-j", "16")))
      assertEnded(ended)
      assertWithin(server, windows)
      assertAllThere(box, samples)
      assert.strictEqual(server.linkCalls().length, 42)
      Cli.assertNoSecrets(box, server, ended)
    }),
  )

  it.live("with --polite spaces its calls", () =>
    Effect.gen(function* () {
      const windows = [{ limit: 5, seconds: 5 }]
      const { samples, server } = yield* serve(4, windows)
      const box = yield* Cli.sandbox
      assertEnded(yield* box.run(Cli.inOwnProcess(download(server, samples, windows, "--polite"))))
      const calls = server.linkCalls()
      const gaps = calls.slice(1).map(({ at }, i) => at - (calls[i]?.at ?? 0))
      assert.strictEqual(gaps.length, 3)
      for (const gap of gaps) assert.isAtLeast(gap, 950)
      assertAllThere(box, samples)
    }),
  )

  it.live("takes its windows from the environment, and reports with --json until when it waits", () =>
    Effect.gen(function* () {
      const { samples, server } = yield* serve(8, [])
      const box = yield* Cli.sandbox
      const env = { LIVE_RESPONSE_WINDOWS: "5/1 hour,100/1 day" }
      const running = yield* box.start(within(env, download(server, samples, [], "--json")))
      yield* Cli.until(
        () => running.stdout().includes('"waiting"') && running.stdout().split('"completed"').length === 6,
        () => `a pause\n${running.stdout()}`,
      )
      const last = yield* now
      yield* running.signal("SIGINT")
      const ended = yield* running.ended
      const waiting = Cli.ndjson(ended.stdout).find(({ event }) => event === "waiting")
      const until = millisOf(waiting?.until)
      assert.strictEqual(server.linkCalls().length, 5)
      assert.isAtLeast(until, (server.linkCalls()[0]?.at ?? Infinity) + 3_600_000)
      assert.isAtMost(until, last + 3_600_000)
    }),
  )

  it.live("shows on a terminal how much of a window is used, and continues", () =>
    Effect.gen(function* () {
      const windows = [{ limit: 5, seconds: 10 }]
      const { samples, server } = yield* serve(7, windows)
      const box = yield* Cli.sandbox
      const terminal = yield* box.onTerminal(download(server, samples, windows), { columns: 100 })
      const drawn = () => Terminal.screen(terminal.output(), 100).join("\n")
      yield* Cli.until(
        () =>
          /^Quota +█+ 5\/5 in any 10 s\n +next link at \d\d:\d\d:\d\d UTC \(in \d+ s\), [1-9] waiting$/m.test(drawn()),
        () => `a window that is full\n${terminal.output()}`,
      )
      const { exitCode } = yield* terminal.ended
      assert.strictEqual(exitCode, 0)
      assertWithin(server, windows)
      assertAllThere(box, samples)
    }),
  )
})

describe("programs that share a state directory", { concurrent: true }, () => {
  it.live("stay within the window together, two at once", () =>
    Effect.gen(function* () {
      const windows = [{ limit: 10, seconds: 2 }]
      const { samples, server } = yield* serve(20, windows)
      const box = yield* Cli.sandbox
      const runs = [samples.slice(0, 10), samples.slice(10)].map((half, i) =>
        box.run(Cli.inOwnProcess(into(`results-${i}`, download(server, half, windows)))),
      )
      for (const ended of yield* Effect.all(runs, { concurrency: "unbounded" })) {
        assertEnded(ended)
        Cli.assertNoSecrets(box, server, ended)
      }
      assertWithin(server, windows)
      assert.strictEqual(server.linkCalls().length, 20)
      assertAllThere(box, samples, (i) => `results-${i < 10 ? 0 : 1}`)
    }),
  )

  it.live("can create it at the same time", () =>
    Effect.gen(function* () {
      const { server } = yield* serve(0, [])
      const box = yield* Cli.sandbox
      // Another program makes every directory right after this one has seen that it is not there.
      const other = `
        import fs from "node:fs"
        const { mkdir } = fs
        fs.mkdir = (path, options, resume) =>
          mkdir(path, options, (error) => {
            if (error?.code === "ENOENT") fs.mkdirSync(path, { recursive: true, mode: 0o700 })
            resume(error)
          })
        process.getBuiltinModule("node:module").syncBuiltinESMExports()`
      const env = { NODE_OPTIONS: `--import=${box.path(box.write("other.mjs", other))}` }
      assert.deepStrictEqual(yield* usedOf(box, within(env, quota(server, []))), [0, 0])
      assert.include(box.files(box.path(state)), "quota.sqlite")
    }),
  )

  it.live("count the calls of one that was killed, again and again", () =>
    Effect.gen(function* () {
      const windows = [{ limit: 10, seconds: 2 }]
      let running: Cli.Running | undefined
      // In the middle of these calls: the server has counted them, and nobody hears its answers.
      const fatal = [4, 11, 18]
      const { samples, server } = yield* serve(24, windows, {
        onLink: ({ total }) => {
          if (running !== undefined && fatal.includes(total)) process.kill(running.pid, "SIGKILL")
          return undefined
        },
      })
      const box = yield* Cli.sandbox
      const command = download(server, samples, windows, "-j", "4")
      for (const call of fatal) {
        running = yield* box.start(command)
        yield* Cli.until(
          () => server.linkCalls().length >= call,
          () => `call ${call}, which is fatal\n${running?.stderr()}`,
        )
      }
      const ended = yield* box.run(Cli.inOwnProcess(command))
      assertEnded(ended)
      assertWithin(server, windows)
      assertAllThere(box, samples)
      const calls = server.linkCalls().length
      assert.isAbove(calls, samples.length)
      Cli.assertNoSecrets(box, server, ended)
      // No call is forgotten, and none is still counted as in progress.
      const longAndShort = [3600, 0.001].map((seconds) => ({ limit: 99, seconds }))
      const [inAnHour = 0, ...underWay] = yield* usedOf(box, quota(server, longAndShort))
      assert.isAtLeast(inAnHour, calls)
      assert.deepStrictEqual(underWay, [0])
    }),
  )

  /** One run has used the window up, and another one starts. */
  const oneAfterTheOther = Effect.fnUntraced(function* (options: Partial<ReferenceServer.Options> = {}) {
    const windows = [{ limit: 10, seconds: 3600 }]
    const { samples, server } = yield* serve(11, windows, options)
    const box = yield* Cli.sandbox
    assertEnded(yield* box.run(download(server, samples.slice(0, 10), windows)))
    assert.strictEqual(server.linkCalls().length, 10)
    return { box, server, samples, again: download(server, samples.slice(10), windows, "--json", "-j", "1") }
  })

  it.live("count the calls of an earlier one, and wait", () =>
    Effect.gen(function* () {
      const { again, box, server } = yield* oneAfterTheOther()
      const running = yield* box.start(again)
      yield* Cli.until(
        () => running.stdout().includes("\n"),
        () => `a pause\n${running.stderr()}`,
      )
      yield* running.signal("SIGINT")
      const ended = yield* running.ended
      assert.strictEqual(ended.exitCode, 130)
      assert.strictEqual(Cli.ndjson(ended.stdout)[0]?.event, "waiting")
      assert.strictEqual(server.linkCalls().length, 10)
      Cli.assertNoSecrets(box, server, ended)
      assert.strictEqual(box.mode(state), 0o700)
      for (const path of box.files(box.path(state))) assert.strictEqual(box.mode(`${state}/${path}`), 0o600, path)
    }),
  )

  it.live("would be throttled if they did not share it, and would succeed", () =>
    Effect.gen(function* () {
      const { again, box, samples, server } = yield* oneAfterTheOther({
        windows: ReferenceServer.microsoftWindows,
        // As the window would refuse it, but not for an hour.
        onLink: ({ total }) =>
          total === 11 ? ReferenceServer.apiError(429, "429", "Slow down.", { "retry-after": "1" }) : undefined,
      })
      const ended = yield* box.run(Cli.inOwnProcess(within({ XDG_STATE_HOME: "/proc/nowhere" }, again)))
      assert.strictEqual(ended.exitCode, 0, ended.stderr)
      assert.deepStrictEqual(statuses(server).slice(10), [429, 200])
      assertAllThere(box, samples)
      Cli.assertNoSecrets(box, server, ended)
    }),
  )

  it.live("wait together after the server throttled one of them", () =>
    Effect.gen(function* () {
      const { samples, server } = yield* serve(2, ReferenceServer.microsoftWindows, {
        onLink: ({ total }) =>
          total === 1 ? ReferenceServer.apiError(429, "429", "Slow down.", { "retry-after": "4" }) : undefined,
      })
      const box = yield* Cli.sandbox
      const one = yield* box.start(download(server, samples.slice(0, 1), [], "--json"))
      yield* Cli.until(
        () => one.stdout().includes('"retrying"'),
        () => `a call that was refused\n${one.stderr()}`,
      )
      assertEnded(yield* box.run(Cli.inOwnProcess(into("results-1", download(server, samples.slice(1), [])))))
      assert.strictEqual((yield* one.ended).exitCode, 0)
      const [refused, ...later] = server.linkCalls()
      assert.strictEqual(later.length, 2)
      for (const { at } of later) assert.isAtLeast(at - (refused?.at ?? 0), 4000)
    }),
  )

  it.live("count only the calls that an interrupted run made", () =>
    Effect.gen(function* () {
      const windows = [{ limit: 5, seconds: 600 }]
      const { samples, server } = yield* serve(9, windows)
      const box = yield* Cli.sandbox
      const running = yield* box.start(download(server, samples, windows, "--json"))
      yield* Cli.until(
        () => running.stdout().includes('"waiting"'),
        () => `a pause\n${running.stdout()}`,
      )
      assert.deepStrictEqual(yield* usedOf(box, quota(server, windows)), [5])
      yield* running.signal("SIGINT")
      assert.strictEqual((yield* running.ended).exitCode, 130)
      assert.deepStrictEqual(yield* usedOf(box, quota(server, [{ limit: 9, seconds: 600 }])), [5])
      assert.strictEqual(server.linkCalls().length, 5)
    }),
  )
})

describe("a broken quota store", { concurrent: true }, () => {
  const garbage: ReadonlyArray<readonly [name: string, content: (box: Cli.Sandbox) => Effect.Effect<Uint8Array>]> = [
    ["noise", () => Effect.succeed(Samples.noise(10_000))],
    [
      "a database with noise in it",
      Effect.fnUntraced(function* (box) {
        yield* reportOf(box, { args: ["quota"] })
        const content = box.read(log)
        content.set(Samples.noise(content.length - 4096), 4096)
        return content
      }),
    ],
  ]

  it.live.each(garbage)("by %s is set aside, with a warning, and a new one is created", ([, contentOf]) =>
    Effect.gen(function* () {
      const windows = [{ limit: 9, seconds: 600 }]
      const { samples, server } = yield* serve(3, windows)
      const box = yield* Cli.sandbox
      const content = yield* contentOf(box)
      box.write(log, content)
      const ended = yield* box.run(download(server, samples, windows, "--json"))
      assert.strictEqual(ended.exitCode, 0)
      const [warning = "", ...more] = warningsOf(ended)
      assert.deepStrictEqual(more, [])
      const [aside = "", ...others] = box.files(box.path(state)).filter((path) => path !== "quota.sqlite")
      assert.deepStrictEqual(others, [])
      assert.include(warning, box.path(`${state}/${aside}`))
      assert.isTrue(box.read(`${state}/${aside}`).equals(content))
      assert.strictEqual(Cli.ndjson(ended.stdout).at(-1)?.event, "summary")
      assertAllThere(box, samples)
      assert.deepStrictEqual(yield* usedOf(box, quota(server, windows)), [3])
      Cli.assertNoSecrets(box, server, ended)
    }),
  )

  it.live("by the database of a newer version ends the run with its name, and stays unchanged", () =>
    Effect.gen(function* () {
      const windows = [{ limit: 9, seconds: 600 }]
      const { samples, server } = yield* serve(1, windows)
      const box = yield* Cli.sandbox
      const database = new DatabaseSync(box.path(box.write(log, "")))
      database.exec("PRAGMA journal_mode = WAL; CREATE TABLE calls (other TEXT) STRICT; PRAGMA user_version = 99")
      database.close()
      const content = box.read(log)
      const ended = yield* box.run(download(server, samples, windows, "--json"))
      assert.strictEqual(ended.exitCode, 4)
      assert.include(
        ended.stderr,
        `${box.path(log)} was written by a newer version of live-response (schema 99, this one knows 2); upgrade this program`,
      )
      assert.isTrue(box.read(log).equals(content))
      assert.deepStrictEqual(box.files(box.path(state)), ["quota.sqlite"])
      assert.strictEqual(server.linkCalls().length, 0)
    }),
  )

  it.live("by a directory that can't be created is reported, and the run continues without it", () =>
    Effect.gen(function* () {
      const windows = [{ limit: 2, seconds: 2 }]
      const { samples, server } = yield* serve(3, windows)
      const box = yield* Cli.sandbox
      const env = { XDG_STATE_HOME: "/proc/nowhere" }
      const ended = yield* box.run(Cli.inOwnProcess(within(env, download(server, samples, windows, "--json"))))
      assert.strictEqual(ended.exitCode, 0)
      const [warning = "", ...more] = warningsOf(ended)
      assert.deepStrictEqual(more, [])
      assert.include(warning, "/proc/nowhere/live-response/quota.sqlite")
      assert.strictEqual(Cli.ndjson(ended.stdout).at(-1)?.event, "summary")
      assertWithin(server, windows)
      assertAllThere(box, samples)
    }),
  )
})

/** No call waited for the lease of a lost permit, which is two minutes long. */
const assertNoLease = (server: ReferenceServer.ReferenceServer) => {
  const [first, last] = [server.linkCalls().at(0), server.linkCalls().at(-1)]
  assert.isBelow((last?.at ?? Infinity) - (first?.at ?? 0), 120_000)
}

/** Another program that writes into the log and takes its time. Gives what ends it. */
const holdLog = (box: Cli.Sandbox): (() => void) => {
  const database = new DatabaseSync(box.path(log), { timeout: 60_000 })
  database.exec("BEGIN IMMEDIATE")
  return () => database.close()
}

describe("a quota store that another program locks", { concurrent: true }, () => {
  it.live("is waited for at the start: no call starts without it", () =>
    Effect.gen(function* () {
      const windows = [{ limit: 4, seconds: 6 }]
      const { samples, server } = yield* serve(5, windows)
      const box = yield* Cli.sandbox
      assertEnded(yield* box.run(download(server, samples.slice(0, 4), windows)))
      const release = holdLog(box)
      const running = yield* box.start(download(server, samples.slice(4), windows))
      yield* Cli.until(
        () => running.stderr().includes("\n"),
        () => "a warning",
      )
      release()
      const ended = yield* running.ended
      assert.strictEqual(ended.exitCode, 0)
      assertWithin(server, windows)
      for (const warning of warningsOf(ended)) assert.include(warning, "another program holds it")
      assertAllThere(box, samples)
    }),
  )

  it.live("is waited for in the middle of a run", () =>
    Effect.gen(function* () {
      const windows = [{ limit: 4, seconds: 10 }]
      const { samples, server } = yield* serve(6, windows)
      const box = yield* Cli.sandbox
      const running = yield* box.start(download(server, samples, windows, "--json"))
      yield* Cli.until(
        () => running.stdout().includes('"waiting"') && running.stdout().split('"completed"').length === 5,
        () => `a pause\n${running.stdout()}`,
      )
      const release = holdLog(box)
      yield* Cli.until(
        () => running.stderr().includes("\n"),
        () => "a warning",
      )
      release()
      const ended = yield* running.ended
      assert.strictEqual(ended.exitCode, 0)
      assertWithin(server, windows)
      for (const warning of warningsOf(ended)) assert.include(warning, "another program holds it")
      assertAllThere(box, samples)
    }),
  )

  it.live("while an answer arrives loses no permit", () =>
    Effect.gen(function* () {
      const windows = [{ limit: 1, seconds: 1 }]
      const box = yield* Cli.sandbox
      let release: (() => void) | undefined
      const { samples, server } = yield* serve(3, windows, {
        onLink: ({ total }) => {
          if (total === 1) release = holdLog(box)
          return undefined
        },
      })
      const running = yield* box.start(download(server, samples, windows))
      yield* Cli.until(
        () => running.stderr().includes("another program holds it"),
        () => "a warning",
      )
      release?.()
      const ended = yield* running.ended
      assert.strictEqual(ended.exitCode, 0)
      assertWithin(server, windows)
      assertNoLease(server)
      assertAllThere(box, samples)
    }),
  )
})

const tokenOf = (claims: Readonly<Record<string, string>>) =>
  ["{}", JSON.stringify({ roles: ["Machine.ReadWrite.All"], ...claims }), "signature"]
    .map((part) => Buffer.from(part).toString("base64url"))
    .join(".")

const tenants = ["00000000-0000-0000-0000-00000000000a", "00000000-0000-0000-0000-00000000000b"] as const
const apps = ["00000000-0000-0000-0000-0000000000aa", "00000000-0000-0000-0000-0000000000bb"] as const
const bearer = tokenOf({ tid: tenants[0], appid: apps[0] })

describe("live-response quota", { concurrent: true }, () => {
  const windows = [
    { limit: 100, seconds: 60 },
    { limit: 10, seconds: 3600 },
  ]

  /** Ten calls have just finished, and no others follow. */
  const used = Effect.gen(function* () {
    const { samples, server } = yield* serve(10, ReferenceServer.microsoftWindows, { bearer })
    const box = yield* Cli.sandbox
    assertEnded(yield* box.run(download(server, samples, [])))
    const requests = server.requests.length
    yield* Effect.addFinalizer(() => Effect.sync(() => assert.strictEqual(server.requests.length, requests)))
    assert.strictEqual(server.linkCalls().length, 10)
    return { server, box }
  })

  it.live("shows how much is used and free, and when the next and the last link can be requested", () =>
    Effect.gen(function* () {
      const { box, server } = yield* used
      const text = yield* box.run(quota(server, windows, "--for", "25"))
      assertEnded(text)
      assert.match(text.stdout, /^this minute +█+░+ +10 of 100 used, 90 free$/m)
      const inAnHour = String.raw`at \d\d:\d\d:\d\d UTC \(in (1 h|5\d min)\)`
      assert.match(text.stdout, new RegExp(`^this hour +█+ +10 of 10 used, the next one ${inAnHour}$`, "m"))
      assert.match(text.stdout, new RegExp(`^next link ${inAnHour}$`, "m"))
      assert.match(text.stdout, /^25 links: [^\n]*\d\d:\d\d:\d\d UTC \(in (3 h|2 h 5\d min)\)/m)
      Cli.assertNoSecrets(box, server, text)

      const startedAt = yield* now
      const report = yield* reportOf(box, quota(server, windows, "--for", "25"))
      const ended = yield* now
      assert.deepStrictEqual(
        report.windows.map(({ free, limit, seconds, used }) => ({ seconds, limit, used, free })),
        [
          { seconds: 60, limit: 100, used: 10, free: 90 },
          { seconds: 3600, limit: 10, used: 10, free: 0 },
        ],
      )
      const [minute, hour] = report.windows
      assert.isAtLeast(millisOf(minute?.nextSlot), startedAt)
      assert.isAtMost(millisOf(minute?.nextSlot), ended)
      const first = server.linkCalls()[0]?.at ?? 0
      for (const nextSlot of [hour?.nextSlot, report.nextSlot]) {
        assert.isAtLeast(millisOf(nextSlot), first + 3_600_000)
        assert.isAtMost(millisOf(nextSlot), ended + 3_600_000)
      }
      assert.strictEqual(report.calls, 25)
      assert.isAtLeast(millisOf(report.lastSlot), first + 3 * 3_600_000)
      assert.isAtMost(millisOf(report.lastSlot), ended + 3 * 3_600_000)
    }).pipe(Effect.scoped),
  )

  it.live("keeps endpoints, tenants and apps apart, whatever their kind of sign-in", () =>
    Effect.gen(function* () {
      const { box, server } = yield* used
      const usedBy = (env: Readonly<Record<string, string>>, endpoint = server.endpoint) =>
        usedOf(box, { args: ["quota", "--endpoint", endpoint, "--per-hour", "20"], env })
      const seen = yield* Effect.all(
        {
          token: usedBy({ LIVE_RESPONSE_TOKEN: tokenOf({ azp: apps[0], tid: tenants[0] }) }),
          secret: usedBy({ AZURE_TENANT_ID: tenants[0], AZURE_CLIENT_ID: apps[0] }, `${server.endpoint}/`),
          otherTenant: usedBy({ LIVE_RESPONSE_TOKEN: tokenOf({ tid: tenants[1], appid: apps[0] }) }),
          otherApp: usedBy({ LIVE_RESPONSE_TOKEN: tokenOf({ tid: tenants[0], appid: apps[1] }) }),
          otherEndpoint: usedBy({ LIVE_RESPONSE_TOKEN: bearer }, "https://example.com"),
          nobody: usedBy({}),
        },
        { concurrency: 2 },
      )
      assert.deepStrictEqual(seen, {
        token: [10, 10],
        secret: [10, 10],
        otherTenant: [0, 0],
        otherApp: [0, 0],
        otherEndpoint: [0, 0],
        nobody: [0, 0],
      })
    }).pipe(Effect.scoped),
  )

  it.live("prints something even for an endless window", () =>
    Effect.gen(function* () {
      const { box, server } = yield* used
      const { stderr, stdout } = yield* box.run(quota(server, [], "--window", "10/999999999 days"))
      assert.notStrictEqual(stdout + stderr, "")
    }).pipe(Effect.scoped),
  )

  it.live("prints no control characters of a token", () =>
    Effect.gen(function* () {
      const { server } = yield* serve(0, [])
      const box = yield* Cli.sandbox
      const env = { LIVE_RESPONSE_TOKEN: tokenOf({ tid: "\u001b[2Jowned\u202e\u009b\n", appid: "\u0007" }) }
      const ended = yield* box.run(within(env, quota(server, [])))
      assertEnded(ended)
      assert.include(ended.stdout, "owned")
      assert.notMatch(ended.stdout.replaceAll("\n", ""), /[\p{Cc}\p{Cf}]/u)
    }),
  )

  const chosen: ReadonlyArray<
    readonly [
      what: string,
      args: ReadonlyArray<string>,
      env: Readonly<Record<string, string>>,
      windows: ReadonlyArray<readonly [limit: number, seconds: number]>,
    ]
  > = [
    [
      "--window before LIVE_RESPONSE_WINDOWS",
      ["--window", "5/1 day"],
      { LIVE_RESPONSE_WINDOWS: "3/2 seconds" },
      [[5, 86_400]],
    ],
    [
      "--per-minute beside LIVE_RESPONSE_PER_HOUR",
      ["--per-minute", "50"],
      { LIVE_RESPONSE_PER_HOUR: "500" },
      [
        [50, 60],
        [500, 3600],
      ],
    ],
    [
      "LIVE_RESPONSE_POLITE beside --per-hour",
      ["--per-hour", "500"],
      { LIVE_RESPONSE_POLITE: "true" },
      [
        [100, 60],
        [500, 3600],
        [1, 7.2],
      ],
    ],
    [
      "LIVE_RESPONSE_POLITE beside --window",
      ["--window", "5/5 seconds"],
      { LIVE_RESPONSE_POLITE: "true" },
      [
        [5, 5],
        [1, 1],
      ],
    ],
    [
      "LIVE_RESPONSE_POLITE and --polite, which say the same",
      ["--polite"],
      { LIVE_RESPONSE_POLITE: "true" },
      [
        [100, 60],
        [1500, 3600],
        [1, 2.4],
      ],
    ],
  ]
  it.live.each(chosen)("takes %s", ([, args, env, windows]) =>
    Effect.gen(function* () {
      const box = yield* Cli.sandbox
      const report = yield* reportOf(box, { args: ["quota", ...args], env })
      assert.deepStrictEqual(
        report.windows.map(({ limit, seconds }) => [limit, seconds] as const),
        windows,
      )
    }),
  )
})

describe("an invalid quota", { concurrent: true }, () => {
  const cases: ReadonlyArray<
    readonly [what: string, args: ReadonlyArray<string>, env: Readonly<Record<string, string>>, culprit: RegExp]
  > = [
    [
      "an invalid window beside a valid one",
      ["--window", "5/5 seconds", "--window", "nonsense"],
      {},
      /--window.*nonsense/,
    ],
    ["a window of nothing", ["--window", "0/5 seconds"], {}, /--window.*0\/5 seconds/],
    ["a window beside a limit", ["--window", "5/5 seconds", "--per-hour", "5"], {}, /--window.*--per-hour/],
    ["windows in the environment", [], { LIVE_RESPONSE_WINDOWS: "nonsense" }, /LIVE_RESPONSE_WINDOWS/],
    ["a limit in the environment", [], { LIVE_RESPONSE_PER_HOUR: "0" }, /LIVE_RESPONSE_PER_HOUR/],
    ["politeness in the environment", [], { LIVE_RESPONSE_POLITE: "perhaps" }, /LIVE_RESPONSE_POLITE/],
  ]
  it.live.each(cases)("by %s exits with 2 and one line with the reason", ([, args, env, culprit]) =>
    Effect.gen(function* () {
      const { samples, server } = yield* serve(1, [])
      const box = yield* Cli.sandbox
      const ended = yield* box.run(within(env, download(server, samples, [], ...args)))
      assert.match(ended.stderr, /^live-response: [^\n]+\n$/)
      assert.match(ended.stderr, culprit)
      assert.strictEqual(ended.stdout, "")
      assert.strictEqual(ended.exitCode, 2)
      assert.deepStrictEqual(server.requests, [])
      assert.deepStrictEqual(box.entries(), [])
    }),
  )
})

describe("a quota store in Redis", { concurrent: true }, () => {
  const assertNoPassword = (box: Cli.Sandbox, { password }: Pick<Redis.Service, "password">, ended: Cli.Ended) => {
    for (const text of [ended.stdout, ended.stderr, ...box.files(box.root).map((path) => box.read(path))]) {
      assert.isFalse(Buffer.from(text).includes(password))
    }
  }

  it.live("is shared by programs with different state directories", () =>
    Effect.gen(function* () {
      const redis = yield* Redis.make
      const windows = [{ limit: 10, seconds: 2 }]
      const { samples, server } = yield* serve(20, windows)
      const box = yield* Cli.sandbox
      const inRedis = (i: number, command: Cli.Command) =>
        within({ LIVE_RESPONSE_REDIS_URL: redis.url, XDG_STATE_HOME: box.path(`state-${i}`) }, command)
      const runs = [samples.slice(0, 10), samples.slice(10)].map((half, i) =>
        box.run(Cli.inOwnProcess(inRedis(i, into(`results-${i}`, download(server, half, windows))))),
      )
      for (const ended of yield* Effect.all(runs, { concurrency: "unbounded" })) {
        assertEnded(ended)
        Cli.assertNoSecrets(box, server, ended)
        assertNoPassword(box, redis, ended)
      }
      assertWithin(server, windows)
      assert.strictEqual(server.linkCalls().length, 20)
      assertAllThere(box, samples, (i) => `results-${i < 10 ? 0 : 1}`)
      const command = inRedis(2, quota(server, [{ limit: 99, seconds: 3600 }]))
      assert.deepStrictEqual(yield* usedOf(box, command), [20])
    }),
  )

  it.live("that is missing, refuses the password, or is not an address, exits with one line with the reason", () =>
    Effect.gen(function* () {
      const redis = yield* Redis.make
      const { samples, server } = yield* serve(1, [])
      const box = yield* Cli.sandbox
      const password = "a-password-that-is-wrong"
      const urls = [`redis://:${password}@127.0.0.1:1`, redis.url.replace(redis.password, password)]
      for (const LIVE_RESPONSE_REDIS_URL of urls) {
        const ended = yield* box.run(within({ LIVE_RESPONSE_REDIS_URL }, download(server, samples, [])))
        assert.match(ended.stderr, /^live-response: [^\n]*Redis[^\n]*LIVE_RESPONSE_REDIS_URL[^\n]*\n$/)
        assert.strictEqual(ended.exitCode, 4)
        assertNoPassword(box, { password }, ended)
      }
      // An address that is not one is a mistake of the configuration.
      const ended = yield* box.run(within({ LIVE_RESPONSE_REDIS_URL: password }, download(server, samples, [])))
      assert.match(ended.stderr, /^live-response: LIVE_RESPONSE_REDIS_URL[^\n]*\n$/)
      assert.strictEqual(ended.exitCode, 2)
      assertNoPassword(box, { password }, ended)
      assert.deepStrictEqual(server.requests, [])
    }),
  )

  it.live("that drops its connections while an answer arrives loses no permit", () =>
    Effect.gen(function* () {
      const redis = yield* Redis.make
      const run = Effect.runSyncWith(yield* Effect.context<never>())
      const windows = [{ limit: 1, seconds: 1 }]
      const { samples, server } = yield* serve(3, windows, {
        onLink: ({ total }) => {
          if (total === 1) run(redis.dropConnections)
          return undefined
        },
      })
      const box = yield* Cli.sandbox
      const command = within({ LIVE_RESPONSE_REDIS_URL: redis.url }, download(server, samples, windows))
      const ended = yield* box.run(Cli.inOwnProcess(command))
      assert.strictEqual(ended.exitCode, 0)
      assertWithin(server, windows)
      assertNoLease(server)
      assertAllThere(box, samples)
    }),
  )

  it.live("that restarts in the middle does not end the batch", () =>
    Effect.gen(function* () {
      const redis = yield* Redis.make
      const run = Effect.runForkWith(yield* Effect.context<never>())
      const windows = [{ limit: 6, seconds: 2 }]
      const { samples, server } = yield* serve(12, windows, {
        // In the middle of a call of the second window.
        onLink: ({ total }) => {
          if (total === 7) run(redis.stop)
          return undefined
        },
      })
      const box = yield* Cli.sandbox
      const env = { LIVE_RESPONSE_REDIS_URL: redis.url }
      const running = yield* box.start(within(env, download(server, samples, windows, "--json", "-j", "2")))
      yield* Cli.until(
        () => running.stderr().includes("\n"),
        () => "a warning",
      )
      yield* redis.stop
      const before = server.linkCalls().length
      assert.isBelow(before, 12)
      yield* redis.start
      const ended = yield* running.ended
      assert.strictEqual(ended.exitCode, 0, ended.stderr)
      const warnings = ended.stderr.split("\n").filter((line) => line.startsWith("live-response: "))
      for (const warning of warnings) assert.match(warning, /Redis does not answer/)
      assertAllThere(box, samples)
      assert.strictEqual(Cli.ndjson(ended.stdout).at(-1)?.event, "summary")
      Cli.assertNoSecrets(box, server, ended)
      assertNoPassword(box, redis, ended)
    }),
  )

  it.live("that hangs delays the end of a run, but a second Ctrl-C does not wait for it", () =>
    Effect.gen(function* () {
      const redis = yield* Redis.make
      const run = Effect.runSyncWith(yield* Effect.context<never>())
      const { samples, server } = yield* serve(1, [], {
        onLink: () => {
          run(redis.freeze)
          return undefined
        },
      })
      const box = yield* Cli.sandbox
      const command = within({ LIVE_RESPONSE_REDIS_URL: redis.url }, download(server, samples, []))
      const running = yield* box.start(command)
      yield* Cli.until(
        () => server.linkCalls().length === 1,
        () => "the call that is answered while Redis hangs",
      )
      // Two at the same instant would be one: signals are not counted.
      yield* running
        .signal("SIGINT")
        .pipe(Effect.andThen(Effect.sleep("300 millis")), Effect.forever, Effect.forkScoped)
      const { exitCode, stdout } = yield* running.ended
      assert.strictEqual(exitCode, 130)
      // An end in order waits ten seconds for Redis, and prints a summary.
      assert.strictEqual(stdout, "")
      yield* redis.thaw
    }),
  )
})
