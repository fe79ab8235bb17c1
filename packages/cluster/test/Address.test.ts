import { writeFileSync } from "node:fs"
import { assert, describe, it, layer as shared } from "@effect/vitest"
import * as Database from "@live-response/cluster/Database"
import * as Postgres from "@live-response/cluster/testing/PostgresServer"
import * as Certificate from "@live-response/node/testing/Certificate"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"

const using = <A, E>(url: string, use: (database: Database.Service) => Effect.Effect<A, E>) =>
  Effect.flatMap(Database.Database, use).pipe(
    Effect.provide(Database.layerUnchecked({ url: Redacted.make(url), timeout: "5 seconds" }), { local: true }),
  )

/** Whether the server says that the connection is encrypted. */
const isEncrypted = (url: string) =>
  using(url, ({ query }) =>
    query((sql) => sql`select ssl from pg_stat_ssl where pid = pg_backend_pid()`.pipe(Effect.map(([row]) => row))),
  ).pipe(Effect.map((row) => JSON.stringify(row) === `{"ssl":true}`))

const fails = (url: string) => Effect.flip(using(url, ({ query }) => query((sql) => sql`select 1`)))

/** The URL of the runner's role with these parameters alone. */
const runnerWith = (server: Postgres.Service, parameters: Readonly<Record<string, string>>, host = "127.0.0.1") => {
  const url = new URL(Redacted.value(server.runner))
  url.search = new URLSearchParams(parameters).toString()
  url.hostname = host
  return url.href
}

describe("the URL of a database", () => {
  it.effect.each([
    { text: "runner:secret-4711@db/live?sslmode=bogus", says: "has sslmode=bogus, which must be: disable, allow," },
    { text: "runner:secret-4711@db/live?ssl_mode=require", says: "has the parameter ssl_mode, which is not one of" },
    { text: "runner:secret-4711@db/live?connect_timeout=soon", says: "has connect_timeout=soon, which must be:" },
    { text: "runner:secret-4711@db/live?port=0", says: "has port=0, which must be: a number from 1 to 65535" },
    { text: "runner:secret-4711%@db/live", says: "has a % that is not" },
    { text: "db/live", says: "names no role" },
    { text: "runner:12?secret-4711@db/live", says: "names no role" },
    {
      text: "runner@db/live?sslrootcert=/nowhere/ca.pem",
      says: "names sslrootcert=/nowhere/ca.pem, which can't be read",
    },
    { text: "runner@db/live?sslmode=prefer&sslrootcert=/a", says: "has sslrootcert with sslmode=prefer" },
  ])("is refused at once: $text", ({ says, text }) =>
    Effect.gen(function* () {
      const error = yield* fails(`postgres://${text}`)
      assert.strictEqual(error.reason._tag, "InvalidAddress")
      assert.isFalse(error.isRetryable)
      assert.include(error.message, `: its URL ${says}`)
      assert.notInclude(JSON.stringify([error, error.message]), "4711")
    }),
  )

  it.effect("is refused if the file of the authorities has no certificate", () =>
    Effect.gen(function* () {
      const { path } = yield* Certificate.selfSigned
      writeFileSync(path, "not a certificate")
      const error = yield* fails(`postgres://runner@db/live?sslrootcert=${path}`)
      assert.include(error.message, "which can't be read as certificates in PEM")
    }),
  )
})

const encrypting = Layer.effect(
  Postgres.PostgresServer,
  Effect.flatMap(Certificate.selfSigned, (certificate) => Postgres.makeWith({ certificate })),
)

shared(Layer.orDie(encrypting), { excludeTestServices: true })("a server with TLS", (it) => {
  it.effect("is used with TLS, and its certificate is checked against the file in the URL", () =>
    Effect.gen(function* () {
      const server = yield* Postgres.PostgresServer
      const sslrootcert = new URL(Redacted.value(server.runner)).searchParams.get("sslrootcert") ?? ""
      for (const parameters of [{ sslrootcert }, { sslrootcert, sslmode: "require" }]) {
        assert.isTrue(yield* isEncrypted(runnerWith(server, parameters)))
      }
      assert.isFalse(yield* isEncrypted(runnerWith(server, { sslmode: "disable" })))
    }),
  )

  it.effect("is not used, with TLS or without, while nobody vouches for its certificate", () =>
    Effect.gen(function* () {
      const server = yield* Postgres.PostgresServer
      for (const parameters of [{}, { sslmode: "prefer" }, { sslmode: "require" }]) {
        const error = yield* fails(runnerWith(server, parameters))
        assert.deepInclude(error.reason, { _tag: "TlsFailed", problem: "authority" })
        assert.isFalse(error.isRetryable)
        assert.match(error.message, /its certificate is not trusted \(self-signed certificate\); add sslrootcert=/)
      }
    }),
  )

  it.effect("is not used where the certificate is one of another host", () =>
    Effect.gen(function* () {
      const server = yield* Postgres.PostgresServer
      const sslrootcert = new URL(Redacted.value(server.runner)).searchParams.get("sslrootcert") ?? ""
      const error = yield* fails(runnerWith(server, { sslrootcert }, "localhost"))
      assert.deepInclude(error.reason, { _tag: "TlsFailed", problem: "name" })
      assert.match(error.message, /; use a name that the certificate has$/)
    }),
  )
})

shared(Layer.orDie(Postgres.layer), { excludeTestServices: true })("a server without TLS", (it) => {
  it.effect("is used as it is, and refused at once where the URL asks for TLS", () =>
    Effect.gen(function* () {
      const server = yield* Postgres.PostgresServer
      assert.isFalse(yield* isEncrypted(runnerWith(server, {})))
      for (const sslmode of ["require", "verify-full"]) {
        const error = yield* fails(runnerWith(server, { sslmode }))
        assert.deepInclude(error.reason, { _tag: "TlsFailed", problem: "unsupported" })
        assert.isFalse(error.isRetryable)
        assert.match(error.message, /asks for an encrypted connection \(The server does not support TLS\); turn on ssl/)
      }
    }),
  )
})
