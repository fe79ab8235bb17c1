import * as Database from "@live-response/cluster/Database"
import * as PostgresServer from "@live-response/cluster/testing/PostgresServer"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { sharedLayer } from "../../../core/test/support/sharedLayer.ts"

/** The database as runners open it: with the role that can't change the schema. */
export const runner = Layer.unwrap(
  Effect.map(PostgresServer.PostgresServer, ({ runner }) => Database.layer({ url: runner, timeout: "1 second" })),
)

type Shared = Layer.Layer<Database.Database | PostgresServer.PostgresServer>

let shared: Shared = Layer.effectContext(Effect.die("a test file that uses the server calls startServer"))

/** Starts a server for all tests of the file that calls this. */
export const startServer = (): void => {
  shared = sharedLayer(Layer.provideMerge(runner, PostgresServer.layer))
}

/** The server and the database that all tests of a file share. */
export const sharedServer: Shared = Layer.unwrap(Effect.sync(() => shared))
