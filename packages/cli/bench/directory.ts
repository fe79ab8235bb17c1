/**
 * What a directory of very many finished results costs the bundled program: a download that has nothing to do, `show` of one
 * result, and the first row of `results`. Each runs in a process of its own, which reports its processor time and its peak
 * memory. Beside them is what Node takes to read the same files and to find their lines.
 *
 *     npm run build && node packages/cli/bench/directory.ts [number of results, 1,000,000 by default]
 */
import { spawn } from "node:child_process"
import { createHash } from "node:crypto"
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as MachineAction from "@live-response/core/MachineAction"
import * as ManifestEntry from "@live-response/core/ManifestEntry"
import { Completed } from "@live-response/core/ResultEvent"
import * as ResultRef from "@live-response/core/ResultRef"
import * as StoredAction from "@live-response/core/StoredAction"
import * as Console from "effect/Console"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"

const program = fileURLToPath(new URL("../dist/bin.js", import.meta.url))

const [what = "1000000"] = process.argv.slice(2)

const idAt = (n: number): string => {
  const hash = createHash("md5").update(String(n)).digest("hex")
  return [hash.slice(0, 8), hash.slice(8, 12), hash.slice(12, 16), hash.slice(16, 20), hash.slice(20)].join("-")
}

const decodeRef = Schema.decodeSync(ResultRef.FromString)

const content = `{"script_name":"collect.ps1","exit_code":0,"script_output":"ok","script_errors":""}`

/** A line of each file as this release writes it, with an id and a name that are replaced in the others. */
const samples = () => {
  const { index, machineActionId } = decodeRef(`${idAt(0)}:0`)
  const at = DateTime.makeUnsafe("2026-11-01T21:03:57.226Z")
  const machine = { machineId: "7b1f4967d9728e5aa3c06a9e617a22a4a5a17378" }
  const entry = Completed.make({
    at,
    machineActionId,
    index,
    ...machine,
    machineName: "ws-0.contoso.com",
    script: "collect.ps1",
    path: `${machineActionId}/0.json`,
    bytes: content.length,
    sha256: createHash("sha256").update(content).digest("hex"),
    etag: `"0xA42D0EA6E500470"`,
    links: 1,
    attempts: 1,
  })
  const action = StoredAction.StoredAction.make({
    id: machineActionId,
    type: "LiveResponse",
    status: "Succeeded",
    ...machine,
    computerDnsName: "ws-0.contoso.com",
    requestor: "soc@contoso.com",
    requestorComment: "a sweep [live-response 0123456789abcdef]",
    created: at,
    updated: at,
    errorHResult: 0,
    commands: [
      MachineAction.Command.make({
        index: 0,
        type: "RunScript",
        status: "Completed",
        params: { ScriptName: "collect.ps1", Args: String.raw`-Path C:\Users` },
        startTime: at,
        endTime: at,
        errors: [],
      }),
    ],
  })
  return {
    "manifest.jsonl": Schema.encodeSync(Schema.fromJsonString(ManifestEntry.ManifestEntry))(
      ManifestEntry.fromEvent(entry),
    ),
    "actions.jsonl": Schema.encodeSync(Schema.fromJsonString(StoredAction.StoredAction))(action),
  }
}

/** Fills a directory. The first results, and one in the middle, have files. */
const fill = (path: string, count: number) => {
  for (const [name, sample] of Object.entries(samples())) {
    const file = openSync(join(path, name), "w", 0o600)
    for (let from = 0; from < count; from += 5000) {
      const lines = Array.from({ length: Math.min(5000, count - from) }, (_, i) =>
        sample.replaceAll(idAt(0), idAt(from + i)).replace("ws-0.", `ws-${from + i}.`),
      )
      writeSync(file, `${lines.join("\n")}\n`)
    }
    closeSync(file)
  }
  for (const n of [...Array(100).keys(), count >> 1]) {
    mkdirSync(join(path, idAt(n)), { mode: 0o700, recursive: true })
    writeFileSync(join(path, idAt(n), "0.json"), content, { mode: 0o600 })
  }
}

/** Runs in the program: what it cost, to the third stream when it ends. */
const report = `data:text/javascript,${encodeURIComponent(
  `import { writeSync } from "node:fs"
process.on("exit", () => {
  const { maxRSS, systemCPUTime, userCPUTime } = process.resourceUsage()
  writeSync(3, JSON.stringify({ cpu: (userCPUTime + systemCPUTime) / 1000, memory: maxRSS / 1000 }))
})`,
)}`

const Cost = Schema.fromJsonString(Schema.Struct({ cpu: Schema.Number, memory: Schema.Number }))

interface Run {
  readonly args: ReadonlyArray<string>
  /** Whether the program has given its first output, if that is not on standard output. It is stopped then. */
  readonly isSeen?: () => boolean
}

/** Runs a program. Its times are in milliseconds. */
const run = Effect.fnUntraced(function* ({ args, isSeen }: Run) {
  const startedAt = performance.now()
  const seen = { first: 0, cost: "", errors: "" }
  const isFirst = () => (seen.first ||= performance.now() - startedAt)
  const child = spawn(process.execPath, ["--import", report, ...args], {
    env: { ...process.env, LIVE_RESPONSE_TOKEN: "opaque" },
    stdio: ["ignore", "pipe", "pipe", "pipe"],
  })
  child.stdio[1]?.on("data", isFirst)
  child.stdio[2]?.on("data", (text) => (seen.errors += String(text)))
  child.stdio[3]?.on("data", (text) => (seen.cost += String(text)))
  const closed = Effect.callback<void>((resume) => {
    child.on("close", () => resume(Effect.void))
  })
  const stopped = Effect.sync(() => {
    if (isSeen?.() !== true) return false
    isFirst()
    return child.kill("SIGINT")
  }).pipe(Effect.repeat({ schedule: Schedule.spaced("5 millis"), until: (isStopped) => isStopped }))
  yield* Effect.raceFirst(closed, Effect.andThen(stopped, closed))
  return { ...seen, all: performance.now() - startedAt }
})

const hasFirstRow = (path: string) => () =>
  readdirSync(path).some((name) => name.startsWith("results.jsonl.") && statSync(join(path, name)).size > 0)

/** Runs in Node alone: reads files in blocks of the program's size, and finds the ends of their lines. */
const readsLines = `const { openSync, readSync } = require("node:fs")
const block = Buffer.alloc(256 * 1024)
let lines = 0
for (const path of process.argv.slice(1)) {
  const file = openSync(path)
  for (let length; (length = readSync(file, block)) > 0;)
    for (let at = 0; (at = block.subarray(0, length).indexOf(10, at) + 1) > 0;) lines++
}
console.log(lines)`

const measure = (count: number) => {
  const path = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "live-response-directory-"))
  const manifest = join(path, "manifest.jsonl")
  const middle = `${idAt(count >> 1)}:0`
  const runs: ReadonlyArray<Run & { readonly name: string }> = [
    { name: "node, empty program", args: ["-e", "0"] },
    { name: "node, lines of manifest", args: ["-e", readsLines, manifest] },
    { name: "node, lines of both", args: ["-e", readsLines, manifest, join(path, "actions.jsonl")] },
    { name: "--help", args: [program, "--help"] },
    { name: "download, all finished", args: [program, "download", middle, "--out", path] },
    { name: "show", args: [program, "show", middle, "--out", path] },
    { name: "results, first row", args: [program, "results", path], isSeen: hasFirstRow(path) },
  ]
  return Effect.gen(function* () {
    fill(path, count)
    yield* Console.log(`${count.toLocaleString("en-US")} results`)
    for (const { name, ...one } of runs) {
      const { all, cost, errors, first } = yield* run(one)
      const { cpu, memory } = yield* Schema.decodeUnknownEffect(Cost)(cost)
      const figures = [`first output ${first.toFixed(0)} ms`, `end ${all.toFixed(0)} ms`]
      yield* Console.log(
        `${name.padEnd(24)} ${figures.join(", ")}, processor ${cpu.toFixed(0)} ms, ${memory.toFixed(0)} MB`,
      )
      if (errors !== "" && one.isSeen === undefined) yield* Console.log(errors)
    }
  }).pipe(Effect.ensuring(Effect.sync(() => rmSync(path, { recursive: true }))))
}

await Effect.runPromise(measure(Number(what)))
