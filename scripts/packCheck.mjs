// Packs what would be published, and checks that it installs and works where there is nothing else.
//
//     npm run build && node scripts/packCheck.mjs
import { execFile, execFileSync, spawn } from "node:child_process"
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { gzipSync } from "node:zlib"
import { Miniflare } from "miniflare"
import { rolldown } from "rolldown"
import { packAll } from "./pack.mjs"
import { pnpm } from "./pnpm.mjs"

process.chdir(fileURLToPath(new URL("..", import.meta.url)))

const bin = resolve("node_modules/.bin")
const node = join(bin, "node")
const root = mkdtempSync(join(tmpdir(), "live-response-pack-"))
process.on("exit", () => rmSync(root, { recursive: true, force: true }))
/** Programs get nothing of the environment of the user who runs this. Installers need it: it says which registry to trust. */
const environment = { PATH: [bin, process.env.PATH].join(":"), HOME: join(root, "home"), LANG: "C.UTF-8" }

/** What a package may weigh, in kB: its archive; and what an empty folder weighs with it installed. */
const bounds = {
  // The stores of results in Azure, S3 and directories are in it.
  core: { archive: 1000 },
  node: { archive: 200, installed: 80_000 },
  cluster: { archive: 220 },
  // Completions and man pages are 0.6 MB of it, and what only a cluster needs 0.3 MB.
  cli: { archive: 1150, installed: 4100 },
  worker: 110,
}

/** The first of the man pages, and the completions. */
const manual = [
  "package/dist/man/live-response.1",
  "package/dist/completions/bash/live-response",
  "package/dist/completions/zsh/_live-response",
  "package/dist/completions/fish/live-response.fish",
  "package/dist/completions/powershell/live-response.ps1",
]

const fail = (message) => {
  console.error(message)
  process.exit(1)
}

const step = async (name, run) => {
  console.log(`- ${name}`)
  await run()
}

/** Runs a program to its end, and returns what it printed. */
const run = (program, args, options = {}) =>
  new Promise((resolve) => {
    execFile(
      program,
      args,
      { cwd: root, env: environment, maxBuffer: 2 ** 26, ...options },
      (error, stdout, stderr) => {
        if (error !== null) fail(`${program} ${args.join(" ")} failed:\n${stdout}${stderr}`)
        resolve(stdout.trim())
      },
    )
  })

const atMost = (what, size, bound) => {
  console.log(
    `  ${what}: ${Math.round(size / 1000).toLocaleString("en-US")} kB (at most ${bound.toLocaleString("en-US")})`,
  )
  if (size > bound * 1000) fail(`${what} is larger than it may be`)
}

const sizeOf = (directory) =>
  readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, { name, parentPath }) => sum + statSync(join(parentPath, name)).size, 0)

/** A folder with nothing but a manifest. */
const emptyFolder = (name) => {
  const directory = join(root, name)
  mkdirSync(directory)
  writeFileSync(join(directory, "package.json"), JSON.stringify({ name: "empty", private: true, type: "module" }))
  return directory
}

const archives = await packAll(root)

await step("the archives have what they need, and no more", () => {
  for (const [name, archive] of Object.entries(archives)) {
    atMost(name, statSync(archive).size, bounds[name].archive)
    const files = execFileSync("tar", ["-tzf", archive], { encoding: "utf8" }).split("\n")
    for (const file of ["package/LICENSE", "package/README.md", ...(name === "cli" ? manual : [])]) {
      if (!files.includes(file)) fail(`${name} has no ${file}`)
    }
    const needless = files.filter((file) => /tsbuildinfo|\/test\//.test(file))
    if (needless.length > 0) fail(`${name} has files that nobody needs: ${needless.join(" ")}`)
  }
})

await step("another build gives the same bytes", async () => {
  await run(node, [resolve("scripts/build.mjs")])
  const again = join(root, "again")
  mkdirSync(again)
  for (const [name, archive] of Object.entries(await packAll(again))) {
    if (!readFileSync(archive).equals(readFileSync(archives[name]))) fail(`${name} differs`)
  }
})

await step("publint and attw", async () => {
  for (const [name, archive] of Object.entries(archives)) {
    await run(join(bin, "publint"), ["run", archive, "--strict"])
    // The command line exports nothing.
    if (name !== "cli") await run(join(bin, "attw"), [archive, "--profile", "esm-only", "--no-color"])
  }
})

const library = emptyFolder("library")
const program = emptyFolder("program")
const byPnpm = emptyFolder("by-pnpm")

await step("npm installs the library", async () => {
  const flags = ["install", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
  await run("npm", [...flags, archives.core, archives.node, "@types/node@24"], { cwd: library, env: process.env })
  atMost("installed", sizeOf(join(library, "node_modules")), bounds.node.installed)
  // Effect's package for Node asks for it, but no module that is used here needs it.
  rmSync(join(library, "node_modules/redis"), { recursive: true })
  await run("npm", [...flags, archives.cli], { cwd: program, env: process.env })
  atMost("installed program", sizeOf(join(program, "node_modules")), bounds.cli.installed)
})

await step("pnpm installs the program", () => {
  const { status } = pnpm(["add", "--ignore-scripts", "--ignore-workspace", archives.cli], {
    cwd: byPnpm,
    stdio: ["ignore", 2, 2],
    env: { ...process.env, CI: "true" },
  })
  if (status !== 0) fail("pnpm add failed")
})

const blockOf = (page, heading) =>
  new RegExp(`## ${heading}.*?\`\`\`ts\\n(.*?)\`\`\``, "s").exec(readFileSync(page, "utf8"))?.[1] ??
  fail(`no ${heading}`)

await step("the examples of README.md and docs/embedding.md compile in TypeScript 5.9 and 7", async () => {
  writeFileSync(join(library, "readme.ts"), blockOf("README.md", "In an Effect program"))
  writeFileSync(join(library, "worker.ts"), blockOf("docs/embedding.md", "Deno, Bun and workers"))
  const flags = ["--noEmit", "--strict", "--skipLibCheck", "false", "--module", "nodenext", "--target", "es2024"]
  const libs = ["--lib", "es2024,esnext,dom,dom.iterable,dom.asynciterable", "--types", "node"]
  for (const compiler of ["typescript", "typescript-5.9"]) {
    const tsc = resolve("node_modules", compiler, "bin/tsc")
    await run(node, [tsc, ...flags, ...libs, "readme.ts", "worker.ts"], { cwd: library })
  }
})

/** A program that exports every export of a package again, with the types that the compiler infers. */
const exportedAgain = (directory, name) => {
  const dist = join(directory, "node_modules/@live-response", name, "dist")
  const modules = readdirSync(dist, { recursive: true })
    .filter((file) => file.endsWith(".d.ts") && !/^(internal|index)\b/.test(file))
    .map((file) => ({ module: file.slice(0, -".d.ts".length), text: readFileSync(join(dist, file), "utf8") }))
  return modules.flatMap(({ module, text }, n) => [
    `import * as M${n} from "@live-response/${name}/${module}"`,
    ...Array.from(
      text.matchAll(/^export declare (?:const|function|class) (\w+)/gm),
      ([, value]) => `export const v${n}_${value} = [M${n}.${value}].map((value) => ({ value }))`,
    ),
  ])
}

const declared = emptyFolder("declared")

await step("a program with declarations can name every type", async () => {
  const flags = ["install", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
  const { cluster, core, node: ofNode } = archives
  await run("npm", [...flags, core, ofNode, cluster, "@types/node@24"], { cwd: declared, env: process.env })
  const names = ["core", "node", "cluster"]
  for (const name of names) writeFileSync(join(declared, `${name}.ts`), exportedAgain(declared, name).join("\n"))
  const tsc = resolve("node_modules/typescript-5.9/bin/tsc")
  const options = ["--strict", "--exactOptionalPropertyTypes", "--module", "nodenext", "--target", "es2024"]
  const emitted = ["--declaration", "--emitDeclarationOnly", "--skipLibCheck", "--types", "node"]
  await run(node, [tsc, ...options, ...emitted, ...names.map((name) => `${name}.ts`)], { cwd: declared })
  for (const name of names) {
    const [found] = /\S*\/internal\/\S*/.exec(readFileSync(join(declared, `${name}.d.ts`), "utf8")) ?? []
    if (found !== undefined) fail(`a declaration of ${name} has a type that no program can name: ${found}`)
  }
})

/** Prints why a credential and a quota in Redis are not to be had. */
const optional = `import * as NodeCredential from "@live-response/node/NodeCredential"
import * as NodeQuotaStore from "@live-response/node/NodeQuotaStore"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
for (const layer of [NodeCredential.layerConfig, NodeQuotaStore.layerRedis(Redacted.make("redis://127.0.0.1"))]) {
  console.log((await Effect.runPromise(Effect.flip(Effect.scoped(Layer.build(layer))))).message)
}
`

await step("optional packages are named where they are needed", async () => {
  writeFileSync(join(library, "optional.mjs"), optional)
  const printed = await run(node, ["optional.mjs"], { cwd: library })
  for (const name of ["@azure/identity", "redis"]) {
    if (!printed.includes(`install it with npm install ${name}`)) fail(`${name} is not named:\n${printed}`)
  }
})

for (const directory of [program, byPnpm]) {
  await step(`the program runs the demo (${directory.slice(root.length + 1)})`, async () => {
    const command = join(directory, "node_modules/.bin/live-response")
    await run(command, ["demo"], { cwd: directory })
    const manifest = readFileSync(join(directory, "live-response-results/manifest.jsonl"), "utf8")
    if (!manifest.includes("completed")) fail("the demo downloaded nothing")
  })
}

/** The simulated service of the program, until `use` has finished. */
const withService = async (use) => {
  const service = spawn(join(program, "node_modules/.bin/live-response"), ["simulate"], {
    env: environment,
    stdio: ["ignore", "pipe", "inherit"],
  })
  try {
    let endpoint
    for await (const line of createInterface({ input: service.stdout })) {
      endpoint ??= /LIVE_RESPONSE_ENDPOINT=(\S+)/.exec(line)?.[1]
      if (line.includes("Ctrl-C")) break
    }
    await use({
      LIVE_RESPONSE_ENDPOINT: endpoint,
      AZURE_AUTHORITY_HOST: endpoint,
      AZURE_TENANT_ID: "contoso",
      AZURE_CLIENT_ID: "evidence",
      AZURE_CLIENT_SECRET: "a-secret-of-nobody",
    })
  } finally {
    service.kill("SIGTERM")
  }
}

const target = "00000000-5a11-4000-8000-000000000000:0"

/** Calls the worker of the page as its runtime does. */
const caller = `import worker from "./worker.ts"
const [target, env] = globalThis.Deno?.args ?? process.argv.slice(2)
const response = await worker.fetch(new Request("http://worker.example/" + target), JSON.parse(env))
console.log(response.status, (await response.arrayBuffer()).byteLength)
`

const binaryOf = (runtime, path) =>
  createRequire(createRequire(resolve("packages/core/package.json")).resolve(`${runtime}/package.json`)).resolve(path)

const runtimes = {
  node: [node],
  deno: [
    binaryOf("deno", "@deno/linux-x64-glibc/deno"),
    "run",
    "--no-prompt",
    "--no-remote",
    "--no-check",
    "--no-lock",
    "--node-modules-dir=manual",
    "--allow-net=127.0.0.1",
  ],
  bun: [binaryOf("bun", "@oven/bun-linux-x64/bin/bun"), "run", "--no-install"],
}

const bundleForWorkerd = async () => {
  const build = await rolldown({
    input: join(library, "worker.ts"),
    cwd: library,
    platform: "browser",
    resolve: { conditionNames: ["workerd", "worker", "import"] },
  })
  const { output } = await build.generate({ minify: true })
  await build.close()
  if (output.length !== 1) fail("the worker is not one file")
  return output[0].code
}

await withService(async (env) => {
  writeFileSync(join(library, "call.ts"), caller)
  for (const [name, [runtime, ...flags]] of Object.entries(runtimes)) {
    await step(`the library runs in ${name}`, async () => {
      const printed = await run(runtime, [...flags, "call.ts", target, JSON.stringify(env)], { cwd: library })
      if (!/^200 [1-9]\d*$/.test(printed)) fail(`${name} printed ${printed}`)
    })
  }
  await step("the library runs in workerd", async () => {
    const script = await bundleForWorkerd()
    atMost("worker, gzipped", gzipSync(script, { level: 9 }).length, bounds.worker)
    const workerd = new Miniflare({ modules: true, script, compatibilityDate: "2026-07-01", bindings: env })
    try {
      const response = await workerd.dispatchFetch(`http://worker.example/${target}`)
      const { byteLength } = await response.arrayBuffer()
      if (response.status !== 200 || byteLength === 0) fail(`workerd answered ${response.status} ${byteLength}`)
    } finally {
      await workerd.dispose()
    }
  })
})

console.log("Everything that would be published works.")
