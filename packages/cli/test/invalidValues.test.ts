import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as ConfigFile from "../src/input/ConfigFile.ts"
import * as InProcess from "./support/InProcess.ts"
import * as ServedSimulator from "./support/ServedSimulator.ts"

const target = "988cc94e-7a8f-4b28-ab65-54970c5d5018:0"
const download = ["download", target]
const run = ["run", "a".repeat(40), "--script", "collect.ps1"]
const serve = ["serve", "--object-store", "file:///proc/nowhere"]

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
  ["LIVE_RESPONSE_RETRIES", download, ["1001"]],
  ["LIVE_RESPONSE_TIMEOUT", download, ["0", "0 seconds", "8 days"]],
  ["LIVE_RESPONSE_OFFLINE_FOR", download, ["0", "0 seconds", "8 days"]],
  ["LIVE_RESPONSE_MAX_BYTES", download, ["0", "-5 MB"]],
  ["LIVE_RESPONSE_MAX_TOTAL", download, ["0", "-5 MB"]],
  ["LIVE_RESPONSE_MAX_EXTRACT_TOTAL", download, ["0", "-5 MB"]],
  ["LIVE_RESPONSE_MIN_FREE", download, ["-5 MB"]],
  ["LIVE_RESPONSE_LIMIT_RATE", download, ["0", "999 B"]],
  ["LIVE_RESPONSE_NOTIFY", download, ["http://example.com"]],
  ["LIVE_RESPONSE_REDIS_URL", ["quota"], ["http://example.com"]],
  ["LIVE_RESPONSE_SESSIONS", run, ["0", "1001"]],
  ["LIVE_RESPONSE_TRANSFERS", serve, ["0", "1001"]],
  ["LIVE_RESPONSE_TRANSFERS_PER_TENANT", serve, ["0", "1001"]],
  ["LIVE_RESPONSE_MAX_SPOOL", serve, ["0", "999 kB"]],
  ["LIVE_RESPONSE_MAX_SPOOL_PER_TENANT", serve, ["0", "999 kB"]],
  ["LIVE_RESPONSE_LISTEN", serve, ["127.0.0.1", "127.0.0.1:65536"]],
  ["AZURE_AUTHORITY_HOST", download, ["0", "http://example.com"]],
  ["AZURE_CLIENT_SEND_CERTIFICATE_CHAIN", download],
  ["OTEL_SDK_DISABLED", download],
]

/** Variables that are texts, and those whose tests are elsewhere. */
const otherVariables: ReadonlySet<string> = new Set([
  "AZURE_CLIENT_CERTIFICATE_PASSWORD",
  "AZURE_CLIENT_CERTIFICATE_PATH",
  "AZURE_CLIENT_ID",
  "AZURE_CLIENT_SECRET",
  "AZURE_CLIENT_SECRET_FILE",
  "AZURE_FEDERATED_TOKEN_FILE",
  "AZURE_TENANT_ID",
  "LIVE_RESPONSE_AUDIENCE",
  "LIVE_RESPONSE_CREDENTIALS",
  "LIVE_RESPONSE_DATABASE_URL",
  "LIVE_RESPONSE_LISTEN_TOKEN",
  "LIVE_RESPONSE_LOG_FORMAT",
  "LIVE_RESPONSE_MIN_RATE",
  "LIVE_RESPONSE_OBJECT_STORE",
  "LIVE_RESPONSE_OBJECT_STORE_SECRET",
  "LIVE_RESPONSE_OBJECT_STORE_SECRET_FILE",
  "LIVE_RESPONSE_OUT",
  "LIVE_RESPONSE_RUNNER",
  "LIVE_RESPONSE_SPOOL",
  "LIVE_RESPONSE_STORAGE_HOSTS",
  "LIVE_RESPONSE_TOKEN",
  "LIVE_RESPONSE_TOKEN_FILE",
])

/** The words of Effect's Schema, which say nothing to who has mistyped a number. */
const jargon = /string representing|Expected an? (?:integer|value)|" \| "|Schema|RegExp|regex|<filter>/

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
  assert.notMatch(stderr, jargon, what)
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

  it.live("lists what may be chosen, and leaves the value as it was typed", () =>
    Effect.gen(function* () {
      const { exitCode, stderr } = yield* runWith(["actions", "list", "--format", "json | csv"], {})
      assert.strictEqual(exitCode, 2)
      assert.include(stderr, '"json | csv". Expected: one of table, json, csv (see ')
    }),
  )

  it.live("says that a flag is given twice", () =>
    Effect.gen(function* () {
      const { exitCode, stderr } = yield* runWith([...download, "--out", "a", "-o", "b"], {})
      assert.strictEqual(exitCode, 2)
      assert.match(stderr, /^live-response: --out is given 2 times; give it once \(see /)
    }),
  )

  it.live("the value of a variable is shown unless it may be a secret", () =>
    Effect.gen(function* () {
      const stderrOf = (name: string, value: string) =>
        Effect.map(runWith(download, { [name]: value }), (ended) => ended.stderr)
      assert.strictEqual(
        yield* stderrOf("LIVE_RESPONSE_RETRIES", "many"),
        'live-response: LIVE_RESPONSE_RETRIES: expected a whole number from 0 to 1,000; got "many"\n',
      )
      assert.match(yield* stderrOf("LIVE_RESPONSE_MAX_BYTES", "big"), /such as 500 MB; got "big" \(see /)
      assert.match(yield* stderrOf("OTEL_SDK_DISABLED", "ja"), /: expected true or false; got "ja"\n$/)
      assert.include(yield* stderrOf("LIVE_RESPONSE_TIMEOUT", "5 parsecs"), 'got "5 parsecs"')
      assert.include(yield* stderrOf("LIVE_RESPONSE_CLOUD", "us-gov"), 'got "us-gov"')
      // An address may have a password, and whatever is neither a word nor a number may be one.
      for (const value of ["https://user:hunter2@host", "sig=hunter2", "hunter2".repeat(6), "hunter2", "2 hunter2"]) {
        assert.notInclude(yield* stderrOf("LIVE_RESPONSE_RETRIES", value), "hunter2")
        assert.notInclude(yield* stderrOf("LIVE_RESPONSE_MAX_BYTES", value), "hunter2")
      }
      assert.notInclude(yield* stderrOf("LIVE_RESPONSE_NOTIFY", "hunter2"), "hunter2")
      assert.notInclude(yield* stderrOf("LIVE_RESPONSE_REDIS_URL", "hunter2"), "hunter2")
    }),
  )

  it("each variable that a configuration file may set is in a table above", () => {
    const tested = new Set([...variables.map(([name]) => name), ...otherVariables])
    assert.deepStrictEqual(
      ConfigFile.names.filter((name) => !tested.has(name)),
      [],
    )
  })

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

  it.live.each([
    [
      "actions list --status Suceeded",
      "Cancelled (for a newer one: --filter \"status eq 'WORD'\"); did you mean Succeeded?",
    ],
    ["actions list --type LiveRespnse", "; did you mean LiveResponse?"],
    ["machines list --os windows-11", "; did you mean Windows11?"],
    ["machines list --health activ", "; did you mean Active?"],
    ["machines list --risk hig", "; did you mean High?"],
    ["machines list --format jsn", "one of table, json, csv; did you mean json?"],
    ["download --cloud comercial", "; did you mean commercial?"],
    ["quota --auth secrt", "; did you mean secret?"],
    ["quota --log-level inf", "; did you mean info?"],
    ["tenants set contoso --credential manged", "one of app, certificate, federated, managed; did you mean managed?"],
    ["stack --by exitcode", "; did you mean exit_code?"],
  ])("and names the word that was probably meant: %s", ([line = "", says = ""]) =>
    Effect.gen(function* () {
      const { exitCode, stderr, stdout } = yield* runWith(line.split(" "), {})
      assert.include(stderr, says)
      assert.match(stderr, /^live-response: [^\n]+\n$/)
      assert.deepStrictEqual([exitCode, stdout], [2, ""])
    }),
  )

  it.live("of a variable too", () =>
    Effect.gen(function* () {
      const { stderr } = yield* runWith(["quota"], { LIVE_RESPONSE_CLOUD: "comercial" })
      assert.include(stderr, 'got "comercial"; did you mean commercial?')
    }),
  )

  it.live("but --filter passes a word that is newer than this program", () =>
    Effect.gen(function* () {
      const { env, simulator } = yield* ServedSimulator.serve()
      const args = ["actions", "list", "--filter", "status eq 'Paused'", "--type", "liveresponse"]
      const { exitCode, stderr } = yield* runWith(args, env)
      assert.deepStrictEqual([exitCode, stderr], [0, ""])
      const [call] = yield* ServedSimulator.answered(simulator, "list")
      assert.include(decodeURIComponent(call?.url ?? ""), "status eq 'Paused'")
    }),
  )
})

describe("a flag that is missing", () => {
  it.live("is named with the variable that may stand for it", () =>
    Effect.gen(function* () {
      const { exitCode, stderr } = yield* runWith(["serve"], {})
      assert.strictEqual(
        stderr,
        "live-response: Missing required flag: --object-store, or set LIVE_RESPONSE_OBJECT_STORE (see live-response serve --help)\n",
      )
      assert.strictEqual(exitCode, 2)
    }),
  )
})
