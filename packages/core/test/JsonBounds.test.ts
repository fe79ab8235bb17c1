import { assert, describe, it } from "@effect/vitest"
import * as DefenderApi from "@live-response/core/DefenderApi"
import * as LiveResponseTest from "@live-response/core/testing/LiveResponseTest"
import * as Effect from "effect/Effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Stream from "effect/Stream"
import { exampleRef } from "./support/refs.ts"
import { scripted } from "./support/scripted.ts"
import { layerOver } from "./support/world.ts"

const asked = <A, E>(ask: (api: DefenderApi.Service) => Effect.Effect<A, E>, body: string, status = 200) =>
  Effect.flatMap(DefenderApi.DefenderApi, ask).pipe(
    LiveResponseTest.inVirtualTime,
    Effect.provide(layerOver(scripted(HttpServerResponse.text(body, { status })).layer)),
  )

/** The outcome of a call for an action with this answer. */
const get = (body: string, status?: number) => asked((api) => api.get(exampleRef.machineActionId), body, status)

/** An action with another member. */
const actionWith = (member: string) =>
  `{"id":"${exampleRef.machineActionId}","type":"LiveResponse","status":"Succeeded","other":${member}}`

/** In an action it is one level deeper. */
const nested = (depth: number) => "[".repeat(depth) + "]".repeat(depth)

const reasonOf = (body: string, status?: number) => Effect.map(Effect.flip(get(body, status)), (error) => error.message)

describe("an answer of the API", () => {
  it.effect.each([
    { what: "as deep as is allowed", member: nested(63) },
    { what: "with the brackets in strings", member: `["${"[".repeat(100)}","\\\\\\"${"{".repeat(100)}","\\\\"]` },
    { what: "with many brackets side by side", member: `[${"[],".repeat(1000)}[]]` },
  ])("is read $what", ({ member }) =>
    Effect.gen(function* () {
      assert.strictEqual((yield* get(actionWith(member))).status, "Succeeded")
    }),
  )

  it.effect.each([
    { what: "arrays", member: nested(64) },
    { what: "objects", member: `${'{"a":'.repeat(64)}1${"}".repeat(64)}` },
    { what: "brackets that are never closed", member: "[".repeat(500_000) },
    { what: "arrays behind a string that ends in a backslash", member: `["\\\\",${nested(63)}]` },
  ])("is not parsed where it is nested too deeply: $what", ({ member }) =>
    Effect.gen(function* () {
      const reason = yield* reasonOf(actionWith(member))
      assert.include(reason, "unexpected answer (it is nested more than 64 levels deep)")
    }),
  )

  it.effect("is not parsed as an error where it has more values than any page has", () =>
    Effect.gen(function* () {
      const many = `{"error":{"code":"BadRequest","message":"owned","other":[${"[],".repeat(2_500_001)}[]]}}`
      const error = yield* Effect.flip(asked((api) => Stream.runCollect(api.list()), many, 400))
      assert.include(error.message, "HTTP 400")
      assert.notInclude(error.message, "owned")
    }),
  )

  it.effect("is not parsed as an error where it is nested too deep, so that its status alone counts", () =>
    Effect.gen(function* () {
      const deep = `{"error":{"code":"BadRequest","message":"owned","other":${nested(64)}}}`
      const reason = yield* reasonOf(deep, 400)
      assert.include(reason, "HTTP 400")
      assert.notInclude(reason, "owned")
    }),
  )
})
