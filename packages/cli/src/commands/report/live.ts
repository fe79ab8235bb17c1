/**
 * What `--listen` does: serves a page of the directory that shows results as they arrive, and the health and the metrics of the
 * program.
 */
import * as FileName from "@live-response/core/FileName"
import { MachineActionId } from "@live-response/core/MachineAction"
import * as PrivateDirectory from "@live-response/core/PrivateDirectory"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Option from "effect/Option"
import * as References from "effect/References"
import * as Schema from "effect/Schema"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import type { Listen } from "../../flags/Listen.ts"
import { nameAndVersion } from "../../output/ProgramName.ts"
import * as Collect from "./collect.ts"
import * as LiveHealth from "./liveHealth.ts"
import * as LiveServer from "./liveServer.ts"
import * as Page from "./page.ts"

/** What a command reports to the page. */
export interface Live {
  readonly observe: (observed: LiveHealth.Observed, changes: boolean) => Effect.Effect<void>
}

/** Reading the directory again takes at most a fifth of the time: the downloads come first. */
const share = 5

/** In milliseconds: results that arrive together are shown together. */
const shortestPause = 200

/** The data of the page, as of the last change that was read. */
const makeData = Effect.fnUntraced(function* (directory: string) {
  const changes = yield* SubscriptionRef.make(0)
  const one = yield* Semaphore.make(1)
  const nothing: ReadonlyArray<Uint8Array> = []
  const state = { changed: 0, took: 0, read: -1, bytes: nothing }
  const read = Effect.gen(function* () {
    if (state.read === state.changed) return state.bytes
    const startedAt = yield* Clock.currentTimeMillis
    const read = state.changed
    const files = yield* PrivateDirectory.open(directory)
    const { collector, damaged } = yield* Collect.collect(files)
    const about = { program: nameAndVersion, directory, written: startedAt, base: "files/", damaged }
    const bytes = yield* Stream.runCollect(Page.data(collector.payload(about), collector.hashes))
    Object.assign(state, { read, bytes, took: (yield* Clock.currentTimeMillis) - startedAt })
    return bytes
  }).pipe(
    one.withPermit,
    // A damaged line is reported by the command itself, and not each time the page is shown.
    Effect.provideService(References.MinimumLogLevel, "None"),
  )
  const publish = Effect.gen(function* () {
    yield* Effect.sleep(Math.max(shortestPause, state.took * share))
    if ((yield* SubscriptionRef.get(changes)) !== state.changed) yield* SubscriptionRef.set(changes, state.changed)
  })
  yield* Effect.forkScoped(Effect.forever(publish))
  return { change: Effect.sync(() => state.changed++), changes: SubscriptionRef.changes(changes), read }
})

type Data = Effect.Success<ReturnType<typeof makeData>>

/** Server-sent events: one at once, then one after each change, and comments in between that keep the connection. */
const events = ({ changes }: Data) => {
  const changed = Stream.map(changes, (n) => `event: changed\ndata: ${n}\n\n`)
  const comments = Stream.map(Stream.tick("15 seconds"), () => ": still here\n\n")
  return HttpServerResponse.stream(
    Stream.encodeText(Stream.concat(Stream.succeed("retry: 1000\n\n"), Stream.merge(changed, comments))),
    { contentType: "text/event-stream", headers: LiveServer.secureHeaders },
  )
}

const isActionId = Schema.is(MachineActionId)

/** A result, for a link of the page. A browser saves it and never shows it: it is of other machines. */
const file = Effect.fnUntraced(function* (directory: string, path: string) {
  const [id = "", name = "", ...more] = path.split("/")
  if (!isActionId(id) || !FileName.isResult(name) || more.length > 0) return LiveServer.plain("not found", 404)
  const files = yield* PrivateDirectory.open(directory)
  const info = yield* files.info(path)
  if (Option.isNone(info)) return LiveServer.plain("not found", 404)
  return HttpServerResponse.stream(files.read(path), {
    contentType: "application/octet-stream",
    headers: { ...LiveServer.secureHeaders, "content-disposition": `attachment; filename="${id}-${name}"` },
  })
})

interface Served {
  readonly directory: string
  readonly looks: LiveHealth.Looks
  readonly data: Data
  readonly page: { readonly policy: string; readonly html: string }
}

const healthOf = (looks: LiveHealth.Looks) =>
  Effect.map(Clock.currentTimeMillis, (now) =>
    LiveHealth.healthOf(looks, now, (millis) => DateTime.formatIso(DateTime.makeUnsafe(millis))),
  )

/** Answers a request that is allowed. */
const route = Effect.fnUntraced(function* ({ data, directory, looks, page }: Served, path: string) {
  switch (path) {
    case "/":
      return HttpServerResponse.text(page.html, {
        contentType: "text/html; charset=utf-8",
        headers: { ...LiveServer.secureHeaders, "content-security-policy": `${page.policy}; frame-ancestors 'none'` },
      })
    case "/data":
      return HttpServerResponse.stream(Stream.fromIterable(yield* data.read), {
        contentType: "text/plain; charset=utf-8",
        headers: LiveServer.secureHeaders,
      })
    case "/events":
      return events(data)
    case "/health": {
      const health = yield* healthOf(looks)
      return LiveServer.json(health, health.status !== "stale")
    }
    case "/ready": {
      const health = yield* healthOf(looks)
      return LiveServer.json(health, health.status === "ok")
    }
    case "/metrics":
      return yield* LiveServer.metrics
    default:
      return path.startsWith("/files/")
        ? yield* file(directory, path.slice("/files/".length))
        : LiveServer.plain("not found", 404)
  }
})

/** Serves the page of a directory until the scope closes. */
export const serve = Effect.fnUntraced(function* (at: Listen, directory: string) {
  const looks: LiveHealth.Looks = {
    startedAt: yield* Clock.currentTimeMillis,
    last: undefined,
    every: undefined,
    problem: undefined,
  }
  const data = yield* makeData(directory)
  const served = { directory, looks, data, page: yield* Page.live }
  yield* LiveServer.serve(at, { title: "live page", route: (path) => route(served, path) })
  return {
    observe: (observed, changes) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => {
        LiveHealth.observe(looks, observed, now)
        return changes ? data.change : Effect.void
      }),
  } satisfies Live
})
