import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Option from "effect/Option"
import * as Health from "../src/commands/serve/health.ts"

const ago = (seconds: number | undefined) =>
  Effect.succeed(Option.map(Option.fromUndefinedOr(seconds), (seconds) => Duration.seconds(seconds)))

describe("Health.route", () => {
  it.effect.each([
    { write: undefined, locks: undefined, status: "starting" },
    { write: 1, locks: undefined, status: "starting" },
    { write: 1, locks: 2, status: "ok" },
    { write: 16, locks: 2, status: "waiting" },
    // Statements are answered, and the connection with the locks hangs.
    { write: 1, locks: 16, status: "waiting" },
    { write: 16, locks: undefined, status: "waiting" },
  ])("is $status if the last write was $write s ago and the last lock $locks s ago", ({ locks, status, write }) =>
    Effect.gen(function* () {
      const answer = Health.route("one", { sinceWrite: ago(write), sinceLocks: ago(locks) })
      const [health, ready] = yield* Effect.all([answer("/health"), answer("/ready")])
      assert.strictEqual(health.status, 200)
      assert.strictEqual(ready.status, status === "ok" ? 200 : 503)
      const body: unknown = yield* Effect.promise(() => HttpServerResponse.toWeb(ready).json())
      assert.deepInclude(body, { status, runner: "one" })
    }),
  )
})
