import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Cli from "./support/Cli.ts"
import * as ReferenceServer from "./support/ReferenceServer.ts"
import * as Samples from "./support/Samples.ts"

const hour = 60 * 60

/** A token as Entra makes it, but for its signature. */
const tokenOf = (claims: Readonly<Record<string, unknown>>) =>
  [
    { typ: "JWT", alg: "RS256" },
    { tid: "t-1", appid: "a-1", aud: "https://api.securitycenter.microsoft.com", ...claims },
  ]
    .map((part) => Buffer.from(JSON.stringify(part)).toString("base64url"))
    .concat("a-signature-that-is-secret")
    .join(".")

const seconds = Math.floor(Date.now() / 1000)

const check = (token: string, ...args: ReadonlyArray<string>): Cli.Command => ({
  args: ["auth", "check", ...args],
  env: { LIVE_RESPONSE_TOKEN: token },
})

describe("auth check", () => {
  it.live("shows whose token it is, what it permits, and that it suffices", () =>
    Effect.gen(function* () {
      const box = yield* Cli.sandbox
      const token = tokenOf({ roles: ["Machine.Read.All", "Alert.Read.All"], exp: seconds + hour })
      const ended = yield* box.run(check(token))
      assert.strictEqual(ended.stderr, "")
      assert.match(ended.stdout, /^API +https:\/\/api\.security\.microsoft\.com$/m)
      assert.match(ended.stdout, /^tenant +t-1$/m)
      assert.match(ended.stdout, /^app +a-1$/m)
      assert.match(ended.stdout, /^token +app-only$/m)
      assert.match(ended.stdout, /^roles +Machine\.Read\.All, Alert\.Read\.All$/m)
      assert.match(ended.stdout, /^expires +\d{4}-.*, in (59 min|1 h)$/m)
      assert.match(ended.stdout, /^download +may be used$/m)
      assert.notMatch(ended.stdout, /^mind/m)
      assert.notInclude(ended.stdout, "a-signature-that-is-secret")
      assert.strictEqual(ended.exitCode, 0)
      assert.deepStrictEqual(box.entries(), [])
    }),
  )

  it.live.each([
    {
      name: "an app without the role",
      claims: { roles: ["Alert.Read.All"] },
      says: /download +the app's token lacks Machine\.Read\.All or Machine\.ReadWrite\.All; grant it in Entra/,
    },
    { name: "an app without any role", claims: {}, says: /^roles +none$/m },
    {
      name: "a user without the scope",
      claims: { scp: "Alert.Read", upn: "ann@contoso" },
      says: /download +the user's token lacks Machine\.LiveResponse/,
    },
  ])("ends with 3 where it suffices for nothing: $name", ({ claims, says }) =>
    Effect.gen(function* () {
      const box = yield* Cli.sandbox
      const ended = yield* box.run(check(tokenOf(claims)))
      assert.match(ended.stdout, says)
      assert.match(ended.stderr, /^live-response: [^\n]+\n$/)
      assert.strictEqual(ended.exitCode, 3)
    }),
  )

  it.live("minds a token that has expired, and one for another API", () =>
    Effect.gen(function* () {
      const box = yield* Cli.sandbox
      const claims = { scp: "Machine.LiveResponse", exp: seconds - hour, aud: "https://graph.microsoft.com" }
      const ended = yield* box.run(check(tokenOf(claims)))
      assert.match(ended.stdout, /^scopes +Machine\.LiveResponse$/m)
      assert.match(ended.stdout, /^mind +the token expired at /m)
      assert.match(ended.stdout, /^mind +the token is for https:\/\/graph\.microsoft\.com/m)
      assert.match(ended.stdout, /which is over$/m)
    }),
  )

  it.live("prints one JSON object", () =>
    Effect.gen(function* () {
      const box = yield* Cli.sandbox
      const token = tokenOf({ scp: "Machine.LiveResponse", upn: "ann@contoso\u001b[31m", exp: seconds + hour })
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
        commands: {
          download: { suffices: true },
          actions: {
            suffices: false,
            missing:
              "the user's token lacks Machine.Read or Machine.ReadWrite; grant it in Entra (app registrations, API permissions, WindowsDefenderATP, as delegated permission, with admin consent)",
          },
          "actions cancel": { suffices: true },
        },
      })
      assert.strictEqual(ended.exitCode, 0)
    }),
  )

  it.live("says what it can of a token that says nothing", () =>
    Effect.gen(function* () {
      const box = yield* Cli.sandbox
      const ended = yield* box.run(check("opaque"))
      assert.match(ended.stdout, /says nothing of itself/)
      assert.strictEqual(ended.exitCode, 0)
    }),
  )

  it.live("reads a token file, and takes no other sign-in beside it", () =>
    Effect.gen(function* () {
      const box = yield* Cli.sandbox
      box.write("token", `${tokenOf({ tid: "of the file", roles: ["Machine.Read.All"] })}\n`)
      const env = { LIVE_RESPONSE_TOKEN: tokenOf({ tid: "of the environment" }), LIVE_RESPONSE_AUTH: "secret" }
      const ended = yield* box.run({ args: ["auth", "check", "--token-file", "token"], env })
      assert.match(ended.stdout, /^tenant +of the file$/m)
      assert.strictEqual(ended.exitCode, 0)

      const both = yield* box.run({ args: ["auth", "check", "--token-file", "token", "--auth", "cli"], env })
      assert.match(both.stderr, /--auth or --token-file/)
      assert.strictEqual(both.exitCode, 2)

      const absent = yield* box.run({ args: ["auth", "check", "--token-file", "absent"] })
      assert.match(absent.stderr, /^live-response: no credential; can't read the token file absent \(NotFound\)\n$/)
      assert.strictEqual(absent.exitCode, 3)
    }),
  )

  it.live.each([
    ["--auth", "nobody"],
    ["--cloud", "mars"],
    ["--authority", "http://login.example"],
    ["--endpoint", "ftp://api.example"],
  ])("%s %s is a mistake", (...args) =>
    Effect.gen(function* () {
      const box = yield* Cli.sandbox
      const ended = yield* box.run(check("opaque", ...args))
      assert.match(ended.stderr, /^live-response: [^\n]+\n$/)
      assert.strictEqual(ended.exitCode, 2)
    }),
  )
})

describe("a token that does not suffice", () => {
  it.live("is told about before the first call, and the API has the last word", () =>
    Effect.gen(function* () {
      const samples = Samples.samples(1)
      const bearer = tokenOf({ roles: ["Alert.Read.All"] })
      const server = yield* ReferenceServer.make({ results: Samples.resultsOf(samples), bearer })
      const box = yield* Cli.sandbox
      const ended = yield* box.run(Cli.download(server, ...samples.map(({ target }) => target)))
      assert.match(ended.stderr, /^live-response: the app's token lacks Machine\.Read\.All or Machine\.ReadWrite\.All/m)
      assert.strictEqual(ended.exitCode, 0)
    }),
  )

  it.live("ends a batch of hundreds with 3, after sixteen calls at most", () =>
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

describe("what is loaded", () => {
  const preload = `--import=${fileURLToPath(new URL("support/loaded.mjs", import.meta.url))}`

  const loadedBy = Effect.fnUntraced(function* (command: Cli.Command) {
    const box = yield* Cli.sandbox
    const env = { ...command.env, NODE_OPTIONS: preload, LOADED_MODULES: box.path("modules") }
    const ended = yield* box.run({ ...command, env })
    const modules = box.read("modules").toString().split("\n")
    return { ended, azure: modules.filter((url) => url.includes("@azure")) }
  })

  it.live("help and a token as it is load nothing of @azure/identity, and a sign-in does", () =>
    Effect.gen(function* () {
      const samples = Samples.samples(1)
      const server = yield* ReferenceServer.make({ results: Samples.resultsOf(samples) })
      for (const args of [["--help"], ["download", "--help"], ["auth", "check", "--help"], ["quota"]]) {
        const { azure, ended } = yield* loadedBy({ args })
        assert.strictEqual(ended.exitCode, 0)
        assert.deepStrictEqual(azure, [])
      }
      const run = yield* loadedBy(Cli.download(server, ...samples.map(({ target }) => target)))
      assert.strictEqual(run.ended.exitCode, 0)
      assert.deepStrictEqual(run.azure, [])

      const signIn = yield* loadedBy({ args: ["auth", "check", "--auth", "cli"], env: { PATH: "/nowhere" } })
      assert.isNotEmpty(signIn.azure)
    }),
  )
})
