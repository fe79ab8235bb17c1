import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import { utf8 } from "./support/bytes.ts"
import { errorOf, execute, get, layer, origin, post, remove, token, upload, valuesOf } from "./support/simulated.ts"

const Entity = Schema.Struct({
  fileName: Schema.String,
  sha256: Schema.String,
  description: Schema.NullOr(Schema.String),
  creationTime: Schema.String,
  lastUpdatedTime: Schema.String,
  createdBy: Schema.String,
  hasParameters: Schema.Boolean,
  parametersDescription: Schema.NullOr(Schema.String),
})

const entityOf = Schema.decodeEffect(Schema.fromJsonString(Entity))

const list = Effect.map(valuesOf("/api/libraryfiles", Entity), ({ value }) => value)

const names = Effect.map(list, (files) => files.map(({ fileName }) => fileName))

const scriptOf = (name: string, content: string) => new File([content], name)

const sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

const machineId = "1e5bc9d7e413ddd7902c2932e418702b84d0cc07"

const run = (...commands: ReadonlyArray<readonly [type: string, params: Record<string, string>]>) =>
  post(`${origin}/api/machines/${machineId}/runliveresponse`, {
    Comment: "case 4711",
    Commands: commands.map(([type, params]) => ({
      type,
      params: Object.entries(params).map(([key, value]) => ({ key, value })),
    })),
  })

describe("Simulator: library", () => {
  it.effect("starts with the script of the examples", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* names, ["collect.ps1"])
    }).pipe(Effect.provide(layer())),
  )

  it.effect.each(["libraryfiles?$top=1", "libraryfiles?$filter=nope", "libraryfiles?foo=1", "machines/a?$select=id"])(
    "refuses an option that only other lists have: %s",
    (path) =>
      Effect.gen(function* () {
        assert.strictEqual((yield* get(`${origin}/api/${path}`)).status, 400)
      }).pipe(Effect.provide(layer())),
  )

  it.effect("starts with other files if the options say so", () =>
    Effect.gen(function* () {
      const files = yield* list
      assert.lengthOf(files, 1)
      assert.deepInclude(files[0], { fileName: "abc.sh", sha256, hasParameters: true, parametersDescription: "none" })
    }).pipe(Effect.provide(layer({ library: [{ name: "abc.sh", content: "abc", parametersDescription: "none" }] }))),
  )

  it.effect("stores an upload with the fields that Microsoft documents, and replaces it only if asked", () =>
    Effect.gen(function* () {
      const fields = { ParametersDescription: "test", HasParameters: "true", Description: "test description" }
      const answer = yield* upload({ ...fields, file: scriptOf("new.ps1", "abc") })
      assert.strictEqual(answer.status, 200)
      const created = yield* entityOf(answer.text)
      assert.deepInclude(created, {
        fileName: "new.ps1",
        sha256,
        description: "test description",
        hasParameters: true,
        parametersDescription: "test",
      })
      yield* TestClock.adjust("1 hour")
      for (const flag of [{}, { OverrideIfExists: "false" }, { OverrideIfExists: "" }]) {
        const refused = yield* upload({ ...flag, file: scriptOf("new.ps1", "other") })
        assert.strictEqual(refused.status, 400)
        assert.match((yield* errorOf(refused)).message, /new\.ps1 already exists/)
      }
      assert.deepStrictEqual(yield* list, [created])
      const replaced = yield* upload({ file: scriptOf("new.ps1", "other"), OverrideIfExists: "True" })
      const updated = yield* entityOf(replaced.text)
      assert.notStrictEqual(updated.sha256, sha256)
      assert.strictEqual(updated.creationTime, created.creationTime)
      assert.notStrictEqual(updated.lastUpdatedTime, created.lastUpdatedTime)
      assert.deepStrictEqual(yield* names, ["new.ps1"])
    }).pipe(Effect.provide(layer({ library: [] }))),
  )

  it.effect("deletes a file once", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* remove(`${origin}/api/libraryfiles/a%20b.ps1`)).status, 404)
      yield* upload({ file: scriptOf("a b.ps1", "abc") })
      const answer = yield* remove(`${origin}/api/libraryfiles/a%20b.ps1`)
      assert.deepStrictEqual([answer.status, answer.text], [204, ""])
      assert.strictEqual((yield* remove(`${origin}/api/libraryfiles/a%20b.ps1`)).status, 404)
    }).pipe(Effect.provide(layer({ library: [] }))),
  )

  it.effect.each<{ readonly problem: string; readonly fields: Record<string, string | File>; readonly code: string }>([
    { problem: "no file", fields: { Description: "a" }, code: "MissingRequiredParameter" },
    { problem: "no form", fields: {}, code: "MissingRequiredParameter" },
    { problem: "a path for a name", fields: { file: scriptOf("../a.ps1", "abc") }, code: "InvalidInput" },
    {
      problem: "a flag that is neither true nor false",
      fields: { file: scriptOf("a.ps1", "abc"), OverrideIfExists: "yes" },
      code: "InvalidInput",
    },
    {
      problem: "a file of more than 20 MB",
      fields: { file: scriptOf("a.ps1", "a".repeat(20 * 1024 * 1024 + 1)) },
      code: "InvalidInput",
    },
  ])("refuses $problem", ({ code, fields }) =>
    Effect.gen(function* () {
      const answer = yield* upload(fields)
      assert.strictEqual(answer.status, 400)
      assert.strictEqual((yield* errorOf(answer)).code, code)
      assert.deepStrictEqual(yield* names, [])
    }).pipe(Effect.provide(layer({ library: [] }))),
  )

  it.effect("reads a form as it stands on the wire, and stores nothing of one that is cut", () =>
    Effect.gen(function* () {
      const form = [
        "--b",
        'Content-Disposition: form-data; name="file"; filename="wire.ps1"',
        "Content-Type: application/octet-stream",
        "",
        "abc",
        "--b--",
        "",
      ].join("\r\n")
      const send = (body: Stream.Stream<Uint8Array, string>) =>
        execute(
          HttpClientRequest.bodyStream(
            HttpClientRequest.post(`${origin}/api/libraryfiles`, { headers: { authorization: `Bearer ${token}` } }),
            body,
            { contentType: "multipart/form-data; boundary=b" },
          ),
        )
      for (const cut of [
        Stream.concat(Stream.succeed(utf8(form.slice(0, 120))), Stream.fail("cut")),
        Stream.succeed(utf8(form.slice(0, -9))),
        Stream.succeed(utf8("no form")),
        Stream.empty,
      ]) {
        const answer = yield* send(cut)
        assert.strictEqual(answer.status, 400)
        assert.deepStrictEqual(yield* names, [])
      }
      const whole = yield* send(Stream.make(utf8(form.slice(0, 130)), utf8(form.slice(130))))
      assert.strictEqual((yield* entityOf(whole.text)).sha256, sha256)
      assert.deepStrictEqual(yield* names, ["wire.ps1"])
    }).pipe(Effect.provide(layer({ library: [] }))),
  )

  it.effect("is what a session runs from", () =>
    Effect.gen(function* () {
      const refused = yield* run(["RunScript", { ScriptName: "new.ps1" }])
      assert.strictEqual(refused.status, 400)
      assert.match((yield* errorOf(refused)).message, /new\.ps1 was not found in the live response library/)
      assert.strictEqual((yield* run(["PutFile", { FileName: "new.ps1" }])).status, 400)
      yield* upload({ file: scriptOf("new.ps1", "abc") })
      const files = [
        ["PutFile", { FileName: "new.ps1" }],
        ["RunScript", { ScriptName: "new.ps1", Args: "-All" }],
        ["GetFile", { Path: "C:\\a" }],
      ] as const
      assert.strictEqual((yield* run(...files)).status, 201)
    }).pipe(Effect.provide(layer({ library: [], machines: [{ id: machineId }] }))),
  )

  it.effect.each<{ readonly problem: string; readonly command: readonly [string, Record<string, string>] }>([
    { problem: "a script without a name", command: ["RunScript", {}] },
    { problem: "a script with an empty name", command: ["RunScript", { ScriptName: "" }] },
    { problem: "a file without a path", command: ["GetFile", { FileName: "a" }] },
    {
      problem: "arguments with a character of a shell",
      command: ["RunScript", { ScriptName: "collect.ps1", Args: "a;b" }],
    },
    { problem: "an unknown command", command: ["Reboot", {}] },
  ])("refuses a session with $problem", ({ command }) =>
    Effect.gen(function* () {
      assert.strictEqual((yield* run(command)).status, 400)
    }).pipe(Effect.provide(layer({ machines: [{ id: machineId }] }))),
  )

  it.effect("refuses a session on a machine that is not onboarded", () =>
    Effect.gen(function* () {
      const answer = yield* run(["RunScript", { ScriptName: "collect.ps1" }])
      assert.strictEqual(answer.status, 400)
      assert.match((yield* errorOf(answer)).message, /not onboarded/)
    }).pipe(Effect.provide(layer({ machines: [{ id: machineId, record: { onboardingStatus: "CanBeOnboarded" } }] }))),
  )

  it.effect("has limits of its own", () =>
    Effect.gen(function* () {
      for (let call = 0; call < 100; call++) assert.strictEqual((yield* get(`${origin}/api/libraryfiles`)).status, 200)
      assert.strictEqual((yield* get(`${origin}/api/libraryfiles`)).status, 429)
      assert.strictEqual((yield* remove(`${origin}/api/libraryfiles/collect.ps1`)).status, 204)
    }).pipe(Effect.provide(layer())),
  )
})
