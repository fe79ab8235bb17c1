import { inspect } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import * as BatchEvent from "@live-response/core/BatchEvent"
import { DefenderApi } from "@live-response/core/DefenderApi"
import { LiveResponse } from "@live-response/core/LiveResponse"
import * as ResultRef from "@live-response/core/ResultRef"
import * as Session from "@live-response/core/Session"
import * as LiveResponseTest from "@live-response/core/testing/LiveResponseTest"
import { Simulator } from "@live-response/core/testing/Simulator"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as Metric from "effect/Metric"
import * as References from "effect/References"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Tracer from "effect/Tracer"
import { utf8 } from "./support/bytes.ts"
import { refsUpTo } from "./support/refs.ts"
import { recording } from "./support/recording.ts"

const encodeEvent = Schema.encodeEffect(Schema.fromJsonString(BatchEvent.BatchEvent))

/** Everything that an inspection of a value shows. */
const everything = (value: unknown) => inspect(value, { depth: 12, showHidden: true, maxArrayLength: null })

const machine = { id: "1e5bc9d7e413ddd7902c2932e418702b84d0cc07" }

describe("secrets", () => {
  it.effect("are in no span, no log, no metric, no event and no error, whatever goes wrong", () =>
    Effect.gen(function* () {
      const { logger, logs, spans, tracer } = recording()

      const simulator = yield* Simulator
      const refs = refsUpTo(9)
      const faults = [
        { blobFaults: [{ fault: "expire" }] },
        { blobFaults: [{ fault: "expire" }, { fault: "expire" }] },
        { blobFaults: [{ fault: "cut", after: 3 }] },
        { blobFaults: [{ fault: "stall", after: 3 }] },
        { blobFaults: [{ fault: "status", status: 404 }] },
        { linkFaults: [{ fault: "throttle", retryAfter: 3 }] },
        { linkFaults: [{ fault: "status", status: 400 }] },
        { blobFaults: [{ fault: "status", status: 503 }] },
      ] as const
      yield* Effect.forEach(faults, (fault, i) => {
        const ref = refs[i]
        return ref === undefined ? Effect.void : simulator.add(ref, { content: utf8("hello, world"), ...fault })
      })
      const live = yield* LiveResponse
      const events = yield* LiveResponseTest.inVirtualTime(
        Stream.runCollect(live.saveAll(Stream.fromIterable(refs))),
      ).pipe(
        Effect.withSpan("batch"),
        Effect.provideService(Tracer.Tracer, tracer),
        Effect.provideService(References.MinimumLogLevel, "All"),
        Effect.provide(Logger.layer([logger])),
      )
      assert.deepInclude(events.at(-1), { event: "summary", completed: 5, failed: 4 })
      assert.isAbove(spans.length, 20)

      const links = (yield* simulator.calls).filter(({ kind }) => kind === "blob").map(({ url }) => new URL(url).search)
      const tokens = (yield* simulator.calls).flatMap(
        ({ headers }) => headers.authorization?.slice("Bearer ".length) ?? [],
      )
      const secrets = [...links, ...links.map((link) => new URLSearchParams(link).get("sig") ?? ""), ...tokens]
      assert.isAbove(new Set(secrets).size, 10)
      const json = yield* Effect.forEach(events, (event) => encodeEvent(event))
      const seen = {
        spans: everything(spans),
        logs: everything(logs),
        metrics: everything(yield* Metric.snapshot),
        events: everything(events) + json.join("\n"),
      }
      for (const [place, text] of Object.entries(seen)) {
        for (const secret of secrets) assert.isFalse(text.includes(secret), `${secret} is in ${place}`)
      }
      // The spans would show it if it were there: they name the host and the path.
      assert.include(seen.spans, "GetLiveResponseResultDownloadLink")
    }).pipe(Effect.provide(LiveResponseTest.layer()), Effect.provideService(Metric.MetricRegistry, new Map())),
  )

  it.effect("are in no span, no log, no event and no error of an investigation package", () =>
    Effect.gen(function* () {
      const { logger, logs, spans, tracer } = recording()
      const simulator = yield* Simulator
      const api = yield* DefenderApi
      const live = yield* LiveResponse
      const collect = Effect.gen(function* () {
        const { id } = yield* api.run(
          machine.id,
          Session.Session.make({ commands: [Session.CollectPackage.make()], comment: "case 4711" }),
        )
        yield* api.wait(id)
        const ref = ResultRef.ActionResult.make({ machineActionId: id, index: 0, isPackage: true })
        return yield* Stream.runCollect(live.saveAll(Stream.make(ref)))
      })
      const events = yield* LiveResponseTest.inVirtualTime(collect).pipe(
        Effect.withSpan("batch"),
        Effect.provideService(Tracer.Tracer, tracer),
        Effect.provideService(References.MinimumLogLevel, "All"),
        Effect.provide(Logger.layer([logger])),
      )
      assert.deepInclude(events.at(-1), { event: "summary", completed: 1 })
      const tokens = (yield* simulator.calls).flatMap(({ url }) =>
        url.includes("/safedownload/") ? [new URL(url).search, new URL(url).searchParams.get("token") ?? ""] : [],
      )
      assert.strictEqual(tokens.length, 2)
      // What an exporter gets. The spans themselves lead to the requests of the simulator, which is in this process.
      const exported = spans.map(({ attributes, name }) => [name, Array.from(attributes)])
      const seen = everything(exported) + everything(logs) + everything(events)
      for (const token of tokens) assert.isFalse(seen.includes(token), token)
      assert.include(seen, "safedownload")
    }).pipe(Effect.provide(LiveResponseTest.layer({ machines: [machine] }))),
  )
})
