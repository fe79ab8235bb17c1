import { crc32, gunzipSync } from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import * as Simulator from "@live-response/core/testing/Simulator"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { TestClock } from "effect/testing"
import { utf8 } from "./support/bytes.ts"
import { refAt } from "./support/refs.ts"
import { type Answer, errorOf, fetchLink, get, layer, origin, post, valuesOf } from "./support/simulated.ts"

const machineId = "1e5bc9d7e413ddd7902c2932e418702b84d0cc07"
const machines = [{ id: machineId, name: "ws-0.contoso.com" }]

const Action = Schema.Struct({
  id: Schema.String,
  type: Schema.String,
  scope: Schema.NullOr(Schema.String),
  status: Schema.String,
  machineId: Schema.String,
  requestorComment: Schema.NullOr(Schema.String),
  cancellationDateTimeUtc: Schema.NullOr(Schema.String),
  commands: Schema.Array(Schema.Struct({ index: Schema.Int, command: Schema.Struct({ type: Schema.String }) })),
})

const decodeAction = Schema.decodeEffect(Schema.fromJsonString(Action))

const actionOf = ({ text }: Answer) => decodeAction(text)

const respond = (kind: string, body: object = {}, id = machineId) =>
  post(`${origin}/api/machines/${id}/${kind}`, { Comment: "alert 1234", ...body })

const read = (id: string) => Effect.flatMap(get(`${origin}/api/machineactions/${id}`), actionOf)

describe("Simulator: actions without commands", () => {
  it.effect("name the time of their last update without Date in lists, as Microsoft's samples do", () =>
    Effect.gen(function* () {
      const { id } = yield* actionOf(yield* respond("isolate"))
      yield* TestClock.adjust("1 minute")
      const one = yield* get(`${origin}/api/machineactions/${id}`)
      assert.match(one.text, /"lastUpdateDateTimeUtc":"1970-/)
      const list = yield* get(`${origin}/api/machineactions`)
      assert.match(list.text, /"lastUpdateTimeUtc":"1970-/)
      assert.notInclude(list.text, "lastUpdateDateTimeUtc")
      const selected = yield* get(
        `${origin}/api/machineactions?$select=lastUpdateTimeUtc&$orderby=lastUpdateTimeUtc desc`,
      )
      assert.match(selected.text, /"value":\[\{"lastUpdateTimeUtc":"1970-[^}]*\}\]/)
    }).pipe(Effect.provide(layer({ machines }))),
  )

  it.effect.each([
    { kind: "isolate", type: "Isolate", body: {}, scope: "Full" },
    { kind: "isolate", type: "Isolate", body: { IsolationType: "Selective" }, scope: "Selective" },
    { kind: "unisolate", type: "Unisolate", body: {}, scope: null },
    { kind: "runAntiVirusScan", type: "RunAntiVirusScan", body: { ScanType: "Quick" }, scope: "Quick" },
    { kind: "restrictCodeExecution", type: "RestrictCodeExecution", body: {}, scope: null },
    { kind: "unrestrictCodeExecution", type: "UnrestrictCodeExecution", body: {}, scope: null },
    { kind: "collectInvestigationPackage", type: "CollectInvestigationPackage", body: {}, scope: null },
  ])("start, run and succeed: $kind $body", ({ body, kind, scope, type }) =>
    Effect.gen(function* () {
      const answer = yield* respond(kind, body)
      assert.strictEqual(answer.status, 201)
      const { id, ...started } = yield* actionOf(answer)
      assert.deepInclude(started, { type, scope, machineId, requestorComment: "alert 1234", status: "InProgress" })
      assert.include(answer.text, `"@odata.context":"${origin}/api/$metadata#MachineActions/$entity"`)
      assert.strictEqual((yield* get(`${origin}/api/machineactions/${id}`)).status, 404)
      const again = yield* respond(kind, body)
      assert.strictEqual((yield* errorOf(again)).code, "ActiveRequestAlreadyExists")
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual((yield* read(id)).status, "InProgress")
      yield* TestClock.adjust("20 seconds")
      assert.strictEqual((yield* read(id)).status, "Succeeded")
      assert.strictEqual((yield* respond(kind, body)).status, 201)
    }).pipe(Effect.provide(layer({ machines }))),
  )

  it.effect.each([
    { problem: "no comment", kind: "isolate", body: { Comment: "" } },
    { problem: "the comment in another case", kind: "isolate", body: { Comment: undefined, comment: "a" } },
    { problem: "an unknown kind of isolation", kind: "isolate", body: { IsolationType: "full" } },
    { problem: "no kind of scan", kind: "runAntiVirusScan", body: {} },
  ])("are refused for $problem", ({ body, kind }) =>
    Effect.gen(function* () {
      assert.strictEqual((yield* respond(kind, body)).status, 400)
    }).pipe(Effect.provide(layer({ machines }))),
  )

  it.effect("are refused on an unknown machine", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* respond("isolate", {}, "0".repeat(40))).status, 404)
    }).pipe(Effect.provide(layer({ machines }))),
  )

  it.effect("wait for a machine that is offline, for two hours, and can be cancelled", () =>
    Effect.gen(function* () {
      const waiting = yield* Effect.flatMap(respond("isolate"), actionOf)
      const cancelled = yield* Effect.flatMap(respond("unisolate"), actionOf)
      const cancellation = yield* post(`${origin}/api/machineactions/${cancelled.id}/cancel`, { Comment: "no" })
      assert.isNotNull((yield* actionOf(cancellation)).cancellationDateTimeUtc)
      yield* TestClock.adjust("119 minutes")
      assert.strictEqual((yield* read(waiting.id)).status, "Pending")
      yield* TestClock.adjust("1 minute")
      assert.strictEqual((yield* read(waiting.id)).status, "TimeOut")
      assert.strictEqual((yield* read(cancelled.id)).status, "Cancelled")
    }).pipe(Effect.provide(layer({ machines: [{ id: machineId, offline: Infinity }] }))),
  )
})

describe("Simulator: the session of a result", () => {
  it.effect("is known, and has finished: it is not cancelled, and only its results have links", () =>
    Effect.gen(function* () {
      const { add } = yield* Simulator.Simulator
      yield* add(refAt(0), { content: utf8("{}") })
      const action = `${origin}/api/machineactions/${refAt(0).machineActionId}`
      const cancellation = yield* post(`${action}/cancel`, { Comment: "no" })
      assert.strictEqual(cancellation.status, 400)
      assert.include(cancellation.text, "has finished")
      const link = yield* get(`${action}/GetLiveResponseResultDownloadLink(index=99)`)
      assert.strictEqual(link.status, 404)
      assert.include(link.text, "has no result 99")
    }).pipe(Effect.provide(layer())),
  )
})

describe("Simulator: investigation packages", () => {
  it.effect("have a link once they are collected, which leads to a zip for a short time", () =>
    Effect.gen(function* () {
      const { id } = yield* Effect.flatMap(respond("collectInvestigationPackage"), actionOf)
      yield* TestClock.adjust("10 seconds")
      const early = yield* get(`${origin}/api/machineactions/${id}/getPackageUri`)
      assert.strictEqual(early.status, 404)
      yield* TestClock.adjust("1 minute")
      const answer = yield* get(`${origin}/api/machineactions/${id}/GetPackageUri`)
      const { value } = yield* Schema.decodeEffect(Schema.fromJsonString(Schema.Struct({ value: Schema.String })))(
        answer.text,
      )
      // The quotes are part of the value, as in Microsoft's sample.
      assert.match(value, /^"http.*\/safedownload\/WDATP_Investigation_Package\.zip\?token=[^"]+%3d"$/)
      const link = value.slice(1, -1)
      const zip = yield* fetchLink(link, { range: "bytes=10-" })
      assert.deepStrictEqual([zip.status, zip.headers["content-type"]], [200, "application/zip"])
      assertZip(Buffer.from(zip.bytes))
      assert.strictEqual((yield* fetchLink(link.replace(/token=./, "token=x"))).status, 403)
      yield* TestClock.adjust("5 minutes")
      assert.strictEqual((yield* fetchLink(link)).status, 403)
    }).pipe(Effect.provide(layer({ machines }))),
  )

  it.effect("have no link for other actions, and only two a minute", () =>
    Effect.gen(function* () {
      const { id } = yield* Effect.flatMap(respond("isolate"), actionOf)
      yield* TestClock.adjust("1 minute")
      const statuses = yield* Effect.all(
        Array.from({ length: 3 }, () => get(`${origin}/api/machineactions/${id}/getPackageUri`)),
      )
      assert.deepStrictEqual(
        statuses.map(({ status }) => status),
        [404, 404, 429],
      )
    }).pipe(Effect.provide(layer({ machines }))),
  )
})

/** The three records of a zip that has one file, stored, and their agreement. */
const assertZip = (zip: Buffer) => {
  const end = zip.length - 22
  assert.strictEqual(zip.readUInt32LE(end), 0x06054b50)
  const [entries, size, offset] = [zip.readUInt16LE(end + 10), zip.readUInt32LE(end + 12), zip.readUInt32LE(end + 16)]
  assert.deepStrictEqual([entries, offset + size], [1, end])
  assert.strictEqual(zip.readUInt32LE(offset), 0x02014b50)
  assert.strictEqual(zip.readUInt32LE(0), 0x04034b50)
  assert.deepStrictEqual(zip.subarray(4, 30), zip.subarray(offset + 6, offset + 32))
  const start = 30 + zip.readUInt16LE(26) + zip.readUInt16LE(28)
  const content = zip.subarray(start, start + zip.readUInt32LE(18))
  assert.strictEqual(start + content.length, offset)
  assert.strictEqual(zip.readUInt32LE(14), crc32(content))
}

describe("Simulator: results", () => {
  const linkTo = Effect.fnUntraced(function* (id: string, index: number) {
    const { text } = yield* get(`${origin}/api/machineactions/${id}/GetLiveResponseResultDownloadLink(index=${index})`)
    return (yield* Schema.decodeEffect(Schema.fromJsonString(Schema.Struct({ value: Schema.String })))(text)).value
  })

  it.effect("of a collected file are gzip, with the name of the file", () =>
    Effect.gen(function* () {
      const started = yield* post(`${origin}/api/machines/${machineId}/runliveresponse`, {
        Comment: "case 4711",
        Commands: [{ type: "GetFile", params: [{ key: "Path", value: 'C:\\Temp\\out "é".zip' }] }],
      })
      const { id } = yield* actionOf(started)
      yield* TestClock.adjust("1 minute")
      const { bytes, headers } = yield* fetchLink(yield* linkTo(id, 0))
      assert.strictEqual(gunzipSync(bytes).toString(), 'C:\\Temp\\out "é".zip of ws-0.contoso.com')
      const name = Buffer.from(bytes).subarray(10, Buffer.from(bytes).indexOf(0, 10)).toString("latin1")
      assert.strictEqual(name, 'out "é".zip')
      assert.strictEqual(
        headers["content-disposition"],
        `attachment; filename="out ___.zip"; filename*=UTF-8''out%20%22%C3%A9%22.zip`,
      )
    }).pipe(Effect.provide(layer({ machines }))),
  )

  it.effect("that a test adds belong to an action that the API knows", () =>
    Effect.gen(function* () {
      const simulator = yield* Simulator.Simulator
      yield* simulator.add(refAt(1), { content: utf8("zip"), fileName: "out.zip" })
      yield* simulator.add(refAt(0), { content: utf8("{}") })
      yield* simulator.add(refAt(0), { content: utf8("{ }") })
      const known = yield* read(refAt(0).machineActionId)
      assert.deepInclude(known, { type: "LiveResponse", status: "Succeeded" })
      assert.deepStrictEqual(
        known.commands.map(({ command, index }) => [index, command.type]),
        [
          [0, "RunScript"],
          [1, "GetFile"],
        ],
      )
      const { value } = yield* valuesOf(
        `/api/machineactions?$filter=Status eq 'Succeeded' AND type in ('LiveResponse')`,
        Action,
      )
      assert.deepStrictEqual(value, [known])
      // An action that the test adds itself replaces it.
      yield* simulator.addAction({ ...known, status: "Failed" })
      assert.strictEqual((yield* read(known.id)).status, "Failed")
      assert.lengthOf(yield* simulator.actions, 1)
    }).pipe(Effect.provide(layer())),
  )

  it.effect("do not exist for a session in progress, which a refusal need not name", () =>
    Effect.gen(function* () {
      const answer = yield* post(`${origin}/api/machines/${machineId}/runliveresponse`, {
        Comment: "a",
        Commands: [{ type: "RunScript", params: [{ key: "ScriptName", value: "collect.ps1" }] }],
      })
      assert.deepInclude(yield* errorOf(answer), {
        code: "ActiveRequestAlreadyExists",
        message: "Action is already in progress",
      })
    }).pipe(Effect.provide(layer({ machines: [{ id: machineId, busy: "1 hour", hidesActiveAction: true }] }))),
  )
})
