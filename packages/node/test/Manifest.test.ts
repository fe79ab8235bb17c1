import { appendFileSync, mkdirSync, readFileSync, readdirSync, renameSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Completed, Failed } from "@live-response/core/ResultEvent"
import { DefenderError, NotFound } from "@live-response/core/DefenderError"
import * as Manifest from "@live-response/core/Manifest"
import * as ManifestEntry from "@live-response/core/ManifestEntry"
import * as PrivateDirectory from "@live-response/core/PrivateDirectory"
import type { ResultRef } from "@live-response/core/ResultRef"
import type { StoreError } from "@live-response/core/StoreError"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { refAt, tempDirectory, warningsOf } from "./support/samples.ts"

const at = DateTime.makeUnsafe("2026-11-01T00:00:00Z")

const manifestIn = (directory: string) =>
  Manifest.layerFileSystem({ directory }).pipe(Layer.provide(NodeServices.layer))

const completed = (ref: ResultRef, bytes = 5) =>
  Completed.make({
    at,
    ...ref,
    path: `${ref.machineActionId}/${ref.index}.bin`,
    bytes,
    sha256: "ab",
    etag: `"0x1"`,
    links: 2,
    attempts: 3,
  })
const errorSaying = (detail: string) =>
  new DefenderError({ operation: "link", reason: new NotFound({ status: 404, detail }) })
const failed = (ref: ResultRef, detail = "Not found.") => {
  const error = errorSaying(detail)
  return Failed.make({ at, ...ref, message: error.message, error, links: 0, attempts: 1 })
}

/** One run: the manifest is opened, used, and closed. */
const inRun = <A, E, R>(directory: string, use: (manifest: Manifest.Service) => Effect.Effect<A, E, R>) =>
  Effect.flatMap(Manifest.Manifest, use).pipe(Effect.provide(manifestIn(directory)))

const append = (directory: string, ...events: ReadonlyArray<Completed | Failed>) =>
  inRun(directory, (manifest) => Effect.forEach(events, manifest.append, { discard: true }))

const find = (directory: string, n: number) => inRun(directory, (manifest) => manifest.find(refAt(n)))
const failedIn = (directory: string) =>
  inRun(directory, (manifest) => Effect.map(manifest.failed, (refs) => refs.map(String)))

const there = (bytes = 5) => Option.some({ status: "completed" as const, kind: "bin" as const, bytes, sha256: "ab" })

const decodeLine = Schema.decodeUnknownEffect(Schema.fromJsonString(Schema.Record(Schema.String, Schema.Unknown)))

describe("Manifest.layerFileSystem", () => {
  it.live("records outcomes for the next run", () =>
    Effect.gen(function* () {
      const directory = yield* tempDirectory
      yield* append(directory, completed(refAt(0)), failed(refAt(1)))
      yield* append(directory, completed(refAt(2)), failed(refAt(3)))
      assert.deepStrictEqual(yield* find(directory, 0), there())
      assert.deepStrictEqual(yield* find(directory, 1), Option.some({ status: "failed" }))
      assert.deepStrictEqual(yield* find(directory, 2), there())
      assert.deepStrictEqual(yield* find(directory, 4), Option.none())
      assert.deepStrictEqual(yield* failedIn(directory), [String(refAt(1)), String(refAt(3))])
    }),
  )

  it.live.each(["the file", "the directory"])("appends nothing once %s was replaced", (what) =>
    Effect.gen(function* () {
      const directory = join(yield* tempDirectory, "results")
      const path = join(directory, "manifest.jsonl")
      const error = yield* inRun(directory, (manifest) =>
        Effect.gen(function* () {
          yield* manifest.append(completed(refAt(0)))
          const place = what === "the file" ? path : directory
          renameSync(place, `${place}.moved`)
          if (what === "the directory") mkdirSync(directory, { mode: 0o700 })
          writeFileSync(path, "", { mode: 0o600 })
          return yield* Effect.flip(manifest.append(completed(refAt(1))))
        }),
      )
      assert.match(error.message, /it was removed or replaced while it was in use; run/)
      assert.strictEqual(readFileSync(path, "utf8"), "")
    }),
  )

  it.live("takes the last line of each result", () =>
    Effect.gen(function* () {
      const directory = yield* tempDirectory
      yield* append(directory, failed(refAt(0)), completed(refAt(1), 5))
      yield* append(directory, completed(refAt(0)), completed(refAt(1), 6), completed(refAt(2)))
      yield* append(directory, failed(refAt(2)))
      assert.deepStrictEqual(yield* find(directory, 0), there())
      assert.deepStrictEqual(yield* find(directory, 1), there(6))
      assert.deepStrictEqual(yield* failedIn(directory), [String(refAt(2))])
    }),
  )

  it.live("knows what this run appended", () =>
    Effect.gen(function* () {
      const directory = yield* tempDirectory
      yield* inRun(
        directory,
        Effect.fnUntraced(function* (manifest) {
          yield* manifest.append(failed(refAt(0)))
          assert.deepStrictEqual((yield* manifest.failed).map(String), [String(refAt(0))])
          yield* manifest.append(completed(refAt(0)))
          assert.deepStrictEqual(yield* manifest.failed, [])
          assert.deepStrictEqual(yield* manifest.find(refAt(0)), there())
        }),
      )
    }),
  )

  it.live("writes one line for each result, with the documented fields", () =>
    Effect.gen(function* () {
      const directory = yield* tempDirectory
      yield* append(directory, completed(refAt(12)), failed(refAt(13), "first\nsecond"))
      const text = readFileSync(join(directory, "manifest.jsonl"), "utf8")
      const lines = text.split("\n")
      assert.strictEqual(lines.length, 3)
      assert.strictEqual(lines[2], "")
      assert.deepStrictEqual(yield* decodeLine(lines[0]), {
        at: DateTime.formatIso(at),
        machineActionId: refAt(12).machineActionId,
        index: 2,
        status: "completed",
        version: 1,
        path: `${refAt(12).machineActionId}/2.bin`,
        bytes: 5,
        sha256: "ab",
        etag: `"0x1"`,
        links: 2,
        attempts: 3,
      })
      const line = yield* decodeLine(lines[1])
      assert.deepInclude(line, { at: DateTime.formatIso(at), status: "failed", index: 3, links: 0, attempts: 1 })
      assert.deepInclude(line.error, { _tag: "DefenderError" })
    }),
  )

  it.live("gives the file and the directory it creates to their owner alone", () =>
    Effect.gen(function* () {
      const directory = join(yield* tempDirectory, "results")
      const before = process.umask(0o000)
      yield* Effect.addFinalizer(() => Effect.sync(() => process.umask(before)))
      yield* append(directory, completed(refAt(0)))
      assert.strictEqual((statSync(directory).mode & 0o777).toString(8), "700")
      assert.strictEqual((statSync(join(directory, "manifest.jsonl")).mode & 0o777).toString(8), "600")
      assert.deepStrictEqual(readdirSync(directory), ["manifest.jsonl"])
    }),
  )

  it.live.each(Array.from({ length: 6 }, (_, i) => ({ cut: [1, 2, 10, 60, 120, 200][i] ?? 1 })))(
    "removes a last line that was cut short by $cut bytes, and appends after the line before it",
    ({ cut }) =>
      Effect.gen(function* () {
        const directory = yield* tempDirectory
        const path = join(directory, "manifest.jsonl")
        yield* append(directory, completed(refAt(0)), completed(refAt(1)))
        const whole = readFileSync(path)
        writeFileSync(path, whole.subarray(0, whole.length - cut))
        yield* append(directory, completed(refAt(2)))
        assert.deepStrictEqual(yield* find(directory, 0), there())
        // A line that lacks only its line feed is complete.
        assert.deepStrictEqual(yield* find(directory, 1), cut === 1 ? there() : Option.none())
        assert.deepStrictEqual(yield* find(directory, 2), there())
      }),
  )

  it.live("only appends, and changes no line", () =>
    Effect.gen(function* () {
      const directory = yield* tempDirectory
      const path = join(directory, "manifest.jsonl")
      yield* append(directory, completed(refAt(0)))
      appendFileSync(path, "something else\n")
      const before = readFileSync(path, "utf8")
      yield* append(directory, completed(refAt(0)), failed(refAt(1)))
      const after = readFileSync(path, "utf8")
      assert.isTrue(after.startsWith(before))
      assert.strictEqual(after.split("\n").length, before.split("\n").length + 2)
    }),
  )

  it.live("skips lines that are not entries", () =>
    Effect.gen(function* () {
      const directory = yield* tempDirectory
      const path = join(directory, "manifest.jsonl")
      yield* append(directory, completed(refAt(0)))
      const line = readFileSync(path, "utf8").trim()
      const other = (n: number, change: (line: string) => string) =>
        change(line.replace(`"index":0`, `"index":${n}`).replace("/0.bin", `/${n}.bin`))
      const lines = [
        "",
        "no JSON",
        "[]",
        "null",
        "{}",
        "\u0000\u0000\u0000",
        other(1, (line) => line.replace("completed", "archived")),
        other(2, (line) => line.replace(/"machineActionId":"[^"]*"/, `"machineActionId":"../../etc"`)),
        other(3, (line) => line.replace(`"bytes":5`, `"bytes":"5"`)),
        // A later version may write more, and an editor may end lines in its own way.
        other(4, (line) => line.replace("{", `{"later":{"a":[1]},`)),
        `${other(5, (line) => line)}\r`,
        other(6, (line) => line),
      ]
      appendFileSync(path, `${lines.join("\n")}\n`)
      for (const n of [1, 2, 3]) assert.deepStrictEqual(yield* find(directory, n), Option.none())
      for (const n of [4, 5, 6]) {
        assert.deepInclude(Option.getOrThrow(yield* find(directory, n)), { status: "completed", bytes: 5 })
      }
    }),
  )

  it.live("reads the lines of release 0.1.0, which have no version", () =>
    Effect.gen(function* () {
      const directory = yield* tempDirectory
      const sample = readFileSync(new URL("fixtures/manifest-0.1.0.jsonl", import.meta.url), "utf8")
      writeFileSync(join(directory, "manifest.jsonl"), sample)
      const lines = yield* Effect.forEach(sample.trimEnd().split("\n"), (line) => decodeLine(line))
      const count = (status: string) => lines.filter((line) => line["status"] === status).length
      assert.deepStrictEqual([count("completed"), count("failed")], [8, 1])

      assert.deepStrictEqual(yield* warningsOf(inRun(directory, () => Effect.void)), [])
      assert.deepStrictEqual(yield* failedIn(directory), ["00000000-5a11-4000-8000-ffffffffffff:0"])
      const stored = yield* Effect.flatMap(PrivateDirectory.open(directory), (files) =>
        Manifest.completed(files, () => Effect.void),
      ).pipe(Effect.provide(NodeServices.layer))
      // Every field of a line is read, so that nothing of it is lost where it is shown.
      const encoded = yield* Effect.forEach(stored, (entry) => Schema.encodeEffect(ManifestEntry.ManifestEntry)(entry))
      assert.deepStrictEqual(
        encoded,
        lines.filter((line) => line["status"] === "completed"),
      )
      yield* append(directory, completed(refAt(0)))
      assert.isTrue(readFileSync(join(directory, "manifest.jsonl"), "utf8").startsWith(sample))
    }),
  )

  it.live("refuses a line of a newer version by name, and leaves the file in place", () =>
    Effect.gen(function* () {
      const directory = yield* tempDirectory
      const path = join(directory, "manifest.jsonl")
      yield* append(directory, completed(refAt(0)))
      const line = readFileSync(path, "utf8")
      const newer = `${line}half\n${line.replace(`"version":1`, `"version":2`)}`
      writeFileSync(path, newer)
      const message = `${path}: line 3 was written by a newer version of live-response (format 2, this one reads up to 1); run the newer version, or choose another directory`
      assert.strictEqual((yield* Effect.flip(failedIn(directory))).message, message)
      const reading = Effect.flatMap(PrivateDirectory.open(directory), (files) =>
        Manifest.completed(files, () => Effect.void),
      ).pipe(Effect.provide(NodeServices.layer))
      assert.strictEqual((yield* Effect.flip(reading)).message, message)
      assert.strictEqual(readFileSync(path, "utf8"), newer)
      assert.deepStrictEqual(readdirSync(directory), ["manifest.jsonl"])
    }),
  )

  it.live("warns once of all damaged lines, and not of a last line that a crash cut short", () =>
    Effect.gen(function* () {
      const directory = yield* tempDirectory
      const path = join(directory, "manifest.jsonl")
      const opened = inRun(directory, () => Effect.void)
      yield* append(directory, completed(refAt(0)))
      appendFileSync(path, `\n{"status":"comp`)
      assert.deepStrictEqual(yield* warningsOf(opened), [])
      appendFileSync(path, `half\n`)
      assert.deepStrictEqual(yield* warningsOf(opened), [
        `${path}: line 3 is damaged and was skipped; its result is downloaded again`,
      ])
      appendFileSync(path, "half\n".repeat(6))
      assert.deepStrictEqual(yield* warningsOf(opened), [
        `${path}: 7 lines are damaged and were skipped (3, 4, 5, 6, 7, …); their results are downloaded again`,
      ])
      assert.deepStrictEqual(yield* find(directory, 0), there())
    }),
  )

  it.live("writes whole lines when many results finish at once", () =>
    Effect.gen(function* () {
      const directory = yield* tempDirectory
      yield* inRun(directory, (manifest) =>
        Effect.forEach(
          Array.from({ length: 300 }, (_, n) => n),
          (n) => manifest.append(n % 2 === 0 ? completed(refAt(n)) : failed(refAt(n), "x".repeat(n * 10))),
          { concurrency: "unbounded", discard: true },
        ),
      )
      const lines = readFileSync(join(directory, "manifest.jsonl"), "utf8").trimEnd().split("\n")
      assert.strictEqual(lines.length, 300)
      yield* inRun(
        directory,
        Effect.fnUntraced(function* (manifest) {
          for (let n = 0; n < 300; n++) {
            const outcome = Option.getOrThrow(yield* manifest.find(refAt(n)))
            assert.strictEqual(outcome.status, n % 2 === 0 ? "completed" : "failed")
          }
        }),
      )
    }),
  )

  it.live("reads a file that is longer than one read, with multi-byte text", () =>
    Effect.gen(function* () {
      const directory = yield* tempDirectory
      yield* append(
        directory,
        ...Array.from({ length: 60 }, (_, n) => failed(refAt(n), "找不到计算机操作。".repeat(100 + n))),
      )
      assert.isAbove(statSync(join(directory, "manifest.jsonl")).size, 128 * 1024)
      assert.strictEqual((yield* failedIn(directory)).length, 60)
    }),
  )

  it.live("fails with the problem if the directory is a file", () =>
    Effect.gen(function* () {
      const directory = yield* tempDirectory
      writeFileSync(join(directory, "file"), "")
      const error: StoreError = yield* Effect.flip(failedIn(join(directory, "file")))
      assert.strictEqual(error.problem, "NotADirectory")
    }),
  )
})
