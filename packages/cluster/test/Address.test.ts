import { writeFileSync } from "node:fs"
import { createServer, type Socket } from "node:net"
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
    // Each of these passwords ends a part of the URL, so what follows it is taken for a host, a database or a parameter.
    ...[
      "47110/s3cr3t",
      "s3cr3t@h/4711",
      "/4711",
      "47110?s3cr3t",
      "s3cr3t@h?4711",
      "s3cr3t@h?sslmode=4711",
      "47110#s3cr3t",
    ].map((password) => ({ text: `runner:${password}@db/live`, says: "has an @ after its host" })),
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
      assert.notMatch(JSON.stringify([error, error.message]), /4711|s3cr3t/)
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

/** The URL of a server that answers the first message with these bytes: by default that of TLS, to which it agrees. */
const answering = (bytes: ArrayLike<number>, mode: "require" | "disable" = "require") =>
  Effect.acquireRelease(
    Effect.callback<{ readonly port: number; readonly close: () => void }>((resume) => {
      const sockets = new Set<Socket>()
      const server = createServer((socket) => {
        sockets.add(socket.on("error", () => {}))
        socket.once("data", () => {
          const answer = () => socket.write(Buffer.from(bytes))
          if (mode === "disable") return void answer()
          socket.write("S")
          socket.once("data", answer)
        })
      })
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        const close = () => {
          for (const socket of sockets) socket.destroy()
          server.close()
        }
        if (typeof address === "object" && address !== null) resume(Effect.succeed({ port: address.port, close }))
      })
    }),
    ({ close }) => Effect.sync(close),
  ).pipe(Effect.map(({ port }) => `postgres://runner:secret-4711@127.0.0.1:${port}/live?sslmode=${mode}`))

/** A fatal alert of TLS 1.2. */
const alert = (number: number) => [0x15, 0x03, 0x03, 0x00, 0x02, 0x02, number]

describe("a server whose TLS does not fit", () => {
  it.live.each([
    { what: "has no version of TLS in common", bytes: alert(70) },
    { what: "has no cipher in common", bytes: alert(40) },
    { what: "does not know who signed the certificate of this program", bytes: alert(48) },
    { what: "wants a certificate", bytes: alert(116) },
    { what: "is not one of PostgreSQL", bytes: Array.from(Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n")) },
  ])("is refused at once: it $what", ({ bytes }) =>
    Effect.gen(function* () {
      const error = yield* fails(yield* answering(bytes))
      assert.deepInclude(error.reason, { _tag: "TlsFailed", problem: "protocol" }, error.message)
      assert.isFalse(error.isRetryable)
      assert.match(
        error.message,
        /^PostgreSQL at 127\.0\.0\.1:\d+\/live: TLS failed \([^\n]+\); check the address and port [^\n]+$/,
      )
    }).pipe(Effect.scoped),
  )

  it.live("is waited for where the connection was damaged", () =>
    Effect.gen(function* () {
      const error = yield* fails(yield* answering(alert(20)))
      assert.strictEqual(error.reason._tag, "Unreachable", error.message)
    }).pipe(Effect.scoped),
  )
})

/** An error that ends a connection before it is there, as PgBouncer sends it. */
const refusal = (message: string) => {
  const fields = Buffer.from(`SFATAL\0C08P01\0M${message}\0\0`)
  const head = Buffer.from("E0000")
  head.writeInt32BE(fields.length + 4, 1)
  return Buffer.concat([head, fields])
}

describe("a PgBouncer", () => {
  it.live("whose settings refuse the bound of statements is not waited for", () =>
    Effect.gen(function* () {
      const error = yield* fails(
        yield* answering(refusal("unsupported startup parameter: statement_timeout"), "disable"),
      )
      assert.isFalse(error.isRetryable)
      assert.match(
        error.message,
        /\(unsupported startup parameter: statement_timeout; for PgBouncer, add it to ignore_startup_parameters\)/,
      )
    }).pipe(Effect.scoped),
  )

  it.live("whose server is away is waited for", () =>
    Effect.gen(function* () {
      const error = yield* fails(yield* answering(refusal("server_login_failed: connect failed"), "disable"))
      assert.isTrue(error.isRetryable, error.message)
    }).pipe(Effect.scoped),
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
