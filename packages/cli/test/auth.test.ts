import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import { FromString } from "@live-response/core/ResultRef"
import * as Simulator from "@live-response/core/testing/Simulator"
import * as Certificate from "@live-response/node/testing/Certificate"
import * as SimulatorServer from "@live-response/node/testing/SimulatorServer"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpServer from "effect/http/HttpServer"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Cli from "./support/CliInProcess.ts"
import * as ReferenceServer from "./support/ReferenceServer.ts"
import * as Samples from "./support/Samples.ts"

const hour = 60 * 60

const decodeRef = Schema.decodeSync(FromString)

/** A token as Entra makes it, but for its signature. */
const tokenOf = (claims: Readonly<Record<string, unknown>>) =>
  [
    { typ: "JWT", alg: "RS256" },
    { tid: "t-1", appid: "a-1", aud: "https://api.securitycenter.microsoft.com", ...claims },
  ]
    .map((part) => Buffer.from(JSON.stringify(part)).toString("base64url"))
    .concat("a-signature-that-is-secret")
    .join(".")

const now = Effect.map(Clock.currentTimeMillis, (millis) => Math.floor(millis / 1000))

const check = (token: string, ...args: ReadonlyArray<string>): Cli.Command => ({
  args: ["auth", "check", ...args],
  env: { LIVE_RESPONSE_TOKEN: token },
})

describe("auth check", () => {
  it.live("shows the token's owner, its permissions, and that they suffice", () =>
    Effect.gen(function* () {
      const box = yield* Cli.sandbox
      const roles = ["Machine.ReadWrite.All", "Machine.Read.All"]
      const token = tokenOf({ roles, exp: (yield* now) + hour })
      const ended = yield* box.run(check(token))
      assert.strictEqual(ended.stderr, "")
      assert.match(ended.stdout, /^API +https:\/\/api\.security\.microsoft\.com$/m)
      assert.match(ended.stdout, /^tenant +t-1$/m)
      assert.match(ended.stdout, /^app +a-1$/m)
      assert.match(ended.stdout, /^token +app-only$/m)
      assert.match(ended.stdout, /^roles +Machine\.ReadWrite\.All, Machine\.Read\.All$/m)
      assert.match(ended.stdout, /^expires +\d{4}-.*, in (59 min|1 h)$/m)
      assert.match(ended.stdout, /^download +permitted$/m)
      assert.match(ended.stdout, /^machines +permitted$/m)
      assert.match(ended.stdout, /^library +not permitted: needs Library\.Manage$/m)
      // Once for all commands.
      assert.match(ended.stdout, /^missing +Machine\.LiveResponse, Machine\.CollectForensics, Library\.Manage$/m)
      assert.strictEqual(ended.stdout.split("Entra (app registrations").length, 2)
      // Values stand in one column, beside the longest label too.
      for (const line of ended.stdout.trimEnd().split("\n")) assert.match(line, /^\S.{25} \S/)
      assert.match(ended.stdout, /^collect-package +not permitted: needs Machine\.CollectForensics$/m)
      assert.notMatch(ended.stdout, /^warning/m)
      assert.notInclude(ended.stdout, "a-signature-that-is-secret")
      assert.strictEqual(ended.exitCode, 0)
      assert.deepStrictEqual(box.entries(), [])
    }),
  )

  it.live("says of a permission of Microsoft's older pages that it may not suffice any more", () =>
    Effect.gen(function* () {
      const box = yield* Cli.sandbox
      const ended = yield* box.run(check(tokenOf({ roles: ["Machine.Read.All"], exp: (yield* now) + hour })))
      assert.strictEqual(ended.exitCode, 0)
      for (const command of ["download", "actions"]) {
        const line = ended.stdout.split("\n").find((line) => line.startsWith(`${command} `))
        assert.include(line, "may be refused: Microsoft's newest page names Machine.ReadWrite.All instead")
      }
      assert.match(ended.stdout, /^perhaps missing +Machine\.ReadWrite\.All$/m)
      assert.match(ended.stdout, /^machines +permitted$/m)
    }),
  )

  it.live.each([
    {
      name: "an app without the role",
      claims: { roles: ["Alert.Read.All"] },
      says: /download +not permitted: needs Machine\.ReadWrite\.All\n/,
    },
    { name: "an app without any role", claims: {}, says: /^roles +none$/m },
    {
      name: "a user without the scope",
      claims: { scp: "Alert.Read", upn: "ann@contoso" },
      says: /download +not permitted: needs Machine\.LiveResponse\n/,
    },
  ])("exits with 3 if the token does not suffice for any command: $name", ({ claims, says }) =>
    Effect.gen(function* () {
      const box = yield* Cli.sandbox
      const ended = yield* box.run(check(tokenOf(claims)))
      assert.match(ended.stdout, says)
      assert.match(ended.stderr, /^live-response: [^\n]+\n$/)
      assert.strictEqual(ended.exitCode, 3)
    }),
  )

  it.live("names all that is missing to wait and to download", () =>
    Effect.gen(function* () {
      const box = yield* Cli.sandbox
      const roles = ["Machine.CollectForensics", "Machine.LiveResponse"]
      const { exitCode, stdout } = yield* box.run(check(tokenOf({ roles, exp: (yield* now) + hour })))
      assert.strictEqual(exitCode, 0)
      assert.match(stdout, /^collect-package +permitted$/m)
      assert.match(stdout, /^collect-package --wait +not permitted: needs Machine\.ReadWrite\.All$/m)
      // The one that other calls need suffices for the links of packages as well.
      assert.match(stdout, /^collect-package --download +not permitted: needs Machine\.ReadWrite\.All$/m)
      assert.match(stdout, /^run +permitted$/m)
      assert.match(stdout, /^run --wait +not permitted: needs Machine\.ReadWrite\.All$/m)
    }),
  )

  it.live("warns of a token that has expired, and of one for another API", () =>
    Effect.gen(function* () {
      const box = yield* Cli.sandbox
      const claims = { scp: "Machine.LiveResponse", exp: (yield* now) - hour, aud: "https://graph.microsoft.com" }
      const ended = yield* box.run(check(tokenOf(claims)))
      assert.match(ended.stdout, /^scopes +Machine\.LiveResponse$/m)
      assert.match(ended.stdout, /^warning +the token expired at /m)
      assert.match(ended.stdout, /^warning +the token is for https:\/\/graph\.microsoft\.com/m)
      assert.match(ended.stdout, / UTC, expired$/m)
      assert.strictEqual(ended.exitCode, 3)
      assert.match(
        ended.stderr,
        /^live-response: signed in, but the API will not accept the token: the token expired at /,
      )
    }),
  )

  it.live("prints one JSON object", () =>
    Effect.gen(function* () {
      const box = yield* Cli.sandbox
      const token = tokenOf({ scp: "Machine.LiveResponse", upn: "ann@contoso\u001b[31m", exp: (yield* now) + hour })
      const ended = yield* box.run(check(token, "--json", "--cloud", "gcc-high"))
      assert.notInclude(ended.stdout, "\u001b")
      const report: unknown = JSON.parse(ended.stdout)
      assert.deepInclude(report, {
        base: "https://api-gov.securitycenter.microsoft.us",
        authority: "https://login.microsoftonline.us",
        tenant: "t-1",
        user: "ann@contoso\u001b[31m",
        token: "delegated",
        permissions: ["Machine.LiveResponse"],
        missing: ["Machine.ReadWrite", "Machine.CollectForensics", "Library.Manage"],
        grantIn:
          "Entra (app registrations, API permissions, WindowsDefenderATP, as delegated permission, with admin consent)",
        commands: {
          download: { suffices: true },
          actions: { suffices: false, missing: ["Machine.ReadWrite"] },
          run: { suffices: true },
          "run --wait": { suffices: false, missing: ["Machine.ReadWrite"] },
          "run --download": { suffices: false, missing: ["Machine.ReadWrite"] },
          "actions cancel": { suffices: true },
          machines: {
            suffices: false,
            missing: ["Machine.Read or Machine.ReadWrite"],
          },
          "collect-package": { suffices: false, missing: ["Machine.CollectForensics"] },
          "collect-package --wait": { suffices: false, missing: ["Machine.CollectForensics", "Machine.ReadWrite"] },
          "collect-package --download": { suffices: false, missing: ["Machine.CollectForensics", "Machine.ReadWrite"] },
          library: {
            suffices: false,
            missing: ["Library.Manage"],
          },
        },
      })
      assert.strictEqual(ended.exitCode, 0)
    }),
  )

  it.live("shows what is known if the token is not readable", () =>
    Effect.gen(function* () {
      const box = yield* Cli.sandbox
      const ended = yield* box.run(check("opaque"))
      assert.match(ended.stdout, /not readable, so its permissions are unknown/)
      assert.strictEqual(ended.exitCode, 0)
    }),
  )

  it.live("reads a token file, and refuses another sign-in beside it", () =>
    Effect.gen(function* () {
      const box = yield* Cli.sandbox
      box.write("token", `${tokenOf({ tid: "of the file", roles: ["Machine.Read.All"] })}\n`)
      const env = { LIVE_RESPONSE_TOKEN: tokenOf({ tid: "of the environment" }), LIVE_RESPONSE_AUTH: "secret" }
      const ended = yield* box.run({ args: ["auth", "check", "--token-file", "token"], env })
      assert.match(ended.stdout, /^tenant +of the file$/m)
      assert.match(
        ended.stderr,
        /^[^\n]*token holds a secret, and others on this machine may open it: chmod 600 token\n$/,
      )
      assert.strictEqual(ended.exitCode, 0)

      const both = yield* box.run({ args: ["auth", "check", "--token-file", "token", "--auth", "cli"], env })
      assert.match(both.stderr, /--auth or --token-file/)
      assert.strictEqual(both.exitCode, 2)

      const absent = yield* box.run({ args: ["auth", "check", "--token-file", "absent"] })
      assert.match(
        absent.stderr,
        /^live-response: no credential; can't read the token file absent \(there is no such file\)\n$/,
      )
      assert.strictEqual(absent.exitCode, 3)
    }),
  )

  it.live.each([
    ["--auth", "nobody"],
    ["--cloud", "mars"],
    ["--authority", "http://login.example"],
    ["--endpoint", "ftp://api.example"],
  ])("%s %s is a usage error", (args) =>
    Effect.gen(function* () {
      const box = yield* Cli.sandbox
      const ended = yield* box.run(check("opaque", ...args))
      assert.match(ended.stderr, /^live-response: [^\n]+\n$/)
      assert.strictEqual(ended.exitCode, 2)
    }),
  )
})

describe("a token without the permission", () => {
  it.live("is reported before the first call, but the API decides", () =>
    Effect.gen(function* () {
      const samples = Samples.samples(1)
      const bearer = tokenOf({ roles: ["Alert.Read.All"] })
      const server = yield* ReferenceServer.make({ results: Samples.resultsOf(samples), bearer })
      const box = yield* Cli.sandbox
      const ended = yield* box.run(Cli.download(server, ...samples.map(({ target }) => target)))
      assert.match(ended.stderr, /^live-response: the app's token lacks Machine\.ReadWrite\.All/m)
      assert.strictEqual(ended.exitCode, 0)
    }),
  )

  it.live("ends a batch of hundreds with exit code 3, after sixteen calls at most", () =>
    Effect.gen(function* () {
      const samples = Samples.samples(300)
      const denied = ReferenceServer.apiError(403, "Forbidden", "The application does not have the required roles.")
      const server = yield* ReferenceServer.make({ results: Samples.resultsOf(samples), onLink: () => denied })
      const box = yield* Cli.sandbox
      box.write("targets", samples.map(({ target }) => target).join("\n"))
      const ended = yield* box.run(Cli.download(server, "--from", "targets", "-j", "256", "--json"))
      assert.match(ended.stderr, /permission is missing \(HTTP 403 Forbidden/)
      assert.strictEqual(ended.exitCode, 3)
      assert.isAtMost(server.linkCalls().length, 16)
    }),
  )
})

describe("the sign-in of a batch", () => {
  /** API, sign-in and storage over TLS, and the environment of an app that signs in there. */
  const serve = Effect.fnUntraced(function* (count: number, options: Simulator.Options) {
    const tls = yield* Certificate.selfSigned
    const simulator = yield* Simulator.make({ ...options, perMinute: 1000 })
    const samples = Samples.samples(count + 2).slice(2)
    for (const { bytes, target } of samples) yield* simulator.add(decodeRef(target), { content: bytes })
    const context = yield* Layer.build(
      SimulatorServer.layer({ tls }).pipe(Layer.provide(Layer.succeed(Simulator.Simulator, simulator))),
    )
    const { address } = Context.get(context, HttpServer.HttpServer)
    const origin = HttpServer.formatAddress(address).replace("http:", "https:")
    const env = {
      NODE_EXTRA_CA_CERTS: tls.path,
      LIVE_RESPONSE_ENDPOINT: origin,
      AZURE_AUTHORITY_HOST: origin,
      AZURE_TENANT_ID: "t-1",
      AZURE_CLIENT_ID: "a-1",
    }
    return { env, simulator, targets: samples.map(({ target }) => target) }
  })

  it.live("renews its token after a 401, and nothing fails", () =>
    Effect.gen(function* () {
      const { env, simulator, targets } = yield* serve(40, {
        tokenLifetime: "2 seconds",
        latency: Effect.sleep("50 millis"),
      })
      const box = yield* Cli.sandbox
      const args = ["download", "--out", "results", "-j", "1", "--per-minute", "1000", "--json", ...targets]
      const ended = yield* box.run({ args, env: { ...env, AZURE_CLIENT_SECRET: "a-secret-of-the-app" } })
      assert.strictEqual(ended.exitCode, 0, ended.stderr)
      const calls = yield* simulator.calls
      const count = (kind: Simulator.Call["kind"], status: number) =>
        calls.filter((call) => call.kind === kind && call.status === status).length
      assert.isAtLeast(count("link", 401), 1)
      assert.strictEqual(count("link", 200), 40)
      assert.strictEqual(count("token", 200), 1 + count("link", 401))
      assert.notInclude(ended.stdout + ended.stderr, "a-secret-of-the-app")
    }),
  )

  it.live("by device code asks on stderr, and leaves stdout to the events", () =>
    Effect.gen(function* () {
      const { env, targets } = yield* serve(2, { deviceUser: { pendingPolls: 1 } })
      const box = yield* Cli.sandbox
      const ended = yield* box.run({ args: ["download", "--auth", "device-code", "--json", ...targets], env })
      assert.strictEqual(ended.exitCode, 0, ended.stderr)
      assert.match(ended.stderr, /^To sign in, use a web browser to open the page \S+ and enter the code \w+/)
      const events = ended.stdout
        .trim()
        .split("\n")
        .map((line): unknown => JSON.parse(line))
      assert.deepInclude(events.at(-1), { event: "summary", completed: 2 })
    }),
  )

  it.live("that is refused is one line and exit code 3, and leaves no files", () =>
    Effect.gen(function* () {
      const { env, targets } = yield* serve(1, { app: { clientId: "a-1", clientSecret: "right" } })
      const box = yield* Cli.sandbox
      const ended = yield* box.run({ args: ["download", ...targets], env: { ...env, AZURE_CLIENT_SECRET: "wrong" } })
      assert.strictEqual(ended.exitCode, 3)
      assert.match(
        ended.stderr,
        /^live-response: sign-in was refused: AADSTS7000215: Invalid client secret provided; [^\n]*\(correlation id [^\n]*\)\n$/,
      )
    }),
  )
})

describe("loaded modules", () => {
  const preload = `--import=${fileURLToPath(new URL("support/recordModules.mjs", import.meta.url))}`

  const loadedBy = Effect.fnUntraced(function* (command: Cli.Command) {
    const box = yield* Cli.sandbox
    const env = { ...command.env, NODE_OPTIONS: preload, LOADED_MODULES: box.path("modules") }
    const ended = yield* box.run(Cli.fromSources({ ...command, env }))
    const modules = box.read("modules").toString().split("\n")
    return {
      ended,
      azure: modules.filter((url) => url.includes("@azure")),
      api: modules.filter((url) => url.endsWith("/DefenderApi.ts")),
    }
  })

  it.live("help loads no module that calls the API, and nothing of @azure/identity", () =>
    Effect.gen(function* () {
      for (const command of [[], ["run"], ["download"], ["actions", "list"], ["auth", "check"]]) {
        const { api, azure, ended } = yield* loadedBy({ args: [...command, "--help"] })
        assert.strictEqual(ended.exitCode, 0)
        assert.deepStrictEqual({ api, azure }, { api: [], azure: [] })
      }
    }),
  )

  it.live("the quota and a given token load nothing of @azure/identity, but a sign-in does", () =>
    Effect.gen(function* () {
      const samples = Samples.samples(1)
      const server = yield* ReferenceServer.make({ results: Samples.resultsOf(samples) })
      const quota = yield* loadedBy({ args: ["quota"] })
      assert.strictEqual(quota.ended.exitCode, 0)
      assert.deepStrictEqual(quota.azure, [])
      const run = yield* loadedBy(Cli.download(server, ...samples.map(({ target }) => target)))
      assert.strictEqual(run.ended.exitCode, 0)
      assert.deepStrictEqual(run.azure, [])

      const signIn = yield* loadedBy({ args: ["auth", "check", "--auth", "cli"], env: { PATH: "/nowhere" } })
      assert.isNotEmpty(signIn.azure)
    }),
  )
})
