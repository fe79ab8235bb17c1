// The pages of the repository, by the folders that they are in, and where the site has them.
import { existsSync, readFileSync, readdirSync } from "node:fs"
import { fileURLToPath } from "node:url"

export const root = fileURLToPath(new URL("../../", import.meta.url))

export const read = (path) => readFileSync(root + path, "utf8")

/** The order of the tasks. A page that is not here and not below is a task too, behind these. */
const tasks = ["sign-in", "download", "run", "follow", "report", "proxies", "embedding", "simulator"]
const reference = ["errors", "faults", "files", "performance", "platforms"]
const project = ["architecture"]

const inDocs = readdirSync(`${root}docs`)
  .filter((file) => file.endsWith(".md"))
  .map((file) => file.slice(0, -".md".length))
const known = new Set([...tasks, ...reference, ...project])
const others = inDocs.filter((name) => !known.has(name))

const ofDocs = (names) => names.filter((name) => inDocs.includes(name)).map((name) => [`docs/${name}.md`, name])

/** Each group of the site: the path of a page in the repository, and its name in the site. */
export const groups = {
  start: [["README.md", "index"]],
  tasks: ofDocs([...tasks, ...others]),
  reference: ofDocs(reference),
  project: [
    ...ofDocs(project),
    ["SECURITY.md", "security"],
    ["CONTRIBUTING.md", "contributing"],
    ["CHANGELOG.md", "changelog"],
  ],
}

/** The name in the site of each page of the repository. */
export const names = new Map(Object.values(groups).flat())

/** The packages with public modules, and those modules by their path in the package. */
export const packages = ["core", "node"].map((name) => ({
  name,
  modules: readdirSync(`${root}packages/${name}/src`, { recursive: true })
    .map((path) => path.replaceAll("\\", "/"))
    .filter((path) => /^(testing\/)?[A-Z]\w*\.ts$/.test(path))
    .map((path) => path.slice(0, -".ts".length))
    .toSorted(),
}))

export const exists = (path) => existsSync(root + path)
