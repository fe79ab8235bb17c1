/**
 * Measures how the library handles a fault: over sockets, onto a disk, and with every byte compared.
 */
import { createHash } from "node:crypto"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { assert } from "@effect/vitest"
import type { BatchEvent } from "@live-response/core/BatchEvent"
import type { ResultError } from "@live-response/core/ResultError"
import * as Credential from "@live-response/core/Credential"
import type { BatchError } from "@live-response/core/BatchError"
import * as LiveResponse from "@live-response/core/LiveResponse"
import * as QuotaStore from "@live-response/core/QuotaStore"
import { ResultStore } from "@live-response/core/ResultStore"
import * as Timing from "@live-response/core/Timing"
import * as NodeLiveResponse from "@live-response/node/NodeLiveResponse"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as FaultServer from "./FaultServer.ts"
import { patterned, refsUpTo, tempDirectory } from "./samples.ts"

/** The outcome of a fault. */
export interface Measured {
  /** `whole`, `unchecked` or the error of each result. */
  readonly outcomes: ReadonlyArray<string>
  /** Bytes of results that the storage sent. */
  readonly fetched: number
  /** Links that the API gave. */
  readonly links: number
  /** Calls of the API. */
  readonly calls: number
  /** The offset of each request for bytes, result by result. */
  readonly asked: ReadonlyArray<number>
}

/** A row of the matrix. */
export interface Fault {
  readonly name: string
  /** How it is injected. */
  readonly how: string
  /** The results of the batch. By default one, which is `content`. */
  readonly scripts?: ReadonlyArray<Partial<FaultServer.Script>>
  /** The address of the API. By default that of the server. */
  readonly endpoint?: string
  /** How often the batch is run. */
  readonly runs?: number
  /** Detects a stall after three seconds, and not less, because a machine under load stalls as well. */
  readonly impatient?: boolean
  /** The content on the disk. By default the last content of the storage. */
  readonly arrives?: Uint8Array
  /** By default the result is whole, with one link and one call for each link. */
  readonly expected: Partial<Measured> & Pick<Measured, "fetched" | "asked">
}

export const size = 60_000
export const half = size / 2
export const content = patterned(size)
export const otherContent = patterned(50_000, 5)

/** The same value `count` times. */
export const times = <A>(count: number, spoil: A): ReadonlyArray<A> => Array.from({ length: count }, () => spoil)

/** How many retries without progress the library makes here. */
export const retries = { api: 2, transfer: 3 }

/** How long a batch waits here for a network that is gone. */
const patience = Duration.millis(100)

const library = (
  options: NodeLiveResponse.Options,
  impatient: boolean,
  store: Layer.Layer<ResultStore, never, ResultStore>,
) => {
  const policies = Timing.layer({
    api: Schedule.upTo(Schedule.spaced("10 millis"), { times: retries.api }),
    transfer: Schedule.upTo(Schedule.spaced("10 millis"), { times: retries.transfer }),
    outage: Schedule.spaced("10 millis"),
    // The library waits as long as the API asks. Without such a wait the test is quick.
    throttled: Timing.defaults.throttled.pipe(
      Schedule.modifyDelay(({ duration, input: { reason } }) =>
        Effect.succeed("retryAfter" in reason ? duration : Duration.millis(10)),
      ),
    ),
    ...(impatient ? { headTimeout: "3 seconds", stallTimeout: "3 seconds" } : {}),
  })
  return Layer.effect(LiveResponse.LiveResponse, LiveResponse.make).pipe(
    Layer.provide(store),
    Layer.provide(NodeLiveResponse.layer(options)),
    Layer.provide([policies, Credential.layerToken(Redacted.make(FaultServer.bearer)), QuotaStore.layerMemory]),
  )
}

/** The store in context, which reports to the server what it has written. */
const reportingStore = (server: FaultServer.FaultServer) =>
  Layer.effect(
    ResultStore,
    Effect.map(ResultStore, (store) => ({
      ...store,
      open: (ref) =>
        Effect.map(store.open(ref), (writer) => ({
          ...writer,
          write: (chunk) =>
            Effect.tap(writer.write(chunk), () => Effect.sync(() => server.received(String(ref), chunk.bytes.length))),
        })),
    })),
  )

/** An error in words that are the same on every machine. */
const label = (error: ResultError | BatchError): string => {
  if (error._tag !== "TransferError" && error._tag !== "DefenderError") return error._tag
  const { reason } = error
  const status = "status" in reason ? ` ${reason.status}` : ""
  const what = "what" in reason ? ` of ${reason.what}` : ""
  return `${error._tag} ${reason._tag}${status}${what}`
}

const outcomeOf = (events: ReadonlyArray<BatchEvent>, result: string): string | undefined => {
  for (const event of events) {
    if (event.event !== "completed" && event.event !== "failed") continue
    if (`${event.machineActionId}:${event.index}` !== result) continue
    if (event.event === "failed") return label(event.error)
    return event.unchecked === true ? "unchecked" : "whole"
  }
  return undefined
}

/** Runs the batch of a fault, and checks what holds for every fault. */
export const measure = Effect.fnUntraced(function* (fault: Fault) {
  const refs = refsUpTo(fault.scripts?.length ?? 1)
  const scripts = refs.map((_, n) => ({ contents: [content], ...fault.scripts?.[n] }))
  const server = yield* FaultServer.make(new Map(refs.map((ref, n) => [String(ref), scripts[n] ?? { contents: [] }])))
  const directory = yield* tempDirectory

  const run = Effect.gen(function* () {
    const live = yield* LiveResponse.LiveResponse
    const events: Array<BatchEvent> = []
    const exit = yield* live.saveAll(Stream.fromIterable(refs), { giveUpAfter: patience }).pipe(
      Stream.runForEach((event) => Effect.sync(() => events.push(event))),
      Effect.exit,
    )
    // The answers end while the library still runs, so the bytes that it requested are counted.
    yield* Effect.sync(server.inProgress).pipe(
      Effect.repeat({ until: (count) => count === 0, schedule: Schedule.spaced("5 millis") }),
    )
    return { events, exit }
  }).pipe(
    Effect.provide(
      library(
        { directory, endpoint: fault.endpoint ?? server.endpoint },
        fault.impatient === true,
        reportingStore(server),
      ),
    ),
  )
  for (let n = 1; n < (fault.runs ?? 1); n++) yield* run
  const { events, exit } = yield* run

  const ended = Exit.isFailure(exit) ? `the batch ends: ${yield* Effect.map(Effect.flip(exit), label)}` : undefined
  const outcomes = refs.map((ref) => outcomeOf(events, String(ref)) ?? ended ?? "nothing")
  const wanted = scripts.map(({ contents }) => fault.arrives ?? contents.at(-1) ?? new Uint8Array())
  const stored = new Map(
    refs.flatMap((ref, n) => {
      const bytes = outcomes[n] === "whole" || outcomes[n] === "unchecked" ? wanted[n] : undefined
      return bytes === undefined ? [] : [[String(ref), bytes]]
    }),
  )
  assertDisk(directory, stored)
  assert.strictEqual(server.offences.join("\n"), "")

  const seen = refs.map((ref) => server.seen(String(ref)))
  const measured: Measured = {
    outcomes,
    fetched: sum(seen.map(({ sent }) => sent)),
    links: sum(seen.map(({ links }) => links)),
    calls: sum(seen.map(({ calls }) => calls)),
    asked: seen.flatMap(({ asked }) => asked),
  }
  return { measured, needed: sum(wanted.map(({ length }) => length)) }
}, Effect.scoped)

/** The outcome that a row expects. */
export const expectedOf = ({ expected, scripts }: Fault): Measured => ({
  outcomes: times(scripts?.length ?? 1, "whole"),
  links: 1,
  calls: expected.links ?? 1,
  ...expected,
})

/** Checks that each stored result is right to the byte, no other file has the name of a result, and no file has a secret. */
const assertDisk = (directory: string, stored: ReadonlyMap<string, Uint8Array>) => {
  const files = readdirSync(directory, { recursive: true, encoding: "utf8" }).sort()
  const named = files.filter((file) => /^[0-9a-f-]{36}\/\d+\.(json|gz|bin)$/.test(file))
  assert.deepStrictEqual(
    named.map((file) => file.replace("/", ":").replace(/\.\w+$/, "")),
    Array.from(stored.keys()),
  )
  named.forEach((file, n) => {
    const bytes = Array.from(stored.values())[n] ?? new Uint8Array()
    const found = readFileSync(join(directory, file))
    assert.strictEqual(found.length, bytes.length, file)
    assert.isTrue(found.equals(bytes), `other bytes than the storage's in ${file}`)
    assert.strictEqual(file.endsWith(".gz"), bytes[0] === 0x1f && bytes[1] === 0x8b, file)
    const sha256 = createHash("sha256").update(bytes).digest("hex")
    const lines = manifestOf(directory).filter((line) => line.includes(`"status":"completed"`) && line.includes(file))
    assert.strictEqual(lines.length, 1, "a line of the manifest")
    assert.include(lines[0], sha256)
  })
  for (const file of files.filter((file) => /\.\w+$/.test(file))) {
    const text = readFileSync(join(directory, file))
    for (const secret of ["sig=", FaultServer.bearer]) assert.isFalse(text.includes(secret), `${secret} is in ${file}`)
  }
}

const manifestOf = (directory: string) => readFileSync(join(directory, "manifest.jsonl"), "utf8").split("\n")

const sum = (numbers: ReadonlyArray<number>) => numbers.reduce((sum, n) => sum + n, 0)

/** A row with its measured outcome. */
export interface Row extends Pick<Measured, "outcomes" | "fetched" | "links"> {
  readonly fault: Fault
  readonly needed: number
}

const number = new Intl.NumberFormat("en-US")

const ratio = (fetched: number, needed: number) => (needed === 0 ? "none needed" : (fetched / needed).toFixed(2))

const outcomeText = ({ fault, outcomes }: Row): string => {
  const distinct = Array.from(new Set(outcomes))
  return distinct
    .map((outcome) => {
      if (outcome === "unchecked") return "every byte that was sent, unchecked"
      if (outcome !== "whole") return `\`${outcome}\``
      return fault.arrives === undefined ? "every byte" : "every byte that was announced"
    })
    .join(", ")
}

/** A table as oxfmt leaves it. */
const table = (rows: ReadonlyArray<ReadonlyArray<string>>): ReadonlyArray<string> => {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  const line = (cells: ReadonlyArray<string>) => `| ${cells.join(" | ")} |`
  const padded = rows.map((row) => line(row.map((cell, column) => cell.padEnd(widths[column] ?? 0))))
  return padded.toSpliced(1, 0, line(widths.map((width) => "-".repeat(width))))
}

/** The page of all rows. */
export const page = (rows: ReadonlyArray<Row>): string =>
  [
    "# Faults",
    "",
    `How a batch of results handles ${rows.length} faults, each measured on real sockets, with an API and a storage of its own.`,
    "",
    "- Outcome: `every byte` means that the file was compared byte by byte with the content of the storage. With an error, no",
    "  file has the name of the result. `unchecked` means that the result has this mark in its event and in the manifest, because",
    "  nothing shows whether it is complete.",
    "- Bytes fetched: bytes of results that the storage sent, without the bodies of errors.",
    `- Retries without progress: ${retries.transfer} for a download and ${retries.api} for a call of the API, where the defaults are 5 and 8.`,
    "- Wait for a network that is gone: a tenth of a second, where the default is an hour.",
    "",
    "`FAULTS_UPDATE=1 npx vitest run --config vitest.workspace.ts packages/node/test/faultMatrix.test.ts` writes this page.",
    "Without the variable the same test fails if the page is not what it measures.",
    "",
    ...table([
      ["fault", "injected how", "outcome", "bytes fetched / needed", "links used"],
      ...rows.map((row) => [
        row.fault.name,
        row.fault.how,
        outcomeText(row),
        `${number.format(row.fetched)} / ${number.format(row.needed)} (${ratio(row.fetched, row.needed)})`,
        String(row.links),
      ]),
    ]),
    "",
  ].join("\n")
