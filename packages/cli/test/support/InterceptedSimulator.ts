/**
 * The simulated service with somebody in between, who refuses what a test wants refused, and who can go away and come back.
 * Its time can be put forward, so that what takes long at the service ends when a test has seen what it waits for.
 */
import { createServer } from "node:net"
import * as Simulator from "@live-response/core/testing/Simulator"
import * as SimulatorServer from "@live-response/node/testing/SimulatorServer"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as HttpServer from "effect/http/HttpServer"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"

/** What nobody but the API may see. */
export const bearer = "a-token-of-tests-that-is-a-secret"

export interface Refusal {
  readonly status: number
  readonly code: string
  readonly message: string
}

/** Which requests are refused: the text is the method and the path, without the query. */
export type Refuse = (request: string) => Refusal | undefined

const nothing: Refuse = () => undefined

/** This machine's clock, which can be put forward. */
const makeClock = Effect.map(Clock.Clock, (clock) => {
  let ahead = 0
  const currentTimeMillisUnsafe = () => clock.currentTimeMillisUnsafe() + ahead
  const ofService: Clock.Clock = {
    currentTimeMillisUnsafe,
    currentTimeMillis: Effect.sync(currentTimeMillisUnsafe),
    currentTimeNanosUnsafe: () => clock.currentTimeNanosUnsafe() + BigInt(ahead) * 1_000_000n,
    currentTimeNanos: Effect.sync(() => ofService.currentTimeNanosUnsafe()),
    monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe(),
    monotonicTimeNanos: clock.monotonicTimeNanos,
    sleep: (duration) => clock.sleep(duration),
  }
  return {
    clock: ofService,
    pass: (time: Duration.Input) =>
      Effect.sync(() => {
        ahead += Duration.toMillis(time)
      }),
  }
})

/** Listens at this port until the scope ends, and lets nobody in. Gives how many have tried. */
const refuseConnections = (port: number) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly tried: () => number; readonly close: Effect.Effect<void> }>((resume) => {
      let tried = 0
      const server = createServer((socket) => {
        tried++
        socket.resetAndDestroy()
      })
      const close = Effect.callback<void>((resume) => void server.close(() => resume(Effect.void)))
      server.listen(port, "127.0.0.1", () => resume(Effect.succeed({ tried: () => tried, close })))
    }),
    ({ close }) => close,
  ).pipe(Effect.map(({ tried }) => tried))

/** Serves it until the scope ends. */
export const serve = Effect.fnUntraced(function* (options?: Simulator.Options) {
  const { clock, pass } = yield* makeClock
  const inItsTime = Effect.provideService(Clock.Clock, clock)
  const made = yield* inItsTime(Simulator.make({ ...options, tokens: [bearer] }))
  const simulator = { ...made, handler: inItsTime(made.handler), actions: inItsTime(made.actions) }
  let refuse = nothing
  let refused = 0
  const handler = Effect.gen(function* () {
    const { method, url } = yield* HttpServerRequest.HttpServerRequest
    const refusal = refuse(`${method} ${url.replace(/\?.*/, "")}`)
    if (refusal === undefined) return yield* simulator.handler
    refused++
    const { code, message, status } = refusal
    return HttpServerResponse.jsonUnsafe({ error: { code, message, target: "43f4cb08" } }, { status })
  })
  const whileOpen = Effect.acquireRelease(Scope.make(), (scope) => Scope.close(scope, Exit.void))
  const open = Effect.fnUntraced(function* (port: number) {
    const scope = yield* whileOpen
    const context = yield* Layer.build(
      SimulatorServer.layer({ port }).pipe(
        Layer.provide(Layer.succeed(Simulator.Simulator, { ...simulator, handler })),
      ),
    ).pipe(Scope.provide(scope))
    return { scope, address: HttpServer.formatAddress(Context.get(context, HttpServer.HttpServer).address) }
  })
  const first = yield* open(0)
  const port = Number(new URL(first.address).port)
  const away = yield* whileOpen
  let missed = () => 0
  return {
    simulator,
    /** Puts the service's clock forward. The program keeps this machine's clock. */
    pass,
    env: { LIVE_RESPONSE_ENDPOINT: first.address, LIVE_RESPONSE_TOKEN: bearer },
    /** From now on. */
    refuse: (which: Refuse) => Effect.sync(() => (refuse = which)),
    refuseNothing: Effect.sync(() => (refuse = nothing)),
    /** How many requests were refused here. */
    refused: () => refused,
    /** Its connections are closed, and nobody gets another one. */
    goAway: Scope.close(first.scope, Exit.void).pipe(
      Effect.andThen(Scope.provide(refuseConnections(port), away)),
      Effect.map((tried) => {
        missed = tried
      }),
    ),
    /** How often somebody has tried to connect while it was away. */
    missed: () => missed(),
    /** It is there again, at the same address, and has forgotten nothing. */
    comeBack: Effect.andThen(Scope.close(away, Exit.void), Effect.asVoid(open(port))),
  }
})
