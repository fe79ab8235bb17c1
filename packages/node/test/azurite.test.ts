/** Blobs in Microsoft's own emulator, with real shared access signatures that really expire. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, layer } from "@effect/vitest"
import type { BatchEvent } from "@live-response/core/BatchEvent"
import * as Credential from "@live-response/core/Credential"
import { LiveResponse } from "@live-response/core/LiveResponse"
import * as QuotaStore from "@live-response/core/QuotaStore"
import { Reporter } from "@live-response/core/Reporter"
import * as Timing from "@live-response/core/Timing"
import * as NodeLiveResponse from "@live-response/node/NodeLiveResponse"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { Azurite, serveCut, serveLinks } from "./support/azurite.ts"
import { patterned, refAt, refsUpTo, tempDirectory } from "./support/samples.ts"

const libraryOf = (options: NodeLiveResponse.Options) =>
  NodeLiveResponse.layer(options).pipe(
    Layer.provide([
      Credential.layerToken(Redacted.make("token")),
      QuotaStore.layerMemory,
      Timing.layer({ transfer: Schedule.upTo(Schedule.spaced("10 millis"), { times: 5 }) }),
    ]),
  )

const inAnHour = () => DateTime.addDuration(DateTime.nowUnsafe(), "1 hour")

/** Saves result 7, whose first download breaks after 100,000 bytes. `meanwhile` runs before it resumes. */
const saveThroughCut = Effect.fnUntraced(function* (
  content: Uint8Array,
  options: { readonly expires: (nth: number) => DateTime.DateTime; readonly meanwhile: Effect.Effect<void> },
) {
  const azurite = yield* Azurite
  yield* azurite.put("7", content)
  const proxy = yield* serveCut(azurite.origin, 100_000)
  const api = yield* serveLinks((index, nth) => azurite.link(index, options.expires(nth), proxy.origin))
  const directory = yield* tempDirectory
  const events: Array<BatchEvent> = []
  const stored = yield* Effect.flatMap(LiveResponse, (live) => live.save(refAt(7))).pipe(
    Effect.provideService(Reporter, (event) =>
      Effect.andThen(
        Effect.sync(() => events.push(event)),
        event.event === "retrying" && proxy.seen.length === 1 ? options.meanwhile : Effect.void,
      ),
    ),
    Effect.provide(libraryOf({ directory, endpoint: api.endpoint })),
  )
  return {
    stored,
    bytes: readFileSync(join(directory, stored.path)),
    seen: proxy.seen,
    links: api.asked.length,
    statuses: proxy.seen.map(({ status }) => status),
    reasons: events.flatMap((event) =>
      event.event === "retrying" && event.error._tag === "TransferError" ? [event.error.reason] : [],
    ),
  }
})

layer(Azurite.layer, { excludeTestServices: true, timeout: "2 minutes" })("Azurite", (it) => {
  it.effect("serves signed links, and a link that is expired on arrival is renewed", () =>
    Effect.gen(function* () {
      const azurite = yield* Azurite
      const refs = refsUpTo(4)
      const content = (n: number) => patterned(300_000 + n, n)
      for (const n of refs.keys()) yield* azurite.put(String(n), content(n))
      const { asked, endpoint } = yield* serveLinks((index, nth) =>
        azurite.link(
          index,
          index === "1" && nth === 1 ? DateTime.subtractDuration(DateTime.nowUnsafe(), "2 seconds") : inAnHour(),
        ),
      )
      const directory = yield* tempDirectory
      const events = yield* Effect.flatMap(LiveResponse, (live) =>
        Stream.runCollect(live.saveAll(Stream.fromIterable(refs))),
      ).pipe(Effect.provide(libraryOf({ directory, endpoint })))
      assert.deepInclude(events.at(-1), { event: "summary", completed: 4, failed: 0, links: 5 })
      assert.deepStrictEqual(asked.toSorted(), ["0", "1", "1", "2", "3"])
      for (const [n, ref] of refs.entries()) {
        const bytes = readFileSync(join(directory, ref.machineActionId, `${n}.bin`))
        assert.isTrue(bytes.equals(content(n)), String(ref))
      }
      const [refused] = events.flatMap((event) => (event.event === "retrying" ? [event] : []))
      assert.match(refused?.message ?? "", /HTTP 403 (AuthorizationFailure|AuthenticationFailed)/)
    }),
  )

  it.effect("resumes with Range and If-Match after a cut", () =>
    Effect.gen(function* () {
      const content = patterned(300_000)
      const { bytes, links, reasons, seen, statuses, stored } = yield* saveThroughCut(content, {
        expires: inAnHour,
        meanwhile: Effect.void,
      })
      assert.isTrue(bytes.equals(content))
      const [reason] = reasons
      const offset = reason?._tag === "Broken" ? reason.offset : 0
      assert.isAbove(offset, 0)
      assert.isAtMost(offset, 100_000)
      assert.deepStrictEqual(statuses, [200, 206])
      assert.deepInclude(seen[1], { range: `bytes=${offset}-`, ifMatch: stored.etag })
      assert.strictEqual(links, 1)
    }),
  )

  it.effect("starts over after a cut if the blob was replaced meanwhile", () =>
    Effect.gen(function* () {
      const azurite = yield* Azurite
      const other = patterned(250_000, 9)
      const { bytes, seen, statuses } = yield* saveThroughCut(patterned(300_000), {
        expires: inAnHour,
        meanwhile: azurite.put("7", other),
      })
      assert.isTrue(bytes.equals(other))
      assert.deepStrictEqual(statuses, [200, 412, 200])
      assert.strictEqual(seen[1]?.code, "ConditionNotMet")
      assert.isUndefined(seen[2]?.range)
    }),
  )

  it.effect("renews a link that expired in progress, and resumes at the offset", () =>
    Effect.gen(function* () {
      const content = patterned(300_000)
      let expires = inAnHour()
      const inSeconds = () => {
        expires = DateTime.addDuration(DateTime.nowUnsafe(), "6 seconds")
        return expires
      }
      const untilExpired = Effect.gen(function* () {
        // Signatures expire to the second.
        const left = DateTime.distance(yield* DateTime.now, DateTime.addDuration(expires, "1 second"))
        yield* Effect.sleep(Duration.max(left, Duration.zero))
      })
      const { bytes, links, reasons, seen, statuses } = yield* saveThroughCut(content, {
        expires: (nth) => (nth === 1 ? inSeconds() : inAnHour()),
        meanwhile: untilExpired,
      })
      assert.isTrue(bytes.equals(content))
      assert.deepStrictEqual(statuses, [200, 403, 206])
      assert.match(seen[1]?.code ?? "", /^(AuthorizationFailure|AuthenticationFailed)$/)
      assert.strictEqual(seen[2]?.range, seen[1]?.range)
      assert.deepStrictEqual(
        reasons.map(({ _tag }) => _tag),
        ["Broken", "LinkRefused"],
      )
      assert.strictEqual(links, 2)
    }),
  )
})
