/** Commands over a tenant that is written from Microsoft's pages, and ignores filters: what they ask for, and what they leave alone. */
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as TenantServer from "../../node/test/support/tenantServer.ts"
import * as Cli from "./support/CliInProcess.ts"
import { env, machineAt, script } from "./support/Machines.ts"

const idAt = (n: number) => `988cc94e-7a8f-4b28-ab65-${String(n).padStart(12, "0")}`

const command = { index: 0, commandStatus: "Completed", command: { type: "RunScript", params: [] } }

/** Of six actions, two are pending sessions of `me`, and one of them is old. */
const makeActions = Effect.map(Clock.currentTimeMillis, (now) => {
  const ago = (hours: number) => DateTime.formatIso(DateTime.subtract(DateTime.makeUnsafe(now), { hours }))
  const mine = {
    type: "LiveResponse",
    status: "Pending",
    machineId: machineAt(0),
    requestor: "me@contoso.com",
    creationDateTimeUtc: ago(1),
    lastUpdateTimeUtc: ago(1),
    commands: [command],
  }
  const others = [
    { requestor: "ann@contoso.com" },
    { status: "InProgress" },
    { type: "Isolate" },
    { machineId: machineAt(1) },
  ]
  return [{}, { creationDateTimeUtc: ago(99) }, ...others].map((other, n) => ({ id: idAt(n), ...mine, ...other }))
})

/** Answers what is asked for about actions, and lists all of them whatever the filter is. */
const serve = Effect.fnUntraced(function* (over: object = {}) {
  const actions = (yield* makeActions).map((action) => ({ ...action, ...over }))
  let endpoint = ""
  const server = yield* TenantServer.serve({
    other: ({ method, path }): TenantServer.Answer | undefined => {
      if (path === "/api/machineactions") return { status: 200, body: { value: actions } }
      const [, id, call] = /^\/api\/machineactions\/([^/]+)\/(.+)$/.exec(path) ?? []
      const action = actions.find((action) => action.id === id)
      if (method === "POST" && call === "cancel") return { status: 200, body: { ...action, status: "Cancelled" } }
      if (call !== undefined) return { status: 200, body: { value: `${endpoint}/blob?sig=${id}` } }
      return path === "/blob" ? { status: 200, bytes: Buffer.from("{}") } : undefined
    },
  })
  endpoint = server.endpoint
  return server
})

const selection = ["--requestor", "ME@contoso.com", "--machine", machineAt(0), "--since", "24h"]

const warning = (others: number) =>
  `the list has actions that do not match the selection, which are left out (${others}): the server ignores $filter; check --endpoint`

describe("a server that ignores filters", () => {
  it.live("has none but the selected sessions cancelled", () =>
    Effect.gen(function* () {
      const server = yield* serve()
      const box = yield* Cli.sandbox
      const cancel = ["actions", "cancel", "--all-pending", "--comment", "wrong", "--yes", ...selection]
      const ended = yield* box.run({ args: cancel, env: TenantServer.envOf(server) })
      assert.strictEqual(ended.exitCode, 0, ended.stderr)
      assert.include(ended.stderr, warning(4))
      assert.deepStrictEqual(
        server.requests("POST").map(({ body, path }) => [path, body.toString()]),
        [[`/api/machineactions/${idAt(0)}/cancel`, '{"Comment":"wrong"}']],
      )
    }),
  )

  it.live("has nothing cancelled, and no session started, where only it can check a --filter", () =>
    Effect.gen(function* () {
      const server = yield* serve()
      const box = yield* Cli.sandbox
      const run = (...args: ReadonlyArray<string>) => box.run({ args: [...args], env: TenantServer.envOf(server) })
      const nobody = ["--filter", "requestor eq 'nobody'", "--yes"]
      const cancel = yield* run("actions", "cancel", "--all-pending", "--comment", "wrong", ...nobody)
      assert.strictEqual(cancel.exitCode, 1)
      assert.match(
        cancel.stderr,
        /^live-response: the list has actions that do not match the selection \(\d+\): the server ignores \$filter, so nobody knows which match --filter, and nothing was changed; check --endpoint/,
      )
      assert.deepStrictEqual(server.requests("POST"), [])
    }),
  )

  it.live("has none but the selected results downloaded, and none but the selected actions listed", () =>
    Effect.gen(function* () {
      const server = yield* serve({ status: "Succeeded" })
      const box = yield* Cli.sandbox
      const run = (...args: ReadonlyArray<string>) => box.run({ args: [...args], env: TenantServer.envOf(server) })
      const listed = yield* run("actions", "list", ...selection, "--type", "LiveResponse")
      assert.deepStrictEqual(
        listed.stdout
          .trimEnd()
          .split("\n")
          .map((line) => line.split("\t")[0]),
        [idAt(0), idAt(3)],
      )
      const downloaded = yield* run("download", ...selection, "--out", "results")
      assert.strictEqual(downloaded.exitCode, 0, downloaded.stderr)
      assert.include(downloaded.stderr, warning(3))
      assert.deepStrictEqual(
        box.files().filter((file) => file.endsWith("/0.json")),
        [`${idAt(0)}/0.json`, `${idAt(3)}/0.json`],
      )
    }),
  )

  it.live("has none but the selected results of the last day followed", () =>
    Effect.gen(function* () {
      const server = yield* serve({ status: "Succeeded" })
      const box = yield* Cli.sandbox
      const running = yield* box.start({
        args: ["download", "--follow", "--requestor", "me@contoso.com", "--machine", machineAt(0), "--out", "results"],
        env: { ...TenantServer.envOf(server), LIVE_RESPONSE_FOLLOW_EVERY: "200 millis" },
      })
      yield* Cli.until(
        () => server.requests("GET", "/api/machineactions").length > 3 && running.stderr().includes("ignores $filter"),
        running.stderr,
      )
      assert.include(running.stderr(), "the list has actions that do not match the selection")
      assert.deepStrictEqual(
        server
          .requests("GET", "/blob")
          .map(({ query }) => query.get("sig"))
          .toSorted(),
        [idAt(0), idAt(3)],
      )
    }),
  )
})

const accepted = (status: string, requestorComment = "") => ({
  id: idAt(9),
  type: "LiveResponse",
  status,
  machineId: machineAt(0),
  requestorComment,
  commands: [],
})

const starting = `/api/machines/${machineAt(0)}/runliveresponse`

const inLibrary = (content: string): TenantServer.StoredFile => ({
  fileName: "Collect.ps1",
  content: Buffer.from(content),
  description: null,
  hasParameters: false,
  parametersDescription: null,
  writes: 1,
})

describe("run over an independent tenant", () => {
  it.live.each([
    { type: "LiveResponse", path: starting, command: ["run", ...script] },
    {
      type: "CollectInvestigationPackage",
      path: `/api/machines/${machineAt(0)}/collectInvestigationPackage`,
      command: ["collect-package"],
    },
  ])("cancels the $type in the way with --cancel-blocking, and starts its own", ({ command, path: starting, type }) =>
    Effect.gen(function* () {
      let isCancelled = false
      const server = yield* TenantServer.serve({
        other: ({ method, path }): TenantServer.Answer | undefined => {
          if (path === starting && !isCancelled) {
            const message = `There is already an active request, active action id: ${idAt(7)}`
            return { status: 400, body: { error: { code: "ActiveRequestAlreadyExists", message } } }
          }
          if (path === starting) return { status: 201, body: { ...accepted("Pending"), type } }
          if (path === `/api/machineactions/${idAt(7)}/cancel` && method === "POST") isCancelled = true
          const status = isCancelled ? "Cancelled" : "InProgress"
          return path.startsWith(`/api/machineactions/${idAt(7)}`)
            ? { status: 200, body: { ...accepted(status, "of somebody else"), id: idAt(7), type } }
            : undefined
        },
      })
      server.files.set("Collect.ps1", inLibrary("Get-Process"))
      const box = yield* Cli.sandbox
      const args = [...command, machineAt(0), "--cancel-blocking", "--yes"]
      const ended = yield* box.run({ args, env: { ...env, ...TenantServer.envOf(server) } })
      assert.strictEqual(ended.exitCode, 0, ended.stderr)
      assert.include(ended.stderr, `cancelled: machine action ${idAt(7)}, which was in progress on ${machineAt(0)}`)
      assert.deepStrictEqual(
        server.requests("POST").map(({ path }) => path),
        [starting, `/api/machineactions/${idAt(7)}/cancel`, starting],
      )
    }),
  )

  it.live("notices a script that is replaced during the run, and asks before it runs the other one", () =>
    Effect.gen(function* () {
      let isForbidden = false
      const server = yield* TenantServer.serve({
        fault: (_, path) =>
          isForbidden && path === "/api/libraryfiles"
            ? { status: 403, body: { error: { code: "Forbidden", message: "Missing role." } } }
            : undefined,
        other: ({ method, path }) => {
          if (method === "POST" && path === starting) {
            server.files.set("Collect.ps1", inLibrary("Get-Service"))
            return { status: 201, body: accepted("Pending") }
          }
          return path === `/api/machineactions/${idAt(9)}` ? { status: 200, body: accepted("Succeeded") } : undefined
        },
      })
      server.files.set("Collect.ps1", inLibrary("Get-Process"))
      const box = yield* Cli.sandbox
      const run = (...args: ReadonlyArray<string>) =>
        box.run({
          args: ["run", machineAt(0), ...script, "--journal", "journal", ...args],
          env: { ...env, ...TenantServer.envOf(server) },
        })
      const first = yield* run("--json")
      assert.strictEqual(first.exitCode, 1, first.stdout)
      assert.match(
        first.stderr,
        /failed: somebody replaced Collect\.ps1 in the library during this run \(SHA-256 was [0-9a-f]{64}, is [0-9a-f]{64}\): sessions that started after \S+ UTC\S* may have used the other content/,
      )
      assert.deepInclude(
        Cli.ndjson(first.stdout).find(({ event }) => event === "replaced"),
        { fileName: "Collect.ps1" },
      )
      // By the library's spelling.
      assert.include(server.requests("POST")[0]?.body.toString(), '"value":"Collect.ps1"')

      const unconfirmed = yield* run()
      assert.deepStrictEqual(
        [unconfirmed.exitCode, unconfirmed.stderr],
        [
          2,
          "live-response: this would run again on every machine, because the content of Collect.ps1 is not that of the earlier run; confirm it with --yes, because there is no terminal to ask on\n",
        ],
      )
      assert.include((yield* run("--dry-run")).stdout, "The content of Collect.ps1 is not that of the earlier run")
      assert.strictEqual(server.requests("POST").length, 1)

      // Where nobody knows the content, no machine gets the session twice.
      isForbidden = true
      assert.strictEqual((yield* run()).exitCode, 0)
      assert.strictEqual(server.requests("POST").length, 1)

      isForbidden = false
      assert.strictEqual((yield* run("--yes")).exitCode, 0)
      assert.strictEqual((yield* run()).exitCode, 0)
      assert.strictEqual(server.requests("POST").length, 2)
    }),
  )

  it.live("sends a file as it was when it was compared, although it changes while it is sent", () =>
    Effect.gen(function* () {
      const box = yield* Cli.sandbox
      const before = "Get-Process ".repeat(20_000)
      box.write("new.ps1", before)
      const server = yield* TenantServer.serve({
        fault: (method, path, nth) => {
          if (method !== "POST" || path !== "/api/libraryfiles" || nth > 1) return undefined
          box.write("new.ps1", "Get-Service ".repeat(20_000))
          return { cutAfter: 1000 }
        },
      })
      const upload = { args: ["library", "upload", "new.ps1"], env: TenantServer.envOf(server) }
      const ended = yield* box.run(upload)
      assert.strictEqual(ended.exitCode, 0, ended.stderr)
      assert.strictEqual(server.files.get("new.ps1")?.content.toString(), before)
    }),
  )
})
