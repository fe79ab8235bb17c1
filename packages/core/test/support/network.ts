import * as ActionWatch from "@live-response/core/ActionWatch"
import * as Credential from "@live-response/core/Credential"
import * as DefenderApi from "@live-response/core/DefenderApi"
import * as Fleet from "@live-response/core/Fleet"
import type { FleetEvent } from "@live-response/core/FleetEvent"
import * as FleetJournal from "@live-response/core/FleetJournal"
import * as Quota from "@live-response/core/Quota"
import * as QuotaStore from "@live-response/core/QuotaStore"
import * as Session from "@live-response/core/Session"
import * as Simulator from "@live-response/core/testing/Simulator"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientError from "effect/http/HttpClientError"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { machineIds } from "./fleets.ts"

export const token = "a-token-for-tests"

export const session = Session.Session.make({
  commands: [Session.RunScript.make({ scriptName: "collect.ps1" })],
  comment: "case 4711",
})

/** A call on its way to the service. `nth` counts the calls of its kind, from 0. */
export interface Sent {
  readonly kind: "list" | "action" | "run" | "other"
  readonly nth: number
  readonly url: URL
}

/** What happens to a call on its way. */
export interface Weather {
  /** How long the request takes to reach the service. */
  readonly before?: Duration.Input
  /** How long the answer takes to reach the client. */
  readonly after?: Duration.Input
  /** Replaces the answer of the service, which has handled the request. */
  readonly answer?: HttpServerResponse.HttpServerResponse | "no connection" | Error
  /** Fields that replace those of each record in the service's list. */
  readonly odd?: Readonly<Record<string, unknown>>
  /** A gateway sends the request twice, and returns the second answer. */
  readonly isRepeated?: true
  /** Replaces the service, which does not get the request. */
  readonly instead?: HttpServerResponse.HttpServerResponse | "no connection"
}

export const page = (status: number, body: string) => HttpServerResponse.text(body, { status })

export const refusal = (status: number, code: string, message = "An error occurred.") =>
  HttpServerResponse.jsonUnsafe({ error: { code, message } }, { status })

const decodeList = Schema.decodeUnknownEffect(
  Schema.Struct({ value: Schema.Array(Schema.Record(Schema.String, Schema.Unknown)) }),
)

const kindOf = (method: string, { pathname }: URL): Sent["kind"] => {
  if (method === "POST" && pathname.endsWith("/runliveresponse")) return "run"
  if (method === "GET" && pathname === "/api/machineactions") return "list"
  return method === "GET" && /^\/api\/machineactions\/[^/]+$/.test(pathname) ? "action" : "other"
}

/** A network to the simulator. The service handles a request even if the client no longer waits for the answer. */
export const network = (weather: (sent: Sent) => Weather) => {
  const counts = { list: 0, action: 0, run: 0, other: 0 }
  return Layer.effect(
    HttpClient.HttpClient,
    Effect.map(Simulator.Simulator, (simulator) =>
      HttpClient.make((request, url) =>
        Effect.gen(function* () {
          const kind = kindOf(request.method, url)
          const {
            after = 0,
            answer,
            before = 0,
            instead,
            isRepeated,
            odd,
          } = weather({ kind, nth: counts[kind]++, url })
          const give = (response: HttpServerResponse.HttpServerResponse | "no connection" | Error) =>
            response === "no connection" || response instanceof Error
              ? Effect.fail(
                  new HttpClientError.HttpClientError({
                    reason: new HttpClientError.TransportError({
                      request,
                      description: "connection reset",
                      ...(response instanceof Error ? { cause: response } : {}),
                    }),
                  }),
                )
              : Effect.succeed(HttpServerResponse.toClientResponse(response, { request }))
          if (instead !== undefined) return yield* Effect.delay(give(instead), before)
          const handling = yield* Effect.forkDetach(
            Effect.provideService(
              Effect.delay(
                isRepeated ? Effect.andThen(simulator.handler, simulator.handler) : simulator.handler,
                before,
              ),
              HttpServerRequest.HttpServerRequest,
              HttpServerRequest.fromClientRequest(request),
            ),
          )
          const served = yield* Fiber.join(handling)
          if (odd !== undefined) {
            const list = yield* HttpServerResponse.toClientResponse(served, { request }).json
            const { value } = yield* Effect.orDie(decodeList(list))
            return yield* give(HttpServerResponse.jsonUnsafe({ value: value.map((record) => ({ ...record, ...odd })) }))
          }
          return yield* Effect.delay(give(answer ?? served), after)
        }),
      ),
    ),
  )
}

/** A program, that is everything that a crash ends. The simulator, the journal and the quota's log survive it. */
export const program = (
  weather: (sent: Sent) => Weather = () => ({}),
  credential = Credential.layerToken(Redacted.make(token)),
) =>
  Fleet.layer.pipe(
    Layer.provideMerge(ActionWatch.layer),
    Layer.provideMerge(DefenderApi.layer({ base: "http://127.0.0.1" })),
    Layer.provideMerge([network(weather), credential, Quota.layer()]),
  )

/** A token that can't be renewed while the program runs: the sign-in server does not answer. */
export const notRenewed = Layer.sync(Credential.Credential, () => {
  let isRefused = false
  return {
    token: Effect.suspend(() => (isRefused ? Effect.never : Effect.succeed(Redacted.make(token)))),
    invalidate: () => Effect.sync(() => void (isRefused = true)),
  }
})

export const kinds = (events: ReadonlyArray<FleetEvent>) => {
  const counts: Record<string, number> = {}
  for (const { event } of events) counts[event] = (counts[event] ?? 0) + 1
  return counts
}

/** How many sessions of the test each machine has had. */
export const sessionsOf = Effect.gen(function* () {
  const counts: Record<string, number> = {}
  for (const { machineId, requestorComment } of yield* (yield* Simulator.Simulator).actions) {
    if (String(requestorComment).startsWith("case")) counts[String(machineId)] = (counts[String(machineId)] ?? 0) + 1
  }
  return counts
})

/** One session on each of so many machines. */
export const oneEach = (count: number) => Object.fromEntries(machineIds(count).map((id) => [id, 1]))

/** The largest number of sessions in progress at once, as the service counts them. */
export const mostAtOnce = Effect.gen(function* () {
  const changes = (yield* (yield* Simulator.Simulator).actions).flatMap((action) => [
    { at: Date.parse(String(action["creationDateTimeUtc"])), by: 1 },
    { at: Date.parse(String(action["lastUpdateDateTimeUtc"])), by: -1 },
  ])
  let now = 0
  return Math.max(...changes.toSorted((a, b) => a.at - b.at || a.by - b.by).map(({ by }) => (now += by)))
})

/** Provides what survives a program: the simulated service, the journal and the quota. */
export const overService = (options: Simulator.Options) =>
  Effect.provide(
    Layer.mergeAll(Simulator.layer({ ...options, tokens: [token] }), FleetJournal.layerMemory, QuotaStore.layerMemory),
  )

/** A program that runs the session on these machines. `events` contains every event it emitted, also if it was killed. */
export const run = (
  weather: (sent: Sent) => Weather,
  machines: ReadonlyArray<string> | Stream.Stream<string>,
  options: Fleet.RunOptions = {},
  events: Array<FleetEvent> = [],
) =>
  Effect.gen(function* () {
    const { run } = yield* Fleet.Fleet
    yield* Stream.runForEach(
      run(Stream.isStream(machines) ? machines : Stream.fromIterable(machines), session, options),
      (event) => Effect.sync(() => events.push(event)),
    )
    return events
  }).pipe(Effect.provide(program(weather), { local: true }))
