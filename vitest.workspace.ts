import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"
import { BaseSequencer, type TestSpecification } from "vitest/node"

// Tests wait for events, not for durations. The timeout only ends a test whose event never comes, on a slow machine too.
const timeout = 180_000

// A local time is printed with its zone: the one of this machine would be in what tests expect.
const env = { TZ: "UTC" }

const wrapper = fileURLToPath(new URL("vitest.effect.ts", import.meta.url))

/** Resolves `@effect/vitest` in tests to vitest.effect.ts. */
const patientClock = {
  name: "patient-clock",
  enforce: "pre" as const,
  resolveId: (source: string, importer: string | undefined) =>
    source === "@effect/vitest" && importer !== wrapper ? wrapper : undefined,
}

const bundles = fileURLToPath(new URL("scripts/testBundle.mjs", import.meta.url))

interface Options {
  readonly globalSetup?: string
  readonly isolate?: boolean
  readonly include?: ReadonlyArray<string>
  readonly exclude?: ReadonlyArray<string>
}

const project = (
  name: string,
  { exclude = [], include = ["test/**/*.test.ts"], ...options }: Options = {},
  root = `packages/${name}`,
) => ({
  plugins: [patientClock],
  test: {
    name,
    root,
    include: [...include],
    exclude: [...exclude],
    testTimeout: timeout,
    hookTimeout: timeout,
    env,
    ...options,
  },
})

// It replaces a module for all files that share modules with it.
const mocking = ["test/NodeCredential.test.ts"]

const scripts = {
  test: {
    name: "scripts",
    root: "scripts",
    include: ["*.test.mjs"],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    globalSetup: bundles,
    env,
  },
}

/** Starts the projects in the order of this file, where vitest's is that of their names. */
class InOrder extends BaseSequencer {
  override async sort(files: Array<TestSpecification>) {
    const sorted = await super.sort(files)
    const place = ({ project }: TestSpecification) => this.ctx.projects.indexOf(project)
    return sorted.toSorted((a, b) => place(a) - place(b))
  }
}

export default defineConfig({
  // Most tests wait for a process or a socket, so more of them run at once than vitest would start on two cores.
  test: {
    maxWorkers: 6,
    maxConcurrency: 8,
    sequence: { sequencer: InOrder },
    // Those with tests that wait for a minute come first: they end while others run. The last one has files of seconds only.
    projects: [
      // Without isolation the modules are loaded once for a worker: loading them again takes longer than most files.
      project("cluster", { globalSetup: bundles, isolate: false }),
      project("cli", { globalSetup: bundles, isolate: false }),
      scripts,
      project("node", { globalSetup: bundles, isolate: false, exclude: mocking }),
      project("node, mocked", { include: mocking }, "packages/node"),
      project("core", { isolate: false }),
    ],
  },
})
