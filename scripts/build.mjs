// Builds what is published: the libraries by the compiler, and the command line as a bundle that starts quickly.
// The same sources give the same bytes.
import { execFileSync } from "node:child_process"
import { chmodSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join, resolve } from "node:path"
import { fileURLToPath } from "node:url"
import { rolldown } from "rolldown"

if (resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  process.chdir(fileURLToPath(new URL("..", import.meta.url)))
  compile("packages/core", "packages/node", "packages/cluster")
  await bundle("packages/cli/src", "packages/cli/dist")
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
  const program = await roll(join(sources, "Process.ts"), {
    dir,
    codeSplitting: { groups: [{ name: "Process", tags: ["$initial"] }] },
  })
  // The entry is on its own, so that it can answer without the program.
  const entry = await roll(join(sources, "bin.ts"), { dir }, { "./Process.ts": "./Process.js" })
  chmodSync(join(dir, "bin.js"), 0o755)
  const modules = [...program, ...entry].flatMap(({ modules }) => Object.entries(modules))
  const paths = modules.filter(([, { renderedLength }]) => renderedLength > 0).map(([path]) => path)
  writeFileSync(join(dir, "THIRD-PARTY.txt"), notices(paths))
}

/** Bundles what an entry loads, but for the files that are elsewhere. */
async function roll(input, options, elsewhere = {}) {
  const build = await rolldown({
    input,
    platform: "node",
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

/** The licences of the packages that these modules are from. */
function notices(paths) {
  const directories = new Set(paths.flatMap((path) => /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? []))
  const packages = Array.from(directories, (directory) => {
    const { license, name, version } = JSON.parse(readFileSync(join(directory, "package.json"), "utf8"))
    const files = readdirSync(directory).filter((file) => /^(licen[cs]e|notice)/i.test(file))
    const texts = files.toSorted().map((file) => readFileSync(join(directory, file), "utf8").trim())
    return { title: `${name} ${version} (${license})`, texts }
  })
  const sorted = packages.toSorted((a, b) => (a.title < b.title ? -1 : 1))
  return [
    "live-response contains code of these packages.",
    ...sorted.map(({ texts, title }) => [`${title}\n${"=".repeat(title.length)}`, ...texts].join("\n\n")),
    "",
  ].join("\n\n\n")
}
