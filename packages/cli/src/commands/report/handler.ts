/**
 * What `live-response report` does: writes a page that shows what is in a directory of results.
 */
import { spawn } from "node:child_process"
import * as AtomicFile from "@live-response/core/AtomicFile"
import * as FileName from "@live-response/core/FileName"
import { Platform } from "@live-response/core/Platform"
import type { PrivateDirectory } from "@live-response/core/PrivateDirectory"
import * as NodeDirectFileSystem from "@live-response/node/NodeDirectFileSystem"
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as Failure from "../../Failure.ts"
import { keepHeapSmall } from "../../SmallHeap.ts"
import * as OutputFile from "../../input/OutputFile.ts"
import * as ResultsDirectory from "../../input/ResultsDirectory.ts"
import * as Format from "../../output/Format.ts"
import * as StandardError from "../../output/StandardError.ts"
import { printable, printableJson } from "../../output/Printable.ts"
import { nameAndVersion } from "../../output/ProgramName.ts"
import type { About, Read } from "./collector.ts"
import * as DirectoryReader from "./directoryReader.ts"
import * as Page from "./page.ts"
import { failedIn, type Payload, unknownNotes } from "./payload.ts"

interface Options {
  readonly out: Option.Option<string>
  readonly open: boolean
  readonly json: boolean
}

const format: OutputFile.Format = { noun: "an HTML file", start: "<!doctype html>" }

/** The address that leads from the report to the directory of results. */
const baseOf = Effect.fnUntraced(function* (report: string, results: string) {
  const paths = yield* Path.Path
  const way = paths.relative(report, results)
  // On Windows there is no way from one drive to another.
  if (paths.isAbsolute(way)) return `${(yield* Effect.orDie(paths.toFileUrl(way))).href}/`
  return way === "" ? "" : `${way.split(paths.sep).map(encodeURIComponent).join("/")}/`
})

/** The data of a directory. The rest of the collector is not needed while the page is written. */
const dataOf = Effect.fnUntraced(function* (files: PrivateDirectory, about: Omit<About, keyof Read>) {
  const { collector, read, unknownMachines } = yield* DirectoryReader.collect(files)
  return { payload: collector.payload({ ...about, ...read }), hashes: collector.hashes, unknownMachines }
})

/** As status counts them: what failed has a row in the report, and is not a result. */
const countsOf = ({ machines, results }: Payload) => {
  const failed = failedIn(results)
  return { machines: machines.id.length, results: results.kind.length - failed, failed }
}

const textOf = ({ failed, machines, results }: ReturnType<typeof countsOf>): string => {
  const found = [Format.counted(machines, "machine"), Format.counted(results, "result")]
  return failed === 0 ? found.join(" and ") : `${found.join(", ")} and ${Format.counted(failed, "failure")}`
}

/** Writes the report of a directory, and says where it is. */
export const write = Effect.fnUntraced(
  function* (directory: string, { json, open, out }: Options) {
    const files = yield* ResultsDirectory.open(directory, { orJournal: true })
    yield* keepHeapSmall
    const { report } = FileName.single
    const target = Option.isSome(out) ? yield* OutputFile.open(out.value, format) : { directory: files, name: report }
    const { hashes, payload, unknownMachines } = yield* dataOf(files, {
      program: nameAndVersion,
      directory,
      written: yield* Clock.currentTimeMillis,
      base: yield* baseOf(target.directory.realPath, files.realPath),
    })
    const bytes = yield* AtomicFile.write(
      target.directory,
      target.name,
      Page.html(payload, hashes),
      FileName.partOf(target.name, process.pid),
    )
    const path = target.directory.pathOf(target.name)
    const counts = countsOf(payload)
    const text = `${textOf(counts)} in ${printable(path)} (${Format.bytes(bytes)}).`
    const notes = unknownNotes(payload.unknownNames, Format.counted).map(printable)
    const gaps = { unknownMachines, damaged: payload.damaged }
    yield* Console.log(
      json ? printableJson(JSON.stringify({ ...counts, bytes, report: path, ...gaps })) : [text, ...notes].join("\n"),
    )
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
      resume(
        StandardError.write(`live-response: ${program} is missing, so the report was not opened; open it yourself`),
      ),
    )
  })
