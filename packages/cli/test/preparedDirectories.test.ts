/**
 * Directories of results and of state that somebody else has prepared: nothing outside is written, and nothing read.
 */
import { execFileSync } from "node:child_process"
import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  symlinkSync,
  writeFileSync,
} from "node:fs"
import { dirname, join } from "node:path"
import { gzipSync } from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import * as FileName from "@live-response/core/FileName"
import { FromString } from "@live-response/core/ResultRef"
import type * as Simulator from "@live-response/core/testing/Simulator"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Cli from "./support/CliInProcess.ts"
import * as ServedSimulator from "./support/ServedSimulator.ts"

const id = "988cc94e-7a8f-4b28-ab65-54970c5d5018"
const ref = Schema.decodeSync(FromString)(`${id}:0`)
const machineId = "7b1f4967d9728e5aa3c06a9e617a22a4a5a17378"
const secret = "what-only-the-victim-knows"

const isRoot = process.getuid?.() === 0

/** The service, with one machine action and its one result, which is gzip. */
const serve = Effect.gen(function* () {
  const { env, simulator } = yield* ServedSimulator.serve()
  yield* addAction(simulator)
  yield* simulator.add(ref, { content: gzipSync("what was collected") })
  return { ...env, LIVE_RESPONSE_FOLLOW_EVERY: "300 millis", LIVE_RESPONSE_VISIBLE_WITHIN: "2 seconds" }
})

const addAction = Effect.fnUntraced(function* (simulator: Simulator.Service) {
  const now = DateTime.formatIso(DateTime.makeUnsafe(yield* Clock.currentTimeMillis))
  yield* simulator.addAction({
    id,
    type: "LiveResponse",
    status: "Succeeded",
    machineId,
    computerDnsName: "ws-1.contoso.com",
    requestor: "soc@contoso.com",
    creationDateTimeUtc: now,
    lastUpdateDateTimeUtc: now,
    commands: [
      {
        index: 0,
        commandStatus: "Completed",
        command: { type: "GetFile", params: [{ key: "Path", value: "C:\\a" }] },
      },
    ],
  })
})

/** A sandbox with a directory of results, one of state, and one of a victim. */
const world = Effect.map(Cli.sandbox, (box) => {
  const state = join(String(box.environment["XDG_STATE_HOME"]), "live-response")
  const outside = join(box.root, "outside")
  for (const directory of [state, box.out, outside]) mkdirSync(directory, { recursive: true, mode: 0o700 })
  const victim = join(outside, "victim")
  writeFileSync(victim, secret, { mode: 0o600 })
  return { box, state, outside, victim }
})

type World = Effect.Success<typeof world>

const download = ["download", `${id}:0`, "--extract", "--out", "results"]
const show = ["show", `${id}:0`, "--raw", "--out", "results"]

/** Which command opens each of the files: a new file is not in it, and does not compile. */
const singles: Record<keyof typeof FileName.single, ReadonlyArray<string>> = {
  manifest: download,
  sessions: ["run", machineId, "--script", "a.ps1", "--comment", "x", "--download", "results"],
  actions: ["download", id, "--out", "results"],
  follow: ["download", "--follow", "--out", "results"],
  unknownMachines: ["run", "ws-1.contoso.com", "--script", "a.ps1", "--comment", "x", "--download", "results"],
  resultsTable: ["results", "results"],
  resultsLines: ["results", "results"],
  report: ["report", "results"],
  lock: download,
  quota: download,
}
const ofResult: Record<(typeof FileName.endings)[number], ReadonlyArray<string>> = {
  json: show,
  bin: show,
  gz: download,
  zip: show,
  unpacked: download,
  part: download,
  "part.json": download,
}

const single = (key: keyof typeof FileName.single) => ({ name: FileName.single[key], args: singles[key] })
const part = ({ args, name }: { readonly name: string; readonly args: ReadonlyArray<string> }, tag?: number) => ({
  name: FileName.partOf(name, tag),
  args,
})
const database = (key: keyof typeof FileName.single) =>
  FileName.ofDatabase(FileName.single[key]).map((name) => ({ name, args: singles[key] }))
const file = (ending: (typeof FileName.endings)[number]) => ({
  name: FileName.ofResult(ref, ending),
  args: ofResult[ending],
})

const files = [
  ...(
    ["manifest", "sessions", "actions", "follow", "unknownMachines", "resultsTable", "resultsLines", "report"] as const
  ).map(single),
  ...database("lock"),
  ...database("quota"),
  ...FileName.endings.map(file),
  part(single("follow")),
  part(single("resultsTable"), process.pid),
  part(single("report"), process.pid),
  part(single("resultsLines"), process.pid),
  part(file("unpacked")),
  part(file("part.json")),
]

const entry = (path: string, fields: Readonly<Record<string, unknown>> = {}) =>
  `${JSON.stringify({
    status: "completed",
    machineActionId: id,
    index: 0,
    path,
    bytes: secret.length,
    sha256: "ab",
    links: 1,
    attempts: 1,
    ...fields,
  })}\n`

/** A manifest where a command reads one that it does not write. */
const prepare = ({ box }: World, { args, name }: { readonly name: string; readonly args: ReadonlyArray<string> }) => {
  if (args === show) box.write("results/manifest.jsonl", entry(name))
  if (args[0] === "results" || args[0] === "report") box.write("results/manifest.jsonl", "")
}

const isUnharmed = ({ outside, victim }: World, ended: Cli.Ended, what: string) => {
  assert.strictEqual(readFileSync(victim, "utf8"), secret, what)
  assert.deepStrictEqual(readdirSync(outside), ["victim"], what)
  assert.notInclude(ended.stdout + ended.stderr, secret, what)
}

describe("a prepared directory", () => {
  it.live.each(files)("with a symbolic link instead of $name", ({ args, name }) =>
    Effect.gen(function* () {
      const env = yield* serve
      for (const trap of ["symbolic", "dangling", "hard"] as const) {
        const there = yield* world
        const { box, outside, state, victim } = there
        const path = join(name.startsWith(FileName.single.quota) ? state : box.out, name)
        mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
        prepare(there, { args, name })
        if (trap === "hard") linkSync(victim, path)
        else symlinkSync(trap === "dangling" ? join(outside, "new") : victim, path)
        const ended = yield* box.run({ args, env })
        isUnharmed(there, ended, `${trap}: ${ended.stderr}`)
        // Something else under the name of a result file fails that result alone.
        const isOfOne = args === download && name.includes("/")
        assert.strictEqual(ended.exitCode, isOfOne ? 1 : 4, `${trap}: ${ended.stderr}`)
        assert.include(ended.stderr, trap === "hard" ? "hard link" : "symbolic link")
        assert.include(ended.stderr, "choose another directory")
        assert.strictEqual(ended.stdout.includes('"event"'), false)
      }
    }).pipe(Effect.scoped),
  )

  it.live("with a symbolic link instead of the directory of a machine action", () =>
    Effect.gen(function* () {
      const env = yield* serve
      for (const args of [download, show]) {
        const there = yield* world
        symlinkSync(there.outside, join(there.box.out, id))
        there.box.write("results/manifest.jsonl", entry(`${id}/0.gz`))
        const ended = yield* there.box.run({ args, env })
        isUnharmed(there, ended, ended.stderr)
        assert.strictEqual(ended.exitCode, args === download ? 1 : 4, ended.stderr)
      }
    }).pipe(Effect.scoped),
  )

  it.live.each([
    {
      what: "a file for the directory of a machine action",
      put: (out: string) => writeFileSync(join(out, id), "", { mode: 0o600 }),
    },
    ...["0.part", "0.part.json", "0.gz", "0.unpacked"].flatMap((name) =>
      [
        { what: "a directory", put: (path: string) => mkdirSync(path) },
        { what: "a named pipe", put: (path: string) => execFileSync("mkfifo", ["-m", "600", path]) },
      ].map(({ put, what }) => ({
        what: `${what} for ${name}`,
        put: (out: string) => {
          mkdirSync(join(out, id), { mode: 0o700 })
          put(join(out, id, name))
        },
      })),
    ),
  ])("with $what, costs that result alone", ({ put }) =>
    Effect.gen(function* () {
      const { env, simulator } = yield* ServedSimulator.serve()
      const other = Schema.decodeSync(FromString)("00000000-7a8f-4b28-ab65-54970c5d5018:0")
      for (const result of [ref, other]) yield* simulator.add(result, { content: gzipSync("what was collected") })
      const { box } = yield* world
      put(box.out)
      for (let run = 0; run < 2; run++) {
        const args = ["download", String(ref), String(other), "--extract", "-j", "1", "--out", "results"]
        const ended = yield* box.run({ args, env })
        assert.strictEqual(ended.exitCode, 1, ended.stderr)
        assert.match(
          ended.stderr,
          new RegExp(`results/${id}[^\\n]*: (?:a file is needed here|there is a file where)[^\\n]*; `),
        )
        assert.isTrue(existsSync(join(box.out, other.machineActionId, "0.unpacked")), ended.stderr)
      }
    }).pipe(Effect.scoped),
  )

  it.live.each(["results", "state"] as const)("that others may write to is refused: %s", (which) =>
    Effect.gen(function* () {
      const env = yield* serve
      const { box, state } = yield* world
      const directory = which === "state" ? state : box.out
      chmodSync(directory, 0o770)
      const ended = yield* box.run({ args: download, env })
      assert.match(
        ended.stderr,
        /^live-response: [^\n]*other users may write to it \(mode 770\)[^\n]*chmod 700 [^\n]*\n$/,
      )
      assert.deepStrictEqual([ended.exitCode, ended.stdout], [4, ""])
      assert.deepStrictEqual(readdirSync(directory), [])
    }),
  )
})

describe("a hostile manifest", () => {
  const hostile = [
    "../outside/victim",
    `${id}/../../outside/victim`,
    "/etc/passwd",
    "/proc/self/environ",
    `${id}/1.json`,
    `${id}/0.part`,
    "manifest.jsonl",
    `988cc94e-7a8f-4b28-ab65-000000000000/0.json`,
  ]

  it.live.each(hostile)("with the path %s is not read or written through", (path) =>
    Effect.gen(function* () {
      const env = yield* serve
      const there = yield* world
      const { box } = there
      for (const args of [
        show,
        ["results", "results"],
        ["verify", "results", "--json"],
        [...download, "--retry-failed"],
      ]) {
        box.write("results/manifest.jsonl", entry(path))
        const ended = yield* box.run({ args, env })
        isUnharmed(there, ended, ended.stderr)
        // The line is damaged, which only verify takes for a failure.
        assert.strictEqual(ended.exitCode, args[0] === "verify" ? 1 : 0, ended.stderr)
        assert.include(ended.stderr, "manifest.jsonl: line 1 is damaged")
        assert.notMatch(ended.stdout + ended.stderr, /root:|XDG_STATE_HOME=/)
      }
      // The damaged line is passed over, and its target downloaded where it belongs.
      assert.isTrue(existsSync(join(box.out, id, "0.gz")))
    }),
  )

  it.live.each([
    { machineActionId: "../outside" },
    { machineActionId: `${id}/../../outside` },
    { index: -1 },
    { index: "0/../../../outside/victim" },
    { index: 1e9 },
  ])("with $machineActionId $index has no entry", (fields) =>
    Effect.gen(function* () {
      const there = yield* world
      there.box.write("results/manifest.jsonl", entry(`${id}/0.json`, fields))
      const ended = yield* there.box.run({ args: ["verify", "results", "--json"] })
      isUnharmed(there, ended, ended.stderr)
      assert.deepStrictEqual(Cli.ndjson(ended.stdout), [
        { event: "damaged", line: 1 },
        { event: "summary", verified: 0, differs: 0, missing: 0, unrecorded: 0, damaged: 1, bytes: 0 },
      ])
    }),
  )

  it.live("and other hostile files of a directory do not lead elsewhere", () =>
    Effect.gen(function* () {
      const env = yield* serve
      const there = yield* world
      const { box } = there
      box.write("results/actions.jsonl", `{"id":"../outside/victim","type":"x","status":"x","commands":[]}\n`)
      box.write("results/results.jsonl", `{"path":"../outside/victim"}\n`)
      box.write("results/manifest.jsonl", "")
      for (const args of [["results", "results"], download]) {
        const ended = yield* box.run({ args, env })
        isUnharmed(there, ended, ended.stderr)
        assert.strictEqual(ended.exitCode, 0, ended.stderr)
      }
      box.write(
        "results/sessions.jsonl",
        `{"entry":"started","run":"../outside","machineId":"m","machineActionId":"../../x"}\n`,
      )
      const run = yield* box.run({ args: singles.sessions, env })
      isUnharmed(there, run, run.stderr)
      assert.strictEqual(run.exitCode, 4, run.stderr)
    }),
  )
})

describe("two users", () => {
  const [user, attacker] = [65_534, 1234]

  const asUser = (command: Cli.Command) =>
    Cli.inShell(command, `exec setpriv --reuid=${user} --regid=${user} --clear-groups "$@"`)

  it.live("a directory of another user is refused, and the user's own is used", () =>
    Effect.gen(function* () {
      if (!isRoot) {
        return yield* Effect.logWarning(
          "two users take root (setpriv, chown), and this is not root: nothing was tested",
        )
      }
      const env = yield* serve
      const { box, outside, state, victim } = yield* world
      for (const path of [box.root, dirname(dirname(state)), dirname(state), state, outside, victim, box.out]) {
        chownSync(path, user, user)
      }
      // What the attacker owns is open to all, so that nothing but its owner forbids it.
      const prepared = join(box.root, "prepared")
      mkdirSync(prepared)
      symlinkSync(victim, join(prepared, "manifest.jsonl"))
      chownSync(prepared, attacker, attacker)
      const command = (out: string) => asUser({ args: ["download", `${id}:0`, "--out", out], env })
      const refused = yield* box.run(command("prepared"))
      assert.match(refused.stderr, /^live-response: [^\n]*prepared: it belongs to another user \(uid 1234\)[^\n]*\n$/)
      assert.deepStrictEqual([refused.exitCode, refused.stdout], [4, ""])
      assert.strictEqual(readFileSync(victim, "utf8"), secret)
      assert.deepStrictEqual(readdirSync(prepared), ["manifest.jsonl"])
      const used = yield* box.run(command("results"))
      assert.strictEqual(used.exitCode, 0, used.stderr)
    }),
  )
})
