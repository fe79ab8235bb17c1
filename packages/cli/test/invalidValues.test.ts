import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as InProcess from "./support/InProcess.ts"
import * as ServedSimulator from "./support/ServedSimulator.ts"

const target = "988cc94e-7a8f-4b28-ab65-54970c5d5018:0"
const download = ["download", target]
const run = ["run", "a".repeat(40), "--script", "collect.ps1"]

/** What no number, duration, size or date can be. */
const absurd = ["-1", "1e308", "99999999999d", "99999999999999999999", "NaN", "Infinity", "0x10", "1.5", " ", "🙂"]

/** Each flag that is more than a text, with a command that has it, and what cannot be its value. */
const flags: ReadonlyArray<readonly [flag: string, args: ReadonlyArray<string>, values?: ReadonlyArray<string>]> = [
  ["concurrency", download, ["0", "257"]],
  ["max-extract", download, ["0", "0 B", "-5 MB", "1e308 GB", "999999999999 TB"]],
  ["max-extract-total", download, ["0", "0 B", "-5 MB", "1e308 GB", "999999999999 TB"]],
  ["max-bytes", download, ["0", "0 B", "-5 MB", "1e308 GB", "999999999999 TB"]],
  ["max-total", download, ["0", "0 B", "-5 MB", "1e308 GB", "999999999999 TB"]],
  ["min-free", download, ["-5 MB", "1e308 GB", "999999999999 TB"]],
  ["per-minute", download, ["0", "1000001"]],
  ["per-hour", download, ["0", "1000001"]],
  [
    "window",
    download,
    ["0", "0/1 minute", "1/0 seconds", "1/1e308 days", "1/99999999999 days", "1/-1 seconds", "-1/1 day"],
  ],
  ["since", ["download"], ["0", "0m", "3654d", "9999-12-31", "0001-01-01"]],
  ["deadline", run, ["0", "0h", "3654d", "9999-12-31", "2020-01-01"]],
  ["sessions", run, ["0", "1001"]],
  ["limit", ["actions", "list"], ["0", "10000001"]],
  ["for", ["quota"], ["0", "10000001"]],
  ["port", ["simulate"], ["65536"]],
  ["results", ["simulate"], ["0", "100001"]],
  ["machines", ["simulate"], ["100001"]],
  ["link-lifetime", ["simulate"], ["86401"]],
  ["per-minute", ["simulate"], ["0"]],
  ["per-hour", ["simulate"], ["0"]],
  ["endpoint", download, ["0", "http://example.com", "https://"]],
  ["authority", download, ["0", "http://example.com"]],
  ["cloud", download, ["0"]],
  ["auth", download, ["0"]],
  ["log-level", download, ["0"]],
]

/** Each variable that is more than a text; an empty one is one that is not set. */
const variables: ReadonlyArray<readonly [name: string, args: ReadonlyArray<string>, values?: ReadonlyArray<string>]> = [
  ["LIVE_RESPONSE_PER_MINUTE", ["quota"], ["0"]],
  ["LIVE_RESPONSE_PER_HOUR", ["quota"], ["0"]],
  ["LIVE_RESPONSE_WINDOWS", ["quota"], ["0", "0/1 minute", "1/0 seconds", "1/1e308 days", "1/99999999999 days"]],
  ["LIVE_RESPONSE_POLITE", ["quota"]],
  ["LIVE_RESPONSE_RUN_WINDOWS", download, ["0", "0/1 minute", "1/0 seconds"]],
  ["LIVE_RESPONSE_STALL_TIMEOUT", download, ["0", "0 seconds", "-1 seconds", "1e308 days", "8 days"]],
  ["LIVE_RESPONSE_VISIBLE_WITHIN", download, ["0", "0 seconds", "-1 seconds", "1e308 days", "8 days"]],
  ["LIVE_RESPONSE_FOLLOW_EVERY", download, ["0", "0 seconds", "-1 seconds", "1e308 days", "8 days"]],
  ["LIVE_RESPONSE_CLOUD", download, ["0"]],
  ["LIVE_RESPONSE_ENDPOINT", download, ["0", "http://example.com"]],
  ["LIVE_RESPONSE_AUTH", download, ["0"]],
]

/** In a directory of its own, which must stay empty. A program that accepts the value and makes a call is stopped. */
const runWith = Effect.fnUntraced(function* (args: ReadonlyArray<string>, env: Readonly<Record<string, string>>) {
  const home = yield* Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "live-response-values-"))),
    (path) => Effect.sync(() => rmSync(path, { recursive: true })),
  )
  const base = {
    HOME: home,
    XDG_STATE_HOME: home,
    LIVE_RESPONSE_OUT: join(home, "results"),
    LIVE_RESPONSE_TOKEN: "token",
    LIVE_RESPONSE_ENDPOINT: "http://127.0.0.1:1",
  }
  return yield* InProcess.run(args, { ...base, ...env }).pipe(
    Effect.timeoutOrElse({ duration: "20 seconds", orElse: () => Effect.die("it was taken") }),
  )
}, Effect.scoped)

const assertUsage = ({ exitCode, stderr, stdout }: InProcess.Outcome, value: string, names: string) => {
  const what = `${names} ${JSON.stringify(value)}: ${stderr}`
  assert.strictEqual(exitCode, 2, what)
  assert.match(stderr, /^live-response: [^\n]+\n$/, what)
  assert.include(stderr, names, what)
  assert.notInclude(stderr, "this is a bug", what)
  assert.strictEqual(stdout, "", what)
}

describe("an invalid value is a usage error that names it", () => {
  it.live.each(flags)("--%s of %j", ([flag, args, values = []]) =>
    Effect.gen(function* () {
      for (const value of ["", ...absurd, ...values]) {
        assertUsage(yield* runWith([...args, `--${flag}=${value}`], {}), value, `--${flag}`)
      }
    }),
  )

  it.live.each(variables)("%s of %j", ([name, args, values = []]) =>
    Effect.gen(function* () {
      for (const value of [...absurd.filter((value) => value !== " "), ...values]) {
        assertUsage(yield* runWith(args, { [name]: value }), value, name)
      }
    }),
  )

  it.live.each(["status", "type", "machine", "requestor", "filter", "out", "token-file", "audience"])(
    "--%s of nothing, or of blanks",
    (flag) =>
      Effect.forEach(["", " ", "\t "], (blank) =>
        Effect.map(runWith(["download", `--${flag}=${blank}`], {}), (ended) => assertUsage(ended, blank, `--${flag}`)),
      ),
  )

  it.live.each(["tag", "group", "os", "health", "risk", "name", "last-seen", "filter"])(
    "--%s of nothing, or of blanks, which would select every machine",
    (flag) =>
      Effect.forEach(["", " ", "\t ", ...(flag === "name" ? [" *"] : [])], (blank) =>
        Effect.map(runWith(["run", "--script", "collect.ps1", `--${flag}=${blank}`], {}), (ended) =>
          assertUsage(ended, blank, `--${flag}`),
        ),
      ),
  )

  it.live("but an unknown word is sent, with one warning", () =>
    Effect.gen(function* () {
      const { env, simulator } = yield* ServedSimulator.serve()
      const args = ["actions", "list", "--status", "Suceeded", "--status", "failed"]
      const { exitCode, stderr } = yield* runWith(args, env)
      assert.strictEqual(exitCode, 0)
      assert.match(stderr, /^live-response: unknown status "Suceeded": [^\n]*Did you mean Succeeded\?[^\n]*\n$/)
      const [call] = yield* ServedSimulator.answered(simulator, "list")
      assert.include(decodeURIComponent(call?.url ?? ""), "status eq 'Suceeded' or status eq 'Failed'")
    }),
  )
})
