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
  it.live("are arguments: one, a range, a list, and a mix of them", () =>
    Effect.gen(function* () {
      assertFetched(
        yield* downloadWith(
          {},
          `${action(0)}:1`,
          `${action(1)}:0-2`,
          `${action(2)}:0,2`,
          `${action(3)}:0-1,2`,
          `${action(4)}:0-0`,
        ),
        [
          `${action(0)}:1`,
          ...[0, 1, 2].map((index) => `${action(1)}:${index}`),
          ...[0, 2].map((index) => `${action(2)}:${index}`),
          ...[0, 1, 2].map((index) => `${action(3)}:${index}`),
          `${action(4)}:0`,
        ],
      )
    }),
  )

  it.live("are one and the same in upper and in lower case, and are fetched once", () =>
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

  it.live("are lists: lines with comments, as Windows writes them, JSON lines, CSV, and standard input", () =>
    Effect.gen(function* () {
      const outcome = yield* downloadLists(
        {
          plain: `# of monday\n\n${action(0)}:0-1\n\t \n  # more\n  ${action(0)}:2  \n\n`,
          "windows.txt": `\uFEFF# of monday\r\n${action(1)}:0\r\n\r\n${action(1).toUpperCase()}:1,2\r\n`,
          "windows-first-line.txt": `\uFEFF${action(2)}:0\r\n`,
          "lines.jsonl":
            `\uFEFF{"machineActionId":"${action(3)}","index":0}\r\n\n` +
            `{ "host": "WS-1", "index": 1, "machineActionId": "${action(3).toUpperCase()}" }\n${action(3)}:2`,
          "table.csv":
            `\uFEFFhost,index,machineActionId\r\n"WS-1, the ""first""",0,${action(4)}\r\n,1,"${action(4).toUpperCase()}"\r\n` +
            `\r\n"two\nlines",2,${action(4)}`,
          "TABLE.CSV": `machineActionId,index\n${action(5)},0-1\n`,
        },
        `\uFEFF${action(6)}:0\r\n# no more of this one\r\n{"machineActionId":"${action(7)}","index":1}\r\n\n${action(8)}:2`,
      )
      assertFetched(outcome, [
        ...[0, 1, 3, 4].flatMap((n) => [0, 1, 2].map((index) => `${action(n)}:${index}`)),
        `${action(2)}:0`,
        `${action(5)}:0`,
        `${action(5)}:1`,
        `${action(6)}:0`,
        `${action(7)}:1`,
        `${action(8)}:2`,
      ])
    }),
  )

  it.live("are taken from a stream while it lasts", () =>
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

  it.live("are none in an empty list, and that is fine", () =>
    Effect.gen(function* () {
      assertFetched(yield* downloadLists({}, "\n# nothing today\n"), [])
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

  it.live("is named with its number, and the others arrive", () =>
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

  it.live("of CSV has the number that an editor shows: blank lines and cells of two lines count", () =>
    Effect.gen(function* () {
      const outcome = yield* downloadLists({
        "table.csv":
          `index,machineActionId,host\r\n\r\n0,${action(0)},"two\r\nlines"\r\n\r\n` +
          `x,${action(0)},\r\n1,${action(0)},\r\n`,
      })
      assert.deepStrictEqual(named(outcome), ["table.csv 6"])
      assert.strictEqual(outcome.ended.exitCode, 1)
      assertAsked(outcome, [`${action(0)}:0`, `${action(0)}:1`])
    }),
  )

  it.live("of standard input is named too, once, and printed without what a terminal would obey", () =>
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

describe("a command line that is wrong", { concurrent: true }, () => {
  const id = action(0)
  const target = `${id}:0`
  const from = (...args: ReadonlyArray<string>) => ["download", ...args]

  /** What is said of what; the server would have everything, if it were asked. */
  const cases: ReadonlyArray<
    readonly [what: string, exitCode: number, args: ReadonlyArray<string>, says: RegExp, env?: Record<string, string>]
  > = [
    ["no target", 2, from(), /--from/],
    ["a target that is no GUID", 2, from("988cc94e:0"), /"988cc94e:0" is no target/],
    ["a range that runs backwards", 2, from(`${id}:2-1`), /is no target/],
    ["an index beyond all commands", 2, from(`${id}:1000`), /is no target/],
    [
      "one bad target among good ones",
      2,
      from(target, "../../etc/passwd:0", target),
      /"\.\.\/\.\.\/etc\/passwd:0" is no target/,
    ],
    ["a list that is not there", 2, from("--from", "nowhere.txt"), /nowhere\.txt/],
    ["a list that is a directory", 2, from("--from", "."), /can't read \./],
    ["a server in the clear", 2, from(target, "--endpoint", "http://example.com"), /https/],
    [
      "a server in the clear, in the environment",
      2,
      from(target),
      /https/,
      { LIVE_RESPONSE_ENDPOINT: "http://example.com" },
    ],
    ["no concurrency at all", 2, from(target, "-j", "0"), /from 1 to 256/],
    ["a limit of nothing", 2, from(target, "--per-minute", "0"), /per-minute/],
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
    ["a directory where none can be made", 4, from(target, "--out", "/proc/nope"), /\/proc\/nope/],
    ["a directory far below where none can be made", 4, from(target, "--out", "/proc/nope/a/b"), /\/proc\/nope/],
  ]
  it.live.each(cases)("%s: exit code %i and a line that says it", ([, exitCode, args, says, env]) =>
    Effect.gen(function* () {
      const server = yield* ReferenceServer.make({ results })
      const box = yield* Cli.sandbox
      box.write("file", "this is a file")
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
      assert.deepStrictEqual(box.entries(), ["file"])
    }),
  )
})
