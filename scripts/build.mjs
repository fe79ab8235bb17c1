// Builds what is published: the libraries by the compiler, and the command line as a bundle that starts quickly.
// The same sources give the same bytes.
import { execFileSync } from "node:child_process"
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join, resolve } from "node:path"
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"
import { rolldown } from "rolldown"

if (resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  process.chdir(fileURLToPath(new URL("..", import.meta.url)))
  compile("packages/core", "packages/node", "packages/cluster")
  await bundle("packages/cli/src", "packages/cli/dist")
  await manual("packages/cli/dist")
}

/** Modules, declarations and maps of libraries, in the `dist` of each. */
function compile(...projects) {
  for (const project of projects) rmSync(join(project, "dist"), { recursive: true, force: true })
  const compiler = execFileSync("node_modules/.bin/effect-tsgo", ["get-exe-path"], { encoding: "utf8" }).trim()
  execFileSync(compiler, ["-b", "--force", ...projects], { stdio: "inherit" })
}

/**
 * The program with all that it needs. Node takes its time for each file that it loads, so what every command needs is one file, and
 * only what a command loads when it runs is in others.
 */
export async function bundle(sources, dir) {
  rmSync(dir, { recursive: true, force: true })
  const program = await rollProgram(sources, { dir })
  // The entry is on its own, so that it can answer without the program.
  const entry = await roll(join(sources, "bin.ts"), { dir }, { "./Process.ts": "./Process.js" })
  chmodSync(join(dir, "bin.js"), 0o755)
  writeFileSync(join(dir, "THIRD-PARTY.txt"), notices(packagesOf([...program, ...entry])))
}

/**
 * The program as CommonJS, for a binary: Process.js, and the parts that it loads. Needs neither the entry, which is there for the
 * Node of others, nor any package. Returns the packages that the parts are of.
 */
export async function bundleParts(sources, dir) {
  return packagesOf(await rollProgram(sources, { dir, format: "cjs" }))
}

/** What every command needs in one file, and what only some commands need in others. */
function rollProgram(sources, options) {
  return roll(join(sources, "Process.ts"), {
    codeSplitting: { groups: [{ name: "Process", tags: ["$initial"] }] },
    ...options,
  })
}

/** The man pages and the completions, which the commands' own help is the source of. */
export async function manual(dir) {
  const { files } = await import("../packages/cli/src/Manual.ts")
  for (const { path, text } of await Effect.runPromise(files)) {
    mkdirSync(dirname(join(dir, path)), { recursive: true })
    writeFileSync(join(dir, path), text)
  }
}

/** Bundles what an entry loads, but for the files that are elsewhere. */
export async function roll(input, options, elsewhere = {}) {
  const build = await rolldown({
    input,
    platform: "node",
    // Only Effect's reading of Vite's environment asks for it, and a CommonJS file has none.
    transform: options.format === "cjs" ? { define: { "import.meta": "{}" } } : {},
    plugins: [
      {
        name: "elsewhere",
        resolveId: (id) => (id in elsewhere ? { id: elsewhere[id], external: true } : undefined),
      },
    ],
    onLog: (level, { message }) => {
      if (level === "warn") throw new Error(message)
    },
  })
  // Names of classes stay, because libraries print them in messages.
  const keepNames = { class: true, function: false }
  const { output } = await build.write({
    chunkFileNames: "[name]-[hash].js",
    minify: { compress: { keepNames }, mangle: { keepNames } },
    comments: false,
    ...options,
  })
  await build.close()
  return output
}

function order({ name, version }) {
  return `${name} ${version}`
}

/** The packages whose code is in these files: name, version, license and directory, sorted. */
function packagesOf(output) {
  const modules = output.flatMap(({ modules }) => Object.entries(modules))
  const paths = modules.filter(([, { renderedLength }]) => renderedLength > 0).map(([path]) => path)
  const directories = new Set(paths.flatMap((path) => /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? []))
  const packages = Array.from(directories, (directory) => {
    const { license, name, version } = JSON.parse(readFileSync(join(directory, "package.json"), "utf8"))
    return { name, version, license, directory }
  })
  return packages.toSorted((a, b) => (order(a) < order(b) ? -1 : 1))
}

/** The licences of these packages. */
export function notices(packages) {
  const sections = packages.map(({ directory, license, name, version }) => {
    const title = `${name} ${version} (${license})`
    const files = readdirSync(directory).filter((file) => /^(licen[cs]e|notice)/i.test(file))
    const texts = files.toSorted().map((file) => readFileSync(join(directory, file), "utf8").trim())
    return [`${title}\n${"=".repeat(title.length)}`, ...texts].join("\n\n")
  })
  return ["live-response contains code of these packages.", ...sections, ""].join("\n\n\n")
}
