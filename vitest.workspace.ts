import { defineConfig } from "vitest/config"

const project = (name: string) => ({
  test: { name, root: `packages/${name}`, include: ["test/**/*.test.ts"], testTimeout: 60_000, hookTimeout: 60_000 },
})

const scripts = { test: { name: "scripts", root: "scripts", include: ["*.test.mjs"], testTimeout: 60_000 } }

export default defineConfig({
  // Most tests wait for a process or a socket; by default a machine of two cores runs one file at a time.
  test: { maxWorkers: 3, projects: [project("core"), project("node"), project("cli"), scripts] },
})
