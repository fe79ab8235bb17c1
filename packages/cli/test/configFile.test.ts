/** `--config FILE`: flags win over variables, and variables over the file. */
import { chmodSync, chownSync, readdirSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as ConfigFile from "../src/input/ConfigFile.ts"
import * as Cli from "./support/CliInProcess.ts"
import * as Docs from "./support/Docs.ts"
import * as ReferenceServer from "./support/ReferenceServer.ts"
import * as Samples from "./support/Samples.ts"

const target = `${Samples.action(0)}:0`
const results = { [target]: { bytes: Samples.noise(2000, 0) } }

const directories = (box: Cli.Sandbox) => readdirSync(box.root)

describe("--config", () => {
  it.live("gives way to variables, which give way to flags", () =>
    Effect.gen(function* () {
      const server = yield* ReferenceServer.make({ results })
      const box = yield* Cli.sandbox
      const file = box.path(
        box.write(
          "config.toml",
          `LIVE_RESPONSE_OUT = "of-file" # a comment\nLIVE_RESPONSE_WINDOWS = ["100/1 minute", "1500/1 hour"]\nLIVE_RESPONSE_ENDPOINT = "${server.endpoint}"\n`,
        ),
      )
      const { LIVE_RESPONSE_ENDPOINT: _, ...env } = Cli.download(server, target).env ?? {}
      const run = (args: ReadonlyArray<string>, more: Readonly<Record<string, string>> = {}) =>
        Effect.map(box.run({ args: ["download", target, ...args], env: { ...env, ...more } }), (ended) =>
          assert.strictEqual(ended.exitCode, 0, ended.stderr),
        )
      yield* run(["--config", file])
      yield* run([], { LIVE_RESPONSE_CONFIG: file, LIVE_RESPONSE_OUT: "of-variable" })
      yield* run([`--config=${file}`, "--out", "of-flag"], { LIVE_RESPONSE_OUT: "of-variable-2" })
      assert.includeMembers(directories(box), ["of-file", "of-variable", "of-flag"])
      assert.notInclude(directories(box), "of-variable-2")
    }),
  )

  it.live.each([
    {
      name: "an unknown name",
      toml: "LIVE_RESPONSE_OTU = 1",
      error: /sets LIVE_RESPONSE_OTU, which is unknown; did you mean LIVE_RESPONSE_OUT/,
    },
    { name: "a table", toml: "[download]\nout = 1", error: /sets download, which is unknown; it may set variables/ },
    { name: "a time", toml: "LIVE_RESPONSE_OUT = 2026-11-26", error: /LIVE_RESPONSE_OUT must be a text, a number/ },
    { name: "broken TOML", toml: 'LIVE_RESPONSE_TOKEN = "secret\n', error: /config\.toml:1:\d+ is not valid TOML/ },
    {
      name: "a value that the variable refuses",
      toml: "LIVE_RESPONSE_PER_MINUTE = 0",
      error: /LIVE_RESPONSE_PER_MINUTE/,
    },
  ])("refuses $name in one line, without its values", ({ error, toml }) =>
    Effect.gen(function* () {
      const box = yield* Cli.sandbox
      const file = box.path(box.write("config.toml", toml))
      const ended = yield* box.run({ args: ["quota", "--config", file] })
      assert.strictEqual(ended.exitCode, 2, ended.stderr)
      assert.match(ended.stderr, error)
      assert.strictEqual(ended.stderr.trimEnd().split("\n").length, 1)
      assert.notInclude(ended.stderr, "secret")
    }),
  )

  it.live("refuses a secret in a file that others can read, with the command that changes it", () =>
    Effect.gen(function* () {
      const box = yield* Cli.sandbox
      const file = box.path(box.write("config.toml", 'LIVE_RESPONSE_TOKEN = "eyJ0"'))
      chmodSync(file, 0o640)
      const shared = yield* box.run({ args: ["quota", "--config", file] })
      assert.strictEqual(shared.exitCode, 4)
      assert.include(
        shared.stderr,
        `config.toml holds LIVE_RESPONSE_TOKEN, and others on this machine may open it; chmod 600`,
      )
      chmodSync(file, 0o600)
      const own = yield* box.run({ args: ["quota", "--config", file] })
      assert.strictEqual(own.exitCode, 0, own.stderr)
    }),
  )

  it.live.each([
    { name: "everybody may write to", mode: 0o666, uid: undefined, why: /other users may write to it \(mode 666\)/ },
    { name: "its group may write to", mode: 0o620, uid: undefined, why: /other users may write to it \(mode 620\)/ },
    // Only root can give a file away.
    ...(process.getuid?.() === 0
      ? [{ name: "another user owns", mode: 0o600, uid: 65532, why: /it belongs to another user \(uid 65532\)/ }]
      : []),
  ])("does not obey a file that $name: it could name another endpoint", ({ mode, uid, why }) =>
    Effect.gen(function* () {
      const server = yield* ReferenceServer.make({ results })
      const box = yield* Cli.sandbox
      const file = box.path(box.write("config.toml", `LIVE_RESPONSE_ENDPOINT = "${server.endpoint}"\n`))
      const { LIVE_RESPONSE_ENDPOINT: _, ...env } = Cli.download(server, target).env ?? {}
      const run = box.run({ args: ["download", target, "--config", file], env })
      chmodSync(file, mode)
      if (uid !== undefined) chownSync(file, uid, uid)
      const refused = yield* run
      assert.strictEqual(refused.exitCode, 4, refused.stderr)
      assert.match(
        refused.stderr,
        /^live-response: \S*config\.toml is not obeyed, because [^\n]+; use a file of your own, with mode 600 or 644\n$/,
      )
      assert.match(refused.stderr, why)
      chmodSync(file, 0o644)
      if (uid !== undefined) chownSync(file, 0, 0)
      const own = yield* run
      assert.strictEqual(own.exitCode, 0, own.stderr)
    }),
  )

  it.live("is named by the warning of a format of messages that it sets, and not by that of the environment", () =>
    Effect.gen(function* () {
      const box = yield* Cli.sandbox
      const file = box.path(box.write("config.toml", 'LIVE_RESPONSE_LOG_FORMAT = "xml"'))
      const args = ["quota", "--config", file]
      const warning = "LIVE_RESPONSE_LOG_FORMAT is neither text nor json: text is used"
      const ofFile = yield* box.run({ args })
      assert.strictEqual(ofFile.stderr, `live-response: ${file}: ${warning}\n`)
      const ofEnvironment = yield* box.run({ args, env: { LIVE_RESPONSE_LOG_FORMAT: "yaml" } })
      assert.strictEqual(ofEnvironment.stderr, `live-response: ${warning}\n`)
    }),
  )

  it.live("is not read for help, and a missing file is a usage error", () =>
    Effect.gen(function* () {
      const box = yield* Cli.sandbox
      const env = { LIVE_RESPONSE_CONFIG: "/nowhere.toml" }
      assert.strictEqual((yield* box.run({ args: ["quota", "--help"], env })).exitCode, 0)
      const ended = yield* box.run({ args: ["quota"], env })
      assert.deepStrictEqual(
        { exitCode: ended.exitCode, stderr: ended.stderr },
        {
          exitCode: 2,
          stderr: "live-response: LIVE_RESPONSE_CONFIG: can't read /nowhere.toml: there is no such file\n",
        },
      )
    }),
  )

  it.live.each([
    { toml: 'LIVE_RESPONSE_LIMIT_RATE = "abc"', error: "LIVE_RESPONSE_LIMIT_RATE: expected a size of at least 1.0 kB" },
    { toml: "LIVE_RESPONSE_RETRIES = -1", error: "LIVE_RESPONSE_RETRIES: expected" },
  ])("is named by an error of what it sets, unless the environment sets it: $toml", ({ error, toml }) =>
    Effect.gen(function* () {
      const box = yield* Cli.sandbox
      const file = box.path(box.write("config.toml", toml))
      const [name = "", value = ""] = toml.replaceAll('"', "").split(" = ")
      const token = { LIVE_RESPONSE_TOKEN: "token" }
      const args = ["download", target]
      const ofFile = yield* box.run({ args: [...args, "--config", file], env: token })
      assert.strictEqual(ofFile.exitCode, 2, ofFile.stderr)
      assert.isTrue(ofFile.stderr.startsWith(`live-response: ${file}: ${error}`), ofFile.stderr)
      const ofVariable = yield* box.run({ args: [...args, "--config", file], env: { ...token, [name]: value } })
      assert.isTrue(ofVariable.stderr.startsWith(`live-response: ${error}`), ofVariable.stderr)
    }),
  )

  it.live.each([
    { sets: "LIVE_RESPONSE_TOKEN_FILE", others: "", exitCode: 3 },
    {
      sets: "AZURE_CLIENT_CERTIFICATE_PATH",
      others: 'AZURE_TENANT_ID = "contoso.example"\nAZURE_CLIENT_ID = "app"\n',
      exitCode: 3,
    },
    { sets: "LIVE_RESPONSE_OUT", others: 'LIVE_RESPONSE_TOKEN = "token"\n', exitCode: 4 },
  ])("is named by an error of a file or directory that it names: $sets", ({ exitCode, others, sets }) =>
    Effect.gen(function* () {
      const box = yield* Cli.sandbox
      const named = sets === "LIVE_RESPONSE_OUT" ? box.path(box.write("a.txt", "text")) : box.path("nowhere.txt")
      const config = box.path(box.write("config.toml", `${others}${sets} = "${named}"\n`))
      chmodSync(config, 0o600)
      const args = ["download", target, "--config", config]
      const ended = yield* box.run({ args, env: { LIVE_RESPONSE_ENDPOINT: "http://127.0.0.1:1" } })
      assert.strictEqual(ended.exitCode, exitCode, ended.stderr)
      assert.include(ended.stderr, named)
      assert.include(ended.stderr, `; ${config} sets ${sets}\n`)
    }),
  )

  it.live("needs a name", () =>
    Effect.gen(function* () {
      const box = yield* Cli.sandbox
      const ended = yield* box.run({ args: ["quota", "--config", ""] })
      assert.strictEqual(ended.exitCode, 2)
      assert.match(ended.stderr, /^live-response: Missing value for flag --config\. Expected: a file [^\n]+\n$/)
    }),
  )

  it("knows each variable that the program reads", () => {
    // No command reads the variables of the cluster yet.
    const read = Docs.sources
      .filter((path) => !path.startsWith("packages/cluster/"))
      .flatMap((path) =>
        Docs.matches(
          Docs.read(path),
          /(?:Config\.\w+|wait|optional|secret|schema|limit|positive|schema)\((?:[\w.]+, |\[[^\]]*\], )?"((?:LIVE_RESPONSE|AZURE)_\w+)"/g,
        ),
      )
    const ofEnvironment = ["LIVE_RESPONSE_CONFIG", "AZURE_PASSWORD"]
    assert.deepStrictEqual(Docs.missing(read, [...ConfigFile.names, ...ofEnvironment]), [])
    const named = Docs.sources
      .filter((path) => !path.endsWith("ConfigFile.ts"))
      .map(Docs.read)
      .join("\n")
    assert.deepStrictEqual(
      ConfigFile.names.filter((name) => !named.includes(`"${name}"`)),
      [],
    )
  })
})
