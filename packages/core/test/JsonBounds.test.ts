import { assert, describe, it } from "@effect/vitest"
import * as DefenderApi from "@live-response/core/DefenderApi"
import * as LiveResponseTest from "@live-response/core/testing/LiveResponseTest"
import * as Effect from "effect/Effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Stream from "effect/Stream"
import { scripted } from "./support/scripted.ts"
import { layerOver } from "./support/world.ts"

/** What a list makes of an answer. */
const list = (body: string, status = 200) =>
  Effect.flatMap(DefenderApi.DefenderApi, (api) => Stream.runCollect(api.list())).pipe(
    LiveResponseTest.inVirtualTime,
    Effect.provide(layerOver(scripted(HttpServerResponse.text(body, { status })).layer)),
  )

/** A page without actions, with another member. */
const pageWith = (member: string) => `{"value":[],"other":${member}}`

/** In a page it is one level deeper. */
const nested = (depth: number) => "[".repeat(depth) + "]".repeat(depth)

const reasonOf = (body: string, status?: number) =>
  Effect.map(Effect.flip(list(body, status)), (error) => error.message)

describe("an answer of the API", () => {
  it.effect.each([
    { what: "as deep as is allowed", member: nested(63) },
    { what: "with the brackets in strings", member: `["${"[".repeat(100)}","\\\\\\"${"{".repeat(100)}","\\\\"]` },
    { what: "with many brackets side by side", member: `[${"[],".repeat(1000)}[]]` },
  ])("is read $what", ({ member }) =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* list(pageWith(member)), [])
    }),
  )

  it.effect.each([
    { what: "arrays", member: nested(64) },
    { what: "objects", member: `${'{"a":'.repeat(64)}1${"}".repeat(64)}` },
    { what: "brackets that are never closed", member: "[".repeat(1_000_000) },
    { what: "arrays behind a string that ends in a backslash", member: `["\\\\",${nested(63)}]` },
  ])("is not parsed where it is nested too deeply: $what", ({ member }) =>
    Effect.gen(function* () {
      const reason = yield* reasonOf(pageWith(member))
      assert.include(reason, "unexpected answer (it is nested more than 64 levels deep)")
    }),
  )

  it.effect("is not parsed where it has more values than any page", () =>
    Effect.gen(function* () {
      const reason = yield* reasonOf(pageWith(`[${"[],".repeat(2_500_001)}[]]`))
      assert.include(reason, "unexpected answer (it has more than 5000000 values)")
    }),
  )

  it.effect("is not parsed as an error either: its status alone counts", () =>
    Effect.gen(function* () {
      const deep = `{"error":{"code":"BadRequest","message":"owned","other":${nested(64)}}}`
      const reason = yield* reasonOf(deep, 400)
      assert.include(reason, "HTTP 400")
      assert.notInclude(reason, "owned")
    }),
  )
})
