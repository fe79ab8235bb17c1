/**
 * The simulated service with somebody in between, who refuses what a test wants refused, and who can go away and come back.
 */
import * as Simulator from "@live-response/core/testing/Simulator"
import * as SimulatorServer from "@live-response/node/testing/SimulatorServer"
import * as Context from "effect/Context"
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

/** Serves it until the scope ends. */
export const serve = Effect.fnUntraced(function* (options?: Simulator.Options) {
  const simulator = yield* Simulator.make({ ...options, tokens: [bearer] })
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
  const open = Effect.fnUntraced(function* (port: number) {
    const scope = yield* Effect.acquireRelease(Scope.make(), (scope) => Scope.close(scope, Exit.void))
    const context = yield* Layer.build(
      SimulatorServer.layer({ port }).pipe(
        Layer.provide(Layer.succeed(Simulator.Simulator, { ...simulator, handler })),
      ),
    ).pipe(Scope.provide(scope))
    return { scope, address: HttpServer.formatAddress(Context.get(context, HttpServer.HttpServer).address) }
  })
  const first = yield* open(0)
  return {
    simulator,
    env: { LIVE_RESPONSE_ENDPOINT: first.address, LIVE_RESPONSE_TOKEN: bearer },
    /** From now on. */
    refuse: (which: Refuse) => Effect.sync(() => (refuse = which)),
    refuseNothing: Effect.sync(() => (refuse = nothing)),
    /** How many requests were refused here. */
    refused: () => refused,
    /** Nobody listens at its address any more, and connections are closed. */
    goAway: Scope.close(first.scope, Exit.void),
    /** It is there again, at the same address, and has forgotten nothing. */
    comeBack: Effect.asVoid(open(Number(new URL(first.address).port))),
  }
})
