// Before the tests of a package: bundles the programs that they start as processes, because a process starts from a bundle in a
// third of the time that it takes from the sources, or less. A variable that is set already (LIVE_RESPONSE_TEST_BIN, to the path
// of packages/cli/src/bin.ts) names the program to start instead.
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { bundle, roll } from "./build.mjs"

const path = (file) => fileURLToPath(new URL(`../packages/${file}`, import.meta.url))

const clusterPrograms = ["collectorProcess", "executorProcess", "runnerProcess", "tenantSignIn"]

const cli = {
  variable: "LIVE_RESPONSE_TEST_BIN",
  file: "bin.js",
  build: (dir) => bundle(path("cli/src"), dir),
}

const programs = {
  cli,
  // Projects that run together share the bundle of the one that is set up first.
  scripts: cli,
  // The variable names the directory of these programs.
  cluster: {
    variable: "LIVE_RESPONSE_TEST_CLUSTER_PROGRAMS",
    file: ".",
    build: (dir) =>
      roll(Object.fromEntries(clusterPrograms.map((name) => [name, path(`cluster/test/support/${name}.ts`)])), { dir }),
  },
  node: {
    variable: "LIVE_RESPONSE_TEST_SIGN_IN",
    file: "signIn.js",
    build: (dir) => roll(path("node/test/support/signIn.ts"), { dir }),
  },
}

export default async function setup(project) {
  const { build, file, variable } = programs[project.name]
  if (process.env[variable] !== undefined) return
  const root = mkdtempSync(join(tmpdir(), "live-response-test-bundle-"))
  // A test starts the program as another user, whatever this one keeps from others.
  chmodSync(root, 0o755)
  const usual = process.umask(0o022)
  const dist = join(root, "dist")
  writeFileSync(join(root, "package.json"), JSON.stringify({ type: "module" }))
  await build(dist)
  process.umask(usual)
  const databases = join(root, "postgres")
  const shareDatabases = () => {
    rmSync(databases, { recursive: true, force: true })
    mkdirSync(databases)
  }
  shareDatabases()
  project.onTestsRerun(() => {
    // The schema may have changed.
    shareDatabases()
    return build(dist)
  })
  // The processes in which tests run inherit it.
  process.env[variable] = join(dist, file)
  process.env.LIVE_RESPONSE_TEST_COMPILE_CACHE ??= join(root, "compile-cache")
  process.env.LIVE_RESPONSE_TEST_POSTGRES ??= databases
  return () => {
    delete process.env[variable]
    rmSync(root, { recursive: true, force: true })
  }
}
