import { appendFileSync, mkdirSync, readFileSync, readdirSync, renameSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Completed, Failed } from "@live-response/core/BatchEvent"
import { DefenderError, NotFound } from "@live-response/core/DefenderError"
import * as Manifest from "@live-response/core/Manifest"
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
  it.live("remembers from one run to the next", () =>
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

  it.live.each(["the file", "the directory"])("appends nothing once another one has the place of %s", (what) =>
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
      assert.match(
        error.message,
        /it was removed, or another (?:file|directory) has taken its place, while it was in use; run/,
      )
      assert.strictEqual(readFileSync(path, "utf8"), "")
    }),
  )

  it.live("goes by the last line of a target", () =>
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

  it.live("knows in a run what was appended in it", () =>
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

  it.live("writes a line a target, with what the command line promises", () =>
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

  it.live("is for its owner alone, and so is a directory that it makes", () =>
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
    "passes over a last line that was cut short by $cut bytes, and goes on below it",
    ({ cut }) =>
      Effect.gen(function* () {
        const directory = yield* tempDirectory
        const path = join(directory, "manifest.jsonl")
        yield* append(directory, completed(refAt(0)), completed(refAt(1)))
        const whole = readFileSync(path)
        writeFileSync(path, whole.subarray(0, whole.length - cut))
        yield* append(directory, completed(refAt(2)))
        assert.deepStrictEqual(yield* find(directory, 0), there())
        // A line without its line feed is whole all the same; one without its end is not.
        assert.deepStrictEqual(yield* find(directory, 1), cut === 1 ? there() : Option.none())
        assert.deepStrictEqual(yield* find(directory, 2), there())
      }),
  )

  it.live("appends only, and leaves every line as it is", () =>
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

  it.live("passes over lines that it does not know", () =>
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
        `{"version":2}`,
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

  it.live("warns once of the lines that it passed over, and not of one that a crash tore", () =>
    Effect.gen(function* () {
      const directory = yield* tempDirectory
      const path = join(directory, "manifest.jsonl")
      const opened = inRun(directory, () => Effect.void)
      yield* append(directory, completed(refAt(0)))
      appendFileSync(path, `\n{"status":"comp`)
      assert.deepStrictEqual(yield* warningsOf(opened), [])
      appendFileSync(path, `half\n`)
      assert.deepStrictEqual(yield* warningsOf(opened), [
        `${path}: line 3 is damaged and was passed over; its target is done again`,
      ])
      appendFileSync(path, "half\n".repeat(6))
      assert.deepStrictEqual(yield* warningsOf(opened), [
        `${path}: 7 lines are damaged and were passed over (3, 4, 5, 6, 7, …); their targets are done again`,
      ])
      assert.deepStrictEqual(yield* find(directory, 0), there())
    }),
  )

  it.live("keeps lines apart that many write at once", () =>
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

  it.live("reads a file that is longer than one read, in any script", () =>
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

  it.live("says where it can't be", () =>
    Effect.gen(function* () {
      const directory = yield* tempDirectory
      writeFileSync(join(directory, "file"), "")
      const error: StoreError = yield* Effect.flip(failedIn(join(directory, "file")))
      assert.strictEqual(error.problem, "NotADirectory")
    }),
  )
})
