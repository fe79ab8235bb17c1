import { assert, describe, it } from "@effect/vitest"
import { DefenderApi } from "@live-response/core/DefenderApi"
import { Fleet } from "@live-response/core/Fleet"
import { LiveResponse } from "@live-response/core/LiveResponse"
import { ActionResult, ResultRef } from "@live-response/core/ResultRef"
import * as Session from "@live-response/core/Session"
import * as LiveResponseTest from "@live-response/core/testing/LiveResponseTest"
import * as Simulator from "@live-response/core/testing/Simulator"
import * as Effect from "effect/Effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import { failureOf } from "./support/events.ts"
import { exampleRef } from "./support/refs.ts"
import { scripted } from "./support/scripted.ts"
import { layerOver } from "./support/world.ts"

const { inVirtualTime } = LiveResponseTest

const machineAt = (n: number) => String(n).repeat(40)

const session = Session.Session.make({ commands: [Session.CollectPackage.make()], comment: "case 4711" })

/** Collects a package on the machine, and names it as a person does who knows nothing but the action's id. */
const collect = (machineId: string) =>
  DefenderApi.use((api) =>
    Effect.flatMap(api.run(machineId, session), ({ id }) => api.wait(id)).pipe(
      Effect.map(({ id }) => ResultRef.make({ machineActionId: id, index: 0 })),
    ),
  )

const simulated = LiveResponseTest.layer({ machines: [1, 2, 3].map((n) => ({ id: machineAt(n) })) })

const linksOf = Effect.map(
  Simulator.Simulator.use(({ calls }) => calls),
  (calls) => calls.flatMap(({ kind }) => (kind === "link" || kind === "packageLink" ? [kind] : [])),
)

describe("the link of a result whose action is unknown", () => {
  it.effect("is that of the package if the action turns out to be one, also when it is renewed", () =>
    Effect.gen(function* () {
      const ref = yield* inVirtualTime(collect(machineAt(1)))
      const api = yield* DefenderApi
      const { url } = yield* inVirtualTime(api.downloadLink(ref))
      assert.include(Redacted.value(url), "/safedownload/")
      yield* inVirtualTime(api.downloadLink(ref, { isRenewal: true }))
      assert.deepStrictEqual(yield* linksOf, ["link", "packageLink", "packageLink"])
    }).pipe(Effect.provide(simulated)),
  )

  it.effect("is waited for with the name of its quota", () =>
    Effect.gen(function* () {
      const refs = yield* inVirtualTime(Effect.forEach([1, 2, 3], (n) => collect(machineAt(n))))
      const { saveAll } = yield* LiveResponse
      const events = yield* inVirtualTime(Stream.runCollect(saveAll(Stream.fromIterable(refs))), "2 minutes")
      assert.deepStrictEqual(
        events.flatMap((event) => (event.event === "waiting" ? [event.api] : [])),
        ["GetPackageUri"],
      )
      assert.strictEqual(events.filter(({ event }) => event === "completed").length, 3)
    }).pipe(Effect.provide(simulated)),
  )

  it.effect("is known from the end of its session, whose action has no commands", () =>
    Effect.gen(function* () {
      const { run } = yield* Fleet
      const events = yield* inVirtualTime(Stream.runCollect(run(Stream.make(machineAt(1)), session)), "1 day")
      const [action] = events.flatMap((event) => (event.event === "ended" ? [event.action] : []))
      assert.deepStrictEqual([action?.type, action?.commands], ["CollectInvestigationPackage", []])
    }).pipe(Effect.provide(simulated)),
  )

  const refused = (status: number) =>
    HttpServerResponse.jsonUnsafe({ error: { code: "Code", message: "Sentence." } }, { status })
  const action = (type: string) =>
    HttpServerResponse.jsonUnsafe({ id: exampleRef.machineActionId, type, status: "Succeeded", commands: [] })
  const packageLink = HttpServerResponse.jsonUnsafe({ value: '"https://core.windows.net/package.zip?token=a"' })

  it.effect.each([400, 404])("is that of the package after a %i, as an independent server answers", (status) => {
    const { layer, requests } = scripted(refused(status), action("CollectInvestigationPackage"), packageLink)
    return Effect.gen(function* () {
      const api = yield* DefenderApi
      const { url } = yield* inVirtualTime(api.downloadLink(exampleRef))
      assert.strictEqual(Redacted.value(url), "https://core.windows.net/package.zip?token=a")
      assert.deepStrictEqual(
        requests.map(({ url }) => url.split(exampleRef.machineActionId)[1]),
        ["/GetLiveResponseResultDownloadLink(index=0)", "", "/getPackageUri"],
      )
    }).pipe(Effect.provide(layerOver(layer)))
  })

  it.effect.each([
    { name: "a session", ref: exampleRef, answers: [refused(404), action("LiveResponse")] },
    { name: "an action that can't be read", ref: exampleRef, answers: [refused(404), refused(403)] },
    { name: "another index", ref: ResultRef.make({ ...exampleRef, index: 1 }), answers: [refused(404)] },
    { name: "a known session", ref: ActionResult.make({ ...exampleRef }), answers: [refused(404)] },
  ])("stays refused for $name", ({ answers, ref }) => {
    const { layer, requests } = scripted(...answers)
    return Effect.gen(function* () {
      const api = yield* DefenderApi
      const exit = yield* Effect.exit(inVirtualTime(api.downloadLink(ref)))
      assert.include((yield* failureOf(exit)).message, `link of ${ref}: not found`)
      assert.strictEqual(requests.length, answers.length)
    }).pipe(Effect.provide(layerOver(layer)))
  })
})
