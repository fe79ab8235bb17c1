/** Networks that are lost for a while, and networks that never let a call through. */
import { assert, describe, it } from "@effect/vitest"
import type { BatchEvent } from "@live-response/core/BatchEvent"
import * as Credential from "@live-response/core/Credential"
import { CredentialError, Unreachable } from "@live-response/core/CredentialError"
import * as DefenderApi from "@live-response/core/DefenderApi"
import * as LiveResponse from "@live-response/core/LiveResponse"
import * as Manifest from "@live-response/core/Manifest"
import * as Quota from "@live-response/core/Quota"
import * as QuotaStore from "@live-response/core/QuotaStore"
import * as ResultStore from "@live-response/core/ResultStore"
import * as Timing from "@live-response/core/Timing"
import * as Session from "@live-response/core/Session"
import * as LiveResponseTest from "@live-response/core/testing/LiveResponseTest"
import * as Simulator from "@live-response/core/testing/Simulator"
import * as Transfer from "@live-response/core/Transfer"
import * as Arbitrary from "effect/Arbitrary"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Scheduler from "effect/Scheduler"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { utf8 } from "./support/bytes.ts"
import { failureOf } from "./support/events.ts"
import { exampleRef, refAt, refsUpTo } from "./support/refs.ts"
import { type Attempt, type Trouble, wire } from "./support/wire.ts"

const { inVirtualTime } = LiveResponseTest
const token = "a-token-for-tests"
const minute = 60_000

const world = (
  { layer }: ReturnType<typeof wire>,
  credential: Layer.Layer<Credential.Credential> = Credential.layerToken(Redacted.make(token)),
  policies: Partial<Timing.Settings> = {},
) =>
  LiveResponse.layer.pipe(
    Layer.provideMerge(Transfer.layer),
    Layer.provideMerge(DefenderApi.layer({ base: "http://127.0.0.1" })),
    Layer.provideMerge(Layer.mergeAll(layer, ResultStore.layerMemory, Manifest.layerMemory, credential)),
    Layer.provideMerge(Quota.layer().pipe(Layer.provide(QuotaStore.layerMemory))),
    // On a slow machine the test's clock may leap ahead of an answer: that is not what is tested here.
    Layer.provide(Timing.layer({ headTimeout: "4 days", stallTimeout: "4 days", ...policies })),
    Layer.provideMerge(Simulator.layer({ tokens: [token] })),
  )

const refused = { code: "ECONNREFUSED" }

/** A network that is gone between two times. */
const goneBetween =
  (from: number, to: number, trouble: Trouble = refused) =>
  ({ at }: Attempt) =>
    at >= from && at < to ? trouble : undefined

const addAll = Effect.fnUntraced(function* (count: number) {
  const simulator = yield* Simulator.Simulator
  const refs = refsUpTo(count)
  for (const ref of refs) yield* simulator.add(ref, { content: utf8("a") })
  return refs
})

const run = Effect.fnUntraced(function* (count: number, options: LiveResponse.BatchOptions = {}) {
  const refs = yield* addAll(count)
  const live = yield* LiveResponse.LiveResponse
  const events: Array<BatchEvent> = []
  const quota = yield* Quota.Quota
  const [exit, status] = yield* live.saveAll(Stream.fromIterable(refs), options).pipe(
    Stream.runForEach((event) => Effect.sync(() => events.push(event))),
    Effect.exit,
    Effect.zip(quota.status),
    (effect) => inVirtualTime(effect, "2 days"),
  )
  const summary = events.findLast((event) => event.event === "summary")
  const offline = events.flatMap((event) => (event.event === "offline" ? [event] : []))
  return { exit, summary, offline, events, used: status.windows[1]?.used ?? 0 }
})

describe("a batch that has lost its network", () => {
  it.effect.each([{ concurrency: 1 }, { concurrency: 64 }])(
    "waits until the network is back, with as many attempts for all calls as for one: $concurrency at once",
    ({ concurrency }) => {
      const net = wire(goneBetween(0, 30 * minute))
      return Effect.gen(function* () {
        const { exit, offline, summary } = yield* run(64, { concurrency })
        assert.deepStrictEqual(exit, Exit.void)
        assert.deepInclude(summary, { completed: 64, failed: 0 })
        // Each call that met the outage on its way, and then one at a time: 1, 2, 4, … 32 s, and once a minute.
        const inVain = net.attempts.filter(({ at }) => at < 30 * minute)
        assert.isAtMost(inVain.length, 4 + 6 + 30)
        assert.isAtMost(offline.length, 6 + 31)
        for (const event of offline) {
          assert.include(event.message, "the API can't be reached (connect ECONNREFUSED)")
          assert.isAtMost(event.until.epochMilliseconds - event.at.epochMilliseconds, minute)
        }
      }).pipe(Effect.provide(world(net)))
    },
  )

  it.effect("counts no call that never reached the API in the quota", () => {
    const net = wire(goneBetween(0, 30 * minute))
    return Effect.gen(function* () {
      const { used } = yield* run(64, { concurrency: 64 })
      const reached = (yield* (yield* Simulator.Simulator).calls).filter(({ kind }) => kind === "link")
      assert.strictEqual(reached.length, 64)
      assert.isAtMost(used, 64)
    }).pipe(Effect.provide(world(net)))
  })

  it.effect("counts no call whose connection did not open in time, and waits as without a network", () => {
    const net = wire(goneBetween(0, 30 * minute, "silence"))
    return Effect.gen(function* () {
      const { exit, offline, summary, used } = yield* run(8, { concurrency: 1 })
      assert.deepStrictEqual(exit, Exit.void)
      assert.deepInclude(summary, { completed: 8, failed: 0, links: 8 })
      assert.include(offline[0]?.message, "the API can't be reached (no connection within 2s)")
      assert.isAtMost(used, 8)
    }).pipe(Effect.provide(world(net, undefined, { headTimeout: "2 seconds" })))
  })

  it.effect("waits for a storage whose connection does not open in time", () => {
    const net = wire(({ at, isStorage }) => (isStorage && at < 20 * minute ? "silence" : undefined))
    return Effect.gen(function* () {
      const { exit, offline, summary } = yield* run(8, { concurrency: 1 })
      assert.deepStrictEqual(exit, Exit.void)
      assert.deepInclude(summary, { completed: 8, failed: 0, links: 8 })
      assert.include(offline[0]?.message, "the storage can't be reached (no connection within 2s)")
    }).pipe(Effect.provide(world(net, undefined, { headTimeout: "2 seconds" })))
  })

  it.effect("gives up after giveUpAfter, and no target has failed", () => {
    const net = wire(() => refused)
    return Effect.gen(function* () {
      const startedAt = yield* Clock.currentTimeMillis
      const { events, exit, summary } = yield* run(64, { concurrency: 8, giveUpAfter: "10 minutes" })
      const outage = yield* failureOf(exit)
      assert.deepInclude(outage, { _tag: "NetworkDown", failures: 1 })
      assert.include(String(outage), "gave up after 10m: run it again when the network is back")
      assert.deepInclude(summary, { completed: 0, failed: 0 })
      assert.isFalse(events.some(({ event }) => event === "failed"))
      const last = Math.max(...net.attempts.map(({ at }) => at)) - startedAt
      assert.isAtLeast(last, 9 * minute)
      assert.isAtMost(last, 10 * minute + 1)
    }).pipe(Effect.provide(world(net)))
  })

  it.effect("waits without end where giveUpAfter is infinite", () => {
    const net = wire(goneBetween(0, 26 * 60 * minute))
    return Effect.gen(function* () {
      const { exit, summary } = yield* run(20, { giveUpAfter: Duration.infinity })
      assert.deepStrictEqual(exit, Exit.void)
      assert.deepInclude(summary, { completed: 20, failed: 0 })
    }).pipe(Effect.provide(world(net)))
  })

  it.effect("waits for an hour by default", () => {
    const net = wire(() => refused)
    return Effect.gen(function* () {
      const { exit } = yield* run(3)
      const outage = yield* failureOf(exit)
      const waited =
        outage._tag === "NetworkDown" && outage.waited !== undefined ? Duration.toMinutes(outage.waited) : 0
      assert.closeTo(waited, 60, 0.1)
    }).pipe(Effect.provide(world(net)))
  })

  it.effect("waits for the storage alone, and requests no second link", () => {
    const net = wire(({ at, isStorage }) => (isStorage && at < 20 * minute ? refused : undefined))
    return Effect.gen(function* () {
      const { exit, offline, summary } = yield* run(64, { concurrency: 64 })
      assert.deepStrictEqual(exit, Exit.void)
      assert.deepInclude(summary, { completed: 64, failed: 0, links: 64 })
      assert.include(offline[0]?.message, "the storage can't be reached")
      const inVain = net.attempts.filter(({ at, isStorage }) => isStorage && at < 20 * minute)
      assert.isAtMost(inVain.length, 64 + 6 + 20)
    }).pipe(Effect.provide(world(net)))
  })

  it.effect("renews a link that expired in the meantime", () => {
    const net = wire(({ at, isStorage }) => (isStorage && at < 50 * minute ? refused : undefined))
    return Effect.gen(function* () {
      const { exit, summary } = yield* run(1)
      assert.deepStrictEqual(exit, Exit.void)
      assert.deepInclude(summary, { completed: 1, links: 2 })
    }).pipe(Effect.provide(world(net)))
  })

  it.effect("treats a name that resolved before as a lost network", () => {
    const net = wire((_, nth) => (nth > 1 && nth < 9 ? { code: "ENOTFOUND" } : undefined))
    return Effect.gen(function* () {
      const { exit, summary } = yield* run(8, { concurrency: 1 })
      assert.deepStrictEqual(exit, Exit.void)
      assert.deepInclude(summary, { completed: 8, failed: 0 })
    }).pipe(Effect.provide(world(net)))
  })

  it.effect.each([
    {
      reason: new Unreachable({ description: "ENOTFOUND login" }),
      says: "the sign-in server can't be reached (ENOTFOUND login)",
    },
    {
      reason: new Unreachable({ description: "read ECONNRESET", hasAnswered: true }),
      says: "the sign-in server's answer did not arrive whole (read ECONNRESET)",
    },
  ])("waits for the sign-in server as well, once it has signed in: $says", ({ reason, says }) => {
    const net = wire(() => undefined)
    let asked = 0
    const noSignIn = new CredentialError({ reason })
    const credential = Layer.succeed(Credential.Credential, {
      token: Effect.suspend(() =>
        // Two for each link: the first one has its link, and the second one none for a while.
        ++asked > 2 && asked < 10 ? Effect.fail(noSignIn) : Effect.succeed(Redacted.make(token)),
      ),
      invalidate: () => Effect.void,
    })
    return Effect.gen(function* () {
      const { exit, offline, summary } = yield* run(4, { concurrency: 1 })
      assert.deepStrictEqual(exit, Exit.void)
      assert.deepInclude(summary, { completed: 4, failed: 0 })
      assert.strictEqual(offline[0]?.message, says)
    }).pipe(Effect.provide(world(net, credential)))
  })
})

describe("a connection that no wait can open", () => {
  it.effect.each([
    { code: "SELF_SIGNED_CERT_IN_CHAIN", kind: "certificate" },
    { code: "ERR_TLS_CERT_ALTNAME_INVALID", kind: "certificate" },
    { code: "UNABLE_TO_GET_ISSUER_CERT_LOCALLY", kind: "certificate" },
    { code: "UND_ERR_ABORTED", message: "Proxy response (407) !== 200 when HTTP Tunneling", kind: "proxy" },
    { code: "UND_ERR_INVALID_ARG", message: "Proxy Authentication Required (407)", kind: "proxy" },
    { code: "ENOTFOUND", kind: "name" },
  ])("stops the batch at once, after one attempt: $code", ({ kind, ...trouble }) => {
    const net = wire((): Trouble => trouble)
    return Effect.gen(function* () {
      const { exit, offline, summary } = yield* run(100, { concurrency: 1 })
      const error = yield* failureOf(exit)
      const reason = error._tag === "DefenderError" ? error.reason : undefined
      assert.strictEqual(reason?._tag === "Unreachable" ? String(reason.kind) : "", kind)
      assert.strictEqual(error._tag === "DefenderError" && error.isLocal, kind !== "name")
      assert.strictEqual(net.attempts.length, 1)
      assert.deepStrictEqual(offline, [])
      assert.deepInclude(summary, { failed: 0 })
    }).pipe(Effect.provide(world(net)))
  })

  it.effect("to the storage stops the batch after five targets", () => {
    const net = wire(({ isStorage }) => (isStorage ? { code: "CERT_HAS_EXPIRED" } : undefined))
    return Effect.gen(function* () {
      const { exit, summary } = yield* run(100, { concurrency: 1 })
      const error = yield* failureOf(exit)
      assert.isTrue(error._tag === "TransferError" && error.isLocal)
      assert.deepInclude(summary, { failed: 5, links: 5 })
    }).pipe(Effect.provide(world(net)))
  })
})

describe("one call that has lost its network", () => {
  it.effect.each([{ code: "ECONNREFUSED" }, { code: "EAI_AGAIN" }, { code: "UND_ERR_CONNECT_TIMEOUT" }])(
    "fails within seconds: $code",
    (trouble) => {
      const net = wire(() => trouble)
      return Effect.gen(function* () {
        const api = yield* DefenderApi.DefenderApi
        const [took, exit] = yield* inVirtualTime(Effect.timed(Effect.exit(api.downloadLink(exampleRef))))
        assert.isTrue(Exit.isFailure(exit))
        assert.isAtMost(Duration.toSeconds(took), 6)
        assert.isAtLeast(net.attempts.length, 2)
        assert.isAtMost(net.attempts.length, 5)
      }).pipe(Effect.provide(world(net)))
    },
  )

  it.effect("fails within seconds beside many others that the API has not accepted yet", () => {
    const net = wire(() => refused)
    return Effect.gen(function* () {
      const api = yield* DefenderApi.DefenderApi
      const [took, exits] = yield* inVirtualTime(
        Effect.timed(
          Effect.forEach(refsUpTo(40), (ref) => Effect.exit(api.downloadLink(ref)), { concurrency: "unbounded" }),
        ),
      )
      assert.isTrue(exits.every(Exit.isFailure))
      assert.isAtMost(Duration.toSeconds(took), 6)
      assert.isAtMost(net.attempts.length, 8)
    }).pipe(Effect.provide(world(net)))
  })

  it.effect("names itself in its error, and not the call that tried the network for it", () => {
    const net = wire(() => refused)
    return Effect.gen(function* () {
      const api = yield* DefenderApi.DefenderApi
      const errors = yield* inVirtualTime(
        Effect.forEach([refAt(1), refAt(2), refAt(3)], (ref) => Effect.flip(api.downloadLink(ref)), {
          concurrency: "unbounded",
        }),
      )
      for (const [n, error] of errors.entries()) assert.include(error.message, `link of ${refAt(n + 1)}: `)
    }).pipe(Effect.provide(world(net)))
  })

  it.effect("does not delay the next call", () => {
    const net = wire(goneBetween(0, 20_000))
    return Effect.gen(function* () {
      yield* addAll(1)
      const api = yield* DefenderApi.DefenderApi
      const both = Effect.gen(function* () {
        assert.isTrue(Exit.isFailure(yield* Effect.exit(api.downloadLink(refAt(0)))))
        yield* Effect.sleep("20 seconds")
        const before = net.attempts.length
        const [took] = yield* Effect.timed(api.downloadLink(refAt(0)))
        assert.strictEqual(net.attempts.length, before + 1)
        assert.strictEqual(Duration.toMillis(took), 0)
      })
      yield* inVirtualTime(both)
    }).pipe(Effect.provide(world(net)))
  })
})

describe("a connection that breaks after it was opened", () => {
  const session = Session.Session.make({ commands: [Session.RunScript.make({ scriptName: "a.ps1" })], comment: "case" })
  const runOnce = Effect.gen(function* () {
    const api = yield* DefenderApi.DefenderApi
    const exit = yield* inVirtualTime(Effect.exit(api.run("ab".repeat(20), session)))
    assert.isTrue(Exit.isFailure(exit))
  })

  it.effect.each(
    ["ETIMEDOUT", "EHOSTUNREACH", "ENETUNREACH", "ENETDOWN"].flatMap((code) => [
      { code, message: `read ${code}` },
      { code, message: `write ${code}` },
    ]),
  )("does not start a session twice: $message", (trouble) => {
    const net = wire(() => trouble)
    return Effect.gen(function* () {
      yield* runOnce
      assert.strictEqual(net.attempts.length, 1)
    }).pipe(Effect.provide(world(net)))
  })

  it.effect("differs from one that could not be opened, through which nothing was sent", () => {
    const net = wire(() => ({ code: "ETIMEDOUT" }))
    return Effect.gen(function* () {
      yield* runOnce
      assert.isAtLeast(net.attempts.length, 2)
    }).pipe(Effect.provide(world(net)))
  })
})

describe("the call that tries the network", () => {
  it.effect.prop(
    "has a successor, whichever call is interrupted and however fibers are scheduled",
    [
      Arbitrary.array(Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 300_000 }))), {
        minLength: 1,
        maxLength: 11,
      }),
      Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 8, maximum: 60 }))),
    ],
    ([interruptions, budget]) => {
      const net = wire(goneBetween(0, 6 * minute))
      return Effect.gen(function* () {
        const refs = yield* addAll(12)
        const api = yield* DefenderApi.DefenderApi
        const calls = Effect.gen(function* () {
          const fibers = yield* Effect.forEach(refs, (ref) => Effect.forkChild(api.downloadLink(ref)))
          yield* Effect.forEach(
            interruptions,
            (after, n) => {
              const fiber = fibers[n]
              return fiber === undefined ? Effect.void : Effect.delay(Fiber.interrupt(fiber), after)
            },
            { concurrency: "unbounded", discard: true },
          )
          return yield* Effect.forEach(fibers.slice(interruptions.length), Fiber.await)
        })
        const exits = yield* inVirtualTime(calls)
        assert.isTrue(exits.every(Exit.isSuccess))
        const inVain = net.attempts.filter(({ at }) => at < 6 * minute)
        // Four may be on their way before any was let in; then one at a time, and each successor has one attempt.
        assert.isAtMost(inVain.length, 4 + 6 + 6 + interruptions.length)
      }).pipe(
        Effect.provideService(Scheduler.MaxOpsBeforeYield, budget),
        Effect.provide(world(net, undefined, { giveUpAfter: "1 hour" })),
      )
    },
    { arbitrary: { runs: 25 } },
  )
})
