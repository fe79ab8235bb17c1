/**
 * What `live-response show` does: prints one result, from the directory of results if it is there, else from the API.
 */
import type { CredentialError } from "@live-response/core/CredentialError"
import * as Manifest from "@live-response/core/Manifest"
import * as PrivateDirectory from "@live-response/core/PrivateDirectory"
import type { QuotaStoreError } from "@live-response/core/QuotaStoreError"
import type { ResultRef } from "@live-response/core/ResultRef"
import * as FileName from "@live-response/core/FileName"
import * as ResultStore from "@live-response/core/ResultStore"
import * as ScriptResult from "@live-response/core/ScriptResult"
import type { StoreError } from "@live-response/core/StoreError"
import { type DownloadError, Transfer } from "@live-response/core/Transfer"
import * as Verification from "@live-response/core/Verification"
import * as NodeLiveResponse from "@live-response/node/NodeLiveResponse"
import type * as Config from "effect/Config"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Sink from "effect/Sink"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import * as Failure from "../../Failure.ts"
import * as Format from "../../output/Format.ts"
import * as StandardError from "../../output/StandardError.ts"
import * as QuotaNotices from "../../output/QuotaNotices.ts"
import { printable, printableJson, printableText } from "../../output/Printable.ts"

export interface Options {
  /** The directory of results, where it may be. */
  readonly directory: string
  readonly errors: boolean
  readonly raw: boolean
  readonly json: boolean
}

type SourceError = StoreError | DownloadError | QuotaStoreError | CredentialError | Config.ConfigError

interface Source {
  readonly bytes: Stream.Stream<Uint8Array, SourceError>
  /** The file and its size, if it is on this machine. */
  readonly local: { readonly path: string; readonly bytes: number } | undefined
  /** What to warn of, once all bytes are read. It is written after them, or else it would stand in the middle of a line. */
  readonly warnings: ReadonlyArray<string>
}

/** How many characters of output or errors fit into one JSON object, even if each is escaped. */
const jsonLimit = 32 * 1024 * 1024

export const print = Effect.fnUntraced(
  function* (ref: ResultRef, options: Options) {
    const source = yield* find(ref, options.directory)
    yield* Effect.ensuring(
      printFrom(source, ref, options),
      Effect.suspend(() => writeWarnings(source)),
    )
  },
  Effect.mapError((error) =>
    error._tag === "TransferError" ? Failure.failed(error.message) : Failure.fromError(error),
  ),
)

const writeWarnings = ({ warnings }: Source) =>
  Effect.forEach(warnings, (warning) => StandardError.write(printable(`live-response: ${warning}`)), { discard: true })

const printFrom = Effect.fnUntraced(function* (source: Source, ref: ResultRef, options: Options) {
  if (options.raw) return yield* write(source.bytes)

  let start = new Uint8Array()
  const bytes = Stream.tap(source.bytes, (chunk) =>
    Effect.sync(() => {
      if (start.length === 0) start = chunk.slice(0, 64)
    }),
  )
  yield* (options.json ? printJson(ref, bytes) : printText(ref, bytes, options)).pipe(
    Effect.catchTag("ScriptResultError", ({ description }) =>
      Effect.fail(Failure.failed(`${ref}: ${noScript(ref, source, start, description)}`)),
    ),
  )
})

/** Finds a result. Without signing in, if the manifest lists it and its file exists. */
const find = Effect.fnUntraced(function* (ref: ResultRef, directory: string) {
  const files = Option.getOrUndefined(yield* PrivateDirectory.find(directory))
  const fromApi: Source = { bytes: remote(ref), local: undefined, warnings: [] }
  if (files === undefined) return fromApi
  const consequence = { one: "it may be the record of this result", many: "one may be the record of this result" }
  const entry = Option.getOrUndefined(
    yield* Manifest.warnOfDamage(files, consequence, (onDamaged) => Manifest.last(files, ref, onDamaged)),
  )
  const store = ResultStore.reader(files)
  if (entry?.status !== "completed" || !(yield* store.has(entry))) return fromApi
  const path = files.pathOf(entry.path)
  const warnings: Array<string> = []
  const warn = (difference: string) =>
    Effect.sync(() => void warnings.push(`${path} differs from what was downloaded: ${difference}`))
  const local = { path, bytes: entry.bytes }
  return { bytes: Verification.whileRead(store.read(entry.path), entry, warn), local, warnings } satisfies Source
})

const remote = (ref: ResultRef): Source["bytes"] =>
  QuotaNotices.report.pipe(
    Effect.andThen(Transfer.useSync(({ bytes }) => bytes(ref))),
    Stream.unwrap,
    Stream.provide(NodeLiveResponse.layerTransferConfig),
  )

/** Writes to standard output, with backpressure. */
const write = Effect.fnUntraced(function* <E, R>(output: Stream.Stream<Uint8Array | string, E, R>) {
  const stdio = yield* Stdio.Stdio
  const stdout = Sink.mapError(stdio.stdout(), (error) =>
    Failure.machine(`can't write to standard output: ${printable(error.message)}`),
  )
  yield* Stream.run(output, stdout)
})

/** Prints the whole object or nothing: half an object is not JSON. */
const printJson = Effect.fnUntraced(function* (ref: ResultRef, bytes: Source["bytes"]) {
  const script = yield* ScriptResult.decodeStream(bytes, { limit: jsonLimit })
  if (script.isTruncated) {
    return yield* Failure.failed(
      `${ref}: more than ${Format.count(jsonLimit)} characters, too many for one JSON object; show it without --json, or use --raw`,
    )
  }
  const { errors, exitCode, output, scriptName } = script
  yield* Console.log(printableJson(JSON.stringify({ scriptName, exitCode: exitCode ?? null, output, errors, ...ref })))
})

/** Prints the text as it arrives. The exit code, and whether there are errors, is known at the end. */
const printText = Effect.fnUntraced(function* (
  ref: ResultRef,
  bytes: Source["bytes"],
  options: { readonly errors: boolean },
) {
  const [shown, rest] = yield* Stream.broadcastN(bytes, { n: 2, capacity: 1 })
  const text = options.errors ? ScriptResult.errors(shown) : ScriptResult.output(shown)
  const [, script] = yield* Effect.all(
    [writeLines(printableText(text)), ScriptResult.decodeStream(rest, { limit: 0 })],
    { concurrency: 2 },
  )
  if (script.exitCode !== 0) {
    yield* StandardError.write(`live-response: the script's exit code is ${script.exitCode ?? "unknown"}`)
  }
  if (script.errorsLength > 0 && !options.errors) {
    yield* StandardError.write(
      `live-response: the script has errors too, ${Format.counted(script.errorsLength, "character")}; show them with live-response show ${ref} --errors`,
    )
  }
}, Effect.scoped)

/** Writes a text, and ends its last line, also where the text ends with a failure: what follows on a terminal starts a line. */
const writeLines = <E, R>(text: Stream.Stream<string, E, R>) => {
  let last = "\n"
  const noting = Stream.tap(text, (piece) => Effect.sync(() => void (last = piece.at(-1) ?? last)))
  const endLine = Effect.suspend(() => (last === "\n" ? Effect.void : write(Stream.succeed("\n"))))
  return Effect.onExit(write(noting), (exit) => (Exit.isSuccess(exit) ? endLine : Effect.ignore(endLine)))
}

const noScript = (ref: ResultRef, { local }: Source, start: Uint8Array, description: string): string => {
  const size = local === undefined ? "" : `, ${Format.bytes(local.bytes)}`
  const what = {
    gz: `not a script's result but a collected file (gzip${size})`,
    zip: `not a script's result but an archive (zip${size})`,
    bin: `not a script's result but another file (neither JSON nor gzip${size})`,
    json: `JSON that is not a script's result (${printable(description)}${size})`,
  }
  const next =
    local === undefined
      ? `download it with live-response download ${ref}, or use --raw > FILE`
      : `it is in ${printable(local.path)}`
  return `${what[FileName.kindOfContent(start)]}; ${next}`
}
