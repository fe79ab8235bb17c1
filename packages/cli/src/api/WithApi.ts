/**
 * Runs the handler of a command that calls the API. Help and usage errors load neither the handler nor the API.
 */
import type { ApiServices } from "@live-response/node/NodeLiveResponse"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Failure from "../Failure.ts"
import * as SignIn from "../flags/SignIn.ts"

type CommandError = Parameters<typeof Failure.fromError>[0]

const loadApi = Effect.promise(() => import("./ApiLayer.ts"))

const loadNotices = Effect.promise(() => import("../output/QuotaNotices.ts"))

/** Makes the function that runs a handler with the API that the flags choose. */
export const withApi = <Handler>(loadHandler: Effect.Effect<Handler>) =>
  Effect.fnUntraced(function* <E extends CommandError, R>(
    options: SignIn.Options,
    use: (handler: Handler) => Effect.Effect<void, E, R | ApiServices>,
  ) {
    const environment = yield* SignIn.environment(options)
    const handler = yield* loadHandler
    const { layer } = yield* loadApi
    const { during } = yield* loadNotices
    yield* Effect.provide(during(use(handler)), Layer.provide(layer, environment))
  }, Effect.mapError(Failure.fromError))
