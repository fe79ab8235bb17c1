/** The database of a cluster, for all tests of a file. */
import { afterAll, beforeAll } from "@effect/vitest"
import * as Database from "@live-response/cluster/Database"
import * as PostgresServer from "@live-response/cluster/testing/PostgresServer"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"

export interface ClusterDatabase {
  readonly server: PostgresServer.Service
  /** The environments of the role that owns the schema, and of the role that may read and write rows only. */
  readonly owner: Readonly<Record<string, string>>
  readonly runner: Readonly<Record<string, string>>
  /** Runs a statement as the owner. */
  readonly query: (statement: string) => Effect.Effect<ReadonlyArray<unknown>>
}

const environment = (url: Redacted.Redacted<string>) => ({ LIVE_RESPONSE_DATABASE_URL: Redacted.value(url) })

/** Starts a server before the tests of this file, and stops it after them. */
export const shared = (): (() => ClusterDatabase) => {
  const scope = Scope.makeUnsafe()
  let running: PostgresServer.Service | undefined
  beforeAll(() =>
    Effect.runPromise(
      Effect.map(Scope.provide(PostgresServer.make, scope), (server) => {
        running = server
      }),
    ),
  )
  afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))
  return () => {
    if (running === undefined) throw new Error("the server runs during tests only")
    const server = running
    return {
      server,
      owner: environment(server.owner),
      runner: environment(server.runner),
      query: (statement) =>
        Database.Database.use(({ query }) => query((sql) => sql.unsafe<object>(statement))).pipe(
          Effect.provide(Database.layerUnchecked({ url: server.owner }), { local: true }),
          Effect.orDie,
        ),
    }
  }
}
