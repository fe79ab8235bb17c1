import { assert, describe, it, vi } from "@effect/vitest"
import * as DefenderApi from "@live-response/core/DefenderApi"
import * as MachineAction from "@live-response/core/MachineAction"
import * as LiveResponseTest from "@live-response/core/testing/LiveResponseTest"
import * as Arbitrary from "effect/Arbitrary"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { utf8 } from "./support/bytes.ts"
import { scripted } from "./support/scripted.ts"
import { seededRandom } from "./support/seededRandom.ts"
import { layerOver } from "./support/world.ts"

const base = "https://api.example"

const idOf = (n: number) => `988cc94e-7a8f-4b28-ab65-${String(n).padStart(12, "0")}`

const command = { index: 0, commandStatus: "Completed", errors: [], command: { type: "RunScript", params: [] } }

const record = (n: number, over: object = {}) => ({
  id: idOf(n),
  type: "LiveResponse",
  status: "Succeeded",
  commands: [command],
  ...over,
})

type Answers = (url: URL) => object | string

/** Walks through the list of a service. Returns the actions, the exit, the requests and the warnings. */
const walk = (answers: Answers, query?: DefenderApi.ListQuery, times = 1) =>
  Effect.gen(function* () {
    const requests: Array<string> = []
    const warnings: Array<string> = []
    const client = HttpClient.make((request, url) =>
      Effect.sync(() => {
        requests.push(url.href)
        assert.isBelow(requests.length, 50)
        const answer = answers(url)
        const body = typeof answer === "string" ? answer : JSON.stringify(answer)
        return HttpServerResponse.toClientResponse(HttpServerResponse.text(body), { request })
      }),
    )
    const ids: Array<number> = []
    const run = Effect.gen(function* () {
      const api = yield* DefenderApi.DefenderApi
      const list = Stream.runForEach(api.list(query), ({ id }) => Effect.sync(() => ids.push(Number(id.slice(-12)))))
      return yield* Effect.exit(Effect.repeat(list, { times: times - 1 }))
    })
    const exit = yield* LiveResponseTest.inVirtualTime(run).pipe(
      Effect.provide([
        layerOver(Layer.succeed(HttpClient.HttpClient, client), { base }),
        Logger.layer([Logger.make(({ message }) => void warnings.push(String(message)))]),
      ]),
    )
    return { ids, exit, requests, warnings }
  })

const collectPage = (body: string) => collectAnswer(HttpServerResponse.text(body))

const collectAnswer = (answer: HttpServerResponse.HttpServerResponse) =>
  Effect.gen(function* () {
    const client = HttpClient.make((request) =>
      Effect.succeed(HttpServerResponse.toClientResponse(answer, { request })),
    )
    const pages = yield* Effect.flatMap(DefenderApi.DefenderApi, (api) => Stream.runCollect(api.pages())).pipe(
      Effect.provide(layerOver(Layer.succeed(HttpClient.HttpClient, client), { base })),
    )
    return pages
  })

/** The four records of a list, the second of which is odd. */
const withOdd =
  (odd: object): Answers =>
  () => ({ value: [record(0), record(1, odd), record(2), record(3)] })

const odd = (commands: unknown) => ({ commands })

describe("A record of a list", () => {
  it.effect.each([
    { what: "a result code in text", over: { errorHResult: "0x80004005" } },
    { what: "an error that is null", over: odd([{ ...command, errors: [null] }]) },
    { what: "errors that are null", over: odd([{ ...command, errors: null }]) },
    { what: "an error that is an object", over: odd([{ ...command, errors: [{ code: 5, message: "denied" }] }]) },
    {
      what: "a parameter that is a number",
      over: odd([{ ...command, command: { params: [{ key: "T", value: 6 }] } }]),
    },
    { what: "a command that is null", over: odd([{ ...command, command: null }]) },
    { what: "a list item that is null", over: odd([null]) },
    { what: "no commands", over: { commands: null } },
    { what: "an index in text", over: odd([{ ...command, index: "0" }]) },
    { what: "a type that is null", over: { type: null } },
    { what: "a status that is null", over: { status: null } },
    { what: "a date that is a number", over: { creationDateTimeUtc: 5, lastUpdateDateTimeUtc: {} } },
    { what: "members of other types", over: { machineId: 1, requestor: {}, computerDnsName: [] } },
  ])("is read with $what", ({ over }) =>
    Effect.gen(function* () {
      const { exit, ids, warnings } = yield* walk(withOdd(over))
      assert.strictEqual(exit._tag, "Success")
      assert.deepStrictEqual(ids, [0, 1, 2, 3])
      assert.deepStrictEqual(warnings, [])
    }),
  )

  it.effect.each([
    { over: { id: null }, why: "record 2 of the list can't be read: its id is not a GUID" },
    { over: { id: "x\ny" }, why: "record 2 of the list (x y) can't be read: its id is not a GUID" },
    { over: odd("none"), why: `record 2 of the list (${idOf(1)}) can't be read: its commands are not a list` },
  ])("is reported once where it can't be read, and costs the others nothing: $why", ({ over, why }) =>
    Effect.gen(function* () {
      const { exit, ids, warnings } = yield* walk(withOdd(over))
      assert.strictEqual(exit._tag, "Success")
      assert.deepStrictEqual(ids, [0, 2, 3])
      assert.deepStrictEqual(warnings, [why])
    }),
  )

  it.effect("is reported once where it can't be read, however often its list is requested", () =>
    Effect.gen(function* () {
      const { ids, warnings } = yield* walk(withOdd(odd("none")), undefined, 3)
      assert.deepStrictEqual([ids.length, warnings.length], [9, 1])
    }),
  )

  it.effect("costs the others nothing where it is not JSON", () =>
    Effect.gen(function* () {
      const [first = "", second = ""] = [record(0), record(1)].map((value) => JSON.stringify(value))
      const deep = "[".repeat(5000) + "]".repeat(5000)
      const body = `\ufeff{"@odata.context":"x","value":[${first},{"id":tru},{"a":"\\"}]"},${deep} , ${second}]}`
      const { exit, ids, warnings } = yield* walk(() => body)
      assert.strictEqual(exit._tag, "Success")
      assert.deepStrictEqual(ids, [0, 1])
      assert.deepStrictEqual(warnings, [
        "record 2 of the list can't be read: it is not JSON; 2 more of its records can't be read",
      ])
      const [page] = yield* collectPage(body)
      assert.deepStrictEqual(
        page?.unreadable.map(({ description, index }) => [index, description]),
        [
          [1, "it is not JSON"],
          [2, "its id is not a GUID"],
          [3, "it nests more than 64 deep"],
        ],
      )
    }),
  )

  it.effect.prop(
    "may be anything, and costs its neighbours nothing",
    [Arbitrary.schema(Schema.Array(Schema.Json))],
    ([values]) =>
      Effect.gen(function* () {
        const [page] = yield* collectPage(JSON.stringify({ value: [record(0), ...values, record(1)] }))
        const found = page?.actions.map(({ id }) => id) ?? []
        assert.includeMembers(found, [idOf(0), idOf(1)])
        assert.strictEqual(found.length + (page?.unreadable.length ?? 0), values.length + 2)
        for (const value of values) Result.match(MachineAction.fromApi(value), { onSuccess: String, onFailure: String })
      }),
  )

  it.effect.prop(
    "may have any members but its id, and any index of a command up to 999",
    [
      Arbitrary.schema(
        Schema.Struct({
          type: Schema.Json,
          status: Schema.Json,
          machineId: Schema.Json,
          creationDateTimeUtc: Schema.Json,
          errorHResult: Schema.Json,
          commands: Schema.Array(
            Schema.Union([
              Schema.Json,
              Schema.Struct({
                index: Schema.Json,
                startTime: Schema.Json,
                errors: Schema.Json,
                commandStatus: Schema.Json,
                command: Schema.Struct({
                  type: Schema.Json,
                  params: Schema.Array(Schema.Struct({ key: Schema.Json, value: Schema.Json })),
                }),
              }),
            ]),
          ),
        }),
      ),
    ],
    ([over]) =>
      Effect.gen(function* () {
        const read = MachineAction.fromApi({ ...over, id: idOf(7) })
        if (Result.isFailure(read)) {
          assert.match(read.failure, /^one of its commands has the index \d{4,}, and 999 is the largest$/)
          return
        }
        const action = read.success
        assert.strictEqual(action.commands.length, over.commands.length)
        // What it became is what the library itself writes and reads.
        const codec = Schema.fromJsonString(MachineAction.MachineAction)
        assert.deepStrictEqual(yield* Schema.decodeEffect(codec)(yield* Schema.encodeEffect(codec)(action)), action)
      }),
  )
})

describe("A page", () => {
  it.effect.each([
    { body: '{"value":null}', why: 'its "value" is null' },
    { body: '{"value":"x"}', why: 'its "value" is a string' },
    { body: "{}", why: 'it has no "value"' },
    { body: "", why: "it is not a JSON object" },
    { body: "<!DOCTYPE html>", why: "it is not a JSON object" },
    { body: '{"value":[{"id":1}', why: "it ends too early" },
    { body: '{"value":[{"id":"', why: "it ends too early" },
    { body: '{"value":[{}{}]}', why: "it ends too early" },
    { body: '{"value":[] "x":1}', why: "it is not JSON at character 12" },
    { body: '{"value":[],"@odata.nextLink":5}', why: "the address of the next page is not text" },
  ])("fails with the reason where it is not a page: $body", ({ body, why }) =>
    Effect.gen(function* () {
      const { exit } = yield* walk(() => body)
      assert.strictEqual(exit._tag, "Failure")
      assert.include(String(exit), `list of machine actions: unexpected answer (${why})`)
    }),
  )

  it.effect.prop(
    "is the same however its bytes are cut",
    [Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 2 ** 31 }))],
    ([seed]) =>
      Effect.gen(function* () {
        const random = seededRandom(seed)
        // Longer than what is joined at once, with a character of each length and an escape wherever it is cut.
        const requestorComment = 'aé中𝄞"\\\u0001'.repeat(30)
        const value = Array.from({ length: 600 }, (_, n) => record(n, n % 90 === 0 ? { id: n } : { requestorComment }))
        const space = () => " \n".repeat(Math.floor(random() * 3))
        // A number has no end of its own.
        const records = value.map((item) => `${space()}${JSON.stringify(item)}${space()},${"1".repeat(300)}`).join(",")
        const body = `\ufeff {"@odata.context":"x"${space()},"value":[${records}]${space()},"@odata.count":${600}}`
        const bytes = utf8(body)
        const chunks: Array<Uint8Array> = []
        for (let at = 0; at < bytes.length;) {
          const length = 1 + Math.floor(random() ** 6 * 200_000)
          chunks.push(bytes.slice(at, at + length))
          at += length
        }
        const pages = yield* collectAnswer(HttpServerResponse.stream(Stream.fromIterable(chunks)))
        assert.deepStrictEqual(pages, yield* collectPage(body.slice(1)))
        assert.strictEqual(pages[0]?.actions.length, 593)
        assert.isTrue(pages[0]?.actions.every((action) => action.requestorComment === requestorComment))
      }),
    { arbitrary: { runs: 10 } },
  )

  it.effect("lets other fibers run while it is decoded, however long it is", () =>
    Effect.gen(function* () {
      const turnsDuring = Effect.fnUntraced(function* (count: number) {
        const requestorComment = "x".repeat(2000)
        const value = Array.from({ length: count }, (_, n) => record(n, { requestorComment }))
        let turns = 0
        const others = yield* Effect.forkChild(
          Effect.forever(
            Effect.andThen(
              Effect.sync(() => turns++),
              Effect.yieldNow,
            ),
          ),
        )
        const [page] = yield* collectPage(JSON.stringify({ value }))
        yield* Fiber.interrupt(others)
        assert.strictEqual(page?.actions.length, count)
        return turns
      })
      const few = yield* turnsDuring(1)
      // 4.4 MB, in seventeen steps; a turn of the others is two.
      assert.isAtLeast((yield* turnsDuring(2000)) - few, 5)
    }),
  )

  it.effect.prop("may be any text, and is never a defect", [Schema.String, Schema.Json], ([text, json]) =>
    Effect.gen(function* () {
      for (const body of [text, JSON.stringify(json), `{"value":${text}}`, `{"value":[${text}`, `{${text}:[]}`]) {
        const exit = yield* Effect.exit(collectPage(body))
        if (exit._tag === "Failure") assert.include(String(exit), "unexpected answer")
      }
    }),
  )
})

describe("A walk through the pages", () => {
  const all = [0, 1, 2, 3].map((n) => record(n))
  const skipOf = (url: URL) => Number(url.searchParams.get("$skip") ?? 0)
  const twoAt = (url: URL, link: (skip: number) => unknown) => {
    const skip = skipOf(url)
    return { value: all.slice(skip, skip + 2), ...(skip < 2 ? { "@odata.nextLink": link(skip + 2) } : {}) }
  }

  it.effect.each([{ link: "" }, { link: " \t" }, { link: null }])("stops where the next link is '$link'", ({ link }) =>
    Effect.gen(function* () {
      const { exit, ids, requests } = yield* walk(() => ({ value: all, "@odata.nextLink": link }))
      assert.strictEqual(exit._tag, "Success")
      assert.deepStrictEqual([ids.length, requests.length], [4, 1])
    }),
  )

  it.effect.each([
    { what: "absolute", link: (n: number) => `${base}/api/machineactions?$skip=${n}` },
    { what: "relative to the server", link: (n: number) => `/api/machineactions?$skip=${n}` },
    { what: "relative to the API", link: (n: number) => `machineactions?$skip=${n}` },
    { what: "relative to the base", link: (n: number) => `api/machineactions?$skip=${n}` },
    { what: "a query alone", link: (n: number) => `?$skip=${n}` },
    { what: "without a scheme", link: (n: number) => `//api.example/api/machineactions?$skip=${n}` },
    {
      what: "of the region",
      link: (n: number) => `https://eu.api.security.microsoft.com/api/machineactions?$skip=${n}`,
    },
  ])("follows a link that is $what, on the API's own server", ({ link }) =>
    Effect.gen(function* () {
      const { exit, ids, requests } = yield* walk((url) => twoAt(url, link))
      assert.strictEqual(exit._tag, "Success")
      assert.deepStrictEqual(ids, [0, 1, 2, 3])
      assert.deepStrictEqual(requests, [`${base}/api/machineactions`, `${base}/api/machineactions?$skip=2`])
    }),
  )

  it.effect.each([{ link: 5 }, { link: "https://evil.example/x" }, { link: "https://" }])(
    "emits all of a page whose next link is $link, and then fails",
    ({ link }) =>
      Effect.gen(function* () {
        const { exit, ids, requests } = yield* walk(() => ({ value: all, "@odata.nextLink": link }))
        assert.deepStrictEqual([ids.length, requests.length], [4, 1])
        assert.include(String(exit), "list of machine actions: unexpected answer (the ")
      }),
  )

  it.effect("fails where its pages lead in a circle", () =>
    Effect.gen(function* () {
      const { exit, ids, requests } = yield* walk((url) => ({
        value: all.slice(skipOf(url), skipOf(url) + 2),
        "@odata.nextLink": `${base}/api/machineactions?$skip=${skipOf(url) === 0 ? 2 : 0}`,
      }))
      assert.deepStrictEqual(ids, [0, 1, 2, 3])
      assert.include(String(exit), "page 3 has nothing new")
      assert.strictEqual(requests.length, 3)
    }),
  )

  it.effect("fails where a mangled link leads to the same page for ever", () =>
    Effect.gen(function* () {
      let calls = 0
      const { exit, ids, requests } = yield* walk(() => ({
        value: calls === 0 ? all.slice(0, 2) : all.slice(2),
        "@odata.nextLink": `${base}/api/machineactions?${"=x&".repeat(calls++)}$skip=2`,
      }))
      assert.deepStrictEqual(ids, [0, 1, 2, 3])
      assert.include(String(exit), "page 3 has nothing new")
      assert.strictEqual(requests.length, 3)
    }),
  )

  it.effect("fails where a page links to itself, even if each call has something new", () =>
    Effect.gen(function* () {
      let n = 0
      const { exit, ids, requests } = yield* walk(() => ({
        value: [record(n++)],
        "@odata.nextLink": `${base}/api/machineactions`,
      }))
      assert.deepStrictEqual(ids, [0])
      assert.strictEqual(exit._tag, "Failure")
      assert.strictEqual(requests.length, 1)
    }),
  )

  it.effect("emits an action once that pages repeat because others were added before it", () =>
    Effect.gen(function* () {
      const { exit, ids } = yield* walk((url) =>
        skipOf(url) === 0
          ? { value: all.slice(0, 3), "@odata.nextLink": "?$skip=3" }
          : { value: [record(2, { status: "Failed" }), record(2), record(3)] },
      )
      assert.strictEqual(exit._tag, "Success")
      assert.deepStrictEqual(ids, [0, 1, 2, 3])
    }),
  )

  it.effect("requests the page after a full one, where a page size is set and no link comes", () =>
    Effect.gen(function* () {
      const { exit, ids, requests } = yield* walk(
        (url) => ({ value: all.slice(skipOf(url), skipOf(url) + Number(url.searchParams.get("$top"))) }),
        { pageSize: 2, filter: { expression: "a eq 'b&c'" } },
      )
      assert.strictEqual(exit._tag, "Success")
      assert.deepStrictEqual(ids, [0, 1, 2, 3])
      assert.deepStrictEqual(
        requests.map((url) => new URL(url).searchParams.toString()),
        ["", "&%24skip=2", "&%24skip=4"].map((skip) => `%24filter=a+eq+%27b%26c%27&%24top=2${skip}`),
      )
    }),
  )

  it.effect("does not count pages as new that have only unreadable records", () =>
    Effect.gen(function* () {
      const { exit, requests, warnings } = yield* walk((url) => ({
        value: [null, { id: 5 }],
        "@odata.nextLink": `?$skip=${skipOf(url) + 2}`,
      }))
      assert.include(String(exit), "page 2 has nothing new")
      assert.strictEqual(requests.length, 2)
      assert.strictEqual(warnings.length, 1)
    }),
  )
})

describe("a page that needs too much memory", () => {
  const megabytes = 1024 * 1024
  const fill = (unit: string, head: string, tail: string, length = 8 * megabytes) =>
    head + unit.repeat(Math.floor((length - head.length - tail.length) / unit.length)) + tail

  it.effect.each([
    { name: "numbers for records", text: fill("0,", '{"value":[', "0]}"), says: "more than 20000 records" },
    { name: "records twice", text: `{${fill("0,", '"value":[', "0],")}"value":[]}`, says: "more than 20000 records" },
    { name: "members", text: fill('"k":0,', "{", '"value":[]}'), says: "more than 1000 members" },
    {
      name: "values in records",
      text: `{"value":[${Array.from({ length: 14 }, () => fill("0,", '{"a":[', "0]}", megabytes)).join()}]}`,
      says: "more than 5000000 values",
    },
  ])("fails: $name", ({ says, text }) =>
    Effect.gen(function* () {
      const { exit } = yield* walk(() => text)
      assert.include(String(exit), says)
    }),
  )

  it.effect("is read without the members that are not needed", () =>
    Effect.gen(function* () {
      const other = fill("{},", "[", "{}]", megabytes)
      const members = Array.from({ length: 8 }, (_, n) => `"k${n}":${other}`)
      const parse = yield* Effect.acquireRelease(
        Effect.sync(() => vi.spyOn(JSON, "parse")),
        (spy) => Effect.sync(() => spy.mockRestore()),
      )
      const { exit, ids } = yield* walk(() => `{${members.join()},"value":[${JSON.stringify(record(1))}]}`)
      assert.deepStrictEqual([exit._tag, ids], ["Success", [1]])
      assert.notInclude(
        parse.mock.calls.map(([text]) => text),
        other,
      )
    }),
  )

  it.effect("describes its first hundred unreadable records, and counts the rest", () =>
    Effect.gen(function* () {
      const value = [...Array.from({ length: 5000 }, () => ({})), record(1), ...Array.from({ length: 20 }, () => 0)]
      const text = JSON.stringify({ value })
      const pages = yield* Effect.flatMap(DefenderApi.DefenderApi, (api) => Stream.runCollect(api.pages())).pipe(
        LiveResponseTest.inVirtualTime,
        Effect.provide(layerOver(scripted(HttpServerResponse.text(text)).layer, { base })),
      )
      const [page] = pages
      assert.strictEqual(page?.actions.length, 1)
      assert.strictEqual(page?.unreadable.length, 101)
      assert.deepInclude(page?.unreadable.at(-1), { index: 100, count: 4920 })
      const { warnings } = yield* walk(() => text)
      assert.deepStrictEqual(warnings, [
        "record 1 of the list can't be read: its id is not a GUID; 5019 more of its records can't be read",
      ])
    }),
  )

  it.effect("counts all its records for the address of the next page", () =>
    Effect.gen(function* () {
      const value = Array.from({ length: 500 }, (_, n) => ({ n }))
      const { requests } = yield* walk((url) => (url.href.includes("skip") ? { value: [] } : { value }), {
        pageSize: 500,
      })
      assert.include(requests[1], "$skip=500")
    }),
  )

  it.effect("has no action with more than 200 commands", () =>
    Effect.gen(function* () {
      const commands = Array.from({ length: 201 }, () => 0)
      const { ids, warnings } = yield* walk(() => ({ value: [record(1, { commands }), record(2)] }))
      assert.deepStrictEqual(ids, [2])
      assert.include(warnings.join(), "it has more than 200 commands")
    }),
  )
})
