// The binary works where there is nothing else, and reads nothing of the directory that it is started in.
import { execFile } from "node:child_process"
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll, assert, beforeAll, describe, test } from "vitest"
import { addManual, assemble, host, writeBlob } from "./binary.mjs"
import { bundleParts } from "./build.mjs"
import { writeChecksums } from "./checksums.mjs"
import { billOfMaterials, problemsOf } from "./sbom.mjs"

const repository = fileURLToPath(new URL("..", import.meta.url))
const { license, name, version } = JSON.parse(readFileSync(join(repository, "packages/cli/package.json"), "utf8"))

let root
let packages
let directory

beforeAll(async () => {
  process.chdir(repository)
  root = mkdtempSync(join(tmpdir(), "live-response-binary-test-"))
  packages = await bundleParts("packages/cli/src", join(root, "parts"))
  directory = join(root, assemble(host, packages, root))
  await addManual(directory)
}, 120_000)
afterAll(() => rmSync(root, { recursive: true, force: true }))

/** Runs the binary with nothing in its environment but this. */
const run = (args, cwd, env = {}) =>
  new Promise((resolve) => {
    const options = { cwd, env: { HOME: join(root, "home"), ...env } }
    execFile(join(directory, "live-response"), args, options, (error, stdout, stderr) =>
      resolve({ code: error?.code ?? 0, stdout, stderr }),
    )
  })

const emptyDirectory = (name) => {
  const path = join(root, name)
  mkdirSync(path, { recursive: true })
  return path
}

describe("the binary", () => {
  test("runs the demo, without Node on the path, and reports to systemd", async () => {
    const cwd = emptyDirectory("demo")
    const path = emptyDirectory("path")
    writeFileSync(join(path, "systemd-notify"), '#!/bin/sh\necho "$1" >> calls\n', { mode: 0o755 })
    const { code, stderr, stdout } = await run(["demo"], cwd, { PATH: path, NOTIFY_SOCKET: "/run/notify" })
    assert.strictEqual(code, 0, stderr)
    assert.match(stdout, /60 downloaded/)
    assert.match(stdout, /^ {2}live-response demo --run$/m)
    assert.match(readFileSync(join(cwd, "live-response-results/manifest.jsonl"), "utf8"), /"completed"/)
    assert.match(readFileSync(join(cwd, "calls"), "utf8"), /^READY=1\n(STATUS=.*\n)*STOPPING=1\n$/)
  })

  test("leaves a signal that arrives while it loads to the program", async () => {
    const stub = join(emptyDirectory("early"), "stub.cjs")
    const program = 'process.kill(process.pid, "SIGTERM"); process.once("SIGTERM", () => process.exit(7))'
    writeFileSync(
      stub,
      `const loader = require("node:module")
      const load = loader._load
      loader._load = (id, ...rest) => (id === "node:sea" ? { getAsset: () => ${JSON.stringify(program)} } : load(id, ...rest))
      setTimeout(() => {}, 60_000)`,
    )
    const args = ["--require", stub, "scripts/binaryEntry.cjs"]
    const code = await new Promise((resolve) => execFile(process.execPath, args, (error) => resolve(error?.code)))
    assert.strictEqual(code, 7)
  })

  test("reads no configuration of its directory or of a runtime, and loads no code from there", async () => {
    const cwd = emptyDirectory("hostile")
    const trace = join(cwd, "ran")
    const script = `require("node:fs").writeFileSync(${JSON.stringify(trace)}, "")`
    const write = (path, content) => {
      mkdirSync(join(cwd, path, ".."), { recursive: true })
      writeFileSync(join(cwd, path), typeof content === "string" ? content : JSON.stringify(content))
    }
    write("trace.cjs", script)
    write(
      ".env",
      "LIVE_RESPONSE_TOKEN=stolen\nLIVE_RESPONSE_ENDPOINT=http://127.0.0.1:9\nNODE_OPTIONS=--require=./trace.cjs\n",
    )
    write("bunfig.toml", 'preload = ["./trace.cjs"]\n')
    write("deno.json", { tasks: {}, imports: { effect: "./trace.cjs" } })
    write("node.config.json", { nodeOptions: { require: ["./trace.cjs"], import: ["./trace.cjs"] } })
    write("sea-config.json", { main: "trace.cjs" })
    write("package.json", { type: "module", imports: { "#x": "./trace.cjs" }, main: "trace.cjs" })
    write(".npmrc", "node-options=--require=./trace.cjs\n")
    for (const name of ["effect", "redis", "@node-rs/xxhash", "@azure/identity"]) {
      write(`node_modules/${name}/package.json`, { name, version: "1.0.0", main: "index.js" })
      write(`node_modules/${name}/index.js`, script)
    }
    const before = readdirSync(cwd)
    const env = { NODE_OPTIONS: "--require=./trace.cjs", NODE_PATH: join(cwd, "node_modules") }
    const started = { code: 0, stdout: `live-response v${version}\n`, stderr: "" }
    assert.deepStrictEqual(await run(["--version"], cwd, env), started)
    // It loads everything that signs in, and finds no token.
    const signIn = await run(["auth", "check", "--auth", "token"], cwd, env)
    assert.strictEqual(signIn.code, 3, signIn.stderr)
    assert.match(signIn.stderr, /LIVE_RESPONSE_TOKEN/)
    // Each package that is loaded only where it is needed.
    const quota = await run(["quota"], cwd, { ...env, LIVE_RESPONSE_REDIS_URL: "redis://127.0.0.1:9" })
    assert.match(quota.stderr, /127\.0\.0\.1:9/)
    assert.deepStrictEqual(readdirSync(cwd), before)
  })

  test("imports nothing when it runs, but for a package that may be missing", () => {
    const parts = readdirSync(join(root, "parts")).map((name) => readFileSync(join(root, "parts", name), "utf8"))
    const imported = parts.flatMap((text) => Array.from(text.matchAll(/[^\w.$]import\(([^)]*)\)/g), ([, what]) => what))
    assert.deepStrictEqual(imported, ["`@node-rs/xxhash`"])
  })

  test("has the licences of the packages in it and of Node", () => {
    const notices = readFileSync(join(directory, "THIRD-PARTY.txt"), "utf8")
    for (const title of [/^effect \d/m, /^@azure\/identity \d/m, /^Node \d/m, /OpenSSL/, /V8/])
      assert.match(notices, title)
    assert.deepStrictEqual(readdirSync(directory).toSorted(), [
      "LICENSE",
      "THIRD-PARTY.txt",
      "completions",
      "deploy",
      "live-response",
      "man",
    ])
  })

  test("has the man pages, the completions and the units beside it", () => {
    for (const path of [
      "man/live-response-download.1",
      "completions/bash/live-response",
      "completions/zsh/_live-response",
    ])
      assert.include(readFileSync(join(directory, path), "utf8"), "download", path)
    assert.include(readFileSync(join(directory, "deploy/systemd/live-response-follow.service"), "utf8"), "ExecStart=")
  })

  test("is of the same bytes when it is built elsewhere", async () => {
    const elsewhere = emptyDirectory("a directory with another name")
    await bundleParts("packages/cli/src", join(elsewhere, "parts"))
    assert.isTrue(readFileSync(writeBlob(elsewhere)).equals(readFileSync(join(root, "main.blob"))))
  })
})

describe("the bill of materials", () => {
  const text = (more) =>
    billOfMaterials({
      hashOf: () => "0".repeat(128),
      packages,
      program: { license, name, version },
      versions: process.versions,
      ...more,
    })

  test("is CycloneDX by its strict schema, and names each package and each library of Node", async () => {
    assert.isNull(await problemsOf(text({ time: new Date(0) })))
    const { components, dependencies, metadata } = JSON.parse(text())
    const purls = components.map(({ purl }) => purl)
    for (const { name, version } of packages) assert.include(purls, `pkg:npm/${name.replace("@", "%40")}@${version}`)
    for (const name of ["node", "openssl", "v8", "sqlite", "zlib"]) {
      assert.include(purls, `pkg:generic/${name}@${encodeURIComponent(process.versions[name])}`)
    }
    assert.isAbove(packages.length, 30)
    assert.strictEqual(metadata.component.purl, `pkg:npm/%40live-response/cli@${version}`)
    assert.lengthOf(
      dependencies.find(({ ref }) => ref === metadata.component["bom-ref"]).dependsOn,
      packages.length + 1,
    )
  })

  test("that breaks the schema is refused", async () => {
    assert.isNotNull(await problemsOf(text().replace('"library"', '"book"')))
  })

  test("is the same, byte for byte, when it is written again", () => {
    assert.strictEqual(text(), text({ packages: packages.toReversed() }))
  })
})

describe("SHA256SUMS", () => {
  test("lists each file as sha256sum reads it, and not itself", () => {
    const directory = emptyDirectory("sums")
    writeFileSync(join(directory, "b"), "abc")
    writeFileSync(join(directory, "a"), "")
    const wanted = [
      "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  a\n",
      "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  b\n",
    ]
    for (let i = 0; i < 2; i++) {
      writeChecksums(directory)
      assert.strictEqual(readFileSync(join(directory, "SHA256SUMS"), "utf8"), wanted.join(""))
    }
  })
})
