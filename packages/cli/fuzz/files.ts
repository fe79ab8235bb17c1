/** Fuzzes results, and the state files in a directory of results. */
import { gunzipSync, gzipSync } from "node:zlib"
import * as Extraction from "@live-response/core/Extraction"
import * as FleetJournal from "@live-response/core/FleetJournal"
import * as FollowPosition from "@live-response/core/FollowPosition"
import * as Manifest from "@live-response/core/Manifest"
import { FromString } from "@live-response/core/ResultRef"
import * as ResultStore from "@live-response/core/ResultStore"
import * as ScriptResult from "@live-response/core/ScriptResult"
import * as Session from "@live-response/core/Session"
import * as ByteSize from "effect/ByteSize"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { fileInfo } from "../../core/test/support/fileInfo.ts"
import * as Samples from "../test/support/Samples.ts"
import * as Mutator from "./Mutator.ts"
import { anyAnswer, promise, type Target } from "./Target.ts"

const script: Target = {
  name: "script",
  corpus: [
    Samples.script(1),
    '\uFEFF {"script_name":"a","exit_code":"1","script_output":"x\\u0000\\ud83d\\ude42","script_errors":null,"more":[{"a":[1e5]}]}',
    Buffer.from('{"script_name":"a","exit_code":0,"script_output":"b"}', "utf16le"),
  ],
  run: (input) => {
    const pieces = Stream.fromIterable(Mutator.piecesOf(input))
    return Effect.gen(function* () {
      const whole = yield* Effect.result(ScriptResult.decode(input))
      const streamed = yield* Effect.result(ScriptResult.decodeStream(pieces, { limit: 1000 }))
      yield* promise(whole._tag === streamed._tag, "the result reads differently in chunks")
      if (streamed._tag === "Success") {
        yield* promise(streamed.success.output.length <= 1000, "the output is longer than the limit")
      }
      yield* anyAnswer(Stream.runDrain(ScriptResult.output(pieces)))
      yield* anyAnswer(Stream.runDrain(ScriptResult.errors(pieces)))
    })
  },
}

const limits = { maxBytes: 100_000, maxRatio: 200, ratioFrom: 1000 }

/** What Node unpacks. It stops at a member that no other one follows directly. */
const gunzipped = (input: Uint8Array) =>
  Effect.option(Effect.try({ try: () => gunzipSync(input, { maxOutputLength: limits.maxBytes }), catch: () => "" }))

const gzip: Target = {
  name: "gzip",
  corpus: [
    gzipSync("hello, world"),
    gzipSync(Buffer.alloc(200_000)),
    gzipSync(Samples.noise(3000, 1)),
    gzipSync(Buffer.concat(Array.from({ length: 110 }, () => Samples.noise(1000, 2)))),
    Buffer.concat([gzipSync("one"), gzipSync("two"), Buffer.alloc(20)]),
    gzipSync("level 0".repeat(30), { level: 0 }),
  ],
  run: (input) =>
    Effect.gen(function* () {
      const unpacked = yield* Extraction.gunzip(Stream.fromIterable(Mutator.piecesOf(input)), limits).pipe(
        Stream.runFold(
          () => 0,
          (sum, { length }) => sum + length,
        ),
        Effect.result,
      )
      if (unpacked._tag === "Failure") return
      yield* promise(unpacked.success <= limits.maxBytes, "the output is longer than the limit")
      const expected = yield* gunzipped(input)
      if (Option.isSome(expected)) {
        yield* promise(unpacked.success >= expected.value.length, "Node unpacks more bytes")
      }
    }),
}

const numberOf = (value: ByteSize.Input | undefined) =>
  value === undefined ? undefined : Number(ByteSize.fromInputUnsafe(value))

/** A read-only file system on which every name with an extension is a file with this content. */
const readOnly = (input: Uint8Array) => {
  const info = fileInfo(input.length)
  const unused = Effect.die("the program should not read like this")
  const file: FileSystem.File = {
    [FileSystem.FileTypeId]: FileSystem.FileTypeId,
    stat: Effect.succeed(info),
    sync: Effect.void,
    writeAll: () => Effect.void,
    truncate: () => Effect.void,
    seek: () => unused,
    // A read may give less than was asked for.
    read: (buffer, options) =>
      Effect.sync(() => {
        const rest = input.subarray(Number(options?.position ?? 0))
        const piece = rest.subarray(0, Math.min(buffer.length, Math.ceil(rest.length / 2)))
        buffer.set(piece)
        return piece.length
      }),
    readAlloc: (size, options) =>
      Effect.sync(() => {
        const from = Number(options?.position ?? 0)
        const piece = input.slice(from, from + Number(ByteSize.fromInputUnsafe(size)))
        return piece.length === 0 ? Option.none() : Option.some(piece)
      }),
    write: () => unused,
  }
  const cut = (offset = 0, length = Infinity) =>
    Stream.fromIterable(Mutator.piecesOf(input.slice(offset, offset + length)))
  const fs = FileSystem.makeNoop({
    access: () => Effect.void,
    exists: () => Effect.succeed(true),
    lstat: (path) => Effect.succeed(/\.\w+$/.test(path) ? info : { ...info, type: "Directory" }),
    makeDirectory: () => Effect.void,
    open: () => Effect.succeed(file),
    stat: () => Effect.succeed(info),
    remove: () => Effect.void,
    rename: () => Effect.void,
    stream: (_, options) => cut(numberOf(options?.offset), numberOf(options?.bytesToRead)),
  })
  return Layer.merge(Layer.succeed(FileSystem.FileSystem, fs), Path.layer)
}

const ref = Schema.decodeSync(FromString)("988cc94e-7a8f-4b28-ab65-54970c5d5018:0")
const completed = `{"status":"completed","machineActionId":"${ref.machineActionId}","index":0,"path":"${ref.machineActionId}/0.json","bytes":5,"sha256":"00","links":1,"attempts":1,"at":"2026-11-24T10:00:00.000Z"}`

const manifest: Target = {
  name: "manifest",
  corpus: [`${completed}\n${completed}\n`, `${completed}\n{"status":"fai`, `\n\n${completed}\n\uFEFF${completed}`],
  run: (input) =>
    anyAnswer(
      Effect.gen(function* () {
        const known = yield* Manifest.Manifest
        yield* known.find(ref)
        yield* known.failed
      }),
    ).pipe(Effect.provide(Layer.orDie(Layer.provide(Manifest.layerFileSystem({ directory: "/r" }), readOnly(input))))),
}

const session = Session.Session.make({
  commands: [Session.RunScript.make({ scriptName: "collect.ps1" })],
  comment: "live-response run",
})
const run =
  '{"entry":"run","run":"a1","commands":[{"type":"RunScript","params":[{"key":"ScriptName","value":"collect.ps1"}]}],"comment":"live-response run"}'

const journal: Target = {
  name: "journal",
  corpus: [
    `${run}\n{"entry":"starting","run":"a1","machineId":"m","mark":"x"}\n{"entry":"started","run":"a1","machineId":"m","machineActionId":"${ref.machineActionId}"}\n`,
    `${run}\n{"entry":"notStarted","run":"a1","machineId":"m"}`,
  ],
  run: (input) =>
    Effect.gen(function* () {
      const opened = yield* (yield* FleetJournal.FleetJournal).open(session)
      yield* opened.find("m")
    }).pipe(
      Effect.provide(Layer.provide(FleetJournal.layerFileSystem({ directory: "/r" }), readOnly(input))),
      anyAnswer,
    ),
}

const record: Target = {
  name: "partRecord",
  corpus: ['{"length":20,"etag":"\\"0x1\\"","md5":"XUFAKrxLKna5cZ2REBfFkg==","durable":10}', '{"durable":0}'],
  run: (input) =>
    Effect.gen(function* () {
      const { resume } = yield* (yield* ResultStore.ResultStore).open(ref)
      // The part file has the same bytes as the record.
      yield* promise((resume?.offset ?? 0) <= input.length, "the transfer resumes after the end of the part file")
    }).pipe(
      Effect.scoped,
      Effect.provide(Layer.orDie(Layer.provide(ResultStore.layerFileSystem({ directory: "/r" }), readOnly(input)))),
      Effect.catchTag("StoreError", () => Effect.void),
    ),
}

const position = `{"what":["type LiveResponse"],"position":{"since":"2026-11-24T10:00:00.000Z","open":["${ref.machineActionId}"]}}`

const follow: Target = {
  name: "follow",
  corpus: [`{"version":1,"positions":[${position}]}`, `{"positions":[${position}]}`, '{"version":2}'],
  run: (input) =>
    Effect.flatMap(FollowPosition.FollowPosition, ({ find }) =>
      find(FollowPosition.makeKey({ type: ["LiveResponse"] })),
    ).pipe(
      // A damaged file is set aside with a warning, which is not printed here.
      Effect.provide(
        Layer.mergeAll(
          Layer.provide(FollowPosition.layerFileSystem({ directory: "/r" }), readOnly(input)),
          Logger.layer([]),
        ),
      ),
      anyAnswer,
    ),
}

export const files: ReadonlyArray<Target> = [script, gzip, manifest, journal, record, follow]
