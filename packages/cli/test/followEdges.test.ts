/**
 * `download --follow` as a SOC leaves it running: killed, without a service, with a refused token, on a full disk.
 */
import { assert, describe, it } from "@effect/vitest"
import { FromString } from "@live-response/core/ResultRef"
import type * as Simulator from "@live-response/core/testing/Simulator"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Cli from "./support/CliInProcess.ts"
import * as InterceptedSimulator from "./support/InterceptedSimulator.ts"

const idAt = (n: number) => `988cc94e-7a8f-4b28-ab65-${String(n).padStart(12, "0")}`

const decodeRef = Schema.decodeSync(FromString)

const outputOf = (n: number) =>
  JSON.stringify({ script_name: "a.ps1", exit_code: 0, script_output: `result of ${n}`, script_errors: "" })

/** A session with its present status, and two results of its three commands. */
const put = Effect.fnUntraced(function* (
  simulator: Simulator.Service,
  n: number,
  status: "Pending" | "Succeeded",
  more: { readonly type?: string; readonly results?: Partial<Simulator.Result> } = {},
) {
  const now = DateTime.makeUnsafe(yield* Clock.currentTimeMillis)
  const { results, type = "LiveResponse" } = more
  const commandStatus = status === "Pending" ? "Created" : "Completed"
  yield* simulator.addAction({
    id: idAt(n),
    type,
    status,
    machineId: "7b1f4967d9728e5aa3c06a9e617a22a4a5a17378",
    computerDnsName: `ws-${n}.contoso.com`,
    creationDateTimeUtc: DateTime.formatIso(now),
    // Final for long, so that a test does not wait for results to settle.
    lastUpdateDateTimeUtc: DateTime.formatIso(DateTime.subtract(now, { hours: 1 })),
    commands: ["PutFile", "RunScript", "RunScript"].map((type, index) => ({
      index,
      commandStatus,
      command: { type, params: [] },
    })),
  })
  for (const index of [1, 2]) {
    yield* simulator.add(decodeRef(`${idAt(n)}:${index}`), {
      content: new TextEncoder().encode(outputOf(n)),
      ...results,
    })
  }
})

const follow = (env: Readonly<Record<string, string>>, ...args: ReadonlyArray<string>): Cli.Command => ({
  args: ["download", "--follow", "--out", "results", ...args],
  env: { ...env, LIVE_RESPONSE_FOLLOW_EVERY: "300 millis", LIVE_RESPONSE_VISIBLE_WITHIN: "2 seconds" },
})

/** Runs with its results on a disk of 160 kB of its own. Only `follow.json` is copied to it and from it. */
const onSmallDisk = (command: Cli.Command): Cli.Command =>
  Cli.inShell(
    command,
    `mkdir results && exec unshare ${process.getuid?.() === 0 ? "" : "--map-root-user"} --mount bash -c '
      mount -t tmpfs -o size=160k,mode=700 tmpfs results && cp before.json results/follow.json || exit 99
      "$@"
      code=$?
      cp results/follow.json after.json
      exit "$code"' shell "$@"`,
  )

/** Whether both results are stored. */
const isHere = (box: Cli.Sandbox, n: number) => [1, 2].every((index) => box.sizeOf(`${idAt(n)}/${index}.json`) > 0)

const wait = (box: Cli.Sandbox, running: Cli.Running, ...ns: ReadonlyArray<number>) =>
  Cli.until(
    () => ns.every((n) => isHere(box, n)),
    () => `the results of ${ns}\n${running.stderr()}`,
  )

const positionsFile = (box: Cli.Sandbox) =>
  box.entries().includes("results") && box.files().includes("follow.json")
    ? box.read("results/follow.json").toString()
    : ""

const countOf = (box: Cli.Sandbox) =>
  box.entries().includes("results") ? box.files().filter((file) => /\/\d\.json$/.test(file)).length : 0

const completed = (box: Cli.Sandbox) =>
  Cli.ndjson(box.read("results/manifest.jsonl").toString()).filter(({ status }) => status === "completed")

/** Waits until a call was answered with 503. */
const untilRefused = (simulator: Simulator.Service) =>
  Effect.repeat(simulator.calls, {
    until: (calls) => calls.some(({ status }) => status === 503),
    schedule: Schedule.spaced("10 millis"),
  })

const upTo = (count: number) => Array.from({ length: count }, (_, n) => n)

// The longest come first: five run at a time.
describe("download --follow, left running", { concurrent: true }, () => {
  it.live("downloads every result once and whole, however often it is killed", () =>
    Effect.gen(function* () {
      const { env, simulator } = yield* InterceptedSimulator.serve({ latency: Effect.sleep("20 millis") })
      const box = yield* Cli.sandbox
      yield* put(simulator, 0, "Pending")
      let n = 1
      const more = Effect.suspend(() => put(simulator, n++, "Succeeded"))
      for (const results of [1, 2, 6]) {
        const before = countOf(box)
        const running = yield* box.start(follow(env, "-j", "2"))
        yield* Effect.repeat(more, { times: 5 })
        // Killed with some in progress, and at another point each time.
        yield* Cli.until(
          () => countOf(box) >= before + results,
          () => `${results} more results\n${running.stderr()}`,
        )
        yield* running.signal("SIGKILL")
        yield* running.ended
        yield* more
      }
      yield* put(simulator, 0, "Succeeded")
      const last = yield* box.start(follow(env, "--json"))
      yield* wait(box, last, ...upTo(n))
      yield* Cli.until(
        () => /"open":\[\]/.test(positionsFile(box)),
        () => `nothing open\n${positionsFile(box)}`,
      )
      yield* last.signal("SIGTERM")
      const ended = yield* last.ended
      assert.strictEqual(ended.exitCode, 130)
      assert.match(ended.stderr, /^resumes with actions created since [\d: -]+ UTC\n$/)
      const events = Cli.ndjson(ended.stdout)
      assert.strictEqual(events.filter(({ event }) => event === "summary").length, 1)
      assert.deepInclude(events.at(-1), { event: "summary", failed: 0 })
      for (const action of upTo(n)) {
        for (const index of [1, 2]) {
          assert.strictEqual(box.read(`results/${idAt(action)}/${index}.json`).toString(), outputOf(action))
        }
      }
      const keys = completed(box).map(({ index, machineActionId }) => `${machineActionId}:${index}`)
      assert.strictEqual(new Set(keys).size, keys.length)
      assert.strictEqual(keys.length, 2 * n)
      assert.isFalse(box.files().some((file) => file.endsWith(".part")))
      // Each action is recorded once, with the name of its machine.
      const results = yield* box.run({ args: ["results", "results"] })
      assert.strictEqual(results.stdout.split("\n")[0]?.split(",")[0], `${2 * n} script results`)
      assert.notInclude(results.stdout, "not known")
      const known = Cli.ndjson(box.read("results/actions.jsonl").toString()).map(({ id }) => id)
      assert.strictEqual(new Set(known).size, n)
      assert.strictEqual(known.length, n)
    }),
  )

  it.live("waits for a service that is gone, and then downloads what finished meanwhile", () =>
    Effect.gen(function* () {
      const service = yield* InterceptedSimulator.serve()
      const box = yield* Cli.sandbox
      yield* put(service.simulator, 1, "Succeeded")
      yield* put(service.simulator, 2, "Pending")
      const running = yield* box.start(follow(service.env, "--quiet"))
      yield* wait(box, running, 1)
      yield* service.goAway
      yield* put(service.simulator, 2, "Succeeded")
      yield* put(service.simulator, 3, "Succeeded")
      yield* Cli.until(
        () => service.missed() > 0,
        () => `a call that finds no service\n${running.stderr()}`,
      )
      yield* service.comeBack
      yield* wait(box, running, 2, 3)
      yield* service.simulator.outage(true)
      yield* put(service.simulator, 4, "Succeeded")
      yield* untilRefused(service.simulator)
      yield* service.simulator.outage(false)
      yield* wait(box, running, 4)
      yield* running.signal("SIGINT")
      const ended = yield* running.ended
      assert.deepStrictEqual([ended.exitCode, ended.stdout, ended.stderr], [130, "", ""])
    }),
  )

  it.live("holds an action open if one of its results failed, and the next run downloads it", () =>
    Effect.gen(function* () {
      const { env, simulator } = yield* InterceptedSimulator.serve()
      const box = yield* Cli.sandbox
      yield* put(simulator, 1, "Succeeded", { results: { linkFaults: [{ fault: "status", status: 400 }] } })
      yield* put(simulator, 2, "Succeeded")
      const first = yield* box.start(follow(env))
      yield* wait(box, first, 2)
      yield* Cli.until(
        () => positionsFile(box).includes(`"open":["${idAt(1)}"]`),
        () => `what is open\n${positionsFile(box)}`,
      )
      yield* first.signal("SIGKILL")
      yield* first.ended
      assert.match(first.stderr(), new RegExp(`^failed: link of ${idAt(1)}:1: [^\n]+ 400 [^\n]+\n`, "m"))
      const second = yield* box.start(follow(env))
      yield* wait(box, second, 1)
      yield* Cli.until(
        () => positionsFile(box).includes('"open":[]'),
        () => `nothing open\n${positionsFile(box)}`,
      )
    }),
  )

  it.live("exits at once if its token is refused, and locks its directory until then", () =>
    Effect.gen(function* () {
      const service = yield* InterceptedSimulator.serve()
      const box = yield* Cli.sandbox
      yield* put(service.simulator, 1, "Succeeded")
      yield* put(service.simulator, 2, "Pending")
      const running = yield* box.start(follow(service.env, "--json", "--quiet"))
      yield* wait(box, running, 1)
      const other = yield* box.run(follow(service.env))
      assert.strictEqual(other.exitCode, 4)
      assert.match(other.stderr, new RegExp(`^live-response: results: in use by process ${running.pid} on [^\n]+\n$`))
      yield* service.refuse(() => ({ status: 401, code: "Unauthorized", message: "The token is expired." }))
      const ended = yield* running.ended
      assert.strictEqual(ended.exitCode, 3)
      assert.match(ended.stderr, /^live-response: [^\n]+ the API refused the token [^\n]+; sign in again[^\n]+\n$/)
      assert.deepInclude(Cli.ndjson(ended.stdout).at(-1), { event: "summary", completed: 2, failed: 0 })
      assert.include(positionsFile(box), idAt(2))
    }),
  )

  it.live("exits if the disk is full, and leaves its position as it was", () =>
    Effect.gen(function* () {
      const { env, simulator } = yield* InterceptedSimulator.serve()
      const box = yield* Cli.sandbox
      yield* put(simulator, 1, "Succeeded")
      // So long that two copies do not fit on the disk.
      const position = { since: "2026-01-01T00:00:00.000Z", open: Array.from({ length: 2000 }, (_, n) => idAt(n + 7)) }
      const before = JSON.stringify({ positions: [{ what: ["type LiveResponse"], position }] })
      box.write("before.json", before)
      const ended = yield* box.run(onSmallDisk(follow(env)))
      assert.strictEqual(ended.exitCode, 4)
      assert.match(ended.stderr, /^live-response: results\/follow\.json\.part: the disk is full; [^\n]+\n$/m)
      assert.strictEqual(box.read("after.json").toString(), before)
    }),
  )

  it.live("downloads a failed result again when it may exist", () =>
    Effect.gen(function* () {
      const { env, simulator } = yield* InterceptedSimulator.serve()
      const box = yield* Cli.sandbox
      const absent = { fault: "status", status: 404, code: "ResourceNotFound" } as const
      yield* put(simulator, 1, "Succeeded", { results: { linkFaults: [absent, absent] } })
      const running = yield* box.start(follow(env))
      yield* wait(box, running, 1)
      yield* Cli.until(
        () => positionsFile(box).includes('"open":[]'),
        () => `nothing open\n${positionsFile(box)}`,
      )
    }),
  )

  it.live("stores a position for each selection, and warns if it cannot read them", () =>
    Effect.gen(function* () {
      const { env, simulator } = yield* InterceptedSimulator.serve()
      const box = yield* Cli.sandbox
      yield* put(simulator, 1, "Pending")
      const until = Effect.fnUntraced(function* (args: ReadonlyArray<string>, text: string, says = "") {
        const running = yield* box.start(follow(env, ...args))
        yield* Cli.until(
          () => positionsFile(box).includes(text) && running.stderr().includes(says),
          () => `${text}\n${positionsFile(box)}${running.stderr()}`,
        )
        yield* running.signal("SIGINT")
        return (yield* running.ended).stderr
      })
      yield* until([], idAt(1))
      yield* until(["--requestor", "x", "--machine", "ws-9"], "requestor x")
      assert.include(positionsFile(box), `"open":["${idAt(1)}"]`)
      yield* until(["--machine", "ws-9", "--requestor", "x"], "requestor x", "resumes with actions created since")

      box.write("results/follow.json", positionsFile(box).slice(0, -9))
      const said = yield* until([], '{"version":1,"positions":[{', "follow.json.broken")
      assert.match(
        said,
        /^live-response: results\/follow\.json is broken, and is now results\/follow\.json\.broken; [^\n]+\n/,
      )

      // A position in the future would pass over everything until then.
      box.write("results/follow.json", positionsFile(box).replace(/"since":"\d{4}/, `"since":"9999`))
      yield* until([], '{"version":1,"positions":[{', "follow.json.broken")
      assert.notInclude(positionsFile(box), '"since":"9999')
    }),
  )

  it.live("rejects a status that is not final, and accepts any text in a filter", () =>
    Effect.gen(function* () {
      const { env } = yield* InterceptedSimulator.serve()
      const box = yield* Cli.sandbox
      const ended = yield* box.run(follow(env, "--status", "pending"))
      assert.strictEqual(ended.exitCode, 2)
      assert.match(ended.stderr, /leave out --status Pending/)
      const running = yield* box.start(follow(env, "--filter", "requestor eq 'status@contoso.com'"))
      yield* Cli.until(
        () => positionsFile(box).includes("status@contoso.com"),
        () => `a first search\n${running.stderr()}`,
      )
    }),
  )

  it.live("starts where --since says: a duration ago, or a date", () =>
    Effect.gen(function* () {
      const { env } = yield* InterceptedSimulator.serve()
      const box = yield* Cli.sandbox
      for (const since of ["yesterday", "24", "2026-13-45"]) {
        const ended = yield* box.run(follow(env, "--since", since))
        assert.strictEqual(ended.exitCode, 2, ended.stderr)
        assert.match(ended.stderr, /^live-response: [^\n]*--since[^\n]*such as 90m, 24h, 7d, or a date[^\n]*\n$/)
      }
      assert.deepStrictEqual(box.entries(), [])
      const running = yield* box.start(follow(env, "--since", "2026-02-03"))
      yield* Cli.until(
        () => positionsFile(box).includes('"since":"2026-02-03T00:00:00.000Z"'),
        () => `a position\n${positionsFile(box)}\n${running.stderr()}`,
      )
    }),
  )
})

describe("download --since", () => {
  it.live("lists sessions only, with one call for each page, and records their machines", () =>
    Effect.gen(function* () {
      const { env, simulator } = yield* InterceptedSimulator.serve({ pageSize: 2 })
      const box = yield* Cli.sandbox
      for (const n of upTo(5)) yield* put(simulator, n, "Succeeded")
      yield* put(simulator, 5, "Succeeded", { type: "Isolate" })
      const ended = yield* box.run({ args: ["download", "--since", "24h", "--out", "results", "--json"], env })
      assert.strictEqual(ended.exitCode, 0, ended.stderr)
      assert.deepInclude(Cli.ndjson(ended.stdout).at(-1), { event: "summary", completed: 10, failed: 0 })
      const calls = yield* simulator.calls
      const lists = calls.filter(({ kind }) => kind === "list")
      assert.strictEqual(lists.length, 3)
      assert.isTrue(
        lists.every(({ url }) => new URL(url).searchParams.get("$filter")?.includes("type eq 'LiveResponse'")),
      )
      const results = yield* box.run({ args: ["results", "results"] })
      assert.notInclude(results.stdout, "not known")
      for (const n of upTo(5)) assert.include(box.read("results/results.csv").toString(), `ws-${n}.contoso.com`)
    }),
  )
})
