import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"

// Tests wait for events, not for durations. The timeout only ends a test whose event never comes, on a slow machine too.
const timeout = 180_000

const wrapper = fileURLToPath(new URL("vitest.effect.ts", import.meta.url))

/** Resolves `@effect/vitest` in tests to vitest.effect.ts. */
const patientClock = {
  name: "patient-clock",
  enforce: "pre" as const,
  resolveId: (source: string, importer: string | undefined) =>
    source === "@effect/vitest" && importer !== wrapper ? wrapper : undefined,
}

const project = (name: string) => ({
  plugins: [patientClock],
  test: {
    name,
    root: `packages/${name}`,
    include: ["test/**/*.test.ts"],
    testTimeout: timeout,
    hookTimeout: timeout,
  },
})

const scripts = { test: { name: "scripts", root: "scripts", include: ["*.test.mjs"], testTimeout: 60_000 } }

export default defineConfig({
  // Most tests wait for a process or a socket, so more of them run at once than vitest would start on two cores.
  test: { maxWorkers: 3, projects: [project("core"), project("node"), project("cluster"), project("cli"), scripts] },
})
