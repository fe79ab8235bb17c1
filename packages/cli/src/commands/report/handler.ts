/**
 * What `live-response report` does: writes a page that shows what is in a directory of results.
 */
import { spawn } from "node:child_process"
import * as AtomicFile from "@live-response/core/AtomicFile"
import * as FileName from "@live-response/core/FileName"
import * as FleetJournal from "@live-response/core/FleetJournal"
import * as Hasher from "@live-response/core/Hasher"
import type { MachineActionId } from "@live-response/core/MachineAction"
import { Platform } from "@live-response/core/Platform"
import type { PrivateDirectory } from "@live-response/core/PrivateDirectory"
import { longestOutput } from "@live-response/core/Stack"
import * as NodeDirectFileSystem from "@live-response/node/NodeDirectFileSystem"
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as Stream from "effect/Stream"
import packageJson from "../../../package.json" with { type: "json" }
import * as Failure from "../../Failure.ts"
import * as OutputFile from "../../input/OutputFile.ts"
import * as KnownActions from "../../input/KnownActions.ts"
import * as ResultRows from "../../input/ResultRows.ts"
import * as ResultsDirectory from "../../input/ResultsDirectory.ts"
import * as Format from "../../output/Format.ts"
import * as Messages from "../../output/Messages.ts"
import { printable, printableJson } from "../../output/Printable.ts"
import { Collector } from "./collector.ts"
import * as Page from "./page.ts"

interface Options {
  readonly out: Option.Option<string>
  readonly open: boolean
  readonly json: boolean
}

const format: OutputFile.Format = { noun: "an HTML file", start: "<!doctype html>" }

/** Adds what `sessions.jsonl` says of machines, and returns how many lines of it are damaged. */
const addSessions = Effect.fnUntraced(function* (
  files: PrivateDirectory,
  collector: Collector,
  isKnown: (id: MachineActionId) => boolean,
) {
  let damaged = 0
  const count = Effect.sync(() => {
    damaged++
  })
  yield* Stream.runForEach(
    FleetJournal.entries(files, () => count),
    (entry) =>
      Effect.sync(() => {
        if (entry.entry === "ended" && !isKnown(entry.action.id)) {
          collector.addAction(KnownActions.ofAction(entry.action))
        }
        collector.machines.addEntry(entry)
      }),
  )
  return damaged
})

/** Reads the directory. */
const collect = Effect.fnUntraced(function* (files: PrivateDirectory) {
  const collector = new Collector()
  const hasher = yield* Hasher.Hasher
  const encoder = new TextEncoder()
  const hashOf = (text: string) => {
    const hash = hasher("SHA-256")
    hash.update(encoder.encode(text))
    return Hex.encode(hash.digest())
  }
  const { actions, rows } = yield* ResultRows.read(files, { limit: longestOutput })
  for (const action of actions.values()) collector.addAction(action)
  const damaged = yield* addSessions(files, collector, (id) => actions.has(id))
  yield* Stream.runForEach(rows, (row) => Effect.sync(() => collector.addRow(row, hashOf)))
  return { collector, damaged }
})

/** The address that leads from the report to the directory of results. */
const baseOf = Effect.fnUntraced(function* (report: string, results: string) {
  const paths = yield* Path.Path
  const way = paths.relative(report, results)
  // On Windows there is no way from one drive to another.
  if (paths.isAbsolute(way)) return `${(yield* Effect.orDie(paths.toFileUrl(way))).href}/`
  return way === "" ? "" : `${way.split(paths.sep).map(encodeURIComponent).join("/")}/`
})

/** Writes the report of a directory, and says where it is. */
export const write = Effect.fnUntraced(
  function* (directory: string, { json, open, out }: Options) {
    const files = yield* ResultsDirectory.open(directory)
    const { report } = FileName.single
    const target = Option.isSome(out) ? yield* OutputFile.open(out.value, format) : { directory: files, name: report }
    const { collector, damaged } = yield* collect(files)
    const payload = collector.payload({
      program: `live-response ${packageJson.version}`,
      directory,
      written: yield* Clock.currentTimeMillis,
      base: yield* baseOf(target.directory.realPath, files.realPath),
      damaged,
    })
    const bytes = yield* AtomicFile.write(
      target.directory,
      target.name,
      Page.html(payload, collector.hashes),
      FileName.partOf(target.name, process.pid),
    )
    const path = target.directory.pathOf(target.name)
    const written = { machines: payload.machines.id.length, results: payload.results.kind.length, bytes, report: path }
    const text = `${Format.counted(written.machines, "machine")} and ${Format.counted(written.results, "result")} in ${printable(path)} (${Format.bytes(bytes)}).`
    yield* Console.log(json ? printableJson(JSON.stringify(written)) : text)
    if (!open) return
    const { join } = yield* Path.Path
    yield* openInBrowser((yield* Platform).opener, join(target.directory.realPath, target.name))
  },
  Effect.mapError(Failure.fromError),
  Effect.provide(NodeDirectFileSystem.layerBatch),
)

/** Opens a file as a click on it would. A machine without a browser is a warning, because the report is written. */
const openInBrowser = (program: string, path: string) =>
  Effect.callback<void>((resume) => {
    const opener = spawn(program, [path], { detached: true, stdio: "ignore" })
    opener.once("spawn", () => {
      opener.unref()
      resume(Effect.void)
    })
    opener.once("error", () =>
      resume(Messages.write(`live-response: ${program} is missing, so the report was not opened; open it yourself`)),
    )
  })
