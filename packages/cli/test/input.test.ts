import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Cli from "./support/Cli.ts"
import * as ReferenceServer from "./support/ReferenceServer.ts"
import * as Samples from "./support/Samples.ts"

const a = Samples.action(0xa)
const b = Samples.action(0xb)

/** Four results of two machine actions. */
const all = [`${a}:0`, `${a}:1`, `${a}:2`, `${b}:0`]
const results = Object.fromEntries(all.map((target) => [target, { bytes: Samples.script(1) }]))

/** Downloads, in a directory in which there are these files. */
const downloadWith = Effect.fnUntraced(function* (
  input: { readonly files?: Readonly<Record<string, string>>; readonly stdin?: string },
  ...args: ReadonlyArray<string>
): Effect.fn.Return<{ server: ReferenceServer.ReferenceServer; ended: Cli.Ended }, never, Scope.Scope> {
  const server = yield* ReferenceServer.make({ results })
  const box = yield* Cli.sandbox
  for (const [path, content] of Object.entries(input.files ?? {})) box.write(path, content)
  const ended = yield* box.run({ ...Cli.download(server, ...args), stdin: input.stdin ?? "" })
  return { server, ended }
})

/** Exactly these were asked for, each once, and all is well. */
const assertFetched = (
  { ended, server }: { readonly server: ReferenceServer.ReferenceServer; readonly ended: Cli.Ended },
  targets: ReadonlyArray<string>,
) => {
  assert.sameMembers(
    server.linkCalls().map(({ result }) => result),
    [...targets],
  )
  assert.strictEqual(ended.stderr, "")
  assert.strictEqual(ended.exitCode, 0)
}

describe("targets", { concurrent: true }, () => {
  const spellings: ReadonlyArray<readonly [what: string, args: ReadonlyArray<string>, targets: ReadonlyArray<string>]> =
    [
      ["arguments", [`${a}:0`, `${b}:0`], [`${a}:0`, `${b}:0`]],
      ["a range", [`${a}:0-2`], [`${a}:0`, `${a}:1`, `${a}:2`]],
      ["a list", [`${a}:0,2`], [`${a}:0`, `${a}:2`]],
      ["a mix of both", [`${a}:0-1,2`, `${b}:0-0`], all],
    ]
  it.live.each(spellings)("are %s", ([, args, targets]) =>
    Effect.gen(function* () {
      assertFetched(yield* downloadWith({}, ...args), targets)
    }),
  )

  it.live("are one and the same in upper and in lower case, and are fetched once", () =>
    Effect.gen(function* () {
      const outcome = yield* downloadWith(
        { files: { "again.txt": `${a.toUpperCase()}:0\n${a}:0-1\n` } },
        `${a.toUpperCase()}:0`,
        `${a}:0`,
        "--from",
        "again.txt",
        "--from",
        "again.txt",
      )
      assertFetched(outcome, [`${a}:0`, `${a}:1`])
      assert.match(outcome.ended.stdout, /^2 downloaded /)
    }),
  )

  const lists: ReadonlyArray<readonly [what: string, path: string, content: string]> = [
    ["a line each", "targets.txt", all.join("\n")],
    [
      "with comments, blank lines and ranges",
      "hunt",
      `# of monday\n\n${a}:0-1\n\t \n  # more\n  ${a}:2  \n\n${b}:0\n\n`,
    ],
    [
      "as Windows writes them",
      "targets.txt",
      `\uFEFF# of monday\r\n${a}:0\r\n\r\n${a}:1,2\r\n${b.toUpperCase()}:0\r\n`,
    ],
    [
      "as JSON lines",
      "targets.jsonl",
      `\uFEFF{"machineActionId":"${a}","index":0}\r\n\n{ "host": "WS-1", "index": 1, "machineActionId": "${a}" }\n` +
        `{"machineActionId":"${a.toUpperCase()}","index":2}\n${b}:0`,
    ],
    [
      "as CSV",
      "targets.csv",
      `\uFEFFhost,index,machineActionId\r\n"WS-1, the ""first""",0,${a}\r\n,1,"${a.toUpperCase()}"\r\n\r\n"two\nlines",2,${a}\r\nWS-4,0,${b}`,
    ],
  ]
  it.live.each(lists)("are a list, %s", ([, path, content]) =>
    Effect.gen(function* () {
      assertFetched(yield* downloadWith({ files: { [path]: content } }, "--from", path), all)
    }),
  )

  it.live("come from standard input", () =>
    Effect.gen(function* () {
      const stdin = `\uFEFF${a}:0\r\n# no more of this one\r\n{"machineActionId":"${a}","index":1}\r\n${a}:2\n${b}:0`
      assertFetched(yield* downloadWith({ stdin }, "--from", "-"), all)
    }),
  )

  it.live("come from all of these together", () =>
    Effect.gen(function* () {
      const outcome = yield* downloadWith(
        { files: { "one.txt": `${a}:1`, "two.CSV": `machineActionId,index\n${a},2\n` }, stdin: `${b}:0` },
        `${a}:0`,
        "--from",
        "one.txt",
        "--from",
        "-",
        "--from",
        "two.CSV",
      )
      assertFetched(outcome, all)
    }),
  )

  it.live("are taken from a stream while it lasts", () =>
    Effect.gen(function* () {
      const server = yield* ReferenceServer.make({ results })
      const box = yield* Cli.sandbox
      const running = yield* box.start({ ...Cli.download(server, "--from", "-"), stdin: { open: true } })
      yield* running.type(`${a}:0\n`)
      yield* Cli.until(
        () => server.blobCalls(`${a}:0`).length === 1,
        () => "the first result, while there may be more",
      )
      yield* running.type(`${b}:0`)
      yield* running.closeInput
      assertFetched({ server, ended: yield* running.ended }, [`${a}:0`, `${b}:0`])
    }),
  )

  it.live("are none in an empty list, and that is fine", () =>
    Effect.gen(function* () {
      assertFetched(yield* downloadWith({ stdin: "\n# nothing today\n" }, "--from", "-"), [])
    }),
  )
})

describe("a broken line", { concurrent: true }, () => {
  const broken: ReadonlyArray<readonly [what: string, path: string, content: string, lines: ReadonlyArray<number>]> = [
    ["of a list", "targets.txt", `${a}:0\n\n# note\nnonsense\n${a}:1\n${a}:2-1\n${b}:0\n`, [4, 6]],
    [
      "of JSON lines",
      "targets.jsonl",
      `{"machineActionId":"${a}","index":0}\n{"machineActionId":"${a}"\n{"machineActionId":"${a}","index":-1}\n{"machineActionId":"${a}","index":1}\n{"index":0}\n${b}:0`,
      [2, 3, 5],
    ],
    ["of CSV", "targets.csv", `index,machineActionId\n0,${a}\nx,${a}\n1,${a}\n0,\n0,${b}\n`, [3, 5]],
    [
      "of CSV after blank lines and a cell of two lines",
      "targets.csv",
      `index,machineActionId,host\r\n\r\n0,${a},"two\r\nlines"\r\n\r\nx,${a},\r\n1,${a},\r\n0,${b},`,
      [6],
    ],
  ]
  it.live.each(broken)("%s is named with its number, and the others arrive", ([, path, content, lines]) =>
    Effect.gen(function* () {
      const { ended, server } = yield* downloadWith({ files: { [path]: content } }, "--from", path)
      assert.strictEqual(ended.exitCode, 1)
      assert.deepStrictEqual(
        ended.stderr
          .trimEnd()
          .split("\n")
          .map((line) => /^failed: (targets\.\w+), line (\d+): ./.exec(line)?.slice(1)),
        lines.map((line) => [path, String(line)]),
        ended.stderr,
      )
      assert.sameMembers(
        server.linkCalls().map(({ result }) => result),
        [`${a}:0`, `${a}:1`, `${b}:0`],
      )
      assert.match(ended.stdout, new RegExp(`^3 downloaded .*, ${lines.length} failed; 3 links`))
    }),
  )

  it.live("of standard input is named too, once, and printed without what a terminal would obey", () =>
    Effect.gen(function* () {
      const stdin = `${a}:0\n\u001b[2J\u009b31m\u202eevil\u0007${"x".repeat(5000)}\n`
      const { ended } = yield* downloadWith({ stdin }, "--from", "-")
      assert.strictEqual(ended.exitCode, 1)
      assert.match(ended.stderr, /^failed: standard input, line 2: .*evil.*\n$/)
      assert.notMatch(ended.stderr, /[\p{Cf}\u0000-\u0009\u000b-\u001f\u007f-\u009f]/u)
      assert.isBelow(ended.stderr.length, 500)
    }),
  )

  it.live("is an event with --json", () =>
    Effect.gen(function* () {
      const { ended } = yield* downloadWith({ stdin: `${a}:0\nnonsense\n` }, "--from", "-", "--json")
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
  const target = `${a}:0`
  const from = (...args: ReadonlyArray<string>) => ["download", ...args]

  /** What is said of what; the server would have everything, if it were asked. */
  const cases: ReadonlyArray<
    readonly [what: string, exitCode: number, args: ReadonlyArray<string>, says: RegExp, env?: Record<string, string>]
  > = [
    ["no target", 2, from(), /--from/],
    ["a target without an index", 2, from(a), /"988cc94e-.*" is no target/],
    ["a target that is no GUID", 2, from("988cc94e:0"), /"988cc94e:0" is no target/],
    ["a range that runs backwards", 2, from(`${a}:2-1`), /is no target/],
    ["a negative index", 2, from(`${a}:-1`), /is no target/],
    ["an index beyond all commands", 2, from(`${a}:1000`), /is no target/],
    [
      "one bad target among good ones",
      2,
      from(target, "../../etc/passwd:0", target),
      /"\.\.\/\.\.\/etc\/passwd:0" is no target/,
    ],
    ["an empty target", 2, from(""), /"" is no target/],
    ["a list that is not there", 2, from("--from", "nowhere.txt"), /nowhere\.txt/],
    ["a list that is a directory", 2, from("--from", "."), /can't read \./],
    ["a server in the clear", 2, from(target, "--endpoint", "http://example.com"), /https/],
    ["a server that is no address", 2, from(target, "--endpoint", "example.com"), /https/],
    [
      "a server in the clear, in the environment",
      2,
      from(target),
      /https/,
      { LIVE_RESPONSE_ENDPOINT: "http://example.com" },
    ],
    ["no concurrency at all", 2, from(target, "-j", "0"), /from 1 to 256/],
    ["a concurrency that is no number", 2, from(target, "-j", "many"), /concurrency/],
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
    ["a directory that is a file", 4, from(target, "--out", "file"), /file/],
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
