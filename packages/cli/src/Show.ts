/**
 * One result, to look at: from the directory of results where it is there, else from the API.
 */
import type { CredentialError } from "@live-response/core/CredentialError"
import * as Manifest from "@live-response/core/Manifest"
import type * as ManifestEntry from "@live-response/core/ManifestEntry"
import * as PrivateDirectory from "@live-response/core/PrivateDirectory"
import type { QuotaStoreError } from "@live-response/core/QuotaStoreError"
import type { ResultRef } from "@live-response/core/ResultRef"
import * as ResultStore from "@live-response/core/ResultStore"
import * as ScriptResult from "@live-response/core/ScriptResult"
import type { StoreError } from "@live-response/core/StoreError"
import { type DownloadError, Transfer } from "@live-response/core/Transfer"
import * as Verification from "@live-response/core/Verification"
import * as NodeLiveResponse from "@live-response/node/NodeLiveResponse"
import type * as Config from "effect/Config"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Sink from "effect/Sink"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import * as Failure from "./Failure.ts"
import * as Format from "./output/Format.ts"
import * as Messages from "./output/Messages.ts"
import * as QuotaNotices from "./output/QuotaNotices.ts"
import { printable, printableJson, printableText } from "./Printable.ts"

export interface Options {
  /** Where earlier downloads may have left it. */
  readonly directory: string
  readonly errors: boolean
  readonly raw: boolean
  readonly json: boolean
}

type SourceError = StoreError | DownloadError | QuotaStoreError | CredentialError | Config.ConfigError

interface Source {
  readonly bytes: Stream.Stream<Uint8Array, SourceError>
  /** Where it is on this machine, and how large. */
  readonly kept: { readonly path: string; readonly bytes: number } | undefined
}

/** Of the output and of the errors so much fits into one JSON object, however it is escaped. */
const jsonLimit = 32 * 1024 * 1024

export const print = Effect.fnUntraced(
  function* (ref: ResultRef, options: Options) {
    const source = yield* find(ref, options.directory)
    if (options.raw) return yield* write(source.bytes)

    let start = new Uint8Array()
    const bytes = Stream.tap(source.bytes, (chunk) =>
      Effect.sync(() => {
        if (start.length === 0) start = chunk.slice(0, 64)
      }),
    )
    yield* (options.json ? printJson(ref, bytes) : printText(ref, bytes, options)).pipe(
      Effect.catchTag("ScriptResultError", ({ description }) =>
        Effect.fail(failed(`${ref}: ${noScript(ref, source, start, description)}`)),
      ),
    )
  },
  Effect.mapError((error) => (error._tag === "TransferError" ? failed(error.message) : Failure.fromError(error))),
)

const failed = (text: string) => new Failure.Failure({ code: Failure.exitCode.someFailed, text })

/** Nothing is asked for, nor signed in, where the manifest has it and it is there. */
const find = Effect.fnUntraced(function* (ref: ResultRef, directory: string) {
  const isMeant = ({ index, machineActionId }: ManifestEntry.ManifestEntry) =>
    index === ref.index && machineActionId === ref.machineActionId
  const files = Option.getOrUndefined(yield* PrivateDirectory.find(directory))
  const notHere: Source = { bytes: remote(ref), kept: undefined }
  if (files === undefined) return notHere
  const entry = Option.getOrUndefined(yield* Stream.runLast(Stream.filter(Manifest.entries(files), isMeant)))
  const store = ResultStore.reader(files)
  if (entry?.status !== "completed" || !(yield* store.has(entry))) return notHere
  const path = files.pathOf(entry.path)
  const warn = (difference: string) =>
    Messages.write(printable(`live-response: ${path} is not as it was: ${difference}`))
  const kept = { path, bytes: entry.bytes }
  return { bytes: Verification.whileRead(store.read(entry.path), entry, warn), kept } satisfies Source
})

const remote = (ref: ResultRef): Source["bytes"] =>
  QuotaNotices.tell.pipe(
    Effect.andThen(Transfer.useSync(({ bytes }) => bytes(ref))),
    Stream.unwrap,
    Stream.provide(NodeLiveResponse.layerTransferConfig),
  )

/** Bytes or text to standard output, no faster than it takes them. */
const write = Effect.fnUntraced(function* <E, R>(output: Stream.Stream<Uint8Array | string, E, R>) {
  const stdio = yield* Stdio.Stdio
  const stdout = Sink.mapError(stdio.stdout(), (error) =>
    Failure.machine(`can't write to standard output: ${printable(error.message)}`),
  )
  yield* Stream.run(output, stdout)
})

/** All of it or nothing: half an object is of no use to whoever reads it. */
const printJson = Effect.fnUntraced(function* (ref: ResultRef, bytes: Source["bytes"]) {
  const script = yield* ScriptResult.decodeStream(bytes, { limit: jsonLimit })
  if (script.isTruncated) {
    return yield* failed(
      `${ref}: more than ${Format.count(jsonLimit)} characters, too many for one JSON object; show it without --json, or take it with --raw`,
    )
  }
  const { errors, exitCode, output, scriptName } = script
  yield* Console.log(printableJson(JSON.stringify({ scriptName, exitCode: exitCode ?? null, output, errors, ...ref })))
})

/** What is shown is shown as it comes; what there is to say of the rest is known at the end. */
const printText = Effect.fnUntraced(function* (
  ref: ResultRef,
  bytes: Source["bytes"],
  options: { readonly errors: boolean },
) {
  const [shown, rest] = yield* Stream.broadcastN(bytes, { n: 2, capacity: 1 })
  const text = options.errors ? ScriptResult.errors(shown) : ScriptResult.output(shown)
  const [, script] = yield* Effect.all(
    [write(inLines(printableText(text))), ScriptResult.decodeStream(rest, { limit: 0 })],
    { concurrency: 2 },
  )
  if (script.exitCode !== 0) {
    yield* Messages.write(`live-response: the script's exit code is ${script.exitCode ?? "not known"}`)
  }
  if (script.errorsLength > 0 && !options.errors) {
    yield* Messages.write(
      `live-response: the script has errors as well, ${Format.count(script.errorsLength)} characters: live-response show ${ref} --errors`,
    )
  }
}, Effect.scoped)

/** The last line ends as well: what a terminal shows next begins a line of its own. */
const inLines = <E, R>(text: Stream.Stream<string, E, R>): Stream.Stream<string, E, R> =>
  Stream.mapAccum(
    text,
    () => "\n",
    (last, piece) => [piece.at(-1) ?? last, [piece]],
    { onHalt: (last) => (last === "\n" ? [] : ["\n"]) },
  )

const noScript = (ref: ResultRef, { kept }: Source, start: Uint8Array, description: string): string => {
  const size = kept === undefined ? "" : `, ${Format.bytes(kept.bytes)}`
  const what = {
    gz: `no script's result but a collected file (gzip${size})`,
    bin: `no script's result but another file (neither JSON nor gzip${size})`,
    json: `JSON that is no script's result (${printable(description)}${size})`,
  }
  const next =
    kept === undefined
      ? `fetch it with live-response download ${ref}, or with --raw > FILE`
      : `it is in ${printable(kept.path)}`
  return `${what[ResultStore.kindOf(start)]}; ${next}`
}
