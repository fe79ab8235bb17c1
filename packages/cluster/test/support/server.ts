import { afterAll, beforeAll } from "@effect/vitest"
import * as Database from "@live-response/cluster/Database"
import * as PostgresServer from "@live-response/cluster/testing/PostgresServer"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"

/** The database as runners open it: with the role that can't change the schema. */
export const runner = Layer.unwrap(
  Effect.map(PostgresServer.PostgresServer, ({ runner }) => Database.layer({ url: runner, timeout: "1 second" })),
)

// One server for all tests of a file: to start one takes a second, and a suite of another package takes a layer alone.
const scope = Scope.makeUnsafe()
let running: Context.Context<Database.Database | PostgresServer.PostgresServer> = Context.makeUnsafe(new Map())

beforeAll(() =>
  Effect.runPromise(
    Effect.map(Layer.buildWithScope(Layer.provideMerge(runner, PostgresServer.layer), scope), (built) => {
      running = built
    }),
  ),
)

afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))

/** The server and the database that all tests of this file share. */
export const sharedServer: Layer.Layer<Database.Database | PostgresServer.PostgresServer> = Layer.effectContext(
  Effect.sync(() => running),
)
