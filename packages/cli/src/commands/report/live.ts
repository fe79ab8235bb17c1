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
import * as Fiber from "effect/Fiber"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Option from "effect/Option"
import * as References from "effect/References"
import * as Schema from "effect/Schema"
import * as Semaphore from "effect/Semaphore"
import type { Listen } from "../../flags/Listen.ts"
import { nameAndVersion } from "../../output/ProgramName.ts"
import { keepHeapSmall } from "../../SmallHeap.ts"
import * as LiveCollector from "./liveCollector.ts"
import * as LiveHealth from "./liveHealth.ts"
import * as LivePart from "./livePart.ts"
import * as LiveServer from "./liveServer.ts"
import * as Page from "./page.ts"

/** What a command reports to the page. */
export interface Live {
  readonly observe: (observed: LiveHealth.Observed, changes: boolean) => Effect.Effect<void>
}

/** In milliseconds: results that arrive together are shown together. */
const pause = 200

/** In milliseconds: a page that has all gets what is read until then. */
const patience = 500

/** The data of the page. Nothing is read before somebody looks at it. */
const makeData = Effect.fnUntraced(function* (directory: string) {
  // After a restart no page takes what it has for what there is.
  const startedAt = yield* Clock.currentTimeMillis
  const one = yield* Semaphore.make(1)
  const scope = yield* Effect.scope
  interface State {
    /** How often something changed, and how much of that was read. */
    changed: number
    read: number
    /** How much of it the version has that pages ask for. */
    published: number
    collector: LiveCollector.LiveCollector | undefined
  }
  const state: State = { changed: 0, read: -1, published: 0, collector: undefined }
  const open = Effect.suspend(() =>
    state.collector === undefined
      ? Effect.tap(Effect.andThen(keepHeapSmall, LiveCollector.open(directory)), (collector) =>
          Effect.sync(() => (state.collector = collector)),
        )
      : Effect.succeed(state.collector),
  )
  /** Reads what has changed. Returns whether that need not wait. */
  const refresh = Effect.gen(function* () {
    const collector = yield* open
    if (state.read === state.changed) return true
    const { changed } = state
    const isRead = yield* collector.refresh
    if (isRead) state.read = changed
    return isRead
  })
  /** One reads at a time. A damaged line is reported by the command itself, and not each time the page is shown. */
  const alone = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    one.withPermit(Effect.provideService(effect, References.MinimumLogLevel, "None"))
  const read = Effect.fnUntraced(function* (cursor: string) {
    const collector = yield* open
    // A reader that goes away does not end what all others need too.
    const refreshed = yield* Effect.forkIn(alone(refresh), scope)
    // What has to wait is as if it took long: the page asks again at once.
    const current = Effect.flatMap(Fiber.join(refreshed), (isRead) => (isRead ? Effect.void : Effect.never))
    if (!LivePart.isBehind(cursor)) yield* Effect.timeoutOption(current, patience)
    const written = yield* Clock.currentTimeMillis
    return Page.data(collector.answer(cursor, { program: nameAndVersion, directory, written, base: "files/" }))
  })
  const publish = Effect.gen(function* () {
    yield* Effect.sleep(pause)
    const { changed, collector } = state
    const isPublished = state.published === changed
    if (isPublished && (collector === undefined || state.read === changed)) return
    // What can't be read is reported to the page, which asks for it.
    if (collector !== undefined) yield* Effect.ignore(alone(refresh))
    state.published = changed
  })
  yield* Effect.forkScoped(Effect.forever(publish))
  return {
    change: Effect.sync(() => state.changed++),
    /**
     * What a page asks for to know whether there is something new. No connection stays open for it: a browser has six of them
     * for all its tabs, and the seventh tab would wait.
     */
    version: Effect.sync(() => `${startedAt}-${state.published}`),
    read,
  }
})

type Data = Effect.Success<ReturnType<typeof makeData>>

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
const route = Effect.fnUntraced(function* (
  { data, directory, looks, page }: Served,
  path: string,
  query: URLSearchParams,
) {
  switch (path) {
    case "/":
      return HttpServerResponse.text(page.html, {
        contentType: "text/html; charset=utf-8",
        headers: { ...LiveServer.secureHeaders, "content-security-policy": `${page.policy}; frame-ancestors 'none'` },
      })
    case "/data":
      return HttpServerResponse.text(yield* data.read(query.get("after") ?? ""), {
        contentType: "text/plain; charset=utf-8",
        headers: LiveServer.secureHeaders,
      })
    case "/version":
      return LiveServer.plain(yield* data.version, 200)
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
  yield* LiveServer.serve(at, { title: "live page", route: (path, query) => route(served, path, query) })
  return {
    observe: (observed, changes) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => {
        LiveHealth.observe(looks, observed, now)
        return changes ? data.change : Effect.void
      }),
  } satisfies Live
})
