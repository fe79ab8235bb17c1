import { assert, describe, it } from "@effect/vitest"
import * as BatchEvent from "@live-response/core/BatchEvent"
import * as ResultEvent from "@live-response/core/ResultEvent"
import { NotFound, DefenderError } from "@live-response/core/DefenderError"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { exampleRef } from "./support/refs.ts"

const Json = Schema.fromJsonString(BatchEvent.BatchEvent)
const encode = Schema.encodeEffect(Json)
const decode = Schema.decodeEffect(Json)

const error = new DefenderError({ operation: "link", reason: new NotFound({ status: 404 }) })
const at = DateTime.makeUnsafe("2026-11-01T00:00:00Z")
const result = { at: "2026-11-01T00:00:00.000Z", machineActionId: "988cc94e-7a8f-4b28-ab65-54970c5d5018", index: 0 }
const answer = { _tag: "DefenderError", operation: "link", reason: { _tag: "NotFound", status: 404 } }

/** Each event, and its line with `--json`. */
const all: ReadonlyArray<{ readonly event: BatchEvent.BatchEvent; readonly json: object }> = [
  { event: ResultEvent.Linked.make({ at, ...exampleRef, links: 2 }), json: { event: "linked", ...result, links: 2 } },
  {
    event: ResultEvent.Progress.make({ at, ...exampleRef, bytes: 5, total: 10 }),
    json: { event: "progress", ...result, bytes: 5, total: 10 },
  },
  {
    event: ResultEvent.Progress.make({ at, ...exampleRef, bytes: 5 }),
    json: { event: "progress", ...result, bytes: 5 },
  },
  {
    event: ResultEvent.Retrying.make({ at, ...exampleRef, delay: Duration.seconds(2), message: error.message, error }),
    json: { event: "retrying", ...result, delay: 2000, message: error.message, error: answer },
  },
  {
    event: ResultEvent.Completed.make({
      at,
      ...exampleRef,
      path: "a/0.gz",
      bytes: 3,
      sha256: "ab",
      etag: `"0x1"`,
      links: 1,
      attempts: 1,
    }),
    json: {
      event: "completed",
      ...result,
      path: "a/0.gz",
      bytes: 3,
      sha256: "ab",
      etag: `"0x1"`,
      links: 1,
      attempts: 1,
    },
  },
  {
    event: ResultEvent.Skipped.make({ at, ...exampleRef, reason: "present" }),
    json: { event: "skipped", ...result, reason: "present" },
  },
  {
    event: ResultEvent.Failed.make({ at, ...exampleRef, message: error.message, error, links: 0, attempts: 1 }),
    json: { event: "failed", ...result, message: error.message, error: answer, links: 0, attempts: 1 },
  },
  {
    event: BatchEvent.Waiting.make({ at, until: DateTime.makeUnsafe("2026-11-01T00:00:00Z") }),
    json: { event: "waiting", at: result.at, until: "2026-11-01T00:00:00.000Z" },
  },
  {
    event: BatchEvent.Offline.make({
      at,
      until: DateTime.makeUnsafe("2026-11-01T00:01:00Z"),
      givesUpAt: DateTime.makeUnsafe("2026-11-01T01:00:00Z"),
      message: "no network",
      error,
    }),
    json: {
      event: "offline",
      at: result.at,
      until: "2026-11-01T00:01:00.000Z",
      givesUpAt: "2026-11-01T01:00:00.000Z",
      message: "no network",
      error: answer,
    },
  },
  {
    event: BatchEvent.Summary.make({ at, completed: 1, skipped: 2, failed: 3, bytes: 4, links: 5 }),
    json: { event: "summary", at: result.at, completed: 1, skipped: 2, failed: 3, bytes: 4, links: 5 },
  },
]

const unknownJson = Schema.decodeEffect(Schema.fromJsonString(Schema.Unknown))

describe("BatchEvent", () => {
  it.effect.each(all.map((one) => ({ ...one, name: one.event.event })))(
    "is one line of JSON: $name",
    ({ event, json }) =>
      Effect.gen(function* () {
        const line = yield* encode(event)
        assert.notMatch(line, /[\r\n]/)
        assert.deepStrictEqual(yield* unknownJson(line), json)
        assert.strictEqual(yield* encode(yield* decode(line)), line)
      }),
  )

  it.effect("counts finished results and links in the summary", () =>
    Effect.sync(() => {
      const events = [...all, ...all].map(({ event }) => event)
      const summary = events.reduce(BatchEvent.tally, BatchEvent.emptySummary)
      assert.deepStrictEqual(
        { ...summary },
        { event: "summary", at, completed: 2, skipped: 2, failed: 2, bytes: 6, links: 2 },
      )
    }),
  )
})
