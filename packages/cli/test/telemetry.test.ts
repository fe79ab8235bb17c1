/**
 * What leaves the program about itself: OTLP, JSON logs, the webhook, and the dashboard that reads its metrics.
 */
import { createServer } from "node:http"
import { assert, describe, it } from "@effect/vitest"
import { FromString } from "@live-response/core/ResultRef"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpClient from "effect/http/HttpClient"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import * as DownloadProgress from "../src/output/DownloadProgress.ts"
import * as StandardError from "../src/output/StandardError.ts"
import * as WebhookNotification from "../src/output/WebhookNotification.ts"
import * as Process from "./support/Cli.ts"
import * as Cli from "./support/CliInProcess.ts"
import * as Docs from "./support/Docs.ts"
import * as Samples from "./support/Samples.ts"
import * as ServedSimulator from "./support/ServedSimulator.ts"

const ref = Schema.decodeSync(FromString)(`${Samples.action(1)}:0`)

interface Received {
  readonly path: string
  readonly body: string
  readonly authorization: string | undefined
}

/** A server that notes what is posted, and answers with these statuses in turn, then 200. Other requests are `checks`. */
const receiver = Effect.fnUntraced(function* (...statuses: ReadonlyArray<number>) {
  const received: Array<Received> = []
  const checks: Array<string> = []
  const left = [...statuses]
  const server = yield* Effect.acquireRelease(
    Effect.callback<ReturnType<typeof createServer>>((resume) => {
      const server = createServer((request, response) => {
        const { authorization } = request.headers
        if (request.method !== "POST") {
          checks.push(`${request.method} ${request.url}`)
          return void response.writeHead(405).end()
        }
        let body = ""
        request.setEncoding("utf8").on("data", (chunk: string) => (body += chunk))
        request.on("end", () => {
          received.push({ path: request.url ?? "", body, authorization })
          response.writeHead(left.shift() ?? 200).end()
        })
      })
      server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
    }),
    (server) => Effect.sync(() => server.close()),
  )
  const address = server.address()
  const port = typeof address === "object" && address !== null ? address.port : 0
  return { checks, received, url: `http://127.0.0.1:${port}` }
})

const download = ["download", `${Samples.action(1)}:0`, "--out", "results"]

const served = Effect.gen(function* () {
  const { env, simulator } = yield* ServedSimulator.serve()
  yield* simulator.add(ref, { content: new TextEncoder().encode("a result") })
  return env
})

describe("telemetry", () => {
  for (const protocol of ["http/json", "http/protobuf"]) {
    it.live(`exports traces, metrics and logs, none of which has a link or a token (${protocol})`, () =>
      Effect.gen(function* () {
        const { env, simulator } = yield* ServedSimulator.serve()
        yield* simulator.add(ref, { content: new TextEncoder().encode("a result".repeat(1_000)) })
        // What programs log: links that expire, bodies that break, and storage that fails.
        yield* simulator.addFaults("blob", [
          { fault: "expire" },
          { fault: "cut", after: 100 },
          { fault: "status", status: 500 },
        ])
        const box = yield* Cli.sandbox
        const { received, url } = yield* receiver()
        const telemetry = {
          OTEL_EXPORTER_OTLP_ENDPOINT: url,
          OTEL_EXPORTER_OTLP_PROTOCOL: protocol,
          OTEL_EXPORTER_OTLP_HEADERS: "authorization=Bearer%20collector",
        }
        const args = [...download, `${Samples.action(1)}:7`, "--log-level", "debug"]
        const ended = yield* box.run({ args, env: { ...env, ...telemetry } })
        assert.strictEqual(ended.exitCode, 1, ended.stderr)
        const of = (path: string) =>
          received
            .filter((each) => each.path === path)
            .map(({ body }) => body)
            .join()
        assert.include(of("/v1/traces"), "LiveResponse.saveAll")
        assert.include(of("/v1/metrics"), "live_response.results")
        assert.include(of("/v1/logs"), `${Samples.action(1)}:0`)
        const links = (yield* simulator.calls)
          .filter(({ kind }) => kind === "blob")
          .map(({ url }) => new URL(url, env.LIVE_RESPONSE_ENDPOINT))
        const signatures = links.flatMap((link) => link.searchParams.get("sig") ?? [])
        assert.isAtLeast(signatures.length, 3)
        for (const { authorization, body } of received) {
          assert.strictEqual(authorization, "Bearer collector")
          for (const secret of [...signatures, ...signatures.map(encodeURIComponent), env.LIVE_RESPONSE_TOKEN]) {
            assert.notInclude(body, secret)
          }
        }
      }).pipe(Effect.scoped),
    )
  }

  it.live("exports no token of a live page", () =>
    Effect.gen(function* () {
      const { env } = yield* ServedSimulator.serve()
      const box = yield* Cli.sandbox
      const { received, url } = yield* receiver()
      const token = "a-secret-of-the-live-page"
      const running = yield* box.start({
        args: ["download", "--follow", "--out", "results", "--listen", "127.0.0.1:0"],
        env: {
          ...env,
          LIVE_RESPONSE_LISTEN_TOKEN: token,
          OTEL_EXPORTER_OTLP_ENDPOINT: url,
          OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
        },
      })
      const find = () => /live page: (http:\/\/127\.0\.0\.1:\d+)/.exec(running.stderr())?.[1]
      yield* Cli.until(() => find() !== undefined, running.stderr)
      yield* HttpClient.get(`${find()}/?token=${token}`)
      yield* running.signal("SIGINT")
      yield* running.ended
      const sent = received.map(({ body }) => body).join()
      assert.include(sent, "/?token=")
      assert.notInclude(sent, token)
    }).pipe(
      Effect.scoped,
      Effect.provide(FetchHttpClient.layer),
      Effect.provideService(FetchHttpClient.RequestInit, { redirect: "manual" }),
    ),
  )

  it.live("warns once that telemetry is lost, and names the host alone", () =>
    Effect.gen(function* () {
      const env = yield* served
      const box = yield* Cli.sandbox
      const telemetry = {
        OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:1/path-secret",
        OTEL_EXPORTER_OTLP_HEADERS: "authorization=header-secret",
      }
      const ended = yield* box.run({ args: [...download, "--verbose"], env: { ...env, ...telemetry } })
      assert.strictEqual(ended.exitCode, 0, ended.stderr)
      assert.lengthOf(ended.stderr.match(/telemetry could not be delivered to 127\.0\.0\.1:1, and is lost/g) ?? [], 1)
      assert.notInclude(ended.stderr, "secret")
    }).pipe(Effect.scoped),
  )

  it.live("fails in one line where a variable can't be used", () =>
    Effect.gen(function* () {
      const box = yield* Cli.sandbox
      const wrong = (env: Readonly<Record<string, string>>) => box.run({ args: ["quota"], env })
      const endpoint = yield* wrong({ OTEL_EXPORTER_OTLP_ENDPOINT: "collector:4318" })
      assert.strictEqual(endpoint.exitCode, 2)
      assert.include(endpoint.stderr, "OTEL_EXPORTER_OTLP_ENDPOINT: expected an address such as http://127.0.0.1:4318")
      // What ends the host early is a part of a password, which would be shown as the host.
      const early = yield* wrong({ OTEL_EXPORTER_OTLP_ENDPOINT: "http://hun/ter22@127.0.0.1:1" })
      assert.include(early.stderr, "OTEL_EXPORTER_OTLP_ENDPOINT: expected an address")
      assert.notMatch(early.stderr, /hun|ter22/)
      const protocol = yield* wrong({
        OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:1",
        OTEL_EXPORTER_OTLP_PROTOCOL: "grpc",
      })
      assert.strictEqual(protocol.exitCode, 2)
      assert.strictEqual(
        protocol.stderr,
        'live-response: OTEL_EXPORTER_OTLP_PROTOCOL: expected http/protobuf or http/json; got "grpc"\n',
      )
      for (const value of ["authorization", "authorization: Bearer secret", "a=b,,c", "a=%zz"]) {
        const headers = yield* wrong({
          OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:1",
          OTEL_EXPORTER_OTLP_HEADERS: value,
        })
        assert.strictEqual(headers.exitCode, 2, value)
        assert.match(headers.stderr, /^live-response: OTEL_EXPORTER_OTLP_HEADERS: expected name=value, .*\n$/)
        assert.notInclude(headers.stderr, "secret")
      }
    }).pipe(Effect.scoped),
  )
})

describe("logs", () => {
  it.live("are JSON where the environment asks for it", () =>
    Effect.gen(function* () {
      const env = yield* served
      const box = yield* Cli.sandbox
      const args = ["download", `${Samples.action(1)}:7`, "--out", "results"]
      const ended = yield* box.run({ args, env: { ...env, LIVE_RESPONSE_LOG_FORMAT: "json" } })
      assert.strictEqual(ended.exitCode, 1)
      const messages = Cli.timeless(Cli.ndjson(ended.stderr))
      assert.strictEqual(messages[0]?.["level"], "error")
      assert.match(String(messages[0]?.["message"]), /^failed: /)
    }).pipe(Effect.scoped),
  )
})

describe("--notify", () => {
  it.live("posts the outcome again after an error, without secrets", () =>
    Effect.gen(function* () {
      const env = yield* served
      const box = yield* Cli.sandbox
      const { received, url } = yield* receiver(503)
      // Those of Teams have an @ in their path.
      const args = [...download, `${Samples.action(1)}:7`, "--notify", `${url}/hook@tenant?key=abc`]
      const ended = yield* box.run({ args: [...args, "--verbose"], env })
      assert.strictEqual(ended.exitCode, 1, ended.stderr)
      assert.lengthOf(received, 2)
      const { at, failures, program, ...body } = JSON.parse(received[1]?.body ?? "")
      assert.match(`${at} ${program}`, /^\d{4}-.*Z live-response /)
      assert.deepStrictEqual(body, {
        event: "incomplete",
        command: "download",
        directory: "results",
        results: { completed: 1, skipped: 0, failed: 1, bytes: 8, links: 1 },
      })
      assert.strictEqual(failures[0].count, 1)
      assert.strictEqual(received[1]?.path, "/hook@tenant?key=abc")
      assert.include(ended.stderr, "GET http://127.0.0.1", "there is a debug log")
      assert.notMatch(ended.stdout + ended.stderr, /key=abc|hook@/)
    }).pipe(Effect.scoped),
  )

  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    it.live(`posts that the command was interrupted (${signal})`, () =>
      Effect.gen(function* () {
        const { env } = yield* ServedSimulator.serve()
        const box = yield* Process.sandbox
        const { received, url } = yield* receiver(503)
        const args = ["download", "--follow", "--out", "results", "--notify", `${url}/hook`]
        // Nobody listens on that port, so it waits.
        const running = yield* box.start({ args, env: { ...env, LIVE_RESPONSE_ENDPOINT: "http://127.0.0.1:9" } })
        yield* Process.until(
          () => running.stderr().includes("waiting for the network"),
          () => `that it waits\n${running.stderr()}`,
        )
        yield* running.signal(signal)
        const ended = yield* running.ended
        assert.strictEqual(ended.exitCode, 130, ended.stderr)
        assert.deepStrictEqual(
          received.map(({ body }) => JSON.parse(body).event),
          ["interrupted", "interrupted"],
        )
      }).pipe(Effect.scoped),
    )
  }

  it.effect("warns within seconds where the network swallows what is sent", () =>
    Effect.gen(function* () {
      const requests = yield* Queue.unbounded<string>()
      const server = yield* Effect.acquireRelease(
        Effect.callback<ReturnType<typeof createServer>>((resume) => {
          const server = createServer(({ method, url }) => void Queue.offerUnsafe(requests, `${method} ${url}`))
          server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
        }),
        (server) =>
          Effect.sync(() => {
            server.closeAllConnections()
            server.close()
          }),
      )
      const address = server.address()
      const port = typeof address === "object" && address !== null ? address.port : 0
      const said = yield* Queue.unbounded<string>()
      yield* StandardError.through((line) => void Queue.offerUnsafe(said, line))
      const url = Redacted.make(`http://127.0.0.1:${port}/hook?key=abc`)
      const notify = yield* WebhookNotification.notifier(Option.some(url), { command: "run", directory: "case" })
      assert.strictEqual(yield* Queue.take(requests), "HEAD /")
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(
        yield* Queue.take(said),
        "live-response: the server of --notify does not answer within 5 seconds, so the outcome may not arrive; check its address, the network and the proxy",
      )
      const progress = DownloadProgress.make({ fleet: undefined, isSaving: true })
      const posting = yield* Effect.forkChild(notify?.({ exit: Exit.void, progress }) ?? Effect.void)
      assert.strictEqual(yield* Queue.take(requests), "POST /hook?key=abc")
      yield* TestClock.adjust("3 seconds")
      assert.strictEqual(
        yield* Queue.take(said),
        "live-response: the webhook of --notify has not accepted the outcome yet; trying for up to 1 minute",
      )
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(posting)
      assert.include(yield* Queue.take(said), "the webhook of --notify did not accept the outcome; check its address")
    }).pipe(Effect.scoped, Effect.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env: {} })))),
  )

  it.live("warns if nobody accepts it, and refuses an address that is not encrypted", () =>
    Effect.gen(function* () {
      const env = yield* served
      const box = yield* Cli.sandbox
      const { received, url } = yield* receiver(404, 404, 404, 404)
      const ended = yield* box.run({ args: download, env: { ...env, LIVE_RESPONSE_NOTIFY: url } })
      assert.strictEqual(ended.exitCode, 0, ended.stderr)
      assert.include(ended.stderr, "the webhook of --notify did not accept the outcome (HTTP 404); check its address")
      assert.isAtLeast(received.length, 1)
      const refused = yield* box.run({ args: [...download, "--notify", "http://hooks.example/x-secret"], env })
      assert.strictEqual(refused.exitCode, 2)
      assert.include(refused.stderr, "hooks.example")
      assert.notInclude(refused.stderr, "secret")
      const early = yield* box.run({ args: [...download, "--notify", "http://secret/x@hooks.example"], env })
      assert.strictEqual(early.exitCode, 2)
      assert.notInclude(early.stderr, "secret")
    }).pipe(Effect.scoped),
  )
})

describe("docs/grafana/live-response.json", () => {
  it("reads metrics that exist, and each of them", () => {
    const documented = Docs.matches(Docs.read("docs/embedding.md"), /^\| `(live_response\.[a-z_.]+)` +\|/gm)
    const names = documented.map((name) => name.replaceAll(".", "_"))
    const expressions = Docs.matches(Docs.read("docs/grafana/live-response.json"), /"expr": "([^\n]*)"/g).join("\n")
    const used = Docs.matches(expressions, /(live_response_[a-z_]+)/g).map((name) =>
      name.replace(/_(?:bucket|count|sum)$/, ""),
    )
    assert.deepStrictEqual(Array.from(new Set(used)).toSorted(), names.toSorted())
  })
})
