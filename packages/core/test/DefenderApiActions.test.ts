import { assert, describe, it } from "@effect/vitest"
import * as ActionFilter from "@live-response/core/ActionFilter"
import type { ApiError } from "@live-response/core/ApiError"
import * as DefenderApi from "@live-response/core/DefenderApi"
import { MachineActionId } from "@live-response/core/MachineAction"
import * as Timing from "@live-response/core/Timing"
import * as Session from "@live-response/core/Session"
import * as LiveResponseTest from "@live-response/core/testing/LiveResponseTest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { scripted } from "./support/scripted.ts"
import { layerOver } from "./support/world.ts"

const { inVirtualTime } = LiveResponseTest

const id = Schema.decodeSync(MachineActionId)("988cc94e-7a8f-4b28-ab65-54970c5d5018")

const action = (status: string, n = 5018) => ({
  id: id.slice(0, -4) + String(n).padStart(4, "0"),
  type: "LiveResponse",
  status,
})

const json = (body: unknown, status = 200, headers: Record<string, string> = {}) =>
  HttpServerResponse.jsonUnsafe(body, { status, headers })

const apiError = (status: number, code: string, headers?: Record<string, string>) =>
  json({ error: { code, message: "No." } }, status, headers)

const base = "https://api.example"

/** Runs a call over a scripted API, in virtual time. Returns its result and the requests. */
const over = <A, E>(
  use: (api: DefenderApi.Service) => Effect.Effect<A, E>,
  ...answers: ReadonlyArray<HttpServerResponse.HttpServerResponse>
) =>
  Effect.gen(function* () {
    const { layer, requests } = scripted(...answers)
    const exit = yield* inVirtualTime(Effect.exit(Effect.flatMap(DefenderApi.DefenderApi, use)), "5 days").pipe(
      Effect.provide(layerOver(layer, { base })),
    )
    return { exit, requests, result: exit._tag === "Success" ? exit.value : undefined }
  })

describe("DefenderApi.list", () => {
  const pageOf = (from: number, count: number, next?: string) =>
    json({
      value: Array.from({ length: count }, (_, i) => action("Succeeded", from + i)),
      ...(next === undefined ? {} : { "@odata.nextLink": next }),
    })

  it.effect("requests each page once, when it is pulled", () =>
    Effect.gen(function* () {
      const pages = [
        pageOf(0, 3, `${base}/api/machineactions?$skip=3`),
        pageOf(3, 3, `${base}/api/machineactions?$skip=6`),
      ]
      const some = yield* over((api) => Stream.runCollect(Stream.take(api.list(), 3)), ...pages)
      assert.strictEqual(some.result?.length, 3)
      assert.strictEqual(some.requests.length, 1)

      const all = yield* over((api) => Stream.runCollect(api.list()), ...pages, pageOf(6, 1))
      assert.deepStrictEqual(
        all.result?.map((action) => action.id.slice(-4)),
        ["0000", "0001", "0002", "0003", "0004", "0005", "0006"],
      )
      assert.strictEqual(all.requests.length, 3)
    }),
  )

  it.effect("names the next page in each page, and resumes from there", () =>
    Effect.gen(function* () {
      const next = `${base}/api/machineactions?$filter=x&$skip=2`
      const first = yield* over((api) => Stream.runHead(api.pages()), pageOf(0, 2, next))
      assert.deepStrictEqual(first.result?._tag === "Some" ? first.result.value.next : undefined, next)
      const rest = yield* over((api) => Stream.runCollect(api.pages({ from: next })), pageOf(2, 1))
      assert.strictEqual(rest.requests[0]?.url, next)
      assert.isFalse(rest.result?.[0] !== undefined && "next" in rest.result[0])
    }),
  )

  it.effect("encodes the filter, so that nothing in it ends it", () =>
    Effect.gen(function* () {
      const filter = ActionFilter.is("requestor", "o'brien&$top=1@contoso.com")
      const { requests } = yield* over((api) => Stream.runDrain(api.list({ filter, pageSize: 100 })), pageOf(0, 0))
      const { searchParams } = new URL(requests[0]?.url ?? "")
      assert.strictEqual(searchParams.get("$filter"), "requestor eq 'o''brien&$top=1@contoso.com'")
      assert.strictEqual(searchParams.get("$top"), "100")
    }),
  )

  it.effect("sends the token to no other server, whatever a page says", () =>
    Effect.gen(function* () {
      const elsewhere = "https://evil.example/machineactions?$skip=1"
      const { exit, requests } = yield* over((api) => Stream.runDrain(api.list()), pageOf(0, 1, elsewhere))
      assert.strictEqual(exit._tag, "Failure")
      assert.include(String(exit), "another server")
      assert.strictEqual(requests.length, 1)

      const ofList = "https://evil.example/api/machineactions?$skip=1"
      const followed = yield* over((api) => Stream.runDrain(api.list()), pageOf(0, 1, ofList), pageOf(1, 1))
      assert.deepStrictEqual(
        followed.requests.map(({ url }) => url),
        [`${base}/api/machineactions`, `${base}/api/machineactions?$skip=1`],
      )
    }),
  )

  it.effect("resumes with the same page after a 503 and a 429", () =>
    Effect.gen(function* () {
      const next = `${base}/api/machineactions?$skip=1`
      const answers = [
        pageOf(0, 1, next),
        apiError(503, "Busy"),
        apiError(429, "429", { "retry-after": "9" }),
        pageOf(1, 1),
      ]
      const { requests, result } = yield* over((api) => Stream.runCollect(api.list()), ...answers)
      assert.strictEqual(result?.length, 2)
      assert.deepStrictEqual(
        requests.map(({ url }) => url),
        [`${base}/api/machineactions`, next, next, next],
      )
    }),
  )
})

describe("DefenderApi.wait", () => {
  it.effect("polls until the action is final, also where it is unknown at first", () =>
    Effect.gen(function* () {
      const unknown = apiError(404, "ResourceNotFound")
      const answers = [unknown, unknown, json(action("Pending")), json(action("InProgress")), json(action("TimeOut"))]
      const { requests, result } = yield* over((api) => api.wait(id), ...answers)
      assert.strictEqual(result?.status, "TimeOut")
      assert.strictEqual(requests.length, 5)
      assert.strictEqual(requests[0]?.url, `${base}/api/machineactions/${id}`)
    }),
  )

  it.effect("gives up after two minutes on an action that stays unknown", () =>
    Effect.gen(function* () {
      const unknown = Array.from({ length: 60 }, () => apiError(404, "ResourceNotFound"))
      const { exit, requests } = yield* over((api) => api.wait(id), ...unknown)
      assert.include(String(exit), "not found")
      assert.isAtMost(requests.length, 26)
      assert.isAtLeast(requests.length, 20)
    }),
  )

  it.effect("returns the action as it is when the schedule stops", () =>
    Effect.gen(function* () {
      const pending = Array.from({ length: 5 }, () => json(action("Pending")))
      const impatient = Timing.layer({ poll: Schedule.spaced("1 second").pipe(Schedule.upTo({ times: 2 })) })
      const { layer, requests } = scripted(...pending)
      const result = yield* inVirtualTime(Effect.flatMap(DefenderApi.DefenderApi, (api) => api.wait(id))).pipe(
        Effect.provide(Layer.provide(layerOver(layer, { base }), impatient)),
      )
      assert.strictEqual(result.status, "Pending")
      assert.strictEqual(requests.length, 3)
    }),
  )
})

describe("DefenderApi.machinesOf", () => {
  const machineId = "1e5bc9d7e413ddd7902c2932e418702b84d0cc07"
  const filterOf = ({ url }: { readonly url: string }) => new URL(url).searchParams.get("$filter")

  it.effect("quotes the name in the filter, sends it as written, and tolerates nulls", () =>
    Effect.gen(function* () {
      const value = [
        { id: machineId, computerDnsName: "ws'1", lastSeen: "2026-08-02T14:55:03.7791856Z" },
        { id: machineId, computerDnsName: null, lastSeen: null },
      ]
      const { requests, result } = yield* over((api) => api.machinesOf("WS'1"), json({ value }))
      const { pathname } = new URL(requests[0]?.url ?? "")
      assert.strictEqual(pathname, "/api/machines")
      assert.deepStrictEqual(requests.map(filterOf), ["computerDnsName eq 'WS''1'"])
      assert.deepStrictEqual(
        result?.map(({ computerDnsName, id, lastSeen }) => [id, computerDnsName, lastSeen !== undefined]),
        [
          [machineId, "ws'1", true],
          [machineId, undefined, false],
        ],
      )
    }),
  )

  it.effect("asks once more in other cases where no machine is found, and returns no other machine", () =>
    Effect.gen(function* () {
      const found = json({ value: [{ id: machineId, computerDnsName: "c-lab-31" }] })
      const none = json({ value: [{ id: "2".repeat(40), computerDnsName: "another" }] })
      const lower = yield* over((api) => api.machinesOf("C-Lab-31"), none, found)
      assert.deepStrictEqual(lower.requests.map(filterOf), [
        "computerDnsName eq 'C-Lab-31'",
        "(computerDnsName eq 'c-lab-31' or computerDnsName eq 'C-LAB-31')",
      ])
      assert.deepStrictEqual(
        lower.result?.map(({ id }) => id),
        [machineId],
      )
      const upper = yield* over((api) => api.machinesOf("c-lab-31.contoso.com"), none)
      assert.deepStrictEqual(
        [upper.result?.length, upper.requests.map(filterOf).at(-1)],
        [0, "(computerDnsName eq 'C-LAB-31.CONTOSO.COM' or computerDnsName eq 'C-LAB-31.contoso.com')"],
      )
    }),
  )

  it.effect("returns no machine after a 404", () =>
    Effect.gen(function* () {
      const { result } = yield* over((api) => api.machinesOf("ws-1"), apiError(404, "ResourceNotFound"))
      assert.deepStrictEqual(result, [])
    }),
  )

  it.effect("fails where a machine of that name can't be read, because it may be the right one", () =>
    Effect.gen(function* () {
      const value = [
        { id: machineId, computerDnsName: "ws-1" },
        { id: null, computerDnsName: "ws-1" },
      ]
      const { exit } = yield* over((api) => api.machinesOf("ws-1"), json({ value }))
      assert.include(String(exit), "record 2 of the list can't be read: it has no id")
    }),
  )
})

describe("DefenderApi.run and cancel", () => {
  const session = Session.Session.make({
    commands: [
      Session.PutFile.make({ fileName: "a.exe" }),
      Session.RunScript.make({ scriptName: "b.ps1", args: "-Quick" }),
      Session.RunScript.make({ scriptName: "c.ps1" }),
      Session.GetFile.make({ path: "C:\\d" }),
    ],
    comment: "case 4711",
  })

  it("sends the commands in the API's own shape", () => {
    assert.deepStrictEqual(Session.toApi(session), {
      Commands: [
        { type: "PutFile", params: [{ key: "FileName", value: "a.exe" }] },
        {
          type: "RunScript",
          params: [
            { key: "ScriptName", value: "b.ps1" },
            { key: "Args", value: "-Quick" },
          ],
        },
        { type: "RunScript", params: [{ key: "ScriptName", value: "c.ps1" }] },
        { type: "GetFile", params: [{ key: "Path", value: "C:\\d" }] },
      ],
      Comment: "case 4711",
    })
  })

  it.effect("accepts no session without commands or in another order", () =>
    Effect.gen(function* () {
      const decode = Schema.decodeUnknownEffect(Session.Session)
      const put = { _tag: "PutFile", fileName: "a" }
      const get = { _tag: "GetFile", path: "b" }
      const wrong = yield* Effect.flip(decode({ commands: [get, put], comment: "c" }))
      assert.include(wrong.message, "PutFile, RunScript, GetFile")
      yield* Effect.flip(decode({ commands: [], comment: "c" }))
      yield* Effect.flip(decode({ commands: [put], comment: "" }))
      yield* decode({ commands: [put, put, get, get], comment: "c" })
    }),
  )

  it.effect("starts a session, with 201 or 200", () =>
    Effect.gen(function* () {
      for (const status of [200, 201]) {
        const { requests, result } = yield* over((api) => api.run("m/1", session), json(action("Pending"), status))
        assert.strictEqual(result?.status, "Pending")
        assert.strictEqual(requests[0]?.request.method, "POST")
        assert.strictEqual(requests[0]?.url, `${base}/api/machines/m%2F1/runliveresponse`)
      }
    }),
  )

  it.effect("repeats a call that started nothing, and not one that may have started a session", () =>
    Effect.gen(function* () {
      const throttled = apiError(429, "429", { "retry-after": "9" })
      const started = yield* over((api) => api.run("m", session), throttled, json(action("Pending"), 201))
      assert.strictEqual(started.result?.status, "Pending")
      const unsure = yield* over((api) => api.run("m", session), apiError(503, "Busy"), json(action("Pending"), 201))
      assert.strictEqual(unsure.exit._tag, "Failure")
      assert.strictEqual(unsure.requests.length, 1)
    }),
  )

  it.effect("starts ten sessions a minute, while other calls have limits of their own", () =>
    Effect.gen(function* () {
      const answers = Array.from({ length: 25 }, () => json(action("Pending"), 201))
      const { result } = yield* over(
        (api) =>
          Effect.gen(function* () {
            const startedAt = yield* Clock.currentTimeMillis
            const at = (call: Effect.Effect<unknown, ApiError>) =>
              Effect.andThen(
                call,
                Effect.map(Clock.currentTimeMillis, (now) => Math.floor((now - startedAt) / 1000)),
              )
            const runs = Effect.all(
              Array.from({ length: 12 }, () => at(api.run("m", session))),
              { concurrency: "unbounded" },
            )
            const gets = Effect.all(
              Array.from({ length: 12 }, () => at(api.get(id))),
              { concurrency: "unbounded" },
            )
            return yield* Effect.all({ runs, gets }, { concurrency: 2 })
          }),
        ...answers,
      )
      assert.deepStrictEqual(
        result?.runs.map((second) => second >= 60),
        [...Array.from({ length: 10 }, () => false), true, true],
      )
      assert.isTrue(result?.gets.every((second) => second < 60))
    }),
  )

  it.effect("cancels with a comment", () =>
    Effect.gen(function* () {
      const { requests, result } = yield* over((api) => api.cancel(id, "wrong machine"), json(action("Cancelled")))
      assert.strictEqual(result?.status, "Cancelled")
      assert.strictEqual(requests[0]?.url, `${base}/api/machineactions/${id}/cancel`)
      assert.strictEqual(requests[0]?.request.method, "POST")
    }),
  )
})
