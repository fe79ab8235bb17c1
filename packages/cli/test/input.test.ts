import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Cli from "./support/CliInProcess.ts"
import * as ReferenceServer from "./support/ReferenceServer.ts"
import * as Samples from "./support/Samples.ts"

/** Whose id has letters, so that it can be written in two ways; the index says of what it is the result. */
const action = (n: number) => Samples.action(0xabcde0 + n)

/** Ten actions, each with three results. */
const results = Object.fromEntries(
  Array.from({ length: 30 }, (_, n) => [`${action(n % 10)}:${n % 3}`, { bytes: Samples.script(n) }]),
)

interface Input {
  readonly files?: Readonly<Record<string, string>>
  readonly stdin?: string
}

interface Outcome {
  readonly server: ReferenceServer.ReferenceServer
  readonly ended: Cli.Ended
}

/** Downloads, in a directory in which there are these files. */
const downloadWith = Effect.fnUntraced(function* (
  { files = {}, stdin = "" }: Input,
  ...args: ReadonlyArray<string>
): Effect.fn.Return<Outcome, never, Scope.Scope> {
  const server = yield* ReferenceServer.make({ results })
  const box = yield* Cli.sandbox
  for (const [path, content] of Object.entries(files)) box.write(path, content)
  const ended = yield* box.run({ ...Cli.download(server, ...args), stdin })
  return { server, ended }
})

/** The same, of lists in files of these names. */
const downloadLists = (files: Readonly<Record<string, string>>, stdin?: string) =>
  downloadWith(
    { files, ...(stdin === undefined ? {} : { stdin }) },
    ...Object.keys(files).flatMap((path) => ["--from", path]),
    ...(stdin === undefined ? [] : ["--from", "-"]),
  )

/** Exactly these were asked for, each once. */
const assertAsked = ({ server }: Outcome, targets: ReadonlyArray<string>) =>
  assert.deepStrictEqual(
    server
      .linkCalls()
      .map(({ result }) => result)
      .sort(),
    [...targets].sort(),
  )

const assertFetched = (outcome: Outcome, targets: ReadonlyArray<string>) => {
  assertAsked(outcome, targets)
  assert.strictEqual(outcome.ended.stderr, "")
  assert.strictEqual(outcome.ended.exitCode, 0)
}

describe("targets", { concurrent: true }, () => {
  it.live("are the same in upper and lower case, and are downloaded once", () =>
    Effect.gen(function* () {
      const lower = action(0)
      const upper = lower.toUpperCase()
      assert.notStrictEqual(lower, upper)
      const outcome = yield* downloadWith(
        { files: { "again.txt": `${upper}:0\n${lower}:0-1\n` } },
        `${upper}:0`,
        `${lower}:0`,
        "--from",
        "again.txt",
        "--from",
        "again.txt",
      )
      assertFetched(outcome, [`${lower}:0`, `${lower}:1`])
      assert.match(outcome.ended.stdout, /^2 downloaded /)
    }),
  )

  it.live("can be lists: files, standard input, and a process substitution, which is read once", () =>
    Effect.gen(function* () {
      const server = yield* ReferenceServer.make({ results })
      const box = yield* Cli.sandbox
      box.write("plain.txt", `${action(0)}:0-1\n`)
      box.write("powershell.csv", Buffer.from(`\uFEFFmachineActionId,index\r\n${action(1)},0\r\n`, "utf16le"))
      const command = Cli.download(server, "--from", "plain.txt", "--from", "powershell.csv", "--from", "-")
      const ended = yield* box.run({
        ...Cli.inShell(command, `"$@" --from <(printf '${action(2)}:0\\n'; printf '${action(2)}:1\\n')`),
        stdin: `host;index;machineActionId\r\nWS-1;0-2;${action(3)}\r\n`,
      })
      assertFetched({ server, ended }, [
        ...[0, 1].map((index) => `${action(0)}:${index}`),
        `${action(1)}:0`,
        ...[0, 1].map((index) => `${action(2)}:${index}`),
        ...[0, 1, 2].map((index) => `${action(3)}:${index}`),
      ])
    }),
  )

  it.live("are read from a stream as they arrive", () =>
    Effect.gen(function* () {
      const server = yield* ReferenceServer.make({ results })
      const box = yield* Cli.sandbox
      const [first, last] = [`${action(0)}:0`, `${action(1)}:0`]
      const running = yield* box.start({ ...Cli.download(server, "--from", "-"), stdin: { open: true } })
      yield* running.type(`${first}\n`)
      yield* Cli.until(
        () => server.blobCalls(first).length === 1,
        () => "the first result, while there may be more",
      )
      yield* running.type(last)
      yield* running.closeInput
      assertFetched({ server, ended: yield* running.ended }, [first, last])
    }),
  )
})

describe("a broken line", { concurrent: true }, () => {
  /** Which lines of which lists were complained of. */
  const named = ({ ended }: Outcome) =>
    ended.stderr
      .trimEnd()
      .split("\n")
      .map((line) => /^failed: ([\w. ]+), line (\d+): ./.exec(line)?.slice(1).join(" ") ?? line)

  it.live("is reported with its number, and the others are downloaded", () =>
    Effect.gen(function* () {
      const outcome = yield* downloadLists({
        "lines.txt": `${action(0)}:0\n\n# note\nnonsense\n${action(0)}:1\n${action(0)}:2-1\n${action(1)}:0\n`,
        "lines.jsonl":
          `{"machineActionId":"${action(2)}","index":0}\n{"machineActionId":"${action(2)}"\n` +
          `{"machineActionId":"${action(2)}","index":-1}\n{"machineActionId":"${action(2)}","index":1}\n{"index":0}\n`,
        "table.csv": `index,machineActionId\n0,${action(3)}\nx,${action(3)}\n1,${action(3)}\n0,\n0,${action(4)}\n`,
      })
      assert.deepStrictEqual(named(outcome), [
        "lines.txt 4",
        "lines.txt 6",
        "lines.jsonl 2",
        "lines.jsonl 3",
        "lines.jsonl 5",
        "table.csv 3",
        "table.csv 5",
      ])
      assert.strictEqual(outcome.ended.exitCode, 1)
      assert.match(outcome.ended.stdout, /^8 downloaded .*, 7 failed; 8 links/)
      assertAsked(outcome, [
        ...[0, 2, 3].flatMap((n) => [`${action(n)}:0`, `${action(n)}:1`]),
        `${action(1)}:0`,
        `${action(4)}:0`,
      ])
    }),
  )

  it.live("of standard input is reported too, once, and without control characters", () =>
    Effect.gen(function* () {
      const stdin = `${action(0)}:0\n\u001b[2J\u009b31m\u202eevil\u0007${"x".repeat(5000)}\n`
      const { ended } = yield* downloadLists({}, stdin)
      assert.strictEqual(ended.exitCode, 1)
      assert.match(ended.stderr, /^failed: standard input, line 2: .*evil.*\n$/)
      assert.notMatch(ended.stderr, /[\p{Cf}\u0000-\u0009\u000b-\u001f\u007f-\u009f]/u)
      assert.isBelow(ended.stderr.length, 500)
    }),
  )

  it.live("is an event with --json", () =>
    Effect.gen(function* () {
      const { ended } = yield* downloadWith({ stdin: `${action(0)}:0\nnonsense\n` }, "--from", "-", "--json")
      const events = Cli.ndjson(ended.stdout)
      const failed = events.filter(({ event }) => event === "failed")
      assert.strictEqual(failed.length, 1)
      assert.deepInclude(failed[0], { source: "standard input", line: 2 })
      assert.include(String(failed[0]?.message), "nonsense")
      assert.deepInclude(events.at(-1), { event: "summary", completed: 1, failed: 1 })
    }),
  )
})

describe("an invalid command line", { concurrent: true }, () => {
  const id = action(0)
  const target = `${id}:0`
  const from = (...args: ReadonlyArray<string>) => ["download", ...args]

  /** What is said of what; the server would have everything, if it were asked. */
  const cases: ReadonlyArray<
    readonly [what: string, exitCode: number, args: ReadonlyArray<string>, says: RegExp, env?: Record<string, string>]
  > = [
    ["no target", 2, from(), /--from/],
    ["a target that is not a GUID", 2, from("988cc94e:0"), /"988cc94e:0" is not a target/],
    [
      "one bad target among good ones",
      2,
      from(target, "../../etc/passwd:0", target),
      /"\.\.\/\.\.\/etc\/passwd:0" is not a target/,
    ],
    ["a list that is not there", 2, from("--from", "nowhere.txt"), /nowhere\.txt/],
    ["a list that is a directory", 2, from("--from", "."), /can't read \./],
    ["a list with nothing in it", 2, from("--from", "empty"), /empty holds no targets/],
    [
      "a list with another header",
      2,
      from(target, "--from", "wrong.csv"),
      /wrong\.csv, line 1: the header "[^\n]*" has no column/,
    ],
    ["a server in the clear", 2, from(target, "--endpoint", "http://example.com"), /https/],
    [
      "a server without TLS, in the environment",
      2,
      from(target),
      /https/,
      { LIVE_RESPONSE_ENDPOINT: "http://example.com" },
    ],
    ["an unknown flag", 2, from(target, "--no-such-flag"), /--no-such-flag/],
    ["a flag without its value", 2, from(target, "--out"), /--out/],
    ["an unknown subcommand", 2, ["no-such-command"], /no-such-command/],
    ["no credential", 3, from(target), /LIVE_RESPONSE_TOKEN/, { LIVE_RESPONSE_TOKEN: "" }],
    [
      "half a credential",
      3,
      from(target),
      /AZURE_CLIENT_SECRET/,
      { LIVE_RESPONSE_TOKEN: "", AZURE_TENANT_ID: "t", AZURE_CLIENT_ID: "c" },
    ],
    ["a directory below a file", 4, from(target, "--out", "file/results"), /file\/results/],
    ["a directory that can't be created", 4, from(target, "--out", "/proc/nope"), /\/proc\/nope/],
    ["a directory far below one that can't be created", 4, from(target, "--out", "/proc/nope/a/b"), /\/proc\/nope/],
  ]
  it.live.each(cases)("%s: exit code %i and one line with the reason", ([, exitCode, args, says, env]) =>
    Effect.gen(function* () {
      const server = yield* ReferenceServer.make({ results })
      const box = yield* Cli.sandbox
      box.write("file", "this is a file")
      box.write("empty", "\n# nothing today\n")
      box.write("wrong.csv", "id;n\n")
      const ended = yield* box.run({
        args,
        env: { LIVE_RESPONSE_ENDPOINT: server.endpoint, LIVE_RESPONSE_TOKEN: server.bearer, ...env },
      })
      assert.match(ended.stderr, /^live-response: [^\n]+\n$/)
      assert.match(ended.stderr, says)
      assert.notInclude(ended.stderr, "    at ")
      assert.strictEqual(ended.stdout, "")
      assert.strictEqual(ended.exitCode, exitCode)
      assert.deepStrictEqual(server.requests, [])
      assert.deepStrictEqual(box.entries().toSorted(), ["empty", "file", "wrong.csv"])
    }),
  )
})
