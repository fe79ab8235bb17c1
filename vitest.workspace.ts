import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"

// A test ends with what it waits for. This only ends one that waits in vain, on however slow a machine.
const bound = 180_000

const patient = fileURLToPath(new URL("vitest.effect.ts", import.meta.url))

/** Tests import `@effect/vitest` under a clock that waits: see vitest.effect.ts. */
const patientClock = {
  name: "patient-clock",
  enforce: "pre" as const,
  resolveId: (source: string, importer: string | undefined) =>
    source === "@effect/vitest" && importer !== patient ? patient : undefined,
}

const project = (name: string) => ({
  plugins: [patientClock],
  test: {
    name,
    root: `packages/${name}`,
    include: ["test/**/*.test.ts"],
    testTimeout: bound,
    hookTimeout: bound,
  },
})

const scripts = { test: { name: "scripts", root: "scripts", include: ["*.test.mjs"], testTimeout: 60_000 } }

export default defineConfig({
  // Most tests wait for a process or a socket; by default a machine of two cores runs one file at a time.
  test: { maxWorkers: 3, projects: [project("core"), project("node"), project("cli"), scripts] },
})
