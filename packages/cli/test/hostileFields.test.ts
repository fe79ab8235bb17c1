/** What a terminal obeys is in no line of any command, whichever member of a record has it. */
import { createServer, type Server } from "node:http"
import { assert, describe, it } from "@effect/vitest"
import { FromString } from "@live-response/core/ResultRef"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Cli from "./support/CliInProcess.ts"
import * as ServedSimulator from "./support/ServedSimulator.ts"

/** Tabs and line feeds are between fields and records. */
const obeyed = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\p{Cf}\u2028\u2029]/u

const hostile = "evil\u001b[2J\u009b31m\u0007\u202etxt\u200b\u2028\u0000\u{E0001}"

const id = "988cc94e-7a8f-4b28-ab65-54970c5d5018"

const command = {
  index: 0,
  startTime: hostile,
  endTime: hostile,
  commandStatus: hostile,
  errors: [hostile, { code: hostile, message: hostile }],
  command: {
    type: hostile,
    params: [
      { key: "ScriptName", value: hostile },
      { key: hostile, value: hostile },
    ],
  },
}

/** Every member that the API documents, and one that it does not. */
const action = {
  id,
  type: hostile,
  title: hostile,
  scope: hostile,
  requestor: hostile,
  requestorComment: hostile,
  externalID: hostile,
  requestSource: hostile,
  commands: [command],
  cancellationRequestor: hostile,
  cancellationComment: hostile,
  cancellationDateTimeUtc: hostile,
  status: "Succeeded",
  machineId: hostile,
  computerDnsName: hostile,
  creationDateTimeUtc: "2026-11-01T00:00:00Z",
  lastUpdateDateTimeUtc: "2026-11-01T00:00:00Z",
  errorHResult: hostile,
  relatedFileInfo: { fileIdentifier: hostile },
  troubleshootInfo: hostile,
  [hostile]: hostile,
}

const unreadable = { ...action, id: hostile }

const base64url = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url")

const claims = {
  tid: hostile,
  appid: hostile,
  aud: hostile,
  roles: [hostile, "Machine.LiveResponse"],
  upn: hostile,
  idtyp: hostile,
  exp: 4_000_000_000,
}

/** An API that answers everything like this. */
const answering = (status: number, body: string) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly server: Server; readonly base: string }>((resume) => {
      const server = createServer((_, response) => response.writeHead(status).end(body))
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        const port = typeof address === "object" && address !== null ? address.port : 0
        resume(Effect.succeed({ server, base: `http://127.0.0.1:${port}` }))
      })
    }),
    ({ server }) =>
      Effect.sync(() => {
        server.close()
        server.closeAllConnections()
      }),
  ).pipe(Effect.map(({ base }) => base))

/** A text as it is within JSON. */
const asJson = (text: string) => JSON.stringify(text).slice(1, -1)

const decodeRef = Schema.decodeSync(FromString)

const commands: ReadonlyArray<ReadonlyArray<string>> = [
  ["actions", "list"],
  ["actions", "list", "--json"],
  ["actions", "get", id],
  ["actions", "get", id, "--json"],
  ["actions", "wait", id],
  ["actions", "wait", id, "--json"],
  ["actions", "cancel", id, "--comment", hostile],
  ["actions", "cancel", id, "--comment", hostile, "--json"],
  ["show", `${id}:0`],
  ["show", `${id}:0`, "--errors"],
  ["show", `${id}:0`, "--json"],
  ["link", `${id}:0`, "--json"],
  ["download", "--since", "3000d", "--out", "results"],
  ["download", `${id}:0`, "--out", "results"],
  ["download", `${id}:0`, "--out", "results", "--json"],
  ["results", "--out", "results"],
  ["results", "--out", "results", "--json"],
  ["download", hostile],
  ["actions", "get", hostile],
  ["quota", "--endpoint", `https://${hostile}/`],
]

describe("hostile fields", () => {
  it.live("of actions, results, arguments and addresses are printed safely by every command", () =>
    Effect.gen(function* () {
      const { env, simulator } = yield* ServedSimulator.serve()
      yield* simulator.addAction(action)
      yield* simulator.addAction(unreadable)
      yield* simulator.addAction({ ...action, id: id.replace("988c", "988d"), commands: hostile })
      const script = { script_name: hostile, exit_code: 1, script_output: hostile, script_errors: hostile }
      yield* simulator.add(decodeRef(`${id}:0`), { content: Buffer.from(JSON.stringify(script)) })
      const box = yield* Cli.sandbox
      let printed = ""
      for (const args of commands) {
        const { stderr, stdout } = yield* box.run({ args, env })
        assert.notMatch(stdout, obeyed, args.join(" "))
        assert.notMatch(stderr, obeyed, args.join(" "))
        printed += stdout + stderr
      }
      // The fields are there, with marks in them.
      assert.include(printed, "evil\uFFFD[2J")
      assert.include(printed, "machine      evil\uFFFD[2J\uFFFD31m\uFFFD\uFFFDtxt")
    }),
  )

  it.live("of an error of the API are printed safely by every command", () =>
    Effect.gen(function* () {
      const error = { code: hostile, message: hostile, target: hostile }
      const endpoint = yield* answering(400, JSON.stringify({ error }))
      const box = yield* Cli.sandbox
      let printed = ""
      for (const args of [...commands, ["run", "a".repeat(40), "--script", "a.ps1"], ["download", id]]) {
        const env = { LIVE_RESPONSE_ENDPOINT: endpoint, LIVE_RESPONSE_TOKEN: "token" }
        const { stderr, stdout } = yield* box.run({ args, env })
        assert.notMatch(stdout, obeyed, args.join(" "))
        assert.notMatch(stderr, obeyed, args.join(" "))
        printed += stdout + stderr
      }
      assert.include(printed, "evil")
    }),
  )

  it.live("that repeat the token are in no output and in no file", () =>
    Effect.gen(function* () {
      const { env, simulator } = yield* ServedSimulator.serve()
      const token = env.LIVE_RESPONSE_TOKEN
      const repeating = (value: unknown): unknown =>
        JSON.parse(JSON.stringify(value).replaceAll(asJson(hostile), token))
      yield* simulator.addAction(Object(repeating({ ...action, type: "LiveResponse" })))
      yield* simulator.addAction(Object(repeating({ ...action, id: hostile })))
      yield* simulator.add(decodeRef(`${id}:0`), { content: Buffer.from("{}") })
      const box = yield* Cli.sandbox
      let printed = ""
      for (const args of commands.filter((args) => args[0] !== "link")) {
        const { stderr, stdout } = yield* box.run({ args, env })
        printed += stdout + stderr
      }
      const files = box.files(box.root).map((path) => ({ path, text: box.read(path).toString("latin1") }))
      for (const { path, text } of files) assert.notInclude(text, token, path)
      assert.notInclude(printed, token)
      assert.include(printed, "machine      <redacted>")
      assert.isTrue(files.some(({ path, text }) => path.endsWith("actions.jsonl") && text.includes("<redacted>")))
    }),
  )

  it.live("of a token are printed safely", () =>
    Effect.gen(function* () {
      const box = yield* Cli.sandbox
      const env = { LIVE_RESPONSE_TOKEN: `e30.${base64url(claims)}.c2ln` }
      for (const args of [
        ["auth", "check"],
        ["auth", "check", "--json"],
      ]) {
        const { stderr, stdout } = yield* box.run({ args, env })
        assert.notMatch(stdout + stderr, obeyed)
        assert.include(stdout, "evil")
      }
    }),
  )
})

describe("an address with a password in it", () => {
  it.live.each([
    { env: { LIVE_RESPONSE_ENDPOINT: "https://user:hunter22@api.example.com" }, names: "LIVE_RESPONSE_ENDPOINT" },
    { env: { LIVE_RESPONSE_ENDPOINT: "https://hunter22@api.example.com" }, names: "LIVE_RESPONSE_ENDPOINT" },
    { env: { LIVE_RESPONSE_ENDPOINT: "https://hun/ter22@api.example.com" }, names: "LIVE_RESPONSE_ENDPOINT" },
    { env: { LIVE_RESPONSE_ENDPOINT: "https://api.example.com/?code=hunter22" }, names: "LIVE_RESPONSE_ENDPOINT" },
    { env: { AZURE_AUTHORITY_HOST: "https://user:hunter22@login.example.com" }, names: "AZURE_AUTHORITY_HOST" },
    { env: { AZURE_AUTHORITY_HOST: "https://user:12?hunter22@login.example.com" }, names: "AZURE_AUTHORITY_HOST" },
    { env: { LIVE_RESPONSE_AUDIENCE: "https://user:hunter22@example.com" }, names: "LIVE_RESPONSE_AUDIENCE" },
    { env: { LIVE_RESPONSE_AUDIENCE: "https://user:hun/ter22@example.com" }, names: "LIVE_RESPONSE_AUDIENCE" },
    { flags: ["--endpoint", "https://user:hunter22@api.example.com"], names: "--endpoint" },
    { flags: ["--endpoint", "https://hun/ter22@api.example.com"], names: "--endpoint" },
    { flags: ["--authority", "https://user:hunter22@login.example.com"], names: "--authority" },
  ])(
    "is a usage error that names the setting, but does not show its value: $names",
    ({ env = {}, flags = [], names }) =>
      Effect.gen(function* () {
        const box = yield* Cli.sandbox
        for (const args of [["quota"], ["auth", "check"], ["actions", "list"], ["download", `${id}:0`]]) {
          const ended = yield* box.run({ args: [...args, ...flags], env: { LIVE_RESPONSE_TOKEN: "token", ...env } })
          assert.strictEqual(ended.exitCode, 2)
          assert.include(ended.stderr, names)
          assert.include(ended.stderr, "without a user or a password")
          assert.notMatch(ended.stderr + ended.stdout, /hun|ter22/)
        }
      }),
  )
})
