/**
 * Checks that no result is lost: it downloads thousands of results with a fault on every second one, and kills the program every
 * few seconds until a run finishes. The faults are the same in every run; when the kills happen depends on the machine.
 *
 *     node packages/cli/soak/soak.ts [results]
 */
import { createHash } from "node:crypto"
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Schema from "effect/Schema"
import * as Cli from "../test/support/Cli.ts"
import * as ReferenceServer from "../test/support/ReferenceServer.ts"
import * as Samples from "../test/support/Samples.ts"
import * as FaultProxy from "./FaultProxy.ts"

const count = Number(process.argv[2] ?? 2000)
/** Calls a minute, more than this program needs. After a 429 it assumes that other programs have used the rest. */
const limit = 5000
const mostKills = 500

/** The allowed ratio of sent to needed bytes, not counting bytes in flight at kills. Faults lose bytes and restart bodies. */
const allowed = 1.1

/** How many bytes of an incomplete result a kill may lose: those in the memory of the program and of the system. */
const mostOfOne = 4_000_000

interface Item {
  readonly target: string
  readonly path: string
  readonly bytes: Uint8Array
  readonly sha256: string
}

/** One result in 41 has some megabytes. Every second one of these has a fault. */
const item = Effect.fnUntraced(function* (n: number) {
  const [least, most] = n % 41 === 3 ? [2_000_000, 8_000_000] : [1000, 60_000]
  const bytes = Buffer.concat([Buffer.from("MZ"), Samples.noise(yield* Random.nextIntBetween(least, most), n)])
  const id = Samples.action(Math.floor(n / 6))
  const sha256 = createHash("sha256").update(bytes).digest("hex")
  return { target: `${id}:${n % 6}`, path: `${id}/${n % 6}.bin`, bytes, sha256 }
})

/** The faults that are answers of the reference server. The proxy injects the others. */
const answers = {
  "link expired": { side: "blob", answer: { expire: true } },
  "storage 500": { side: "blob", answer: ReferenceServer.blobError(500, "InternalError", "Try again.") },
  "storage 503": { side: "blob", answer: ReferenceServer.blobError(503, "ServerBusy", "Try again.") },
  "API 500": { side: "api", answer: ReferenceServer.apiError(500, "InternalServerError", "Try again.") },
  "API 503": { side: "api", answer: ReferenceServer.apiError(503, "ServiceUnavailable", "Try again.") },
  "API 429": { side: "api", answer: ReferenceServer.apiError(429, "429", "Wait.", { "retry-after": "1" }) },
} as const

type Planned = keyof typeof answers

const plan = Effect.fnUntraced(function* (items: ReadonlyArray<Item>) {
  const bodies = new Map<string, FaultProxy.Fault>()
  const refusals = new Map<string, Planned>()
  for (const { bytes, target } of items.filter((_, n) => n % 2 === 1)) {
    const at = yield* Random.nextIntBetween(1, bytes.length - 1)
    const isRare = (yield* Random.next) < 0.01
    const kinds = ["cut", "reset", "stall", "whole", "link expired", "storage 500", "storage 503", "API"] as const
    const kind = isRare ? "API 429" : (kinds[yield* Random.nextIntBetween(0, kinds.length - 1)] ?? "cut")
    switch (kind) {
      case "cut":
      case "reset":
      case "stall":
      case "whole":
        bodies.set(target, { kind, at })
        break
      case "API":
        refusals.set(target, (yield* Random.nextBoolean) ? "API 500" : "API 503")
        break
      default:
        refusals.set(target, kind)
    }
  }
  return { bodies, refusals }
})

const Line = Schema.Struct({
  machineActionId: Schema.String,
  index: Schema.Int,
  status: Schema.String,
  sha256: Schema.optionalKey(Schema.String),
})
const decodeLine = Schema.decodeUnknownOption(Schema.fromJsonString(Line))

/** The SHA-256 in each line of the manifest that says completed, by target. A line that is cut off does not count. */
const completed = (box: Cli.Sandbox): ReadonlyMap<string, ReadonlyArray<string>> => {
  const lines = box.sizeOf("manifest.jsonl") === 0 ? "" : box.read("results/manifest.jsonl").toString()
  const entries = lines
    .split("\n")
    .flatMap((line) => Option.toArray(decodeLine(line)))
    .filter(({ status }) => status === "completed")
  return new Map(
    Object.entries(Object.groupBy(entries, ({ index, machineActionId }) => `${machineActionId}:${index}`)).map(
      ([target, lines = []]) => [target, lines.map(({ sha256 = "" }) => sha256)],
    ),
  )
}

const figure = (value: number) => value.toLocaleString("en-US")

const soak = Effect.gen(function* () {
  const items = yield* Effect.forEach(Array.from({ length: count }), (_, n) => item(n))
  const { bodies, refusals } = yield* plan(items)
  const injected = new Map<Planned, number>()

  const proxy = yield* FaultProxy.make(bodies)
  let requested = ""
  const fault = <Side extends "api" | "blob">(side: Side, result: string) => {
    const planned = refusals.get(result)
    if (planned === undefined || answers[planned].side !== side) return undefined
    refusals.delete(result)
    injected.set(planned, (injected.get(planned) ?? 0) + 1)
    return answers[planned]
  }
  const server = yield* ReferenceServer.make({
    results: Object.fromEntries(items.map(({ bytes, target }) => [target, { bytes }])),
    windows: [{ limit, seconds: 60 }],
    onLink: ({ result }) => {
      requested = result
      const found = fault("api", result)
      return found?.side === "api" ? found.answer : undefined
    },
    onBlob: ({ result }) => {
      const found = fault("blob", result)
      return found?.side === "blob" ? found.answer : undefined
    },
    // The server calls this right after `onLink`, for the same result.
    linkValue: (link) => proxy.through(link, requested),
  })

  const box = yield* Cli.sandbox
  box.write("targets.txt", items.map(({ target }) => `${target}\n`).join(""))
  const base = Cli.download(server, "--from", "targets.txt", "--window", `${limit}/1 minute`, "-j", "16")
  const command: Cli.Command = {
    ...base,
    env: { ...base.env, LIVE_RESPONSE_STALL_TIMEOUT: "2 seconds" },
    patience: "10 minutes",
  }

  /**
   * What has to be sent again after a kill: for each unfinished result, the bytes that were sent in the killed process beyond those
   * that its part file had flushed. They were on the wire or in memory, or belong to a complete result that the manifest does not
   * have yet, or to one that waited to resume after a fault.
   */
  const lost = () => {
    const done = completed(box)
    return Array.from(proxy.reached())
      .filter(([target]) => !done.has(target))
      .map(([target, { end, sent }]) => ({
        isWhole: end === server.results.get(target)?.bytes.length,
        bytes: Math.min(sent, Math.max(0, end - box.flushed(`${target.replace(":", "/")}.part`))),
      }))
  }

  const inFlight: Array<ReturnType<typeof lost>> = []
  const outputs: Array<string> = []

  /** Runs the program until it ends, or kills it after some seconds. */
  const runOnce = Effect.gen(function* () {
    proxy.startRun()
    const running = yield* box.start(command)
    const kill = Effect.gen(function* () {
      yield* running.signal("SIGKILL")
      const ended = yield* running.ended
      if (ended.exitCode === null) inFlight.push(lost())
      return ended
    })
    const ended = yield* running.ended.pipe(
      Effect.timeoutOrElse({ duration: yield* Random.nextIntBetween(1000, 5000), orElse: () => kill }),
    )
    outputs.push(ended.stdout, ended.stderr)
    return ended
  }).pipe(Effect.scoped)

  const startedAt = yield* Clock.currentTimeMillis
  const ended = yield* runOnce.pipe(
    Effect.repeat({ while: ({ exitCode }) => exitCode === null && inFlight.length < mostKills }),
  )
  const seconds = ((yield* Clock.currentTimeMillis) - startedAt) / 1000

  // Compares what is there with what should be.

  const needed = items.reduce((sum, { bytes }) => sum + bytes.length, 0)
  const sent = proxy.sent()
  const lostAtKills = inFlight.flat().reduce((sum, { bytes }) => sum + bytes, 0)
  const mostOfOneResult = Math.max(0, ...inFlight.flat().map(({ bytes, isWhole }) => (isWhole ? 0 : bytes)))
  const throttledCalls = server.linkCalls().filter(({ status }) => status === 429).length
  const files = new Set(box.files())
  const done = completed(box)
  const problems: Array<string> = []
  const check = (holds: boolean, problem: string) => (holds ? undefined : problems.push(problem))

  check(ended.exitCode === 0, `the last run exited with ${ended.exitCode}: ${ended.stdout} ${ended.stderr}`)
  for (const { bytes, path, sha256, target } of items) {
    check(files.has(path), `${path} is missing`)
    check(!files.has(path) || box.read(`results/${path}`).equals(bytes), `${path} differs from the server's bytes`)
    const lines = done.get(target) ?? []
    check(lines.length === 1, `the manifest has ${lines.length} lines that say ${target} is completed`)
    check(
      lines.every((line) => line === sha256),
      `the manifest has another SHA-256 for ${target}`,
    )
  }
  const expected = new Set(["manifest.jsonl", ...items.map(({ path }) => path)])
  const others = Array.from(files).filter((file) => !expected.has(file))
  check(others.length === 0, `there are unexpected files: ${others.slice(0, 5).join(", ")}`)
  const planned429 = injected.get("API 429") ?? 0
  check(throttledCalls === planned429, `${throttledCalls} calls were answered with 429, and ${planned429} were planned`)
  check(
    sent <= allowed * needed + lostAtKills,
    `${sent} bytes were sent, more than ${allowed} of ${needed} and ${lostAtKills} in flight at kills`,
  )
  check(mostOfOneResult <= mostOfOne, `a kill lost ${mostOfOneResult} bytes of an incomplete result`)
  const printed = [...outputs, box.read("results/manifest.jsonl").toString()]
  check(
    !printed.some((text) => text.includes("sig=") || text.includes(server.bearer)),
    "the output or the manifest contains a secret",
  )

  const rows: ReadonlyArray<readonly [string, string]> = [
    ["results", figure(count)],
    ["kills", figure(inFlight.length)],
    ...[...Object.entries(proxy.injected), ...injected].map(
      ([kind, times]) => [`fault: ${kind}`, figure(times)] as const,
    ),
    ["links requested", figure(server.linkCalls().length)],
    ["bytes needed", figure(needed)],
    ["bytes sent", figure(sent)],
    ["in flight at kills", figure(lostAtKills)],
    ["most of one incomplete result", figure(mostOfOneResult)],
    ["sent / needed", (sent / needed).toFixed(3)],
    ["the same without bytes in flight", ((sent - lostAtKills) / needed).toFixed(3)],
    ["seconds", seconds.toFixed(0)],
  ]
  const widths = [0, 1].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  for (const [name, value] of rows) {
    yield* Console.log(`| ${name.padEnd(widths[0] ?? 0)} | ${value.padStart(widths[1] ?? 0)} |`)
  }
  if (problems.length > 0) {
    yield* Console.error(
      `failed: ${problems.slice(0, 3).join("; ")}${problems.length > 3 ? `; and ${problems.length - 3} more` : ""}`,
    )
    process.exitCode = 1
  }
}).pipe(Effect.scoped, Random.withSeed("soak"))

await Effect.runPromise(soak)
