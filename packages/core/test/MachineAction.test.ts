import { assert, describe, it } from "@effect/vitest"
import * as JsonLines from "@live-response/core/JsonLines"
import * as MachineAction from "@live-response/core/MachineAction"
import * as TerminalText from "@live-response/core/TerminalText"
import * as Arbitrary from "effect/Arbitrary"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

const { MachineActionId } = MachineAction

const decode = Schema.decodeUnknownEffect(MachineActionId)
const encode = Schema.encodeEffect(MachineActionId)

const digit = Arbitrary.schema(Schema.Literals([..."0123456789abcdefABCDEF"]))
const guid = Arbitrary.map(Arbitrary.array(digit, { minLength: 32, maxLength: 32 }), (digits) =>
  digits.join("").replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5"),
)

describe("MachineActionId", () => {
  it.effect("puts an id in lower case", () =>
    Effect.gen(function* () {
      const id: string = yield* decode("988CC94E-7a8f-4B28-AB65-54970C5D5018")
      assert.strictEqual(id, "988cc94e-7a8f-4b28-ab65-54970c5d5018")
    }),
  )

  it.effect.prop("accepts any GUID in any case, and encodes what it decoded to", [guid], ([typed]) =>
    Effect.gen(function* () {
      const id = yield* decode(typed)
      assert.strictEqual<string>(id, typed.toLowerCase())
      assert.strictEqual(yield* encode(id), typed.toLowerCase())
      assert.strictEqual(yield* decode(yield* encode(id)), id)
    }),
  )

  it.effect.each([
    { input: "" },
    { input: "988cc94e7a8f4b28ab6554970c5d5018" },
    { input: "988cc94e-7a8f-4b28-ab65-54970c5d501" },
    { input: "988cc94e-7a8f-4b28-ab65-54970c5d50188" },
    { input: "988cc94e-7a8f-4b28-ab65-54970c5d501g" },
    { input: " 988cc94e-7a8f-4b28-ab65-54970c5d5018" },
    { input: "988cc94e-7a8f-4b28-ab65-54970c5d5018\n" },
    { input: "{988cc94e-7a8f-4b28-ab65-54970c5d5018}" },
    { input: "../../../../../../etc/passwd" },
    { input: 988 },
    { input: null },
  ])("rejects $input", ({ input }) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(decode(input))
      assert.strictEqual(error._tag, "SchemaError")
    }),
  )
})

const decodeAction = Schema.decodeUnknownEffect(MachineAction.FromApi)

const id = "988cc94e-7a8f-4b28-ab65-54970c5d5018"

/** The action of Microsoft's page, with everything that drifts. */
const answer = {
  "@odata.context": "https://api.security.microsoft.com/api/$metadata#MachineActions/$entity",
  id: id.toUpperCase(),
  type: "LiveResponse",
  title: null,
  requestor: "analyst@contoso.com",
  requestorComment: "Testing Live Response API",
  status: "Succeeded",
  machineId: "7b1f4967d9728e5aa3c06a9e617a22a4a5a17378",
  computerDnsName: "desktop-test",
  creationDateTimeUtc: "2023-03-18T21:03:57.2262283Z",
  lastUpdateDateTimeUtc: "2023-03-18T21:04:05.1Z",
  cancellationRequestor: null,
  errorHResult: 0,
  relatedFileInfo: null,
  commands: [
    {
      index: 0,
      startTime: "2023-03-18T21:04:01.92Z",
      endTime: "2023-03-18T21:04:04.693Z",
      commandStatus: "Completed",
      errors: [],
      command: {
        type: "RunScript",
        params: [
          { key: "ScriptName", value: "minidump.ps1" },
          { key: "Args", value: "OfficeClickToRun" },
        ],
      },
    },
    {
      index: 1,
      startTime: null,
      endTime: null,
      commandStatus: "Created",
      errors: [],
      command: { type: "GetFile", params: [] },
    },
  ],
}

describe("MachineAction.FromApi", () => {
  it.effect("decodes Microsoft's own shape", () =>
    Effect.gen(function* () {
      const action = yield* decodeAction(answer)
      assert.strictEqual<string>(action.id, id)
      assert.isTrue(action.isFinal)
      assert.strictEqual(action.machineId, answer.machineId)
      assert.isFalse("cancellationRequestor" in action)
      assert.strictEqual(action.created && DateTime.formatIso(action.created), "2023-03-18T21:03:57.226Z")
      assert.strictEqual(action.updated && DateTime.formatIso(action.updated), "2023-03-18T21:04:05.100Z")
      assert.deepStrictEqual(action.commands[0]?.params, { ScriptName: "minidump.ps1", Args: "OfficeClickToRun" })
      assert.isFalse(action.commands[1] !== undefined && "startTime" in action.commands[1])
    }),
  )

  it.effect("decodes every other field of Microsoft's page, and encodes it", () =>
    Effect.gen(function* () {
      const more = {
        title: "Case 4711",
        scope: "Full",
        externalID: "abc",
        requestSource: "PublicApi",
        troubleshootInfo: "The device did not answer.",
        relatedFileInfo: { fileIdentifier: "4327a2", fileIdentifierType: "Sha1" },
      }
      const action = yield* decodeAction({
        ...answer,
        ...more,
        cancellationDateTimeUtc: "2023-03-18T21:04:05.1234567Z",
      })
      const encoded = yield* Schema.encodeEffect(MachineAction.MachineAction)(action)
      assert.deepInclude(encoded, { ...more, cancelled: "2023-03-18T21:04:05.123Z" })
      const drifted = yield* decodeAction({
        ...answer,
        externalId: "abc",
        troubleshootInfo: { code: 5 },
        relatedFileInfo: "none",
        title: 5,
      })
      assert.deepInclude({ ...drifted }, { externalID: "abc", troubleshootInfo: "code: 5", title: "5" })
      assert.isFalse("relatedFileInfo" in drifted)
    }),
  )

  it.effect("accepts the lists' name of the last update, times without a zone, and new words", () =>
    Effect.gen(function* () {
      const action = yield* decodeAction({
        id,
        type: "BrandNew",
        status: "Paused",
        lastUpdateTimeUtc: "2023-03-18T21:04:05.1234567",
        creationDateTimeUtc: "not a time",
        commands: null,
      })
      assert.strictEqual(action.type, "BrandNew")
      assert.strictEqual(action.status, "Paused")
      assert.isFalse(action.isFinal)
      assert.strictEqual(action.updated && DateTime.formatIso(action.updated), "2023-03-18T21:04:05.123Z")
      assert.isFalse("created" in action)
      assert.deepStrictEqual(action.commands, [])
    }),
  )

  it.effect.each([
    { status: "succeeded", words: ["Created"], isFinal: true },
    { status: "Timeout", words: ["Created"], isFinal: true },
    { status: "inprogress", words: ["Completed"], isFinal: false },
    { status: "CompletedWithErrors", words: ["Completed", "failed"], isFinal: true },
    { status: "CompletedWithErrors", words: ["Completed", "Created"], isFinal: false },
    { status: "CompletedWithErrors", words: [], isFinal: false },
    { status: null, words: ["Completed"], isFinal: true },
  ])("is final by its status, and with an unknown status once all commands have finished: $status, $words", (of) =>
    Effect.gen(function* () {
      const commands = of.words.map((commandStatus) => ({ commandStatus, command: { type: "RunScript" } }))
      assert.strictEqual((yield* decodeAction({ ...answer, status: of.status, commands })).isFinal, of.isFinal)
    }),
  )

  it.effect("reads members of unexpected types by their meaning", () =>
    Effect.gen(function* () {
      const odd = {
        index: "1",
        commandStatus: "Completed",
        errors: [null, "one", { code: 5, message: "denied", more: {} }, 7],
        startTime: 5,
        command: {
          type: "RunScript",
          params: [{ key: "Timeout", value: 600 }, { key: "__proto__", value: true }, null, { value: 1 }],
        },
      }
      const action = yield* decodeAction({
        id,
        errorHResult: "0x80004005",
        creationDateTimeUtc: 5,
        commands: [null, odd, { index: -0 }],
      })
      assert.deepStrictEqual([action.type, action.status, action.errorHResult], ["", "", 0x80004005])
      assert.isFalse("created" in action)
      const [first, second, third] = action.commands
      assert.isTrue(Object.is(third?.index, 0))
      assert.strictEqual(second?.index, 1)
      assert.deepStrictEqual({ ...first }, { index: 0, type: "", status: "", params: {}, errors: [] })
      assert.deepStrictEqual(second?.errors, ["one", "code: 5, message: denied", "7"])
      assert.deepStrictEqual(Object.entries(second?.params ?? {}), [
        ["Timeout", "600"],
        ["__proto__", "true"],
      ])
      assert.isFalse(second !== undefined && "startTime" in second)
    }),
  )

  it.effect("encodes as events print it, and decodes the result", () =>
    Effect.gen(function* () {
      const action = yield* decodeAction(answer)
      const json = yield* Schema.encodeEffect(Schema.fromJsonString(MachineAction.MachineAction))(action)
      assert.include(json, '"created":"2023-03-18T21:03:57.226Z"')
      assert.deepStrictEqual(
        yield* Schema.decodeEffect(Schema.fromJsonString(MachineAction.MachineAction))(json),
        action,
      )
    }),
  )
})

describe("MachineAction.hasResult", () => {
  const cases: ReadonlyArray<
    [type: string, status: string, actionStatus: string, "yes" | "not yet" | "never" | "maybe"]
  > = [
    ["RunScript", "Completed", "Succeeded", "yes"],
    ["RunScript", "Failed", "Failed", "yes"],
    ["RunScript", "Completed", "InProgress", "yes"],
    ["RunScript", "Created", "InProgress", "not yet"],
    ["RunScript", "Created", "Pending", "not yet"],
    ["RunScript", "Created", "Cancelled", "never"],
    ["RunScript", "Created", "TimeOut", "never"],
    ["GetFile", "Completed", "Succeeded", "yes"],
    ["GetFile", "Failed", "Failed", "never"],
    ["GetFile", "BrandNew", "InProgress", "not yet"],
    ["GetFile", "BrandNew", "Succeeded", "maybe"],
    ["RunScript", "Succeeded", "Succeeded", "maybe"],
    ["RunScript", "", "Failed", "maybe"],
    ["", "Failed", "Failed", "maybe"],
    ["", "Completed", "Succeeded", "yes"],
    ["RunScript", "BrandNew", "BrandNew", "maybe"],
    ["RunScript", "Created", "BrandNew", "not yet"],
    ["PutFile", "BrandNew", "Succeeded", "never"],
    // In another case they are the same words.
    ["runscript", "completed", "succeeded", "yes"],
    ["getfile", "failed", "failed", "never"],
    ["putFile", "completed", "succeeded", "never"],
    ["RunScript", "CREATED", "timeOut", "never"],
    ["RunScript", "created", "inprogress", "not yet"],
    ["PutFile", "Completed", "Succeeded", "never"],
    ["PutFile", "Created", "Pending", "never"],
    ["BrandNew", "Completed", "Succeeded", "yes"],
  ]
  it.effect.each(cases)("%s that is %s in an action that is %s: %s", ([type, commandStatus, status, expected]) =>
    Effect.gen(function* () {
      const action = yield* decodeAction({
        id,
        type: "LiveResponse",
        status,
        commands: [{ index: 0, commandStatus, command: { type } }],
      })
      const results = action.commands.map((command) => MachineAction.hasResult(action, command))
      assert.deepStrictEqual(results, [expected])
    }),
  )

  it.effect.each([
    { type: "liveResponse", expected: "yes" },
    { type: "LIVERESPONSE", expected: "yes" },
    { type: null, expected: "yes" },
    { type: "Isolate", expected: "never" },
    { type: "BrandNew", expected: "never" },
  ])("is $expected for an action of type $type", ({ expected, type }) =>
    Effect.gen(function* () {
      const action = yield* decodeAction({ ...answer, type })
      assert.strictEqual(action.commands[0] && MachineAction.hasResult(action, action.commands[0]), expected)
    }),
  )

  it.effect("is never for any other action", () =>
    Effect.gen(function* () {
      const action = yield* decodeAction({ ...answer, type: "Isolate" })
      const results = action.commands.map((command) => MachineAction.hasResult(action, command))
      assert.deepStrictEqual(results, ["never", "never"])
    }),
  )
})

describe("MachineAction: a record of a MiB", () => {
  const size = 1024 * 1024
  const encodeJson = Schema.encodeEffect(Schema.fromJsonString(MachineAction.MachineAction))

  it.effect.each([
    { what: "a name", record: { computerDnsName: "\u200b".repeat(size) } },
    { what: "names of 8,192 characters", record: { commands: [{ errors: Array(128).fill("\u200b".repeat(8192)) }] } },
    {
      what: "parameters",
      record: {
        commands: [
          {
            command: {
              params: Array.from({ length: 120 }, (_, n) => ({ key: `${n}`, value: "\u{E0001}".repeat(4096) })),
            },
          },
        ],
      },
    },
    { what: "commands", record: { commands: Array(200).fill(0) } },
    { what: "errors", record: { commands: [{ errors: Array(size >> 3).fill(1e20) }] } },
  ])("of $what is one line that can be read back", ({ record }) =>
    Effect.gen(function* () {
      const action = yield* decodeAction({ id, ...record })
      const line = TerminalText.escapeJson(yield* encodeJson(action))
      assert.isAtMost(line.length, JsonLines.longestLine)
    }),
  )

  it.effect("shortens a long name to its beginning and its end", () =>
    Effect.gen(function* () {
      const action = yield* decodeAction({ id, requestorComment: `case 4711 ${"x".repeat(size)} [mark]` })
      assert.match(action.requestorComment ?? "", /^case 4711 x+…x+ \[mark\]$/)
      assert.isAtMost(action.requestorComment?.length ?? Infinity, 8192)
    }),
  )

  it.effect("of more commands than any session has can't be read", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(decodeAction({ id, commands: Array(201).fill(0) }))
      assert.include(error.message, "more than 200 commands")
    }),
  )

  it.effect("with a result that can't be named can't be read, because it would be missed", () =>
    Effect.gen(function* () {
      const of = (...indexes: ReadonlyArray<unknown>) =>
        decodeAction({ id, commands: indexes.map((index) => ({ index })) })
      const error = yield* Effect.flip(of(0, 1000))
      assert.include(error.message, "one of its commands has the index 1000, and 999 is the largest")
      assert.include((yield* Effect.flip(of("4294967296"))).message, "the index 4294967296")
      assert.strictEqual((yield* of(0, 999)).commands[1]?.index, 999)
    }),
  )
})
