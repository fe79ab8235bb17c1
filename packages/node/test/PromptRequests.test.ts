/** A program that stood still while its connection opened does not send what it should have sent before. */
import { assert, describe, it } from "@effect/vitest"
import * as Credential from "@live-response/core/Credential"
import * as DefenderApi from "@live-response/core/DefenderApi"
import * as Quota from "@live-response/core/Quota"
import * as QuotaStore from "@live-response/core/QuotaStore"
import { RequestAge } from "@live-response/core/RequestProgress"
import * as Session from "@live-response/core/Session"
import * as Timing from "@live-response/core/Timing"
import * as NodeTransport from "@live-response/node/NodeTransport"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import { listen } from "./support/loopbackServer.ts"

const minute = 60_000

/** A clock of which one part moves by this much whenever it is read. */
const moving = (clock: Clock.Clock, part: "wall" | "monotonic", millis: number): Clock.Clock => {
  let moved = 0
  const move = (isMoved: boolean) => (isMoved ? (moved += millis) : 0)
  return {
    ...clock,
    currentTimeMillisUnsafe: () => clock.currentTimeMillisUnsafe() + move(part === "wall"),
    monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe() + BigInt(move(part === "monotonic")) * 1_000_000n,
  }
}

/** A client of a program that stands still for so long while each of its connections opens, and what reaches its server. */
const setUp = Effect.fnUntraced(function* (part: "wall" | "monotonic", millis: number) {
  const seen: Array<string> = []
  const origin = yield* listen((request, response) => {
    seen.push(`${request.method} ${request.url}`)
    response.end("{}")
  })
  const clock = moving(yield* Clock.Clock, part, millis)
  const transport = yield* Layer.build(NodeTransport.layer).pipe(Effect.provideService(Clock.Clock, clock))
  return { origin, seen, transport: Layer.succeedContext(transport) }
})

describe("NodeTransport.layer", () => {
  it.live.each([
    ["monotonic", 10 * minute, []],
    ["wall", 10 * minute, []],
    ["monotonic", 1, ["POST /start"]],
  ] as const)("where the %s clock moves by %d ms while a connection opens, sends %j", ([part, millis, expected]) =>
    Effect.gen(function* () {
      const { origin, seen, transport } = yield* setUp(part, millis)
      const post = HttpClientRequest.post(`${origin}/start`).pipe(HttpClientRequest.bodyText("{}"), HttpClient.execute)
      const exit = yield* Effect.exit(Effect.provide(post, transport))
      assert.strictEqual(exit._tag, expected.length === 0 ? "Failure" : "Success")
      assert.deepStrictEqual<ReadonlyArray<string>>(seen, expected)
      // A request that changes nothing may be late.
      yield* HttpClient.get(`${origin}/list`).pipe(Effect.provide(transport))
      assert.deepStrictEqual(seen, [...expected, "GET /list"])
    }).pipe(Effect.scoped),
  )

  it.live("sends no request that was recorded too long before it got here", () =>
    Effect.gen(function* () {
      const { origin, seen, transport } = yield* setUp("monotonic", 1)
      const post = HttpClientRequest.post(`${origin}/start`).pipe(HttpClientRequest.bodyText("{}"), HttpClient.execute)
      const aged = (millis: number) =>
        Effect.exit(
          post.pipe(
            Effect.provideService(RequestAge, () => millis),
            Effect.provide(transport),
          ),
        )
      assert.strictEqual((yield* aged(minute))._tag, "Failure")
      assert.deepStrictEqual(seen, [])
      assert.strictEqual((yield* aged(1000))._tag, "Success")
    }).pipe(Effect.scoped),
  )

  it.live("lets a session be recorded again before its request is sent again", () =>
    Effect.gen(function* () {
      const { origin, seen, transport } = yield* setUp("monotonic", 10 * minute)
      let recorded = 0
      const session = Session.Session.make({
        commands: [Session.RunScript.make({ scriptName: "collect.ps1" })],
        comment: "1",
      })
      const error = yield* DefenderApi.DefenderApi.use(({ run }) =>
        run("a".repeat(40), session, { beforeSend: Effect.sync(() => void recorded++) }),
      ).pipe(
        Effect.flip,
        Effect.provide(
          DefenderApi.layer({ base: origin }).pipe(
            Layer.provide([
              transport,
              Credential.layerToken(Redacted.make("token")),
              Quota.layer().pipe(Layer.provide(QuotaStore.layerMemory)),
            ]),
            Layer.provideMerge(Timing.layer({ outage: Schedule.spaced("10 millis"), giveUpAfter: "100 millis" })),
          ),
        ),
      )
      // It was not sent, so that it is safe to repeat. Each attempt was recorded first, which a later owner refuses.
      assert.isTrue(
        error._tag === "DefenderError" && error.reason._tag === "Unreachable" && error.reason.kind === "connection",
      )
      assert.isAbove(recorded, 1)
      assert.deepStrictEqual(seen, [])
    }).pipe(Effect.scoped),
  )
})
