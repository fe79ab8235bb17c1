/** An answer that is not from the API, such as a gateway's page, says nothing about a machine, an action or a permission. */
import { assert, describe, it } from "@effect/vitest"
import type { ApiError } from "@live-response/core/ApiError"
import * as DefenderApi from "@live-response/core/DefenderApi"
import type { DefenderError } from "@live-response/core/DefenderError"
import type { FleetEvent } from "@live-response/core/FleetEvent"
import * as LiveResponseTest from "@live-response/core/testing/LiveResponseTest"
import * as Credential from "@live-response/core/Credential"
import * as Quota from "@live-response/core/Quota"
import * as QuotaStore from "@live-response/core/QuotaStore"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import { machineIds, machines } from "./support/fleets.ts"
import {
  kinds,
  oneEach,
  overService,
  page,
  refusal,
  run,
  type Sent,
  sessionsOf,
  type Weather,
} from "./support/network.ts"
import { refAt } from "./support/refs.ts"
import { scripted } from "./support/scripted.ts"

const { inVirtualTime } = LiveResponseTest

const gateway = (status: number) =>
  HttpServerResponse.text("<html><title>Web gateway</title></html>", {
    status,
    contentType: "text/html",
    headers: { server: "gateway" },
  })

const foreign = [
  { name: "a page", answer: gateway },
  { name: "nothing", answer: (status: number) => HttpServerResponse.empty({ status }) },
  { name: "JSON of its own", answer: (status: number) => HttpServerResponse.jsonUnsafe({ detail: "no" }, { status }) },
]

const reasonWith = <A>(
  answer: HttpServerResponse.HttpServerResponse,
  use: (api: DefenderApi.Service) => Effect.Effect<A, ApiError>,
) => {
  const layer = DefenderApi.layer({ base: "https://api.security.microsoft.com" }).pipe(
    Layer.provide([scripted(answer).layer, Credential.layerToken(Redacted.make("token-for-tests"))]),
    Layer.provide(Quota.layer().pipe(Layer.provide(QuotaStore.layerMemory))),
  )
  return DefenderApi.DefenderApi.pipe(
    Effect.flatMap(use),
    Effect.flip,
    inVirtualTime,
    Effect.provide(layer),
    Effect.map((error) => (error._tag === "DefenderError" ? error : undefined)),
  )
}

const isUnexpected = (error: DefenderError | undefined, status: number) => {
  assert.strictEqual(error?.reason._tag, "UnexpectedAnswer", error?.message)
  assert.include(error?.message, `HTTP ${status}`)
}

describe("an error without the API's error document", () => {
  const each = [400, 403, 404, 407, 409].flatMap((status) => foreign.map((one) => ({ ...one, status })))

  it.effect.each(each)("is not an answer of the API: HTTP $status with $name", ({ answer, status }) =>
    Effect.gen(function* () {
      isUnexpected(yield* reasonWith(answer(status), (api) => api.downloadLink(refAt(0))), status)
      isUnexpected(yield* reasonWith(answer(status), (api) => Stream.runDrain(api.pages())), status)
      isUnexpected(yield* reasonWith(answer(status), (api) => api.get(refAt(0).machineActionId)), status)
      isUnexpected(yield* reasonWith(answer(status), (api) => api.machinesOf("ws-1")), status)
    }),
  )

  it.effect("is reported with its headers", () =>
    Effect.gen(function* () {
      const error = yield* reasonWith(gateway(404), (api) => api.downloadLink(refAt(0)))
      assert.include(error?.message, "HTTP 404, text/html, gateway, without the API's error document")
    }),
  )
})

/** A run that is killed once all of its sessions have started, and then the next run, with `--retry-failed`. */
const killedAndRetried = (weather: (sent: Sent) => Weather, count: number) =>
  Effect.gen(function* () {
    const ids = machineIds(count)
    const first: Array<FleetEvent> = []
    const running = yield* Effect.forkChild(run(() => ({}), ids, {}, first))
    while (kinds(first)["started"] !== count) yield* Effect.sleep("100 millis")
    yield* Fiber.interrupt(running)
    yield* Effect.sleep("5 minutes")
    return yield* run(weather, ids, { retryFailed: true })
  })

describe("Fleet.run, if a gateway answers instead of the API", () => {
  it.effect.each([
    { name: "a gateway's page", answer: gateway(404) },
    { name: "the API's own 404 for the list", answer: refusal(404, "ResourceNotFound") },
    { name: "a gateway's 403", answer: gateway(403) },
    { name: "a gateway's 400", answer: gateway(400) },
  ])("does not start a known session again because of $name", ({ answer }) =>
    Effect.gen(function* () {
      const events = yield* inVirtualTime(
        killedAndRetried(({ kind, nth }) => (kind === "list" && nth < 60 ? { instead: answer } : {}), 2),
        "1 day",
      )
      assert.deepStrictEqual(yield* sessionsOf, oneEach(2))
      assert.strictEqual(kinds(events)["ended"], 2)
    }).pipe(overService({ machines: machines(2), commandTime: "1 minute" })),
  )

  it.effect.each([400, 401, 403, 404, 407, 409, 429].flatMap((status) => foreign.map((one) => ({ ...one, status }))))(
    "requests a session once if the gateway replaces the answer: HTTP $status with $name",
    ({ answer, status }) =>
      Effect.gen(function* () {
        const events = yield* inVirtualTime(
          run(({ kind }) => (kind === "run" ? { answer: answer(status) } : {}), machineIds(1)),
          "1 day",
        )
        assert.deepStrictEqual(yield* sessionsOf, oneEach(1))
        assert.strictEqual(kinds(events)["ended"], 1)
      }).pipe(overService({ machines: machines(1), commandTime: "1 minute" })),
  )

  it.effect.each([
    { code: "ERR_SSL_WRONG_VERSION_NUMBER", message: "wrong version number" },
    { code: "ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE", message: "sslv3 alert handshake failure" },
    { code: "ERR_SSL_UNSUPPORTED_PROTOCOL", message: "unsupported protocol" },
    { code: "EPROTO", message: "write EPROTO" },
    { code: "ETIMEDOUT", message: "read ETIMEDOUT" },
    { code: "UND_ERR_INVALID_ARG", message: "Proxy Authentication Required (407)" },
  ])("requests a session once if its connection breaks with $code", ({ code, message }) =>
    Effect.gen(function* () {
      const trouble = Object.assign(new Error(message), { code })
      const hidden = page(200, `{"value":[]}`)
      // The first run is killed before the session becomes visible, and the next one decides by what it recorded.
      const first = run(({ kind }) => (kind === "run" ? { answer: trouble } : { instead: hidden }), machineIds(1))
      yield* inVirtualTime(Effect.timeoutOption(first, "30 seconds"), "1 day")
      const events = yield* inVirtualTime(
        run(() => ({}), machineIds(1)),
        "1 day",
      )
      assert.deepStrictEqual(yield* sessionsOf, oneEach(1))
      assert.strictEqual(kinds(events)["ended"], 1)
    }).pipe(overService({ machines: machines(1), commandTime: "1 second" })),
  )

  it.effect("requests a session once if a gateway blocks the calls that identify it", () =>
    Effect.gen(function* () {
      const weather = ({ kind }: Sent): Weather => {
        if (kind === "run") return { isRepeated: true }
        return kind === "action" || kind === "list" ? { instead: page(403, "<html>blocked</html>") } : {}
      }
      yield* inVirtualTime(Effect.ignore(run(weather, machineIds(1), { deadline: "5 minutes" })), "1 day")
      const events = yield* inVirtualTime(
        run(() => ({}), machineIds(1)),
        "1 day",
      )
      assert.deepStrictEqual(yield* sessionsOf, oneEach(1))
      assert.strictEqual(kinds(events)["ended"], 1)
    }).pipe(overService({ machines: machines(1), commandTime: "1 minute" })),
  )
})
