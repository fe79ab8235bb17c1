/** The README's tasks, run as they are written there. */
import { delimiter, dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { FromString } from "@live-response/core/ResultRef"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Schema from "effect/Schema"
import * as Cli from "./support/Cli.ts"
import * as Docs from "./support/Docs.ts"
import * as Machines from "./support/Machines.ts"
import * as ReferenceServer from "./support/ReferenceServer.ts"
import * as ServedSimulator from "./support/ServedSimulator.ts"

const here = fileURLToPath(new URL(".", import.meta.url))
const bins = join(Docs.root, "node_modules/.bin")

/** The first block of a section, by the start of its heading. */
const blockOf = (heading: string): string => {
  const readme = Docs.read("README.md")
  const section = readme.slice(readme.indexOf(`\n## ${heading}`))
  return /```(?:ts|sh)\n(.*?)```/s.exec(section)?.[1] ?? ""
}

/** A block of shell commands, the first failure of which ends it. `npx` would ask a registry. */
const shell = (
  block: string,
  env: Readonly<Record<string, string>>,
  replacements: Readonly<Record<string, string>>,
): Cli.Command => ({
  program: "sh",
  args: [
    "-ec",
    Object.entries({ "npx @live-response/cli": "live-response", ...replacements }).reduce(
      (script, [text, other]) => script.replaceAll(text, other),
      block.replace(/^export .*$/m, ""),
    ),
  ],
  env: { ...env, PATH: [bins, process.env.PATH].join(delimiter) },
})

const id = "988cc94e-7a8f-4b28-ab65-54970c5d5018"
const results = Object.fromEntries(
  Array.from({ length: 6 }, (_, i) => [`${id}:${i}`, { bytes: new TextEncoder().encode(`result ${i}`) }]),
)

const environmentOf = (server: ReferenceServer.ReferenceServer) => ({
  LIVE_RESPONSE_TOKEN: server.bearer,
  LIVE_RESPONSE_ENDPOINT: server.endpoint,
})

describe("README", { concurrent: true }, () => {
  it.live("task 1 downloads one result, a list, and what a pipe names", () =>
    Effect.gen(function* () {
      const server = yield* ReferenceServer.make({ results })
      const box = yield* Cli.sandbox
      box.write("targets.txt", `${id}:1-3\n`)
      box.write("hunt.tsv", `${id}:4\tWS-0004\n${id}:5\tWS-0005\n`)
      const ended = yield* box.run(shell(blockOf("Task 1"), environmentOf(server), { "jq .event": "cat" }))
      assert.strictEqual(ended.exitCode, 0, ended.stderr)
      const resultsIn = (directory: string) => box.files(directory).filter((file) => file.startsWith(id))
      assert.deepStrictEqual(resultsIn(box.path("live-response-results")), [
        `${id}/0.bin`,
        `${id}/4.bin`,
        `${id}/5.bin`,
      ])
      assert.deepStrictEqual(resultsIn(box.path("case-4711")), [`${id}/1.bin`, `${id}/2.bin`, `${id}/3.bin`])
      assert.match(ended.stdout, /"event":"summary","completed":2/)
    }).pipe(Effect.scoped),
  )

  it.live("task 2 runs a script on machines, downloads and shows what it left, and verifies it", () =>
    Effect.gen(function* () {
      const { env } = yield* ServedSimulator.serve({ ...Machines.quick, machines: Machines.machines(2) })
      const box = yield* Cli.sandbox
      box.write("hosts.txt", `${Machines.ids(2).join("\n")}\n`)
      const first = 'basename "$(find case-4711 -mindepth 1 -type d | head -n 1)"'
      const ended = yield* box.run(shell(blockOf("Task 2"), { ...env, ...Machines.env }, { "ID:0": `"$(${first}):0"` }))
      assert.strictEqual(ended.exitCode, 0, ended.stderr)
      assert.match(ended.stdout, /2 sessions succeeded .*\n4 downloaded /)
      assert.match(ended.stdout, /2 script results, one row each/)
      assert.match(ended.stdout, /4 verified .* 0 differ, 0 missing/)
      assert.isTrue(box.files(box.path("case-4711")).includes("results.csv"))
    }).pipe(Effect.scoped),
  )

  it.live("task 3 follows until it is interrupted", () =>
    Effect.gen(function* () {
      const { env, simulator } = yield* ServedSimulator.serve()
      const now = DateTime.formatIso(DateTime.makeUnsafe(yield* Clock.currentTimeMillis))
      yield* simulator.addAction({
        id,
        type: "LiveResponse",
        status: "Succeeded",
        requestor: "soc@contoso.com",
        creationDateTimeUtc: now,
        lastUpdateDateTimeUtc: now,
        commands: [{ index: 0, commandStatus: "Completed", command: { type: "RunScript", params: [] } }],
      })
      yield* simulator.add(Schema.decodeSync(FromString)(`${id}:0`), { content: new Uint8Array(5) })
      const box = yield* Cli.sandbox
      const [npx, program, ...args] = blockOf("Task 3").trim().split(/\s+/)
      assert.deepStrictEqual([npx, program], ["npx", "@live-response/cli"])
      const following = yield* box.start({
        args,
        env: { ...env, LIVE_RESPONSE_FOLLOW_EVERY: "300 millis", LIVE_RESPONSE_VISIBLE_WITHIN: "2 seconds" },
      })
      const isStored = () =>
        box.entries().includes("collected") && box.files(box.path("collected")).includes(`${id}/0.bin`)
      yield* Cli.until(isStored, () => `the result\n${following.stderr()}`)
      yield* following.signal("SIGINT")
      assert.strictEqual((yield* following.ended).exitCode, 130)
    }).pipe(Effect.scoped),
  )

  it.live("the program downloads six results", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const server = yield* ReferenceServer.make({ results })
      const box = yield* Cli.sandbox
      // Below this package, so that the program finds the packages.
      const directory = yield* fs.makeTempDirectoryScoped({ directory: dirname(here), prefix: ".readme-" })
      const code = blockOf("In an Effect program")
      yield* fs.writeFileString(join(directory, "program.ts"), `${code}\nawait Effect.runPromise(program)\n`)
      const ended = yield* box.run({
        program: join(bins, "node"),
        args: [join(directory, "program.ts")],
        env: environmentOf(server),
      })
      assert.strictEqual(ended.exitCode, 0, ended.stderr)
      assert.strictEqual(ended.stdout.match(/: 8 bytes, SHA-256 [0-9a-f]{64}/g)?.length, 6, ended.stdout)
    }).pipe(Effect.scoped, Effect.provide(NodeFileSystem.layer)),
  )
})
